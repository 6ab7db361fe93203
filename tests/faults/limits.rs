//! Errors that are rare, and machines that give little (F2, F8, F9, F10, F11, F13, F21, F23, F27).

use crate::arena::{Arena, arena};
use crate::oracle::{Case, PLANNED};
use crate::strace::{Fault, What, around};
use crate::sweep::{LOOKING, MUTATING, VERBS, Verb, sweep};
use crate::trees::Run;
use std::fs::File;
use std::process::{Command, Stdio};

/// Each call of each kind fails with one of these, by turns.
const RARE: [&str; 9] = [
    "EDQUOT",
    "EMFILE",
    "ENFILE",
    "ENOMEM",
    "EMLINK",
    "ENOTEMPTY",
    "ENAMETOOLONG",
    "ELOOP",
    "EOVERFLOW",
];

#[test]
fn f2_f8_f9_f13_rare_errors_needs_root_needs_strace() {
    arena(|arena| {
        let rare = |nth: u32, turn| What::Error(RARE[(nth as usize + turn) % RARE.len()]);
        for verb in VERBS {
            for call in MUTATING {
                // Two of the nine at each call.
                for turn in [0, 4] {
                    sweep(arena, verb, call, |nth| rare(nth, turn));
                }
            }
        }
        for call in LOOKING {
            sweep(arena, Verb::Apply, call, |nth| rare(nth, 0));
        }
    });
}

/// A run of the program with all this injected; it must have been.
fn run_with(case: &Case, injections: &[String], args: &[String]) -> Run {
    let log = case.world.home().join("strace.log");
    let mut command = around(&case.world.command(args), &log, injections);
    let output = command.output().unwrap();
    let log = std::fs::read_to_string(log).unwrap();
    let run = Run::new(&command, &output);
    assert!(log.contains("(INJECTED)") || log.contains("(DELAYED)"), "nothing was injected\n{run}");
    run
}

fn injected(calls: &str, what: &str) -> [String; 2] {
    [format!("trace={calls}"), format!("inject={calls}:{what}")]
}

/// Every second call is interrupted before it did anything, and done again.
#[test]
fn f10_interrupted_calls_are_repeated_needs_root_needs_strace() {
    arena(|arena| {
        for call in MUTATING.into_iter().chain(["openat2", "statx", "getdents64", "pread64"]) {
            let case = Case::new(arena);
            if ["linkat", "renameat", "ftruncate", "unlinkat", "pread64"].contains(&call) {
                continue;
            }
            let run = run_with(&case, &injected(call, "error=EINTR:when=1+2"), &case.apply());
            let about = format!("{call} interrupted\n{run}");
            assert_eq!((run.code, case.gone()), (Some(0), PLANNED.len()), "{about}");
            case.heals(true, &about);
        }
    });
}

/// `openat2` is unsure for ever: there is an end to it, and nothing is touched.
#[test]
fn f11_openat2_says_again_for_ever_needs_root_needs_strace() {
    arena(|arena| {
        for nth in [1, 2, 5, 10, 20, 40] {
            let case = Case::new(arena);
            let what = format!("error=EAGAIN:when={nth}+");
            let run = run_with(&case, &injected("openat2", &what), &case.apply());
            case.heals(false, &format!("EAGAIN from {nth} on\n{run}"));
        }
    });
}

/// Every call that changes something takes a while: nothing depends on it being quick.
#[test]
fn f27_slow_calls_needs_root_needs_strace() {
    arena(|arena| {
        let case = Case::new(arena);
        let delay = injected("renameat2,fsync,mkdirat", "delay_enter=30000:delay_exit=30000");
        let run = run_with(&case, &delay, &case.apply());
        assert_eq!((run.code, case.gone()), (Some(0), PLANNED.len()), "{run}");
        case.heals(true, &format!("slow\n{run}"));
    });
}

/// The program below a limit of `prlimit`.
fn limited(case: &Case, limit: &str, args: &[String]) -> Run {
    let inner = case.world.command(args);
    let mut command = Command::new("prlimit");
    command.args([limit, "--"]).arg(inner.get_program()).args(inner.get_args());
    command.current_dir(case.world.home()).env("HOME", case.world.home()).stdin(Stdio::null());
    let output = command.output().unwrap();
    Run::new(&command, &output)
}

fn at_all_limits(arena: &Arena, limits: impl Iterator<Item = String>) {
    let (mut refused, mut done) = (0, 0);
    for limit in limits {
        let case = Case::new(arena);
        let run = limited(&case, &limit, &case.apply());
        let about = format!("{limit}\n{run}");
        if run.code == Some(0) {
            assert_eq!(case.gone(), PLANNED.len(), "{about}");
            done += 1;
        } else {
            refused += 1;
        }
        case.heals(false, &about);
    }
    assert!(refused > 0 && done > 0, "{refused} limits were too low, {done} were enough");
}

#[test]
fn f8_few_descriptors_needs_root() {
    arena(|arena| at_all_limits(arena, (4..64).map(|n| format!("--nofile={n}"))));
}

#[test]
fn f9_little_memory_needs_root() {
    arena(|arena| at_all_limits(arena, (1..40).map(|n| format!("--as={}", n * 2_000_000))));
}

#[test]
fn f20_files_may_not_grow_needs_root() {
    arena(|arena| at_all_limits(arena, (0..40).map(|n| format!("--fsize={}", n * 1024))));
}

#[test]
fn f23_a_small_stack_needs_root() {
    arena(|arena| {
        at_all_limits(
            arena,
            [16, 32, 64, 128, 256, 8192].map(|k| format!("--stack={}", k << 10)).into_iter(),
        );
    });
}

/// Nobody hears what it says: that is an error, and no reason to do half of it.
#[test]
fn f21_output_that_fails_needs_root() {
    arena(|arena| {
        for out in ["/dev/full", "closed pipe"] {
            let case = Case::new(arena);
            let mut command = case.world.command(case.apply());
            command.stderr(Stdio::null());
            if out == "/dev/full" {
                command.stdout(File::options().write(true).open(out).unwrap());
            } else {
                let (reader, writer) = std::io::pipe().unwrap();
                drop(reader);
                command.stdout(writer);
            }
            let status = command.status().unwrap();
            assert!(matches!(status.code(), Some(0 | 1)), "{out}: {status:?}");
            assert!([0, PLANNED.len()].contains(&case.gone()), "{out}: half of it was done");
            case.heals(true, out);
        }
    });
}

/// Killed anywhere, the next command says in one line what happened.
#[test]
fn f17_the_next_command_says_what_happened_needs_root_needs_strace() {
    arena(|arena| {
        let mut told = 0;
        for (call, nth) in [("renameat2", 1), ("renameat2", 2), ("renameat2", 4), ("fsync", 4)] {
            let case = Case::new(arena);
            let fault = Fault { call, nth, what: What::Kill };
            assert!(case.run_with(arena, fault, &case.apply()).hit);
            let next = case.world.run(case.purge_due());
            let lines = next.stderr.lines().filter(|l| l.contains("was interrupted")).count();
            told += lines;
            assert!(lines == 1, "{fault:?}\n{next}");
            case.settled(&format!("{fault:?}\n{next}"));
            let again = case.world.run(case.purge_due());
            assert!(!again.stderr.contains("interrupted"), "{again}");
            case.heals(true, &format!("{fault:?}\n{next}"));
        }
        assert_eq!(told, 4);
    });
}
