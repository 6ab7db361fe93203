//! Policy files as files: `policies/*.toml` for users, `tests/policies/{valid,warned,invalid}`.

use super::generated::{Generated, check};
use retain::core::policy::{self, Loaded, load, show};
use retain::report::diagnostic::render;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// All `*.toml` of a directory of the repository, in order.
pub fn toml_files(directory: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&directory)
        .unwrap_or_else(|e| panic!("{}: {e}", directory.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{}", directory.display());
    files
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// Loads a policy that has to be free of errors, and runs its tests; returns how many.
pub fn passes(what: &str, text: &str) -> (Loaded, usize) {
    let loaded = load(text);
    let drawn = render(what, text, &loaded.diagnostics, false);
    let Some(policy) = &loaded.policy else { panic!("{drawn}") };
    for test in &loaded.tests {
        let result = test.run(policy);
        let failures: Vec<String> =
            result.failures.iter().map(|f| test.explain(policy, &result, *f)).collect();
        assert!(result.passed(), "{what}: {}:\n  {}", test.name, failures.join("\n  "));
    }
    let count = loaded.tests.len();
    (loaded, count)
}

/// What `show` prints loads to the same policy, and stays the same when shown again.
fn shows_itself(what: &str, loaded: &Loaded) {
    let policy = loaded.policy.as_ref().unwrap();
    let shown = show(policy, &loaded.origins);
    let again = load(&shown);
    let drawn = render(what, &shown, &again.diagnostics, false);
    let same = again.policy.as_ref().unwrap_or_else(|| panic!("{drawn}\n{shown}"));
    assert_eq!(format!("{same:#?}"), format!("{policy:#?}"), "{what}\n{shown}");
    let strip = |text: &str| -> Vec<String> {
        text.lines().map(|l| l.split("  # ").next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(strip(&show(same, &again.origins)), strip(&shown), "{what}");
}

#[test]
fn the_policies_for_users_pass_their_own_tests() {
    for path in toml_files("policies") {
        let text = read(&path);
        let (loaded, tests) = passes(&name(&path), &text);
        assert_eq!(loaded.diagnostics, [], "{}", name(&path));
        assert!(tests >= 2, "{} has {tests} tests", name(&path));
        shows_itself(&name(&path), &loaded);
        let comment =
            text.lines().find(|l| l.starts_with('#') && !l.starts_with("#:")).unwrap_or_default();
        assert!(comment.starts_with("# For "), "{} does not open with whom it is for", name(&path));
    }
}

#[test]
fn the_embedded_policies_pass_their_own_tests() {
    for (what, text) in [("default", policy::DEFAULT), ("starter", policy::STARTER)] {
        let (loaded, tests) = passes(what, text);
        assert_eq!(loaded.diagnostics, [], "{what}");
        assert!(tests >= 2, "{what}");
        shows_itself(what, &loaded);
    }
}

#[test]
fn what_the_starter_comments_out_is_valid_too() {
    let text: String = policy::STARTER
        .lines()
        .map(|line| match line.trim_start().strip_prefix("# ") {
            Some(code) if code.contains(" = ") || code.starts_with("[[quota") => {
                format!("{code}\n")
            }
            _ => format!("{line}\n"),
        })
        .collect();
    assert!(
        text.contains("\nlimit = ") && text.contains("\n[[quota]]") && text.contains("\n{ daily")
    );
    // Its tests are about what is switched on from the start.
    assert_eq!(load(&text).diagnostics, [], "{text}");
}

#[test]
fn valid_files_load_without_a_word() {
    for path in toml_files("tests/policies/valid") {
        let (loaded, _) = passes(&name(&path), &read(&path));
        assert_eq!(loaded.diagnostics, [], "{}", name(&path));
        shows_itself(&name(&path), &loaded);
    }
}

#[test]
fn warned_files_load_with_the_expected_warnings() {
    for path in toml_files("tests/policies/warned") {
        let (loaded, _) = passes(&name(&path), &read(&path));
        assert!(!loaded.diagnostics.is_empty(), "{}", name(&path));
        shows_itself(&name(&path), &loaded);
    }
    check(&drawings("tests/policies/warned"));
}

#[test]
fn invalid_files_get_the_expected_diagnostics() {
    for path in toml_files("tests/policies/invalid") {
        let loaded = load(&read(&path));
        assert!(loaded.policy.is_none() && loaded.has_errors(), "{}", name(&path));
        assert!(loaded.tests.is_empty());
    }
    check(&drawings("tests/policies/invalid"));
}

#[test]
fn five_faults_give_five_diagnostics() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policies/invalid/five-faults.toml");
    let loaded = load(&read(&path));
    let codes: BTreeSet<&str> = loaded.diagnostics.iter().map(|d| d.code.as_str()).collect();
    assert_eq!((loaded.diagnostics.len(), codes.len()), (5, 5), "{codes:?}");
}

#[test]
fn every_code_has_a_file_that_shows_it() {
    // One needs a clock and one ten thousand lines: see rows.rs.
    let mut shown = BTreeSet::from(["W0703-expired-protection", "E0108-too-many"]);
    for directory in ["tests/policies/invalid", "tests/policies/warned"] {
        for path in toml_files(directory) {
            shown.extend(load(&read(&path)).diagnostics.iter().map(|d| d.code.as_str()));
        }
    }
    let all: BTreeSet<&str> = policy::ALL_CODES.iter().map(|c| c.as_str()).collect();
    assert_eq!(all.difference(&shown).collect::<Vec<_>>(), Vec::<&&str>::new());
}

/// Each `NAME.toml` of a directory, with what is said about it in `NAME.expected`.
pub fn drawings(directory: &str) -> Vec<Generated> {
    toml_files(directory)
        .into_iter()
        .map(|path| {
            let text = read(&path);
            let drawn = render(&name(&path), &text, &load(&text).diagnostics, false);
            Generated { path: path.with_extension("expected"), text: drawn }
        })
        .collect()
}
