//! `undo`, `log`, `purge`: after the deletion.

use crate::nsml::{self, IDS, LAST_TWO, SESSION, left, world};
use crate::support::{Snapshot, Tree, World};

/// A root from which a policy moved seven of nine checkpoints, and the run's id.
fn applied() -> (Tree, World, String) {
    let tree = nsml::storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    let json = world.run(["apply", "--yes", "--policy", &policy, "--json"]).ok().json();
    assert_eq!(json["moved"]["checkpoints"], 7);
    let run = json["run"].as_str().unwrap().to_owned();
    (tree, world, run)
}

#[test]
fn a_part_of_a_run_can_be_brought_back() {
    let (tree, world, run) = applied();
    world.run(["undo", &run, SESSION, "3"]).ok().says("Restored 1 checkpoint");
    assert_eq!(left(&tree, SESSION), ["3", "31", "41"]);
    world.run(["undo", &run, SESSION]).ok().says("Restored 6 checkpoints");
    assert_eq!(left(&tree, SESSION), IDS);
    world.run(["undo", &run]).ok().says("Nothing to restore");
    world.run(["undo", &run, "nsmlteam/mnist/9"]).code(2);
}

#[test]
fn the_last_run_needs_no_id() {
    let (tree, world, run) = applied();
    world.run(["undo", "-n"]).ok().says("moved");
    world.run(["undo"]).ok().says("Restored 7 checkpoints").says(&format!("of run {run}."));
    // Once more: still the last run, not the one before.
    world.run(["undo", "last"]).ok().says("Nothing to restore");
    let world = nsml::world(&tree).at_time("2040-06-15T12:00:01Z");
    world.run(["rm", SESSION, "0", "--yes"]).ok();
    world.run(["undo", "last"]).ok().says("Restored 1 checkpoint");
    assert_eq!(left(&tree, SESSION), IDS);
    world.run(["log", "last"]).ok().says("restored");
    let other = nsml::storage();
    nsml::world(&other).run(["undo"]).code(2).warns("no run").warns("retain log");
    world.run(["undo", "nsmlteam"]).code(2).warns("retain log");
}

#[test]
fn why_knows_what_a_run_took() {
    let (tree, world, run) = applied();
    let why = world.run(["why", SESSION, "3"]).ok().says(&format!("was deleted by run {run}"));
    why.clone().says("last: rank 6 of 2").says("policy.toml").says("2040-06-16 08:00:00 UTC");
    why.says(&format!("retain undo {run} {SESSION} 3"));
    let json = world.run(["why", SESSION, "3", "--json"]).ok().json();
    assert_eq!(json["verdict"], "deleted");
    assert_eq!(json["run"]["run"], run.as_str());
    assert_eq!(json["reasons"][0]["text"], "last: rank 6 of 2");
    // Purged, it is still known; restored, it is a checkpoint like any other.
    world.run(["undo", &run, SESSION, "0"]).ok();
    world.run(["purge", &run, "--yes"]).ok();
    world.run(["why", SESSION, "3"]).ok().says("cannot be restored");
    assert!(!world.run(["why", SESSION, "0"]).ok().stdout.contains("was deleted"));
    world.run(["why", SESSION, "51"]).code(2).warns("no checkpoint");
    let world = nsml::world(&tree).at_time("2040-06-15T12:00:01Z");
    world.run(["rm", SESSION, "*", "--yes"]).ok();
    assert!(left(&tree, SESSION).is_empty());
    world.run(["ls", SESSION]).code(2).warns("moved 3 checkpoints").warns("retain undo");
    world.run(["why", SESSION, "41"]).ok().says("chosen by hand");
    world.run(["purge", "--all", "--yes"]).ok();
    world.run(["ls", SESSION]).code(2).warns("deleted 3 checkpoints").warns("retain log");
}

#[test]
fn undo_never_overwrites() {
    let (tree, world, run) = applied();
    let path = format!("{SESSION}/nsml_model/3/model/weights");
    tree.file(&path, "a new checkpoint of that name");
    world.run(["undo", &run]).code(3).warns("not restored");
    assert_eq!(std::fs::read_to_string(tree.at(&path)).unwrap(), "a new checkpoint of that name");
}

#[test]
fn the_log_says_what_can_be_restored() {
    let (_tree, world, run) = applied();
    world.run(["log"]).ok().says(&run).says("until 2040-06-16 08:00:00 UTC");
    let one = world.run(["log", &run[..15]]).ok().says("moved").says(SESSION);
    assert_eq!(one.stdout.lines().filter(|l| l.starts_with("moved")).count(), 7);
    let json = world.run(["log", &run, "--json"]).ok().json();
    assert_eq!(json["runs"][0]["in_trash"]["checkpoints"], 7);
    assert_eq!(json["runs"][0]["items"].as_array().unwrap().len(), 7);
}

