//! What the documentation says about layouts is what the layouts say of themselves.

use retain::layout::{about, builtin};
use std::path::Path;

const BEGIN: &str = "<!-- layouts -->\n";
const END: &str = "<!-- end of layouts -->\n";

#[test]
fn the_table_in_the_docs_is_of_the_recognisers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/layouts.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (written, after) = rest.split_once(END).unwrap();
    let table = format!("\n{}\n", about::table(&builtin()));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(
        written, table,
        "docs/layouts.md is old: UPDATE_DOCS=1 cargo test --test layouts docs"
    );
}

#[test]
fn the_page_for_newcomers_shows_the_trait_as_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/writing-a-layout.md")).unwrap();
    let code = std::fs::read_to_string(root.join("src/layout.rs")).unwrap();
    let (_, shown) = page.split_once("pub trait Layout").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    let functions: Vec<&str> = shown
        .lines()
        .map(|l| l.trim().trim_end_matches(';'))
        .filter(|l| l.starts_with("fn "))
        .collect();
    let (_, defined) = code.split_once("pub trait Layout").unwrap();
    let (defined, _) = defined.split_once("\n}\n").unwrap();
    let count = defined.lines().filter(|l| l.starts_with("    fn ")).count();
    assert_eq!(functions.len(), count, "a function of the trait is not on the page");
    for function in functions {
        assert!(defined.contains(function), "{function}");
    }
}
