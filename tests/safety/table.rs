//! docs/safety.md has a row for every row of the matrix, and every test that it names exists.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The matrix: how many rows each of its groups has.
const MATRIX: [(&str, u32); 8] =
    [("N", 18), ("T", 30), ("R", 17), ("F", 27), ("C", 10), ("P", 20), ("U", 8), ("W", 14)];

fn package(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Code, tests and result of each row of docs/safety.md.
fn rows() -> Vec<(String, String, String)> {
    let page = package("docs/safety.md");
    let tests = page.split("\n## Tests\n").nth(1).expect("a section of tests");
    // The tables of later sections are of other columns.
    let tests = tests.split("\n## ").next().unwrap_or_default();
    let rows = tests.lines().filter(|l| l.starts_with("| ") && !l.starts_with("| Row"));
    let cells = rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [code, _, tests, result] = cells[..] else { panic!("four cells: {row}") };
        (code.to_owned(), tests.to_owned(), result.trim_end_matches(" |").to_owned())
    });
    cells.collect()
}

#[test]
fn every_row_of_the_matrix_has_one_row_here() {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for (code, tests, result) in rows() {
        *seen.entry(code.clone()).or_default() += 1;
        assert!(!tests.is_empty() && !result.is_empty(), "{code} is empty");
        let has_test = tests.starts_with('`');
        assert!(has_test || tests.starts_with("no test"), "{code}: {tests}");
    }
    for (group, count) in MATRIX {
        for n in 1..=count {
            assert_eq!(seen.get(&format!("{group}{n}")), Some(&1), "{group}{n}");
        }
    }
}

#[test]
fn every_test_that_is_named_is_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut functions: BTreeSet<(String, String)> = BTreeSet::new();
    for dir in ["src", "tests"] {
        for entry in walkdir::WalkDir::new(root.join(dir)) {
            let entry = entry.unwrap();
            // The unit tests of a module that stand in a file of their own are called as it is.
            let path = entry.path();
            let called = path.parent().filter(|_| path.ends_with("tests.rs")).unwrap_or(path);
            let Some(file) = called.file_stem().and_then(|f| f.to_str()) else { continue };
            if entry.path().extension().is_none_or(|e| e != "rs") {
                continue;
            }
            let text = std::fs::read_to_string(entry.path()).unwrap();
            let mut is_test = false;
            for line in text.lines().map(str::trim) {
                if line.starts_with("#[test]") || line.starts_with("#[rstest]") {
                    is_test = true;
                } else if let Some(rest) = line.strip_prefix("fn ") {
                    // A function of `proptest!` has its attribute like others.
                    let name = rest.split('(').next().unwrap_or_default();
                    if is_test {
                        functions.insert((file.to_owned(), name.to_owned()));
                    }
                    is_test = false;
                }
            }
        }
    }
    assert!(functions.len() > 300, "{}", functions.len());
    let mut named = 0;
    for (code, tests, _) in rows().into_iter().filter(|(_, t, _)| t.starts_with('`')) {
        for test in tests.split(", ") {
            let test = test.trim_matches('`');
            let known = match test.rsplit_once("::") {
                Some((file, name)) => functions.contains(&(file.to_owned(), name.to_owned())),
                None => functions.iter().any(|(_, name)| name == test),
            };
            assert!(known, "{code}: no test is called {test}");
            named += 1;
        }
    }
    assert!(named > 100, "{named}");
}

#[test]
fn every_invariant_says_where_it_is_enforced() {
    let page = package("docs/safety.md");
    let table = page.split("\n## Invariants, and where they are enforced\n").nth(1).unwrap();
    let rows = table.split("\n## ").next().unwrap().lines().filter(|l| l.starts_with("| I"));
    let mut seen = BTreeSet::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [codes, _, enforced] = cells[..] else { panic!("three cells: {row}") };
        assert!(!enforced.is_empty(), "{row}");
        seen.extend(codes.split(", ").map(str::to_owned));
    }
    let all: BTreeSet<String> = (1..=33).map(|n| format!("I{n}")).collect();
    let missing: Vec<&String> = all.difference(&seen).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
