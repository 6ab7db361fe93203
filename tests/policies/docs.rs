//! The documentation's own examples and generated tables.

use super::files::passes;
use super::generated::Generated;
use retain::core::policy::{ALL_CODES, KeyDoc, load, place, show, tables};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn docs(name: &str) -> (PathBuf, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    (path, text)
}

/// The contents of all fenced blocks with this info string.
fn blocks(text: &str, info: &str) -> Vec<String> {
    let fence = format!("```{info}\n");
    let starts = text.match_indices(&fence).map(|(i, _)| i + fence.len());
    starts.map(|i| text[i..].split("\n```").next().unwrap_or_default().to_owned() + "\n").collect()
}

/// An example as a whole file: excerpts get what they leave out.
fn whole(example: &str) -> String {
    let has = |start: &str| example.lines().any(|line| line.trim_start().starts_with(start));
    let version = if has("version") { "" } else { "version = 1\n" };
    let in_policy = ["keep", "discard", "limit", "match"].iter().any(|key| has(key)) && !has("[[");
    let policy = if in_policy { "[[policy]]\n" } else { "" };
    let mut text = format!("{version}{policy}{example}");
    if !in_policy && !has("[[policy") {
        text.push_str("[[policy]]\nkeep = [{ all = true }]\n");
    }
    text
}

/// `docs/policy.md` with its generated part made anew.
pub fn reference() -> Generated {
    let (path, text) = docs("policy.md");
    let (begin, end) =
        ("<!-- generated from the types: do not edit -->\n", "<!-- end of the generated part -->");
    let (before, rest) = text.split_once(begin).expect("the generated part begins");
    let (_, after) = rest.split_once(end).expect("the generated part ends");
    Generated { path, text: format!("{before}{begin}{}{end}{after}", key_tables()) }
}

fn key_tables() -> String {
    let order = [
        "PolicyFile",
        "Safety",
        "Protect",
        "ProtectMatch",
        "Policy",
        "Match",
        "Rule",
        "Discard",
        "Limit",
        "Quota",
        "Layout",
        "LayoutMetrics",
        "PolicyTest",
        "TestCheckpoint",
        "Disk",
    ];
    let tables = tables();
    assert_eq!(tables.keys().map(String::as_str).collect::<BTreeSet<_>>(), BTreeSet::from(order));
    let mut out = String::new();
    for shape in order {
        let place = place(shape);
        let title = place[..1].to_uppercase() + &place[1..];
        let _ = write!(
            out,
            "\n### Keys of {}\n\n| key | what it says |\n|---|---|\n",
            title.replace("The ", "the ").replace("A ", "a ")
        );
        for KeyDoc { key, required, text } in &tables[shape] {
            let required = if *required { " (required)" } else { "" };
            let _ = writeln!(out, "| `{key}`{required} | {} |", text.replace('|', "\\|"));
        }
    }
    out.push('\n');
    out
}

#[test]
fn examples_of_the_reference_load_and_pass() {
    let (_, text) = docs("policy.md");
    let examples = blocks(&text, "toml");
    assert!(examples.len() > 20, "{}", examples.len());
    for example in examples {
        let (loaded, _) = passes("docs/policy.md", &whole(&example));
        assert_eq!(loaded.diagnostics, [], "{example}");
    }
}

#[test]
fn every_key_is_in_the_reference_and_every_rule_has_an_example() {
    let (_, text) = docs("policy.md");
    let examples = blocks(&text, "toml").join("\n");
    let rules: Vec<KeyDoc> = tables().remove("Rule").unwrap();
    for rule in rules {
        assert!(examples.contains(&format!("{} =", rule.key)), "no example of `{}`", rule.key);
    }
}

#[test]
fn every_code_has_a_section_whose_examples_hold() {
    let (_, text) = docs("errors.md");
    let sections: Vec<(&str, &str)> =
        text.split("\n## ").skip(1).filter_map(|section| section.split_once('\n')).collect();
    let titles: Vec<&str> = sections.iter().map(|(title, _)| title.trim()).collect();
    let codes: Vec<&str> = ALL_CODES.iter().map(|c| c.as_str()).collect();
    assert_eq!(titles, codes);
    for (code, section) in sections {
        let wrong = blocks(section, "toml wrong");
        let right = blocks(section, "toml");
        // Ten thousand lines make no example, and an expired protection shows only at a time.
        let shown_elsewhere = code.starts_with("E0108") || code.starts_with("W0703");
        assert!(
            (shown_elsewhere || !wrong.is_empty()) && !right.is_empty(),
            "{code} has no examples"
        );
        for example in wrong {
            let diagnostics = load(&example).diagnostics;
            let found = diagnostics.iter().any(|d| d.code.as_str() == code);
            assert!(found, "{code} is not what this gets: {diagnostics:#?}\n{example}");
        }
        for example in right {
            let (loaded, _) = passes(code, &example);
            assert_eq!(loaded.diagnostics, [], "{code}\n{example}");
        }
    }
}

#[test]
fn the_defaults_of_the_reference_are_those_of_the_program() {
    let (_, text) = docs("policy.md");
    let section = text.split("## Settings and their defaults").nth(1).unwrap();
    let smallest = "version = 1\n[[quota]]\nmin-free = \"1%\"\n[[policy]]\nkeep = [{ best = 1, min = \"m\" }, { every-steps = 1 }]\n";
    let loaded = load(smallest);
    let shown = show(&loaded.policy.unwrap(), &loaded.origins);
    let mut rows = 0;
    for row in section.lines().filter(|l| l.starts_with("| `")).take(12) {
        let cells: Vec<&str> = row.split(" | ").map(|c| c.trim_matches(['|', '`', ' '])).collect();
        let stated = match cells[1] {
            "none" => format!("# {}: none  # default", cells[0]),
            value => format!("{} = {value}", cells[0]),
        };
        assert!(shown.contains(&stated), "{stated}\n{shown}");
        rows += 1;
    }
    assert_eq!(rows, 12);
}
