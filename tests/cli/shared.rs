//! Sessions whose checkpoints share files: what an eviction gives back, and when it stops.

use crate::nsml::{self, left, world};
use crate::several::Here;
use crate::support::{Run, Snapshot, Tree};
use crate::usage::on_a_small_disk;

const SESSION: &str = "team/data/1";

/// Eight checkpoints of some 100 KiB; 1 and 2 share another mebibyte.
fn storage() -> Tree {
    let tree = Tree::new();
    for id in 1..=8 {
        let dir = format!("{SESSION}/nsml_model/{id}");
        let metadata = format!(
            "{{\"checkpoint\":\"{id}\",\"saved_at\":\"2019-07-0{id}T00:00:00Z\",\"summary\":{{\"epoch\":{id}}}}}"
        );
        tree.sized(format!("{dir}/model/own"), 100_000)
            .file(format!("{dir}/metadata.json"), metadata);
    }
    let shared = |id| format!("{SESSION}/nsml_model/{id}/model/shared");
    tree.sized(shared(1), 1 << 20).hard_link(shared(2), tree.at(shared(1)));
    tree.file(format!("{SESSION}/session.json"), r#"{"status":"exited"}"#);
    world(&tree).run(["init"]).ok();
    tree
}

#[test]
fn what_sessions_share_counts_once_in_their_total() {
    let tree = storage();
    let link = "team/data/2/nsml_model/1/model/shared";
    tree.file("team/data/2/nsml_model/1/metadata.json", "{\"checkpoint\":\"1\"}");
    tree.hard_link(link, tree.at(format!("{SESSION}/nsml_model/1/model/shared")));
    let world = world(&tree);
    let total = world.run(["usage", "--json"]).ok().json()["total"]["bytes"].as_u64().unwrap();
    let told = world.run(["ls"]).ok();
    told.says(&format!("2 sessions, 9 checkpoints, {}\n", retain::report::human::size(total)));
}

const SEVEN: &str = "min-age = \"0s\"\n[[policy]]\nname = \"seven\"\nkeep = [{ last = 7 }]\n";

#[test]
fn a_file_that_two_share_is_gone_when_both_are() {
    let all = ["1", "2", "3", "4", "5", "6", "7", "8"];
    for (name, bound) in [
        ("limit", "limit = { max-bytes = \"900KiB\" }\n"),
        ("quota", "[[quota]]\nname = \"q\"\nper = \"owner\"\nmax-bytes = \"900KiB\"\n"),
    ] {
        // Both at once, and the second when the first lies in the trash.
        for nights in [&[true][..], &[false, true]] {
            let tree = storage();
            let world = world(&tree);
            for bounded in nights {
                let policy =
                    nsml::policy(&world, &format!("{SEVEN}{}", if *bounded { bound } else { "" }));
                world.run(["apply", "--yes", "--policy", &policy]).ok();
                let gone = if *bounded { 2 } else { 1 };
                assert_eq!(left(&tree, SESSION), all[gone..], "{name} {nights:?}");
            }
            let policy = nsml::policy(&world, &format!("{SEVEN}{bound}"));
            world.run(["plan", "--policy", &policy, "--detailed-exitcode"]).ok();
        }
    }
}

/// What is said to be freed is what the disk gets back: the file that two share once, with the last of them.
#[test]
fn a_purge_counts_what_it_frees() {
    const SHARED: u64 = 1 << 20;
    let bytes = |json: &serde_json::Value| json["purged"]["bytes"].as_u64().unwrap();
    // Both together, and each in a run of its own, by `purge` and at once.
    for runs in [&[&["1", "2"][..]][..], &[&["1"], &["2"]]] {
        for at_once in [false, true] {
            let tree = storage();
            let world = world(&tree);
            let mut freed = 0;
            for ids in runs {
                let mut words = vec!["rm", SESSION, "--yes", "--json"];
                words.extend(*ids);
                words.extend(at_once.then_some("--purge"));
                freed += bytes(&world.run(words).ok().json());
            }
            if !at_once {
                assert_eq!(freed, 0);
                let before = Snapshot::of(tree.path());
                let foreseen = world.run(["purge", "--all", "-n", "--json"]).ok().json();
                before.assert_same(&Snapshot::of(tree.path()));
                freed = bytes(&world.run(["purge", "--all", "--yes", "--json"]).ok().json());
                assert_eq!(bytes(&foreseen), freed, "{runs:?}");
            }
            assert!((SHARED + 200_000..SHARED * 2).contains(&freed), "{runs:?} {at_once}: {freed}");
            assert_eq!(left(&tree, SESSION), ["3", "4", "5", "6", "7", "8"]);
        }
    }
    // One that stays holds the file, and its own size is what it was.
    let tree = storage();
    let run = world(&tree).run(["rm", SESSION, "1", "--purge", "--yes"]).ok();
    let said = run.stdout.lines().find(|l| l.starts_with("Deleted 1 checkpoint (")).unwrap();
    assert!(said.contains(" KiB) for good"), "{run}");
    let held = std::fs::metadata(tree.at(format!("{SESSION}/nsml_model/2/model/shared"))).unwrap();
    assert_eq!(held.len(), SHARED);
}

/// The manual's session on a disk of 4 MiB, with one file of 1 MiB that these checkpoints share. The oldest
/// three have gone to the trash as two runs.
fn on_a_disk_with_shared(ids: &str, here: &Here, then: &str) -> Run {
    let tree = nsml::storage();
    let body = format!(
        "mkdir \"$M/r\"; cp -a {tree}/nsmlteam \"$M/r\"; cd \"$M/r\"; now='--now 2040-06-15T1'\n\
         m=nsmlteam/mnist/4/nsml_model; set -- {ids}; dd if=/dev/zero of=$m/$1/model/weights bs=1k count=1024 2>/dev/null\n\
         for id; do [ $id = $1 ] || ln -f $m/$1/model/weights $m/$id/model/weights; done\n\
         $RETAIN init . ${{now}}0:00:00Z >&2\n\
         $RETAIN apply --yes -q --policy {eight} ${{now}}1:00:00Z >&2\n\
         $RETAIN apply --yes -q --policy {six} ${{now}}2:00:00Z >&2\n\
         {then}\n ls $m | tr '\\n' ' '",
        tree = tree.path().display(),
        eight = here.last(8, ""),
        six = here.last(6, ""),
    );
    on_a_small_disk("4m", &body)
}

const ROOM: &str = "[[quota]]\nper = \"root\"\nmin-free = \"3300KiB\"\n";

/// Trash whose files have other links gives nothing back, and nobody's undo is taken for that.
#[test]
fn min_free_takes_no_trash_that_frees_nothing_needs_root() {
    let here = Here::new();
    let apply = |now: &str| {
        format!(
            "$RETAIN apply {now} --policy {} ${{now}}3:00:00Z || echo rc=$?",
            here.last(6, ROOM)
        )
    };
    let undo = "$RETAIN undo ${now}4:00:00Z || echo undo=$?";
    let then = format!("{}; {}; {undo}", apply("-n"), apply("--yes"));
    // One that stays holds the file.
    let run = on_a_disk_with_shared("0 1 2 41", &here, &then).ok();
    assert_eq!(run.stdout.matches("rc=4").count(), 2, "{run}");
    assert!(!run.stderr.contains("early"), "{run}");
    drop(run.says("cannot be met").says("Restored 2 checkpoints"));
    // All that hold it lie in the trash: both runs go, none of which would do by itself.
    let run = on_a_disk_with_shared("0 1 2", &here, &then).ok();
    let run = run.warns("3 checkpoints (1.0").warns("would be purged from the trash early");
    assert!(run.stdout.contains("Restored 0 ") && !run.stdout.contains("rc="), "{run}");
    drop(run.warns("purged 3 checkpoints (1.0"));
}

/// What the trash holds a link of is free when the last one elsewhere goes, and nothing else has to.
#[test]
fn min_free_evicts_no_more_where_the_trash_has_the_other_link_needs_root() {
    let here = Here::new();
    let then = format!(
        "$RETAIN apply --yes --policy {} ${{now}}3:00:00Z >&2 && echo rc=0 ",
        here.last(6, ROOM)
    );
    let run = on_a_disk_with_shared("2 3", &here, &format!("{then};")).ok();
    drop(run.says("rc=0").says("11 21 31 4 41 "));
}
