//! `undo -n` and `purge -n` end as the same commands without `-n` would, and say the same.

use crate::nsml::{self, SESSION, left};
use crate::support::{Run, Snapshot, Tree, World};
use std::fs;
use std::process::Command;

/// A root with two sessions, each of which has two checkpoints in the trash, and the run's id.
fn applied() -> (Tree, World, String) {
    let tree = nsml::storage();
    nsml::write_as(&tree, "nsmlteam/mnist/5");
    let world = nsml::world(&tree);
    let policy = nsml::policy(&world, &nsml::LAST_TWO.replace("last = 2", "last = 7"));
    let json = world.run(["apply", "--yes", "--policy", &policy, "--json"]).ok().json();
    assert_eq!(json["moved"]["checkpoints"], 4, "{json}");
    let run = json["run"].as_str().unwrap().to_owned();
    (tree, world, run)
}

/// What somebody does before the command.
type Deed = fn(&Tree, &str);

fn trashed(tree: &Tree, run: &str, id: &str) -> std::path::PathBuf {
    let slots = tree.at(format!("{SESSION}/nsml_model/.retain/trash/{run}"));
    fs::read_dir(slots).unwrap().next().unwrap().unwrap().path().join(id)
}

fn newer(tree: &Tree, _: &str) {
    tree.file(".retain/journal/20400101-000000-0badc0de.0000", "retain-journal/2\n");
}

fn copied(tree: &Tree, _: &str) {
    let (from, to) = (tree.at("nsmlteam"), tree.at("copy"));
    assert!(Command::new("cp").arg("-a").args([&from, &to]).status().unwrap().success());
    fs::remove_dir_all(&from).unwrap();
    fs::rename(to, from).unwrap();
}

const DEEDS: [(&str, Deed); 6] = [
    ("nothing", |_, _| {}),
    ("a session moved away", |tree, _| {
        fs::rename(tree.at("nsmlteam/mnist/5"), tree.at("away")).unwrap();
    }),
    ("trash removed by hand", |tree, run| {
        fs::remove_dir_all(trashed(tree, run, "0")).unwrap();
    }),
    ("brought home by hand", |tree, run| {
        let home = tree.at(format!("{SESSION}/nsml_model/0"));
        fs::rename(trashed(tree, run, "0"), home).unwrap();
    }),
    ("the journal of a newer version", newer),
    ("everything copied", copied),
];

/// What went wrong, as it was said; `-n` says besides that it was a dry run.
fn warnings(run: &Run) -> Vec<String> {
    let said = run.stderr.replace("it would be back", "it is back");
    let told = |line: &&str| line.starts_with("warning") || line.starts_with("error");
    // What only tells of a run does not recover it first.
    let told = |line: &&str| told(line) && !line.contains(" was interrupted: ");
    said.lines().filter(told).map(str::to_owned).collect()
}

#[test]
fn a_preview_ends_as_the_command_does() {
    // The clock, and how the last of all, with everything copied, ends.
    for (now, last) in [("2040-06-15T12:00:01Z", 3), ("2040-06-15T10:00:00Z", 6)] {
        for (verb, count) in [(&["purge", "--all", "--yes"][..], "purged"), (&["undo"], "restored")]
        {
            for (what, deed) in DEEDS {
                let (tree, _, id) = applied();
                deed(&tree, &id);
                let world = nsml::world(&tree).at_time(now);
                let before = Snapshot::of(tree.path());
                let dry: Vec<&str> = verb
                    .iter()
                    .copied()
                    .filter(|a| *a != "--yes")
                    .chain(["-n", "--json"])
                    .collect();
                let dry = world.run(&dry);
                before.assert_same(&Snapshot::of(tree.path()));
                let done = world.run(verb.iter().copied().chain(["--json"]));
                assert_eq!(dry.code, done.code, "{what} {now}\n{dry}\n{done}");
                assert_eq!(warnings(&dry), warnings(&done), "{what} {now}\n{dry}\n{done}");
                let told = |run: &Run| match run.code {
                    Some(0 | 3) => run.json()[count].clone(),
                    _ => serde_json::Value::Null,
                };
                assert_eq!(told(&dry), told(&done), "{what} {now}\n{dry}\n{done}");
                if (what, verb[0]) == ("everything copied", "purge") {
                    assert_eq!(done.code, Some(last), "{done}");
                }
            }
        }
    }
}

/// Nothing of a root that moved is lost by a purge, and undo brings it back.
#[test]
fn what_was_copied_with_its_root_stays_restorable() {
    let (tree, world, run) = applied();
    copied(&tree, &run);
    let remedy = format!("`retain undo {run}` brings them back");
    for _ in 0..2 {
        world.run(["purge", "--all", "--yes"]).code(3).says("Nothing to purge").warns(&remedy);
    }
    let back = "0: it is back at its path, but was copied";
    world.run(["undo"]).code(3).says("Restored 0 checkpoints").warns(back);
    for session in [SESSION, "nsmlteam/mnist/5"] {
        assert_eq!(left(&tree, session), nsml::IDS);
    }
    // They are checkpoints like any other.
    world.run(["rm", SESSION, "0", "--yes", "--purge"]).ok();
    assert!(!left(&tree, SESSION).contains(&"0".to_owned()));
    world.run(["purge", "--all", "--yes"]).ok().says("Nothing to purge");
}
