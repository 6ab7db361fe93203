//! `rm`: by name, glob and range, as NSML had it; and what a person may not delete by hand.

use crate::nsml::{self, IDS, SESSION, left, world};
use crate::support::{NOW, Snapshot, Tree, World};

#[test]
fn by_id_and_by_glob() {
    for (patterns, stay) in [
        (&["0"][..], "1 2 3 4 11 21 31 41"),
        (&["?1"], "0 1 2 3 4"),
        (&["*1"], "0 2 3 4"),
        (&["{1..3}", "41"], "0 4 11 21 31"),
        (&["*"], ""),
    ] {
        let tree = nsml::storage();
        let run = world(&tree).run([&["rm", SESSION, "--yes"], patterns].concat()).ok();
        assert_eq!(left(&tree, SESSION).join(" "), stay, "{patterns:?}\n{run}");
        assert!(run.stdout.contains("retain undo"), "{run}");
    }
}

#[test]
fn over_a_range_of_sessions() {
    let tree = Tree::new();
    for n in [1, 7, 35, 36] {
        nsml::write_as(&tree, &format!("nsmlteam/mnist/{n}"));
    }
    world(&tree).run(["init"]).ok();
    world(&tree).run(["rm", "nsmlteam/mnist/{1..35}", "*", "--yes"]).ok().says("27 checkpoints");
    for n in [1, 7, 35] {
        assert!(left(&tree, &format!("nsmlteam/mnist/{n}")).is_empty());
    }
    assert_eq!(left(&tree, "nsmlteam/mnist/36"), IDS);
}

#[test]
fn undo_brings_the_identical_tree_back() {
    let tree = nsml::storage();
    let dirs = ["", "nsmlteam/mnist/4/nsml_model"];
    let look = || Snapshot::of(tree.path()).without(".retain").without_times_of(&dirs);
    let before = look();
    let run = world(&tree).run(["rm", SESSION, "*", "--yes", "--json"]).ok().json();
    let id = run["run"].as_str().unwrap();
    assert_eq!(run["moved"]["checkpoints"], 9);
    assert!(left(&tree, SESSION).is_empty());
    world(&tree).run(["undo", id]).ok().says("9 checkpoints");
    before.assert_same(&look());
}

#[test]
fn a_pin_stays_and_is_explained() {
    let tree = nsml::storage();
    world(&tree).run(["pin", SESSION, "3", "--why", "released"]).ok();
    let run = world(&tree).run(["rm", SESSION, "{0..3}", "--yes"]).code(6);
    assert_eq!(left(&tree, SESSION).join(" "), "3 4 11 21 31 41");
    run.warns("3 stays: pinned: released").warns("retain unpin nsmlteam/mnist/4 3");
    world(&tree).run(["unpin", SESSION, "3"]).ok();
    world(&tree).run(["rm", SESSION, "3", "--yes"]).ok();
    assert_eq!(left(&tree, SESSION).join(" "), "4 11 21 31 41");
}

