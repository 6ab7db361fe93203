//! A purge at once that leaves some of it: what is gone is said to be, and only the rest comes back.

use crate::nsml;
use crate::support::{Tree, World};

/// A session of the Trainer with so many checkpoints, to the last of which a link elsewhere was just made.
fn write(tree: &Tree, session: &str, last: u32) {
    for step in 1..=last {
        let at = format!("{session}/checkpoint-{step}");
        let state = format!(r#"{{"global_step":{step},"log_history":[]}}"#);
        tree.file(format!("{at}/trainer_state.json"), state);
        tree.file(format!("{at}/training_args.bin"), "x");
        tree.sized(format!("{at}/model.safetensors"), 20_000);
    }
    tree.symlink("elsewhere/latest", format!("../{session}/checkpoint-{last}"));
}

fn storage() -> (Tree, World) {
    let tree = Tree::new();
    write(&tree, "a/s", 6);
    let world = nsml::world(&tree).in_real_time();
    world.run(["init"]).ok();
    (tree, world)
}

fn left(tree: &Tree) -> Vec<String> {
    let names = std::fs::read_dir(tree.at("a/s")).unwrap();
    let mut names: Vec<String> =
        names.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|n| n.starts_with("checkpoint-"));
    names.sort();
    names
}

#[test]
fn what_is_pointed_at_is_said_to_stay_and_the_rest_to_be_gone() {
    let (tree, world) = storage();
    let run = world.run(["rm", "a/s", "*", "--yes", "--purge"]).code(3);
    let run = run.warns("checkpoint-6").says("Deleted 5 checkpoints");
    assert!(!run.stdout.contains("everything") && !run.stdout.contains("Moved"), "{run}");
    assert!(left(&tree).is_empty());
    let command = run.stdout.split('`').find(|c| c.starts_with("retain undo ")).unwrap();
    assert!(run.stdout.contains(": 1 checkpoint; "), "{run}");
    assert!(run.stdout.contains(&format!("`{command}` brings it back.")), "{run}");
    // What it says comes back, and no more.
    let back = world.run(command.split(' ').skip(1)).code(3);
    drop(back.says("Restored 1 checkpoint").warns("it was purged"));
    assert_eq!(left(&tree), ["checkpoint-6"]);
}

#[test]
fn json_and_the_summary_of_an_apply_say_the_same() {
    let (tree, world) = storage();
    let policy = nsml::policy(&world, &nsml::LAST_TWO.replace("last = 2", "last = 1"));
    let plan = world.home().join("plan.json");
    let plan = plan.to_str().unwrap();
    world.run(["plan", "--policy", &policy, "-o", plan]).ok().says("delete 5");
    let summary = world.home().join("s.md");
    let run =
        world.run(["apply", plan, "--yes", "--purge", "--summary", summary.to_str().unwrap()]);
    drop(run.ok().says("Deleted 5 checkpoints"));
    let text = std::fs::read_to_string(&summary).unwrap();
    assert!(text.contains("Deleted 5 for good, as run") && !text.contains("brings"), "{text}");
    assert_eq!(left(&tree), ["checkpoint-6"]);

    let json = world.run(["rm", "a/s", "*", "--yes", "--purge", "--json"]).code(3).json();
    assert_eq!((&json["purged"]["checkpoints"], &json["restorable"]), (&0.into(), &1.into()));
}
