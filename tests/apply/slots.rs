//! One slot of the trash, call by call: what goes in, what comes back, and what is believed of it.
//!
//! Each row is one mishap of one system call, and what must come of it (I21, I25, I26, F14, F15).

use crate::faulty::{Faulty, Meanwhile, Mishap, Moment, OnMkdir};
use crate::privileged::{ALICE, give, have_root};
use crate::support::*;
use Mishap::{DoneButFailed, Fail, FailEver, Lie};
use retain::apply::calls::Os;
use retain::apply::trash::{self, Slot};
use retain::store::unit::Top;
use rustix::fd::{AsFd as _, BorrowedFd};
use rustix::fs::FileType;
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

const RUN: &str = "run";
const SLOT: &str = "slot";
/// From the folder of checkpoints to what is in a slot.
const INNER: &str = ".retain/trash/run/slot";

/// A folder of checkpoints, `s`, with a directory `d` and a file `f` in it.
struct Folder {
    store: Store,
    open: fs::File,
}

impl Folder {
    fn new() -> Folder {
        let store = Store::new();
        store.file("s/d/model.bin", "weights");
        store.file("s/f", "weights");
        let open = fs::File::open(store.path("s")).unwrap();
        Folder { store, open }
    }

    fn with_slot() -> (Folder, Slot) {
        let folder = Folder::new();
        let slot = Slot::create(&Os, folder.fd(), RUN, SLOT).unwrap();
        (folder, slot)
    }

    /// With `d` and `f` in the slot already.
    fn with_both_in_slot() -> (Folder, Slot) {
        let (folder, slot) = Folder::with_slot();
        for name in ["d", "f"] {
            fs::rename(folder.at(name), folder.at(INNER).join(name)).unwrap();
        }
        (folder, slot)
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.open.as_fd()
    }

    fn at(&self, path: &str) -> PathBuf {
        self.store.path("s").join(path)
    }
}

fn top(path: &Path) -> Top {
    let meta = fs::symlink_metadata(path).unwrap();
    let kind = if meta.is_dir() { FileType::Directory } else { FileType::RegularFile };
    Top { inode: meta.ino(), kind }
}

fn errno<T>(result: io::Result<T>) -> Option<Errno> {
    Errno::from_io_error(&result.err()?)
}

/// An error by its number; without one it is one of ours.
fn said<T>(result: io::Result<T>) -> Said<T> {
    result.map_err(|e| Errno::from_io_error(&e))
}

type Said<T> = Result<T, Option<Errno>>;

#[test]
fn a_slot_is_made_whatever_comes_between_and_an_error_is_the_one_there_was() {
    // Calls: mkdir of `.retain`, of `trash`, of the run, of the slot.
    for at in 0..4 {
        for (mishap, error) in [
            // A purge tidied up between two of them.
            (Fail(Errno::NOENT), None),
            (Fail(Errno::ACCESS), Some(Errno::ACCESS)),
            (Fail(Errno::NOSPC), Some(Errno::NOSPC)),
            (FailEver(Errno::NOENT), Some(Errno::NOENT)),
        ] {
            let folder = Folder::new();
            let calls = Faulty::new(mishap, at);
            let made = Slot::create(&calls, folder.fd(), RUN, SLOT);
            assert!(calls.was_hit(), "{mishap:?} {at}");
            assert_eq!(errno(made), error, "{mishap:?} {at}");
        }
    }
    let (folder, _slot) = Folder::with_slot();
    // The next one of the run uses what is there; the same one again must not exist (I21).
    Slot::create(&Os, folder.fd(), RUN, "other").unwrap();
    assert_eq!(errno(Slot::create(&Os, folder.fd(), RUN, SLOT)), Some(Errno::EXIST));
    assert_eq!(fs::metadata(folder.at(INNER)).unwrap().mode() & 0o777, 0o700);
}

