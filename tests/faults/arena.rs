//! Where it is safe to let a deletion tool fail (T0 of the test matrix).
//!
//! A test starts itself again in its own mount namespace. There it mounts a small tmpfs, makes sure
//! that this is what it stands on, and remounts everything else read-only: neither the program
//! under test nor a mistake in the test can change a file of the machine. Two trees of canaries,
//! one beside the storage and one outside the namespace, are compared before and after.

use crate::support::Store;
use crate::trees::Snapshot;
use std::cell::Cell;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Says that this process is the one inside, and where its mount point is.
const INSIDE: &str = "RETAIN_TEST_ARENA";
const MARKER: &str = ".this-is-the-arena";
const SIZE: &str = "size=768m,nr_inodes=200k,mode=755";

/// A tmpfs of this test's own.
pub struct Arena {
    top: PathBuf,
    token: String,
    canary: Snapshot,
    /// The program finds no `openat2` on this kernel.
    old_kernel: Cell<bool>,
}

/// Runs `body` in an arena. It must be a closure written in the test: its type names the test.
///
/// # Panics
/// If `body` does, if a canary changed, or if the arena cannot be made; then nothing was run.
pub fn arena<F: FnOnce(&Arena)>(body: F) {
    if let Some(top) = std::env::var_os(INSIDE) {
        let arena = Arena::enter(PathBuf::from(top));
        body(&arena);
        arena.check();
        arena.canary.assert_same(&Snapshot::of(arena.top.join("canary")));
        return;
    }
    let name = std::any::type_name::<F>().trim_end_matches("::{{closure}}");
    let (_, name) = name.split_once("::").expect("a test in this program");
    let outer = tempfile::Builder::new().prefix("retain-arena-").tempdir().unwrap();
    let (mount, canary) = (outer.path().join("mount"), outer.path().join("canary"));
    fs::create_dir(&mount).unwrap();
    canaries(&canary);
    let before = Snapshot::of(&canary);
    let done = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--include-ignored", "--test-threads=1"])
        .env(INSIDE, &mount)
        .env("TMPDIR", &mount)
        .output()
        .expect("unshare starts");
    before.assert_same(&Snapshot::of(&canary));
    let [out, err] = [&done.stdout, &done.stderr].map(|text| String::from_utf8_lossy(text));
    // A name that no test has would be no failure.
    let ran = out.contains("test result: ok. 1 passed");
    assert!(done.status.success() && ran, "{name} failed in its arena\n{out}\n{err}");
}

impl Arena {
    fn enter(top: PathBuf) -> Arena {
        run("mount", ["-t", "tmpfs", "-o", SIZE, "retain-arena"].map(OsStr::new), &top);
        // Nothing is written before this holds.
        run("mountpoint", ["-q"].map(OsStr::new), &top);
        assert_eq!(fs::read_dir(&top).unwrap().count(), 0, "the arena is not fresh");
        let token = top.display().to_string();
        fs::write(top.join(MARKER), &token).unwrap();
        read_only_but(&top);
        canaries(&top.join("canary"));
        let canary = Snapshot::of(top.join("canary"));
        let arena = Arena { canary, top, token, old_kernel: Cell::new(false) };
        arena.check();
        arena
    }

    /// Panics unless what follows happens in the arena.
    pub fn check(&self) {
        let marker = fs::read_to_string(self.top.join(MARKER)).expect("the arena's marker");
        assert_eq!(marker, self.token);
        let outside = self.top.parent().unwrap();
        assert_ne!(fs::metadata(&self.top).unwrap().dev(), fs::metadata(outside).unwrap().dev());
    }

    pub fn path(&self) -> &Path {
        &self.top
    }

    /// While `body` runs, programs with a fault find no `openat2`.
    pub fn without_openat2(&self, body: impl FnOnce()) {
        self.old_kernel.set(true);
        body();
        self.old_kernel.set(false);
    }

    pub fn is_old_kernel(&self) -> bool {
        self.old_kernel.get()
    }

    /// An empty, declared root; it is gone when the value is.
    pub fn store(&self) -> Store {
        self.check();
        Store::within(&self.top)
    }

    /// A file system of its own on a loop device, mounted below the arena.
    pub fn image(&self, name: &str, size: &str, mkfs: &[&str]) -> Image {
        self.check();
        let image = Image { file: self.top.join(format!("{name}.img")), at: self.top.join(name) };
        run("truncate", ["-s", size].map(OsStr::new), &image.file);
        let (program, options) = mkfs.split_first().expect("a program");
        run(program, options.iter().map(OsStr::new), &image.file);
        fs::create_dir(&image.at).unwrap();
        image.mount();
        image
    }
}

/// A mounted image; unmounted when the value is dropped.
pub struct Image {
    file: PathBuf,
    pub at: PathBuf,
}

impl Image {
    pub fn mount(&self) {
        let args = [OsStr::new("-o"), OsStr::new("loop"), self.file.as_os_str()];
        run("mount", args, &self.at);
        run("mountpoint", ["-q"].map(OsStr::new), &self.at);
    }

    pub fn unmount(&self) {
        run("umount", [], &self.at);
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-q").arg(&self.at).status();
    }
}

/// Remounts all that is mounted read-only, but for the arena and the kernel's own.
fn read_only_but(top: &Path) {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    for line in mounts.lines() {
        let (left, right) = line.split_once(" - ").expect("a line of mountinfo");
        let at = left.split(' ').nth(4).expect("a mount point").replace("\\040", " ");
        let kind = right.split(' ').next().expect("a type");
        if Path::new(&at) == top || ["proc", "sysfs", "cgroup2", "cgroup"].contains(&kind) {
            continue;
        }
        let done = Command::new("mount").args(["-o", "remount,bind,ro", &at]).output().unwrap();
        // What another mount hides cannot be named, and cannot be written to either.
        let hidden = mounts.lines().filter(|l| l.split(' ').nth(4) == Some(&at)).count() > 1;
        assert!(done.status.success() || hidden, "{at}: {done:?}");
    }
    let outside = top.parent().unwrap().join("written");
    let error = fs::write(&outside, "").expect_err("the outside is writable");
    assert_eq!(error.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
}

/// Files that nothing may touch, named like what the tool deletes.
fn canaries(at: &Path) {
    for n in 0..20 {
        let dir = at.join(format!("checkpoint-{n}/deep"));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("model.bin"), format!("canary {n}")).unwrap();
        fs::write(dir.with_file_name("state.json"), "{}").unwrap();
    }
}

fn run<'a>(program: &str, args: impl IntoIterator<Item = &'a OsStr>, last: &Path) {
    let mut command = Command::new(program);
    command.args(args).arg(last);
    let done = command.output().unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// T0: a test that writes outside its arena fails, and so does the program.
#[test]
fn t0_nothing_outside_the_arena_can_be_written_needs_root() {
    arena(|arena| {
        let outside = arena.path().parent().unwrap().join("canary");
        assert!(fs::remove_dir_all(&outside).is_err());
        assert_eq!(Snapshot::of(&outside).files().len(), 40);
        let inside = arena.path().join("more");
        canaries(&inside);
        let before = Snapshot::of(&inside);
        fs::write(inside.join("checkpoint-3/state.json"), "[]").unwrap();
        assert!(!before.diff(&Snapshot::of(&inside)).is_empty(), "a canary died unnoticed");
    });
}
