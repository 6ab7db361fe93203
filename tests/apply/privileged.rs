//! What needs root: mounts, immutable files, other users (T6-T9, T17-T20, I20, I27, I30, and the
//! user of an administrator's root).
//!
//! Each test runs itself again: in a mount namespace of its own, or as an unprivileged user.

use crate::support::*;
use retain::apply::runs::{after, pending};
use retain::apply::{Root, What, Which, purge, recover, runs, undo};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const INNER: &str = "RETAIN_TEST_INNER";
const STORE: &str = "RETAIN_TEST_STORE";
/// Two users that no machine gives files to.
pub const ALICE: u32 = 60_001;
const BOB: u32 = 60_002;

pub fn is_inner(test: &str) -> bool {
    std::env::var(INNER).is_ok_and(|t| t == test)
}

/// `false`, said aloud, where root is needed and the tests may go without.
pub fn have_root(test: &str) -> bool {
    if rustix::process::geteuid().is_root() {
        return true;
    }
    let portable = std::env::var("RETAIN_TESTS").is_ok_and(|v| v == "portable");
    assert!(portable, "{test} needs root; RETAIN_TESTS=portable leaves it out");
    #[expect(clippy::print_stderr, reason = "what was left out is said")]
    {
        eprintln!("left out: {test} needs root");
    }
    false
}

/// Where there is a `.retain`: what a scan of now says.
fn seen(store: &Store) -> Vec<Vec<u8>> {
    use std::os::unix::ffi::OsStrExt as _;
    let ours = walkdir::WalkDir::new(&store.top)
        .into_iter()
        .filter_map(Result::ok)
        .map(walkdir::DirEntry::into_path);
    let at = ours.filter(|p| p.ends_with(".retain")).map(|p| p.parent().unwrap().to_path_buf());
    at.map(|p| p.strip_prefix(&store.top).unwrap().as_os_str().as_bytes().to_vec()).collect()
}

fn again(test: &str, mut command: Command) {
    let exe = std::env::current_exe().unwrap();
    let done =
        command.arg(exe).args([test, "--exact", "--nocapture"]).env(INNER, test).output().unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
    assert!(done.status.success() && said.contains("1 passed"), "{said}");
}

/// Runs the rest of the test in a mount namespace; `true` there.
fn with_mounts(test: &str) -> bool {
    if is_inner(test) {
        return true;
    }
    if have_root(test) {
        let mut command = Command::new("unshare");
        command.args(["-m", "--propagation", "private"]);
        again(test, command);
    }
    false
}

fn run(program: &str, args: &[&Path]) {
    let done = Command::new(program).args(args).output().unwrap();
    assert!(done.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&done.stderr));
}

fn mount(args: &[&str], at: &Path) {
    let done = Command::new("mount").args(args).arg(at).output().unwrap();
    assert!(done.status.success(), "mount {args:?}: {}", String::from_utf8_lossy(&done.stderr));
}

pub fn give(path: &Path, uid: u32) {
    for entry in walkdir::WalkDir::new(path) {
        rustix::fs::chownat(
            rustix::fs::CWD,
            entry.unwrap().path(),
            Some(rustix::fs::Uid::from_raw(uid)),
            Some(rustix::fs::Gid::from_raw(uid)),
            rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
        )
        .unwrap();
    }
}

/// The plan of one deletion, made before `change`; what was said about leaving it alone.
fn refused_after(change: impl FnOnce(&Store), plan_after: bool) -> (Store, String) {
    let store = Store::new();
    store.ckpt("s/checkpoint-1");
    store.ckpt("s/checkpoint-2");
    let make = || {
        let mut plan = Plan::of(&store);
        plan.delete("s", "1", &["s/checkpoint-1"]);
        plan.seal()
    };
    let early = make();
    change(&store);
    let plan = if plan_after { make() } else { early };
    let report = store.apply(&plan).unwrap();
    assert_eq!(report.moved.checkpoints, 0);
    let why = report.skipped[0].why.clone();
    (store, why)
}

