//! Nights of a real storage: training goes on by day, two timers start a run each at night, and every
//! morning what somebody relies on is there and nobody uses more than a quota without its being said.

use crate::nsml;
use crate::support::{Run, Snapshot, Tree, World};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const POLICY: &str = r#"min-age = "0s"
[[protect]]
name  = "submitted"
match = { submitted = true }
[[policy]]
name  = "runs"
keep  = [{ best = 1, min = ["loss"], hard = true }, { best = 3, min = ["loss"] }, { last = 2 }]
[[quota]]
name      = "owners"
per       = "owner"
max-bytes = "400KiB"
"#;
const NIGHTS: u32 = 10;

fn night(day: u32) -> String {
    format!("2040-07-{:02}T02:00:00Z", day + 1)
}

/// Another number for each save, the same in every run of the test.
fn loss(seed: u32) -> u32 {
    seed.wrapping_mul(2_654_435_761) >> 22
}

fn save(tree: &Tree, session: &str, id: u32, loss: u32, day: u32) {
    let dir = format!("{session}/nsml_model/{id}");
    let metadata = serde_json::json!({
        "checkpoint": id.to_string(),
        "saved_at": format!("2040-06-{:02}T{:02}:00:00Z", day + 16, id),
        "summary": { "epoch": id, "loss": loss },
    });
    tree.sized(format!("{dir}/model/weights"), 30_000)
        .file(format!("{dir}/metadata.json"), metadata.to_string());
}

/// Names of all runs that have anything in the trash.
fn in_trash(tree: &Tree) -> BTreeSet<String> {
    let folders = walkdir::WalkDir::new(tree.path()).into_iter().map(Result::unwrap);
    let trash = folders.filter(|e| e.path().ends_with(".retain/trash"));
    let runs = trash.flat_map(|t| std::fs::read_dir(t.path()).unwrap());
    let runs = runs.map(|r| r.unwrap().path());
    let held = |run: &Path| std::fs::read_dir(run).unwrap().next().is_some();
    runs.filter(|r| held(r)).map(|r| r.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn ten_nights_lose_nothing_that_matters() {
    let tree = Tree::new();
    let here = |day| World::within(tree.path()).at_time(&night(day));
    here(0).run(["init"]).ok();
    let policy_home = World::new();
    let policy = nsml::policy(&policy_home, POLICY);
    let mut losses: BTreeMap<String, Vec<(u32, u32)>> = BTreeMap::new();
    let mut relied_on: BTreeSet<(String, u32)> = BTreeSet::new();
    let (mut moved, mut over) = (0, 0);
    for day in 0..NIGHTS {
        let world = here(day);
        for owner in ["ann", "eve"] {
            let session = format!("{owner}/set/{day}");
            for id in 0..5 {
                let loss = loss(day * 97 + id * 31 + u32::from(owner == "ann"));
                save(&tree, &session, id, loss, day);
                losses.entry(session.clone()).or_default().push((loss, id));
            }
            tree.file(format!("{session}/session.json"), r#"{"status":"exited"}"#);
        }
        // One owner keeps two of every session for good, and so comes to be over.
        let (session, submitted) = (format!("eve/set/{day}"), format!("ann/set/{day}"));
        world.run(["pin", &session, "0", "1"]).ok();
        relied_on.extend([(session.clone(), 0), (session, 1)]);
        if day % 4 == 1 {
            world.run(["submitted", &submitted, "2"]).ok();
            relied_on.insert((submitted, 2));
        }

        // Two timers, at once: each waits for the other.
        let nightly = ["apply", "--yes", "--quiet", "--policy", &policy, "--lock-wait", "10min"];
        let start = || {
            let mut command = world.command(nightly);
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
            let child = command.spawn().unwrap();
            (command, child)
        };
        let runs = [start(), start()]
            .map(|(command, child)| Run::new(&command, &child.wait_with_output().unwrap()));
        for run in &runs {
            // 5: the other one had done it. 3: some of it. 4: a quota cannot be reached.
            assert!(matches!(run.code, Some(0 | 3 | 4 | 5)), "{run}");
            moved += usize::from(run.stdout.contains("Moved "));
        }

        // Whoever came second may have left something that the first one did not see.
        let last = world.run(nightly);
        assert!(matches!(last.code, Some(0 | 4)), "{last}");
        for (session, losses) in &losses {
            let best = losses.iter().min_by_key(|(l, id)| (*l, std::cmp::Reverse(*id))).unwrap();
            let path = format!("{session}/nsml_model/{}/model/weights", best.1);
            assert!(tree.exists(&path), "night {day}: the best, {path}");
        }
        for (session, id) in &relied_on {
            let path = format!("{session}/nsml_model/{id}/metadata.json");
            assert!(tree.exists(&path), "night {day}: {path}");
        }
        let usage = world.run(["usage", "--json", "--policy", &policy]).ok().json();
        let is_over = usage["quotas"].as_array().unwrap().iter().any(|q| q["over"] == true);
        assert_eq!(is_over, last.code == Some(4), "night {day}: {usage}\n{last}");
        over += u32::from(is_over);
        // What was taken the night before is gone for good by now.
        assert!(in_trash(&tree).len() <= 3, "night {day}: {:?}", in_trash(&tree));
    }
    assert!(moved >= 8 && (2..NIGHTS).contains(&over), "{moved} {over}");
    let history = tree.at(".retain/history.sqlite").metadata().unwrap().len();
    assert!(history < 200_000, "{history}");

    // A clock that went back by days deletes nothing.
    let owners = || ["ann", "eve"].map(|owner| Snapshot::of(tree.at(owner)));
    let before = owners();
    let back = here(NIGHTS - 3).run(["apply", "--yes", "--policy", &policy]);
    assert_eq!(back.code, Some(6), "{back}");
    for (before, after) in before.iter().zip(owners()) {
        before.assert_same(&after);
    }
}