#[test]
fn a_purge_waits_for_the_grace_and_takes_only_the_trash() {
    let (tree, world, run) = applied();
    world.run(["purge", "--yes"]).ok().says("Nothing to purge");
    world.run(["undo", &run, SESSION, "0"]).ok();
    let next_day = nsml::world(&tree).at_time("2040-06-16T08:00:01Z");
    let dirs = ["nsmlteam/mnist/4/nsml_model"];
    let look = || Snapshot::of(tree.path()).without(".retain").without_times_of(&dirs);
    let before = look();
    next_day.run(["purge", "--yes"]).ok().says("Purged 6 checkpoints");
    before.assert_same(&look());
    next_day.run(["undo", &run]).code(3);
    assert_eq!(left(&tree, SESSION), ["0", "31", "41"]);
}

#[test]
fn a_run_can_be_purged_at_once() {
    let (tree, world, run) = applied();
    world.run(["purge", &run, "--yes"]).ok().says("Purged 7 checkpoints");
    world.run(["log"]).ok().says(&run);
    let trash = tree.at(format!("{SESSION}/nsml_model/.retain/trash"));
    let slots = std::fs::read_dir(trash).map_or(0, Iterator::count);
    assert_eq!(slots, 0);
}

#[test]
fn apply_with_purge_leaves_nothing_to_undo() {
    let tree = nsml::storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    world.run(["apply", "--yes", "--purge", "--policy", &policy]).ok().says("for good");
    assert_eq!(left(&tree, SESSION), ["31", "41"]);
}

/// It is not true that there is no such run, nor that there is nothing, where something cannot be read.
#[test]
fn a_journal_that_cannot_be_read_is_named_and_the_other_runs_go_on() {
    let (tree, world, run) = applied();
    let bad = "20200101-000000-0badc0de";
    let file = format!(".retain/journal/{bad}.0000");
    tree.symlink(&file, "elsewhere");
    let named = format!("`{}` of run {bad} cannot be read", tree.at(&file).display());
    let before = Snapshot::of(tree.path());
    world.run(["log"]).code(3).says(&run).warns(&named);
    world.run(["undo", "-n", &run]).ok().says("moved");
    world.run(["undo", "-n", bad]).code(1).warns(&named);
    world.run(["undo", "-n", "2019"]).code(1).warns(&named).warns("of what can be read, no run");
    world.run(["purge", "--all", "-n"]).code(3).says("7 checkpoints").warns(&named);
    before.assert_same(&Snapshot::of(tree.path()));
    world.run(["undo", &run]).ok().says("Restored 7 checkpoints").warns(&named);
    assert_eq!(left(&tree, SESSION), IDS);
    world.run(["purge", "--all", "--yes"]).code(3).says("Nothing to purge").warns(&named);
    assert!(tree.exists(&file));
}

/// It may be the last one: to bring back another without a word would be to guess.
#[test]
fn the_last_run_is_none_before_one_that_cannot_be_read() {
    for home in [".retain", "nsmlteam/.retain"] {
        let (tree, world, run) = applied();
        let later = || nsml::world(&tree).at_time("2040-06-15T12:30:00Z");
        let json = later().run(["rm", SESSION, "31", "--yes", "--json"]).ok().json();
        let newest = json["run"].as_str().unwrap().to_owned();
        if home != ".retain" {
            // As of a user who may not write at the root.
            tree.dir(home);
            std::fs::rename(tree.at(".retain/journal"), tree.at(home).join("journal")).unwrap();
            tree.dir(".retain/journal");
        }
        let at = |run: &str| tree.at(format!("{home}/journal/{run}.0000"));
        let away = tree.at("away");
        std::fs::rename(at(&newest), &away).unwrap();
        tree.symlink(at(&newest), "elsewhere");
        let look = || Snapshot::of(tree.path()).without("lock");
        let named = format!("`{}` of run {newest} cannot be read", at(&newest).display());
        // The first one makes the lock.
        drop(later().run(["undo"]).code(1));
        let before = look();
        for args in [&["undo", "-n"][..], &["undo"], &["undo", "last", SESSION]] {
            later().run(args).code(1).warns(&format!("error: {named}")).warns("or is moved away");
        }
        later().run(["log", "last"]).code(3).says(&format!("run {newest}")).warns(&named);
        before.assert_same(&look());
        later().run(["undo", &run]).ok().says("Restored 7 checkpoints");
        // An older one hides nothing.
        std::fs::remove_file(at(&newest)).unwrap();
        std::fs::rename(&away, at(&newest)).unwrap();
        std::fs::remove_file(at(&run)).unwrap();
        tree.symlink(at(&run), "elsewhere");
        later().run(["undo"]).ok().says("Restored 1 checkpoint");
        assert_eq!(left(&tree, SESSION), IDS);
        drop(world);
    }
}

