//! Where lock and journal are kept: found, made, and never taken for ours when they are not.

use crate::faulty::{Faulty, Mishap};
use crate::privileged::{ALICE, as_user, give, given_store, have_root, is_inner};
use crate::support::*;
use retain::apply::calls::Os;
use retain::apply::dir::Rel;
use retain::apply::home::{self, Home};
use rustix::io::Errno;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

fn rel(text: &str) -> Rel {
    Rel::parse(text).unwrap()
}

fn errno<T>(result: std::io::Result<T>) -> Option<Errno> {
    Errno::from_io_error(&result.err()?)
}

#[test]
fn a_home_is_made_once_whoever_else_makes_it_too() {
    // Calls: mkdir `.retain`, mkdir `journal`, sync.
    let cases: &[(Mishap, usize, Option<Errno>)] = &[
        (Mishap::DoneButFailed(Errno::EXIST), 0, None),
        (Mishap::DoneButFailed(Errno::EXIST), 1, None),
        (Mishap::Fail(Errno::ACCESS), 0, Some(Errno::ACCESS)),
        (Mishap::Fail(Errno::ACCESS), 1, Some(Errno::ACCESS)),
        (Mishap::Fail(Errno::IO), 2, Some(Errno::IO)),
    ];
    for (mishap, at, error) in cases {
        let store = Store::sample();
        let calls = Faulty::new(*mishap, *at);
        let made = Home::make(&calls, &store.root(), &rel("a/mnist/1"));
        assert!(calls.was_hit(), "{mishap:?} {at}");
        assert_eq!(errno(made), *error, "{mishap:?} {at}");
        if error.is_none() {
            assert!(store.path("a/mnist/1/.retain/journal").is_dir(), "{mishap:?} {at}");
        }
    }
    let store = Store::sample();
    let (first, second) = (Faulty::none(), Faulty::none());
    Home::make(&first, &store.root(), &rel("a/mnist/1")).unwrap();
    Home::make(&second, &store.root(), &rel("a/mnist/1")).unwrap();
    // Nothing is given away that belongs to the folder's owner already.
    assert_eq!(first.kinds(), ["mkdir", "mkdir", "sync"]);
    assert_eq!(second.kinds(), ["mkdir"]);
}

#[test]
fn what_is_there_and_no_home_is_an_error_what_is_missing_is_none() {
    let store = Store::sample();
    let root = store.root();
    assert!(Home::central(&root).unwrap().is_some());
    for (at, make) in [
        ("a/mnist/1", None),
        ("a/mnist", Some("a/mnist/.retain")),
        ("a", Some("a/.retain/journal")),
    ] {
        if let Some(dir) = make {
            fs::create_dir_all(store.path(dir)).unwrap();
        }
        let found = Home::existing(&root, &rel(at)).unwrap().is_some();
        assert_eq!(found, at == "a", "{at}");
    }
    // A journal that is a file, or a symlink to a real one.
    fs::create_dir_all(store.path("b/.retain")).unwrap();
    fs::write(store.path("b/.retain/journal"), "").unwrap();
    assert_eq!(errno(Home::existing(&root, &rel("b"))), Some(Errno::NOTDIR));
    fs::create_dir_all(store.path("b/mnist/.retain")).unwrap();
    symlink("../../../.retain/journal", store.path("b/mnist/.retain/journal")).unwrap();
    assert!(Home::existing(&root, &rel("b/mnist")).is_err());
    // Those that are there are found, the others are no fault or one.
    let places = [rel("."), rel("a"), rel("a/mnist/1"), rel("nowhere"), rel("b"), rel("b/mnist")];
    let (homes, faults) = home::at(&root, 2, &places);
    let at: Vec<_> = homes.iter().map(|h| h.at.to_string()).collect();
    assert_eq!(at, [".", "a"]);
    let faults: Vec<_> = faults.iter().map(|(at, _)| at.to_string()).collect();
    assert_eq!(faults, ["b", "b/mnist"]);
}

#[test]
fn a_home_is_writable_if_both_its_directories_are() {
    let test = "homes::a_home_is_writable_if_both_its_directories_are";
    let cases =
        [("a", 0o755, 0o755), ("b", 0o555, 0o755), ("c", 0o755, 0o555), ("d", 0o555, 0o555)];
    if is_inner(test) {
        let store = given_store();
        for (at, ours, journal) in cases {
            let home = Home::existing(&store.root(), &rel(at)).unwrap().unwrap();
            assert_eq!(home.is_writable(), (ours, journal) == (0o755, 0o755), "{at}");
            assert!(!home.is_anothers(), "{at}");
        }
        // The administrator's, which everybody may read.
        let central = Home::central(&store.root()).unwrap().unwrap();
        assert!(!central.is_writable());
        return;
    }
    if !have_root(test) {
        return;
    }
    let store = Store::new();
    for (at, ours, journal) in cases {
        let dir = store.path(format!("{at}/.retain"));
        fs::create_dir_all(dir.join("journal")).unwrap();
        fs::set_permissions(dir.join("journal"), fs::Permissions::from_mode(journal)).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(ours)).unwrap();
        give(&store.path(at), ALICE);
    }
    as_user(test, ALICE, &store);
    // Seen by root all are another's but the root's own, whoever has that.
    give(&store.path(".retain"), ALICE);
    give(&store.top, ALICE);
    let root = store.root();
    assert!(Home::existing(&root, &rel("a")).unwrap().unwrap().is_anothers());
    assert!(!Home::central(&root).unwrap().unwrap().is_anothers());
    fs::create_dir(store.path("e")).unwrap();
    assert!(!Home::make(&Os, &root, &rel("e")).unwrap().is_anothers());
}
