//! The index of the last scan, as a person meets it: where it lies, who may use it, and that a
//! deletion never relies on it.

use crate::layout_files;
use crate::nsml::{LAST_TWO, policy};
use crate::support::{Snapshot, World};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

/// A declared root with a run that has rested for long.
fn storage() -> (layout_files::Tree, World) {
    let tree = layout_files::Tree::new();
    for step in 1..=4 {
        tree.hf(&format!("run/checkpoint-{step}"), step);
    }
    let world = World::within(tree.path());
    world.run(["init"]).ok();
    // What was changed so lately is not remembered: the storage's clock may be a coarse one.
    std::thread::sleep(Duration::from_millis(2100));
    (tree, world)
}

fn indexes(world: &World) -> Vec<PathBuf> {
    let dir = world.home().join(".cache/retain");
    let entries = fs::read_dir(dir).map(|d| d.map(|e| e.unwrap().path()).collect());
    entries.unwrap_or_default()
}

#[test]
fn it_lies_in_the_cache_and_only_its_owner_can_read_it() {
    let (tree, world) = storage();
    let before = Snapshot::of(tree.path());
    let first = world.run(["plan", "--json"]).ok().stdout;
    let [index] = &indexes(&world)[..] else { panic!("one index") };
    assert_eq!(fs::metadata(index).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(fs::metadata(index).unwrap().len() > 500, "the run is remembered");
    let written = fs::metadata(index).unwrap().modified().unwrap();
    let listed = world.run(["ls", "run", "--long"]).ok().stdout;
    assert_eq!(fs::metadata(index).unwrap().modified().unwrap(), written, "nothing new to say");
    assert_eq!(world.run(["ls", "run", "--long", "--no-index"]).ok().stdout, listed);
    assert_eq!(world.run(["plan", "--json"]).ok().stdout, first);
    before.assert_same(&Snapshot::of(tree.path()));
}

#[test]
fn a_damaged_one_is_as_good_as_none() {
    let (_tree, world) = storage();
    let listed = world.run(["ls", "run"]).ok().stdout;
    for damage in [&b""[..], b"retain index 001", &[0; 5000]] {
        fs::write(&indexes(&world)[0], damage).unwrap();
        let run = world.run(["ls", "run"]).ok();
        assert_eq!((run.stdout, &*run.stderr), (listed.clone(), ""));
    }
    fs::remove_file(&indexes(&world)[0]).unwrap();
    fs::create_dir(world.home().join(".cache/retain/x")).unwrap();
    assert_eq!(world.run(["ls", "run"]).ok().stdout, listed);
}

#[test]
fn it_is_not_used_where_others_can_write() {
    let (_tree, world) = storage();
    let cache = world.home().join(".cache/retain");
    fs::create_dir_all(&cache).unwrap();
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o777)).unwrap();
    world.run(["ls", "-v"]).ok().warns("others can write in the cache directory");
    assert!(indexes(&world).is_empty());
}

#[test]
fn it_never_lies_in_the_root() {
    let (tree, world) = storage();
    let mut command = world.command(["ls", "-v"]);
    let output = command.env("XDG_CACHE_HOME", tree.at("cache")).output().unwrap();
    assert!(output.status.success());
    assert!(fs::symlink_metadata(tree.at("cache")).is_err());
    fs::create_dir(tree.at("cache")).unwrap();
    assert!(command.output().unwrap().status.success());
    assert!(fs::symlink_metadata(tree.at("cache/retain")).is_err());
}

#[test]
fn switched_off_it_is_neither_read_nor_written() {
    let (_tree, world) = storage();
    world.run(["plan", "--no-index"]).ok();
    assert!(indexes(&world).is_empty());
}

