//! How much trash has to go early, where a policy demands free space.
//!
//! A move to the trash frees nothing by itself, and plans count the trash as free. What a run has
//! just moved stays restorable all the same: it goes early only for a later run.

use super::see;
use crate::apply::early::{self, Trash};
use crate::apply::{ApplyError, Count, Root};
use crate::core::limit::quota::amount;
use crate::core::limit::usage::Usage;
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

impl Demand {
    /// Bytes that are missing to it.
    fn gap(self, space: Space) -> u64 {
        amount(self.min, space.total).saturating_sub(space.free)
    }
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
    choose_from(&held(trash), demands, space, trash, (now, own, coming))
}

/// All of the trash, to take runs out of: what that frees depends on which others are gone.
fn held(trash: &[Trash]) -> Usage {
    let mut held = Usage::default();
    trash.iter().flat_map(|t| &t.weights).for_each(|weight| held.add(weight));
    held
}

/// Takes runs out; gives the bytes that frees.
fn take<'t>(held: &mut Usage, runs: impl IntoIterator<Item = &'t Trash>) -> u64 {
    let weights = runs.into_iter().flat_map(|t| &t.weights);
    weights.fold(0, |freed, weight| freed.saturating_add(held.remove(weight)))
}

fn choose_from(
    held: &Usage,
    demands: &[Demand],
    mut space: Space,
    trash: &[Trash],
    (now, own, coming): (Time, Option<&str>, u64),
) -> Early {
    let mut held = held.clone();
    let expired = take(&mut held, trash.iter().filter(|t| t.expired));
    space.free = space.free.saturating_add(expired);
    let in_grace = take(&mut held.clone(), trash.iter().filter(|t| !t.expired));
    let reach = coming.saturating_add(in_grace);
    let (mut missing, mut wanted) = (0, 0);
    for demand in demands {
        let gap = demand.gap(space);
        missing = missing.max(gap);
        // What cannot be closed costs nobody an undo in vain.
        if gap <= reach || demand.as_far {
            wanted = wanted.max(gap);
        }
    }
    let (mut going, mut freed, mut rest) = (Vec::new(), 0, held.clone());
    for old in trash.iter().filter(|t| t.may_go(now, own)) {
        if freed >= wanted {
            break;
        }
        freed += take(&mut rest, [old]);
        going.push(old);
    }
    // Nor does one whose files all have other links, which the others that go do not hold.
    let mut n = 0;
    while let Some(old) = going.get(n) {
        let others = || going.iter().copied().filter(|other| other.run != old.run);
        if has_its_own(old) || take(&mut held.clone(), others()) < freed {
            n += 1;
        } else {
            going.remove(n);
        }
    }
    let checkpoints = going.iter().map(|t| t.count.checkpoints).sum();
    let runs = going.iter().map(|t| t.run.clone()).collect();
    Early { runs, count: Count { checkpoints, bytes: freed }, missing }
}

