//! Usage over time, as a line.

use crate::report::usage::Moment;
use crate::report::{human, sanitize};
use std::fmt::Write as _;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 260.0;
/// Room for the figures of the axis.
const LEFT: f64 = 90.0;
const BOTTOM: f64 = 24.0;
const TOP: f64 = 10.0;

/// A figure; the moments oldest first.
pub fn draw(moments: &[Moment]) -> String {
    let (Some(first), Some(last)) = (moments.first(), moments.last()) else {
        return none();
    };
    if first.at == last.at {
        return none();
    }
    let most = moments.iter().map(|m| m.bytes.max(m.trash.unwrap_or(0))).max().unwrap_or(0);
    let top = number(most.max(1)) * 1.05;
    let span = number(last.at.since(first.at).unsigned_abs());
    let x = |m: &Moment| {
        LEFT + (WIDTH - LEFT - 8.0) * number(m.at.since(first.at).unsigned_abs()) / span
    };
    let height = HEIGHT - TOP - BOTTOM;
    let y = |bytes: u64| TOP + height * (1.0 - number(bytes) / top);
    let line = |value: &dyn Fn(&Moment) -> Option<u64>| {
        let mut path = String::new();
        let mut pen = 'M';
        for m in moments {
            // Where it is not known the line has a gap.
            let Some(bytes) = value(m) else {
                pen = 'M';
                continue;
            };
            let _ = write!(path, "{pen}{:.1} {:.1}", x(m), y(bytes));
            pen = 'L';
        }
        path
    };
    let mut out = format!(
        "<figure><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Usage over time\">\n"
    );
    for part in 0..=4u8 {
        let at = TOP + height * f64::from(part) / 4.0;
        let bytes = top * (1.0 - f64::from(part) / 4.0);
        let _ = writeln!(
            out,
            "<line class=\"axis\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text class=\"soft\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            at + 4.0,
            sanitize::html(&human::size(whole(bytes)))
        );
    }
    for (m, anchor, at) in [(first, "start", LEFT), (last, "end", WIDTH)] {
        let day = m.at.to_chrono().format("%Y-%m-%d").to_string();
        let _ = writeln!(
            out,
            "<text class=\"soft\" x=\"{at}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
            HEIGHT - 6.0,
            sanitize::html(&day)
        );
    }
    let _ = writeln!(out, "<path class=\"line\" d=\"{}\"/>", line(&|m| Some(m.bytes)));
    let _ = writeln!(out, "<path class=\"trash\" d=\"{}\"/>", line(&|m| m.trash));
    out.push_str(
        "</svg><figcaption>In use, and dashed what lies in the trash besides.</figcaption></figure>\n",
    );
    out
}

fn none() -> String {
    "<p>There is no history yet: <code>retain apply</code> and <code>retain monitor</code> each add \
     a point.</p>\n"
        .to_owned()
}

#[expect(clippy::cast_precision_loss, reason = "a place on a page")]
fn number(n: u64) -> f64 {
    n as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative; a label"
)]
fn whole(n: f64) -> u64 {
    n.max(0.0) as u64
}
