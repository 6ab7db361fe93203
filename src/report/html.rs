//! One self-contained page of usage: text, tables, and charts drawn here as SVG. No script, nothing
//! loaded from anywhere; light or dark as the reader's system is.

mod bars;
mod timeline;
mod treemap;

use super::human;
use super::sanitize::html as safe;
use super::usage::{Page, facts};
use crate::core::usage::{Amount, By, Group};
use std::fmt::Write as _;

const STYLE: &str = include_str!("html/style.css");

/// The whole document.
pub fn usage(page: &Page<'_>) -> String {
    let report = page.report;
    let t = &report.total;
    let title = format!("Storage usage of {}", page.root);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{0}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{0}</h1>\n\
         <p class=\"when\">As of {1}</p>\n",
        safe(&title),
        safe(&human::time(report.now))
    );
    let tiles = [
        ("in use", human::size(t.bytes)),
        ("reclaimable now", human::size(t.reclaimable)),
        ("protected", human::size(t.protected)),
        ("checkpoints", human::grouped(t.checkpoints)),
        ("sessions", human::grouped(t.sessions)),
        ("in the trash", report.trash.map_or("unknown".to_owned(), |t| human::size(t.bytes))),
    ];
    out.push_str("<ul class=\"tiles\">\n");
    for (name, value) in tiles {
        let _ = writeln!(out, "<li><b>{}</b> {}</li>", safe(&value), safe(name));
    }
    out.push_str("</ul>\n<ul class=\"facts\">\n");
    for fact in facts(page) {
        let _ = writeln!(out, "<li>{}</li>", safe(&fact));
    }
    out.push_str("</ul>\n");
    section(&mut out, "Where it is", &treemap::draw(&report.cells));
    section(&mut out, "Over time", &timeline::draw(page.timeline));
    if let Some(owners) = report.groups.iter().find(|g| g.by == By::Owner) {
        section(&mut out, "Reclaimable per owner", &bars::draw(owners));
    }
    for group in &report.groups {
        table(&mut out, group);
    }
    out.push_str("</body>\n</html>\n");
    out
}

fn section(out: &mut String, title: &str, body: &str) {
    let _ = writeln!(out, "<section>\n<h2>{}</h2>\n{body}</section>", safe(title));
}

fn table(out: &mut String, group: &Group) {
    let _ = writeln!(
        out,
        "<section>\n<h2>By {}</h2>\n<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">{}</th>\
         <th scope=\"col\">Sessions</th><th scope=\"col\">Checkpoints</th><th scope=\"col\">Size</th>\
         <th scope=\"col\">Apparent</th><th scope=\"col\">Reclaimable</th><th scope=\"col\">Kept</th>\
         <th scope=\"col\">Protected</th><th scope=\"col\">No policy</th></tr></thead>\n<tbody>",
        safe(group.by.as_str()),
        safe(group.by.as_str())
    );
    let mut row = |name: &str, a: &Amount| {
        let _ = write!(out, "<tr><th scope=\"row\">{}</th>", safe(name));
        for n in [a.sessions, a.checkpoints] {
            let _ = write!(out, "<td>{}</td>", human::grouped(n));
        }
        for n in [a.bytes, a.apparent, a.reclaimable, a.kept, a.protected, a.unmatched] {
            let _ = write!(out, "<td>{}</td>", safe(&human::size(n)));
        }
        out.push_str("</tr>\n");
    };
    group.rows.iter().for_each(|r| row(&r.name, &r.amount));
    if let Some((count, amount)) = &group.rest {
        row(&format!("... {} more", human::grouped(*count)), amount);
    }
    out.push_str("</tbody></table></div>\n</section>\n");
}

/// A text no wider than `width` pixels, at about seven a character.
fn fitted(text: &str, width: f64) -> Option<String> {
    let most = (width / 7.0).floor();
    if most < 3.0 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at least 3")]
    let most = most as usize;
    let shown = safe(text);
    if shown.chars().count() <= most {
        return Some(shown.into_owned());
    }
    // Cut before it is escaped, so that no entity is cut in two.
    let cut: String = text.chars().take(most - 1).collect();
    Some(format!("{}…", safe(&cut)))
}
