//! A reviewer who reads only `src/apply` finds, for each invariant, where it is kept: its code stands
//! in a comment there.

use std::collections::BTreeSet;
use std::path::Path;

fn comments(at: &Path, out: &mut String) {
    if at.is_dir() {
        for entry in std::fs::read_dir(at).unwrap() {
            comments(&entry.unwrap().path(), out);
        }
        return;
    }
    let text = std::fs::read_to_string(at).unwrap();
    for line in text.lines() {
        if let Some((_, comment)) = line.split_once("//") {
            out.push_str(comment);
            out.push('\n');
        }
    }
}

/// Codes such as `I17`, whole words only.
fn codes(text: &str) -> BTreeSet<u32> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter_map(|w| w.strip_prefix('I')?.parse().ok()).collect()
}

#[test]
fn every_invariant_of_deletion_stands_in_a_comment_of_apply() {
    let mut text = String::new();
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    comments(&top.join("src/apply.rs"), &mut text);
    comments(&top.join("src/apply"), &mut text);
    let here = codes(&text);
    let missing: Vec<u32> = (1..=33).filter(|n| !here.contains(n)).collect();
    assert!(missing.is_empty(), "no comment of src/apply says I{missing:?}");
    let known = codes(&std::fs::read_to_string(top.join("docs/safety.md")).unwrap());
    let strange: Vec<&u32> = here.difference(&known).collect();
    assert!(strange.is_empty(), "docs/safety.md does not know I{strange:?}");
}

#[test]
fn a_code_is_a_whole_word() {
    assert_eq!(codes("I1, I20: (I33) PI4 I5x Is7 I"), [1, 20, 33].into());
}