#[test]
fn t6_t7_t8_a_mount_inside_a_checkpoint() {
    if !with_mounts("privileged::t6_t7_t8_a_mount_inside_a_checkpoint") {
        return;
    }
    for plan_after in [false, true] {
        let canary = tempfile::tempdir().unwrap();
        fs::write(canary.path().join("canary"), "alive").unwrap();
        let from = canary.path().to_str().unwrap();
        let said =
            |why: &str| if plan_after { why.contains("mounted in it") } else { !why.is_empty() };
        // T6: a bind mount of the same file system, which has the same device number.
        let (_s, why) =
            refused_after(|s| mount(&["--bind", from], &s.path("s/checkpoint-1/opt")), plan_after);
        assert!(said(&why), "{why}");
        // T7: another file system.
        let (_s, why) = refused_after(
            |s| mount(&["-t", "tmpfs", "none"], &s.path("s/checkpoint-1/opt/a")),
            plan_after,
        );
        assert!(said(&why), "{why}");
        // T8: a file mounted over a file.
        let file = format!("{from}/canary");
        let (_s, why) = refused_after(
            |s| mount(&["--bind", &file], &s.path("s/checkpoint-1/model.bin")),
            plan_after,
        );
        assert!(said(&why), "{why}");
        // The checkpoint is a mount itself.
        let (_s, why) =
            refused_after(|s| mount(&["--bind", from], &s.path("s/checkpoint-1")), plan_after);
        assert!(said(&why), "{why}");
        // Its folder is one.
        let (_s, why) = refused_after(|s| mount(&["-t", "tmpfs", "none"], &s.path("s")), false);
        assert!(!why.is_empty());
        assert_eq!(fs::read_to_string(canary.path().join("canary")).unwrap(), "alive");
    }
}

#[test]
fn t9_a_mount_that_appears_in_the_trash_stops_the_purge() {
    if !with_mounts("privileged::t9_a_mount_that_appears_in_the_trash_stops_the_purge") {
        return;
    }
    let canary = tempfile::tempdir().unwrap();
    fs::write(canary.path().join("canary"), "alive").unwrap();
    let store = Store::sample();
    store.apply(&store.sample_plan()).unwrap();
    let inner = trash(&store).into_iter().find(|p| p.ends_with("checkpoint-20/opt/a")).unwrap();
    mount(&["--bind", canary.path().to_str().unwrap()], &store.path(&inner));
    for _ in 0..2 {
        let done = purge(&store.root(), Which::All, &settings(now()), &silent).unwrap();
        assert!(
            done.faults.iter().any(|f| f.contains("20 stays in the trash")),
            "{:?}",
            done.faults
        );
        assert_eq!(fs::read_to_string(canary.path().join("canary")).unwrap(), "alive");
    }
    let path = trash(&store).into_iter().find(|p| p.ends_with("opt/a")).unwrap();
    run("umount", &[&store.path(path)]);
    let done = purge(&store.root(), Which::All, &settings(now()), &silent).unwrap();
    assert!(done.faults.is_empty() && done.purged.checkpoints == 1, "{:?}", done.faults);
    assert_eq!(trash(&store), Vec::<String>::new());
}

