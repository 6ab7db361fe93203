//! I18: Landlock refuses what the code never tries.

use crate::support::*;
use retain::apply::{Root, confine};
use std::fs;
use std::io::ErrorKind;

/// Landlock holds a thread and its children, so a thread of its own is enough to try it.
#[test]
fn landlock_refuses_removal_and_rename_outside_the_root_only() {
    let store = Store::sample();
    let outside = store.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    for name in ["file", "other"] {
        fs::write(outside.join(name), name).unwrap();
    }
    fs::create_dir(outside.join("empty")).unwrap();
    let open = fs::File::create(outside.join("open")).unwrap();
    let (top, root) = (store.top.clone(), store.root());
    let tried = std::thread::spawn(move || {
        if let Err(e) = confine(&root) {
            return Err(e.to_string());
        }
        let refused = [
            fs::remove_file(outside.join("file")),
            fs::remove_dir(outside.join("empty")),
            fs::rename(outside.join("file"), outside.join("moved")),
            fs::rename(outside.join("file"), top.join("moved")),
            fs::rename(top.join("a/mnist/1/train.log"), outside.join("moved")),
            fs::hard_link(outside.join("file"), top.join("linked")),
            fs::write(outside.join("new"), "new"),
            fs::create_dir(outside.join("dir")),
        ]
        .map(|r| r.err().map(|e| e.kind()));
        // What was open, and reading, stay.
        std::io::Write::write_all(&mut &open, b"still").unwrap();
        fs::read(outside.join("file")).unwrap();
        // A thread that starts later is held too.
        let later = std::thread::spawn({
            let file = outside.join("file");
            move || fs::remove_file(file).err().map(|e| e.kind())
        });
        let later = later.join().unwrap();
        // Below the root everything is as before.
        fs::rename(top.join("a/mnist/1/train.log"), top.join("b/moved.log")).unwrap();
        fs::remove_file(top.join("b/moved.log")).unwrap();
        fs::create_dir(top.join("b/new")).unwrap();
        fs::remove_dir(top.join("b/new")).unwrap();
        Ok((refused, later))
    });
    match tried.join().unwrap() {
        Ok((refused, later)) => {
            for (n, kind) in refused.iter().chain([&later]).enumerate() {
                let expected = [Some(ErrorKind::PermissionDenied), Some(ErrorKind::CrossesDevices)];
                assert!(expected.contains(kind), "attempt {n}: {kind:?}");
            }
        }
        // An old kernel, or a container's filter: then nothing is restricted, and said below.
        Err(e) => assert!(!has_landlock(), "the kernel has Landlock, but: {e}"),
    }
    assert!(Root::open(&store.top, None).is_ok());
}

/// Whether the kernel lists it, or nobody can tell.
fn has_landlock() -> bool {
    fs::read_to_string("/sys/kernel/security/lsm").is_ok_and(|l| l.contains("landlock"))
}