/// Sessions in one folder are worked on at once, and a crash may come at any call: what root makes
/// beside somebody's checkpoints is theirs as soon as it is there.
#[test]
fn i30_what_root_makes_is_the_folders_owners_whatever_comes_between() {
    if !have_root("slots::i30_what_root_makes_is_the_folders_owners_whatever_comes_between") {
        return;
    }
    let owned = || {
        let folder = Folder::new();
        give(&folder.at(""), ALICE);
        folder
    };
    let owners = |folder: &Folder| {
        let there = [".retain", ".retain/trash"].map(|path| fs::metadata(folder.at(path)));
        there.into_iter().flatten().map(|seen| seen.uid()).collect::<Vec<_>>()
    };
    let names = |folder: &Folder| {
        let inside = fs::read_dir(folder.at(".retain")).unwrap().count();
        (fs::read_dir(folder.at("")).unwrap().count(), inside)
    };
    // Directories: `.retain`, `trash`, of the run, of the slot.
    for at in 0..4 {
        let folder = owned();
        let calls = OnMkdir::new(|made| {
            if made == at {
                drop(Slot::create(&Os, folder.fd(), RUN, "other").unwrap());
            }
        });
        Slot::create(&calls, folder.fd(), RUN, SLOT).unwrap();
        assert_eq!(owners(&folder), [ALICE; 2], "{at}");
        assert_eq!(names(&folder), (3, 1), "nothing is left over: {at}");
    }
    let plain = Faulty::none();
    Slot::create(&plain, owned().fd(), RUN, SLOT).unwrap();
    let kinds = plain.kinds();
    assert_eq!(kinds, ["mkdir", "give", "rename", "mkdir", "give", "rename", "mkdir", "mkdir"]);
    for at in 0..kinds.len() {
        for mishap in [Mishap::CrashBefore, Mishap::CrashAfter] {
            let folder = owned();
            assert!(Slot::create(&Faulty::new(mishap, at), folder.fd(), RUN, SLOT).is_err());
            assert!(owners(&folder).iter().all(|uid| *uid == ALICE), "{mishap:?} {at}");
            Slot::create(&Os, folder.fd(), RUN, "next").unwrap();
            assert_eq!(owners(&folder), [ALICE; 2], "{mishap:?} {at}");
        }
    }
    for (at, kind) in kinds.iter().enumerate().take(6) {
        let cases: &[(Mishap, Option<Errno>)] = match *kind {
            "mkdir" => &[
                (DoneButFailed(Errno::EXIST), None),
                (Fail(Errno::NOENT), None),
                (Fail(Errno::NOSPC), Some(Errno::NOSPC)),
            ],
            "give" => &[(Fail(Errno::PERM), Some(Errno::PERM))],
            // A file system without NOREPLACE, and an answer that was lost.
            _ => &[
                (Fail(Errno::INVAL), None),
                (DoneButFailed(Errno::NOENT), None),
                (Fail(Errno::IO), Some(Errno::IO)),
            ],
        };
        for (mishap, error) in cases {
            let folder = owned();
            let made = Slot::create(&Faulty::new(*mishap, at), folder.fd(), RUN, SLOT);
            assert_eq!(errno(made), *error, "{mishap:?} {at}");
            let whole = if error.is_none() { 2 } else { usize::from(at > 2) };
            assert_eq!(owners(&folder), vec![ALICE; whole], "{mishap:?} {at}");
            let names: Vec<_> =
                fs::read_dir(folder.at("")).unwrap().map(|e| e.unwrap().file_name()).collect();
            assert_eq!(names.len(), 2 + usize::from(whole > 0), "{mishap:?} {at}: {names:?}");
        }
    }
}

