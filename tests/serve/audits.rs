//! One line before each change and one after it, or no change (I29).

use crate::nsml::{self, IDS, SESSION, left};
use crate::owners::finished;
use crate::server::{Browser, Server};
use serde_json::{Value, json};

fn lines(server: &Server) -> Vec<Value> {
    server.audit().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The lines that something added.
fn added(server: &Server, act: impl FnOnce()) -> Vec<Value> {
    let before = lines(server).len();
    act();
    // The second line comes when a job has ended, which the page may tell a moment before.
    for _ in 0..200 {
        if lines(server).last().is_none_or(|last| last["result"] != "asked for") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    lines(server).split_off(before)
}

/// Who did what to what: once as asked for, once as it ended.
fn told(lines: &[Value], who: &str, action: &str, subject: &str) {
    assert!(lines.len() >= 2, "{action}: {lines:?}");
    for line in lines {
        assert_eq!(line["format"], "retain-audit/1");
        assert_eq!((&line["who"], &line["action"]), (&json!(who), &json!(action)), "{line}");
        assert!(line["subject"].as_str().unwrap().contains(subject), "{line}");
        assert!(line["at"].as_str().unwrap().starts_with("20"), "{line}");
    }
    assert_eq!(lines[0]["result"], "asked for");
    assert_ne!(lines.last().unwrap()["result"], "asked for");
}

fn session(browser: &Browser<'_>, action: &str, more: &[(&str, &str)]) {
    let pairs = [&[("name", SESSION), ("id", "3"), ("action", action)], more].concat();
    browser.post(&format!("{}/session", browser.server.root), &pairs).is(200);
}

#[test]
fn every_change_of_a_person_has_its_lines() {
    let tree = nsml::storage();
    let server = Server::start(&tree);
    let browser = server.browser();
    let marks: [(&str, &[(&str, &str)]); 4] = [
        ("pin", &[("why", "x")]),
        ("unpin", &[]),
        ("tag", &[("tag", "t")]),
        ("untag", &[("tag", "t")]),
    ];
    for (action, more) in marks {
        told(&added(&server, || session(&browser, action, more)), "administrator", action, SESSION);
    }
    // Looking is no change.
    let review = [("name", SESSION), ("id", "0"), ("id", "1")];
    let path = |page: &str| format!("{}/{page}", server.root);
    let mut digest = String::new();
    let seen = added(&server, || {
        digest = browser.post(&path("session"), &review).is(200).field("digest");
        browser.get(&path("trash")).is(200);
    });
    assert!(seen.is_empty(), "{seen:?}");
    let choice =
        [("recipe", "choice"), ("name", SESSION), ("id", "0"), ("id", "1"), ("digest", &digest)];
    let mut run = String::new();
    let applied = added(&server, || {
        let wrong = [&choice[..], &[("confirm", "9")]].concat();
        browser.post(&path("apply"), &wrong).is(422);
        let right = [&choice[..], &[("confirm", "2")]].concat();
        run = browser.post(&path("apply"), &right).is(200).field("run");
    });
    told(&applied, "administrator", "apply", &digest);
    assert_eq!(applied.len(), 2, "what was refused was not begun: {applied:?}");
    let one = [("run", run.as_str()), ("session", SESSION), ("id", "1")];
    told(
        &added(&server, || _ = browser.post(&path("undo"), &one).is(200)),
        "administrator",
        "undo",
        &run,
    );
    let purge = [("run", run.as_str()), ("confirm", "1")];
    told(
        &added(&server, || _ = browser.post(&path("purge"), &purge).is(200)),
        "administrator",
        "purge",
        &run,
    );
}

/// What was asked for and could not be done has its second line too.
#[test]
fn a_mark_that_could_not_be_written_is_told_as_that() {
    let tree = nsml::storage();
    let file = format!("{SESSION}/nsml_model/.retain/marks.toml");
    tree.file(&file, "version = ");
    let server = Server::start(&tree);
    let browser = server.browser();
    let pin = [("name", SESSION), ("id", "3"), ("action", "pin")];
    let seen = added(&server, || {
        let refused = browser.post(&format!("{}/session", server.root), &pin).is(500);
        assert!(refused.body.contains("The marks could not be written"), "{}", refused.body);
    });
    told(&seen, "administrator", "pin", SESSION);
    assert_eq!(seen[1]["result"]["files_changed"], 0);
    assert!(seen[1]["result"]["failed"][0].as_str().unwrap().contains("is damaged"), "{seen:?}");
    assert_eq!(
        (tree.read(&file).as_str(), left(&tree, SESSION)),
        ("version = ", IDS.map(str::to_owned).to_vec())
    );
}

#[test]
fn programs_and_owners_have_theirs() {
    let tree = nsml::storage();
    let owner = SESSION.split('/').next().unwrap();
    let server = Server::with(&tree, &["--allow-delete", "--owner", owner]);
    let token = server.token(owner);
    let post = |path: &str, body: &Value| server.post_as(&token, &server.of_root(path), body);
    let choice = json!({ "session": SESSION, "checkpoint": ["0"] });
    let plan = post("choice", &choice).is(200);
    let digest = plan.header("x-retain-digest").unwrap().to_owned();
    let mut body = choice;
    body["digest"] = json!(digest);
    let lines = added(&server, || {
        let job = post("apply", &body).is(202).json();
        finished(&server, &token, &job);
    });
    told(&lines, owner, "apply", &digest);
    assert!(!server.audit().contains(&token), "no secret is in it");
}

#[test]
fn what_cannot_be_written_down_is_not_done() {
    let tree = nsml::storage();
    let state = tempfile::tempdir().unwrap();
    let pipe = state.path().join("tokens.audit.jsonl");
    let mode = rustix::fs::Mode::from(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    // Somebody reads it until the server is up, and then nobody: each write fails.
    let reader = std::thread::spawn(move || std::fs::File::open(pipe).unwrap());
    let server = Server::beside(&tree, crate::support::NOW, &["--allow-delete"], state);
    drop(reader.join().unwrap());
    let browser = server.browser();
    let review = [("name", SESSION), ("id", "0")];
    let digest = browser.post(&format!("{}/session", server.root), &review).is(200).field("digest");
    let pairs = [
        ("recipe", "choice"),
        ("name", SESSION),
        ("id", "0"),
        ("digest", &digest),
        ("confirm", "1"),
    ];
    let refused = browser.post(&format!("{}/apply", server.root), &pairs).is(500);
    for said in ["written into the audit: Broken pipe", "nothing was changed"] {
        assert!(refused.body.contains(said), "{}", refused.body);
    }
    let pin = [("name", SESSION), ("id", "0"), ("action", "pin")];
    browser.post(&format!("{}/session", server.root), &pin).is(500);
    assert_eq!(left(&tree, SESSION), IDS);
    assert!(!tree.exists("nsmlteam/mnist/4/nsml_model/.retain/marks.toml"));
}
