//! The map of what takes the space: one drawing for wide screens and one for narrow ones.
//!
//! A drawing is as wide as the page, so places along it are in hundredths, and heights in pixels. A
//! name is written only where it fits at the width the drawing is made for, which is about the least
//! it is shown with; on a wider screen there is more room around it.

use super::super::form::query;
use super::super::lang::fill;
use super::super::treemap::{self, Rect};
use super::super::view::View;
use super::super::view::tree::Node;
use super::Visit;
use crate::report::{human, sanitize};

/// The height of a title line, the width of a character, and the space around a name.
const LINE: f64 = 20.0;
const CHARACTER: f64 = 8.0;
const SPACE: f64 = 10.0;

/// A drawing of the map.
pub struct Map {
    pub class: &'static str,
    /// Pixels.
    pub height: f64,
    pub cells: Vec<Cell>,
}

/// A rectangle of it.
pub struct Cell {
    pub url: String,
    /// Name and size.
    pub title: String,
    /// Empty where nothing fits.
    pub label: String,
    /// Under the name, where there is room for it.
    pub size: String,
    /// How much of it the policy would free, in hundredths.
    pub freed: Option<String>,
    pub class: &'static str,
    pub x: String,
    pub y: String,
    pub w: String,
    pub h: String,
}

pub fn maps(view: &View, visit: &Visit, base: &str) -> [Map; 2] {
    let nodes = view.tree(&visit.who().scope);
    [("wide", 940.0, 460.0), ("narrow", 343.0, 440.0)].map(|(class, width, height)| {
        let mut cells = Vec::new();
        let whole = Rect { x: 0.0, y: 0.0, w: width, h: height };
        place(&nodes, whole, 0, &mut cells, &Drawing { visit, base, width });
        Map { class, height, cells }
    })
}

struct Drawing<'a> {
    visit: &'a Visit,
    base: &'a str,
    width: f64,
}

fn place(nodes: &[Node], into: Rect, depth: usize, out: &mut Vec<Cell>, drawing: &Drawing<'_>) {
    #[expect(clippy::cast_precision_loss, reason = "areas on a screen")]
    let sizes: Vec<f64> = nodes.iter().map(|n| n.bytes as f64).collect();
    for (node, rect) in nodes.iter().zip(treemap::layout(&sizes, into)) {
        // What nobody could see or hit is left out.
        if rect.w < 3.0 || rect.h < 3.0 {
            continue;
        }
        out.push(cell(node, rect, depth, drawing));
        let room = rect.inside(2.0);
        let below = Rect { y: room.y + LINE, h: (room.h - LINE).max(0.0), ..room };
        if below.h > LINE && below.w > LINE {
            place(&node.children, below, depth + 1, out, drawing);
        }
    }
}

fn cell(node: &Node, rect: Rect, depth: usize, drawing: &Drawing<'_>) -> Cell {
    let base = drawing.base;
    let name = match node.name.as_str() {
        "" => drawing.visit.t().the_rest.to_owned(),
        name => sanitize::terminal(name).into_owned(),
    };
    let url = match (depth, node.name.as_str()) {
        (_, "") => format!("{base}/sessions?sort=size"),
        (0, owner) => format!("{base}/sessions{}", query(&[("owner", owner), ("sort", "size")])),
        (1, folder) => {
            format!("{base}/sessions{}", query(&[("q", &format!("{folder}/")), ("sort", "size")]))
        }
        (_, session) => format!("{base}/session{}", query(&[("name", session)])),
    };
    let size = human::size(node.bytes);
    let said = match node.freed {
        0 => size.clone(),
        freed => fill(drawing.visit.t().of_it_freed, &[&size, &human::size(freed)]),
    };
    let label = label(name.rsplit('/').next().unwrap_or(&name), rect);
    let below = Rect { h: rect.h - LINE, ..rect };
    // What has cells of its own shows them.
    let leaf = depth >= 2 || node.children.is_empty();
    Cell {
        url,
        title: format!("{name}: {said}"),
        size: if leaf && !label.is_empty() { self::label(&size, below) } else { String::new() },
        label,
        freed: (leaf && node.freed > 0).then(|| share(node.freed, node.bytes)),
        class: ["t-owner", "t-dataset", "t-session"][depth.min(2)],
        x: format!("{:.2}", rect.x / drawing.width * 100.0),
        y: format!("{:.1}", rect.y),
        w: format!("{:.2}", rect.w / drawing.width * 100.0),
        h: format!("{:.1}", rect.h),
    }
}

/// In hundredths, to one place.
#[expect(clippy::cast_precision_loss, reason = "an area on a screen")]
fn share(part: u64, whole: u64) -> String {
    format!("{:.1}", part as f64 / whole.max(1) as f64 * 100.0)
}

/// A name where it fits whole: a part of one would not be what the link is called.
fn label(name: &str, rect: Rect) -> String {
    // A letter of Korean is as wide as two.
    let wide = |c: char| if c.is_ascii() { CHARACTER } else { 2.0 * CHARACTER };
    let whole: f64 = name.chars().map(wide).sum();
    if rect.h >= LINE && whole <= rect.w - SPACE { name.to_owned() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_written_where_it_fits() {
        let rect = |w, h| Rect { x: 0.0, y: 0.0, w, h };
        assert_eq!(label("abcdefgh", rect(80.0, 30.0)), "abcdefgh");
        assert_eq!(label("abcdefgh", rect(70.0, 30.0)), "");
        assert_eq!(label("abcdefgh", rect(80.0, 10.0)), "");
        assert_eq!(label("가나다라", rect(70.0, 30.0)), "");
        assert_eq!(label("가나다라", rect(80.0, 30.0)), "가나다라");
        assert_eq!(label("", rect(60.0, 30.0)), "");
    }
}