#[test]
fn only_what_nobody_else_can_have_touched_is_a_slot() {
    let (folder, slot) = Folder::with_slot();
    let open = || Slot::open(folder.fd(), RUN, SLOT);
    let ino = |slot: &Slot| rustix::fs::fstat(slot.fd()).unwrap().st_ino;
    assert_eq!(ino(&open().unwrap().unwrap()), ino(&slot));
    for level in [INNER, ".retain/trash/run"] {
        let path = folder.at(level);
        for (mode, ours) in [(0o700, true), (0o755, true), (0o720, false), (0o702, false)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(open().is_ok(), ours, "{level} {mode:o}");
            let other = Slot::create(&Os, folder.fd(), RUN, &format!("{mode:o}-{}", level.len()));
            assert_eq!(other.is_ok(), ours || level == INNER, "{level} {mode:o}");
        }
        fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
        if have_root("slots::only_what_nobody_else_can_have_touched_is_a_slot") {
            chown(&path, Some(ALICE), None).unwrap();
            assert!(open().is_err(), "{level}");
            chown(&path, Some(0), None).unwrap();
        }
    }
    // What is missing is missing at any level; a symlink or a file is not missing.
    for level in [INNER, ".retain/trash/run", ".retain/trash", ".retain"] {
        let (folder, _slot) = Folder::with_slot();
        fs::rename(folder.at(level), folder.at("moved")).unwrap();
        assert!(Slot::open(folder.fd(), RUN, SLOT).unwrap().is_none(), "{level}");
        symlink(folder.at("moved"), folder.at(level)).unwrap();
        assert!(Slot::open(folder.fd(), RUN, SLOT).is_err(), "{level}");
        fs::remove_file(folder.at(level)).unwrap();
        fs::write(folder.at(level), "").unwrap();
        assert_eq!(errno(Slot::open(folder.fd(), RUN, SLOT)), Some(Errno::NOTDIR), "{level}");
    }
}

#[test]
fn i24_a_slot_is_durable_with_its_name_in_each_directory_above() {
    let (folder, slot) = Folder::with_slot();
    let calls = Faulty::none();
    slot.sync(&calls).unwrap();
    let ino = |level| fs::metadata(folder.at(level)).unwrap().ino();
    let wanted = [INNER, ".retain/trash/run", ".retain/trash", ".retain"].map(|l| ("sync", ino(l)));
    assert_eq!(*calls.log.lock().unwrap(), wanted);
    for at in 0..4 {
        assert_eq!(errno(slot.sync(&Faulty::new(Fail(Errno::IO), at))), Some(Errno::IO));
    }
}

/// What is done before, the mishap, what is left, and the inode of what is to be synced.
#[test]
fn empty_slots_go_with_what_above_them_is_empty_then() {
    type Deed = fn(&Folder);
    let nothing: Deed = |_| {};
    let other_slot: Deed = |f| fs::create_dir(f.at(".retain/trash/run/other")).unwrap();
    let other_run: Deed = |f| fs::create_dir(f.at(".retain/trash/r2")).unwrap();
    let full: Deed = |f| fs::write(f.at(INNER).join("x"), "").unwrap();
    let gone: Deed = |f| fs::remove_dir(f.at(INNER)).unwrap();
    let all_gone: Deed = |f| fs::remove_dir_all(f.at(".retain")).unwrap();
    let link: Deed = |f| {
        fs::rename(f.at(".retain/trash"), f.at("moved")).unwrap();
        symlink("../moved", f.at(".retain/trash")).unwrap();
    };
    // Calls: rmdir of the slot, the run, `trash`, `.retain`.
    let none = Faulty::none;
    let at = |mishap, at| Faulty::new(mishap, at);
    let cases: Vec<(&str, Deed, Faulty, Said<Option<&str>>)> = vec![
        ("empty", nothing, none(), Ok(Some("."))),
        ("another slot of the run", other_slot, none(), Ok(Some(".retain/trash/run"))),
        ("another run", other_run, none(), Ok(Some(".retain/trash"))),
        ("something in it", full, none(), Ok(None)),
        ("gone before", gone, none(), Ok(Some("."))),
        ("all gone before", all_gone, none(), Ok(Some("."))),
        ("a symlink on the way", link, none(), Err(Some(Errno::NOTDIR))),
        ("done, and called missing", nothing, at(DoneButFailed(Errno::NOENT), 0), Ok(Some("."))),
        ("called missing, and there", nothing, at(Fail(Errno::NOENT), 0), Err(Some(Errno::NOENT))),
        ("EEXIST for not empty", nothing, at(Fail(Errno::EXIST), 0), Ok(None)),
        ("forbidden", nothing, at(Fail(Errno::ACCESS), 0), Err(Some(Errno::ACCESS))),
        ("forbidden above", nothing, at(Fail(Errno::PERM), 1), Err(Some(Errno::PERM))),
        ("not empty above", nothing, at(Fail(Errno::NOTEMPTY), 2), Ok(Some(".retain/trash"))),
    ];
    for (what, deed, calls, wanted) in cases {
        let (folder, _slot) = Folder::with_slot();
        let ino = |path: &str| fs::metadata(folder.at(path)).unwrap().ino();
        deed(&folder);
        let inodes = [".", ".retain/trash/run", ".retain/trash"]
            .map(|p| (p, fs::metadata(folder.at(p)).map_or(0, |m| m.ino())));
        let tidied = said(trash::tidy(&calls, folder.fd(), RUN, SLOT));
        let named = |fd: rustix::fd::OwnedFd| {
            let is = rustix::fs::fstat(fd).unwrap().st_ino;
            inodes.iter().find(|(_, ino)| *ino == is).unwrap().0
        };
        let found = tidied.map(|changed| changed.map(named));
        assert_eq!(found, wanted, "{what}");
        if found == Ok(Some(".")) {
            assert!(!folder.at(".retain").exists(), "{what}");
        }
        if what == "something in it" {
            assert!(ino(INNER) > 0 && folder.at(INNER).join("x").exists());
        }
    }
}

