//! A treemap: area is bytes. Owners, and in each its datasets; the part that could be reclaimed is
//! filled from below. Laid out by the squarified algorithm (Bruls, Huizing, van Wijk 2000).

use super::fitted;
use crate::core::usage::Cell;
use crate::report::{human, sanitize};
use std::collections::BTreeMap;
use std::fmt::Write as _;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 420.0;
/// Room for the name of an owner.
const HEAD: f64 = 18.0;
/// More cells than that are drawn as one of their owner.
const CELLS: usize = 200;
const OWNERS: usize = 40;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rect {
    pub x: f64,
    pub y: f64,
    pub w: f64,
    pub h: f64,
}

struct Part {
    name: String,
    bytes: u64,
    reclaimable: u64,
}

/// A figure; `cells` heaviest first.
pub fn draw(cells: &[Cell]) -> String {
    let owners = owners(cells);
    if owners.is_empty() {
        return "<p>Nothing is there.</p>\n".to_owned();
    }
    let mut out = format!(
        "<figure><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"A map of usage by \
         owner and dataset\">\n"
    );
    let areas: Vec<f64> = owners.iter().map(|(_, parts)| sum(parts)).collect();
    let whole = Rect { x: 0.0, y: 0.0, w: WIDTH, h: HEIGHT };
    for ((owner, parts), rect) in owners.iter().zip(squarify(&areas, whole)) {
        rectangle(&mut out, "owner", rect);
        let headed = rect.h > 3.0 * HEAD && rect.w > 30.0;
        if headed && let Some(name) = fitted(owner, rect.w - 8.0) {
            text(&mut out, rect.x + 4.0, rect.y + 13.0, &name);
        }
        let top = if headed { HEAD } else { 0.0 };
        let inner = Rect { y: rect.y + top, h: rect.h - top, ..rect };
        let areas: Vec<f64> = parts.iter().map(|p| share(p.bytes)).collect();
        for (part, rect) in parts.iter().zip(squarify(&areas, inner)) {
            cell(&mut out, owner, part, rect);
        }
    }
    out.push_str(
        "</svg><figcaption>Area is bytes, by owner and dataset; filled from below is what could be \
         reclaimed now.</figcaption></figure>\n",
    );
    out
}

fn cell(out: &mut String, owner: &str, part: &Part, rect: Rect) {
    let tip = format!(
        "{owner}, {}: {}, {} reclaimable",
        part.name,
        human::size(part.bytes),
        human::size(part.reclaimable)
    );
    let _ = write!(out, "<g><title>{}</title>", sanitize::html(&tip));
    rectangle(out, "cell stays", rect);
    let goes = rect.h * share(part.reclaimable) / share(part.bytes).max(1.0);
    if goes > 0.0 {
        rectangle(out, "cell goes", Rect { y: rect.y + rect.h - goes, h: goes, ..rect });
    }
    if rect.h > 16.0
        && let Some(name) = fitted(&part.name, rect.w - 8.0)
    {
        text(out, rect.x + 4.0, rect.y + 13.0, &name);
    }
    out.push_str("</g>\n");
}

fn rectangle(out: &mut String, class: &str, r: Rect) {
    let _ = write!(
        out,
        "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
        r.x, r.y, r.w, r.h
    );
}

/// `safe` is escaped already.
fn text(out: &mut String, x: f64, y: f64, safe: &str) {
    let _ = write!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\">{safe}</text>");
}

/// Owners with their parts, both heaviest first.
fn owners(cells: &[Cell]) -> Vec<(String, Vec<Part>)> {
    let mut by_owner: BTreeMap<&str, Vec<Part>> = BTreeMap::new();
    for (i, c) in cells.iter().filter(|c| c.amount.bytes > 0).enumerate() {
        let parts = by_owner.entry(&c.owner).or_default();
        let (bytes, reclaimable) = (c.amount.bytes, c.amount.reclaimable);
        match parts.iter_mut().find(|p| p.name == "others") {
            Some(others) if i >= CELLS => {
                others.bytes = others.bytes.saturating_add(bytes);
                others.reclaimable = others.reclaimable.saturating_add(reclaimable);
            }
            _ => {
                let name = if i >= CELLS { "others" } else { &c.dataset };
                parts.push(Part { name: name.to_owned(), bytes, reclaimable });
            }
        }
    }
    let mut owners: Vec<(String, Vec<Part>)> =
        by_owner.into_iter().map(|(o, p)| (o.to_owned(), p)).collect();
    owners.sort_by(|a, b| sum(&b.1).total_cmp(&sum(&a.1)));
    if owners.len() > OWNERS {
        let rest = owners.split_off(OWNERS - 1);
        let part = |(name, parts): (String, Vec<Part>)| Part {
            name,
            bytes: parts.iter().fold(0, |s, p| s.saturating_add(p.bytes)),
            reclaimable: parts.iter().fold(0, |s, p| s.saturating_add(p.reclaimable)),
        };
        owners.push(("other owners".to_owned(), rest.into_iter().map(part).collect()));
    }
    for (_, parts) in &mut owners {
        parts.sort_by_key(|p| std::cmp::Reverse(p.bytes));
    }
    owners.sort_by(|a, b| sum(&b.1).total_cmp(&sum(&a.1)));
    owners
}

