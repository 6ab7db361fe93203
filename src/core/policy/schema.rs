//! What is generated from the shape in [`super::raw`]: the JSON schema, and the key tables.

use super::raw::PolicyFile;
use serde_json::Value;
use std::collections::BTreeMap;

/// `policy.schema.json`: for editors (a first line `#:schema policy.schema.json`).
pub fn schema() -> String {
    let schema = schemars::schema_for!(PolicyFile);
    let mut text = format!("{:#}", schema.as_value());
    text.push('\n');
    text
}

/// One key of a table, as documented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDoc {
    pub key: String,
    pub required: bool,
    pub text: String,
}

/// The keys of every table, by the name of its shape (`PolicyFile`, `Rule`, ...).
pub fn tables() -> BTreeMap<String, Vec<KeyDoc>> {
    let schema = schemars::schema_for!(PolicyFile);
    let root = schema.as_value();
    let mut tables = BTreeMap::from([("PolicyFile".to_owned(), keys_of(root))]);
    for (name, shape) in root["$defs"].as_object().into_iter().flatten() {
        tables.insert(name.clone(), keys_of(shape));
    }
    tables.retain(|_, keys| !keys.is_empty());
    tables
}

fn keys_of(shape: &Value) -> Vec<KeyDoc> {
    let required = |key: &str| {
        shape["required"].as_array().is_some_and(|list| list.iter().any(|k| k == key))
    };
    let mut keys: Vec<KeyDoc> = shape["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| KeyDoc {
            key: key.clone(),
            required: required(key),
            text: value["description"].as_str().unwrap_or_default().replace('\n', " "),
        })
        .collect();
    keys.sort_by(|a, b| b.required.cmp(&a.required).then_with(|| a.key.cmp(&b.key)));
    keys
}

/// How a table is written, for messages and the reference.
pub fn place(shape: &str) -> &str {
    match shape {
        "PolicyFile" => "the top level",
        "Safety" => "`[safety]`",
        "Protect" => "`[[protect]]`",
        "ProtectMatch" => "`match` of `[[protect]]`",
        "Policy" => "`[[policy]]`",
        "Match" => "`match` of `[[policy]]`",
        "Rule" => "a `keep` rule",
        "Discard" => "a `discard` entry",
        "Limit" => "`limit`",
        "Quota" => "`[[quota]]`",
        "PolicyTest" => "`[[test]]`",
        "Disk" => "`disk` of `[[test]]`",
        "TestCheckpoint" => "a checkpoint of `[[test]]`",
        other => other,
    }
}

/// Where else a key may stand, as a phrase; `None` if nowhere.
pub(super) fn belongs_in(key: &str, not_in: &str) -> Option<String> {
    let tables = tables();
    let places: Vec<&str> = tables
        .iter()
        .filter(|(shape, keys)| {
            !matches!(shape.as_str(), "PolicyTest" | "TestCheckpoint" | "Disk")
                && shape.as_str() != not_in
                && keys.iter().any(|k| k.key == key)
        })
        .map(|(shape, _)| place(shape))
        .collect();
    (!places.is_empty()).then(|| places.join(" or "))
}
