use crate::tree::{Tree, brief};
use retain::core::model::{Marks, Pin};
use retain::core::select::{Globs, Scope};
use retain::scan::{Owner, ScanEvent, ScanOptions, scan};
use retain::store::local::LocalStore;
use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

#[test]
fn names_and_order() {
    let tree = Tree::new();
    tree.hf("lab/run-10/checkpoint-1", 1)
        .hf("lab/run-9/checkpoint-10", 10)
        .hf("lab/run-9/checkpoint-9", 9)
        .hf("checkpoint-3", 3);
    assert_eq!(
        brief(&tree.scan()),
        ".\n  checkpoint-3\nlab/run-9\n  checkpoint-9\n  checkpoint-10\n\
        lab/run-10\n  checkpoint-1\n"
    );
}

#[test]
fn two_directories_never_share_a_name() {
    let tree = Tree::unpacked("lightning.tar.gz");
    let version = "lightning/last_is_symlink/lightning_logs/version_0";
    let ckpt = std::fs::read(tree.at(version).join("checkpoints/epoch=0-step=4.ckpt")).unwrap();
    tree.file("x/a.ckpt", &ckpt).file("x/checkpoints/a.ckpt", &ckpt).hf("x/checkpoint-1", 1);
    let names: Vec<_> = tree.scan().inventory.sessions.iter().map(|s| s.name.to_string()).collect();
    assert_eq!(&names[2..], ["x", "x#lightning", "x/checkpoints"]);
}

