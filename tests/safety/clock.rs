//! Rows C1 to C9: whatever the clock says, unsure means keep.

use crate::nsml;
use crate::support::*;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use std::fs;
use std::path::Path;

/// The sample, a policy that keeps two, and what a person or script says at some instant.
struct Machine {
    tree: Tree,
    home: World,
    policy: String,
}

impl Machine {
    fn new() -> Machine {
        let tree = nsml::storage();
        let home = World::new();
        let policy = nsml::policy(&home, nsml::LAST_TWO);
        Machine { tree, home, policy }
    }

    fn at(&self, now: &str, args: &[&str]) -> Run {
        let world = World::within(self.tree.path()).at_time(now);
        world.run(args.iter().copied().chain(["--policy", &self.policy]))
    }

    fn left(&self) -> usize {
        nsml::left(&self.tree, nsml::SESSION).len()
    }
}

#[test]
fn c1_a_clock_that_is_400_days_slow() {
    let m = Machine::new();
    // Written, as the disk says, after "now": nothing of it can be judged.
    let slow = "2025-05-11T12:00:00Z";
    let ran = m.at(slow, &["apply", "--yes"]).ok();
    assert_eq!(m.left(), 9, "{ran}");
    // After a run of the right time, one that seems to be before it is refused, and purges nothing.
    m.at(NOW, &["rm", nsml::SESSION, "0", "--yes"]).ok();
    for command in [&["apply", "--yes"][..], &["purge", "--all", "--yes"]] {
        let ran = m.at("2039-05-11T12:00:00Z", command);
        assert!(ran.code == Some(6) && ran.stderr.contains("before run"), "{ran}");
    }
    assert_eq!(m.left(), 8);
    let log = m.at(NOW, &["log", "--json"]).json();
    assert_eq!(log["runs"][0]["in_trash"]["checkpoints"], 1);
}

#[test]
fn c2_2037_2106_and_the_end_of_time() {
    for now in ["2037-12-31T23:59:59Z", "2038-01-19T03:14:08Z", "2106-02-07T06:28:16Z"] {
        let m = Machine::new();
        let before = nsml_picture(&m.tree);
        m.at(now, &["apply", "--yes"]).ok();
        assert_eq!(m.left(), 2, "{now}");
        let log = m.at(now, &["log", "--json"]).ok().json();
        m.at(now, &["undo", log["runs"][0]["run"].as_str().unwrap()]).ok();
        before.assert_same(&nsml_picture(&m.tree));
    }
    // The last instant that a time can be; its grace ends after it, so it never ends by itself.
    let m = Machine::new();
    let last = "2262-04-11T23:47:16Z";
    m.at(last, &["apply", "--yes"]).ok();
    m.at(last, &["purge", "--yes"]).ok();
    let log = m.at(last, &["log", "--json"]).ok().json();
    assert_eq!(log["runs"][0]["in_trash"]["checkpoints"], 7, "{log}");
    m.at("2300-01-01T00:00:00Z", &["ls"]).code(2);
}

use crate::nsml_picture;

/// A plan is of an instant; apply is held against it.
#[test]
fn c3_c4_a_jump_between_plan_and_apply() {
    for (now, code, left) in [
        ("2040-06-15T10:00:00Z", 6, 9),
        ("2040-06-15T11:59:59Z", 6, 9),
        ("2040-06-16T12:00:00Z", 0, 2),
        ("2040-06-16T12:00:01Z", 5, 9),
        ("2041-06-15T12:00:00Z", 5, 9),
    ] {
        let m = Machine::new();
        let plan = m.home.home().join("plan.json");
        let plan = plan.to_str().unwrap();
        m.at(NOW, &["plan", "-o", plan]).ok();
        m.at(now, &["apply", "--yes", plan]).code(code);
        assert_eq!(m.left(), left, "{now}");
    }
}

