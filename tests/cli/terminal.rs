//! At a terminal: questions are asked, and answered.

use crate::nsml::{self, IDS, SESSION, left, world};
use crate::support::{NOW, Snapshot, Tree};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, ExitStatus, Stdio};

/// The program on a terminal of its own.
struct Session {
    terminal: File,
    child: Child,
    shown: String,
}

impl Session {
    fn start(tree: &Tree, args: &[&str]) -> Session {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let name = ptsname(&controller, Vec::new()).unwrap().into_string().unwrap();
        let open = || Stdio::from(File::options().read(true).write(true).open(&name).unwrap());
        let mut command = world(tree).command(args);
        command.env("TERM", "xterm").stdin(open()).stdout(open()).stderr(open());
        let child = command.spawn().unwrap();
        Session { terminal: File::from(controller), child, shown: String::new() }
    }

    /// Reads until the terminal shows this; panics if the program ends before.
    #[track_caller]
    fn until(&mut self, text: &str) {
        while !self.shown.contains(text) {
            let mut buffer = [0; 4096];
            match self.terminal.read(&mut buffer) {
                Ok(n) if n > 0 => self.shown += &String::from_utf8_lossy(&buffer[..n]),
                _ => panic!("ended without showing `{text}`:\n{}", self.shown),
            }
        }
    }

    fn answer(&mut self, text: &str) -> ExitStatus {
        writeln!(self.terminal, "{text}").unwrap();
        self.wait()
    }

    fn wait(&mut self) -> ExitStatus {
        // The end of the program ends the terminal: reading fails then.
        let mut rest = Vec::new();
        let _ = self.terminal.read_to_end(&mut rest);
        self.shown += &String::from_utf8_lossy(&rest);
        self.child.wait().unwrap()
    }
}

#[test]
fn no_is_the_default_answer() {
    let tree = nsml::storage();
    let before = Snapshot::of(tree.path()).without(".retain");
    for answer in ["", "n", "yesterday"] {
        let mut session = Session::start(&tree, &["rm", SESSION, "*"]);
        session.until("[y/N]");
        assert_eq!(session.answer(answer).code(), Some(6), "{}", session.shown);
        before.assert_same(&Snapshot::of(tree.path()).without(".retain"));
    }
}

#[test]
fn the_plan_is_shown_before_the_question() {
    let tree = nsml::storage();
    let mut session = Session::start(&tree, &["rm", SESSION, "0", "1"]);
    session.until("[y/N]");
    assert!(session.shown.contains("chosen by hand"), "{}", session.shown);
    assert!(
        session.shown.contains("Delete 2 checkpoints of 1 session? [y/N]"),
        "{}",
        session.shown
    );
    assert_eq!(session.answer("y").code(), Some(0), "{}", session.shown);
    assert_eq!(left(&tree, SESSION), IDS[2..]);
}

#[test]
fn the_first_confirmed_apply_declares_the_root() {
    let tree = Tree::new();
    nsml::write_as(&tree, SESSION);
    let mut session = Session::start(&tree, &["apply"]);
    session.until("[y/N]");
    assert!(session.shown.contains("becomes a root"), "{}", session.shown);
    assert!(session.shown.contains("unattended runs (--yes) may clean it"), "{}", session.shown);
    assert!(!tree.exists(".retain"), "not before it is confirmed");
    assert_eq!(session.answer("yes").code(), Some(0), "{}", session.shown);
    assert!(tree.exists(".retain/root.toml"));
    assert!(left(&tree, SESSION).len() < IDS.len());
}

#[test]
fn ctrl_c_at_the_question_ends_it_there() {
    let tree = nsml::storage();
    let before = Snapshot::of(tree.path()).without(".retain");
    let mut session = Session::start(&tree, &["rm", SESSION, "*"]);
    session.until("[y/N]");
    let pid = rustix::process::Pid::from_child(&session.child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(session.wait().code(), None, "ended by the signal:\n{}", session.shown);
    before.assert_same(&Snapshot::of(tree.path()).without(".retain"));
}

#[test]
fn hostile_names_are_escaped_on_the_terminal() {
    let tree = Tree::new();
    let dir = "team/x/1/nsml_model/\u{1b}]52;c;ZXZpbA==\u{7}";
    tree.file(format!("{dir}/model/w"), "x").file(
        format!("{dir}/metadata.json"),
        format!(r#"{{"checkpoint":"x","saved_at":"{NOW}","summary":{{"loss":1}}}}"#),
    );
    let mut session = Session::start(&tree, &["ls", "team/x/1"]);
    session.wait();
    assert!(session.shown.contains("\\u{1b}]52;c;"), "{}", session.shown);
    assert!(!session.shown.contains("\u{1b}]"), "{:?}", session.shown);
}
