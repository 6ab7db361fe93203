//! Runs a shell's script where `retain` is on the path and nothing else of this machine is known.

use crate::nsml::{self, SESSION};
use crate::support::{Tree, World};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub fn contrib(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib").join(path)
}

pub fn text(path: &str) -> String {
    std::fs::read_to_string(contrib(path)).unwrap_or_else(|e| panic!("contrib/{path}: {e}"))
}

/// A declared storage, a policy that keeps the newest two, and a folder with the program.
pub struct Place {
    pub tree: Tree,
    path: String,
}

impl Place {
    pub fn new() -> Place {
        let tree = Tree::new();
        nsml::write_as(&tree, &format!("runs/{SESSION}"));
        tree.file("policies/two.toml", format!("version = 1\n{}", nsml::LAST_TWO));
        tree.dir("bin").symlink("bin/retain", env!("CARGO_BIN_EXE_retain"));
        let path = format!("{}:/usr/bin:/bin:/usr/sbin:/sbin", tree.at("bin").display());
        World::within(tree.at("runs")).in_real_time().run(["init"]).ok();
        Place { tree, path }
    }

    pub fn at(&self, path: &str) -> String {
        self.tree.at(path).to_str().unwrap().to_owned()
    }

    /// What the session still has.
    pub fn left(&self) -> Vec<String> {
        nsml::left(&self.tree, &format!("runs/{SESSION}"))
    }

    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.tree.path())
            .env("PATH", &self.path)
            .env("LC_ALL", "C")
            .stdin(std::process::Stdio::null())
            .current_dir(self.tree.path());
        command
    }
}

/// Panics with all output unless the exit code is this one; gives both streams.
#[track_caller]
pub fn ended(output: &Output, code: i32) -> String {
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let all = said(&output.stdout) + &said(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{all}");
    all
}
