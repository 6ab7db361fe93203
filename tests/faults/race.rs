//! An unprivileged user swaps directories for symlinks while root cleans (R1, R16).
//!
//! The attacker owns the tree, and exchanges one directory with a symlink into somebody else's, as
//! fast as the kernel lets it. The same attacker is shown to win against a delete that checks a path
//! and then uses it; a harness in which nobody can lose proves nothing.

use crate::arena::{Arena, arena};
use crate::support::{Plan, Store, now, settings, silent};
use crate::trees::Snapshot;
use retain::apply::{ApplyOptions, Root, apply};
use retain::core::plan::PlanFile;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// How long each target is attacked.
const LENGTH: Duration = Duration::from_secs(10);
const ATTACK: &str = "RETAIN_TEST_ATTACK";
const NOBODY: u32 = 65534;

/// What the attacker swaps, relative to the directory that holds the root, and where its symlink
/// leads. There the same tree stands, and belongs to somebody else.
const ITEM: [&str; 2] = ["runs/s/checkpoint-1", "victim/runs/s/checkpoint-1"];
const PARENT: [&str; 2] = ["runs/s", "victim/runs/s"];
const ROOT: [&str; 2] = ["runs", "victim/runs"];

/// The other side: the same program again, as nobody.
#[test]
#[ignore = "it is started by the other tests here"]
fn attacker_needs_root() {
    let Ok(paths) = std::env::var(ATTACK) else { return };
    let (a, b) = paths.split_once(':').unwrap();
    assert!(fs::write("/dev/../canary", "").is_err(), "the attacker is root");
    let until = Instant::now() + 4 * LENGTH;
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
    fn new(arena: &Arena, a: &Path, b: &Path) -> Attacker {
        // Where it was built nobody may look.
        let program = arena.path().join("attacker");
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

/// The attacked place: `top/runs`, the attacker's, and `top/victim`, somebody else's.
struct Place {
    top: PathBuf,
    target: [&'static str; 2],
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
        plan.delete("s", "1", &["s/checkpoint-1"]).keep("s", "9", &["s/checkpoint-9"]);
        let plan = plan.seal();
        (store, plan)
    }

    fn fill(&self, store: &Store) {
        store.ckpt("s/checkpoint-1");
        store.ckpt("s/checkpoint-9");
        for n in 0..8 {
            store.file(format!("s/checkpoint-1/shard-{n}.bin"), "weights");
        }
        // The same tree, down to the marker.
        let victim = self.top.join("victim");
        fs::create_dir(&victim).unwrap();
        let copied = Command::new("cp").arg("-a").arg(&store.top).arg(&victim).status().unwrap();
        assert!(copied.success());
        symlink(self.top.join(self.target[1]), self.link()).unwrap();
        for entry in walkdir::WalkDir::new(store.path("s")) {
            lchown(entry.unwrap().path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        for dir in [&self.top, &store.top] {
            fs::set_permissions(dir, fs::Permissions::from_mode(0o777)).unwrap();
        }
    }

    /// What the attacker swaps its target with.
    fn link(&self) -> PathBuf {
        self.top.join(format!("{}.evil", self.target[0]))
    }

    fn victim(&self) -> Snapshot {
        Snapshot::of(self.top.join("victim"))
    }
}

/// Rounds of one delete under attack, until somebody else's file is gone or the time is over.
/// Whether one was lost; how often there was an attack, and how often something was deleted.
fn attacked(
    arena: &Arena,
    target: [&'static str; 2],
    mut delete: impl FnMut(&Store, &PlanFile),
) -> (bool, u32, u32) {
    let place = Place { top: arena.path().join("race"), target };
    let mut store = place.build();
    let attacker = Attacker::new(arena, &place.top.join(target[0]), &place.link());
    let (start, mut rounds, mut deleted) = (Instant::now(), 0, 0);
    while start.elapsed() < LENGTH {
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
        let swapped = [place.top.join(target[0]), place.link()];
        let own = swapped.iter().find(|p| fs::symlink_metadata(p).is_ok_and(|m| m.is_dir()));
        let rest = Path::new(ITEM[0]).strip_prefix(target[0]).unwrap();
        deleted += u32::from(own.is_none_or(|p| !p.join(rest).join("model.bin").exists()));
        attacker.go_on();
    }
    (false, rounds, deleted)
}

/// Looks that no component is a symlink, then deletes by path, as a script does.
fn naive(store: &Store) -> io::Result<()> {
    let item = store.path("s/checkpoint-1");
    for dir in [&store.top, &store.path("s"), &item] {
        if !fs::symlink_metadata(dir)?.is_dir() {
            return Ok(());
        }
    }
    for entry in walkdir::WalkDir::new(&item).contents_first(true) {
        let entry = entry?;
        if entry.file_type().is_dir() {
            fs::remove_dir(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn race(arena: &Arena, target: [&'static str; 2]) {
    let (lost, rounds, _) = attacked(arena, target, |store, _| _ = naive(store));
    assert!(lost, "the attacker lost {rounds} rounds against a naive delete: it proves nothing");
    let options = ApplyOptions { settings: settings(now()), grace: None, purge_now: true };
    let mut refused = 0;
    let (lost, rounds, deleted) = attacked(arena, target, |store, plan| {
        let done = Root::open(&store.top, None).map(|root| apply(&root, plan, &options, &silent));
        refused += u32::from(!matches!(done, Ok(Ok(report)) if report.purged.checkpoints == 1));
    });
    assert!(!lost, "somebody else's files were deleted in round {rounds}");
    assert!(rounds > 20, "only {rounds} rounds");
    assert!(deleted > 0 && refused > 0, "{deleted} deleted, {refused} refused of {rounds}");
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