/// Which of the two a name leads to after a move in, or `-`.
fn where_is(folder: &Folder, name: &str) -> &'static str {
    match (folder.at(name).exists(), folder.at(INNER).join(name).exists()) {
        (true, true) => "both",
        (true, false) => "home",
        (false, true) => "trash",
        (false, false) => "-",
    }
}

#[test]
fn f14_f15_what_is_put_into_a_slot_is_where_the_file_system_says() {
    let rows: [(Mishap, Said<bool>, &str, usize); 9] = [
        (Lie, Ok(true), "home", 1),
        (DoneButFailed(Errno::IO), Ok(true), "trash", 1),
        (DoneButFailed(Errno::NOENT), Ok(true), "trash", 1),
        // Where the file system knows no NOREPLACE.
        (Fail(Errno::INVAL), Ok(true), "trash", 2),
        (Fail(Errno::NOSYS), Ok(true), "trash", 2),
        (FailEver(Errno::INVAL), Err(Some(Errno::INVAL)), "home", 2),
        (Fail(Errno::XDEV), Err(Some(Errno::XDEV)), "home", 1),
        (Fail(Errno::ACCESS), Err(Some(Errno::ACCESS)), "home", 1),
        (Fail(Errno::NOENT), Err(Some(Errno::NOENT)), "home", 1),
    ];
    for name in ["d", "f"] {
        let c_name = CString::new(name).unwrap();
        for (mishap, wanted, end, renames) in rows {
            let (folder, slot) = Folder::with_slot();
            let top = top(&folder.at(name));
            let calls = Faulty::new(mishap, 0);
            let put = said(trash::put(&calls, folder.fd(), &c_name, top, slot.fd()));
            assert_eq!(put, wanted, "{mishap:?}");
            assert_eq!(where_is(&folder, name), end, "{mishap:?}");
            assert_eq!(calls.kinds().len(), renames, "{mishap:?}");
        }
        let (folder, slot) = Folder::with_slot();
        let top = top(&folder.at(name));
        assert!(trash::put(&Os, folder.fd(), &c_name, top, slot.fd()).unwrap());
        assert_eq!(where_is(&folder, name), "trash");
        assert!(trash::is_there(slot.fd(), &c_name, top).unwrap());
        assert!(!trash::is_there(folder.fd(), &c_name, top).unwrap());
        let another = Top { inode: top.inode + 1, ..top };
        assert!(!trash::is_there(slot.fd(), &c_name, another).unwrap());
        let other_kind = Top { kind: FileType::Symlink, ..top };
        assert!(!trash::is_there(slot.fd(), &c_name, other_kind).unwrap());
    }
    let (folder, slot) = Folder::with_slot();
    let gone = Top { inode: 1, kind: FileType::Directory };
    assert!(!trash::put(&Os, folder.fd(), c"gone", gone, slot.fd()).unwrap());
}