/// C9, C6: what was copied with its old mtime is as young as its ctime; a storage whose clock is
/// ahead writes into the future.
#[test]
fn c6_c9_a_new_copy_with_an_old_mtime_is_young() {
    let tree = nsml::storage();
    for entry in walkdir::WalkDir::new(tree.path()) {
        let path = entry.unwrap().into_path();
        tree.mtime(path.strip_prefix(tree.path()).unwrap(), "2019-08-02T12:00:00Z");
    }
    let home = World::new();
    let text = nsml::LAST_TWO.replace("0s", "1h");
    let policy = nsml::policy(&home, &text);
    let delete = |world: World| {
        let plan = world.run(["plan", "--policy", &policy, "--json"]).ok().json();
        plan["totals"]["delete"].as_u64().unwrap()
    };
    let time = |offset: i64| {
        let now = std::process::Command::new("date").args(["-u", "+%s"]).output().unwrap();
        let now: i64 = String::from_utf8(now.stdout).unwrap().trim().parse().unwrap();
        let at = (now + offset) * 1_000_000_000;
        World::within(tree.path()).at_time(&retain::core::model::Time::from_nanos(at).to_string())
    };
    assert_eq!(delete(World::within(tree.path()).in_real_time()), 0, "copied just now");
    assert_eq!(delete(time(-3600)), 0, "the storage is an hour ahead");
    assert_eq!(delete(time(3500)), 0);
    assert_eq!(delete(time(3700)), 7, "an hour old");
}

#[test]
fn c7_the_machines_zone_decides_nothing() {
    let m = Machine::new();
    let plans =
        [None, Some(""), Some("garbage/zone"), Some("Europe/Berlin"), Some("America/St_Johns")]
            .map(|zone| {
                let world = World::within(m.tree.path());
                let mut command = world.command(["plan", "--json", "--policy", &m.policy]);
                match zone {
                    Some(zone) => command.env("TZ", zone),
                    None => command.env_remove("TZ"),
                };
                let output = command.output().unwrap();
                Run::new(&command, &output).ok().stdout
            });
    assert!(plans.iter().all(|p| *p == plans[0]), "{plans:#?}");
}

#[test]
fn c8_times_that_are_none_keep_and_crash_nothing() {
    let set = |path: &Path, seconds: i64, nanos: i64| {
        let time = Timespec { tv_sec: seconds, tv_nsec: nanos };
        let times = Timestamps { last_access: time, last_modification: time };
        utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
        fs::symlink_metadata(path).unwrap().modified().ok()
    };
    for (seconds, nanos) in [
        (0, 0),
        (0, 1),
        (-1, 999_999_999),
        (-(1 << 31), 0),
        (1 << 31, 0),
        ((1 << 32) - 1, 999_999_999),
        (15_032_385_535, 999_999_999),
        (9_223_372_036, 854_775_807),
        (9_223_372_037, 0),
        (i64::MAX, 999_999_999),
        (i64::MIN, 0),
    ] {
        let m = Machine::new();
        let hurt = "4";
        let at = m.tree.at(format!("{}/nsml_model/{hurt}", nsml::SESSION));
        for file in ["model/weights", "model", "metadata.json", ""] {
            set(&at.join(file), seconds, nanos);
        }
        let before = Snapshot::of(m.tree.path());
        let plan = m.at(NOW, &["plan", "--json"]).ok().json();
        before.assert_same(&Snapshot::of(m.tree.path()));
        let decisions = plan["decisions"].as_array().unwrap().clone();
        let of = |id: &str| decisions.iter().find(|d| d["id"] == id).unwrap()["verdict"].clone();
        // The file system may clamp; what it shows then is what is judged.
        let shown = fs::metadata(at.join("metadata.json")).unwrap();
        let shown = std::os::unix::fs::MetadataExt::mtime(&shown);
        let now = retain::core::model::Time::parse(NOW).unwrap().secs();
        let expected = if shown > now { "keep" } else { "delete" };
        assert_eq!(of(hurt), expected, "{seconds}.{nanos}: shown as {shown}");
        assert_eq!(of("3"), "delete");
        m.at(NOW, &["apply", "--yes"]).ok();
        assert_eq!(m.left(), if shown > now { 3 } else { 2 });
    }
}
