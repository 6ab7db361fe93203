//! Rows of Trees, Races and Faults that need nothing but a mishap from outside.

use crate::support::*;
use crate::{nsml, nsml_picture};
use retain::apply::{What, Which, purge, recover, runs, undo};
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

fn whole(run: &str) -> What<'_> {
    What { run, session: None, checkpoint: None }
}

/// T27: what an NFS client leaves of an open file is a file like others.
#[test]
fn t27_a_silly_rename_inside_goes_along() {
    let store = Store::sample();
    store.file("a/mnist/1/checkpoint-10/.nfs000000000001", "open somewhere");
    let before = store.picture();
    let run = store.apply(&store.sample_plan()).unwrap().run.unwrap();
    assert!(!store.path("a/mnist/1/checkpoint-10").exists());
    undo(&store.root(), &whole(&run), &settings(now()), &silent).unwrap();
    before.assert_same(&store.picture());
}

/// R8: a reader that has its files open reads on, through move and purge.
#[test]
fn r8_a_reader_in_the_middle_of_a_load() {
    let store = Store::sample();
    let mut open = fs::File::open(store.path("a/mnist/1/checkpoint-10/model.bin")).unwrap();
    let mut read = [0; 3];
    open.read_exact(&mut read).unwrap();
    store.apply(&store.sample_plan()).unwrap();
    purge(&store.root(), Which::All, &settings(now()), &silent).unwrap();
    let mut rest = String::new();
    open.read_to_string(&mut rest).unwrap();
    assert_eq!((&read, rest.as_str()), (b"wei", "ghts"));
}

/// R4: what appears after the plan is not its business.
#[test]
fn r4_a_better_checkpoint_appears_after_the_plan() {
    let store = Store::sample();
    let plan = store.sample_plan();
    store.ckpt("a/mnist/1/checkpoint-50");
    assert_eq!(store.apply(&plan).unwrap().moved.checkpoints, 6);
    for kept in ["40", "50"] {
        assert!(store.path(format!("a/mnist/1/checkpoint-{kept}/model.bin")).exists());
    }
}

/// R16: a trash that became a symlink is neither restored from nor purged.
#[test]
fn r16_the_trash_is_swapped_for_a_symlink() {
    for part in [".retain", ".retain/trash", ".retain/trash/RUN", ".retain/trash/RUN/SLOT"] {
        let store = Store::sample();
        let run = store.apply(&store.sample_plan()).unwrap().run.unwrap();
        let top = store.path("a/mnist/1/.retain/trash").join(&run);
        let slot = fs::read_dir(&top).unwrap().next().unwrap().unwrap().file_name();
        let part = part.replace("RUN", &run).replace("SLOT", slot.to_str().unwrap());
        let (here, there) = (store.path("a/mnist/1").join(part), store.dir.path().join("there"));
        fs::rename(&here, &there).unwrap();
        symlink(&there, &here).unwrap();
        let canary = Snapshot::of(&there);
        let undone = undo(&store.root(), &whole(&run), &settings(now()), &silent).unwrap();
        assert_eq!((undone.restored.checkpoints, undone.skipped.len()), (3, 3), "{undone:?}");
        let report = purge(&store.root(), Which::All, &settings(now()), &silent).unwrap();
        assert_eq!(report.purged.checkpoints, 0, "{report:?}");
        canary.assert_same(&Snapshot::of(&there));
    }
}

/// R7: somebody keeps writing in what is being purged: it ends, and nothing else is touched.
#[test]
fn r7_a_writer_in_the_trash_during_the_purge() {
    let store = Store::sample();
    let before = store.picture();
    let target = store.path("a/mnist/1/checkpoint-10");
    let held = fs::File::open(target.join("opt")).unwrap();
    store.apply(&store.sample_plan()).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Enough to be in the way of every pass, and an end before the purge's own.
            for n in 0..3_000 {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let name = format!("new-{n}");
                let _ = rustix::fs::mkdirat(&held, &name, 0o755.into());
                let _ = rustix::fs::symlinkat("../../../../../../checkpoint-40", &held, &name);
            }
        });
        // It may give up on a folder that is never empty; the next one goes on.
        for _ in 0..3 {
            let _ = purge(&store.root(), Which::All, &settings(now()), &silent);
        }
        stop.store(true, Ordering::Relaxed);
    });
    let report = purge(&store.root(), Which::All, &settings(now()), &silent).unwrap();
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    let gone: Vec<String> = ["a/mnist/1", "b/mnist/2"]
        .iter()
        .flat_map(|s| ["10", "20", "30"].map(|n| format!("{s}/checkpoint-{n}")))
        .collect();
    let gone: Vec<&str> = gone.iter().map(String::as_str).collect();
    before.without(&gone).assert_same(&store.picture());
    assert_eq!(trash(&store), Vec::<String>::new());
}