#[test]
fn owners() {
    let tree = Tree::new();
    tree.hf("lab/mnist/1/checkpoint-1", 1);
    let owner = |setting: &str| {
        let options =
            ScanOptions { owner: Owner::parse(setting).unwrap(), ..ScanOptions::default() };
        tree.scan_with(&options).inventory.sessions[0].owner.to_string()
    };
    assert_eq!(owner("path:1"), "lab");
    assert_eq!(owner("path:2"), "mnist");
    assert_eq!(owner("path:9"), "1");
    let uid = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(tree.path()).unwrap());
    assert_eq!(owner("uid"), uid.to_string());
    for wrong in ["", "path", "path:0", "path:x", "gid", "uid:1"] {
        assert_eq!(Owner::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn excluded_directories_are_not_entered() {
    let tree = Tree::new();
    tree.hf("a/checkpoint-1", 1).hf("a/cache/checkpoint-1", 1).hf("data/x/checkpoint-1", 1);
    let exclude = Globs::new(["data", "**/cache"], Scope::Path).unwrap();
    let options = ScanOptions { exclude: Some(exclude), ..ScanOptions::default() };
    assert_eq!(brief(&tree.scan_with(&options)), "a\n  checkpoint-1\n");
}

#[test]
fn our_own_directories_are_not_entered() {
    let tree = Tree::new();
    tree.hf("a/checkpoint-1", 1).hf("a/.retain/trash/1/slot/checkpoint-2", 2);
    tree.hf(".retain/checkpoint-3", 3);
    assert_eq!(brief(&tree.scan()), "a\n  checkpoint-1\n");
}

#[test]
fn nothing_inside_a_checkpoint_is_a_checkpoint() {
    let tree = Tree::new();
    tree.hf("a/checkpoint-1", 1).hf("a/checkpoint-1/inner/checkpoint-2", 2);
    assert_eq!(brief(&tree.scan()), "a\n  checkpoint-1 ambiguous\n");
}

#[test]
fn the_last_write_counts_logs_and_not_directories() {
    let at = |secs: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(secs);
    let set = |path: std::path::PathBuf, secs| {
        File::options().write(true).open(path).unwrap().set_modified(at(secs)).unwrap();
    };
    let tree = Tree::unpacked("lightning.tar.gz");
    let home = "lightning/last_is_symlink/lightning_logs/version_0";
    let other = "lightning/all_metric_in_name/lightning_logs/version_0";
    let written = |tree: &Tree, name: &str| {
        let scan = tree.scan();
        let session = scan.inventory.sessions.iter().find(|s| *s.name == *name).unwrap();
        session.last_write.unwrap().secs()
    };
    // A log beside the checkpoints' directory, and one deeper.
    tree.file(&format!("{home}/tb/events"), "");
    set(tree.at(&format!("{home}/tb/events")), 4_000_000_000);
    assert_eq!(written(&tree, home), 4_000_000_000);
    set(tree.at(&format!("{home}/hparams.yaml")), 4_100_000_000);
    assert_eq!(written(&tree, home), 4_100_000_000);
    assert!(written(&tree, other) < 4_000_000_000, "another session's logs are not its own");

    let tree = Tree::new();
    tree.hf("run/checkpoint-1", 1).file("run/runs/day/events", "").hf("run/sub/checkpoint-1", 1);
    set(tree.at("run/runs/day/events"), 4_000_000_000);
    set(tree.at("run/sub/checkpoint-1/training_args.bin"), 4_100_000_000);
    assert_eq!(written(&tree, "run"), 4_000_000_000);
    assert_eq!(written(&tree, "run/sub"), 4_100_000_000);
}

#[test]
fn marks_are_read_from_beside_the_checkpoints() {
    let tree = Tree::new();
    tree.hf("run/checkpoint-1", 1).hf("run/checkpoint-2", 2).hf("other/checkpoint-1", 1);
    let dir = File::open(tree.at("run")).unwrap();
    retain::marks::edit(&dir, |file| {
        let mark = file.entry(retain::marks::Subject::new(Some("checkpoint-1")));
        mark.pin = Some(Pin::default());
        mark.tags.insert("paper".to_owned());
    })
    .unwrap();
    let scan = tree.scan();
    assert_eq!(brief(&scan), "other\n  checkpoint-1\nrun\n  checkpoint-1 pinned\n  checkpoint-2\n");
    assert_eq!(*scan.inventory.sessions[1].checkpoints[0].tags(), ["paper".into()]);
}

#[test]
fn unreadable_marks_pin_everything_beside_them() {
    let damages: [fn(&Tree); 4] = [
        |t| {
            t.file("run/.retain/marks.toml", "version = 1\npin");
        },
        |t| {
            t.file("run/.retain", "");
        },
        |t| {
            t.link("run/.retain", "/tmp");
        },
        |t| {
            t.dir("run/.retain/marks.toml");
        },
    ];
    for damage in damages {
        let tree = Tree::new();
        tree.hf("run/checkpoint-1", 1).hf("run/checkpoint-2", 2).hf("other/checkpoint-1", 1);
        damage(&tree);
        let scan = tree.scan();
        let [other, run] = &scan.inventory.sessions[..] else { panic!() };
        assert!(run.checkpoints.iter().all(|c| c.marks.has(Marks::PINNED)));
        assert_eq!((run.tainted.len(), scan.faults.len()), (1, 1));
        assert!(other.tainted.is_empty() && !other.checkpoints[0].marks.has(Marks::PINNED));
    }
}

#[test]
fn progress_adds_up_on_any_number_of_threads() {
    let tree = Tree::new();
    for run in 0..20 {
        tree.hf(&format!("lab/{run}/checkpoint-1"), 1).hf(&format!("lab/{run}/checkpoint-2"), 2);
    }
    let store = LocalStore::new(File::open(tree.path()).unwrap().into());
    let mut seen = Vec::new();
    for threads in [1, 2, 16] {
        let (directories, checkpoints) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let options = ScanOptions { threads: threads.try_into().ok(), ..ScanOptions::default() };
        let scan = scan(&store, &options, &|event| match event {
            ScanEvent::Directory => drop(directories.fetch_add(1, Ordering::Relaxed)),
            ScanEvent::Session { checkpoints: n, .. } => {
                checkpoints.fetch_add(n, Ordering::Relaxed);
            }
        });
        assert_eq!(directories.into_inner(), 22);
        assert_eq!(checkpoints.into_inner(), 40);
        let mut text = Vec::new();
        retain::inventory::write(&scan.inventory, &mut text).unwrap();
        // Free space may change between two scans.
        seen.push(text.split(|b| *b == b'\n').skip(1).map(<[u8]>::to_vec).collect::<Vec<_>>());
    }
    assert!(seen.windows(2).all(|w| w[0] == w[1]));
}
