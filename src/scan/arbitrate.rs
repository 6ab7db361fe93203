//! Two layouts on one path: the first one asked keeps the claim, and it is marked as ambiguous.
//!
//! An ambiguous checkpoint is shown and protected. Dropping both claims instead would let the scan
//! descend into it and find checkpoints inside a checkpoint.

use crate::core::model::Marks;
use crate::layout::Series;
use std::collections::HashMap;

/// A series, and the index of the layout that recognised it.
pub struct Found {
    pub layout: usize,
    pub series: Series,
}

/// Leaves at most one claim for each entry, and no series without claims.
pub fn settle(mut found: Vec<Found>) -> Vec<Found> {
    let mut owner: HashMap<Box<[u8]>, (usize, usize)> = HashMap::new();
    let mut contested = Vec::new();
    for (s, f) in found.iter_mut().enumerate() {
        let mut kept = 0;
        f.series.claims.retain(|claim| {
            let others: Vec<_> = claim.entries.iter().filter_map(|e| owner.get(e)).collect();
            let free = others.is_empty();
            contested.extend(others.into_iter().copied());
            if free {
                owner.extend(claim.entries.iter().map(|e| (e.clone(), (s, kept))));
                kept += 1;
            }
            free
        });
    }
    for (s, c) in contested {
        found[s].series.claims[c].marks.set(Marks::AMBIGUOUS);
    }
    found.retain(|f| !f.series.claims.is_empty());
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Claim;

    fn found(layout: usize, claims: &[&[&str]]) -> Found {
        let claims = claims
            .iter()
            .map(|entries| Claim {
                entries: entries.iter().map(|e| e.as_bytes().into()).collect(),
                ..Claim::of_entry(entries[0].as_bytes())
            })
            .collect();
        Found { layout, series: Series { claims, ..Series::default() } }
    }

    #[test]
    fn the_first_keeps_what_two_claim() {
        let settled = settle(vec![
            found(0, &[&["a"], &["b"]]),
            found(1, &[&["b", "c"], &["d"]]),
            found(2, &[&["b"]]),
        ]);
        let shown: Vec<String> = settled
            .iter()
            .flat_map(|f| f.series.claims.iter().map(move |c| (f.layout, c)))
            .map(|(l, c)| {
                format!("{l}{}{}", c.id, if c.marks.has(Marks::AMBIGUOUS) { "!" } else { "" })
            })
            .collect();
        assert_eq!(shown, ["0a", "0b!", "1d"]);
    }
}