#[test]
fn f7_a_disk_that_turned_read_only_changes_nothing() {
    if !with_mounts("privileged::f7_a_disk_that_turned_read_only_changes_nothing") {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    mount(&["-t", "tmpfs", "none"], place.path());
    let store = Store::within(place.path());
    store.ckpt("s/checkpoint-1");
    let mut plan = Plan::of(&store);
    plan.delete("s", "1", &["s/checkpoint-1"]);
    let before = store.picture();
    mount(&["-o", "remount,ro"], place.path());
    let done = store.apply(&plan.seal());
    assert!(
        done.as_ref().map_or(true, |r| r.moved.checkpoints == 0 && !r.skipped.is_empty()),
        "{done:?}"
    );
    before.assert_same(&store.picture());
    mount(&["-o", "remount,rw"], place.path());
    // Nor is there nothing to purge, only because nothing can be written.
    store.apply(&plan.seal()).unwrap();
    mount(&["-o", "remount,ro"], place.path());
    let purged = purge(&store.root(), Which::All, &settings(now()), &silent).unwrap();
    assert_eq!(purged.purged.checkpoints, 0);
    assert!(purged.faults.iter().any(|f| f.contains("`.retain` cannot be written")), "{purged:?}");
    mount(&["-o", "remount,rw"], place.path());
    assert_eq!(trash(&store).iter().filter(|p| p.ends_with("/model.bin")).count(), 1);
}

#[test]
fn f1_a_full_disk() {
    if !with_mounts("privileged::f1_a_full_disk") {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    mount(&["-t", "tmpfs", "-o", "size=256k", "none"], place.path());
    let store = Store::within(place.path());
    for n in [1, 2, 3] {
        store.ckpt(format!("s/checkpoint-{n}"));
    }
    let mut plan = Plan::of(&store);
    plan.delete("s", "1", &["s/checkpoint-1"]).delete("s", "2", &["s/checkpoint-2"]).keep(
        "s",
        "3",
        &["s/checkpoint-3"],
    );
    let plan = plan.seal();
    let before = store.picture();
    let full = store.dir.path().join("full");
    fs::write(&full, vec![1; 1 << 20]).unwrap_err();
    // No room for the journal: nothing moves.
    assert!(store.apply(&plan).is_err());
    before.assert_same(&store.picture());
    fs::remove_file(&full).unwrap();
    recover(&store.root(), &settings(now()), &silent).unwrap();
    let plan = PlanAgain(plan).sealed();
    let run = store.apply(&plan).unwrap().run.unwrap();
    fs::write(&full, vec![1; 1 << 20]).unwrap_err();
    // Full again: the purge needs room for a journal of its own, and says so rather than begin.
    let purged = purge(&store.root(), Which::All, &settings(now()), &silent);
    let whole = What { run: &run, session: None, checkpoint: None };
    if purged.is_err() {
        fs::remove_file(&full).unwrap();
        undo(&store.root(), &whole, &settings(now()), &silent).unwrap();
        before.assert_same(&store.picture());
    }
}

struct PlanAgain(retain::core::plan::PlanFile);
impl PlanAgain {
    /// The same plan under another digest.
    fn sealed(mut self) -> retain::core::plan::PlanFile {
        self.0.tool.push('+');
        self.0.seal()
    }
}

#[test]
fn t18_immutable_and_append_only_are_a_wish_to_keep() {
    let test = "privileged::t18_immutable_and_append_only_are_a_wish_to_keep";
    if !have_root(test) {
        return;
    }
    let tmpfs_has_none = |path: &Path| {
        let done = Command::new("chattr").arg("+i").arg(path).output().unwrap();
        !done.status.success()
    };
    for flag in ["i", "a"] {
        let store = Store::new();
        store.ckpt("s/checkpoint-1");
        let unit = store.path("s/checkpoint-1");
        assert!(!tmpfs_has_none(&unit), "the test needs a file system with attributes");
        run("chattr", &[Path::new("-i"), &unit]);
        run("chattr", &[Path::new(&format!("+{flag}")), &unit]);
        let mut plan = Plan::of(&store);
        plan.delete("s", "1", &["s/checkpoint-1"]);
        let before = store.picture();
        let report = store.apply(&plan.seal()).unwrap();
        assert!(report.skipped[0].why.contains("cannot be moved"), "{:?}", report.skipped);
        before.assert_same(&store.picture());
        run("chattr", &[Path::new(&format!("-{flag}")), &unit]);

        // A file inside can be moved along, and then not be purged: it is said, and stays whole.
        let file = store.path("s/checkpoint-1/model.bin");
        run("chattr", &[Path::new(&format!("+{flag}")), &file]);
        let mut plan = Plan::of(&store);
        plan.plan.tool.push_str(flag);
        plan.delete("s", "1", &["s/checkpoint-1"]);
        store.apply(&plan.seal()).unwrap();
        let done = purge(&store.root(), Which::All, &settings(now()), &silent).unwrap();
        assert!(done.faults[0].contains("stays in the trash"), "{:?}", done.faults);
        let left = trash(&store).into_iter().find(|p| p.ends_with("model.bin")).unwrap();
        run("chattr", &[Path::new(&format!("-{flag}")), &store.path(left)]);
        let done = purge(&store.root(), Which::All, &settings(now()), &silent).unwrap();
        assert_eq!((done.purged.checkpoints, trash(&store).len()), (1, 0), "{:?}", done.faults);
    }
}

#[test]
fn i30_root_takes_only_what_belongs_to_the_folders_owner() {
    if !have_root("privileged::i30_root_takes_only_what_belongs_to_the_folders_owner") {
        return;
    }
    // T19: a file of somebody else inside.
    let (_s, why) = refused_after(|s| give(&s.path("s/checkpoint-1/opt"), ALICE), true);
    assert!(why.contains("files of several users"), "{why}");
    let (_s, why) = refused_after(|s| give(&s.path("s/checkpoint-1"), ALICE), true);
    assert!(why.contains("another user than its folder"), "{why}");
    let (_s, why) = refused_after(|s| chown(s.path("s"), Some(ALICE), None).unwrap(), true);
    assert!(why.contains("another user than its folder"), "{why}");
    // All of one user: moved, and the folder that was made for it can be used by that user.
    let store = Store::new();
    store.ckpt("s/checkpoint-1");
    give(&store.path("s"), ALICE);
    let mut plan = Plan::of(&store);
    plan.delete("s", "1", &["s/checkpoint-1"]);
    let before = store.picture();
    let run = store.apply(&plan.seal()).unwrap().run.unwrap();
    let ours = fs::metadata(store.path("s/.retain")).unwrap();
    assert_eq!((ours.uid(), ours.mode() & 0o777), (ALICE, 0o755));
    let slots = fs::metadata(store.path(format!("s/.retain/trash/{run}"))).unwrap();
    assert_eq!((slots.uid(), slots.mode() & 0o777), (0, 0o700));
    undo(
        &store.root(),
        &What { run: &run, session: None, checkpoint: None },
        &settings(now()),
        &silent,
    )
    .unwrap();
    before.assert_same(&store.picture());
    // N16: a trash that the user made in advance, to have root work in it.
    fs::create_dir_all(store.path("s/.retain/trash")).unwrap();
    give(&store.path("s/.retain"), BOB);
    let mut plan = Plan::of(&store);
    plan.plan.tool.push('2');
    plan.delete("s", "1", &["s/checkpoint-1"]);
    let report = store.apply(&plan.seal()).unwrap();
    assert!(report.skipped[0].why.contains("belongs to somebody else"), "{:?}", report.skipped);
}

/// A store that was made for this process, which must not remove it.
pub fn given_store() -> Store {
    let top = PathBuf::from(std::env::var(STORE).unwrap());
    Store { dir: tempfile::tempdir().unwrap(), top }
}

pub fn as_user(test: &str, uid: u32, store: &Store) {
    fs::set_permissions(store.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new("env");
    command.uid(uid).gid(uid).current_dir("/").env(STORE, &store.top).env("TMPDIR", "/tmp");
    again(test, command);
}

#[test]
fn a_user_of_an_administrators_root_works_beside_the_checkpoints() {
    let test = "privileged::a_user_of_an_administrators_root_works_beside_the_checkpoints";
    if is_inner(test) {
        let store = given_store();
        // The administrator's trash cannot be looked into from here.
        let before = Picture::of(&store.path("a"));
        let report = store.apply(&store.sample_plan()).unwrap();
        assert_eq!(report.moved.checkpoints, 3);
        assert_eq!(report.skipped.len(), 1);
        assert!(report.skipped[0].session == "b/mnist/2", "{:?}", report.skipped);
        let run = report.run.unwrap();
        assert!(store.path(format!("a/mnist/1/.retain/journal/{run}.0000")).exists());
        assert!(!store.path(format!(".retain/journal/{run}.0000")).exists());
        let all = runs(&store.root(), 0).unwrap().0;
        assert_eq!(all.len(), 2, "the administrator's and this one");
        // A scan of now knows where they are, one from before the run does not.
        assert_eq!(pending(&store.root(), 0, &seen(&store)), all);
        assert_eq!(pending(&store.root(), 0, &[]).len(), 1, "of the root's own journal");
        assert_eq!(after(&store.root(), 0, &[], None), all);
        let one = What { run: &run, session: None, checkpoint: Some("20") };
        let back = undo(&store.root(), &one, &settings(now()), &silent).unwrap();
        assert_eq!(back.restored.checkpoints, 1);
        // Of a run beside its sessions, more may lie where nobody could look.
        let unseen = back.faults.iter().any(|fault| fault.contains("closed could not be searched"));
        assert!(unseen, "{back:?}");
        let gone = ["mnist/1/checkpoint-10", "mnist/1/checkpoint-30"];
        before.without(&gone).assert_same(&Picture::of(&store.path("a")));
        return;
    }
    if !have_root(test) {
        return;
    }
    let store = Store::sample();
    store.ckpt("c/checkpoint-1");
    let mut plan = Plan::of(&store);
    plan.delete("c", "1", &["c/checkpoint-1"]);
    store.apply(&plan.seal()).unwrap();
    give(&store.path("a/mnist/1"), ALICE);
    give(&store.path("b/mnist/2"), BOB);
    fs::create_dir(store.path("closed")).unwrap();
    fs::set_permissions(store.path("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    as_user(test, ALICE, &store);
    // The administrator sees the run, and does not act on a journal that somebody else wrote.
    let (all, faults) = runs(&store.root(), 0).unwrap();
    assert!(faults.is_empty() && all.len() == 2, "{faults:?}");
    assert_eq!(pending(&store.root(), 0, &seen(&store)), all);
    // What the administrator's own run writes is at the root.
    assert_eq!(after(&store.root(), 0, &[], None).len(), 1);
    let theirs = all.iter().find(|r| r.uid == Some(ALICE)).unwrap();
    assert_eq!((theirs.in_trash.checkpoints, theirs.restored.checkpoints), (2, 1));
    let what = What { run: &theirs.id, session: None, checkpoint: None };
    let error = undo(&store.root(), &what, &settings(now()), &silent).unwrap_err();
    assert!(error.to_string().contains("belongs to user 60001"), "{error}");
    let done = purge(&store.root(), Which::All, &settings(now()), &silent).unwrap();
    assert_eq!(done.purged.checkpoints, 1, "only the administrator's own run");
    assert!(
        trash(&store).iter().any(|p| p.ends_with("a/mnist/1/.retain/trash")),
        "{:?}",
        trash(&store)
    );
}

#[test]
fn a_forged_journal_is_not_acted_upon() {
    if !have_root("privileged::a_forged_journal_is_not_acted_upon") {
        return;
    }
    // Alice writes a journal that calls Bob's checkpoint trash of hers.
    let store = Store::sample();
    give(&store.path("a/mnist/1"), ALICE);
    give(&store.path("b/mnist/2"), BOB);
    let run = store.apply(&store.sample_plan()).unwrap().run.unwrap();
    let journal = store.path(format!(".retain/journal/{run}.0000"));
    let forged = store.path("a/mnist/1/.retain/journal");
    fs::create_dir_all(&forged).unwrap();
    fs::rename(&journal, forged.join(format!("{run}.0000"))).unwrap();
    give(&store.path("a/mnist/1/.retain/journal"), ALICE);
    let before = trash(&store);
    let done = purge(&store.root(), Which::All, &settings(now()), &silent).unwrap();
    assert_eq!(done.purged.checkpoints, 0);
    recover(&store.root(), &settings(now()), &silent).unwrap();
    assert_eq!(trash(&store), before);
}

#[test]
fn t17_what_cannot_be_read_stays() {
    let test = "privileged::t17_what_cannot_be_read_stays";
    if is_inner(test) {
        let store = given_store();
        let before = fs::metadata(store.path("a/mnist/1/checkpoint-10")).unwrap().ino();
        let plan: retain::core::plan::PlanFile =
            serde_json::from_slice(&fs::read(store.path("plan.json")).unwrap()).unwrap();
        let report = store.apply(&plan).unwrap();
        assert_eq!(report.moved.checkpoints, 0);
        assert!(report.skipped[0].why.contains("10 cannot be read"), "{:?}", report.skipped);
        assert_eq!(fs::metadata(store.path("a/mnist/1/checkpoint-10")).unwrap().ino(), before);
        return;
    }
    if !have_root(test) {
        return;
    }
    let store = Store::sample();
    give(&store.top, ALICE);
    let path = store.path("a/mnist/1/checkpoint-10/opt");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o0)).unwrap();
    // Root can measure it; the user cannot read it again.
    let mut plan = Plan::of(&store);
    plan.delete("a/mnist/1", "10", &["a/mnist/1/checkpoint-10"]);
    fs::write(store.path("plan.json"), serde_json::to_vec(&plan.seal()).unwrap()).unwrap();
    as_user(test, ALICE, &store);
}

#[test]
fn a_root_somebody_else_marked_is_refused() {
    if !have_root("privileged::a_root_somebody_else_marked_is_refused") {
        return;
    }
    let store = Store::sample();
    chown(store.path(".retain/root.toml"), Some(ALICE), None).unwrap();
    let error = Root::open(&store.top, None).unwrap_err();
    assert!(error.to_string().contains("belongs to somebody else"), "{error}");
}
