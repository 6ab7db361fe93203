//! The sample that most transcripts use: the session of the NSML manual, and more like it.

use crate::support::{Tree, World};
use serde_json::Value;
use std::path::Path;

/// The instant at which the manual's listing was taken.
pub const MANUAL_NOW: &str = "2019-08-02T12:00:00Z";
pub const SESSION: &str = "nsmlteam/mnist/4";
pub const IDS: [&str; 9] = ["0", "1", "2", "3", "4", "11", "21", "31", "41"];

/// Writes the manual's session as NSML's server had it, under any name; only its files are small.
pub fn write_as(tree: &Tree, session: &str) {
    write(tree, session, |_| 5000);
}

/// Writes it with files as long as the manual's, without a block of their own.
pub fn write_full_size(tree: &Tree) {
    write(tree, SESSION, |bytes| bytes);
}

fn write(tree: &Tree, session: &str, size: impl Fn(u64) -> u64) {
    let manual: Value = serde_json::from_str(include_str!("../data/nsml_session.json")).unwrap();
    for checkpoint in manual["checkpoints"].as_array().unwrap() {
        let id = checkpoint["id"].as_str().unwrap();
        let metadata = serde_json::json!({
            "checkpoint": id,
            "saved_at": checkpoint["saved_at"],
            "elapsed": checkpoint["elapsed"],
            "summary": { "epoch": checkpoint["epoch"], "loss": checkpoint["metrics"]["loss"] },
        });
        let dir = format!("{session}/nsml_model/{id}");
        let bytes = checkpoint["bytes"].as_u64().unwrap();
        tree.sparse(format!("{dir}/model/weights"), size(bytes))
            .file(format!("{dir}/metadata.json"), metadata.to_string());
    }
    tree.file(format!("{session}/session.json"), r#"{"status":"exited"}"#);
}

/// A root with the manual's session, declared.
pub fn storage() -> Tree {
    let tree = Tree::new();
    write_as(&tree, SESSION);
    world(&tree).run(["init"]).ok();
    tree
}

/// Runs in the tree, so that no test needs to name the root.
pub fn world(tree: &Tree) -> World {
    World::within(tree.path())
}

/// The ids that a session still has on disk, in natural order.
pub fn left(tree: &Tree, session: &str) -> Vec<String> {
    let dir = tree.at(session).join("nsml_model");
    let mut ids: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|n| n != ".retain")
        .collect();
    ids.sort_by(|a, b| retain::core::name::natural_cmp(a, b));
    ids
}

/// A policy file outside of any root, with this body after its version.
pub fn policy(world: &World, body: &str) -> String {
    let path: &Path = &world.home().join("policy.toml");
    std::fs::write(path, format!("version = 1\n{body}")).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Keeps the newest two of every session, however young.
pub const LAST_TWO: &str = "min-age = \"0s\"\n[[policy]]\nname = \"two\"\nkeep = [{ last = 2 }]\n";
