//! `submitted` as a CI job calls it after each hand-in.

use crate::nsml::{self, IDS, LAST_TWO, SESSION, left, world};
use crate::support::Snapshot;
use retain::apply::calls::Os;
use retain::apply::lock::Lock;
use rustix::fd::AsFd as _;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

const KEEP_SUBMITTED: &str = "min-age = \"0s\"\n[[policy]]\nname = \"two\"\n\
                              keep = [{ submitted = true, hard = true }, { last = 2 }]\n";

#[test]
fn the_same_hand_in_is_noted_once() {
    let tree = nsml::storage();
    let here = world(&tree);
    here.run(["submitted", SESSION, "3", "--score", "97.2"]).ok().warns("marked as submitted");
    let marks = || tree.read("nsmlteam/mnist/4/nsml_model/.retain/marks.toml");
    let once = marks();
    world(&tree)
        .at_time("2040-06-15T13:00:00Z")
        .run(["submitted", SESSION, "3", "--score", "97.2"])
        .ok()
        .warns("nothing to change");
    assert_eq!(marks(), once);
    here.run(["submitted", SESSION, "3", "--score", "97.3"]).ok();
    assert_eq!(marks().matches("score").count(), 2, "{}", marks());
}

#[test]
fn a_hand_in_can_tidy_its_session_up() {
    let tree = nsml::storage();
    nsml::write_as(&tree, "nsmlteam/mnist/5");
    let world = world(&tree);
    let policy = nsml::policy(&world, KEEP_SUBMITTED);
    let job = ["submitted", SESSION, "3", "--score", "97.2", "--apply", "--policy", &policy];
    world.run(job).code(6).warns("there is no terminal");
    assert_eq!(left(&tree, SESSION), IDS);
    world.run(job.iter().chain(&["--dry-run"])).ok().says("delete 6");
    assert_eq!(left(&tree, SESSION), IDS);
    assert!(!tree.at("nsmlteam/mnist/4/nsml_model/.retain").exists(), "a dry run marks nothing");
    world.run(job.iter().chain(&["--yes"])).ok().says("Moved 6 checkpoints");
    assert_eq!(left(&tree, SESSION), ["3", "31", "41"]);
    assert_eq!(left(&tree, "nsmlteam/mnist/5"), IDS, "no other session is touched");
    world.run(job.iter().chain(&["--yes"])).ok().says("Nothing to delete");
    assert_eq!(left(&tree, SESSION), ["3", "31", "41"]);
}

#[test]
fn jobs_that_race_lose_no_submission() {
    let tree = nsml::storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, KEEP_SUBMITTED);
    let ids = ["0", "2", "4", "21"];
    let jobs: Vec<_> = ids
        .iter()
        .map(|id| {
            let mut command = world.command([
                "submitted",
                SESSION,
                id,
                "--apply",
                "--yes",
                "--lock-wait",
                "10min",
                "--policy",
                &policy,
            ]);
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
            (id, command.spawn().unwrap())
        })
        .collect();
    let mut marked = vec!["31", "41"];
    for (id, job) in jobs {
        let output = job.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => marked.push(id),
            // Another job had moved it before this one could mark it.
            Some(2) => assert!(stderr.contains("no checkpoint"), "{stderr}"),
            code => panic!("{id} ended with {code:?}: {stderr}"),
        }
    }
    let left = left(&tree, SESSION);
    assert!(marked.iter().all(|id| left.iter().any(|l| l == id)), "{marked:?} of {left:?}");
    assert_eq!(left.len(), marked.len(), "{left:?}");
}

#[test]
fn only_what_the_policy_gives_up_goes() {
    let tree = nsml::storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    world.run(["submitted", SESSION, "0", "--apply", "--yes", "--policy", &policy]).ok();
    assert_eq!(left(&tree, SESSION), ["31", "41"], "this policy does not ask for submissions");
}

