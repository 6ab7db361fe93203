//! One fault at every single system call of the program, one run each (F1 to F7, F12 to F17).
//!
//! After each: promise P; recovery finds its way, and does nothing the second time; undo brings the
//! first tree back. A sweep ends with the first run in which its fault was not reached.

use crate::arena::{Arena, arena};
use crate::oracle::{Case, PLANNED};
use crate::strace::{Fault, What};

/// What may go wrong with any call.
const ERRORS: [&str; 7] = ["EIO", "ENOSPC", "EACCES", "EROFS", "ESTALE", "EBUSY", "EXDEV"];
/// Calls that change something.
pub const MUTATING: [&str; 9] = [
    "mkdirat",
    "renameat2",
    "renameat",
    "unlinkat",
    "linkat",
    "fsync",
    "pwrite64",
    "fallocate",
    "ftruncate",
];
/// Calls that look, and are made a hundred times as often: each of them fails in each sweep, with
/// the errors by turns.
pub const LOOKING: [&str; 4] = ["openat2", "openat", "statx", "getdents64"];

/// No run makes so many calls of one kind.
pub const MOST: u32 = 10_000;

/// The command that the fault hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Apply,
    Undo,
    Purge,
}

pub const VERBS: [Verb; 3] = [Verb::Apply, Verb::Undo, Verb::Purge];

/// One run under a fault and all that must hold after it; whether the fault was hit.
fn one(arena: &Arena, verb: Verb, fault: Fault) -> bool {
    let about = format!("{verb:?} with {fault:?}");
    let case = Case::new(arena);
    let (case, args) = match verb {
        Verb::Apply => {
            let args = case.apply();
            (case, args)
        }
        Verb::Undo | Verb::Purge => {
            let (case, run) = case.applied();
            let args = if verb == Verb::Undo { case.undo(&run) } else { case.purge(&run) };
            (case, args)
        }
    };
    let traced = case.run_with(arena, fault, &args);
    let about = format!("{about}\n{}", traced.run);
    if fault.what == What::Kill {
        assert_eq!(traced.run.code.is_none(), traced.hit, "{about}");
    } else {
        // The loader opens files, too.
        let loaded = !traced.run.stderr.contains("error while loading shared libraries");
        assert!(!loaded || matches!(traced.run.code, Some(0..=6)), "{about}");
    }
    // I33: success means that all of it was done.
    if traced.run.code == Some(0) {
        let gone = if verb == Verb::Undo { 0 } else { PLANNED.len() };
        assert_eq!(case.gone(), gone, "{about}");
    }
    assert!(traced.hit || traced.run.code == Some(0), "{about}");
    let faithful =
        !matches!(fault.what, What::Lie | What::Zeros | What::Ever(_) | What::Error("ENOTEMPTY"));
    match verb {
        Verb::Apply | Verb::Undo => case.heals(faithful, &about),
        Verb::Purge => case.ends_purged(faithful, &about),
    }
    traced.hit
}

/// The fault at the 1st, 2nd, 3rd ... call; how many calls there were.
pub fn sweep(arena: &Arena, verb: Verb, call: &'static str, what: impl Fn(u32) -> What) -> u32 {
    let end = (1..MOST).find(|&nth| !one(arena, verb, Fault { call, nth, what: what(nth) }));
    end.expect("a run without a fault") - 1
}

