//! Runs the program cut off from the machine: its own home, no inherited environment, a fixed time.

use retain::core::model::Time;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The `--now` of all tests. It lies well ahead of every clock the tests run under: a file's ctime
/// is the real time and cannot be set, and would else count as written in the future.
pub const NOW: &str = "2040-06-15T12:00:00Z";

/// That many seconds before [`NOW`], RFC 3339.
pub fn ago(seconds: i64) -> String {
    let now = Time::parse(NOW).expect("a time");
    Time::from_nanos(now.nanos() - seconds * Time::NANOS_PER_SEC).to_string()
}

/// An empty home directory and what surrounds a run of the program.
pub struct World {
    home: tempfile::TempDir,
    cwd: Option<std::path::PathBuf>,
    now: Option<String>,
}

impl Default for World {
    fn default() -> World {
        World::new()
    }
}

impl World {
    pub fn new() -> World {
        let home = tempfile::Builder::new().prefix("retain-home-").tempdir();
        World { home: home.expect("a temporary directory"), cwd: None, now: Some(NOW.to_owned()) }
    }

    /// Runs in this directory instead of the home.
    pub fn within(cwd: impl AsRef<Path>) -> World {
        World { cwd: Some(cwd.as_ref().to_path_buf()), ..World::new() }
    }

    /// Another time than [`NOW`].
    pub fn at_time(mut self, now: &str) -> World {
        self.now = Some(now.to_owned());
        self
    }

    /// The machine's own time: no `--now` is given.
    pub fn in_real_time(mut self) -> World {
        self.now = None;
        self
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The program with these arguments, to be changed further before it is run. Its input is
    /// empty and nothing is a terminal.
    pub fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_retain"));
        command
            .env_clear()
            .env("HOME", self.home())
            .env("PATH", "/usr/bin:/bin")
            // No output may depend on the machine's zone; this one differs from UTC by 14 hours.
            .env("TZ", "Pacific/Kiritimati")
            .env("LC_ALL", "C")
            .current_dir(self.cwd.as_deref().unwrap_or(self.home()))
            .stdin(Stdio::null());
        command.args(args);
        if let Some(now) = &self.now {
            command.args(["--now", now]);
        }
        command
    }

    pub fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Run {
        let mut command = self.command(args);
        let output = command.output().expect("the program starts");
        Run::new(&command, &output)
    }
}

/// What a finished run left.
#[derive(Clone, Debug)]
pub struct Run {
    pub line: String,
    /// `None` if a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn new(command: &Command, output: &Output) -> Run {
        let args: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
        Run {
            line: format!("retain {}", args.join(" ")),
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Panics with all output unless the exit code is this one.
    #[track_caller]
    pub fn code(self, expected: i32) -> Run {
        assert!(self.code == Some(expected), "expected exit code {expected}\n{self}");
        self
    }

    #[track_caller]
    pub fn ok(self) -> Run {
        self.code(0)
    }

    /// Panics unless stdout contains this.
    #[track_caller]
    pub fn says(self, text: &str) -> Run {
        assert!(self.stdout.contains(text), "stdout does not say `{text}`\n{self}");
        self
    }

    /// Panics unless stderr contains this.
    #[track_caller]
    pub fn warns(self, text: &str) -> Run {
        assert!(self.stderr.contains(text), "stderr does not say `{text}`\n{self}");
        self
    }

    /// Panics unless stdout is one JSON value.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        match serde_json::from_str(&self.stdout) {
            Ok(value) => value,
            Err(e) => panic!("stdout is not JSON: {e}\n{self}"),
        }
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "$ {}\n-- exit code {:?}", self.line, self.code)?;
        writeln!(f, "-- stdout\n{}\n-- stderr\n{}", self.stdout, self.stderr)
    }
}
