//! Files that are generated: the schema, the tables of the reference, expected diagnostics.

use super::docs::reference;
use super::files::drawings;
use retain::core::policy::{self, load, show};
use std::path::{Path, PathBuf};

pub struct Generated {
    pub path: PathBuf,
    pub text: String,
}

fn all() -> Vec<Generated> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![
        Generated { path: root.join("policy.schema.json"), text: policy::schema() },
        reference(),
        shown("tests/policies/valid/everything.toml"),
        shown("policies/default.toml"),
    ];
    files.extend(drawings("tests/policies/invalid"));
    files.extend(drawings("tests/policies/warned"));
    files
}

/// What `policy show` prints of a file, under `tests/policies/shown`.
fn shown(policy_file: &str) -> Generated {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join(policy_file);
    let loaded = load(&std::fs::read_to_string(&path).unwrap());
    let text = show(loaded.policy.as_ref().unwrap(), &loaded.origins);
    Generated { path: root.join("tests/policies/shown").join(path.file_name().unwrap()), text }
}

/// Compares files with what they should be.
pub fn check(files: &[Generated]) {
    let stale: Vec<String> = files
        .iter()
        .filter(|file| std::fs::read_to_string(&file.path).unwrap_or_default() != file.text)
        .map(|file| format!("{} should be:\n{}", file.path.display(), file.text))
        .collect();
    assert!(
        stale.is_empty(),
        "out of date; if that is right, run `cargo test --test policies -- --ignored regenerate`\n{}",
        stale.join("\n")
    );
}

#[test]
fn nothing_generated_is_out_of_date() {
    check(&all());
}

#[test]
#[ignore = "writes the generated files of the repository anew"]
fn regenerate() {
    for file in all() {
        std::fs::write(&file.path, &file.text).unwrap();
    }
}

#[test]
fn every_expected_file_belongs_to_a_policy() {
    for directory in ["tests/policies/invalid", "tests/policies/warned"] {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            assert!(path.with_extension("toml").exists(), "{}", path.display());
        }
    }
}
