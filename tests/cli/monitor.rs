//! `monitor`: who is over or near, what would bring them under, and that everybody is told once.

use crate::nsml::{self, world};
use crate::servers::{Answer, Hook, Mails};
use crate::support::{Run, Snapshot, Tree, World};
use serde_json::Value;
use std::fs;
use std::time::Duration;

/// Two owners, `big` with two sessions and `small` with one.
pub fn storage() -> Tree {
    let tree = Tree::new();
    for session in ["big/mnist/1", "big/mnist/2", "small/mnist/1"] {
        nsml::write_as(&tree, session);
    }
    world(&tree).run(["init"]).ok();
    tree
}

/// Keeps everything; a quota of so many bytes for each owner, only reported.
pub fn quota(world: &World, bytes: u64) -> String {
    let body = format!(
        "min-age = \"0s\"\n[[policy]]\nname = \"p\"\nkeep = [{{ all = true }}]\n\
         [[quota]]\nname = \"team\"\nper = \"owner\"\nmax-bytes = \"{bytes}B\"\non-exceed = \"report\"\n"
    );
    nsml::policy(world, &body)
}

/// What an owner uses.
pub fn used(world: &World, owner: &str) -> u64 {
    let policy = nsml::policy(world, "[[policy]]\nname = \"p\"\nkeep = [{ all = true }]\n");
    let json = world.run(["usage", "--json", "--policy", &policy]).ok().json();
    let rows = json["groups"][0]["rows"].as_array().unwrap().clone();
    rows.iter().find(|r| r["name"] == owner).unwrap()["bytes"].as_u64().unwrap()
}

pub fn settings(world: &World, body: &str) -> String {
    let path = world.home().join("monitor.toml");
    fs::write(&path, format!("version = 1\n{body}")).unwrap();
    path.to_str().unwrap().to_owned()
}

const CHAT: &str =
    "[[sink]]\nname = \"chat\"\nkind = \"webhook\"\nurl-env = \"HOOK\"\ntimeout = \"2s\"\n";

pub fn mail(server: &Mails, more: &str) -> String {
    format!(
        "[[sink]]\nname = \"mail\"\nkind = \"email\"\nsmtp = \"{}\"\ntls = \"none\"\n\
         from = \"retain@example.org\"\ntimeout = \"2s\"\n{more}\n",
        server.address
    )
}

pub fn monitor(
    world: &World,
    policy: &str,
    settings: &str,
    hook: Option<&Hook>,
    more: &[&str],
) -> Run {
    let mut command = world.command(["monitor", "--policy", policy, "--settings", settings]);
    command.args(more);
    if let Some(hook) = hook {
        command.env("HOOK", &hook.url);
    }
    let output = command.output().unwrap();
    Run::new(&command, &output)
}

pub fn at(tree: &Tree, day: u32) -> World {
    world(tree).at_time(&format!("2040-07-{day:02}T03:00:00Z"))
}

