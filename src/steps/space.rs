//! How much trash has to go early, where a policy demands free space.
//!
//! A move to the trash frees nothing by itself, and plans count the trash as free. What a run has
//! just moved stays restorable all the same: it goes early only for a later run.

use super::see;
use crate::apply::early::{self, Trash};
use crate::apply::{ApplyError, Count, Root};
use crate::core::limit::quota::amount;
use crate::core::model::{Space, Time};
use crate::core::plan::PlanFile;
use crate::core::policy::{self, Amount, Cap, OnExceed};
use crate::store::Store as _;
use crate::store::local::LocalStore;
use serde_json::{Value, json};

/// A `min-free` that evicts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Demand {
    min: Amount,
    /// Also as far as may be, where it cannot be reached (`unreachable = "evict"`).
    as_far: bool,
}

/// The `min-free` quotas of the plan's policy that evict.
pub fn demands(plan: &PlanFile) -> Vec<Demand> {
    let policy = policy::load(&plan.policy.text).policy;
    let quotas = policy.map(|policy| policy.quotas).unwrap_or_default();
    let evicting = quotas.iter().filter(|q| q.on_exceed == OnExceed::Evict);
    evicting
        .filter_map(|q| match q.cap {
            Cap::MinFree { min, .. } => Some(Demand { min, as_far: q.evict_unreachable }),
            Cap::MaxBytes { .. } => None,
        })
        .collect()
}

/// What the file system of the root has.
///
/// # Errors
/// It cannot be measured.
pub fn measure(root: &Root) -> Result<Space, ApplyError> {
    let space = see::duplicate(root.fd()).and_then(|fd| LocalStore::new(fd).space());
    space.map_err(|source| ApplyError::Io { what: "measure the file system".to_owned(), source })
}

/// With less than this, a run may find no place for its journal and its trash.
const SHORT: u64 = 16 << 20;

/// Whether room has to be made before anything can be moved. Elsewhere what is past its grace goes
/// after the moves: to unlink a file changes the ctime of its other hard links, which may be in what
/// was just planned, and would be taken for changed.
pub fn is_short(root: &Root) -> bool {
    measure(root).is_ok_and(|space| space.free < SHORT)
}

/// What goes from the trash before its grace is over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Early {
    /// The oldest first.
    pub runs: Vec<String>,
    pub count: Count,
    /// Bytes that are missing to the greatest demand, before any of it went.
    pub missing: u64,
}

/// Chooses the oldest trash until every demand holds that can be met.
///
/// `coming` bytes are still to be moved by the command that asks, which began at `now`, or have been
/// as the run `own`: for the demands they count as trash, as in plans, but they stay.
pub fn choose(
    demands: &[Demand],
    space: Space,
    trash: &[Trash],
    (now, own, coming): (Time, Option<&str>, u64),
) -> Early {
    let expired = trash.iter().filter(|t| t.expired).map(|t| t.count.bytes);
    let free = expired.fold(space.free, u64::saturating_add);
    let in_grace = trash.iter().filter(|t| !t.expired).map(|t| t.count.bytes);
    let reach = in_grace.fold(coming, u64::saturating_add);
    let (mut missing, mut wanted) = (0, 0);
    for demand in demands {
        let gap = amount(demand.min, space.total).saturating_sub(free);
        missing = missing.max(gap);
        // What cannot be closed costs nobody an undo in vain.
        if gap <= reach || demand.as_far {
            wanted = wanted.max(gap);
        }
    }
    let mut early = Early { missing, ..Early::default() };
    for old in trash.iter().filter(|t| t.may_go(now, own)) {
        if early.count.bytes >= wanted {
            break;
        }
        early.runs.push(old.run.clone());
        early.count.absorb(old.count);
    }
    early
}

/// Purges early what the plan's demands need, for a command that began at `now` and has made the run
/// `own`. `done` has what went, also if it fails. The trash is looked for on so many threads, as by
/// [`early::trash`].
///
/// # Errors
/// The root or its file system cannot be read; what `purge` gives.
pub fn make_room(
    root: &Root,
    plan: &PlanFile,
    threads: usize,
    (now, own): (Time, Option<&str>),
    done: &mut Early,
    purge: impl FnMut(&[String]) -> Result<Count, ApplyError>,
) -> Result<(), ApplyError> {
    let demands = demands(plan);
    if demands.is_empty() {
        return Ok(());
    }
    let mut trash = early::trash(root, threads, now)?;
    // What is over and lies there still is wanted, and stays.
    trash.retain(|t| !t.expired);
    one_by_one(&demands, measure(root)?, trash, (now, own), done, purge)
}

/// Of a run that somebody has come to want nothing goes, and the next goes in its place. What was
/// freed is counted and not measured again: some file systems tell it late, and whose undo that took
/// would have lost it in vain.
fn one_by_one<E>(
    demands: &[Demand],
    mut space: Space,
    mut trash: Vec<Trash>,
    (now, own): (Time, Option<&str>),
    done: &mut Early,
    mut purge: impl FnMut(&[String]) -> Result<Count, E>,
) -> Result<(), E> {
    let Early { runs: mut next, missing, .. } = choose(demands, space, &trash, (now, own, 0));
    *done = Early { missing, ..Early::default() };
    while !next.is_empty() {
        next.truncate(1);
        let freed = purge(&next)?;
        trash.retain(|t| t.run != next[0]);
        space.free = space.free.saturating_add(freed.bytes);
        done.count.absorb(freed);
        done.runs.extend((freed.checkpoints > 0).then(|| next.remove(0)));
        next = choose(demands, space, &trash, (now, own, 0)).runs;
    }
    Ok(())
}

