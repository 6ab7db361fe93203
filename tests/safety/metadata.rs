//! I31: metadata is read as data, in bounded space and time, whatever it turns out to be.

use crate::support::*;
use retain::scan::{Scan, ScanOptions, scan};
use retain::store::local::LocalStore;
use std::fs;
use std::time::{Duration, Instant};

fn scanned(tree: &Tree) -> Scan {
    let begin = Instant::now();
    let store = LocalStore::new(fs::File::open(tree.path()).unwrap().into());
    let scan = scan(&store, &ScanOptions::default(), &|_| ());
    assert!(begin.elapsed() < Duration::from_secs(20), "it took {:?}", begin.elapsed());
    scan
}

fn trainer(tree: &Tree, at: &str) {
    tree.file(format!("{at}/trainer_state.json"), r#"{"global_step": 1, "log_history": []}"#)
        .file(format!("{at}/model.safetensors"), "w");
}

/// T16: as long as the file system lets a file be; 8 EiB less one byte on tmpfs and xfs.
#[test]
fn t16_p13_a_hole_of_exbibytes_where_metadata_should_be() {
    for place in [std::path::Path::new("/dev/shm"), &std::env::temp_dir()] {
        let Ok(dir) = tempfile::tempdir_in(place) else { continue };
        let file = fs::File::create(dir.path().join("probe")).unwrap();
        let lengths = [i64::MAX.unsigned_abs() - 4096, 1 << 43, 1 << 40];
        let length = lengths.into_iter().find(|l| file.set_len(*l).is_ok()).unwrap();
        let at = dir.path().join("run/checkpoint-1");
        fs::create_dir_all(&at).unwrap();
        fs::write(at.join("model.safetensors"), "w").unwrap();
        fs::File::create(at.join("trainer_state.json")).unwrap().set_len(length).unwrap();
        let store = LocalStore::new(fs::File::open(dir.path()).unwrap().into());
        let scan = scan(&store, &ScanOptions::default(), &|_| ());
        let session = &scan.inventory.sessions[0];
        assert!(session.tainted[0].contains("16 MiB"), "{:?}", session.tainted);
    }
}

/// A state, marks or a log that is a device: never opened, so nothing happens to the device.
#[test]
fn t13_needs_root_devices_where_metadata_should_be() {
    // zero, random, tty: endless or blocking if they were read.
    for (major, minor) in [(1, 5), (1, 8), (5, 0)] {
        let tree = Tree::new();
        trainer(&tree, "run/checkpoint-2");
        trainer(&tree, "run/checkpoint-1");
        let state = tree.at("run/checkpoint-1/trainer_state.json");
        fs::remove_file(&state).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &state,
            rustix::fs::FileType::CharacterDevice,
            0o666.into(),
            rustix::fs::makedev(major, minor),
        )
        .unwrap();
        let scan = scanned(&tree);
        assert!(scan.inventory.sessions[0].tainted[0].contains("not a regular file"));
    }
}

/// Unpickled, it would make this file, or a list of 2^60 entries. Read as what it is, it is neither.
#[test]
fn i31_a_pickle_bomb_is_not_unpickled() {
    let tree = Tree::new();
    let touched = tree.at("executed");
    let command = format!("touch {}", touched.display());
    // PROTO 2, GLOBAL os.system, the command, TUPLE1, REDUCE, STOP.
    let mut executes = b"\x80\x02cos\nsystem\nX".to_vec();
    executes.extend(u32::try_from(command.len()).unwrap().to_le_bytes());
    executes.extend(command.as_bytes());
    executes.extend(b"\x85R.");
    // Sixty times: the list appended to itself by way of the memo, doubled at each level.
    let mut doubles = b"\x80\x02]q\x00".to_vec();
    for level in 0..60_u8 {
        doubles.extend([b'h', level, b'h', level, 0x86, b'q', level + 1]);
    }
    doubles.push(b'.');
    for (n, bomb) in [executes, doubles].into_iter().enumerate() {
        let at = format!("run{n}/checkpoint-1");
        trainer(&tree, &at);
        for name in ["training_args.bin", "optimizer.pt", "rng_state.pth", "scheduler.pt"] {
            tree.file(format!("{at}/{name}"), &bomb);
        }
        // Lightning's own state is a zip with a pickle in it, which is looked into for its step.
        let mut zip = b"PK\x03\x04".to_vec();
        zip.extend([0; 22]);
        zip.extend(b"\x10\0\0\0archive/data.pkl");
        zip.extend(&bomb);
        tree.file(format!("lit{n}/checkpoints/epoch=1-step=2.ckpt"), &zip);
        tree.file(format!("lit{n}/checkpoints/last.ckpt"), &bomb);
    }
    scanned(&tree);
    assert!(!touched.exists(), "something was executed");
}

/// Nesting: 64 levels are read, the 65th is an error, and a million are no stack.
#[test]
fn i31_p13_depth_is_bounded() {
    for (depth, read) in [(60, true), (100, false), (1_000_000, false)] {
        let tree = Tree::new();
        trainer(&tree, "run/checkpoint-1");
        let state =
            format!(r#"{{"global_step": 1, "x": {}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        tree.file("run/checkpoint-1/trainer_state.json", state);
        assert_eq!(scanned(&tree).inventory.sessions[0].tainted.is_empty(), read, "{depth}");
    }
}

/// The marks are metadata too: what cannot be read there is a pin (I10).
#[test]
fn i10_i31_marks_that_are_no_file_keep_everything() {
    for what in ["fifo", "directory", "symlink", "hole", "garbage"] {
        let tree = Tree::new();
        trainer(&tree, "run/checkpoint-1");
        trainer(&tree, "run/checkpoint-2");
        tree.dir("run/.retain");
        let marks = "run/.retain/marks.toml";
        match what {
            "fifo" => tree.fifo(marks),
            "directory" => tree.dir(marks),
            "symlink" => tree.symlink(marks, "/dev/zero"),
            "hole" => tree.sparse(marks, 1 << 40),
            _ => tree.file(marks, "[[mark"),
        };
        let scan = scanned(&tree);
        assert!(!scan.inventory.sessions[0].tainted.is_empty(), "{what}");
    }
}