/// Whether a run frees something whatever else goes.
fn has_its_own(trash: &Trash) -> bool {
    trash.weights.iter().any(|weight| weight.bytes > 0 && weight.shared().is_empty())
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
    let space = measure(root)?;
    if demands.iter().all(|demand| demand.gap(space) == 0) {
        return Ok(());
    }
    let mut trash = early::trash(root, threads, now)?;
    // What is over and lies there still is wanted, and stays.
    trash.retain(|t| !t.expired);
    one_by_one(&demands, space, trash, (now, own), done, purge)
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
    let (mut held, when) = (held(&trash), (now, own, 0));
    let Early { runs: mut next, missing, .. } = choose_from(&held, demands, space, &trash, when);
    *done = Early { missing, ..Early::default() };
    while !next.is_empty() {
        next.truncate(1);
        let freed = purge(&next)?;
        // Of a run that went in part nobody knows which of its links are left: they count as held.
        let gone = |t: &&Trash| t.run == next[0] && t.count.checkpoints <= freed.checkpoints;
        take(&mut held, trash.iter().filter(gone));
        trash.retain(|t| t.run != next[0]);
        space.free = space.free.saturating_add(freed.bytes);
        done.count.absorb(freed);
        done.runs.extend((freed.checkpoints > 0).then(|| next.remove(0)));
        next = choose_from(&held, demands, space, &trash, when).runs;
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
    use crate::core::model::{Checkpoint, SharedFile};
    use std::collections::{HashMap, HashSet};

    const NOW: Time = Time::from_nanos(1_000);

    fn trash(run: &str, at: i64, bytes: u64, expired: bool) -> Trash {
        let (count, at) = (Count { checkpoints: 1, bytes }, Some(Time::from_nanos(at)));
        let weights = vec![Checkpoint { bytes, ..Checkpoint::default() }];
        Trash { run: run.to_owned(), at, count, weights, expired }
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
        let space = Space { total: 1_000, free: 100, trash: 0 };
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
            let space = Space { total: 1_000, free: 100, trash: 0 };
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
            Space { total: 1_000, free: 100, trash: 0 },
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

    /// A run of one checkpoint with a byte of its own, if it has one, and files of 100: inodes and links.
    fn linked(run: &str, at: i64, own: u64, files: &[(u64, u32)]) -> Trash {
        let mut trash = trash(run, at, own, false);
        let inodes = files.iter().map(|f| f.0).collect::<HashSet<_>>().len();
        let mut weight = Checkpoint { bytes: 100 * inodes as u64, ..Checkpoint::default() };
        let file = |&(inode, links)| SharedFile { inode, bytes: 100, apparent: 100, links };
        weight.extra_mut().shared = files.iter().map(file).collect();
        trash.count.bytes += weight.bytes;
        trash.weights.push(weight);
        trash
    }

    /// A file is gone with the last of its links, wherever these are.
    #[test]
    fn what_has_other_links_frees_nothing_and_goes_for_nobody() {
        let cases: [(&str, Vec<Trash>, u64, &[&str], u64); 7] = [
            ("a link elsewhere", vec![linked("a", 1, 0, &[(7, 2)])], 150, &[], 0),
            ("as far as may be", vec![linked("a", 1, 1, &[(7, 2)])], 101, &["a"], 1),
            (
                "both links",
                vec![linked("a", 1, 0, &[(7, 2)]), linked("b", 2, 0, &[(7, 2)])],
                150,
                &["a", "b"],
                100,
            ),
            (
                "the last of three is the program's own",
                vec![
                    linked("a", 1, 0, &[(7, 3)]),
                    linked("b", 2, 1, &[(7, 3)]),
                    linked("own", 3, 0, &[(7, 3)]),
                ],
                150,
                &["b"],
                1,
            ),
            (
                "an older one that gives nothing stays",
                vec![linked("a", 1, 0, &[(7, 2)]), trash("b", 2, 50, false)],
                150,
                &["b"],
                50,
            ),
            (
                "both in one run",
                vec![linked("a", 1, 0, &[(7, 2), (7, 2)]), trash("b", 2, 50, false)],
                150,
                &["a"],
                100,
            ),
            (
                "not needed",
                vec![trash("a", 1, 50, false), linked("b", 2, 0, &[(7, 1)])],
                150,
                &["a"],
                50,
            ),
        ];
        for (what, trash, min, runs, bytes) in cases {
            let as_far = what != "a link elsewhere" && what != "not needed";
            let demands = [Demand { min: Amount::Bytes(min), as_far }];
            let space = Space { total: 1_000, free: 100, trash: 0 };
            let early = choose(&demands, space, &trash, (NOW, Some("own"), 0));
            assert_eq!((early.runs, early.count.bytes), (strings(runs), bytes), "{what}");
            // One after the other it is the same.
            let (mut gone, mut done) = (HashMap::<u64, u32>::new(), Early::default());
            let known = trash.clone();
            one_by_one(&demands, space, trash, (NOW, Some("own")), &mut done, |next| {
                let run = known.iter().find(|t| t.run == next[0]).unwrap();
                let mut bytes = run.weights[0].bytes;
                for file in run.weights.iter().flat_map(Checkpoint::shared) {
                    let gone = gone.entry(file.inode).or_default();
                    *gone += 1;
                    bytes += if *gone == file.links { file.bytes } else { 0 };
                }
                Ok::<_, ()>(Count { checkpoints: 1, bytes })
            })
            .unwrap();
            assert_eq!((done.runs, done.count.bytes), (strings(runs), bytes), "{what}");
        }
    }

    #[test]
    fn a_run_whose_beginning_is_lost_never_goes_early() {
        let lost = Trash { at: None, ..trash("lost", 0, 10, false) };
        assert!(!lost.may_go(NOW, None));
    }
}