#[test]
fn a_running_sessions_newest_stays() {
    let tree = nsml::storage();
    tree.file(format!("{SESSION}/session.json"), r#"{"status":"running"}"#);
    world(&tree).run(["rm", SESSION, "*", "--yes"]).code(6);
    assert_eq!(left(&tree, SESSION), ["41"]);
}

#[test]
fn a_declared_protection_holds_against_rm() {
    let tree = nsml::storage();
    let world = world(&tree);
    let body =
        "[[protect]]\nname = \"released\"\nmatch = { id = [\"4*\"] }\n[[policy]]\nname = \"p\"\n";
    let policy = nsml::policy(&world, body);
    world.run(["rm", SESSION, "*", "--yes", "--policy", &policy]).code(6);
    assert_eq!(left(&tree, SESSION), ["4", "41"]);
}

#[test]
fn a_dry_run_changes_nothing() {
    let tree = nsml::storage();
    let before = Snapshot::of(tree.path());
    world(&tree).run(["rm", SESSION, "*", "-n"]).ok().says("delete 9");
    before.assert_same(&Snapshot::of(tree.path()));
}

#[test]
fn only_what_was_chosen_is_shown() {
    let tree = nsml::storage();
    world(&tree).run(["pin", SESSION, "3", "--why", "released"]).ok();
    let run = world(&tree).run(["rm", SESSION, "0", "3", "-n"]).code(6);
    let rows: Vec<_> = run.stdout.lines().filter(|l| l.starts_with("  ")).collect();
    assert_eq!(rows.len(), 2, "{run}");
    assert!(rows[0].starts_with("  delete  0 ") && rows[1].starts_with("  keep    3 "), "{run}");
    run.says("9 checkpoints in 1 session: delete 1");
    // All of it stays: said, too.
    world(&tree).run(["rm", SESSION, "3", "-n"]).code(6).says("pinned: released");
}

#[test]
fn a_mistyped_name_deletes_nothing_and_says_what_is_near() {
    let tree = nsml::storage();
    let before = Snapshot::of(tree.path()).without(".retain");
    world(&tree).run(["rm", "nsmlteam/mnits/4", "*", "--yes"]).code(2).warns(SESSION);
    world(&tree).run(["rm", SESSION, "51", "--yes"]).code(2).warns("11");
    world(&tree).run(["rm", SESSION, "0", "51", "--yes"]).code(2).warns("51");
    before.assert_same(&Snapshot::of(tree.path()).without(".retain"));
}

#[test]
fn a_name_that_looks_like_an_option_can_be_named() {
    let tree = nsml::storage();
    let dir = format!("{SESSION}/nsml_model/-rf");
    tree.file(format!("{dir}/model/w"), "x").file(
        format!("{dir}/metadata.json"),
        r#"{"checkpoint":"-rf","saved_at":"2019-08-02T11:00:00Z","summary":{"loss":1}}"#,
    );
    let world = world(&tree).in_real_time();
    world.run(["rm", "--yes", "--now", crate::support::NOW, SESSION, "--", "-rf"]).ok();
    assert_eq!(left(&tree, SESSION), IDS);
}

/// Everything is in use at the moment it is to be moved: nothing is said to have moved.
#[test]
fn what_moved_nothing_says_so() {
    for purge in [false, true] {
        let tree = nsml::storage();
        let world = nsml::world(&tree);
        let ids = ["0", "1"];
        let held: Vec<_> = ids
            .iter()
            .map(|id| {
                let dir = tree.at(nsml::SESSION).join("nsml_model").join(id);
                let dir = std::fs::File::open(dir).unwrap();
                rustix::fs::flock(&dir, rustix::fs::FlockOperation::NonBlockingLockShared).unwrap();
                dir
            })
            .collect();
        let mut args = vec!["rm", nsml::SESSION, "0", "1", "--yes"];
        args.extend(purge.then_some("--purge"));
        let run = world.run(&args).code(3).says("Nothing was deleted.").warns("is in use");
        assert!(!run.stdout.contains("Moved") && !run.stdout.contains("Deleted"), "{run}");
        drop(held);
    }
}

/// A plan does what its decisions say, whatever its totals do.
#[test]
fn a_plan_is_carried_out_by_its_decisions() {
    let tree = nsml::storage();
    let world = nsml::world(&tree);
    let policy = nsml::policy(&world, nsml::LAST_TWO);
    let saved = world.home().join("plan.json");
    let saved = saved.to_str().unwrap();
    world.run(["plan", "--policy", &policy, "-o", saved]).ok();
    let mut plan = retain::core::plan::PlanFile::parse(&std::fs::read(saved).unwrap()).unwrap();
    plan.totals = retain::core::plan::Totals::default();
    std::fs::write(saved, serde_json::to_vec(&plan.seal()).unwrap()).unwrap();
    world.run(["apply", saved, "--yes"]).ok().says("Moved 7 checkpoints");
    assert_eq!(nsml::left(&tree, nsml::SESSION), ["31", "41"]);
}

/// A pin that was set while the checkpoint lay in the trash.
#[test]
fn a_purge_says_what_it_leaves_in_the_trash() {
    let tree = nsml::storage();
    let world = nsml::world(&tree);
    world.run(["rm", nsml::SESSION, "0", "1", "--yes"]).ok();
    tree.file(
        format!("{}/nsml_model/.retain/marks.toml", nsml::SESSION),
        "version = 1\n[[mark]]\ncheckpoint = \"0\"\npin = {}\n",
    );
    let before = Snapshot::of(tree.path());
    let run = world.run(["purge", "--all", "-n"]).code(3);
    run.says("1 checkpoint (").warns("0: it is pinned; it stays in the trash");
    before.assert_same(&Snapshot::of(tree.path()));
    let run = world.run(["purge", "--all", "--yes"]).code(3);
    run.says("Purged 1 checkpoint").warns("0: it is pinned; it stays in the trash");
    let json = world.run(["purge", "--all", "--yes", "--json"]).code(3).json();
    assert_eq!(json["kept"][0]["id"], "0", "{json}");
    world.run(["undo"]).says("Restored 1 checkpoint");
    assert!(nsml::left(&tree, nsml::SESSION).contains(&"0".to_owned()));
}

/// What takes a pin away is the words that set it.
#[test]
fn the_remedy_for_a_pin_is_one() {
    let unpin = |id: &str| format!("`retain unpin {SESSION}{id}`");
    for (pin, id, other) in [(&["pin", SESSION][..], "", " 3"), (&["pin", SESSION, "3"], " 3", "")]
    {
        let tree = nsml::storage();
        let world = world(&tree);
        world.run(pin).ok();
        let run = world.run(["rm", SESSION, "3", "--yes"]).code(6).warns(&unpin(id));
        assert!(!run.stderr.contains(&unpin(other)), "{run}");
        assert_eq!(left(&tree, SESSION), IDS);
        // The other words say what they leave.
        let words = format!("unpin {SESSION}{other}");
        let run = world.run(words.split(' ')).ok().warns("still pinned").warns(&unpin(id));
        assert!(!run.stderr.contains(&unpin(other)), "{run}");
        let words = format!("unpin {SESSION}{id}");
        let run = world.run(words.split(' ')).ok();
        assert!(!run.stderr.contains("still"), "{run}");
        world.run(["rm", SESSION, "3", "--yes"]).ok();
        assert_eq!(left(&tree, SESSION).len(), 8);
    }
}

/// Where it is no pin that holds, or nobody can read which, none is to be taken away.
#[test]
fn no_pin_is_blamed_for_something_else() {
    let tree = nsml::storage();
    let world = world(&tree);
    world.run(["pin", SESSION, "3", "--until", "2040-06-16"]).ok();
    let body = "[[protect]]\nname = \"r\"\nmatch = { id = [\"3\"] }\n[[policy]]\nname = \"p\"\n";
    let policy = nsml::policy(&world, body);
    let later = nsml::world(&tree).at_time("2040-07-01T00:00:00Z");
    let run = later.run(["rm", SESSION, "3", "--yes", "--policy", &policy]).code(6).warns("stays");
    assert!(!run.stderr.contains("unpin"), "{run}");
    tree.file(format!("{SESSION}/nsml_model/.retain/marks.toml"), "version = ");
    let run = later.run(["rm", SESSION, "3", "--yes"]).code(6).warns("stays");
    assert!(!run.stderr.contains("unpin"), "{run}");
    assert_eq!(left(&tree, SESSION), IDS);
}

/// Whatever a name is made of, the command that is printed works as it stands there.
#[test]
fn a_command_that_is_printed_can_be_pasted_whatever_the_name() {
    let names =
        ["x[y", "{1..3", "x{1..200000}", "[a-", "a*", "it's \\ $HOME", "l\nhelp: z\u{202e}"];
    for name in names {
        let tree = Tree::new();
        let session = format!("t/{name}/1");
        nsml::write_as(&tree, &session);
        let world = world(&tree);
        world.run(["init"]).ok();
        world.run(["pin", &session, "3"]).ok();
        let run = world.run(["rm", &session, "3", "--yes"]).code(6);
        let command =
            run.stderr.split_once("help: `").and_then(|(_, rest)| rest.split_once("` takes"));
        let (command, _) = command.unwrap_or_else(|| panic!("{run}"));
        let program = env!("CARGO_BIN_EXE_retain");
        let mut bash = std::process::Command::new("bash");
        bash.args(["-c", &format!("retain() {{ {program} --now {NOW} \"$@\"; }}; {command}")]);
        bash.current_dir(tree.path()).env("HOME", world.home());
        let unpinned = bash.output().unwrap();
        assert!(unpinned.status.success(), "{command}: {unpinned:?}");
        world.run(["rm", &session, "3", "--yes"]).ok().says("Moved 1 checkpoint");
        assert_eq!(left(&tree, &session), ["0", "1", "2", "4", "11", "21", "31", "41"]);
    }
}

/// A checkpoint as Hugging Face's Trainer leaves it, with this loss.
fn trainers(tree: &Tree, dir: &str, step: u8, loss: u8) {
    let log = format!("[{{\"step\":{step},\"eval_loss\":{loss}.0}}]");
    let state = format!("{{\"global_step\":{step},\"log_history\":{log}}}");
    tree.file(format!("{dir}/trainer_state.json"), state);
    tree.file(format!("{dir}/model.safetensors"), "weights");
    tree.file(format!("{dir}/training_args.bin"), "arguments");
}

/// What a person was told is named by something, and removed all the same, is named by that no more: not
/// at once, nor for the nights to come. A pointer that is set anew is.
#[test]
fn what_a_pointer_named_when_it_was_removed_is_purged_for_good() {
    for real in [false, true] {
        let tree = Tree::new();
        let world = || {
            let world = World::within(tree.path());
            if real { world.in_real_time() } else { world }
        };
        for step in 1..=3 {
            trainers(&tree, &format!("s/t/checkpoint-{step}"), step, 1);
        }
        let points_at = |step| {
            let _ = std::fs::remove_file(tree.at("s/t/latest"));
            tree.symlink("s/t/latest", format!("checkpoint-{step}"));
            // The kernel's clock ticks some hundred times a second.
            std::thread::sleep(std::time::Duration::from_millis(20));
        };
        points_at(3);
        world().run(["init"]).ok();
        world().run(["rm", "s/t", "checkpoint-3", "--yes"]).ok();
        world().run(["purge", "--all", "-n"]).ok().says("1 checkpoint");
        world().run(["purge", "--all", "--yes"]).ok().says("Purged 1 checkpoint");
        points_at(2);
        world().run(["rm", "s/t", "checkpoint-2", "--purge", "--yes"]).ok().says("for good");
        points_at(1);
        // Of three runs in one second none is the last.
        let json = world().run(["rm", "s/t", "checkpoint-1", "--yes", "--json"]).ok().json();
        points_at(1);
        let run = world().run(["purge", "--all", "--yes"]).code(3);
        run.warns("checkpoint-1: `latest` names it now; it stays in the trash");
        for step in 1..=3 {
            assert!(!tree.exists(format!("s/t/checkpoint-{step}")), "{step}");
        }
        let run = json["run"].as_str().unwrap();
        world().run(["undo", run]).ok().says("Restored 1 checkpoint");
        assert!(tree.exists("s/t/checkpoint-1/trainer_state.json"));
    }
}

/// The losing trials of a sweep go with what named them.
#[test]
fn sessions_that_go_empty_are_purged_for_good() {
    let tree = Tree::new();
    for trial in 1..=3 {
        for step in 1..=2 {
            trainers(
                &tree,
                &format!("sweep/t{trial}/checkpoint-{step}"),
                step,
                9 - 2 * trial - step,
            );
        }
        tree.symlink(format!("sweep/t{trial}/latest"), "checkpoint-2");
    }
    let world = World::within(tree.path());
    world.run(["init"]).ok();
    let policy = nsml::policy(
        &world,
        "min-age = \"0s\"\n[[policy]]\nmatch = { session = \"sweep/**\", idle = \"1s\" }\n\
         keep = [{ best = 1, min = \"eval_loss\", across = \"folder\" }]\n\
         min-keep = 0\nsession-may-go-empty = true\n",
    );
    world.run(["apply", "--yes", "--policy", &policy]).ok().says("Moved 5 checkpoints");
    let next_day = World::within(tree.path()).at_time("2040-06-16T12:00:01Z");
    let run = next_day.run(["apply", "--yes", "--policy", &policy]).ok();
    run.warns("purged 5 checkpoints");
    next_day.run(["purge", "--all", "--yes"]).ok();
    let there = |trial, step| tree.exists(format!("sweep/t{trial}/checkpoint-{step}"));
    let all = [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2)];
    assert_eq!(all.map(|(t, s)| there(t, s)), [false, false, false, false, false, true]);
    assert!((1..=3).all(|t| tree.at(format!("sweep/t{t}/latest")).symlink_metadata().is_ok()));
}