#[test]
fn without_settings_all_is_said_on_stdout() {
    let tree = storage();
    let world = world(&tree);
    let big = used(&world, "big");
    let policy = quota(&world, big - 1);
    let run = world.run(["monitor", "--policy", &policy]).ok();
    assert!(run.stdout.starts_with("State "), "{run}");
    run.says("over   team   big").says("ok     team   small").says("big uses ");
    let json = world.run(["monitor", "--json", "--policy", &policy]).ok().json();
    assert_eq!(json["format"], "retain-monitor/1");
    assert_eq!(json["findings"][0]["level"], "over");
    assert_eq!(json["findings"][1]["advice"], Value::Null);
    // A point of history is all that it writes.
    let names: Vec<_> =
        fs::read_dir(tree.at(".retain")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(names.iter().any(|n| n == "history.sqlite"), "{names:?}");
    let all_is_well = quota(&world, 10 * big);
    assert!(world.run(["monitor", "-q", "--policy", &all_is_well]).ok().stdout.is_empty());
}

/// What is advised brings the owner under, when it is run as it is written.
#[test]
fn the_advice_is_true() {
    let tree = storage();
    let world = world(&tree);
    let policy = quota(&world, used(&world, "big") / 2);
    let json = world.run(["monitor", "--json", "--policy", &policy]).ok().json();
    let finding = &json["findings"][0];
    assert_eq!((&finding["owner"], &finding["level"]), (&Value::from("big"), &Value::from("over")));
    let commands = finding["advice"]["commands"].as_array().unwrap();
    assert!(!commands.is_empty());
    for command in commands {
        let line = command.as_str().unwrap();
        let words: Vec<String> =
            line.split(' ').skip(1).map(|w| w.trim_matches('\'').to_owned()).collect();
        assert!(words.contains(&"rm".to_owned()), "{line}");
        let consent = ["--yes".to_owned()];
        world.run(words.iter().chain(&consent)).ok();
    }
    let after = world.run(["monitor", "--json", "--policy", &policy]).ok().json();
    assert_eq!(after["findings"][0]["level"], "ok", "{after:#}");
    assert_eq!(after["findings"][0]["used_bytes"], finding["advice"]["after_bytes"]);
}

#[test]
fn what_a_policy_deletes_anyway_is_advised_as_a_plan() {
    let tree = storage();
    let world = world(&tree);
    let bytes = used(&world, "big") / 2;
    let body = format!(
        "{}[[quota]]\nname = \"team\"\nper = \"owner\"\nmax-bytes = \"{bytes}B\"\n",
        nsml::LAST_TWO
    );
    let policy = nsml::policy(&world, &body);
    let json = world.run(["monitor", "--json", "--policy", &policy]).ok().json();
    let commands = json["findings"][0]["advice"]["commands"].clone();
    let commands: Vec<&str> =
        commands.as_array().unwrap().iter().map(|c| c.as_str().unwrap()).collect();
    assert_eq!(commands.len(), 2, "{commands:?}");
    assert!(commands[0].contains("'big/**' -o plan.json"), "{commands:?}");
    // Run as they are written, they bring the owner under.
    for (command, consent) in commands.iter().zip([None, Some("--yes".to_owned())]) {
        let words = command.split(' ').skip(1).map(|w| w.trim_matches('\'').to_owned());
        world.run(words.chain(consent)).ok();
    }
    let after = world.run(["monitor", "--json", "--policy", &policy]).ok().json();
    assert_eq!(after["findings"][0]["level"], "ok", "{after:#}");
    assert_eq!(after["findings"][0]["used_bytes"], json["findings"][0]["advice"]["after_bytes"]);
}

#[test]
fn everybody_is_told_once_and_reminded() {
    let tree = storage();
    let hook = Hook::new(Answer::Ok);
    let w = at(&tree, 1);
    let big = used(&w, "big");
    let over = |day| {
        let w = at(&tree, day);
        let policy = quota(&w, big - 1);
        let settings = settings(&w, CHAT);
        monitor(&w, &policy, &settings, Some(&hook), &[])
    };
    over(1).ok();
    let texts = hook.texts();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(texts[0].contains("big uses") && !texts[0].contains("small"), "{texts:?}");
    for day in 2..=7 {
        over(day).ok();
    }
    assert_eq!(hook.texts(), [] as [&str; 0], "nothing is new");
    over(8).ok();
    let texts = hook.texts();
    assert!(texts.len() == 1 && texts[0].contains("reminder"), "{texts:?}");
    // Near is another state, and so is well.
    let other = |day, bytes| {
        let w = at(&tree, day);
        let policy = quota(&w, bytes);
        let settings = settings(&w, CHAT);
        monitor(&w, &policy, &settings, Some(&hook), &[]).ok();
        hook.texts()
    };
    let near = other(9, big + big / 20);
    assert!(near.len() == 1 && near[0].contains("close to its end"), "{near:?}");
    assert_eq!(other(10, big + big / 20), [] as [&str; 0]);
    let well = other(11, 10 * big);
    assert!(well.len() == 1 && well[0].contains("all is well again"), "{well:?}");
    assert_eq!(other(12, 10 * big), [] as [&str; 0]);
}

/// A look with another policy is no reason to tell everybody again.
#[test]
fn what_was_told_outlives_a_look_with_another_policy() {
    let tree = storage();
    let hook = Hook::new(Answer::Ok);
    let big = used(&world(&tree), "big");
    let run = |day, name: &str| {
        let w = at(&tree, day);
        let policy = quota(&w, big - 1);
        let text = fs::read_to_string(&policy).unwrap();
        fs::write(&policy, text.replace("\"team\"", &format!("\"{name}\""))).unwrap();
        let settings = settings(&w, CHAT);
        monitor(&w, &policy, &settings, Some(&hook), &[]).ok();
        hook.texts().len()
    };
    assert_eq!(run(1, "team"), 1);
    assert_eq!(run(2, "other"), 1);
    assert_eq!((run(3, "team"), run(3, "other")), (0, 0));
    // Nor does one without quotas make anybody forget.
    let w = at(&tree, 4);
    let none = nsml::policy(&w, nsml::LAST_TWO);
    let settings = settings(&w, CHAT);
    monitor(&w, &none, &settings, Some(&hook), &[]).ok();
    assert_eq!((run(5, "team"), run(5, "other")), (0, 0));
    assert_eq!(run(8, "team"), 1, "a reminder, as if nothing had been");
}

/// JSON takes the place of what a sink would write there, and nobody was told by it.
#[test]
fn with_json_a_sink_on_stdout_is_neither_told_nor_remembered() {
    let tree = storage();
    let world = world(&tree);
    let policy = quota(&world, used(&world, "big") - 1);
    let file = settings(&world, "[[sink]]\nname = \"log\"\nkind = \"stdout\"\n");
    let json = monitor(&world, &policy, &file, None, &["--json"]).ok().json();
    assert_eq!(json["deliveries"], serde_json::json!([]), "{json:#}");
    let json = monitor(&world, &policy, &file, None, &["--json", "--dry-run"]).ok().json();
    assert_eq!(json["deliveries"], serde_json::json!([]), "{json:#}");
    monitor(&world, &policy, &file, None, &[]).ok().says("big uses ");
    let again = monitor(&world, &policy, &file, None, &[]).ok();
    assert!(!again.stdout.contains("big uses "), "{again}");
}

#[test]
fn what_could_not_be_delivered_is_tried_again() {
    let tree = storage();
    let hook = Hook::new(Answer::Status(500));
    let big = used(&world(&tree), "big");
    let run = |day| {
        let w = at(&tree, day);
        let policy = quota(&w, big - 1);
        let settings = settings(&w, CHAT);
        monitor(&w, &policy, &settings, Some(&hook), &["-vvv"])
    };
    let faults = [Answer::Status(500), Answer::Status(404), Answer::Redirect, Answer::Hang];
    for (day, fault) in (1..).zip(faults) {
        hook.answers(fault);
        let run = run(day).code(3).warns("warning: chat: not delivered: ");
        assert!(!run.stderr.contains("s3cr3t") && !run.stdout.contains("s3cr3t"), "{run}");
    }
    assert_eq!(hook.texts(), [] as [&str; 0]);
    hook.answers(Answer::Ok);
    run(5).ok();
    assert_eq!(hook.texts().len(), 1);
    run(6).ok();
    assert_eq!(hook.texts().len(), 0);
}

#[test]
fn a_webhook_that_is_not_there_and_a_secret_that_is_not_set() {
    let tree = storage();
    let world = world(&tree);
    let policy = quota(&world, used(&world, "big") - 1);
    let file = settings(&world, CHAT);
    monitor(&world, &policy, &file, None, &[]).code(3).warns("HOOK is not set");
    let secret = world.home().join("url");
    fs::write(&secret, "http://127.0.0.1:1/s3cr3t\n").unwrap();
    let file = settings(&world, &CHAT.replace("url-env = \"HOOK\"", "url-file = \"url\""));
    let run = monitor(&world, &policy, &file, None, &["-vvv"]).code(3).warns("not delivered");
    assert!(!run.stderr.contains("s3cr3t"), "{run}");
}

#[test]
fn reports_and_a_file_for_each_owner() {
    let tree = storage();
    let world = world(&tree);
    let policy = quota(&world, used(&world, "big") / 2);
    fs::create_dir(world.home().join("owners")).unwrap();
    let body = "[[sink]]\nname = \"wiki\"\nkind = \"markdown\"\npath = \"quotas.md\"\n\
                [[sink]]\nname = \"data\"\nkind = \"json\"\npath = \"quotas.json\"\n\
                [[sink]]\nname = \"each\"\nkind = \"files\"\npath = \"owners\"\nowners = [\"b*\"]\n\
                [[sink]]\nname = \"log\"\nkind = \"stdout\"\n";
    let file = settings(&world, body);
    let run = monitor(&world, &policy, &file, None, &[]).ok();
    run.says("big uses ");
    let text = |name: &str| fs::read_to_string(world.home().join(name)).unwrap();
    assert!(text("quotas.md").contains("| over | team | big |"), "{}", text("quotas.md"));
    let json: Value = serde_json::from_str(&text("quotas.json")).unwrap();
    assert_eq!(json["findings"][0]["owner"], "big");
    assert!(text("owners/big.txt").contains("big uses "));
    assert!(!world.home().join("owners/small.txt").exists());
    // The plan of the file, carried out as it is, brings the owner under.
    let plan = world.home().join("owners/big.plan.json");
    world.run(["apply", plan.to_str().unwrap(), "--yes"]).ok();
    let after = world.run(["monitor", "--json", "--policy", &policy]).ok().json();
    assert_eq!(after["findings"][0]["level"], "ok", "{after:#}");
    let run = monitor(&world, &policy, &file, None, &[]).ok();
    run.says("all is well again");
    assert!(text("owners/big.txt").contains("all is well again"));
    assert!(!monitor(&world, &policy, &file, None, &[]).ok().stdout.contains("uses"));
}

#[test]
fn a_dry_run_tells_nobody_and_writes_nothing() {
    let tree = storage();
    let hook = Hook::new(Answer::Ok);
    let world = world(&tree);
    let policy = quota(&world, used(&world, "big") - 1);
    let file = settings(&world, CHAT);
    let before = Snapshot::of(tree.path());
    let run = monitor(&world, &policy, &file, Some(&hook), &["--dry-run"]).ok();
    run.warns("would tell chat of 1 notice");
    before.assert_same(&Snapshot::of(tree.path()));
    assert!(hook.texts().is_empty());
}

#[test]
fn an_inventory_is_judged_and_nobody_is_told() {
    let tree = storage();
    let hook = Hook::new(Answer::Ok);
    let world = world(&tree);
    let policy = quota(&world, used(&world, "big") - 1);
    let inventory = world.home().join("inventory.jsonl");
    world.run(["inventory", "-o", inventory.to_str().unwrap()]).ok();
    let file = settings(&world, CHAT);
    let more = ["--inventory", inventory.to_str().unwrap()];
    monitor(&world, &policy, &file, Some(&hook), &more).ok().says("over   team   big");
    assert!(hook.texts().is_empty());
}

#[test]
fn a_quota_that_cannot_be_met_ends_with_its_code() {
    let tree = storage();
    let world = world(&tree);
    world.run(["pin", "big/mnist/{1..2}"]).ok();
    let policy = quota(&world, 1);
    let run = world.run(["monitor", "--policy", &policy]).code(4);
    run.says("Nothing that a policy lets go would help").says("still be");
}

#[test]
fn two_monitors_at_once_tell_once() {
    let tree = storage();
    let hook = Hook::new(Answer::Late(Duration::from_millis(700)));
    let world = world(&tree);
    let policy = quota(&world, used(&world, "big") - 1);
    let file = settings(&world, CHAT);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| monitor(&world, &policy, &file, Some(&hook), &[]).ok());
        }
    });
    assert_eq!(hook.texts().len(), 1);
}

