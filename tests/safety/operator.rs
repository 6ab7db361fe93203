//! Rows U1 to U6 and P19, P20, F26: what people and scripts do wrong, or at the wrong moment.

use crate::support::*;
use crate::{nsml, nsml_picture};
use retain::apply::journal::history::{self, Settled, State};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

fn left(tree: &Tree) -> usize {
    nsml::left(tree, nsml::SESSION).len()
}

/// 7 of 9 would go, 7/9 being 77.8 %, 8 KiB at least of each.
#[test]
fn p19_the_brake_at_its_bounds() {
    for (brake, code) in [
        ("max-delete = 7", 0),
        ("max-delete = 6", 6),
        ("max-delete = 0", 2),
        ("max-delete = 18446744073709551615", 0),
        ("max-delete = \"78%\"", 0),
        ("max-delete = \"77%\"", 6),
        ("max-delete = \"0%\"", 2),
        ("max-delete = \"100%\"", 0),
        ("max-delete = \"101%\"", 2),
        ("max-delete-bytes = \"1B\"", 6),
        ("max-delete-bytes = \"1TiB\"", 0),
        ("max-delete = 7\nmax-delete-bytes = \"1B\"", 6),
    ] {
        let tree = nsml::storage();
        let world = nsml::world(&tree);
        let body = format!("{}[safety]\n{brake}\n", nsml::LAST_TWO);
        let policy = nsml::policy(&world, &body);
        let plan = world.home().join("plan.json");
        let before = nsml_picture(&tree);
        let planned = world.run(["plan", "--policy", &policy, "-o", plan.to_str().unwrap()]);
        assert_eq!(planned.code, Some(code), "{brake}: {planned}");
        let ran = world.run(["apply", "--yes", "--policy", &policy]).code(code);
        if code == 0 {
            assert_eq!(left(&tree), 2, "{brake}");
            continue;
        }
        before.assert_same(&nsml_picture(&tree));
        if code == 6 {
            // The plan stays, for review; to carry it out is refused like the other.
            assert!(ran.stderr.contains("max-delete"), "{ran}");
            world.run(["apply", "--yes", plan.to_str().unwrap()]).code(6);
            before.assert_same(&nsml_picture(&tree));
        }
    }
}

#[test]
fn p20_a_plan_of_another_host_or_carried_out_twice() {
    let (here, there) = (nsml::storage(), nsml::storage());
    let world = World::new();
    let policy = nsml::policy(&world, nsml::LAST_TWO);
    let plan = world.home().join("plan.json");
    let plan = plan.to_str().unwrap();
    nsml::world(&here).run(["plan", "--policy", &policy, "-o", plan]).ok();
    let before = nsml_picture(&there);
    nsml::world(&there).run(["apply", "--yes", plan, "-C", "."]).code(5);
    before.assert_same(&nsml_picture(&there));
    nsml::world(&here).run(["apply", "--yes", plan]).ok();
    let before = Snapshot::of(here.path());
    nsml::world(&here).run(["apply", "--yes", plan]).code(5).warns("already");
    before.without(".retain").assert_same(&Snapshot::of(here.path()).without(".retain"));
}

/// I17: the policy is read once, and the plan holds what it said.
#[test]
fn f26_needs_strace_a_policy_that_is_replaced_while_it_is_followed() {
    let tree = nsml::storage();
    let world = nsml::world(&tree);
    let policy = nsml::policy(&world, nsml::LAST_TWO);
    let plan = world.home().join("plan.json");
    let plan = plan.to_str().unwrap();
    world.run(["plan", "--policy", &policy, "-o", plan]).ok();
    nsml::policy(&world, &nsml::LAST_TWO.replace("last = 2", "last = 1"));
    let run = world.run(["apply", "--yes", plan, "--policy", &policy]).ok();
    assert_eq!(left(&tree), 2, "{run}");
    // Of a run that plans by itself: one open for the whole of it.
    let log = world.home().join("trace");
    let plain = world.command(["apply", "--yes", "--policy", &policy]);
    let mut traced = std::process::Command::new("strace");
    traced.args(["-f", "-qq", "-e", "trace=openat,open,openat2", "-o"]).arg(&log);
    traced.arg(plain.get_program()).args(plain.get_args());
    traced.current_dir(tree.path()).env_clear().env("HOME", world.home());
    let output = traced.output().unwrap();
    Run::new(&traced, &output).ok();
    assert_eq!(left(&tree), 1);
    let trace = fs::read_to_string(log).unwrap();
    let opened =
        |l: &&str| l.contains("policy.toml\"") && !l.contains("O_PATH") && !l.contains("= -1");
    assert_eq!(trace.lines().filter(opened).count(), 1, "{trace}");
}

