//! The API says what its document says, and what the command line says.

use crate::nsml::{self, SESSION, left};
use crate::owners::{ended, finished};
use crate::server::Server;
use crate::support::Tree;
use serde_json::{Value, json};
use std::os::unix::fs::MetadataExt as _;

#[test]
fn the_document_and_the_server_agree() {
    let tree = nsml::storage();
    let server = Server::start(&tree);
    let token = server.token("administrator");
    let document = server.api("/openapi.json");
    assert_eq!(document["openapi"], "3.1.0");
    let mut asked = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let documented = operation["responses"].as_object().unwrap();
            let real = path.replace("{root}", server.slug()).replace("{job}", "nojob");
            if real.ends_with("/events") && real.contains(server.slug()) {
                continue; // It does not end: `events_tell_how_it_goes` reads it.
            }
            let bodies = match method.as_str() {
                "get" => vec![None],
                _ => vec![Some(json!({})), Some(json!([])), Some(json!({ "session": 1 }))],
            };
            for body in bodies {
                let real = format!("/api/v1{real}");
                let answer = match &body {
                    None => server.get_as(&token, &real),
                    Some(body) => server.post_as(&token, &real, body),
                };
                let status = answer.status.to_string();
                assert!(documented.contains_key(&status), "{method} {path}: {status}");
                assert!(answer.status < 500, "{method} {path}: {answer:?}");
                let kind = answer.header("content-type").unwrap();
                let content = documented[&status]["content"].as_object().unwrap();
                assert!(content.contains_key(kind), "{method} {path}: {status} {kind}");
                asked += 1;
            }
            let other = if method == "get" { "DELETE" } else { "PUT" };
            let bearer = format!("Bearer {token}");
            let wrong =
                server.send(other, &format!("/api/v1{real}"), &[("Authorization", &bearer)], "");
            assert_eq!(wrong.status, 405);
        }
    }
    assert!(asked > 20, "{asked}");
    server.get_as(&token, &server.of_root("sessions?limit=x")).is(400);
    server.get_as(&token, &server.of_root("sessions?colour=red")).is(400);
}

#[test]
fn it_is_the_json_of_the_command_line() {
    let tree = nsml::storage();
    let server = Server::start(&tree);
    let world = || nsml::world(&tree);
    let cli = |args: &[&str]| world().run([args, &["--json"]].concat()).json();
    let same = |api: &Value, cli: &Value, keys: &[&str]| {
        for key in keys {
            assert_eq!(api[key], cli[key], "{key}");
        }
    };
    let api = server.api(&format!("/roots/{}/sessions", server.slug()));
    same(
        &api,
        &cli(&["ls"]),
        &["format", "root", "now", "sessions", "unrecognised_files", "faults"],
    );
    let api = server.api(&format!("/roots/{}/session?session={SESSION}", server.slug()));
    same(&api, &cli(&["ls", SESSION, "-l"]), &["format", "sessions"]);
    let api = server.api(&format!("/roots/{}/why?session={SESSION}&checkpoint=0", server.slug()));
    assert_eq!(api, cli(&["why", SESSION, "0"]));
    let api = server.api(&format!("/roots/{}/plan", server.slug()));
    let plan = cli(&["plan"]);
    same(&api, &plan, &["format", "root", "now", "policy", "totals", "decisions", "digest"]);
}

/// A file that owners share counts for each of them, and once for who sees the whole.
#[test]
fn totals_count_a_shared_file_once() {
    let tree = Tree::new();
    let weights = "mnist/1/nsml_model/4/model/weights";
    for owner in ["a", "b"] {
        nsml::write_as(&tree, &format!("{owner}/mnist/1"));
    }
    tree.file(format!("a/{weights}"), vec![1; 100_000]);
    std::fs::remove_file(tree.at(format!("b/{weights}"))).unwrap();
    tree.hard_link(format!("b/{weights}"), format!("a/{weights}"));
    let shared = std::fs::metadata(tree.at(format!("a/{weights}"))).unwrap().blocks() * 512;
    nsml::world(&tree).run(["init"]).ok();
    tree.file("policy.toml", format!("version = 1\n{}", nsml::LAST_TWO));
    let args = ["--owner", "a", "--owner", "b", "--policy", "policy.toml"];
    let server = Server::with(&tree, &args);
    let totals = |who: &str| {
        let roots = server.get_as(&server.token(who), "/api/v1/roots").is(200).json();
        let totals = roots["roots"][0]["totals"].clone();
        ["sessions", "checkpoints", "bytes", "delete_bytes"].map(|n| totals[n].as_u64().unwrap())
    };
    let ([all, a, b], root) = (["administrator", "a", "b"].map(totals), server.root.clone());
    assert_eq!(all[..2], [a[0] + b[0], a[1] + b[1]], "{root}");
    assert_eq!(all[2], a[2] + b[2] - shared);
    // It is freed only if both let go of it.
    assert_eq!(all[3], a[3] + b[3] + shared);
    let policy = tree.at("policy.toml");
    let usage = ["usage", "--json", "--policy", policy.to_str().unwrap()];
    let usage = nsml::world(&tree).run(usage).ok().json();
    assert_eq!(usage["total"]["bytes"], all[2], "{usage:#}");
}

