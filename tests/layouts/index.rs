//! The index of the last scan: a scan that uses it sees what a scan without it sees, whatever was
//! done to directories, metadata, single files and logs in between.

use crate::tree::Tree;
use proptest::prelude::*;
use retain::core::model::Time;
use retain::scan::index::Index;
use retain::scan::{Scan, ScanOptions, scan};
use retain::store::local::LocalStore;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

const KEY: [u8; 32] = [7; 32];
/// Longer than a tick of any clock that stamps files here.
const GRAIN: Duration = Duration::from_millis(30);

/// A time at which everything that is here now has rested for years.
fn later() -> Time {
    Time::parse("2040-01-01T00:00:00Z").unwrap()
}

/// The time of the clock that stamps files, once all that was stamped so far is surely older.
fn settled(tree: &Tree) -> Time {
    std::thread::sleep(GRAIN * 2);
    let probe = tempfile::NamedTempFile::new_in(tree.path().parent().unwrap()).unwrap();
    let stat = probe.as_file().metadata().unwrap();
    let nanos = u32::try_from(stat.ctime_nsec()).unwrap();
    Time::from_secs_nanos(stat.ctime(), nanos).unwrap()
}

fn empty(tree: &Tree) -> Index {
    Index::new(KEY, settled(tree), i64::try_from(GRAIN.as_nanos()).unwrap())
}

fn scan_with(tree: &Tree, index: Option<Index>, now: Time) -> (Scan, ScanOptions) {
    let options = ScanOptions { index, now: Some(now), ..ScanOptions::default() };
    let store = LocalStore::new(File::open(tree.path()).unwrap().into());
    let store = if options.index.is_some() { store.keeping_account() } else { store };
    (scan(&store, &options, &|_| ()), options)
}

/// All that a scan says, but for the free space, which may change meanwhile.
fn said(mut scan: Scan) -> String {
    scan.inventory.space = None;
    let mut lines = Vec::new();
    retain::inventory::write(&scan.inventory, &mut lines).unwrap();
    let lines = String::from_utf8(lines).unwrap();
    scan.homes.sort();
    let homes: Vec<_> = scan.homes.iter().map(|h| String::from_utf8_lossy(h)).collect();
    format!("{lines}{:?} {:?} {:?} {homes:?}", scan.unrecognised, scan.faults, scan.never)
}

/// Scans without an index, and keeps one.
fn first(tree: &Tree) -> Vec<u8> {
    let (scan, options) = scan_with(tree, Some(empty(tree)), later());
    let mut bytes = Vec::new();
    scan.memory.write(options.index.as_ref().unwrap(), &mut bytes).unwrap();
    bytes
}

/// Runs of several frameworks, with logs, pointers and a session that others lie in.
fn storage() -> Tree {
    let tree = Tree::new();
    for run in ["a/run", "b"] {
        tree.hf(&format!("{run}/checkpoint-1"), 1)
            .hf(&format!("{run}/checkpoint-2"), 2)
            .file(&format!("{run}/checkpoint-2/global_step2/rank_0.pt"), "optimizer")
            .file(&format!("{run}/train.log"), "step 1\n");
    }
    tree.ckpt("lit/version_0/checkpoints/epoch=0-step=4.ckpt", 0, 4)
        .ckpt("lit/version_0/checkpoints/epoch=1-step=8.ckpt", 1, 8)
        .link("lit/version_0/checkpoints/last.ckpt", "epoch=1-step=8.ckpt")
        .file("lit/version_0/metrics.csv", "epoch,step,val_loss\n0,3,0.5\n1,7,0.25\n")
        .file("lit/version_0/hparams.yaml", "lr: 1\n")
        .hf("b/inner/checkpoint-5", 5)
        .file("notes.txt", "a stranger's");
    // Who may not write at the top has a journal beside the checkpoints.
    for home in ["", "a/run/", "b/inner/"] {
        fs::create_dir_all(tree.at(&format!("{home}.retain/journal"))).unwrap();
    }
    tree
}

