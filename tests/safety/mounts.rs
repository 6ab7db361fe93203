//! Rows that need file systems of their own: each test runs itself again in a mount namespace.

use crate::nsml;
use crate::support::*;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const INNER: &str = "RETAIN_SAFETY_INNER";

/// Runs the rest of the test where mounts are nobody else's; `true` there.
fn in_namespace(test: &str) -> bool {
    if std::env::var(INNER).is_ok_and(|t| t == test) {
        return true;
    }
    let mut again = Command::new("unshare");
    again.args(["-m", "--propagation", "private"]).arg(std::env::current_exe().unwrap());
    let done = again.args([test, "--exact", "--nocapture"]).env(INNER, test).output().unwrap();
    let said =
        [done.stdout, done.stderr].map(|s| String::from_utf8_lossy(&s).into_owned()).concat();
    assert!(done.status.success() && said.contains("1 passed"), "{said}");
    false
}

fn run(program: &str, args: &[&str]) -> String {
    let done = Command::new(program).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program} {args:?}: {said}");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// An ext4 image, mounted; unmounted with the namespace.
struct Disk {
    dir: tempfile::TempDir,
}

impl Disk {
    fn new(options: &[&str]) -> Disk {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk { dir };
        fs::File::create(disk.image()).unwrap().set_len(64 << 20).unwrap();
        let image = disk.image();
        run("mkfs.ext4", &[&["-q", "-F"], options, &[text(&image)]].concat());
        fs::create_dir(disk.top()).unwrap();
        disk.mount();
        fs::create_dir(disk.runs()).unwrap();
        disk
    }

    fn image(&self) -> PathBuf {
        self.dir.path().join("image")
    }

    fn top(&self) -> PathBuf {
        self.dir.path().join("disk")
    }

    /// The root: the top of a file system has `lost+found`.
    fn runs(&self) -> PathBuf {
        self.top().join("runs")
    }

    fn mount(&self) {
        run("mount", &["-o", "loop", text(&self.image()), text(&self.top())]);
    }

