//! Rectangles whose areas are as bytes are: owners, their datasets in them, their sessions in those.
//!
//! Laid out by the squarified method of Bruls, Huizing and van Wijk (2000): rows of cells along the
//! shorter side, each row closed when another cell would make its worst one less square.

/// A rectangle in the drawing's units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rect {
    pub x: f64,
    pub y: f64,
    pub w: f64,
    pub h: f64,
}

impl Rect {
    /// Smaller by `by` on every side; never less than nothing.
    #[must_use]
    pub fn inside(self, by: f64) -> Rect {
        let (w, h) = ((self.w - 2.0 * by).max(0.0), (self.h - 2.0 * by).max(0.0));
        Rect { x: self.x + by, y: self.y + by, w, h }
    }
}

/// A rectangle for each of `sizes`, which are sorted, the biggest first, and all positive.
pub fn layout(sizes: &[f64], into: Rect) -> Vec<Rect> {
    let total: f64 = sizes.iter().sum();
    let mut out = Vec::with_capacity(sizes.len());
    if total <= 0.0 || into.w <= 0.0 || into.h <= 0.0 {
        return vec![Rect { w: 0.0, h: 0.0, ..into }; sizes.len()];
    }
    let scale = into.w * into.h / total;
    let areas: Vec<f64> = sizes.iter().map(|s| s * scale).collect();
    let mut free = into;
    let mut at = 0;
    while at < areas.len() {
        let side = free.w.min(free.h);
        let mut end = at + 1;
        while end < areas.len() && worst(&areas[at..=end], side) <= worst(&areas[at..end], side) {
            end += 1;
        }
        place(&areas[at..end], &mut free, &mut out);
        at = end;
    }
    out
}

/// The least square cell of a row: its longer side through its shorter.
fn worst(row: &[f64], side: f64) -> f64 {
    let sum: f64 = row.iter().sum();
    let most = row.iter().copied().fold(0.0, f64::max);
    let least = row.iter().copied().fold(f64::INFINITY, f64::min);
    (side * side * most / (sum * sum)).max(sum * sum / (side * side * least))
}

/// Puts a row along the shorter side, and takes it off what is free.
fn place(row: &[f64], free: &mut Rect, out: &mut Vec<Rect>) {
    let sum: f64 = row.iter().sum();
    if free.w >= free.h {
        let w = if free.h > 0.0 { sum / free.h } else { 0.0 };
        let mut y = free.y;
        for area in row {
            let h = if w > 0.0 { area / w } else { 0.0 };
            out.push(Rect { x: free.x, y, w, h });
            y += h;
        }
        free.x += w;
        free.w = (free.w - w).max(0.0);
    } else {
        let h = if free.w > 0.0 { sum / free.w } else { 0.0 };
        let mut x = free.x;
        for area in row {
            let w = if h > 0.0 { area / h } else { 0.0 };
            out.push(Rect { x, y: free.y, w, h });
            x += w;
        }
        free.y += h;
        free.h = (free.h - h).max(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Rect = Rect { x: 0.0, y: 0.0, w: 6.0, h: 4.0 };

    #[test]
    fn the_papers_example() {
        // Bruls et al., figure 4: areas 6 6 4 3 2 2 1 in a 6 by 4 rectangle.
        let cells = layout(&[6.0, 6.0, 4.0, 3.0, 2.0, 2.0, 1.0], WHOLE);
        let first = Rect { x: 0.0, y: 0.0, w: 3.0, h: 2.0 };
        assert_eq!(cells[0], first);
        assert_eq!(cells[1], Rect { y: 2.0, ..first });
        assert_eq!(cells[2].x, 3.0);
    }

    #[test]
    fn areas_are_kept_and_nothing_lies_outside() {
        for n in 1..60_u32 {
            let sizes: Vec<f64> = (0..n).map(|i| f64::from((n - i) * (n - i))).collect();
            let cells = layout(&sizes, WHOLE);
            let total: f64 = sizes.iter().sum();
            for (cell, size) in cells.iter().zip(&sizes) {
                let wanted = size / total * 24.0;
                assert!((cell.w * cell.h - wanted).abs() < 1e-9, "{n}: {cell:?} {wanted}");
                assert!(cell.x >= 0.0 && cell.y >= 0.0, "{cell:?}");
                assert!(cell.x + cell.w <= 6.0 + 1e-9 && cell.y + cell.h <= 4.0 + 1e-9, "{cell:?}");
            }
        }
    }

    #[test]
    fn nothing_is_no_area() {
        assert!(layout(&[], WHOLE).is_empty());
        assert_eq!(layout(&[0.0], WHOLE)[0].w, 0.0);
        assert_eq!(layout(&[1.0], Rect { w: 0.0, ..WHOLE })[0].h, 0.0);
        assert_eq!(WHOLE.inside(9.0).w, 0.0);
    }
}
