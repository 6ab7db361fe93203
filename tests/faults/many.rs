//! Several runs at once, some without any lock, some stopped half-way (R9, R10, R12, F22).

use crate::arena::arena;
use crate::oracle::{Case, PLANNED};
use crate::strace::around;
use crate::support::trash;
use crate::trees::Run;
use retain::apply::runs;
use rustix::process::{Pid, Signal, kill_process};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Every `flock` says yes.
const NO_LOCK: &str = "inject=flock:retval=0";
const TRACE: &str = "trace=flock";

/// A started program and strace's log of it, if it is traced.
pub struct Started {
    command: Command,
    child: Child,
    log: PathBuf,
}

impl Started {
    pub fn new(case: &Case, nth: usize, args: &[String], expressions: &[&str]) -> Started {
        let log = case.world.home().join(format!("strace.{nth}"));
        let mut command = case.world.command(args);
        if !expressions.is_empty() {
            let expressions: Vec<String> = expressions.iter().map(|e| (*e).to_owned()).collect();
            command = around(&command, &log, &expressions);
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        Started { command, child, log }
    }

    pub fn finish(self) -> Run {
        let output = self.child.wait_with_output().unwrap();
        Run::new(&self.command, &output)
    }

    /// Waits for the start of the n-th of these calls, or for the end of the program.
    pub fn reached(&self, call: &str, nth: usize) {
        wait_for(call, || {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let ended = log.contains("+++") || log.contains("exit_group");
            (ended || log.matches(&format!(" {call}(")).count() >= nth).then_some(())
        });
    }

    /// The traced program, which is strace's only child, once its log has this text.
    fn when_logged(&self, text: &str) -> Pid {
        let line = wait_for(text, || {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            log.lines().find(|l| l.contains(text)).map(str::to_owned)
        });
        let pid = line.split(' ').next().unwrap().parse().unwrap();
        Pid::from_raw(pid).unwrap()
    }
}

fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < until, "{what} never happened");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn all(runs: &[Run]) -> String {
    runs.iter().map(ToString::to_string).collect()
}

/// After runs that restore as well as move: every checkpoint is whole somewhere.
fn whole_everywhere(case: &Case, about: &str) {
    case.recovers(about);
    case.undo_all(about);
    assert_eq!(case.before.0.diff(&case.store.picture().0), "", "{about}");
    let left = trash(&case.store).into_iter().filter(|p| !case.store.path(p).is_dir());
    assert_eq!(left.collect::<Vec<_>>(), Vec::<String>::new(), "{about}");
}

#[test]
fn r9_eight_applies_at_once_without_locks_needs_root_needs_strace() {
    arena(|arena| {
        for round in 0..40 {
            let case = Case::new(arena);
            // The same plan is refused as soon as one has begun; others ask for the same.
            let args = |nth: usize| if round % 2 == 0 { case.apply() } else { case.apply_as(nth) };
            let started: Vec<Started> =
                (0..8).map(|nth| Started::new(&case, nth, &args(nth), &[TRACE, NO_LOCK])).collect();
            let logs: Vec<PathBuf> = started.iter().map(|s| s.log.clone()).collect();
            let done: Vec<Run> = started.into_iter().map(Started::finish).collect();
            let about = format!("round {round}\n{}", all(&done));
            for log in logs {
                let log = std::fs::read_to_string(log).unwrap();
                assert!(log.contains("(INJECTED)"), "the lock was on\n{about}");
            }
            case.promise(&about);
            assert!(done.iter().all(|run| matches!(run.code, Some(0 | 1 | 3 | 5))), "{about}");
            whole_everywhere(&case, &about);
        }
    });
}

fn apply_purge_undo(case: Case, round: u32, expressions: &[&str]) {
    let (case, run) = case.applied();
    // What was undone can be moved again: a second plan asks for the same checkpoints.
    let verbs = [case.undo(&run), case.purge(&run), case.apply_as(1)];
    let started: Vec<Started> = (0..3)
        .map(|n| (n + round as usize) % 3)
        .map(|n| Started::new(&case, n, &verbs[n], expressions))
        .collect();
    let done: Vec<Run> = started.into_iter().map(Started::finish).collect();
    let about = format!("round {round}\n{}", all(&done));
    case.ends_purged(false, &about);
}

