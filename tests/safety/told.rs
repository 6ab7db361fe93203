//! Whoever kills a run is told by the next command, whichever it is, in one line.

use crate::faulty::{Faulty, Mishap};
use crate::support::*;
use crate::{nsml, nsml_picture};
use retain::apply::{ApplyOptions, Root, Settings, apply};
use retain::core::plan::PlanFile;

/// An apply of the sample's plan that dies at its `at`-th change; `None` if it lived.
fn killed(at: usize) -> Option<(Tree, World, Snapshot)> {
    let tree = nsml::storage();
    let world = nsml::world(&tree);
    let policy = nsml::policy(&world, nsml::LAST_TWO);
    let saved = world.home().join("plan.json");
    world.run(["plan", "--policy", &policy, "-o", saved.to_str().unwrap()]).ok();
    let before = nsml_picture(&tree);
    let plan = PlanFile::parse(&std::fs::read(saved).unwrap()).unwrap();
    let faulty = Faulty::new(Mishap::CrashBefore, at);
    let settings = Settings { calls: &faulty, ..settings(time(NOW)) };
    let options = ApplyOptions { settings, grace: None, purge_now: false };
    let root = Root::open(tree.path(), None).unwrap();
    let done = apply(&root, &plan, &options, &silent);
    // What fails after the last record was only tidying up.
    assert!(done.is_ok() || faulty.was_hit(), "{done:?}");
    done.is_err().then_some((tree, world, before))
}

fn told(run: &Run) -> usize {
    run.stderr.lines().filter(|l| l.contains("was interrupted: ")).count()
}

/// The run that a journal in the root knows of.
fn known(tree: &Tree) -> Option<String> {
    let files = std::fs::read_dir(tree.at(".retain/journal")).ok()?;
    let mut names = files.map(|f| f.unwrap().file_name().into_string().unwrap());
    names.find_map(|n| n.split_once('.').map(|(run, _)| run.to_owned()))
}

#[test]
fn u_every_command_tells_of_a_run_killed_at_any_point() {
    let mut seen = 0;
    for at in 0.. {
        let Some((tree, world, before)) = killed(at) else { break };
        let Some(run) = known(&tree) else { continue };
        // Killed behind its last record, a run has come to its end.
        let log = world.run(["log", "--json"]).json()["runs"][0].clone();
        if log["unfinished"] == false {
            assert_eq!(log["in_trash"]["checkpoints"], 7, "killed at {at}: {log}");
            continue;
        }
        seen += 1;
        let plan = Snapshot::of(tree.path());
        let saved = world.home().join("plan.json");
        let reading: [&[&str]; 15] = [
            &["ls"],
            &["ls", "--json"],
            &["plan"],
            &["log"],
            &["inventory"],
            &["undo", &run, "--dry-run"],
            &["purge", "--dry-run"],
            &["apply", "--dry-run"],
            &["apply", saved.to_str().unwrap(), "--dry-run"],
            &["log", &run],
            &["why", nsml::SESSION, "41"],
            &["rm", nsml::SESSION, "41", "--dry-run"],
            &["pin", nsml::SESSION, "--dry-run"],
            &["layout", "test"],
            &["init"],
        ];
        for command in reading {
            let ran = world.run(command);
            assert_eq!(told(&ran), 1, "killed at {at}\n{ran}");
            assert!(ran.stderr.contains(&format!("retain undo {run}")), "{ran}");
            // I15.
            plan.assert_same(&Snapshot::of(tree.path()));
        }
        // Whatever changes something brings it to an end first, and says so.
        let all = nsml::policy(&world, "[[policy]]\nname = \"all\"\nkeep = [{ all = true }]\n");
        let changing: [(&[&str], i32); 5] = [
            (&["purge", "--yes"], 0),
            (&["undo", &run, "none"], 2),
            (&["apply", "--yes", "--policy", &all], 0),
            (&["rm", nsml::SESSION, "none", "--yes"], 2),
            (&["apply", saved.to_str().unwrap(), "--yes"], 5),
        ];
        let (command, code) = changing[at % changing.len()];
        let ran = world.run(command).code(code);
        assert_eq!(told(&ran), 1, "killed at {at}\n{ran}");
        let ran = world.run(["ls"]).ok();
        assert_eq!(told(&ran), 0, "killed at {at}\n{ran}");
        world.run(["undo", &run]).ok();
        before.assert_same(&nsml_picture(&tree));
    }
    assert!(seen > 10, "{seen} points after the journal began");
}

#[test]
fn a_run_that_is_at_work_is_not_called_interrupted() {
    let (tree, world, _) = killed(20).unwrap();
    let run = known(&tree).unwrap();
    assert_eq!(told(&world.run(["ls"]).ok()), 1);
    let journal = std::fs::File::open(tree.at(format!(".retain/journal/{run}.0000"))).unwrap();
    rustix::fs::flock(&journal, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    assert_eq!(told(&world.run(["ls"]).ok()), 0);
}

#[test]
fn marking_tells_too_and_recovers_nothing() {
    let (tree, world, _) = killed(20).unwrap();
    let ran = world.run(["pin", nsml::SESSION, "--dry-run"]).ok();
    assert_eq!(told(&ran), 1, "{ran}");
    let ran = world.run(["-v", "pin", nsml::SESSION]).ok().warns("confined by Landlock");
    assert_eq!(told(&ran), 1, "{ran}");
    assert_eq!(told(&world.run(["ls"]).ok()), 1);
    drop(tree);
}
