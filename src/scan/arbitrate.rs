//! Two layouts on one path: the first one asked keeps the claim, and it is marked as ambiguous.
//!
//! An ambiguous checkpoint is shown and protected. Dropping both claims instead would let the scan
//! descend into it and find checkpoints inside a checkpoint.

use crate::core::model::Marks;
use crate::layout::Series;
use std::collections::{HashMap, HashSet};

/// A series, and the index of the layout that recognised it.
pub struct Found {
    pub layout: usize,
    pub series: Series,
}

/// Leaves at most one claim for each entry, and no series without claims.
pub fn settle(mut found: Vec<Found>) -> Vec<Found> {
    let count = found.iter().flat_map(|f| &f.series.claims).map(|c| c.entries.len()).sum();
    let mut owner: HashMap<&[u8], (usize, usize)> = HashMap::with_capacity(count);
    let mut lost = HashSet::new();
    let mut contested = Vec::new();
    let claims = found.iter().enumerate().flat_map(|(s, f)| {
        f.series.claims.iter().enumerate().map(move |(c, claim)| ((s, c), &claim.entries))
    });
    // What lies deeper comes later: the outermost claim wins.
    let depth = |entries: &[Box<[u8]>]| {
        entries.iter().map(|e| e.iter().filter(|b| **b == b'/').count()).min().unwrap_or(0)
    };
    let mut claims: Vec<_> = claims.collect();
    claims.sort_by_cached_key(|(_, entries)| depth(entries));
    for (place, entries) in claims {
        let above = entries.iter().flat_map(|e| with_ancestors(e));
        let others: Vec<_> = above.filter_map(|e| owner.get(e)).copied().collect();
        if others.is_empty() {
            owner.extend(entries.iter().map(|e| (&**e, place)));
        } else {
            lost.insert(place);
            contested.extend(others);
        }
    }
    for (s, c) in contested {
        found[s].series.claims[c].marks.set(Marks::AMBIGUOUS);
    }
    for (s, f) in found.iter_mut().enumerate() {
        let mut c = 0..;
        f.series.claims.retain(|_| c.next().is_some_and(|c| !lost.contains(&(s, c))));
    }
    found.retain(|f| !f.series.claims.is_empty());
    found
}

/// A path, and the directories it goes through.
fn with_ancestors(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = path.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(i, _)| i);
    ends.chain([path.len()]).map(|end| &path[..end])
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
        let table: [(Vec<Found>, &[&str]); 2] = [
            (
                vec![
                    found(0, &[&["a"], &["b"]]),
                    found(1, &[&["b", "c"], &["d"]]),
                    found(2, &[&["b"]]),
                ],
                &["0a", "0b!", "1d"],
            ),
            (
                vec![found(0, &[&["a/x", "b/x"], &["c/x"]]), found(1, &[&["a"], &["d"]])],
                &["0c/x", "1a!", "1d"],
            ),
        ];
        for (claims, want) in table {
            assert_eq!(shown(settle(claims)), want);
        }
    }

    fn shown(settled: Vec<Found>) -> Vec<String> {
        settled
            .iter()
            .flat_map(|f| f.series.claims.iter().map(move |c| (f.layout, c)))
            .map(|(l, c)| {
                format!("{l}{}{}", c.id, if c.marks.has(Marks::AMBIGUOUS) { "!" } else { "" })
            })
            .collect()
    }
}