/// Twice is like once: the checkpoint in hand is finished, the rest is kept, the end is said.
#[test]
fn u1_needs_strace_ctrl_c_twice() {
    let tree = nsml::storage();
    let world = nsml::world(&tree);
    let policy = nsml::policy(&world, nsml::LAST_TWO);
    let before = nsml_picture(&tree);
    let plain = world.command(["apply", "--yes", "--policy", &policy, "--threads", "1"]);
    let mut slow = std::process::Command::new("strace");
    slow.args(["-qq", "-f", "-o", "/dev/null", "-e", "trace=renameat2"]);
    slow.args(["-e", "inject=renameat2:delay_enter=400000"]);
    slow.arg(plain.get_program()).args(plain.get_args());
    slow.current_dir(tree.path()).env_clear().env("HOME", world.home());
    let child = slow.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let begin = Instant::now();
    while left(&tree) == 9 {
        assert!(begin.elapsed() < Duration::from_secs(20), "nothing is moved");
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = fs::read_to_string(children).unwrap().trim().parse().unwrap();
    // Both in the middle of the next move: between two of them the first would end it.
    std::thread::sleep(Duration::from_millis(150));
    for _ in 0..2 {
        kill_process(Pid::from_raw(pid).unwrap(), Signal::INT).unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
    let output = child.wait_with_output().unwrap();
    let run = Run::new(&slow, &output).code(3).warns("stopped before the end: ");
    assert!((3..=8).contains(&left(&tree)), "{run}");
    let ls = world.run(["ls"]).ok();
    assert!(!ls.stderr.contains("interrupted"), "it came to its end: {ls}");
    let log = world.run(["log", "--json"]).json();
    world.run(["undo", log["runs"][0]["run"].as_str().unwrap()]).ok();
    before.assert_same(&nsml_picture(&tree));
}

#[test]
fn u2_apply_without_a_plan_deletes_nothing_unasked() {
    let tree = nsml::storage();
    let world = nsml::world(&tree);
    let policy = nsml::policy(&world, nsml::LAST_TWO);
    let before = Snapshot::of(tree.path());
    world.run(["apply", "--policy", &policy]).code(6).warns("--yes");
    world.run(["apply", "--yes", "no-such-plan.json"]).code(2);
    world.run(["apply", "--yes", &policy]).code(2);
    before.assert_same(&Snapshot::of(tree.path()));
}

#[test]
fn u3_a_wrong_root_pasted() {
    let tree = nsml::storage();
    let world = nsml::world(&tree);
    let policy = nsml::policy(&world, nsml::LAST_TWO);
    let before = Snapshot::of(tree.path());
    let here = tree.path().to_str().unwrap();
    for (root, code) in [
        ("/", 6),
        ("/usr", 6),
        ("/etc", 6),
        (world.home().to_str().unwrap(), 6),
        ("", 6),
        (" ", 2),
        ("/nowhere", 2),
        (policy.as_str(), 2),
        // A part of a root; a root's neighbour that nobody declared.
        (&format!("{here}/nsmlteam"), 6),
    ] {
        let ran = world.run(["apply", "--yes", "--policy", &policy, "-C", root]);
        assert_eq!(ran.code, Some(code), "`{root}`: {ran}");
        before.assert_same(&Snapshot::of(tree.path()));
    }
    let undeclared = Tree::new();
    nsml::write_as(&undeclared, nsml::SESSION);
    let ran = world.run([
        "apply",
        "--yes",
        "--policy",
        &policy,
        "-C",
        undeclared.path().to_str().unwrap(),
    ]);
    assert!(ran.code == Some(6) && ran.stderr.contains("retain init"), "{ran}");
    assert_eq!(left(&undeclared), 9);
}

/// A journal as version 0.1.0 wrote it, of a run that was killed, is understood for ever.
#[test]
fn u4_a_journal_of_the_first_version() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/journal-1");
    let read =
        history::read(std::os::fd::AsFd::as_fd(&fs::File::open(folder).unwrap()), Settled::Whole);
    let runs = read.unwrap();
    let [run] = &runs[..] else { panic!("{runs:?}") };
    assert!(!run.newer && !run.damaged && !run.open.is_empty());
    let begin = run.begin.as_ref().unwrap();
    assert_eq!((begin.tool.as_str(), begin.checkpoints), ("retain 0.1.0", 7));
    let items: Vec<_> = run.items.values().map(|i| (i.intent.id.as_str(), i.state)).collect();
    let ids = ["0", "1", "2", "3", "4", "11", "21"];
    assert_eq!(items, ids.map(|id| (id, State::Intent)));
    assert_eq!(run.items[&0].intent.parts[0].dir, "nsmlteam/mnist/4/nsml_model");
}

/// As cron runs it: no environment at all, `/` for a directory, and the last run not over yet.
#[test]
fn u6_overlapping_runs_without_an_environment() {
    let tree = nsml::storage();
    let before = nsml_picture(&tree);
    let world = World::new();
    let policy = nsml::policy(&world, nsml::LAST_TWO);
    let start = || {
        let root = tree.path().to_str().unwrap();
        let mut command = world.command(["-C", root, "apply", "--yes", "--policy", &policy]);
        command.env_clear().current_dir("/").stdout(Stdio::piped()).stderr(Stdio::piped());
        (command.spawn().unwrap(), command)
    };
    let running: Vec<_> = (0..4).map(|_| start()).collect();
    let mut moved = 0;
    for (child, command) in running {
        let run = Run::new(&command, &child.wait_with_output().unwrap());
        // Late ones find less to do, that what they planned has changed, or that the same plan was
        // carried out already; none fails.
        assert!(matches!(run.code, Some(0 | 3 | 5)), "{run}");
        moved += usize::from(run.stdout.contains("to the trash"));
    }
    assert!(moved >= 1);
    assert_eq!(left(&tree), 2);
    let log = nsml::world(&tree).run(["log", "--json"]).ok().json();
    for run in log["runs"].as_array().unwrap() {
        nsml::world(&tree).run(["undo", run["run"].as_str().unwrap()]).ok();
    }
    before.assert_same(&nsml_picture(&tree));
}
