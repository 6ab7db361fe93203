//! All sequences of up to three operations, and one mishap at every call of every command.

use crate::act::{Mishap, Op, play};
use crate::check::At;
use crate::disk::Fault;
use crate::outside::Deed;
use crate::world::{GRACE, World};
use rayon::prelude::*;
use rustix::io::Errno;

pub const ALPHABET: [Op; 14] = [
    Op::Plan,
    Op::Apply { purge: false },
    Op::Apply { purge: true },
    Op::UndoRun,
    Op::UndoSession,
    Op::UndoCheckpoint,
    Op::PurgeExpired,
    Op::PurgeAll,
    Op::Outside(Deed::Change(0)),
    Op::Outside(Deed::Replace(3)),
    Op::Outside(Deed::Remove(2)),
    Op::Outside(Deed::Pin),
    Op::Clock(GRACE + 1),
    Op::Clock(-GRACE),
];

/// Each command, and what must have happened for it to have something to do.
const COMMANDS: [&[Op]; 8] = [
    &[Op::Apply { purge: false }],
    &[Op::Apply { purge: true }],
    &[Op::Apply { purge: false }, Op::UndoRun],
    &[Op::Apply { purge: false }, Op::UndoSession],
    &[Op::Apply { purge: false }, Op::UndoCheckpoint],
    &[Op::Apply { purge: false }, Op::PurgeAll],
    &[Op::Apply { purge: false }, Op::Clock(GRACE), Op::PurgeExpired],
    &[Op::Apply { purge: false }, Op::PurgeRun],
];

/// Those that the protocol tells apart; `tests/apply/sweep.rs` tries more of them.
const ERRORS: [Errno; 4] = [Errno::IO, Errno::XDEV, Errno::INVAL, Errno::NOENT];

fn quiet(ops: &[Op]) -> Vec<(Op, Mishap)> {
    ops.iter().map(|op| (*op, Mishap::None)).collect()
}

/// Gives the command each mishap at the 0th, 1st, 2nd ... call, until there are no more calls.
fn sweep(
    before: &[(Op, Mishap)],
    command: Op,
    mishap: impl Fn(usize) -> Mishap,
) -> Result<(), String> {
    for at in 0.. {
        let steps = [before, &[(command, mishap(at))]].concat();
        if !play(&steps, None)? {
            assert!(at > 3, "{steps:?} has no calls");
            break;
        }
    }
    Ok(())
}

/// Plays all cases on all cores, and shows one that fails.
fn all<T: Sync>(cases: &[T], play: impl Fn(&T) -> Result<(), String> + Sync) {
    let failed = cases.par_iter().find_map_any(|case| play(case).err());
    assert!(failed.is_none(), "{}", failed.unwrap_or_default());
}

fn faults() -> Vec<Fault> {
    let cuts = [0, 1, 3, usize::MAX].map(|keep| Fault::PowerCut { keep });
    // Dying before a call is dying after the one before it.
    let crashes = [Fault::CrashAfter, Fault::Lie];
    let done = [Errno::IO, Errno::NOENT].map(Fault::DoneButFailed);
    ERRORS.map(Fault::Fail).into_iter().chain(cuts).chain(crashes).chain(done).collect()
}

#[test]
fn without_mishap_everything_planned_is_moved() {
    let mut world = World::new();
    world.make_plan();
    world.step(Op::Apply { purge: false }, Mishap::None, None).unwrap();
    let places = world.check(crate::check::Rest::Recovered).unwrap().places;
    assert_eq!(places.iter().filter(|at| **at == At::Trash).count(), 5);
    world.finish().unwrap();
}

#[test]
fn all_sequences_of_up_to_three_operations() {
    let mut sequences: Vec<Vec<Op>> = vec![Vec::new()];
    for _ in 0..3 {
        let longer =
            sequences.iter().flat_map(|s| ALPHABET.map(|op| [s.as_slice(), &[op]].concat()));
        sequences = [Vec::new()].into_iter().chain(longer).collect();
    }
    assert_eq!(sequences.len(), 1 + 14 + 14 * 14 + 14 * 14 * 14);
    all(&sequences, |ops| play(&quiet(ops), None).map(drop));
}

#[test]
fn every_fault_at_every_call_of_every_command() {
    let cases: Vec<(&[Op], Fault)> =
        COMMANDS.iter().flat_map(|c| faults().into_iter().map(|f| (*c, f))).collect();
    all(&cases, |(ops, fault)| {
        let (command, before) = ops.split_last().unwrap();
        sweep(&quiet(before), *command, |at| Mishap::Fault(at, *fault))
    });
}

#[test]
fn every_fault_at_every_call_of_a_recovery() {
    let cases: Vec<(usize, Fault)> =
        (12..60).step_by(8).flat_map(|k| faults().into_iter().map(move |f| (k, f))).collect();
    all(&cases, |(k, fault)| {
        let crash = Mishap::Fault(*k, Fault::CrashAfter);
        let before = [(Op::Apply { purge: false }, crash)];
        sweep(&before, Op::Recover, |at| Mishap::Fault(at, *fault))
    });
}

#[test]
fn somebody_else_at_every_call_of_every_command() {
    let deeds: Vec<Deed> = [0, 2, 3]
        .into_iter()
        .flat_map(|n| {
            [Deed::Change(n), Deed::Add(n), Deed::RemovePart(n), Deed::Remove(n), Deed::Replace(n)]
        })
        .chain([Deed::Stray, Deed::Pin])
        .collect();
    let cases: Vec<(&[Op], Deed)> =
        [0, 1, 2, 5].iter().flat_map(|c| deeds.iter().map(|d| (COMMANDS[*c], *d))).collect();
    all(&cases, |(ops, deed)| {
        let (command, before) = ops.split_last().unwrap();
        sweep(&quiet(before), *command, |at| Mishap::Meanwhile(at, *deed))
    });
}
