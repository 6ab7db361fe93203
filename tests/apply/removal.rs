//! How a tree in the trash is unlinked: all of it, nothing beside it, and never for ever.

use crate::faulty::{Faulty, Mishap, OnRmdir, OnUnlink};
use crate::support::*;
use Mishap::{DoneButFailed, Fail, FailEver};
use retain::apply::calls::{Calls, Os};
use retain::apply::remove;
use rustix::fd::AsFd as _;
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use std::ffi::CString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A slot to remove from, and something beside it.
struct Slot {
    store: Store,
    open: fs::File,
}

impl Slot {
    fn new() -> Slot {
        let store = Store::quick();
        store.file("slot/tree/a", "a");
        store.file("beside", "alive");
        store.file("others/kept", "alive");
        let open = fs::File::open(store.path("slot")).unwrap();
        Slot { store, open }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.store.path("slot").join(path)
    }

    fn remove(&self, calls: &dyn Calls, name: &str, most: u64) -> Result<(), String> {
        let name = CString::new(name).unwrap();
        let done = remove::tree(calls, self.open.as_fd(), &name, most);
        for kept in ["beside", "others/kept"] {
            assert_eq!(fs::read(self.store.path(kept)).unwrap(), b"alive");
        }
        done.map_err(|e| Errno::from_io_error(&e).map_or_else(|| e.to_string(), said))
    }

    fn left(&self) -> usize {
        fs::read_dir(self.at("")).unwrap().count()
    }
}

fn said(error: Errno) -> String {
    std::io::Error::from(error).to_string()
}

#[test]
fn whatever_it_is_it_goes_and_nothing_beside_it() {
    type Make = fn(&Slot);
    let makes: [(&str, Make); 7] = [
        ("nothing", |s| fs::remove_dir_all(s.at("tree")).unwrap()),
        ("a folder", |_| {}),
        ("a file", |s| {
            fs::remove_dir_all(s.at("tree")).unwrap();
            fs::write(s.at("tree"), "").unwrap();
        }),
        ("a symlink", |s| {
            fs::remove_dir_all(s.at("tree")).unwrap();
            symlink("../others", s.at("tree")).unwrap();
        }),
        ("links inside", |s| {
            symlink("../../others", s.at("tree/up")).unwrap();
            symlink("a", s.at("tree/a link")).unwrap();
            symlink("gone", s.at("tree/dangling")).unwrap();
        }),
        // More than one directory is ever listed again.
        ("wide", |s| {
            for n in 0..40 {
                s.store.file(format!("slot/tree/{n}/x/y"), "");
            }
        }),
        // More than are held open at once.
        ("deep", |s| {
            let path = "d/".repeat(70);
            s.store.file(format!("slot/tree/{path}x"), "");
            s.store.file(format!("slot/tree/{}y", &path[..80]), "");
        }),
    ];
    for (what, make) in makes {
        let slot = Slot::new();
        make(&slot);
        assert_eq!(slot.remove(&Os, "tree", 1000), Ok(()), "{what}");
        assert_eq!(slot.left(), 0, "{what}");
    }
}

/// More folders in one than are remembered at a time.
#[test]
fn more_folders_than_are_remembered_at_a_time() {
    let slot = Slot::new();
    for n in 0..4200 {
        fs::create_dir(slot.at(&format!("tree/{n}"))).unwrap();
    }
    let calls = Faulty::none();
    assert_eq!(slot.remove(&calls, "tree", 100_000), Ok(()));
    assert_eq!(slot.left(), 0);
    let kinds = calls.kinds();
    let count = |kind| kinds.iter().filter(|k| **k == kind).count();
    assert_eq!((count("unlink"), count("rmdir")), (1, 4201));
}

#[test]
fn r7_no_more_is_removed_than_was_said() {
    // `a`, `b`, and the folder `c` with two files.
    let slot = || {
        let slot = Slot::new();
        for path in ["b", "c/x", "c/y"] {
            slot.store.file(format!("slot/tree/{path}"), "");
        }
        slot
    };
    let enough = slot();
    assert_eq!(enough.remove(&Os, "tree", 5), Ok(()));
    for most in 0..5 {
        let slot = slot();
        let done = slot.remove(&Os, "tree", most).unwrap_err();
        assert!(done.contains("no end to it"), "{most}: {done}");
        assert_eq!(slot.remove(&Os, "tree", 5), Ok(()), "what is left can be removed later");
    }
}

#[test]
fn who_adds_as_fast_as_it_goes_is_left_at_some_point() {
    for (rounds, ends) in [(1, true), (8, true), (30, false)] {
        let slot = Slot::new();
        let n = AtomicUsize::new(0);
        let calls = OnUnlink(|dir| {
            let n = n.fetch_add(1, Ordering::SeqCst) + 1;
            if n <= rounds {
                let name = CString::new(format!("again {n}")).unwrap();
                Os.create(dir, &name, 0o644).unwrap();
            }
        });
        let done = slot.remove(&calls, "tree", 1000);
        let wanted = if ends { Ok(()) } else { Err(said(Errno::NOTEMPTY)) };
        assert_eq!(done, wanted, "{rounds}");
    }
}