impl Early {
    /// As JSON of an apply: whose trash went, or would go.
    pub fn json(&self) -> Value {
        let Count { checkpoints, bytes } = self.count;
        json!({ "runs": self.runs, "checkpoints": checkpoints, "bytes": bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_nanos(1_000);

    fn trash(run: &str, at: i64, bytes: u64, expired: bool) -> Trash {
        let count = Count { checkpoints: 1, bytes };
        Trash { run: run.to_owned(), at: Some(Time::from_nanos(at)), count, expired }
    }

    fn strings(of: &[&str]) -> Vec<String> {
        of.iter().map(|s| (*s).to_owned()).collect()
    }

    /// 100 bytes are free, and the demand is of `min`.
    fn chosen(min: u64, as_far: bool, own: Option<&str>, coming: u64) -> (Vec<String>, u64) {
        let all = [
            trash("gone", 1, 5, true),
            trash("old", 10, 10, false),
            trash("newer", 20, 20, false),
            trash("mine", 1_000, 40, false),
            trash("later", 1_001, 80, false),
        ];
        let demands = [Demand { min: Amount::Bytes(min), as_far }];
        let space = Space { total: 1_000, free: 100 };
        let early = choose(&demands, space, &all, (NOW, own, coming));
        (early.runs, early.missing)
    }

    #[test]
    fn the_oldest_goes_until_the_demand_holds() {
        let cases: [(u64, &[&str]); 6] = [
            (100, &[]),
            (105, &[]),
            (106, &["old"]),
            (115, &["old"]),
            (116, &["old", "newer"]),
            (255, &["old", "newer"]),
        ];
        for (min, runs) in cases {
            let missing = min.saturating_sub(105);
            assert_eq!(chosen(min, false, Some("mine"), 0), (strings(runs), missing), "{min}");
        }
    }

    #[test]
    fn neither_the_own_run_nor_a_younger_one_goes() {
        assert_eq!(chosen(255, true, Some("mine"), 0).0, ["old", "newer"]);
        assert_eq!(chosen(255, true, None, 0).0, ["old", "newer", "mine"]);
    }

    #[test]
    fn what_cannot_be_met_takes_nothing_unless_the_policy_says_so() {
        // 150 bytes lie in the trash within their grace.
        assert_eq!(chosen(256, false, Some("mine"), 0), (vec![], 151));
        assert_eq!(chosen(256, true, Some("mine"), 0).0, ["old", "newer"]);
        assert_eq!(chosen(256, false, None, 1).0, ["old", "newer", "mine"], "with what is to come");
    }

    /// What is wanted by now keeps its bytes; the next oldest goes for it.
    #[test]
    fn the_next_goes_where_a_run_stays() {
        let all = || ["pinned", "old", "newer"].into_iter().zip(1..);
        for (min, gone) in [(104, vec!["old"]), (112, vec!["old", "newer"]), (100, vec![])] {
            let trash = all().map(|(run, at)| trash(run, at, 10, false)).collect();
            let demands = [Demand { min: Amount::Bytes(min), as_far: false }];
            let space = Space { total: 1_000, free: 100 };
            let (mut tried, mut early) = (Vec::new(), Early::default());
            one_by_one(&demands, space, trash, (NOW, None), &mut early, |runs| {
                tried.extend_from_slice(runs);
                let stays = runs == ["pinned"];
                Ok::<_, ()>(if stays {
                    Count::default()
                } else {
                    Count { checkpoints: 1, bytes: 10 }
                })
            })
            .unwrap();
            assert_eq!(
                (&*early.runs, early.count.bytes),
                (&*strings(&gone), 10 * gone.len() as u64)
            );
            assert_eq!(
                (early.missing, tried.len()),
                (min - 100, gone.len() + usize::from(min > 100))
            );
        }
        // What went before it failed is known.
        let mut early = Early::default();
        let failed = one_by_one(
            &[Demand { min: Amount::Bytes(112), as_far: false }],
            Space { total: 1_000, free: 100 },
            vec![trash("old", 1, 10, false), trash("newer", 2, 10, false)],
            (NOW, None),
            &mut early,
            |runs| match runs[0].as_str() {
                "old" => Ok(Count { checkpoints: 1, bytes: 10 }),
                _ => Err("disk"),
            },
        );
        assert_eq!((&*early.runs, early.count.bytes, early.missing), (&*strings(&["old"]), 10, 12));
        assert_eq!(failed, Err("disk"));
    }

    #[test]
    fn a_run_whose_beginning_is_lost_never_goes_early() {
        let lost = Trash { at: None, ..trash("lost", 0, 10, false) };
        assert!(!lost.may_go(NOW, None));
    }
}
