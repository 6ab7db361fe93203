//! The power fails: what was not synced is gone, on real journalling file systems (F18).
//!
//! The program is killed before its n-th call, and in the same moment the file system is shut down
//! without flushing its log. What is found after the next mount is what a power cut leaves.

use crate::arena::{Arena, Image, arena};
use crate::oracle::{Case, PLANNED};
use crate::strace::{Fault, What};
use crate::support::Store;
use crate::sweep::MOST;
use retain::apply::journal::history::State;
use retain::apply::runs;
use std::fs;
use std::path::Path;
use std::process::Command;

const EXT4: &[&str] = &["mkfs.ext4", "-q", "-F"];
const XFS: &[&str] = &["mkfs.xfs", "-q", "-f"];
/// Before each of these a crash is tried. Reads do not change what is on the disk.
const CALLS: [&str; 8] =
    ["mkdirat", "renameat2", "unlinkat", "fsync", "pwrite64", "fallocate", "ftruncate", "close"];
/// `close` stands for "somewhere between": there are hundreds.
const CLOSE_STEP: u32 = 16;

/// The power fails and comes back.
fn power_cut(image: &Image) {
    let done = Command::new("xfs_io").args(["-x", "-c", "shutdown"]).arg(&image.at).output();
    let done = done.expect("xfs_io starts");
    assert!(done.status.success(), "{done:?}");
    let refused = fs::write(image.at.join("written-after"), "").expect_err("it is still alive");
    assert!(refused.raw_os_error().is_some(), "{refused}");
    image.unmount();
    image.mount();
}

fn sync(image: &Image) {
    let done = Command::new("sync").arg("-f").arg(&image.at).status().unwrap();
    assert!(done.success());
}

/// What a journal that survived calls moved is not at its path: no rename comes back.
fn no_rename_came_back(case: &Case, about: &str) {
    let now = case.store.picture();
    for run in runs(&case.store.root(), 0).unwrap().0 {
        for item in run.items.iter().filter(|i| i.state == State::Moved) {
            let part =
                PLANNED[usize::from(item.id == "2") + 2 * usize::from(item.session == "tf")][0];
            assert!(!now.has(part), "{about}: {part} was recorded as moved, and came back");
        }
    }
}

/// One crash of an apply; whether the point was reached.
fn crash(arena: &Arena, image: &Image, call: &'static str, nth: u32) -> bool {
    let case = Case::with(Store::within(&image.at));
    sync(image);
    let traced = case.run_with(arena, Fault { call, nth, what: What::Kill }, &case.apply());
    power_cut(image);
    let about = format!("{} killed before {call} {nth}\n{}", image.at.display(), traced.run);
    if !traced.hit {
        // It ended in order, and said so: nothing of that may be lost.
        assert_eq!((traced.run.code, case.gone()), (Some(0), PLANNED.len()), "{about}");
    }
    no_rename_came_back(&case, &about);
    case.heals(true, &about);
    traced.hit
}

fn sweep(arena: &Arena, image: &Image) {
    let mut hit = 0;
    for call in CALLS {
        let step = if call == "close" { CLOSE_STEP } else { 1 };
        hit += (1..MOST).map(|n| n * step).take_while(|n| crash(arena, image, call, *n)).count();
    }
    assert!(hit > 30, "only {hit} crashes");
}

/// Undo and purge that said they are done are done, whatever happens next.
fn done_is_done(arena: &Arena, image: &Image) {
    for purge in [false, true] {
        for call in ["renameat2", "unlinkat", "fsync", "pwrite64"] {
            for nth in 1..MOST {
                let (case, run) = Case::with(Store::within(&image.at)).applied();
                sync(image);
                let args = if purge { case.purge(&run) } else { case.undo(&run) };
                let fault = Fault { call, nth, what: What::Kill };
                let traced = case.run_with(arena, fault, &args);
                power_cut(image);
                let about = format!("{}: {fault:?}\n{}", image.at.display(), traced.run);
                if !traced.hit {
                    let gone = if purge { PLANNED.len() } else { 0 };
                    assert_eq!((traced.run.code, case.gone()), (Some(0), gone), "{about}");
                }
                if purge {
                    case.ends_purged(true, &about);
                } else {
                    case.heals(true, &about);
                }
                if !traced.hit {
                    break;
                }
            }
        }
    }
}

/// The control: the same crash brings a rename back that nobody synced.
fn naive_rename_comes_back(image: &Image) {
    let [from, to] = ["from", "to"].map(|name| image.at.join(name));
    for dir in [&from, &to] {
        fs::create_dir(dir).unwrap();
    }
    fs::create_dir(from.join("checkpoint-1")).unwrap();
    sync(image);
    fs::rename(from.join("checkpoint-1"), to.join("checkpoint-1")).unwrap();
    power_cut(image);
    let there = |dir: &Path| dir.join("checkpoint-1").exists();
    assert!(there(&from) && !there(&to), "the power cut lost nothing: it proves nothing");
}

#[test]
fn f18_power_cut_of_ext4_during_apply_needs_root_needs_strace() {
    arena(|arena| {
        let image = arena.image("ext4", "64M", EXT4);
        naive_rename_comes_back(&image);
        sweep(arena, &image);
    });
}

#[test]
fn f18_power_cut_of_xfs_during_apply_needs_root_needs_strace() {
    arena(|arena| {
        let image = arena.image("xfs", "320M", XFS);
        naive_rename_comes_back(&image);
        sweep(arena, &image);
    });
}

#[test]
fn f18_power_cut_of_ext4_during_undo_and_purge_needs_root_needs_strace() {
    arena(|arena| done_is_done(arena, &arena.image("ext4", "64M", EXT4)));
}

#[test]
fn f18_power_cut_of_xfs_during_undo_and_purge_needs_root_needs_strace() {
    arena(|arena| done_is_done(arena, &arena.image("xfs", "320M", XFS)));
}