/// Each mutating call fails with each of these.
fn mutating(arena: &Arena, verb: Verb, errors: &[&'static str]) {
    let mut hit = 0;
    for errno in errors {
        for call in MUTATING {
            let n = sweep(arena, verb, call, |_| What::Error(errno));
            hit += n;
        }
    }
    assert!(hit as usize > 5 * errors.len(), "only {hit} calls were hit");
}

/// Each call that looks fails, with the errors by turns.
fn looking(arena: &Arena, verb: Verb, call: &'static str) {
    let turns = |nth: u32| What::Error(ERRORS[nth as usize % ERRORS.len()]);
    let hit = sweep(arena, verb, call, turns);
    assert!(hit > 10, "only {hit} calls were hit");
}

#[test]
fn f1_to_f7_apply_mutating_calls_fail_needs_root_needs_strace() {
    arena(|arena| mutating(arena, Verb::Apply, &ERRORS));
}

#[test]
fn f1_to_f7_undo_mutating_calls_fail_needs_root_needs_strace() {
    arena(|arena| mutating(arena, Verb::Undo, &ERRORS));
}

#[test]
fn f1_to_f7_purge_mutating_calls_fail_needs_root_needs_strace() {
    arena(|arena| mutating(arena, Verb::Purge, &ERRORS));
}

#[test]
fn f3_apply_looking_calls_fail_needs_root_needs_strace() {
    arena(|arena| LOOKING.iter().for_each(|call| looking(arena, Verb::Apply, call)));
}

#[test]
fn f3_undo_looking_calls_fail_needs_root_needs_strace() {
    arena(|arena| LOOKING.iter().for_each(|call| looking(arena, Verb::Undo, call)));
}

#[test]
fn f3_purge_looking_calls_fail_needs_root_needs_strace() {
    arena(|arena| LOOKING.iter().for_each(|call| looking(arena, Verb::Purge, call)));
}

/// What is said to be missing, once, is not called gone while it is there (I33).
#[test]
fn i33_apply_is_told_that_something_is_missing_needs_root_needs_strace() {
    arena(|arena| {
        for call in ["openat2", "openat", "statx"] {
            let hit = sweep(arena, Verb::Apply, call, |_| What::Error("ENOENT"));
            assert!(hit > 10, "only {hit} calls were hit");
        }
    });
}

/// What is not executed and said to have worked is found out (I22, I33).
#[test]
fn f14_calls_that_lie_needs_root_needs_strace() {
    arena(|arena| {
        for verb in VERBS {
            for call in ["renameat2", "unlinkat", "fsync"] {
                sweep(arena, verb, call, |_| What::Lie);
            }
        }
    });
}

/// A directory that says it is empty, or at its end, when it is not (F24).
#[test]
fn f24_listings_that_end_too_early_needs_root_needs_strace() {
    arena(|arena| {
        for verb in VERBS {
            sweep(arena, verb, "getdents64", |_| What::Lie);
        }
    });
}

/// A stat that knows nothing: no kind, size, time, inode, owner, mount or device (F25).
#[test]
fn f25_stats_of_nothing_but_zeros_needs_root_needs_strace() {
    arena(|arena| {
        for verb in VERBS {
            sweep(arena, verb, "statx", |_| What::Zeros);
        }
    });
}

/// `kill -9` before every call that changes something, which is after the one before it.
#[test]
fn f17_apply_killed_needs_root_needs_strace() {
    arena(|arena| killed(arena, Verb::Apply));
}

#[test]
fn f17_undo_killed_needs_root_needs_strace() {
    arena(|arena| killed(arena, Verb::Undo));
}

#[test]
fn f17_purge_killed_needs_root_needs_strace() {
    arena(|arena| killed(arena, Verb::Purge));
}

fn killed(arena: &Arena, verb: Verb) {
    let hit: u32 = MUTATING.iter().map(|call| sweep(arena, verb, call, |_| What::Kill)).sum();
    assert!(hit > 10, "only {hit} kills");
}

/// From one call on, all of this kind fail: a disk that is full or read-only stays so.
#[test]
fn f1_f7_f20_failing_for_ever_needs_root_needs_strace() {
    arena(|arena| {
        for verb in VERBS {
            for call in MUTATING {
                for errno in ["ENOSPC", "EROFS", "EIO"] {
                    sweep(arena, verb, call, |_| What::Ever(errno));
                }
            }
        }
    });
}

/// F10: a call that is interrupted again and again is given up some time.
#[test]
fn f24_listings_interrupted_for_ever_needs_root_needs_strace() {
    arena(|arena| {
        for verb in VERBS {
            sweep(arena, verb, "getdents64", |_| What::Ever("EINTR"));
        }
    });
}

/// Old kernels, containers and network file systems answer so; the fallbacks do the same work.
#[test]
fn f12_calls_that_are_missing_needs_root_needs_strace() {
    arena(|arena| {
        for verb in VERBS {
            for errno in ["ENOSYS", "EPERM", "EINVAL"] {
                for call in ["openat2", "renameat2", "fallocate"] {
                    one(arena, verb, Fault { call, nth: 1, what: What::Ever(errno) });
                }
                sweep(arena, verb, "renameat2", |_| What::Error(errno));
                sweep(arena, verb, "fallocate", |_| What::Error(errno));
            }
            let turns = ["ENOSYS", "EPERM", "EINVAL", "EAGAIN"];
            sweep(arena, verb, "openat2", |nth| What::Error(turns[nth as usize % turns.len()]));
        }
    });
}

/// The same machinery where there is no `openat2`: every directory by `O_NOFOLLOW` and mount id.
#[test]
fn f12_killed_without_openat2_needs_root_needs_strace() {
    arena(|arena| {
        arena.without_openat2(|| VERBS.iter().for_each(|verb| killed(arena, *verb)));
    });
}

#[test]
fn f12_failing_without_openat2_needs_root_needs_strace() {
    arena(|arena| {
        arena.without_openat2(|| VERBS.iter().for_each(|verb| mutating(arena, *verb, &["EIO"])));
    });
}