/// C1: nothing is told twice, and nothing is lost, when the clock is back by a day for a while.
#[test]
fn a_clock_that_goes_back_repeats_nothing() {
    let tree = storage();
    let hook = Hook::new(Answer::Ok);
    let big = used(&world(&tree), "big");
    let run = |day, bytes| {
        let w = at(&tree, day);
        let policy = quota(&w, bytes);
        let settings = settings(&w, CHAT);
        monitor(&w, &policy, &settings, Some(&hook), &[])
    };
    run(10, big - 1).ok();
    assert_eq!(hook.texts().len(), 1);
    let path = tree.at(".retain/history.sqlite");
    let remedy = format!("if that clock was wrong, move {} away", path.display());
    run(9, big - 1).ok().warns("later than now; nothing was added").warns(&remedy);
    assert_eq!(hook.texts().len(), 0);
    // A change is told all the same.
    run(9, 10 * big).ok();
    assert_eq!(hook.texts().len(), 1);
    run(11, big - 1).ok();
    assert_eq!(hook.texts().len(), 1);
}

#[test]
fn a_damaged_history_is_set_aside_and_everybody_told_again() {
    let tree = storage();
    let hook = Hook::new(Answer::Ok);
    let world = world(&tree);
    let policy = quota(&world, used(&world, "big") - 1);
    let file = settings(&world, CHAT);
    tree.file(".retain/history.sqlite", "SQLite format 3\0 and no more");
    let run = monitor(&world, &policy, &file, Some(&hook), &[]).ok();
    run.warns("history.sqlite.damaged-");
    assert_eq!(hook.texts().len(), 1);
    monitor(&world, &policy, &file, Some(&hook), &[]).ok();
    assert_eq!(hook.texts().len(), 0);
}