/// What comes between the last look and the removal is found by another look, 15 times.
#[test]
fn what_is_added_to_an_empty_folder_goes_too() {
    for (rounds, ends) in [(1, true), (2, true), (15, true), (16, false)] {
        let slot = Slot::new();
        let n = AtomicUsize::new(0);
        let calls = OnRmdir(|dir, name| {
            if n.fetch_add(1, Ordering::SeqCst) < rounds {
                let flags = OFlags::DIRECTORY | OFlags::RDONLY;
                let at = openat(dir, name, flags, Mode::empty()).unwrap();
                Os.create(at.as_fd(), c"late", 0o644).unwrap();
            }
        });
        let done = slot.remove(&calls, "tree", 1000);
        let wanted = if ends { Ok(()) } else { Err(said(Errno::NOTEMPTY)) };
        assert_eq!((done, slot.left() == 0), (wanted, ends), "{rounds}");
    }
}

#[test]
fn a_mishap_is_said_or_made_good() {
    // Calls: unlink of `tree/a`, rmdir of `tree`.
    let rows: [(Mishap, usize, Result<(), Errno>); 12] = [
        // It went before.
        (DoneButFailed(Errno::NOENT), 0, Ok(())),
        (DoneButFailed(Errno::NOENT), 1, Ok(())),
        // Called missing, it is found again when its folder is not empty.
        (Fail(Errno::NOENT), 0, Ok(())),
        (Fail(Errno::ACCESS), 0, Err(Errno::ACCESS)),
        // I27: immutable.
        (Fail(Errno::PERM), 0, Err(Errno::PERM)),
        (DoneButFailed(Errno::PERM), 0, Ok(())),
        (Fail(Errno::ISDIR), 0, Err(Errno::ISDIR)),
        (DoneButFailed(Errno::ISDIR), 0, Ok(())),
        // Not empty after all: listed again.
        (Fail(Errno::NOTEMPTY), 1, Ok(())),
        (Fail(Errno::EXIST), 1, Ok(())),
        (Fail(Errno::ACCESS), 1, Err(Errno::ACCESS)),
        (FailEver(Errno::NOTEMPTY), 1, Err(Errno::NOTEMPTY)),
    ];
    for (mishap, at, wanted) in rows {
        let slot = Slot::new();
        let calls = Faulty::new(mishap, at);
        assert_eq!(slot.remove(&calls, "tree", 1000), wanted.map_err(said), "{mishap:?} {at}");
        assert!(calls.was_hit(), "{mishap:?} {at}");
        let left = usize::from(wanted.is_err());
        assert_eq!(slot.left(), left, "{mishap:?} {at}");
    }
    // A file of the slot itself.
    for (mishap, wanted) in
        [(DoneButFailed(Errno::NOENT), Ok(())), (Fail(Errno::IO), Err(Errno::IO))]
    {
        let slot = Slot::new();
        fs::write(slot.at("file"), "").unwrap();
        let done = slot.remove(&Faulty::new(mishap, 0), "file", 1000);
        assert_eq!(done, wanted.map_err(said), "{mishap:?}");
    }
}

/// The listing said file; by now it is a folder, or gone, or leads out of the trash.
#[test]
fn what_becomes_something_else_after_it_was_listed() {
    for what in ["a folder", "gone", "a symlink"] {
        let slot = Slot::new();
        fs::write(slot.at("tree/b"), "").unwrap();
        let first = AtomicBool::new(true);
        let tree = slot.at("tree");
        let others = slot.store.path("others");
        let calls = OnUnlink(|_| {
            if first.swap(false, Ordering::SeqCst) {
                let other = ["a", "b"].map(|n| tree.join(n)).into_iter().find(|p| p.exists());
                let other = other.unwrap();
                fs::remove_file(&other).unwrap();
                match what {
                    "a folder" => {
                        fs::create_dir(&other).unwrap();
                        fs::write(other.join("x"), "").unwrap();
                    }
                    "a symlink" => symlink(&others, &other).unwrap(),
                    _ => {}
                }
            }
        });
        assert_eq!(slot.remove(&calls, "tree", 1000), Ok(()), "{what}");
        assert_eq!(slot.left(), 0, "{what}");
    }
}

/// I18: somebody moves a folder out while what is in it goes; `..` leads elsewhere then.
#[test]
fn what_is_moved_while_it_is_purged_is_no_way_out() {
    let slot = Slot::new();
    fs::remove_file(slot.at("tree/a")).unwrap();
    // Far more than are held open, so that the way back is by `..`.
    slot.store.file(format!("slot/tree/{}x", "d/".repeat(60)), "");
    slot.store.file("others/d/kept", "alive");
    let (from, to) = (slot.at(&format!("tree/{}", "d/".repeat(10))), slot.store.path("others/to"));
    let calls = OnUnlink(|_| fs::rename(&from, &to).unwrap());
    let done = slot.remove(&calls, "tree", 1000);
    assert_eq!(done, Err("it was moved while it was purged".to_owned()));
    assert!(slot.store.path("others/d/kept").exists() && to.exists());
}
