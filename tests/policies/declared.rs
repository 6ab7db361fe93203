//! `[[layout]]` tables of a policy.

use retain::core::declared::{Fact, Format};
use retain::core::policy::{LAYOUTS, layouts, load};
use std::path::Path;

/// A scan needs what a policy declares, also while its author is still at work on the rest.
#[test]
fn layouts_are_read_from_a_policy_that_is_faulty_elsewhere() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policies/valid/everything.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let whole = load(&text).policy.unwrap().layouts;
    assert!(whole.len() == 3 && whole.iter().all(|l| !LAYOUTS.contains(&&*l.name)));
    assert_eq!(layouts(&text), (whole.clone(), vec![]));
    let faulty = text.replace("max-count = 20", "max-count = 0").replace("version  = 1", "");
    assert!(load(&faulty).policy.is_none());
    assert_eq!(layouts(&faulty), (whole, vec![]));
    let (found, faults) = layouts("[[layout]]\nname = \"x\"\nregex = '('\n");
    assert_eq!(found, []);
    assert_eq!(faults.iter().map(|d| d.code.as_str()).collect::<Vec<_>>(), ["E0209-regex"]);
}

#[test]
fn metrics_are_in_the_format_of_their_extension_and_the_column_of_their_fact() {
    let cases = [
        ("log.csv", "step", Format::Csv, Fact::Step, "step"),
        ("log.json", "epoch", Format::Json, Fact::Epoch, "epoch"),
        ("log.jsonl", "id", Format::Jsonl, Fact::Id, "checkpoint"),
        ("../log.1.ndjson", "step", Format::Jsonl, Fact::Step, "step"),
    ];
    for (file, join, format, fact, column) in cases {
        let text = format!(
            "[[layout]]\nname = \"x\"\nregex = '(?<id>(?<step>\\d)(?<epoch>\\d))'\nmetrics = {{ file = \"{file}\", join = \"{join}\" }}\n"
        );
        let (found, faults) = layouts(&text);
        assert_eq!(faults, [], "{text}");
        let metrics = found[0].metrics.as_ref().unwrap();
        let join = metrics.join.as_ref().unwrap();
        assert_eq!(metrics.format, format, "{file}");
        assert_eq!((join.fact, &*join.column, join.offset), (fact, column, 0), "{file}");
    }
    for file in ["log", "log.txt", "csv", "log.csv.gz"] {
        let text = format!(
            "[[layout]]\nname = \"x\"\nregex = '(?<step>\\d)'\nmetrics = {{ file = \"{file}\", join = \"step\" }}\n"
        );
        let faults: Vec<&str> = layouts(&text).1.iter().map(|d| d.code.as_str()).collect();
        assert_eq!(faults, ["E0804-layout-metrics"], "{file}");
    }
}