fn sum(parts: &[Part]) -> f64 {
    parts.iter().map(|p| share(p.bytes)).sum()
}

#[expect(clippy::cast_precision_loss, reason = "an area on a page")]
fn share(bytes: u64) -> f64 {
    bytes as f64
}

/// Rectangles in `area` proportional to `values` (positive, descending), as square as can be.
pub fn squarify(values: &[f64], mut area: Rect) -> Vec<Rect> {
    let total: f64 = values.iter().sum();
    if total <= 0.0 || area.w <= 0.0 || area.h <= 0.0 {
        return vec![Rect { w: 0.0, h: 0.0, ..area }; values.len()];
    }
    let scale = area.w * area.h / total;
    let sizes: Vec<f64> = values.iter().map(|v| v * scale).collect();
    let mut out = Vec::with_capacity(values.len());
    let mut rest = &sizes[..];
    while !rest.is_empty() {
        let side = area.w.min(area.h);
        let mut n = 1;
        while n < rest.len() && worst(&rest[..=n], side) <= worst(&rest[..n], side) {
            n += 1;
        }
        let (row, after) = rest.split_at(n);
        let sum: f64 = row.iter().sum();
        let depth = if side > 0.0 { sum / side } else { 0.0 };
        let wide = area.w >= area.h;
        let mut along = 0.0;
        for size in row {
            let length = if depth > 0.0 { size / depth } else { 0.0 };
            out.push(if wide {
                Rect { x: area.x, y: area.y + along, w: depth, h: length }
            } else {
                Rect { x: area.x + along, y: area.y, w: length, h: depth }
            });
            along += length;
        }
        area = if wide {
            Rect { x: area.x + depth, w: (area.w - depth).max(0.0), ..area }
        } else {
            Rect { y: area.y + depth, h: (area.h - depth).max(0.0), ..area }
        };
        rest = after;
    }
    out
}

/// The worst aspect ratio of a row along `side`.
fn worst(row: &[f64], side: f64) -> f64 {
    let sum: f64 = row.iter().sum();
    let (most, least) =
        row.iter().fold((0.0_f64, f64::INFINITY), |(a, b), v| (a.max(*v), b.min(*v)));
    let (side, sum) = (side * side, sum * sum);
    (side * most / sum).max(sum / (side * least))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn areas_are_proportional_inside_and_apart(
            mut values in prop::collection::vec(1.0f64..1e6, 1..40), w in 50.0f64..900.0, h in 50.0f64..900.0
        ) {
            values.sort_by(|a, b| b.total_cmp(a));
            let area = Rect { x: 10.0, y: 20.0, w, h };
            let rects = squarify(&values, area);
            prop_assert_eq!(rects.len(), values.len());
            let total: f64 = values.iter().sum();
            for (r, v) in rects.iter().zip(&values) {
                let expected = w * h * v / total;
                prop_assert!((r.w * r.h - expected).abs() < 1e-6 * w * h, "{r:?} {expected}");
                prop_assert!(r.x >= 10.0 - 1e-6 && r.y >= 20.0 - 1e-6);
                prop_assert!(r.x + r.w <= 10.0 + w + 1e-6 && r.y + r.h <= 20.0 + h + 1e-6);
            }
            for (i, a) in rects.iter().enumerate() {
                for b in &rects[i + 1..] {
                    let x = (a.x + a.w).min(b.x + b.w) - a.x.max(b.x);
                    let y = (a.y + a.h).min(b.y + b.h) - a.y.max(b.y);
                    prop_assert!(x < 1e-6 || y < 1e-6, "{a:?} {b:?}");
                }
            }
        }
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert_eq!(draw(&[]), "<p>Nothing is there.</p>\n");
    }
}
