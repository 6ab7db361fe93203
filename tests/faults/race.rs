//! An unprivileged user swaps directories for symlinks while root cleans (R1, R16).
//!
//! The attacker owns the tree, and exchanges one directory with a symlink into another tree, as fast
//! as the kernel lets it. Twice: once that other tree is somebody else's; once it is the attacker's
//! too, and its checkpoints are hard links, so that owner, names and fingerprints are those of the
//! plan and nothing but the way directories are opened keeps the two apart (I18).
//!
//! The same attacker is shown to win against a delete that checks a path and then uses it, and
//! against this program when its `openat2` is robbed of its flags; a harness in which nobody can
//! lose proves nothing.

use crate::arena::{Arena, arena};
use crate::support::{Plan, Store, now, settings, silent};
use crate::trees::Snapshot;
use retain::apply::{ApplyOptions, Root, apply};
use retain::core::plan::PlanFile;
use retain::store::unit;
use rustix::fd::AsFd as _;
use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// How long each target is attacked, in each of the two ways: half a minute in all.
const LENGTH: Duration = Duration::from_secs(5);
/// How long the attacker may take to win where it can: it stops as soon as it has.
const CONTROL: Duration = Duration::from_secs(30);
/// What passes between looking and using in the deletes that go by path, as over a network. Without
/// it, an attacker that gets no processor on a busy machine would never win.
const ROUND_TRIP: Duration = Duration::from_millis(1);
const ATTACK: &str = "RETAIN_TEST_ATTACK";
const UNGUARDED: &str = "RETAIN_TEST_UNGUARDED";
const NOBODY: u32 = 65534;

/// What the attacker swaps, relative to the directory that holds the root, and where its symlink
/// leads.
#[derive(Clone, Copy)]
struct Target {
    swapped: &'static str,
    leads: &'static str,
    /// The other tree is the attacker's own, and made of hard links to the same files.
    kin: bool,
    /// Checkpoints are single files, which alone can be the same in two places.
    files: bool,
}

const ITEM: Target = Target {
    swapped: "runs/s/checkpoint-1",
    // By a name that no checkpoint has: by its own, the link would keep it, as a pointer does.
    leads: "victim/runs/s/elsewhere",
    kin: false,
    files: false,
};
const PARENT: Target =
    Target { swapped: "runs/s", leads: "victim/runs/s", kin: false, files: false };
const ROOT: Target = Target { swapped: "runs", leads: "victim/runs", kin: false, files: false };

impl Target {
    fn item(self) -> &'static str {
        if self.files { "s/checkpoint-1.ckpt" } else { "s/checkpoint-1" }
    }

    fn keeper(self) -> &'static str {
        if self.files { "s/checkpoint-9.ckpt" } else { "s/checkpoint-9" }
    }
}

/// The other side: the same program again, as nobody.
#[test]
#[ignore = "it is started by the other tests here"]
fn attacker_needs_root() {
    let Ok(paths) = std::env::var(ATTACK) else { return };
    let (a, b) = paths.split_once(':').unwrap();
    assert!(fs::write("/dev/../canary", "").is_err(), "the attacker is root");
    let until = Instant::now() + 2 * CONTROL;
    let mut dice = 1_u64;
    while Instant::now() < until {
        for _ in 0..64 {
            let _ = renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE);
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (0..dice >> 50).for_each(|_| std::hint::spin_loop());
        }
    }
}

struct Attacker(Child);