    fn unmount(&self) {
        run("umount", &[text(&self.top())]);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A session of the Hugging Face Trainer.
fn trainer(runs: &Path, session: &str, steps: std::ops::RangeInclusive<u32>) {
    for step in steps {
        let at = runs.join(format!("{session}/checkpoint-{step}"));
        fs::create_dir_all(at.join("part/deeper")).unwrap();
        let state = format!(r#"{{"global_step": {step}, "log_history": []}}"#);
        fs::write(at.join("trainer_state.json"), state).unwrap();
        fs::write(at.join("model.safetensors"), "weights").unwrap();
        fs::write(at.join("training_args.bin"), "arguments").unwrap();
        fs::write(at.join("part/deeper/rank0"), "moments").unwrap();
        std::os::unix::fs::symlink("../model.safetensors", at.join("part/link")).unwrap();
    }
}

fn left(runs: &Path, session: &str) -> usize {
    let entries = fs::read_dir(runs.join(session)).unwrap();
    entries.filter(|e| e.as_ref().unwrap().file_name() != ".retain").count()
}

fn picture(runs: &Path) -> Snapshot {
    Snapshot::of(runs).without(".retain").without_times_of(&["a/run", "b/run"])
}

/// Plan, apply, undo, apply again and purge; what is to stay stays, what is undone is identical.
fn all_of_it(runs: &Path) {
    let world = World::within(runs);
    world.run(["init"]).ok();
    let policy = nsml::policy(&world, nsml::LAST_TWO);
    let before = picture(runs);
    world.run(["apply", "--yes", "--policy", &policy]).ok();
    assert_eq!(left(runs, "a/run"), 2);
    let run = world.run(["log", "--json"]).json()["runs"][0]["run"].clone();
    world.run(["undo", run.as_str().unwrap()]).ok();
    before.assert_same(&picture(runs));
    world.run(["rm", "a/run", "checkpoint-1", "--yes", "--purge"]).ok();
    assert_eq!(left(runs, "a/run"), 5);
    let paths = walkdir::WalkDir::new(runs).into_iter().map(|e| e.unwrap().path().to_owned());
    assert_eq!(paths.filter(|p| p.ends_with("trash")).count(), 0, "nothing is left behind");
}

#[test]
fn t25_needs_root_a_file_system_that_does_not_tell_types() {
    if in_namespace("mounts::t25_needs_root_a_file_system_that_does_not_tell_types") {
        let disk = Disk::new(&["-O", "^filetype"]);
        trainer(&disk.runs(), "a/run", 1..=6);
        let fd = fs::File::open(disk.runs().join("a/run")).unwrap();
        let mut entries = rustix::fs::Dir::read_from(&fd).unwrap().map(|e| e.unwrap());
        assert!(entries.all(|e| e.file_type() == rustix::fs::FileType::Unknown), "DT_UNKNOWN");
        all_of_it(&disk.runs());
    }
}

#[test]
fn c10_needs_root_a_file_system_whose_clock_ticks_once_a_second() {
    if in_namespace("mounts::c10_needs_root_a_file_system_whose_clock_ticks_once_a_second") {
        let disk = Disk::new(&["-I", "128"]);
        trainer(&disk.runs(), "a/run", 1..=6);
        all_of_it(&disk.runs());
    }
}

#[test]
fn t26_needs_root_a_directory_that_can_be_listed_half() {
    if !in_namespace("mounts::t26_needs_root_a_directory_that_can_be_listed_half") {
        return;
    }
    // In which order its entries are listed, and so how many come before the damage, goes by this seed.
    let seed = "hash_seed=6c0f1a52-3f7e-4d0b-9a43-0d5d1f6a7b21";
    let disk = Disk::new(&["-b", "1024", "-O", "metadata_csum,dir_index", "-E", seed]);
    trainer(&disk.runs(), "a/run", 1..=150);
    trainer(&disk.runs(), "b/run", 1..=6);
    let world = World::within(disk.runs());
    world.run(["init"]).ok();
    let policy = nsml::policy(&world, nsml::LAST_TWO);
    let plan = world.home().join("plan.json");
    world.run(["plan", "--policy", &policy, "-o", text(&plan)]).ok();
    disk.unmount();
    let image = disk.image();
    let blocks = run("debugfs", &["-R", "blocks /runs/a/run", text(&image)]);
    let blocks: Vec<u64> = blocks.split_whitespace().map(|b| b.parse().unwrap()).collect();
    assert!(blocks.len() > 3, "{blocks:?}");
    let damaged = fs::OpenOptions::new().write(true).open(&image).unwrap();
    let at = blocks.last().unwrap() * 1024 + 100;
    std::os::unix::fs::FileExt::write_all_at(&damaged, &[0xa5; 8], at).unwrap();
    damaged.sync_all().unwrap();
    disk.mount();
    let listing = fs::read_dir(disk.runs().join("a/run")).unwrap();
    let (read, failed): (Vec<_>, Vec<_>) = listing.partition(Result::is_ok);
    assert!(read.len() > 20 && !failed.is_empty(), "half a listing: {}", read.len());

    // What can be read loses what it should; what cannot loses nothing, by an old plan neither.
    let ran = world.run(["plan", "--policy", &policy, "--json"]).code(3);
    let decisions = ran.json()["decisions"].as_array().unwrap().clone();
    let deleted = decisions.iter().filter(|d| d["verdict"] == "delete");
    assert!(deleted.clone().all(|d| d["session"] == "b/run"), "{ran}");
    assert_eq!(deleted.count(), 4);
    assert!(ran.stderr.contains("a/run"), "{ran}");
    let whole =
        |n: &u32| disk.runs().join(format!("a/run/checkpoint-{n}/model.safetensors")).exists();
    let before: Vec<u32> = (1..=150).filter(whole).collect();
    world.run(["apply", "--yes", "--policy", &policy]).code(3);
    assert_eq!(left(&disk.runs(), "b/run"), 2);
    assert_eq!((1..=150).filter(whole).collect::<Vec<u32>>(), before);
}

#[test]
fn t22_needs_root_one_root_by_two_names_is_one_root() {
    if !in_namespace("mounts::t22_needs_root_one_root_by_two_names_is_one_root") {
        return;
    }
    let store = Store::sample();
    let plan = store.sample_plan();
    let other = store.dir.path().join("other");
    fs::create_dir(&other).unwrap();
    run("mount", &["--bind", text(&store.top), text(&other)]);
    let world = World::new().at_time("2026-02-10T12:00:00Z");
    world.run(["init", text(&other)]).ok().warns("a root already");
    // A plan made by one name is carried out by the other, once.
    let by_other = |plan: &retain::core::plan::PlanFile| {
        let root = retain::apply::Root::open(&other, None).unwrap();
        assert_eq!(root.id, store.root().id);
        retain::apply::apply(&root, plan, &options(), &silent)
    };
    assert_eq!(by_other(&plan).unwrap().moved.checkpoints, 6);
    let again = store.apply(&plan).unwrap_err();
    assert!(matches!(again, retain::apply::ApplyError::AlreadyApplied { .. }), "{again}");
    // Declared by its own name, a part of a root is no longer the outer root's to clean.
    let inner = store.dir.path().join("inner");
    fs::create_dir(&inner).unwrap();
    run("mount", &["--bind", text(&store.path("b")), text(&inner)]);
    store.ckpt("b/mnist/2/checkpoint-30");
    let mut plan = Plan::of(&store);
    plan.delete("b/mnist/2", "30", &["b/mnist/2/checkpoint-30"]);
    let plan = plan.seal();
    world.run(["init", text(&inner)]).ok();
    for report in [store.apply(&plan).unwrap(), by_other(&plan).unwrap()] {
        let [skip] = &report.skipped[..] else { panic!("{report:?}") };
        assert_eq!((skip.cause, report.moved.checkpoints), (retain::apply::Cause::Boundary, 0));
        assert!(skip.why.contains("root of its own"), "{skip:?}");
    }
    assert!(store.path("b/mnist/2/checkpoint-30/model.bin").exists());
}

#[test]
fn u8_needs_root_undo_on_a_full_disk() {
    if !in_namespace("mounts::u8_needs_root_undo_on_a_full_disk") {
        return;
    }
    let disk = Disk::new(&[]);
    trainer(&disk.runs(), "a/run", 1..=6);
    let world = World::within(disk.runs());
    world.run(["init"]).ok();
    let policy = nsml::policy(&world, nsml::LAST_TWO);
    let before = picture(&disk.runs());
    world.run(["apply", "--yes", "--policy", &policy]).ok();
    let run = world.run(["log", "--json"]).json()["runs"][0]["run"].clone();
    let run = run.as_str().unwrap();
    // Every block, and then every byte of the last.
    let fill = disk.top().join("fill");
    let mut full = fs::File::create(&fill).unwrap();
    while std::io::Write::write_all(&mut full, &[7; 4096]).is_ok() {}
    while std::io::Write::write_all(&mut full, &[7]).is_ok() {}
    drop(full);
    let ran = world.run(["undo", run]);
    if ran.code == Some(0) {
        before.assert_same(&picture(&disk.runs()));
    } else {
        // It says so, and nothing is between two places.
        assert!(matches!(ran.code, Some(1 | 3)) && ran.stderr.contains("No space"), "{ran}");
        assert_eq!(left(&disk.runs(), "a/run"), 2);
    }
    fs::remove_file(fill).unwrap();
    world.run(["undo", run]).ok();
    before.assert_same(&picture(&disk.runs()));
}
