//! I23, I29: what a journal reserves, writes and gives back, to the byte.

use crate::faulty::{Faulty, Mishap};
use crate::support::*;
use retain::apply::calls::Os;
use retain::apply::journal::record::{Begin, Record};
use retain::apply::journal::{Journal, decode, spare};
use rustix::fd::AsFd as _;
use rustix::io::Errno;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::PathBuf;

/// Room for what ends a batch.
const SLACK: u64 = 4096;

struct Files {
    store: Store,
    dir: fs::File,
}

impl Files {
    fn new() -> Files {
        let store = Store::new();
        let dir = fs::File::open(store.path(".retain/journal")).unwrap();
        Files { store, dir }
    }

    fn create(&self, calls: &Faulty) -> std::io::Result<Journal> {
        let begin = Begin { run: "r".to_owned(), ..Begin::default() };
        Journal::create(calls, self.dir.as_fd(), &begin)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.store.path(format!(".retain/journal/{name}"))
    }

    fn len(&self) -> u64 {
        fs::metadata(self.path("r.0000")).unwrap().len()
    }
}

fn moved(n: u32) -> Record {
    Record::Moved { items: vec![n] }
}

#[test]
fn room_is_reserved_for_what_is_queued_what_is_to_come_and_its_end() {
    let files = Files::new();
    let calls = Faulty::none();
    let mut journal = files.create(&calls).unwrap();
    let begun = files.len();
    journal.reserve(&calls, 1000).unwrap();
    assert_eq!(files.len(), begun + 1000 + SLACK);
    // As much again is reserved already; a byte more is not.
    journal.reserve(&calls, 1000).unwrap();
    journal.reserve(&calls, 1).unwrap();
    assert_eq!(calls.kinds().iter().filter(|k| **k == "reserve").count(), 1);
    journal.reserve(&calls, 1001).unwrap();
    assert_eq!(files.len(), begun + 1001 + SLACK);
    assert_eq!(calls.kinds().iter().filter(|k| **k == "reserve").count(), 2);
    // What waits to be written needs room too.
    journal.add(&moved(1));
    journal.reserve(&calls, 1001).unwrap();
    let reserved = files.len();
    assert!(reserved > begun + 1001 + SLACK);
    let queued = reserved - (begun + 1001 + SLACK);
    journal.commit(&calls).unwrap();
    assert_eq!(files.len(), reserved, "it was written into what was reserved");
    let bytes = fs::read(files.path("r.0000")).unwrap();
    let end = usize::try_from(begun + queued).unwrap();
    assert!(bytes[end..].iter().all(|b| *b == 0) && bytes[end - 1] != 0);
    assert_eq!(decode(&bytes, "r.0000").records[1..], [moved(1)]);
    journal.close(&calls, false);
    assert_eq!(files.len(), begun + queued, "what was not needed is given back");
}

#[test]
fn nothing_is_given_back_that_was_not_reserved_or_whose_journal_failed() {
    let files = Files::new();
    let calls = Faulty::none();
    let mut journal = files.create(&calls).unwrap();
    journal.add(&moved(1));
    journal.commit(&calls).unwrap();
    journal.close(&calls, false);
    assert!(!calls.kinds().contains(&"truncate"), "{:?}", calls.kinds());
    // I24: after a failure nothing is written again, and nothing taken away.
    let files = Files::new();
    let mut journal = files.create(&Faulty::none()).unwrap();
    journal.reserve(&Os, 10).unwrap();
    let len = files.len();
    journal.add(&moved(1));
    let failing = Faulty::new(Mishap::FailEver(Errno::IO), 1);
    assert!(journal.commit(&failing).is_err());
    assert_eq!(failing.kinds(), ["write", "sync"]);
    journal.add(&moved(2));
    let calls = Faulty::none();
    assert!(journal.commit(&calls).is_err());
    journal.close(&calls, false);
    assert_eq!((calls.kinds(), files.len()), (vec![], len));
}