/// R11: a trainer that rotates its checkpoints away while apply moves them.
#[test]
fn r11_a_trainer_that_rotates_at_the_same_time() {
    for round in 0..10_u64 {
        let store = Store::sample();
        let plan = store.sample_plan();
        let before = store.picture();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(std::time::Duration::from_millis(round * 2));
                for n in ["10", "20"] {
                    let _ = fs::remove_dir_all(store.path(format!("a/mnist/1/checkpoint-{n}")));
                }
            });
            let _ = store.apply(&plan);
        });
        recover(&store.root(), &settings(now()), &silent).unwrap();
        for run in runs(&store.root(), 0).unwrap().0 {
            undo(&store.root(), &whole(&run.id), &settings(now()), &silent).unwrap();
        }
        // What the trainer deleted may be gone, or in part; all else is what it was.
        let rotated = ["a/mnist/1/checkpoint-10", "a/mnist/1/checkpoint-20"];
        before.without(&rotated).assert_same(&store.picture().without(&rotated));
    }
}

/// The program under a shell's limits; afterwards everything is one thing or the other.
fn limited(limit: &str) -> Option<i32> {
    let tree = nsml::storage();
    let world = nsml::world(&tree);
    let policy = nsml::policy(&world, nsml::LAST_TWO);
    let before = nsml_picture(&tree);
    let plain = world.command(["apply", "--yes", "--policy", &policy]);
    let args: Vec<_> = plain.get_args().map(|a| a.to_str().unwrap()).collect();
    let program = plain.get_program().to_str().unwrap();
    let mut shell = std::process::Command::new("bash");
    shell.args(["-c", &format!("{limit} && exec {program} {}", args.join(" "))]);
    shell.current_dir(tree.path()).env_clear().env("HOME", world.home());
    let code = shell.output().unwrap().status.code();
    world.run(["purge", "--yes"]).ok();
    let log = world.run(["log", "--json"]).ok().json();
    let moved = 9 - nsml::left(&tree, nsml::SESSION).len();
    assert!(code != Some(0) || moved == 7, "{limit}: {moved} moved, {code:?}");
    for run in log["runs"].as_array().unwrap() {
        world.run(["undo", run["run"].as_str().unwrap()]).ok();
    }
    before.assert_same(&nsml_picture(&tree));
    code
}

#[test]
fn f8_few_descriptors() {
    let codes: Vec<_> = (4..40).step_by(3).map(|n| limited(&format!("ulimit -n {n}"))).collect();
    assert!(codes[0] != Some(0) && codes.last() == Some(&Some(0)), "{codes:?}");
}

#[test]
fn f9_f23_little_memory_and_a_small_stack() {
    // Nothing is allocated behind the last record, so an abort is like any other death.
    let codes = [20, 30, 40, 60, 100].map(|mib| limited(&format!("ulimit -v {}", mib * 1024)));
    assert!(codes[0] != Some(0), "{codes:?}");
    for kib in [64, 256] {
        limited(&format!("ulimit -s {kib}"));
    }
}

