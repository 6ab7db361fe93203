//! Checkpoints whose files have to show whether they are whole.
//!
//! Frameworks that write to the final name leave a file that breaks off if they are killed. What a
//! file shows is weighed against its neighbours: among whole ones, one that breaks off is an
//! unfinished save, and one of another kind is a contradiction. Where none is whole, nothing is
//! known: files were cut by a copy, or saved by a version that writes another format.

use super::Claim;
use super::folder::{Folder, cannot_read};
use crate::core::model::Marks;
use crate::core::name::encode;
use crate::format::shape::Shape;
use crate::layout::Notes;
use crate::store::Blob;
use std::io;

/// A claim, and what its files show.
#[derive(Debug)]
pub struct Shaped {
    pub claim: Claim,
    pub shape: Shape,
}

/// Looks at a file of `folder`; a failure is noted.
pub fn look(
    folder: &Folder<'_>,
    name: &[u8],
    kind: fn(&dyn Blob) -> io::Result<Shape>,
    notes: &mut Notes,
) -> Option<Shape> {
    match folder.dir.file(name).and_then(|file| kind(&*file)) {
        Ok(shape) => Some(shape),
        Err(e) => {
            notes.fault(folder.join(name), cannot_read(&encode(name), &e));
            None
        }
    }
}

/// Of two parts of one checkpoint, the shape that tells against it.
pub fn worse(a: Shape, b: Shape) -> Shape {
    let rank = |s| match s {
        Shape::Whole => 0,
        Shape::Unknown => 1,
        Shape::Other => 2,
        Shape::CutShort => 3,
        Shape::Empty => 4,
    };
    if rank(a) >= rank(b) { a } else { b }
}

/// Decides what is complete; what was incomplete for another reason stays so.
pub fn settle(found: Vec<Shaped>) -> Vec<Claim> {
    let any_proven = found.iter().any(|s| matches!(s.shape, Shape::Whole | Shape::Unknown));
    let any_content = found.iter().any(|s| s.shape != Shape::Empty);
    let settled = found.into_iter().map(|Shaped { mut claim, shape }| {
        match shape {
            Shape::Empty => claim.complete &= !any_content,
            Shape::CutShort => claim.complete &= !any_proven,
            Shape::Other if any_proven => claim.marks.set(Marks::AMBIGUOUS),
            Shape::Whole | Shape::Unknown | Shape::Other => {}
        }
        claim
    });
    settled.collect()
}

/// Checks checkpoints of several numbered parts; `parts` gives each claim's numbers.
///
/// A gap, or fewer parts than the fullest one has, is a save that not all ranks finished. Fewer
/// without a gap may also be a run that went on with fewer ranks: those are kept as well.
pub fn check_parts(claims: &mut [Claim], parts: &[Vec<u64>]) {
    let fullest = parts.iter().map(Vec::len).max().unwrap_or(0);
    for (claim, parts) in claims.iter_mut().zip(parts) {
        let gap = (0..).zip(parts).any(|(want, have)| want != *have);
        if gap || parts.len() < fullest {
            claim.complete = false;
        }
        if !gap && parts.len() < fullest {
            claim.marks.set(Marks::AMBIGUOUS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(shapes: &[Shape]) -> String {
        let found = shapes.iter().map(|&shape| Shaped { claim: Claim::of_entry(b"x"), shape });
        let show = |c: Claim| match (c.complete, c.marks.has(Marks::AMBIGUOUS)) {
            (true, false) => 'c',
            (true, true) => '?',
            (false, _) => 'i',
        };
        settle(found.collect()).into_iter().map(show).collect()
    }

    #[test]
    fn a_file_is_judged_by_its_neighbours() {
        use Shape::{CutShort, Empty, Other, Unknown, Whole};
        assert_eq!(settled(&[Whole, CutShort, Empty, Other, Unknown]), "cii?c");
        assert_eq!(settled(&[CutShort, CutShort, Empty]), "cci", "all cut: by a copy");
        assert_eq!(settled(&[Other, CutShort, Empty]), "cci");
        assert_eq!(settled(&[Empty, Empty]), "cc", "nothing to compare with");
    }

    #[test]
    fn parts() {
        let table = [
            (vec![vec![0, 1], vec![0, 1]], "cc"),
            (vec![vec![0, 1], vec![1]], "ci"),
            (vec![vec![0, 1, 2], vec![0, 2], vec![0, 1]], "ci?"),
            (vec![vec![0], vec![0]], "cc"),
            (vec![vec![1], vec![1]], "ii"),
        ];
        for (parts, want) in table {
            let mut claims: Vec<_> = parts.iter().map(|_| Claim::of_entry(b"x")).collect();
            check_parts(&mut claims, &parts);
            let show = |c: &Claim| match (c.complete, c.marks.has(Marks::AMBIGUOUS)) {
                (true, _) => 'c',
                (false, false) => 'i',
                (false, true) => '?',
            };
            assert_eq!(claims.iter().map(show).collect::<String>(), want, "{parts:?}");
        }
    }
}
