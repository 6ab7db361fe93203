//! `apply` as a timer starts it: what it says, to whom, and how it ends.

use crate::nsml::{self, IDS, LAST_TWO, SESSION, left, world};
use crate::support::World;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

const NIGHTLY: [&str; 3] = ["apply", "--yes", "--quiet"];

/// Answers each request with this status and tells its path; a status of 0 never answers.
fn receiver(status: u16) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/ping/secret-token", listener.local_addr().unwrap());
    let (send, requests) = mpsc::channel();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).unwrap();
            let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
            if status > 0 {
                let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).unwrap();
            } else {
                open.push(stream);
            }
            if send.send(path).is_err() {
                return;
            }
        }
    });
    (address, requests)
}

fn heard(requests: &mpsc::Receiver<String>) -> String {
    requests.recv_timeout(Duration::from_secs(30)).expect("a call")
}

#[test]
fn quiet_speaks_only_when_something_happened() {
    let tree = nsml::storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    let run = world.run(NIGHTLY.iter().chain(&["--policy", &policy])).ok();
    run.says("Moved 7 checkpoints");
    let run = world.run(NIGHTLY.iter().chain(&["--policy", &policy])).ok();
    assert!(run.stdout.is_empty() && run.stderr.is_empty(), "{run}");
    assert_eq!(left(&tree, SESSION), ["31", "41"]);
}

#[test]
fn a_deadline_ends_between_two_checkpoints() {
    let tree = nsml::storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    let run = world.run(["apply", "--yes", "--policy", &policy, "--deadline", "0s"]).code(3);
    run.warns("the deadline passed; what was not reached is kept");
    assert_eq!(left(&tree, SESSION), IDS);
    world.run(["apply", "--yes", "--policy", &policy, "--deadline", "1h"]).ok();
    assert_eq!(left(&tree, SESSION), ["31", "41"]);
    world.run(["apply", "--yes", "--deadline", "5m"]).code(2).warns("min");
}

#[test]
fn whoever_waits_is_called() {
    let tree = nsml::storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    let (address, requests) = receiver(200);
    let file = world.home().join("ping");
    std::fs::write(&file, format!("{address}\n")).unwrap();
    let with = ["--ping-file", file.to_str().unwrap()];
    world.run(["apply", "--yes", "--policy", &policy].iter().chain(&with)).ok();
    assert_eq!(heard(&requests), "/ping/secret-token");
    let run = world.run(["apply", "--yes", "--policy", "missing.toml"].iter().chain(&with)).code(2);
    assert_eq!(heard(&requests), "/ping/secret-token/fail");
    assert!(!run.stderr.contains("secret-token"), "{run}");
    let mut command = world.command(["apply", "--yes", "--policy", &policy]);
    command.env("RETAIN_PING_URL", &address);
    assert!(command.output().unwrap().status.success());
    assert_eq!(heard(&requests), "/ping/secret-token");
}

#[test]
fn a_ping_that_fails_is_a_warning_without_its_address() {
    let tree = nsml::storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    let (failing, _requests) = receiver(500);
    let (silent, _silence) = receiver(0);
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/secret-token", listener.local_addr().unwrap())
    };
    for (address, said) in [
        (failing.as_str(), "it answered 500"),
        (silent.as_str(), "no answer within"),
        (closed.as_str(), "failed"),
        ("secret-token nonsense", "not an address"),
    ] {
        let mut command = world.command(["apply", "--yes", "--policy", &policy]);
        let output = command.env("RETAIN_PING_URL", address).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && stderr.contains(said), "{address}: {stderr}");
        assert!(!stderr.contains("secret-token"), "{stderr}");
    }
    assert_eq!(left(&tree, SESSION), ["31", "41"], "the clean-up was done");
}

#[test]
fn a_log_is_json_line_by_line() {
    let tree = nsml::storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    let run = world.run(["apply", "--yes", "--policy", &policy, "--log-format", "json"]).ok();
    let lines: Vec<serde_json::Value> =
        run.stderr.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let end = lines.iter().find(|l| l["message"] == "run ended").unwrap();
    assert_eq!((end["moved"].as_u64(), end["exit_code"].as_u64()), (Some(7), Some(0)), "{end}");
    assert!(end["run"].is_string() && end["timestamp"].is_string(), "{end}");
    let run = world.run(["apply", "--yes", "-C", "missing\u{1b}", "--log-format", "json"]).code(2);
    let last: serde_json::Value = serde_json::from_str(run.stderr.lines().last().unwrap()).unwrap();
    assert_eq!((last["level"].as_str(), last["exit_code"].as_u64()), (Some("ERROR"), Some(2)));
    assert!(!run.stderr.contains('\u{1b}'), "{run}");
}

#[test]
fn a_summary_is_appended_as_markdown() {
    let tree = nsml::storage();
    let world = World::within(tree.path());
    let policy = nsml::policy(&world, LAST_TWO);
    tree.file("summary.md", "before\n");
    world.run(["apply", "--yes", "--policy", &policy, "--summary", "summary.md"]).ok();
    let text = tree.read("summary.md");
    assert!(text.starts_with("before\n# Retention plan\n"), "{text}");
    assert!(text.contains("| **delete** | 0 |") && text.contains("Moved 7"), "{text}");
    world.run(["apply", "--yes", "--policy", "missing.toml", "--summary", "summary.md"]).code(2);
    assert!(tree.read("summary.md").contains("cannot read"), "a failure is said as well");
}
