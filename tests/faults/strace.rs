//! Runs the program with one system call of one kind failing, or killed before it.
//!
//! A fault that was not injected proves nothing, and strace is silent about a wrong call name; so
//! every run says whether its fault was hit, by strace's own log.

use crate::trees::{Run, World};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What happens to the `nth` (from 1) call of this name.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub call: &'static str,
    pub nth: u32,
    pub what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The call is not executed and gives this error.
    Error(&'static str),
    /// As `Error`, this call and all that follow.
    Ever(&'static str),
    /// The call is not executed, `kill -9` instead.
    Kill,
    /// The call is not executed and is said to have worked.
    Lie,
    /// `statx` is executed, and all that it answers is zero.
    Zeros,
}

impl Fault {
    fn inject(self) -> String {
        let Fault { call, nth, what } = self;
        match what {
            What::Error(errno) => format!("inject={call}:error={errno}:when={nth}"),
            What::Ever(errno) => format!("inject={call}:error={errno}:when={nth}+"),
            What::Kill => format!("inject={call}:signal=KILL:when={nth}"),
            What::Lie => format!("inject={call}:retval=0:when={nth}"),
            What::Zeros => {
                let zeros = "00".repeat(256);
                format!("inject={call}:poke_exit=@arg5={zeros}:when={nth}")
            }
        }
    }
}

/// A finished run, and whether the fault was hit.
pub struct Traced {
    pub run: Run,
    pub hit: bool,
}

/// `strace` around `command`: with this to trace and to inject, its log in `log`.
pub fn around(command: &Command, log: &Path, expressions: &[String]) -> Command {
    let mut traced = Command::new("strace");
    traced.args(["-f", "-q", "-o"]).arg(log);
    // Stops at the traced calls only, which is much faster, and injects no signals.
    if !expressions.iter().any(|e| e.contains("signal=")) {
        traced.arg("--seccomp-bpf");
    }
    for expression in expressions {
        traced.args(["-e", expression]);
    }
    traced.arg("--").arg(command.get_program()).args(command.get_args()).env_clear();
    for (key, value) in command.get_envs() {
        traced.env(key, value.unwrap_or_default());
    }
    traced.current_dir(command.get_current_dir().expect("a directory"));
    traced.stdin(std::process::Stdio::null());
    traced
}

/// Runs the program with these arguments under the fault; `old`: on a kernel without `openat2`.
pub fn with_fault<A: AsRef<OsStr>>(
    world: &World,
    fault: Fault,
    old: bool,
    args: impl IntoIterator<Item = A>,
) -> Traced {
    let log: PathBuf = world.home().join("strace.log");
    let mut expressions = vec![format!("trace={}", fault.call), fault.inject()];
    if old {
        assert_ne!(fault.call, "openat2", "it fails anyway");
        expressions[0] += ",openat2";
        expressions.push("inject=openat2:error=ENOSYS".to_owned());
    }
    let mut command = around(&world.command(args), &log, &expressions);
    let output = command.output().expect("strace starts");
    let log = std::fs::read_to_string(&log).expect("strace's log");
    let call = format!(" {}(", fault.call);
    let hit = match fault.what {
        What::Kill => log.contains("killed by SIGKILL"),
        _ => log.lines().any(|l| l.contains(&call) && l.contains(" (INJECTED")),
    };
    assert!(!old || log.contains(" openat2("), "openat2 was not missing");
    Traced { run: Run::new(&command, &output), hit }
}