/// What a dry run shows is what the job then does, whatever its marks are set on or taken from.
#[test]
fn a_preview_has_the_marks_of_the_whole_target() {
    let some = ["0", "1", "2", "3", "4"];
    for (before, job, deletes, stays) in [
        (&some[..], &["--remove", "0", "1", "2", "3"][..], 6, &["4", "31", "41"][..]),
        (&some, &["0", "11"], 1, &["0", "1", "2", "3", "4", "11", "31", "41"]),
        (&[], &[], 0, &IDS),
        (&[], &["--remove"], 7, &["31", "41"]),
    ] {
        let tree = nsml::storage();
        let world = world(&tree);
        let policy = nsml::policy(&world, KEEP_SUBMITTED);
        if !before.is_empty() {
            world.run(["submitted", SESSION].iter().chain(before)).ok();
        }
        let looked = Snapshot::of(tree.path());
        let args = ["submitted", SESSION, "--apply", "--policy", &policy];
        let args: Vec<&str> = args.iter().chain(job).copied().collect();
        let said =
            if deletes == 0 { "Nothing to delete".to_owned() } else { format!("delete {deletes}") };
        world.run(args.iter().chain(&["-n"])).ok().says(&said);
        looked.assert_same(&Snapshot::of(tree.path()));
        world.run(args.iter().chain(&["--yes"])).ok().says(&said);
        assert_eq!(left(&tree, SESSION), stays, "{job:?}");
    }
    // What the session itself says stays, whatever becomes of the marks.
    let tree = nsml::storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, KEEP_SUBMITTED);
    let own = r#"{"status":"exited","submissions":[{"checkpoint":"3"}]}"#;
    tree.file(format!("{SESSION}/session.json"), own);
    let args = ["submitted", SESSION, "--remove", "--apply", "-n", "--policy", &policy];
    world.run(args).ok().says("delete 6");
    tree.file(format!("{SESSION}/nsml_model/.retain/marks.toml"), "version = ");
    world.run(args).code(1).warns("cannot mark in");
}

/// Whoever is to hear how a job ended hears it, too, of one that could not begin.
#[test]
fn a_job_that_finds_the_root_at_work_tells_everybody() {
    let tree = nsml::storage();
    let world = world(&tree);
    let ours = std::fs::File::open(tree.at(".retain")).unwrap();
    let lock = Lock::take(&Os, ours.as_fd(), Duration::ZERO, &AtomicBool::new(false)).unwrap();
    let before = Snapshot::of(tree.path());
    let (metrics, summary) = (world.home().join("m.prom"), world.home().join("s.md"));
    let to = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let run = world.run([
        "submitted",
        SESSION,
        "3",
        "--apply",
        "--yes",
        "--lock-wait",
        "0s",
        "--metrics",
        &to(&metrics),
        "--summary",
        &to(&summary),
    ]);
    run.code(1).warns("error:");
    before.assert_same(&Snapshot::of(tree.path()));
    assert!(std::fs::read_to_string(metrics).unwrap().contains("retain_last_run_exit_code"));
    assert!(!std::fs::read_to_string(summary).unwrap().is_empty());
    drop(lock);
}

/// The recipe at its head is run as it stands there, but for the time.
#[test]
fn the_policy_for_after_a_submission_does_what_its_head_says() {
    let tree = nsml::storage();
    nsml::write_as(&tree, "nsmlteam/mnist/5");
    let world = world(&tree);
    let text = include_str!("../../policies/after-submission.toml");
    std::fs::write(world.home().join("after-submission.toml"), text).unwrap();
    let lines: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("#   ")).collect();
    let recipe = lines.join("\n");
    assert_eq!(recipe.matches("retain ").count(), 2, "{recipe}");
    let program = format!(
        "{} -C {} --now {} ",
        env!("CARGO_BIN_EXE_retain"),
        tree.path().display(),
        crate::support::NOW
    );
    let mut shell = std::process::Command::new("/bin/sh");
    shell.args(["-ec", &recipe.replace("retain ", &program)]).current_dir(world.home());
    shell.env_clear().env("HOME", world.home());
    let output = shell.env("SESSION", SESSION).env("CHECKPOINT", "3").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(
        left(&tree, SESSION),
        ["3", "41"],
        "what was handed in, and the best, which is the newest"
    );
    assert_eq!(left(&tree, "nsmlteam/mnist/5"), IDS, "no other session is touched");
}