#[test]
fn nothing_changed() {
    let tree = storage();
    let bytes = first(&tree);
    let (scan, options) = scan_with(&tree, Some(empty(&tree).with(bytes)), later());
    let index = options.index.unwrap();
    assert_eq!(index.len(), 3, "a/run, b with what lies in it, and lit/version_0");
    assert!(scan.memory.is_known_to(&index), "all of it came from the index");
    let said = said(scan);
    assert!(said.ends_with(r#"["", "a/run", "b/inner"]"#), "{said}");
    assert_eq!(said, self::said(scan_with(&tree, None, later()).0));
}

#[test]
fn a_file_inside_a_checkpoint_that_is_rewritten_in_place_is_what_an_index_cannot_see() {
    let tree = storage();
    let bytes = first(&tree);
    tree.file("b/checkpoint-1/model.safetensors", "WEIGHTS");
    let with = said(scan_with(&tree, Some(empty(&tree).with(bytes)), later()).0);
    // Else the index is never used, and all other tests here show nothing.
    assert_ne!(with, said(scan_with(&tree, None, later()).0));
}

#[test]
fn what_is_young_or_unfinished_or_still_written_is_not_remembered() {
    let tree = storage();
    let index = || Some(empty(&tree));
    let count = |scan: &Scan, options: &ScanOptions| {
        let mut bytes = Vec::new();
        scan.memory.write(options.index.as_ref().unwrap(), &mut bytes).unwrap();
        empty(&tree).with(bytes).len()
    };
    let (scan, options) = scan_with(&tree, index(), settled(&tree));
    assert_eq!(count(&scan, &options), 0, "younger than a day");
    let early = Index::new(KEY, Time::from_nanos(0), 0);
    let (scan, options) = scan_with(&tree, Some(early), later());
    assert_eq!(count(&scan, &options), 0, "changed after the scan began");
    fs::remove_file(tree.at("b/checkpoint-2/trainer_state.json")).unwrap();
    let (scan, options) = scan_with(&tree, index(), later());
    assert_eq!(count(&scan, &options), 2, "b has an unfinished checkpoint");
}

#[test]
fn another_key_or_damage_is_no_index() {
    let tree = storage();
    let bytes = first(&tree);
    let with = |bytes| empty(&tree).with(bytes).len();
    assert_eq!(with(bytes.clone()), 3);
    let other = Index::new([8; 32], Time::from_nanos(0), 0).with(bytes.clone());
    assert_eq!(other.len(), 0);
    for at in (0..bytes.len()).step_by(41) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert_eq!(with(damaged), 0, "byte {at}");
        assert_eq!(with(bytes[..at].to_vec()), 0, "cut at {at}");
    }
}

/// What somebody may do to a storage; each leaves a trace outside of the files of checkpoints.
const CHANGES: &[(&str, fn(&Tree))] = &[
    ("a file added", |t| _ = t.file("a/run/checkpoint-1/extra.bin", "x")),
    ("a file added deep down", |t| _ = t.file("b/checkpoint-2/global_step2/rank_1.pt", "x")),
    ("a file removed", |t| fs::remove_file(t.at("b/checkpoint-1/model.safetensors")).unwrap()),
    ("a file renamed", |t| {
        let dir = t.at("a/run/checkpoint-2/global_step2");
        fs::rename(dir.join("rank_0.pt"), dir.join("rank_9.pt")).unwrap();
    }),
    ("a file replaced", |t| {
        t.file("b/checkpoint-1/new", "other weights");
        let dir = t.at("b/checkpoint-1");
        fs::rename(dir.join("new"), dir.join("model.safetensors")).unwrap();
    }),
    ("a checkpoint renamed", |t| {
        fs::rename(t.at("b/checkpoint-1"), t.at("b/checkpoint-3")).unwrap();
    }),
    ("a checkpoint removed", |t| fs::remove_dir_all(t.at("a/run/checkpoint-1")).unwrap()),
    ("a checkpoint added", |t| _ = t.hf("a/run/checkpoint-7", 7)),
    ("an inner session grows", |t| _ = t.hf("b/inner/checkpoint-6", 6)),
    ("a session moved", |t| fs::rename(t.at("a/run"), t.at("a/walk")).unwrap()),
    ("a session replaced by its copy", |t| {
        t.hf("c/checkpoint-1", 1);
        fs::remove_dir_all(t.at("b")).unwrap();
        fs::rename(t.at("c"), t.at("b")).unwrap();
    }),
    ("metadata rewritten in place", |t| {
        let state = r#"{"global_step": 2, "log_history": [{"step": 2, "eval_loss": 0.5}]}"#;
        t.file("b/checkpoint-2/trainer_state.json", state);
    }),
    ("metadata damaged in place", |t| _ = t.file("a/run/checkpoint-2/trainer_state.json", "{")),
    ("a single-file checkpoint rewritten in place", |t| {
        t.ckpt("lit/version_0/checkpoints/epoch=0-step=4.ckpt", 0, 5);
    }),
    ("a log goes on", |t| _ = t.file("a/run/train.log", "step 1\nstep 2\n")),
    ("a log above the checkpoints goes on", |t| {
        t.file("lit/version_0/metrics.csv", "epoch,step,val_loss\n0,3,0.5\n1,7,0.125\n");
    }),
    ("a pointer moved", |t| {
        fs::remove_file(t.at("lit/version_0/checkpoints/last.ckpt")).unwrap();
        t.link("lit/version_0/checkpoints/last.ckpt", "epoch=0-step=4.ckpt");
    }),
    ("a pin", |t| {
        let marks = "version = 1\n[[mark]]\ncheckpoint = \"checkpoint-1\"\npin = true\n";
        t.file("b/.retain/marks.toml", marks);
    }),
    ("metrics beside checkpoints", |t| {
        t.file("b/metrics.json", r#"[{"step": 1, "acc": 0.5}]"#);
    }),
    ("a stranger's file", |t| _ = t.file("a/run/what.bin", "x")),
    ("a hard link to outside", |t| {
        fs::hard_link(t.at("b/checkpoint-1/training_args.bin"), t.at("b/copy.bin")).unwrap();
    }),
    ("a mode", |t| {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::Permissions::from_mode(0o700);
        fs::set_permissions(t.at("b/checkpoint-1"), mode).unwrap();
    }),
];

fn check(changes: &[usize]) {
    let tree = storage();
    let bytes = first(&tree);
    let names: Vec<&str> = changes.iter().map(|&c| CHANGES[c].0).collect();
    for &c in changes {
        CHANGES[c].1(&tree);
    }
    let with = scan_with(&tree, Some(empty(&tree).with(bytes)), later()).0;
    assert_eq!(said(with), said(scan_with(&tree, None, later()).0), "{names:?}");
}

#[test]
fn each_change_is_noticed() {
    for change in 0..CHANGES.len() {
        check(&[change]);
    }
}

/// Those that can be combined in any order: none needs what another takes away.
const COMBINED: [usize; 12] = [0, 1, 7, 8, 11, 12, 13, 14, 15, 17, 18, 19];

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn several_changes_are_noticed(changes in proptest::collection::vec(0..COMBINED.len(), 1..5)) {
        check(&changes.iter().map(|&c| COMBINED[c]).collect::<Vec<_>>());
    }

    /// Any file or directory outside of checkpoints, by any name, anywhere.
    #[test]
    fn any_new_entry_is_noticed(
        place in prop::sample::select(vec![
            "", "a/", "a/run/", "b/", "b/checkpoint-2/", "b/checkpoint-2/global_step2/", "b/inner/",
            "lit/", "lit/version_0/", "lit/version_0/checkpoints/", "b/inner/checkpoint-5/",
        ]),
        name in "[a-z][a-z0-9_=.-]{0,12}",
        content in prop::option::of("[ -~]{0,20}"),
    ) {
        let tree = storage();
        let bytes = first(&tree);
        let path = format!("{place}{name}");
        prop_assume!(fs::symlink_metadata(tree.at(&path)).is_err());
        match content {
            Some(content) => tree.file(&path, content),
            None => tree.dir(&path),
        };
        let with = scan_with(&tree, Some(empty(&tree).with(bytes)), later()).0;
        prop_assert_eq!(said(with), said(scan_with(&tree, None, later()).0));
    }
}
