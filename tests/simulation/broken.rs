//! The checker finds what it is there to find: protocols that are broken on purpose.

use crate::act::{Mishap, Op, play};
use crate::disk::{Broken, Fault};
use crate::outside::Deed;

const APPLY: Op = Op::Apply { purge: false };

fn crash(at: usize) -> Mishap {
    Mishap::Fault(at, Fault::CrashAfter)
}

/// The first thing that the checker finds when a mishap is tried at each call of the last step.
fn found(
    broken: Broken,
    before: &[Op],
    last: Op,
    mishap: impl Fn(usize) -> Mishap,
) -> Option<String> {
    let quiet: Vec<(Op, Mishap)> = before.iter().map(|op| (*op, Mishap::None)).collect();
    (0..200).find_map(|at| {
        let steps = [quiet.as_slice(), &[(last, mishap(at))]].concat();
        play(&steps, Some(broken)).err()
    })
}

#[track_caller]
fn is_found(said: Option<String>, expected: &str) {
    let said = said.unwrap_or_else(|| panic!("the checker does not find it"));
    assert!(said.contains(expected), "expected `{expected}`, and it finds: {said}");
}

#[test]
fn nothing_is_synced() {
    let cut = |at| Mishap::Fault(at, Fault::PowerCut { keep: usize::MAX });
    is_found(found(Broken::NoSync, &[], APPLY, cut), "by record: None");
}

#[test]
fn intents_are_not_written() {
    is_found(found(Broken::Forgets("intent"), &[], APPLY, crash), "by record: None");
}

#[test]
fn moves_are_not_recorded() {
    let steps = [(APPLY, Mishap::None), (Op::PurgeAll, Mishap::None)];
    is_found(play(&steps, Some(Broken::Forgets("moved"))).err(), "left something");
}

#[test]
fn purges_are_not_announced() {
    // What is half purged is taken for something to be restored.
    let said = found(Broken::Forgets("purging"), &[APPLY], Op::PurgeAll, crash);
    is_found(said, "");
}

#[test]
fn parts_move_in_the_wrong_order() {
    let said = found(Broken::WrongOrder, &[], APPLY, crash);
    is_found(said, "what makes it loadable is at its path, the rest is not");
}

#[test]
fn an_undo_overwrites() {
    let rival = |at| Mishap::Meanwhile(at, Deed::Replace(7));
    is_found(found(Broken::Overwrites, &[APPLY], Op::UndoRun, rival), "f 1");
}