#[test]
fn f2_f10_f11_needs_strace_quota_interrupted_calls_and_endless_retries() {
    for (inject, expected) in [
        ("fallocate,pwrite64,mkdirat:error=EDQUOT", None),
        ("openat2:error=EAGAIN", None),
        ("renameat2,unlinkat,fsync,pwrite64,mkdirat,fallocate:error=EINTR:when=1+2", Some(0)),
    ] {
        let tree = nsml::storage();
        let world = nsml::world(&tree);
        let policy = nsml::policy(&world, nsml::LAST_TWO);
        let before = nsml_picture(&tree);
        let log = world.home().join("trace");
        let plain = world.command(["apply", "--yes", "--threads", "1", "--policy", &policy]);
        let mut traced = std::process::Command::new("strace");
        let calls = inject.split(':').next().unwrap();
        traced.args(["-f", "-qq", "-e", &format!("trace={calls}"), "-e"]);
        traced.arg(format!("inject={inject}")).arg("-o").arg(&log);
        traced.arg(plain.get_program()).args(plain.get_args()).current_dir(tree.path());
        traced.env_clear().env("HOME", world.home());
        let output = traced.output().unwrap();
        let run = Run::new(&traced, &output);
        assert!(fs::read_to_string(&log).unwrap().contains("INJECTED"), "{inject}: nothing");
        match expected {
            Some(code) => {
                assert_eq!(run.code, Some(code), "{inject}: {run}");
                assert_eq!(nsml::left(&tree, nsml::SESSION).len(), 2);
            }
            None => {
                assert!(!matches!(run.code, Some(0) | None), "{inject}: {run}");
                before.assert_same(&nsml_picture(&tree));
            }
        }
    }
}

/// F10: what only looks repeats its calls as well.
#[test]
fn f10_needs_strace_a_scan_repeats_interrupted_calls() {
    let tree = nsml::storage();
    symlink("nsml_model/41", tree.at(nsml::SESSION).join("best")).unwrap();
    let world = nsml::world(&tree);
    let quiet = world.run(["ls", nsml::SESSION, "--json"]).ok();
    for call in ["openat", "statx", "getdents64", "readlinkat"] {
        let log = world.home().join("trace");
        let plain = world.command(["ls", nsml::SESSION, "--json", "--threads", "1"]);
        let mut traced = std::process::Command::new("strace");
        traced.args(["-f", "-qq", "-e", &format!("trace={call}"), "-o"]).arg(&log);
        // Not those of the loader and of std: calls on the session's own directories.
        for dir in ["", "nsml_model", "nsml_model/41"] {
            traced.arg("-P").arg(tree.at(nsml::SESSION).join(dir));
        }
        traced.args(["-e", &format!("inject={call}:error=EINTR:when=1+2")]);
        traced.arg(plain.get_program()).args(plain.get_args()).current_dir(tree.path());
        traced.env_clear().env("HOME", world.home());
        let output = traced.output().unwrap();
        let run = Run::new(&traced, &output);
        assert!(fs::read_to_string(&log).unwrap().contains("INJECTED"), "{call}: nothing\n{run}");
        assert_eq!((run.code, &run.stdout), (Some(0), &quiet.stdout), "{call}\n{run}");
    }
}

/// R5: a symlink far from the checkpoints that named a keeper names what is to go by now.
#[test]
fn r5_a_symlink_elsewhere_is_moved_after_the_plan() {
    let model = |id: &str| format!("../{}/nsml_model/{id}", nsml::SESSION);
    for moved in [false, true] {
        let tree = nsml::storage();
        let world = nsml::world(&tree);
        fs::create_dir(tree.at("released")).unwrap();
        symlink(model("41"), tree.at("released/v1")).unwrap();
        let policy = nsml::policy(&world, nsml::LAST_TWO);
        let saved = world.home().join("plan.json");
        let saved = saved.to_str().unwrap();
        world.run(["plan", "--policy", &policy, "-o", saved]).ok();
        if moved {
            fs::remove_file(tree.at("released/v1")).unwrap();
            symlink(model("3"), tree.at("released/v1")).unwrap();
        }
        let ran = world.run(["apply", saved, "--yes"]);
        if moved {
            ran.code(3).warns("v1, which was to stay, has changed");
            assert_eq!(nsml::left(&tree, nsml::SESSION).len(), 9);
        } else {
            ran.ok();
            assert_eq!(nsml::left(&tree, nsml::SESSION).len(), 2);
        }
    }
}