#[test]
fn a_name_that_somebody_took_meanwhile_is_passed_over() {
    let files = Files::new();
    files.create(&Faulty::new(Mishap::DoneButFailed(Errno::EXIST), 0)).unwrap();
    assert!(files.path("r.0000").exists() && files.path("r.0001").exists());
    files.create(&Faulty::none()).unwrap();
    assert!(files.path("r.0002").exists());
    let error = files.create(&Faulty::new(Mishap::Fail(Errno::ACCESS), 0)).unwrap_err();
    assert_eq!(Errno::from_io_error(&error), Some(Errno::ACCESS));
    assert!(!files.path("r.0003").exists());
}

/// Room that was kept back for a journal whose work was not begun is kept back again: without it a
/// purge could not empty the disk.
#[test]
fn f1_room_that_nothing_was_recorded_in_is_kept_back_again() {
    let taken = |calls: &Faulty| {
        let files = Files::new();
        let journal = files.create(calls).unwrap();
        assert!(!files.path("spare").exists() && files.path("r.0000").exists());
        (files, journal)
    };
    let full = || Faulty::new(Mishap::Fail(Errno::NOSPC), 0);
    // Cut off anywhere, it is one or the other.
    let mut at = 0;
    loop {
        let (files, journal) = taken(&full());
        let calls = Faulty::new(Mishap::CrashBefore, at);
        journal.discard(&calls);
        assert_ne!(files.path("spare").exists(), files.path("r.0000").exists(), "{at}");
        if !calls.was_hit() {
            let spare = fs::read(files.path("spare")).unwrap();
            assert!(spare.len() == 128 << 10 && spare.iter().all(|b| *b == 0));
            break;
        }
        at += 1;
    }
    assert!(at > 3);
    // Where there is no more room, what the journal had.
    let (files, journal) = taken(&full());
    journal.discard(&Faulty::new(Mishap::Fail(Errno::NOSPC), 2));
    assert_eq!(fs::metadata(files.path("spare")).unwrap().len(), 64 << 10);
    // One that cannot be renamed goes, as does one that finds another in its place.
    for another in [false, true] {
        let (files, journal) = taken(&full());
        let calls = Faulty::new(Mishap::Fail(Errno::IO), if another { 9 } else { 0 });
        if another {
            fs::write(files.path("spare"), "").unwrap();
        }
        journal.discard(&calls);
        assert!(!files.path("r.0000").exists(), "{another}");
        assert_eq!(calls.was_hit(), !another);
    }
}

/// As long as nothing was recorded; then what is recorded stays where it is.
#[test]
fn f1_a_journal_without_room_goes_on_in_what_is_kept_back() {
    let at = |kind: &str| {
        let calls = Faulty::none();
        Files::new().create(&calls).unwrap();
        calls.kinds().iter().position(|k| *k == kind).unwrap()
    };
    let has = |files: &Files| (files.path("spare").exists(), files.path("r.0000").exists());
    let records =
        |files: &Files| decode(&fs::read(files.path("r.0000")).unwrap(), "r.0000").records;
    // Its first record.
    let full = || Faulty::new(Mishap::Fail(Errno::NOSPC), at("write"));
    let files = Files::new();
    let mut journal = files.create(&full()).unwrap();
    assert_eq!((has(&files), files.len()), ((false, true), 64 << 10));
    journal.add(&moved(1));
    journal.commit(&Faulty::none()).unwrap();
    assert_eq!(records(&files)[1..], [moved(1)]);
    let calls = Faulty::new(Mishap::Fail(Errno::NOSPC), 0);
    assert!(journal.reserve(&calls, 1 << 20).is_err(), "there is but one");
    // Another error, or nothing that is kept back.
    let files = Files::new();
    assert!(files.create(&Faulty::new(Mishap::Fail(Errno::IO), at("write"))).is_err());
    assert_eq!(has(&files), (true, false));
    fs::remove_file(files.path("spare")).unwrap();
    assert!(files.create(&full()).is_err());
    assert_eq!(has(&files), (false, false));
    // The room for what is to come.
    let files = Files::new();
    let mut journal = files.create(&Faulty::none()).unwrap();
    journal.reserve(&Faulty::new(Mishap::Fail(Errno::NOSPC), 0), 1000).unwrap();
    assert_eq!((has(&files), files.len()), ((false, true), 64 << 10));
    assert_eq!(records(&files).len(), 1);
    journal.close(&Faulty::none(), true);
    assert_eq!(fs::metadata(files.path("spare")).unwrap().len(), 128 << 10, "there is room again");
    // What was recorded is in no other file.
    let files = Files::new();
    let mut journal = files.create(&Faulty::none()).unwrap();
    journal.add(&moved(1));
    journal.commit(&Faulty::none()).unwrap();
    assert!(journal.reserve(&Faulty::new(Mishap::Fail(Errno::NOSPC), 0), 1 << 20).is_err());
    assert_eq!((has(&files), &records(&files)[1..]), ((true, true), &[moved(1)][..]));
    journal.discard(&Faulty::none());
    assert_eq!(has(&files), (true, true), "it says more than that it was begun");
}