/// A preview says what the same command without `-n` says, and ends as it does.
#[test]
fn a_preview_of_undo_is_what_undo_does() {
    let (tree, world, run) = applied();
    let taken = format!("{SESSION}/nsml_model/3/model/weights");
    tree.file(&taken, "a new checkpoint of that name");
    let look = || Snapshot::of(tree.path());
    let before = look();
    world.run(["undo", "-n", "last", "nosuch"]).code(2).warns("nosuch");
    world.run(["undo", "-n", &run, SESSION, "nosuch"]).code(2).warns("nosuch");
    let shown = world.run(["undo", "-n"]).code(3).warns("3: its place is taken");
    assert_eq!(shown.stdout.lines().filter(|l| l.starts_with("moved")).count(), 6, "{shown}");
    let json = world.run(["undo", "-n", "--json"]).code(3).json();
    assert_eq!((&json["restored"]["checkpoints"], &json["dry_run"]), (&6.into(), &true.into()));
    assert_eq!(json["skipped"][0]["id"], "3", "{json}");
    before.assert_same(&look());
    world.run(["undo"]).code(3).says("Restored 6 checkpoints");
    world.run(["undo", "-n", &run, SESSION, "0"]).ok();
    assert_eq!(left(&tree, SESSION), IDS);
}

/// A root with a run of its own, beside which lies the journal of another root's later run.
fn with_anothers() -> (Tree, World, String, String) {
    let (tree, world, own) = applied();
    let (other, _, _) = applied();
    let later = nsml::world(&other).at_time("2040-06-15T12:30:00Z");
    let json = later.run(["rm", SESSION, "31", "--yes", "--json"]).ok().json();
    let theirs = json["run"].as_str().unwrap().to_owned();
    for entry in std::fs::read_dir(other.at(".retain/journal")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with(&theirs) {
            std::fs::copy(entry.path(), tree.at(".retain/journal").join(name)).unwrap();
        }
    }
    (tree, world, own, theirs)
}

#[test]
fn what_is_not_ones_own_is_in_no_preview_and_is_not_the_last() {
    let (tree, _, own, theirs) = with_anothers();
    let world = nsml::world(&tree).at_time("2040-06-15T12:40:00Z");
    let look = || Snapshot::of(tree.path()).without("lock");
    let before = look();
    world.run(["log"]).ok().says(&theirs).says(&own);
    world.run(["log", "last"]).ok().says(&format!("run {own}"));
    for dry in [&["-n"][..], &[]] {
        world.run(["undo", &theirs].iter().chain(dry)).code(6).warns("is of another root");
    }
    world.run(["purge", &theirs, "-n"]).code(6).warns("is of another root");
    world.run(["purge", &theirs, "--yes"]).code(6).warns("is of another root");
    let passed = "is of another root";
    world.run(["purge", "--all", "-n"]).code(3).says("7 checkpoints").warns(passed);
    before.assert_same(&look());
    world.run(["undo"]).ok().says("Restored 7 checkpoints").says(&own);
    assert_eq!(left(&tree, SESSION), IDS);
    world.run(["purge", "--all", "-n"]).code(3).says("0 checkpoints").warns(passed);
    // With nothing of one's own, it is said whose the last one is.
    let empty = nsml::storage();
    for entry in std::fs::read_dir(tree.at(".retain/journal")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        std::fs::create_dir_all(empty.at(".retain/journal")).unwrap();
        std::fs::copy(&path, empty.at(".retain/journal").join(name)).unwrap();
    }
    nsml::world(&empty).run(["undo"]).code(6).warns("is of another root");
}

/// Names as they are printed: what `log` and `why` show can be typed.
#[test]
fn an_odd_name_is_restored_as_it_is_printed() {
    for odd in ["a\u{3000}b", "a\u{a0}b", "a\u{fe0f}", "\u{202e}a", "a\nb", "a\u{1b}[2Jb"] {
        let session = format!("team/{odd}/1");
        let printed = retain::report::sanitize::terminal(&session).into_owned();
        assert_ne!(session, printed);
        let tree = Tree::new();
        nsml::write_as(&tree, &session);
        world(&tree).run(["init"]).ok();
        let world = world(&tree);
        world.run(["rm", "team/**", "{0..4}", "--yes"]).ok().says("Moved 5 checkpoints");
        world.run(["undo", "last", &printed, "3"]).ok().says("Restored 1 checkpoint");
        assert_eq!(left(&tree, &session), ["3", "11", "21", "31", "41"]);
        world.run(["undo", "last", &printed]).ok().says("Restored 4 checkpoints");
        assert_eq!(left(&tree, &session), IDS);
    }
}

/// Whoever names what lies in the trash is told so, not what is near.
#[test]
fn what_is_in_the_trash_is_not_called_a_typing_mistake() {
    let (tree, world, run) = applied();
    let undo = format!("retain undo {run} {SESSION} 3");
    for args in
        [&["pin", SESSION, "3"][..], &["submitted", SESSION, "3"], &["rm", SESSION, "3", "-n"]]
    {
        let said = world.run(args).code(2).warns("no checkpoint").warns(&undo);
        assert!(!said.stderr.contains("nearest"), "{said}");
    }
    world.run(["pin", SESSION, "31", "5"]).code(2).warns("nearest");
    let later = nsml::world(&tree).at_time("2040-06-15T12:00:01Z");
    later.run(["rm", SESSION, "*", "--yes"]).ok();
    later.run(["pin", SESSION]).code(2).warns("to the trash").warns("retain undo");
}
