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
    let required =
        |key: &str| shape["required"].as_array().is_some_and(|list| list.iter().any(|k| k == key));
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
        "Layout" => "`[[layout]]`",
        "LayoutMetrics" => "`metrics` of `[[layout]]`",
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

#[cfg(test)]
mod tests {
    use super::super::load::asked;
    use super::*;
    use std::collections::BTreeSet;

    /// A file in which every table stands at least once.
    const EVERY_TABLE: &str = r#"
        version = 1
        [safety]
        [[protect]]
        match = { session = "a" }
        [[policy]]
        match = { session = "a" }
        keep = [{ last = 1 }]
        discard = [{ all = true }]
        limit = { max-count = 1 }
        [[quota]]
        [[layout]]
        metrics = { file = "log.csv" }
        [[test]]
        disk = { total = "2B", free = "1B" }
        checkpoints = [{ id = "1" }]
    "#;

    #[test]
    fn what_is_documented_is_read_and_the_reverse() {
        let documented: BTreeSet<(String, String)> = tables()
            .into_iter()
            .flat_map(|(shape, keys)| keys.into_iter().map(move |k| (shape.clone(), k.key)))
            .collect();
        let read: BTreeSet<(String, String)> =
            asked(EVERY_TABLE).into_iter().map(|(s, k)| (s.to_owned(), k.to_owned())).collect();
        assert_eq!(documented.difference(&read).collect::<Vec<_>>(), Vec::<&_>::new(), "not read");
        assert_eq!(
            read.difference(&documented).collect::<Vec<_>>(),
            Vec::<&_>::new(),
            "not documented"
        );
    }

    #[test]
    fn every_key_says_something() {
        for (shape, keys) in tables() {
            assert_ne!(place(&shape), shape, "no place for {shape}");
            for key in keys {
                assert!(key.text.ends_with('.'), "{shape}.{}: {:?}", key.key, key.text);
            }
        }
    }

    #[test]
    fn options_are_not_required() {
        let required = |shape: &str| -> Vec<String> {
            tables()[shape].iter().filter(|k| k.required).map(|k| k.key.clone()).collect()
        };
        assert_eq!(required("PolicyFile"), ["policy", "version"]);
        assert_eq!(required("Protect"), [] as [&str; 0]);
        assert_eq!(required("Layout"), ["name", "regex"]);
        assert_eq!(required("LayoutMetrics"), ["file"]);
        assert_eq!(required("PolicyTest"), ["checkpoints"]);
        assert_eq!(required("TestCheckpoint"), ["id"]);
    }
}
