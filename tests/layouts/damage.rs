//! Damaged metadata: the session is kept whole, it is said why, and nothing panics or hangs.

use crate::tree::Tree;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

type Damage = Box<dyn Fn(&Path)>;

/// Every way a metadata file can be broken, and what is said of it.
fn damages() -> Vec<(&'static str, Damage, &'static str)> {
    let write =
        |bytes: Vec<u8>| -> Damage { Box::new(move |path| fs::write(path, &bytes).unwrap()) };
    let utf16: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(b"{}".iter().flat_map(|b| [*b, 0])).collect();
    vec![
        ("empty", write(Vec::new()), "is damaged: nothing but space"),
        (
            "truncated",
            write(b"{\"global_step\": 5, \"log_his".to_vec()),
            "is damaged: a text without",
        ),
        ("UTF-16", write(utf16), "is damaged: UTF-16"),
        ("zeros", write(vec![0; 4096]), "is damaged: not a JSON value"),
        ("nested", write(b"[".repeat(1_000_000)), "is damaged: nested more than 64 deep"),
        ("binary", write(b"\x80\x02}q\0.".to_vec()), "is damaged: not a JSON value"),
        ("a list", write(b"[1]".to_vec()), "is damaged: not an object"),
        (
            "huge",
            Box::new(|path| {
                fs::File::create(path).unwrap().set_len(1 << 40).unwrap();
            }),
            "larger than the 16 MiB",
        ),
        ("a directory", Box::new(|path| fs::create_dir(path).unwrap()), "not a regular file"),
        (
            "a symlink",
            Box::new(|path| {
                std::os::unix::fs::symlink("/dev/zero", path).unwrap();
            }),
            "not a regular file",
        ),
        (
            "a fifo",
            Box::new(|path| {
                let name = std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap();
                let fifo = rustix::fs::FileType::Fifo;
                rustix::fs::mknodat(rustix::fs::CWD, &*name, fifo, 0o600.into(), 0).unwrap();
            }),
            "not a regular file",
        ),
    ]
}

fn check(build: impl Fn(&Tree), file: &str) {
    for (what, damage, text) in damages() {
        let tree = Tree::new();
        build(&tree);
        tree.hf("healthy/checkpoint-1", 1);
        let path = tree.at(file);
        fs::remove_file(&path).unwrap();
        damage(&path);
        let scan = tree.scan();
        let [healthy, hurt] = &scan.inventory.sessions[..] else { panic!("{what}: {file}") };
        assert!(healthy.tainted.is_empty(), "{what}: {file}");
        assert_eq!(hurt.tainted.len(), 1, "{what}: {file}: {:?}", hurt.tainted);
        assert!(hurt.tainted[0].contains(text), "{what}: {}", hurt.tainted[0]);
        assert_eq!(scan.faults.len(), 1, "{what}: {file}");
        assert_eq!(scan.faults[0].session.as_deref(), Some(&*hurt.name));
        assert!(hurt.checkpoints.len() >= 2, "{what}: {file}: it is still listed");
    }
}

#[test]
fn trainer_state() {
    let build = |tree: &Tree| {
        tree.hf("run/checkpoint-5", 5).hf("run/checkpoint-6", 6);
    };
    check(build, "run/checkpoint-5/trainer_state.json");
    check(build, "run/checkpoint-6/trainer_state.json");
}

fn nsml(tree: &Tree) {
    for id in ["a", "b"] {
        let at = format!("t/d/1/nsml_model/{id}");
        tree.file(&format!("{at}/metadata.json"), format!(r#"{{"checkpoint":"{id}"}}"#))
            .file(&format!("{at}/model/weights"), "");
    }
    tree.file("t/d/1/session.json", r#"{"status":"exited"}"#);
}

#[test]
fn nsml_metadata() {
    check(nsml, "t/d/1/nsml_model/a/metadata.json");
    check(nsml, "t/d/1/session.json");
}

#[test]
fn nsml_metadata_of_the_wrong_shape() {
    let table = [
        ("t/d/1/session.json", r#"{"submissions":{}}"#, "is not a list"),
        ("t/d/1/session.json", r#"{"submissions":[{}]}"#, "does not name its checkpoint"),
        ("t/d/1/session.json", r#"{"parent":{"session":1}}"#, "does not name a session"),
        ("t/d/1/nsml_model/a/metadata.json", r#"{"saved_at":"yesterday"}"#, "not an RFC 3339 time"),
        ("t/d/1/nsml_model/a/metadata.json", r#"{"summary":[]}"#, "neither text nor an object"),
    ];
    for (file, content, text) in table {
        let tree = Tree::new();
        nsml(&tree);
        tree.file(file, content);
        let scan = tree.scan();
        let tainted = &scan.inventory.sessions[0].tainted;
        assert!(tainted.len() == 1 && tainted[0].contains(text), "{content}: {tainted:?}");
    }
}

#[test]
fn what_is_lenient_is_no_damage() {
    let tree = Tree::new();
    tree.hf("run/checkpoint-5", 5);
    tree.file(
        "run/checkpoint-6/trainer_state.json",
        b"\xef\xbb\xbf{\"global_step\": 6, \"best_metric\": NaN, \"log_history\": \
          [{\"step\": 6, \"eval_loss\": -Infinity}]}\n",
    );
    let scan = tree.scan();
    assert_eq!(scan.faults, []);
    let metrics = &scan.inventory.sessions[0].checkpoints[1].metrics;
    assert_eq!(metrics.iter().next().unwrap().1.to_bits(), f64::NEG_INFINITY.to_bits());
}

#[test]
fn a_directory_that_cannot_be_read() {
    if rustix::process::geteuid().is_root() {
        // Root reads everything; nesting that is too deep fails for anyone.
        let tree = Tree::new();
        let deep = "d/".repeat(70);
        tree.hf("run/checkpoint-1", 1).dir(&format!("run/logs/{deep}")).hf("other/checkpoint-1", 1);
        tree.dir(&format!("beside/{deep}"));
        let scan = tree.scan();
        let [other, run] = &scan.inventory.sessions[..] else { panic!() };
        assert!(other.tainted.is_empty());
        assert!(run.tainted[0].contains("nested more than 64 deep"));
        let outside: Vec<_> = scan.faults.iter().filter(|f| f.session.is_none()).collect();
        assert_eq!(outside.len(), 1);
        assert!(outside[0].path.starts_with("beside/"));
        return;
    }
    for (locked, tainted) in [("run/checkpoint-2", "run"), ("run/logs", "run"), ("aside", "")] {
        let tree = Tree::new();
        tree.hf("run/checkpoint-1", 1).hf("run/checkpoint-2", 2).dir("run/logs").dir("aside");
        tree.hf("other/checkpoint-1", 1);
        fs::set_permissions(tree.at(locked), fs::Permissions::from_mode(0o000)).unwrap();
        let scan = tree.scan();
        fs::set_permissions(tree.at(locked), fs::Permissions::from_mode(0o755)).unwrap();
        let hurt: Vec<_> = scan
            .inventory
            .sessions
            .iter()
            .filter(|s| !s.tainted.is_empty())
            .map(|s| &*s.name)
            .collect();
        assert_eq!(hurt.join(" "), tainted, "{locked}");
        assert!(!scan.faults.is_empty());
    }
}