#[test]
fn delete_and_undo_by_program() {
    let tree = nsml::storage();
    let server = Server::start(&tree);
    let token = server.token("administrator");
    let choice = json!({ "session": SESSION, "checkpoint": ["{0..2}"] });
    let plan = server.post_as(&token, &server.of_root("choice"), &choice).is(200);
    assert_eq!(plan.json()["totals"]["delete"], 3);
    let mut body = choice.clone();
    body["digest"] = json!("0".repeat(64));
    let stale = server.post_as(&token, &server.of_root("apply"), &body).is(409).json();
    assert_eq!(stale["code"], "stale");
    assert_eq!(left(&tree, SESSION), nsml::IDS);
    body["digest"] = json!(plan.header("x-retain-digest").unwrap());
    let job = server.post_as(&token, &server.of_root("apply"), &body).is(202).json();
    let end = finished(&server, &token, &job);
    assert_eq!(end["report"]["format"], "retain-apply/1");
    assert_eq!(end["report"]["moved"]["checkpoints"], 3);
    assert_eq!(left(&tree, SESSION).len(), 6);
    let runs = server.api(&format!("/roots/{}/runs", server.slug()));
    assert_eq!(runs["runs"][0]["in_trash"]["checkpoints"], 3);
    let run = end["run"].as_str().unwrap();
    let one = server.api(&format!("/roots/{}/run?run={run}", server.slug()));
    assert_eq!(one["runs"][0]["items"].as_array().unwrap().len(), 3);
    let undo = json!({ "run": run, "session": SESSION, "id": "1" });
    let job = server.post_as(&token, &server.of_root("undo"), &undo).is(202).json();
    finished(&server, &token, &job);
    assert_eq!(left(&tree, SESSION).len(), 7);
    let purge = |n: u64| json!({ "run": run, "confirm": n });
    server.post_as(&token, &server.of_root("purge"), &purge(3)).is(422);
    let job = server.post_as(&token, &server.of_root("purge"), &purge(2)).is(202).json();
    assert_eq!(finished(&server, &token, &job)["report"]["purged"]["checkpoints"], 2);
    assert_eq!(left(&tree, SESSION).len(), 7);
}

/// What follows a run may fail: what was moved, and as which run, is told all the same.
#[test]
fn a_run_whose_upkeep_fails_is_told() {
    let tree = nsml::storage();
    tree.file(
        "policy.toml",
        "version = 1\nmin-age = \"0s\"\n[[policy]]\nname = \"p\"\nkeep = [{ last = 2 }]\n",
    );
    let world = nsml::world(&tree);
    world.run(["init"]).ok();
    // A run of a clock that was wrong, beside the checkpoints: no purge goes past it.
    let wrong = nsml::world(&tree).at_time("2041-01-01T00:00:00Z");
    wrong.run(["rm", SESSION, "0", "--yes"]).ok();
    tree.dir("nsmlteam/.retain");
    std::fs::rename(tree.at(".retain/journal"), tree.at("nsmlteam/.retain/journal")).unwrap();
    tree.dir(".retain/journal");
    let server = Server::with(&tree, &["--allow-delete", "--policy", "policy.toml"]);
    let token = server.token("administrator");
    let plan = server.get_as(&token, &server.of_root("plan")).is(200);
    let body = json!({ "digest": plan.header("x-retain-digest").unwrap() });
    let job = server.post_as(&token, &server.of_root("apply"), &body).is(202).json();
    let end = ended(&server, &token, &job);
    assert_eq!(end["phase"], "failed", "{end:#}");
    assert_eq!(end["report"]["moved"]["checkpoints"], 6, "{end:#}");
    let fault = end["fault"].as_str().unwrap();
    assert!(fault.contains("before run 20410101-") && fault.contains("set it right"), "{fault}");
    assert_eq!(left(&tree, SESSION).len(), 2);
    let run = end["run"].as_str().unwrap();
    world.run(["undo", run]).ok().says("Restored 6 checkpoints");
}

#[test]
fn events_tell_how_it_goes() {
    let tree = nsml::storage();
    let server = Server::start(&tree);
    let token = server.token("administrator");
    let choice = json!({ "session": SESSION, "checkpoint": ["0"] });
    let plan = server.post_as(&token, &server.of_root("choice"), &choice).is(200);
    let mut body = choice;
    body["digest"] = json!(plan.header("x-retain-digest").unwrap());
    let job = server.post_as(&token, &server.of_root("apply"), &body).is(202).json();
    // The stream ends with the job.
    let path = format!("/api/v1/jobs/{}/events", job["job"].as_str().unwrap());
    let events = server.get_as(&token, &path).is(200);
    assert_eq!(events.header("content-type"), Some("text/event-stream"));
    let last = events.body.lines().rfind(|l| l.starts_with("data: ")).unwrap();
    let last: Value = serde_json::from_str(&last["data: ".len()..]).unwrap();
    assert_eq!((last["phase"].as_str(), &last["done"]), (Some("done"), &json!(1)), "{last}");
}

#[test]
fn the_curve_has_every_number() {
    let tree = nsml::storage();
    let server = Server::start(&tree);
    let curve = server.api(&format!("/roots/{}/curve?session={SESSION}", server.slug()));
    assert_eq!(curve["metric"], "loss");
    let points = curve["points"].as_array().unwrap();
    assert_eq!(points.len(), 9);
    for point in points {
        assert!(!point["reason"].as_str().unwrap().is_empty() && point["y"].is_number(), "{point}");
    }
}
