//! `exclude` of `retain.toml`: globs are checked there as in a policy.
//!
//! One that can never match excludes nothing, and what it was to spare would be cleaned.

use super::codes;
use super::diagnostic::Diagnostic;
use super::matching::check_glob;
use super::reader::{Context, Table};
use super::syntax;
use crate::core::select::Scope;

/// The faults of `exclude`, whatever else stands in the text.
pub fn exclusions(text: &str) -> Vec<Diagnostic> {
    let mut cx = Context::new(text);
    let document = syntax::parse(&mut cx);
    let mut top = Table::new("Settings", document.get_ref(), 0..0, String::new());
    let globs = top.get(&mut cx, "exclude").and_then(|v| v.items()).unwrap_or_default();
    for item in &globs {
        let Some(pattern) = cx.string(item) else { continue };
        let is_sound = check_glob(&mut cx, item, &pattern, Scope::Path);
        // A session can be the root itself; what is excluded lies below it.
        if &*pattern == "." {
            cx.fault(codes::GLOB, &item.span, "`.` is the root itself, which cannot be excluded")
                .label("excludes nothing")
                .help("name what lies below the root, or write \"**\" for all of it");
            continue;
        }
        // A path of the machine, or `/`: what remains of it without the slash would not be meant.
        if !is_sound
            && pattern.starts_with('/')
            && let Some(fault) = cx.diagnostics.last_mut()
        {
            fault.help("write the path from the root on, without the root's own before it");
        }
    }
    cx.diagnostics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_that_spares_nothing_is_a_fault() {
        for glob in [
            "/abs/o/r", "o/r/", "./o/r", "/o/r", "o/", "o//r", "../o", ".", "/", "", "[", "o{1..3}",
        ] {
            let text = format!("exclude = [\"kept\", \"{glob}\"]\n");
            let faults = exclusions(&text);
            assert_eq!(faults.len(), 1, "{glob}: {faults:?}");
            assert_eq!(&text[faults[0].span.clone()], format!("\"{glob}\""));
            assert!(faults[0].is_error() && faults[0].help.is_some(), "{faults:?}");
        }
        let help =
            |glob: &str| exclusions(&format!("exclude = [\"{glob}\"]")).remove(0).help.unwrap();
        assert!(help("o/r/").contains("\"o/r\""), "{}", help("o/r/"));
        assert!(help("/o/r").contains("from the root on"), "{}", help("/o/r"));
        assert!(help(".").contains("\"**\""), "{}", help("."));
    }

    #[test]
    fn what_can_match_is_none() {
        let text =
            "exclude = [\"datasets\", \"**/cache\", \"a/*/b?\", \"{x,y}/**\", \"**\", \"a\"]\n";
        for text in [text, "exclude = []\n", "", "exclude = 3\n", "owner = \"uid\"\n"] {
            assert_eq!(exclusions(text), [], "{text}");
        }
    }
}
