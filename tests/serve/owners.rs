//! An owner's token shows and changes the owner's own sessions, and nobody learns of the others.

use crate::nsml::{self, left};
use crate::server::Server;
use crate::support::Tree;
use serde_json::json;

const MINE: &str = "nsmlteam/mnist/4";
const THEIRS: &str = "otherteam/mnist/7";

fn storage() -> Tree {
    let tree = Tree::new();
    nsml::write_as(&tree, MINE);
    nsml::write_as(&tree, THEIRS);
    nsml::world(&tree).run(["init"]).ok();
    tree
}

#[test]
fn others_are_not_there() {
    let tree = storage();
    let server = Server::with(&tree, &["--allow-delete", "--owner", "nsmlteam"]);
    let token = server.token("nsmlteam");
    let browser = server.browser_of(1);
    let pages = [
        format!("{}/sessions", server.root),
        format!("{}/sessions?q=other", server.root),
        format!("{}/sessions?owner=otherteam", server.root),
        format!("{}/plan", server.root),
        format!("{}/plan?verdict=protected", server.root),
        server.of_root("sessions"),
        server.of_root("plan"),
        server.of_root("runs"),
        "/api/v1/roots".to_owned(),
        server.of_root("usage"),
        server.root.clone(),
        format!("{}/trash", server.root),
        format!("{}/plan.json", server.root),
    ];
    for path in &pages {
        let page = browser.get(path).is(200).body;
        assert!(!page.contains("otherteam/mnist"), "{path}: {page}");
        // Where the disk lies is no owner's concern.
        assert!(!page.contains(tree.path().to_str().unwrap()) || path.contains("plan"), "{path}");
    }
    // Somebody else's and nobody's are the same answer.
    let (theirs, none) = (browser.session(THEIRS).is(404), browser.session("x/y/1").is(404));
    assert_eq!(theirs.body, none.body);
    for query in ["session", "curve"] {
        let path = server.of_root(&format!("{query}?session={THEIRS}"));
        server.get_as(&token, &path).is(404);
    }
    let roots = server.get_as(&token, "/api/v1/roots").is(200).json();
    assert_eq!(roots["roots"][0]["totals"]["checkpoints"], 9);
    assert_eq!(roots["roots"][0]["path"], json!(null));
}

#[test]
fn only_their_own_is_deleted_and_restored() {
    let tree = storage();
    let server = Server::with(&tree, &["--allow-delete", "--owner", "nsmlteam"]);
    let (mine, admin) = (server.token("nsmlteam"), server.token("administrator"));
    let choice = |session: &str| json!({ "session": session, "checkpoint": ["0", "1"] });
    server.post_as(&mine, &server.of_root("choice"), &choice(THEIRS)).is(404);
    let shown = server.post_as(&admin, &server.of_root("choice"), &choice(THEIRS)).is(200);
    let digest = shown.header("x-retain-digest").unwrap().to_owned();
    let mut body = choice(THEIRS);
    body["digest"] = json!(digest);
    server.post_as(&mine, &server.of_root("apply"), &body).is(404);
    let mark = json!({ "session": THEIRS, "checkpoint": ["0"], "action": "pin" });
    server.post_as(&mine, &server.of_root("marks"), &mark).is(404);
    assert_eq!(left(&tree, THEIRS), nsml::IDS);
    // The administrator deletes in both; the owner can restore one half of it.
    let job = server.post_as(&admin, &server.of_root("apply"), &body).is(202).json();
    let run = finished(&server, &admin, &job)["run"].as_str().unwrap().to_owned();
    server.post_as(&mine, &server.of_root("undo"), &json!({ "run": run })).is(404);
    server.post_as(&mine, &server.of_root("purge"), &json!({ "run": run, "confirm": 2 })).is(404);
    server.get_as(&mine, &format!("/api/v1/jobs/{}", job["job"].as_str().unwrap())).is(404);
    assert_eq!(left(&tree, THEIRS).len(), 7);
    // Their own goes like anybody's.
    let shown = server.post_as(&mine, &server.of_root("choice"), &choice(MINE)).is(200);
    let mut body = choice(MINE);
    body["digest"] = json!(shown.header("x-retain-digest").unwrap());
    let job = server.post_as(&mine, &server.of_root("apply"), &body).is(202).json();
    let own = finished(&server, &mine, &job)["run"].as_str().unwrap().to_owned();
    assert_eq!(left(&tree, MINE).len(), 7);
    let job = server.post_as(&mine, &server.of_root("undo"), &json!({ "run": own })).is(202).json();
    finished(&server, &mine, &job);
    assert_eq!(left(&tree, MINE), nsml::IDS);
}

/// The end of a job that does what it is to do.
pub fn finished(server: &Server, token: &str, job: &serde_json::Value) -> serde_json::Value {
    let job = ended(server, token, job);
    assert_eq!(job["phase"], "done", "{job}");
    job
}

/// A job's end, whichever it is.
pub fn ended(server: &Server, token: &str, job: &serde_json::Value) -> serde_json::Value {
    let path = format!("/api/v1/jobs/{}", job["job"].as_str().unwrap());
    for _ in 0..200 {
        let job = server.get_as(token, &path).is(200).json();
        if let Some("done" | "stale" | "failed") = job["phase"].as_str() {
            return job;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("the job never ended");
}