#[test]
fn r10_apply_purge_and_undo_at_once_needs_root() {
    arena(|arena| (0..40).for_each(|round| apply_purge_undo(Case::new(arena), round, &[])));
}

#[test]
fn r10_apply_purge_and_undo_at_once_without_locks_needs_root_needs_strace() {
    arena(|arena| {
        (0..100).for_each(|n| apply_purge_undo(Case::new(arena), n, &[TRACE, NO_LOCK]));
    });
}

/// One of the two sleeps before each of its calls in turn, while the other does all of its work.
#[test]
fn r10_purge_and_undo_interleaved_without_locks_needs_root_needs_strace() {
    arena(|arena| {
        for purge_sleeps in [true, false] {
            for (call, calls) in [("renameat2", 6), ("unlinkat", 8)] {
                for nth in 1..=calls {
                    let (case, run) = Case::new(arena).applied();
                    let mut verbs = [case.purge(&run), case.undo(&run)];
                    if !purge_sleeps {
                        verbs.reverse();
                    }
                    let pause = format!("inject={call}:delay_enter=100000:when={nth}");
                    let trace = format!("trace={call},flock");
                    let sleeper = Started::new(&case, 0, &verbs[0], &[&trace, &pause, NO_LOCK]);
                    sleeper.reached(call, nth);
                    let other = Started::new(&case, 1, &verbs[1], &[TRACE, NO_LOCK]).finish();
                    case.promise(&format!("{other}"));
                    let first = sleeper.finish();
                    let about = format!("sleep before {call} {nth}\n{first}{other}");
                    case.ends_purged(false, &about);
                }
            }
        }
    });
}

/// A run that sleeps between two renames, another run, and the first goes on.
#[test]
fn r12_a_run_is_stopped_while_another_works_needs_root_needs_strace() {
    arena(|arena| {
        for lock in [true, false] {
            for nth in [1, 2, 4] {
                let case = Case::new(arena);
                let pause = format!("inject=renameat2:delay_enter=400000:when={nth}");
                let first = ["trace=renameat2,flock", &pause, NO_LOCK];
                let first = &first[..if lock { 2 } else { 3 }];
                let sleeper = Started::new(&case, 0, &case.apply(), first);
                let pid = sleeper.when_logged("renameat2(");
                kill_process(pid, Signal::STOP).unwrap();
                let others = [TRACE, NO_LOCK];
                let others = if lock { &[][..] } else { &others[..] };
                let second = Started::new(&case, 1, &case.apply_as(1), others).finish();
                case.promise(&format!("{second}"));
                kill_process(pid, Signal::CONT).unwrap();
                let first = sleeper.finish();
                let about = format!("stopped at rename {nth}, lock {lock}\n{first}{second}");
                if lock {
                    assert_eq!((first.code, second.code), (Some(0), Some(1)), "{about}");
                    assert!(second.stderr.contains("another run"), "{about}");
                }
                case.promise(&about);
                whole_everywhere(&case, &about);
            }
        }
    });
}

/// A signal lets the checkpoint in hand be finished; what was not begun is kept, and said.
#[test]
fn f22_signals_during_apply_needs_root_needs_strace() {
    arena(|arena| {
        for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
            for (call, nth) in
                [("renameat2", 1), ("renameat2", 2), ("renameat2", 4), ("fsync", 2), ("fsync", 6)]
            {
                let case = Case::new(arena);
                let pause = format!("inject={call}:delay_enter=150000:when={nth}");
                let trace = format!("trace={call}");
                let started = Started::new(&case, 0, &case.apply(), &[&trace, &pause]);
                started.reached(call, nth);
                kill_process(started.when_logged(&format!("{call}(")), signal).unwrap();
                let run = started.finish();
                let about = format!("{signal:?} at {call} {nth}\n{run}");
                case.settled(&about);
                let summary = &runs(&case.store.root(), 0).unwrap().0[0];
                assert!(!summary.unfinished && !summary.damaged, "{about}");
                let all_gone = case.gone() == PLANNED.len();
                // The last move may be followed by the purge of what is past its grace.
                let stopped = run.stderr.contains("stopped before the end");
                assert_eq!(run.code, Some(if stopped { 3 } else { 0 }), "{about}");
                assert!(all_gone || stopped, "{about}");
                case.heals(true, &about);
            }
        }
    });
}