/// What is kept back is a whole file of one's own that has no other name: neither made anew without need
/// nor written over what is somebody else's, and no journal takes the place of another.
#[test]
fn f1_room_is_kept_back_in_a_file_of_ones_own() {
    let files = Files::new();
    let (path, least) = (files.path("spare"), 16 << 10);
    let keep = |calls: &Faulty, again| spare::keep(calls, files.dir.as_fd(), again);
    let taken = || {
        let calls = Faulty::new(Mishap::Fail(Errno::NOSPC), 0);
        let made = files.create(&calls).is_ok();
        assert_eq!(made, files.path("r.0000").exists());
        made.then(|| {
            let len = files.len();
            fs::remove_file(files.path("r.0000")).unwrap();
            (len, calls.kinds().contains(&"truncate"))
        })
    };
    let of = |len: usize| {
        let _ = fs::remove_file(&path);
        fs::write(&path, vec![0; len]).unwrap();
        fs::metadata(&path).unwrap().ino()
    };
    let here = || fs::metadata(&path).map(|meta| (meta.ino(), meta.len())).ok();

    let first = here().unwrap();
    assert_eq!(first.1, 128 << 10);
    keep(&Faulty::none(), false);
    assert_eq!(here(), Some(first), "it is there");
    let inode = of(least);
    keep(&Faulty::none(), true);
    assert_eq!(here(), Some((inode, least as u64)), "it is of use");
    of(least - 1);
    assert_eq!(taken(), None, "it is of no use");
    keep(&Faulty::none(), false);
    assert_eq!(here().unwrap().1, 128 << 10, "made anew");

    assert_eq!(taken(), Some((64 << 10, true)));
    of(64 << 10);
    assert_eq!(taken(), Some((64 << 10, false)));
    of(least);
    assert_eq!(taken(), Some((least as u64, false)));

    // As large as may be, of what a journal left; else whole or not at all.
    keep(&Faulty::new(Mishap::Fail(Errno::NOSPC), 1), true);
    assert_eq!(here().unwrap().1, 64 << 10);
    fs::remove_file(&path).unwrap();
    keep(&Faulty::new(Mishap::Fail(Errno::NOSPC), 1), false);
    assert_eq!(here(), None);
    keep(&Faulty::new(Mishap::Fail(Errno::IO), 1), true);
    assert_eq!(here(), None, "an error that says nothing of room");

    let other = files.path("other");
    for len in [10, 128 << 10] {
        let inode = of(len);
        fs::hard_link(&path, &other).unwrap();
        keep(&Faulty::none(), true);
        assert_eq!((here().unwrap().0, taken()), (inode, None), "another name of {len}");
        fs::remove_file(&path).unwrap();
        symlink("other", &path).unwrap();
        keep(&Faulty::none(), true);
        assert!(path.is_symlink() && taken().is_none(), "a symlink");
        fs::remove_file(&path).unwrap();
        fs::remove_file(&other).unwrap();
    }
    fs::create_dir(&path).unwrap();
    keep(&Faulty::none(), true);
    assert!(path.is_dir() && taken().is_none());
}