/// What could not be remembered would be sent at every run: a history that is a symlink stands for
/// all that cannot be written.
#[test]
fn nothing_is_sent_that_cannot_be_remembered() {
    let tree = storage();
    let hook = Hook::new(Answer::Ok);
    let world = world(&tree);
    let policy = quota(&world, used(&world, "big") - 1);
    let file = settings(&world, CHAT);
    std::os::unix::fs::symlink("/nowhere", tree.at(".retain/history.sqlite")).unwrap();
    let run = monitor(&world, &policy, &file, Some(&hook), &[]);
    run.warns("nothing was sent").says("over   team   big");
    assert!(hook.texts().is_empty());
}

#[test]
fn settings_come_with_the_root_and_their_faults_are_said() {
    let tree = storage();
    let world = world(&tree);
    let policy = quota(&world, used(&world, "big") - 1);
    tree.file("retain.toml", "monitor = \"watch.toml\"\n");
    world.run(["monitor", "--policy", &policy]).code(2).warns("watch.toml");
    tree.file("watch.toml", "version = 1\n[[sink]]\nname = \"x\"\nkind = \"pigeon\"\n");
    world.run(["monitor", "--policy", &policy]).code(2).warns("none of stdout");
    tree.file("watch.toml", "version = 1\nlang = \"ko\"\nwords = \"own.toml\"\n");
    tree.file("own.toml", "over = \"{owner}?!\"\n");
    world.run(["monitor", "--policy", &policy]).ok().says("big?!");
    tree.file("own.toml", "over = \"{disk}\"\n");
    world.run(["monitor", "--policy", &policy]).code(2).warns("{disk}");
}

#[test]
fn a_policy_without_quotas_is_said() {
    let tree = storage();
    world(&tree).run(["monitor"]).ok().warns("no quota");
}