#[test]
fn i28_a_directory_is_claimed_once() {
    let rows: [(Mishap, Said<bool>, usize); 7] = [
        (Lie, Err(None), 1),
        (DoneButFailed(Errno::IO), Ok(true), 1),
        (Fail(Errno::INVAL), Ok(true), 2),
        (FailEver(Errno::INVAL), Err(Some(Errno::INVAL)), 2),
        (Fail(Errno::IO), Err(Some(Errno::IO)), 1),
        (Fail(Errno::NOENT), Err(Some(Errno::NOENT)), 1),
        (Fail(Errno::EXIST), Err(Some(Errno::EXIST)), 1),
    ];
    for (mishap, wanted, renames) in rows {
        let (folder, slot) = Folder::with_both_in_slot();
        let top = top(&folder.at(INNER).join("d"));
        let calls = Faulty::new(mishap, 0);
        let claimed = said(trash::claim(&calls, slot.fd(), c"d", top, c"doomed"));
        let claimed = claimed.map(|fd| fd.is_some());
        assert_eq!(claimed, wanted, "{mishap:?}");
        assert_eq!(calls.kinds().len(), renames, "{mishap:?}");
        assert_eq!(folder.at(INNER).join("doomed").exists(), claimed.is_ok(), "{mishap:?}");
    }
    // A second claim finds what the first one left; what is something else is nobody's.
    let (folder, slot) = Folder::with_both_in_slot();
    let inner = folder.at(INNER);
    let d = top(&inner.join("d"));
    let claim = |name: &CStr, top, doomed: &CStr| {
        trash::claim(&Os, slot.fd(), name, top, doomed).unwrap().is_some()
    };
    let another = Top { inode: d.inode + 1, ..d };
    assert!(!claim(c"d", another, c"doomed"));
    assert!(inner.join("d").exists(), "it was moved, and is not what was meant");
    assert!(claim(c"d", d, c"doomed"));
    assert!(claim(c"d", d, c"doomed"));
    assert!(!claim(c"d", another, c"doomed") && !claim(c"none", d, c"none either"));
    // A file, or a symlink to the directory, under its name.
    assert!(!claim(c"f", d, c"none either"));
    symlink("doomed", inner.join("link")).unwrap();
    assert!(!claim(c"link", d, c"none either"));
    assert!(inner.join("doomed/model.bin").exists());
    // What cannot be looked at is not taken to be gone.
    let long = CString::new("n".repeat(300)).unwrap();
    let claimed = trash::claim(&Os, slot.fd(), &long, d, c"none either");
    assert_eq!(errno(claimed), Some(Errno::NAMETOOLONG));
    // Somebody restores it between the look and the rename.
    let (folder, slot) = Folder::with_both_in_slot();
    let d = top(&folder.at(INNER).join("d"));
    let restore = Meanwhile::new(|moment, _| {
        if moment == Moment::Before {
            fs::rename(folder.at(INNER).join("d"), folder.at("d")).unwrap();
        }
    });
    assert!(trash::claim(&restore, slot.fd(), c"d", d, c"doomed").unwrap().is_none());
    assert_eq!(where_is(&folder, "d"), "home");
}

/// Name, mishap and the call that it befalls, what is said, where it is then, the calls.
type Row = (&'static str, Mishap, usize, Said<bool>, &'static str, &'static [&'static str]);

