use crate::tree::{Tree, brief, full};
use retain::core::model::Status;
use retain::format::json::{self, Value};
use std::fmt::Write as _;

/// The NSML manual's example session, as the server would hold it.
fn manual() -> Tree {
    let tree = Tree::new();
    let listing = json::parse(include_bytes!("../data/nsml_session.json")).unwrap();
    let session = listing.get("session").and_then(Value::as_str).unwrap();
    for c in listing.get("checkpoints").and_then(Value::as_list).unwrap() {
        let text = |key: &str| c.get(key).and_then(Value::as_str).unwrap();
        let number = |v: Option<&Value>| v.and_then(Value::as_f64).unwrap();
        let metadata = format!(
            r#"{{"checkpoint":"{}","saved_at":"{}","elapsed":{},"summary":{{"epoch":{},"loss":{}}}}}"#,
            text("id"),
            text("saved_at"),
            number(c.get("elapsed")),
            number(c.get("epoch")),
            number(c.get("metrics").unwrap().get("loss")),
        );
        let at = format!("{session}/nsml_model/{}", text("id"));
        tree.file(&format!("{at}/model/weights"), "w")
            .file(&format!("{at}/metadata.json"), metadata);
    }
    tree
}

#[test]
fn the_manuals_session() {
    let tree = manual();
    tree.file("nsmlteam/mnist/4/session.json", r#"{"status":"exited"}"#);
    let scan = tree.scan();
    assert_eq!(scan.faults, []);
    let shown = full(&scan.inventory);
    let (head, rest) = shown.split_once('\n').unwrap();
    assert!(head.starts_with("nsmlteam/mnist/4 | owner nsmlteam | nsml | exited | written "));
    insta::assert_snapshot!(rest);
    // As the manual prints them.
    let listing = json::parse(include_bytes!("../data/nsml_session.json")).unwrap();
    let mut summaries = String::new();
    for c in &scan.inventory.sessions[0].checkpoints {
        let _ = writeln!(summaries, "{} {}", c.id, c.summary().unwrap());
    }
    for c in listing.get("checkpoints").and_then(Value::as_list).unwrap() {
        let text = |key: &str| c.get(key).and_then(Value::as_str).unwrap();
        assert!(summaries.contains(&format!("{} {}\n", text("id"), text("summary"))));
    }
}

#[test]
fn submissions_and_status() {
    let tree = manual();
    tree.file(
        "nsmlteam/mnist/4/session.json",
        r#"{"status":"running","submissions":[{"checkpoint":"3","score":97.2},{"checkpoint":"gone"}]}"#,
    );
    let scan = tree.scan();
    assert_eq!(scan.inventory.sessions[0].status, Status::Running);
    let shown = brief(&scan);
    assert_eq!(shown.matches("submitted").count(), 1);
    assert!(shown.contains("  3 submitted\n"), "{shown}");
}

#[test]
fn a_running_fork_protects_what_it_started_from() {
    let fork = |root: &str, status: &str, parent: &str| {
        let tree = manual();
        let session = format!(r#"{{"status":"{status}","parent":{parent}}}"#);
        let at = format!("{root}nsmlteam/mnist/5");
        tree.file(&format!("{at}/session.json"), session)
            .file(&format!("{at}/nsml_model/0/metadata.json"), r#"{"checkpoint":"0"}"#);
        if !root.is_empty() {
            std::fs::rename(tree.at("nsmlteam"), tree.at("moved")).unwrap();
            std::fs::create_dir_all(tree.at(root).join("nsmlteam")).unwrap_or(());
            std::fs::rename(tree.at("moved/mnist/4"), tree.at(root).join("nsmlteam/mnist/4"))
                .unwrap();
        }
        brief(&tree.scan())
    };
    let parent = r#"{"session":"nsmlteam/mnist/4","checkpoint":"3"}"#;
    let shown = fork("", "running", parent);
    assert!(shown.contains("  3 <- running nsmlteam/mnist/5 (external)\n"), "{shown}");
    assert!(!fork("", "exited", parent).contains("<-"));
    let shown = fork("storage/a/", "running", parent);
    assert!(shown.contains("  3 <- running storage/a/nsmlteam/mnist/5 (external)\n"), "{shown}");
    let shown = fork("", "running", r#"{"session":"nsmlteam/mnist/4","checkpoint":"99"}"#);
    assert!(shown.contains("nsmlteam/mnist/5 (tainted)\n"), "{shown}");
    assert!(shown.contains("started from 99 of nsmlteam/mnist/4, which is not here"), "{shown}");
    assert!(shown.contains("nsmlteam/mnist/4\n"), "the parent is as it was: {shown}");
}

#[test]
fn unfinished_strange_and_contradicting() {
    let tree = Tree::new();
    tree.file("t/d/1/nsml_model/a/metadata.json", r#"{"checkpoint":"a"}"#)
        .file("t/d/1/nsml_model/b/model/weights", "")
        .file("t/d/1/nsml_model/c/metadata.json", r#"{"checkpoint":"other"}"#)
        .file("t/d/1/nsml_model/d/notes.txt", "")
        .file("t/d/1/nsml_model/loose", "")
        .dir("t/d/1/nsml_model/empty");
    let scan = tree.scan();
    assert_eq!(brief(&scan), "t/d/1\n  a\n  b incomplete\n  c ambiguous\n");
    assert_eq!(scan.unrecognised.files, 2);
}

#[test]
fn pulled_sessions() {
    let tree = Tree::new();
    let metadata = r#"{"checkpoint":"3","saved_at":"2019-08-02T11:29:05Z","summary":{"loss":5.7}}"#;
    tree.file("team_data_4/3/model/weights", "")
        .file("team_data_4/3/metadata.json", metadata)
        .file("team_data_4/session.json", r#"{"status":"exited"}"#);
    // Without metadata the shape has to do, and it proves little.
    tree.file("team_data_5/0/model/weights", "").file("team_data_5/1/model/weights", "");
    // Source code that looks like it must not be taken for checkpoints.
    tree.file("my_project_2/src/model/net.py", "")
        .file("my_project_2/src/train.py", "")
        .file("my_project_3/src/model/net.py", "")
        .file("my_project_3/docs/index.md", "")
        .file("project/src/model/net.py", "");
    assert_eq!(
        brief(&tree.scan()),
        "team_data_4\n  3\nteam_data_5\n  0 incomplete ambiguous\n  \
        1 incomplete ambiguous\n"
    );
}
