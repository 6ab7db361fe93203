//! What each owner uses, and how much of it could be reclaimed now.

use super::fitted;
use crate::core::usage::Group;
use crate::report::{human, sanitize};
use std::fmt::Write as _;

const WIDTH: f64 = 900.0;
const NAMES: f64 = 180.0;
const ROW: f64 = 24.0;
/// Room for the figures behind a bar.
const FIGURES: f64 = 190.0;

/// A figure, in the order of the rows.
pub fn draw(group: &Group) -> String {
    let most = group.rows.iter().map(|r| r.amount.bytes).max().unwrap_or(0);
    if most == 0 {
        return "<p>Nothing is there.</p>\n".to_owned();
    }
    let rows = u32::try_from(group.rows.len()).unwrap_or(u32::MAX);
    let height = f64::from(rows) * ROW;
    let mut out = format!(
        "<figure><svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"Reclaimable bytes of \
         each owner\">\n"
    );
    let mut y = 0.0;
    for r in &group.rows {
        let wide = |bytes| (WIDTH - NAMES - FIGURES) * share(bytes, most);
        let (all, goes) = (wide(r.amount.bytes), wide(r.amount.reclaimable));
        let name = fitted(&r.name, NAMES - 10.0).unwrap_or_default();
        let figures =
            format!("{} of {}", human::size(r.amount.reclaimable), human::size(r.amount.bytes));
        let _ = writeln!(
            out,
            "<g><title>{0}</title><text x=\"{1:.1}\" y=\"{4:.1}\" text-anchor=\"end\">{name}</text>\
             <rect class=\"bar\" x=\"{NAMES}\" y=\"{2:.1}\" width=\"{all:.1}\" height=\"16\"/>\
             <rect class=\"goes\" x=\"{NAMES}\" y=\"{2:.1}\" width=\"{goes:.1}\" height=\"16\"/>\
             <text class=\"soft\" x=\"{3:.1}\" y=\"{4:.1}\">{5}</text></g>",
            sanitize::html(&r.name),
            NAMES - 8.0,
            y + 4.0,
            NAMES + all + 8.0,
            y + 16.0,
            sanitize::html(&figures)
        );
        y += ROW;
    }
    out.push_str("</svg><figcaption>Filled: what could be reclaimed now.</figcaption></figure>\n");
    out
}

#[expect(clippy::cast_precision_loss, reason = "a length on a page")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}