#[test]
fn apply_notices_what_the_index_cannot_see() {
    let (tree, world) = storage();
    let policy = policy(&world, LAST_TWO);
    let plan = |out: &str| world.run(["plan", "--policy", &policy, "-o", out]).ok();
    let out = world.home().join("plan.json");
    plan(out.to_str().unwrap());
    // The same length, and its directory is not touched.
    tree.file("run/checkpoint-1/model.safetensors", "WEIGHTS");
    let out = world.home().join("again.json");
    plan(out.to_str().unwrap());
    let run = world.run(["apply", out.to_str().unwrap(), "--yes"]);
    assert_ne!(run.code, Some(0), "{run}");
    assert!(format!("{run}").contains("has changed"), "{run}");
    assert!(tree.at("run/checkpoint-1/model.safetensors").exists());
}

/// A second link elsewhere, or a hole, changes what a file takes and no directory.
#[test]
fn where_bytes_decide_it_is_not_used() {
    let (tree, world) = storage();
    let with = |rest: &str| {
        let body = "min-age = \"0s\"\n[[policy]]\nname = \"p\"\nkeep = [{ last = 4 }]\n";
        policy(&world, &format!("{body}{rest}"))
    };
    let totals = |args: &[&str], policy: &str| {
        let json = world.run(args.iter().chain(&["--json", "--policy", policy])).ok().json();
        json["totals"].clone()
    };
    totals(&["plan"], &with(""));
    assert_eq!(indexes(&world).len(), 1);
    // The metadata are files of their own: they are looked at each time.
    for step in 1..=4 {
        let copy = format!("copy/checkpoint-{step}");
        tree.hf(&copy, step);
        for name in ["model.safetensors", "training_args.bin"] {
            let new = tree.at(&format!("{copy}/{name}"));
            fs::remove_file(&new).unwrap();
            fs::hard_link(tree.at(&format!("run/checkpoint-{step}/{name}")), new).unwrap();
        }
    }
    let fresh = totals(&["plan", "--no-index"], &with(""))["bytes"].as_u64().unwrap();
    let stale = totals(&["plan"], &with(""))["bytes"].as_u64().unwrap();
    assert!(stale > fresh, "{stale} {fresh}: it counts what was linked since twice");
    for bound in [
        format!("[[quota]]\nname = \"q\"\nper = \"root\"\nmax-bytes = \"{fresh}B\"\n"),
        format!("limit = {{ max-bytes = \"{fresh}B\" }}\n"),
    ] {
        let policy = with(&bound);
        let planned = totals(&["plan"], &policy);
        assert_eq!((&planned["bytes"], &planned["delete"]), (&fresh.into(), &0.into()), "{bound}");
        let before = Snapshot::of(tree.at("run"));
        world.run(["apply", "--yes", "--policy", &policy]).ok();
        before.assert_same(&Snapshot::of(tree.at("run")));
    }
}

/// I11: what shares its files with what lies in the trash takes their room, whether or not an index tells
/// of it.
#[test]
fn the_brake_counts_what_only_the_trash_shares() {
    let tree = layout_files::Tree::new();
    for step in 1..=5 {
        let path = format!("run/checkpoint-{step}");
        tree.hf(&path, step);
        let weights = tree.at(&format!("{path}/model.safetensors"));
        if step == 2 {
            fs::remove_file(&weights).unwrap();
            fs::hard_link(tree.at("run/checkpoint-1/model.safetensors"), &weights).unwrap();
        } else {
            let mut grown = fs::read(&weights).unwrap();
            grown.resize(5_000_000, 1);
            fs::write(&weights, grown).unwrap();
        }
    }
    let world = World::within(tree.path());
    world.run(["init"]).ok();
    std::thread::sleep(Duration::from_millis(2100));
    let rules = "min-age = \"0s\"\n[safety]\nmax-delete-bytes = \"1MB\"\n\
        [[policy]]\nname = \"p\"\nkeep = [{ last = 3 }]\n";
    let policy = policy(&world, rules);
    world.run(["ls"]).ok();
    assert_eq!(indexes(&world).len(), 1);
    world.run(["rm", "run", "checkpoint-1", "--yes"]).ok();
    for index in [&["--no-index"][..], &[]] {
        let before = Snapshot::of(tree.at("run"));
        let args = [&["apply", "--yes", "--policy", &policy], index].concat();
        world.run(args).code(6).warns("max-delete-bytes");
        before.assert_same(&Snapshot::of(tree.at("run")));
    }
}