impl Attacker {
    fn new(arena: &Path, a: &Path, b: &Path) -> Attacker {
        // Where it was built nobody may look.
        let program = arena.join("attacker");
        fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        let ids = [format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")];
        let child = Command::new("setpriv")
            .args(ids)
            .args(["--clear-groups", "--bounding-set=-all", "--"])
            .arg(program)
            .args(["--exact", "race::attacker_needs_root", "--ignored", "--test-threads=1"])
            .env(ATTACK, format!("{}:{}", a.display(), b.display()))
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let attacker = Attacker(child);
        // Not before it is at work.
        while renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE).is_ok() {
            std::thread::sleep(Duration::from_millis(20));
            if fs::symlink_metadata(b).is_ok_and(|m| m.is_dir()) {
                break;
            }
        }
        attacker
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    fn pause(&self) {
        kill_process(self.pid(), Signal::STOP).unwrap();
        let status = waitpid(Some(self.pid()), WaitOptions::UNTRACED).unwrap().unwrap();
        assert!(status.1.stopped(), "the attacker is gone: {status:?}");
    }

    fn go_on(&self) {
        kill_process(self.pid(), Signal::CONT).unwrap();
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The attacked place: `top/runs`, the attacker's, and `top/victim`, which is not to be touched.
struct Place {
    top: PathBuf,
    target: Target,
}

impl Place {
    /// A tree to delete from, and the attacker's symlink beside what it will be swapped with.
    fn build(&self) -> (Store, PlanFile) {
        let _ = fs::remove_dir_all(&self.top);
        fs::create_dir(&self.top).unwrap();
        // `Store` chooses a fresh name; the attacker needs one that stays.
        let mut store = Store::within(&self.top);
        let runs = self.top.join("runs");
        fs::rename(&store.top, &runs).unwrap();
        store.top = runs;
        self.fill(&store);
        let mut plan = Plan::of(&store);
        plan.delete("s", "1", &[self.target.item()]).keep("s", "9", &[self.target.keeper()]);
        if self.target.kin {
            // A plan of an inventory file knows the root by its id alone, which both trees have.
            plan.plan.root.as_mut().unwrap().inode = 0;
        }
        let plan = plan.seal();
        (store, plan)
    }

    fn fill(&self, store: &Store) {
        for item in [self.target.item(), self.target.keeper()] {
            if self.target.files {
                store.file(item, "weights");
            } else {
                store.ckpt(item);
            }
        }
        for n in 0..8 {
            let shard = if self.target.files {
                format!("s/shard-{n}.bin")
            } else {
                format!("{}/shard-{n}.bin", self.target.item())
            };
            store.file(shard, "weights");
        }
        // The same tree, down to the marker; its files are the very same, or copies.
        let victim = self.top.join("victim");
        fs::create_dir(&victim).unwrap();
        let how = if self.target.kin { "-al" } else { "-a" };
        let copied = Command::new("cp").arg(how).arg(&store.top).arg(&victim).status().unwrap();
        assert!(copied.success());
        let leads = self.top.join(self.target.leads);
        if !leads.exists() {
            fs::rename(victim.join(self.target.swapped), &leads).unwrap();
        }
        symlink(leads, self.link()).unwrap();
        let mut own = vec![store.path("s")];
        own.extend(self.target.kin.then(|| victim.join("runs/s")));
        for entry in own.iter().flat_map(walkdir::WalkDir::new) {
            lchown(entry.unwrap().path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        for dir in [&self.top, &store.top] {
            fs::set_permissions(dir, fs::Permissions::from_mode(0o777)).unwrap();
        }
    }

    /// What the attacker swaps its target with.
    fn link(&self) -> PathBuf {
        self.top.join(format!("{}.evil", self.target.swapped))
    }

    fn victim(&self) -> Snapshot {
        let mut seen = Snapshot::of(self.top.join("victim"));
        for entry in seen.entries.values_mut() {
            // The attacker's own link to a file may go, and that is counted in the other one.
            entry.same_as = None;
        }
        seen
    }
}

/// Rounds of one delete under attack, until a file of the other tree is gone or the time is over.
/// Whether one was lost; how often there was an attack, and how often something was deleted.
fn attacked(
    arena: &Path,
    target: Target,
    length: Duration,
    mut delete: impl FnMut(&Store, &PlanFile),
) -> (bool, u32, u32) {
    let place = Place { top: arena.join("race"), target };
    let mut store = place.build();
    let swapped = place.top.join(target.swapped);
    let attacker = Attacker::new(arena, &swapped, &place.link());
    let (start, mut rounds, mut deleted) = (Instant::now(), 0, 0);
    while start.elapsed() < length {
        attacker.pause();
        drop(store);
        store = place.build();
        let before = place.victim();
        attacker.go_on();
        delete(&store.0, &store.1);
        attacker.pause();
        rounds += 1;
        if !before.diff(&place.victim()).is_empty() {
            return (true, rounds, deleted);
        }
        let found = [swapped.clone(), place.link()];
        let own = found.iter().find(|p| fs::symlink_metadata(p).is_ok_and(|m| m.is_dir()));
        let item = Path::new("runs").join(target.item());
        let rest = item.strip_prefix(target.swapped).unwrap();
        let first = if target.files { "" } else { "model.bin" };
        let there = |own: &PathBuf| {
            let path = if first.is_empty() { own.join(rest) } else { own.join(rest).join(first) };
            path.exists()
        };
        deleted += u32::from(!own.is_some_and(there));
        attacker.go_on();
    }
    (false, rounds, deleted)
}

/// Looks that no component is a symlink, then deletes by path, as a script does.
fn naive(store: &Store, target: Target) -> io::Result<()> {
    let item = store.path(target.item());
    for dir in [&store.top, &store.path("s"), &item] {
        if fs::symlink_metadata(dir)?.is_symlink() {
            return Ok(());
        }
    }
    std::thread::sleep(ROUND_TRIP);
    by_path(&item)
}

/// Everything that this program looks at before a deletion, owner and fingerprint, but by path.
fn checked(store: &Store, plan: &PlanFile, target: Target) -> io::Result<()> {
    let item = store.path(target.item());
    let parent = fs::File::open(item.parent().unwrap())?;
    let name = CString::new(item.file_name().unwrap().as_encoded_bytes())?;
    let part = unit::Part { parent: parent.as_fd(), name: &name };
    let seen = unit::measure_parts(&[part])?;
    let planned = plan.decisions.iter().find(|d| d.verdict == "delete").unwrap();
    if Some(unit::hex(&seen.fingerprint)) != planned.fingerprint || seen.owners != [NOBODY] {
        return Ok(());
    }
    std::thread::sleep(ROUND_TRIP);
    by_path(&item)
}

/// As a script does that takes what a path leads to for the thing itself. A walk that takes a symlink
/// away first and then looks for what was behind it would lose nothing.
fn by_path(item: &Path) -> io::Result<()> {
    if !fs::metadata(item)?.is_dir() {
        return fs::remove_file(item);
    }
    for entry in fs::read_dir(item)? {
        by_path(&entry?.path())?;
    }
    fs::remove_dir(item)
}

/// This program under attack: whether a file was lost, the rounds, what was deleted and refused.
fn ours(arena: &Path, target: Target, length: Duration) -> (bool, u32, u32, u32) {
    let options = ApplyOptions { settings: settings(now()), grace: None, purge_now: true };
    let mut refused = 0;
    let (lost, rounds, deleted) = attacked(arena, target, length, |store, plan| {
        let done = Root::open(&store.top, None).map(|root| apply(&root, plan, &options, &silent));
        refused += u32::from(!matches!(done, Ok(Ok(report)) if report.purged.checkpoints == 1));
    });
    (lost, rounds, deleted, refused)
}

fn race(arena: &Arena, target: Target) {
    let (lost, rounds, _) = attacked(arena.path(), target, CONTROL, |store, plan| {
        let done = if target.kin { checked(store, plan, target) } else { naive(store, target) };
        drop(done);
    });
    assert!(lost, "the attacker lost {rounds} rounds against a naive delete: it proves nothing");
    // On a busy machine one length may have too few rounds for both outcomes.
    let (mut rounds, mut deleted, mut refused) = (0, 0, 0);
    for _ in 0..8 {
        let (lost, more, gone, kept) = ours(arena.path(), target, LENGTH);
        assert!(!lost, "a file of the other tree was deleted in round {rounds} + {more}");
        (rounds, deleted, refused) = (rounds + more, deleted + gone, refused + kept);
        if rounds > 10 && deleted > 0 && refused > 0 {
            return;
        }
    }
    panic!("{deleted} deleted, {refused} refused of {rounds}: the attack was none");
}

#[test]
fn r1_item_swapped_for_a_symlink_needs_root() {
    arena(|arena| race(arena, ITEM));
}

#[test]
fn r1_parent_swapped_for_a_symlink_needs_root() {
    arena(|arena| race(arena, PARENT));
}

#[test]
fn r1_root_swapped_for_a_symlink_needs_root() {
    arena(|arena| race(arena, ROOT));
}

#[test]
fn r1_item_of_the_same_owner_needs_root() {
    arena(|arena| race(arena, Target { kin: true, ..ITEM }));
}

#[test]
fn r1_parent_of_the_same_owner_and_fingerprints_needs_root() {
    arena(|arena| race(arena, Target { kin: true, files: true, ..PARENT }));
}

#[test]
fn r1_root_of_the_same_owner_and_fingerprints_needs_root() {
    arena(|arena| race(arena, Target { kin: true, files: true, ..ROOT }));
}

/// This program, its `openat2` asked for nothing but a directory, as strace rewrites its arguments.
#[test]
fn r1_without_the_flags_of_openat2_files_are_lost_needs_root_needs_strace() {
    arena(|arena| {
        let how = u64::from((OFlags::DIRECTORY | OFlags::CLOEXEC).bits());
        let words = [how, 0, 0].map(u64::to_ne_bytes).concat();
        let hex: String = words.iter().map(|byte| format!("{byte:02x}")).collect();
        let log = arena.path().join("strace.log");
        let done = Command::new("strace")
            .args(["-f", "-qq", "--seccomp-bpf", "-e", "trace=openat2", "-o"])
            .arg(&log)
            .args(["-e", &format!("inject=openat2:poke_enter=@arg3={hex}"), "--"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "race::unguarded_needs_root_needs_strace", "--ignored"])
            .args(["--nocapture", "--test-threads=1"])
            .env(UNGUARDED, arena.path())
            .output()
            .unwrap();
        let log = fs::read_to_string(&log).unwrap();
        assert!(log.contains("(INJECTED"), "the flags were not taken away\n{log:.2000}");
        let out = String::from_utf8_lossy(&done.stdout);
        assert!(out.contains("the other tree lost a file"), "{out}\n{done:?}");
    });
}

/// What runs under strace there.
#[test]
#[ignore = "it is started by another test here"]
fn unguarded_needs_root_needs_strace() {
    let Ok(arena) = std::env::var(UNGUARDED) else { return };
    let target = Target { kin: true, files: true, ..PARENT };
    let (lost, rounds, deleted, refused) = ours(Path::new(&arena), target, CONTROL);
    println!("{rounds} rounds, {deleted} deleted, {refused} refused");
    if lost {
        println!("the other tree lost a file");
    }
}