#[test]
fn i26_what_is_taken_back_is_never_put_over_anything() {
    // It says that it moved, and did not.
    let lie = Err(None);
    let rows: &[Row] = &[
        ("d", Lie, 0, lie, "trash", &["rename"]),
        ("f", Lie, 0, lie, "trash", &["rename"]),
        ("d", Lie, 9, Ok(true), "home", &["rename"]),
        ("f", Lie, 9, Ok(true), "home", &["rename"]),
        ("d", DoneButFailed(Errno::IO), 0, Ok(true), "home", &["rename"]),
        ("f", DoneButFailed(Errno::IO), 0, Ok(true), "home", &["rename"]),
        ("d", Fail(Errno::IO), 0, Err(Some(Errno::IO)), "trash", &["rename"]),
        ("f", Fail(Errno::XDEV), 0, Err(Some(Errno::XDEV)), "trash", &["rename"]),
        // Where the file system knows no NOREPLACE.
        ("d", Fail(Errno::INVAL), 0, Ok(true), "home", &["rename", "rename"]),
        ("d", FailEver(Errno::INVAL), 0, Err(Some(Errno::INVAL)), "trash", &["rename", "rename"]),
        ("f", Fail(Errno::INVAL), 0, Ok(true), "home", &["rename", "link", "unlink"]),
    ];
    for (name, mishap, at, wanted, end, kinds) in rows {
        let (folder, slot) = Folder::with_both_in_slot();
        let calls = Faulty::new(*mishap, *at);
        let c_name = CString::new(*name).unwrap();
        let taken = said(trash::take_back(&calls, slot.fd(), &c_name, folder.fd()));
        let about = format!("{name} {mishap:?}");
        assert_eq!(taken, *wanted, "{about}");
        assert_eq!(where_is(&folder, name), *end, "{about}");
        assert_eq!(calls.kinds(), *kinds, "{about}");
        // Once more, without a mishap, and then for nothing.
        let left = *end == "trash";
        assert_eq!(trash::take_back(&Os, slot.fd(), &c_name, folder.fd()).unwrap(), left);
        assert_eq!(where_is(&folder, name), "home", "{about}");
        let calls = Faulty::none();
        assert!(!trash::take_back(&calls, slot.fd(), &c_name, folder.fd()).unwrap(), "{about}");
        assert_eq!(calls.kinds().len(), 0, "{about}");
    }
}

#[test]
fn i26_a_place_that_is_taken_stays_as_it_is() {
    let places: [(&str, fn(&Path)); 4] = [
        ("a file", |p| fs::write(p, "new").unwrap()),
        ("an empty directory", |p| fs::create_dir(p).unwrap()),
        ("a directory", |p| {
            fs::create_dir(p).unwrap();
            fs::write(p.join("new"), "new").unwrap();
        }),
        ("a symlink to nowhere", |p| symlink("nowhere", p).unwrap()),
    ];
    for name in ["d", "f"] {
        for (what, take) in places {
            // With and without NOREPLACE.
            for calls in [Faulty::none(), Faulty::new(Fail(Errno::INVAL), 0)] {
                let (folder, slot) = Folder::with_both_in_slot();
                take(&folder.at(name));
                let there = top(&folder.at(name));
                let c_name = CString::new(name).unwrap();
                let taken = trash::take_back(&calls, slot.fd(), &c_name, folder.fd());
                assert_eq!(errno(taken), Some(Errno::EXIST), "{name} {what}");
                assert_eq!(top(&folder.at(name)).inode, there.inode, "{name} {what}");
                assert!(folder.at(INNER).join(name).exists(), "{name} {what}");
            }
        }
    }
}

/// Without NOREPLACE a file gets its name at home first; a purge or a crash between the two calls
/// finds it under both.
#[test]
fn a_file_under_both_names_is_one_file() {
    let (folder, slot) = Folder::with_both_in_slot();
    fs::hard_link(folder.at(INNER).join("f"), folder.at("f")).unwrap();
    let calls = Faulty::none();
    trash::take_back(&calls, slot.fd(), c"f", folder.fd()).unwrap();
    assert_eq!((where_is(&folder, "f"), calls.kinds()), ("home", vec!["rename", "unlink"]));
    assert_eq!(fs::read(folder.at("f")).unwrap(), b"weights");
    // It cannot be unlinked: said, and nothing is lost.
    let (folder, slot) = Folder::with_both_in_slot();
    fs::hard_link(folder.at(INNER).join("f"), folder.at("f")).unwrap();
    let calls = Faulty::new(FailEver(Errno::PERM), 1);
    assert_eq!(errno(trash::take_back(&calls, slot.fd(), c"f", folder.fd())), Some(Errno::PERM));
    assert_eq!(where_is(&folder, "f"), "both");
}
