//! The shape of the code is a promise (DESIGN and ARCHITECTURE.md): this holds it.
//!
//! Invariants are written as absences: `core` knows no clock, one module deletes, arrows run one
//! way. A reviewer cannot see an absence; a test can.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Each top-level module and what it may use besides itself. Order: from the bottom up.
const ARROWS: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("whole", &[]),
    ("store", &["core"]),
    ("format", &["core", "store"]),
    ("inventory", &["core", "store", "format"]),
    ("marks", &["core", "whole", "store", "format"]),
    ("layout", &["core", "store", "format"]),
    ("scan", &["core", "store", "format", "inventory", "marks", "layout"]),
    ("apply", &["core", "store", "format", "marks"]),
    ("history", &["core", "whole"]),
    ("report", &["core"]),
    ("notify", &["core", "whole", "report"]),
    ("demo", &["core", "store", "marks"]),
    ("config", &["core", "scan"]),
    (
        "steps",
        &[
            "core",
            "store",
            "format",
            "inventory",
            "marks",
            "layout",
            "scan",
            "apply",
            "history",
            "report",
            "config",
        ],
    ),
    (
        "serve",
        &["core", "marks", "layout", "scan", "apply", "history", "report", "config", "steps"],
    ),
    (
        "cli",
        &[
            "core",
            "whole",
            "store",
            "format",
            "inventory",
            "marks",
            "layout",
            "scan",
            "apply",
            "history",
            "report",
            "notify",
            "demo",
            "config",
            "steps",
            "serve",
        ],
    ),
    ("main", &["cli"]),
    ("lib", &[]),
];

/// What only `src/apply` may call.
const DELETING: &[&str] = &[
    "unlinkat",
    "unlink",
    "rmdir",
    "renameat",
    "renameat_with",
    "renameat2",
    "remove_file",
    "remove_dir",
    "remove_dir_all",
    "fs::rename",
];
/// Files elsewhere that replace or remove a file of their own making, and why that is no deletion.
const OWN_FILES: &[(&str, &str)] = &[
    ("src/whole.rs", "replaces files of its own (marks, history, reports, index) by finished ones"),
    ("src/serve/listen.rs", "removes the socket that it, or a server before it, made"),
    ("src/history/file.rs", "sets a damaged history.sqlite aside"),
];

/// What a pure module cannot do.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::env",
    "std::io::std",
    "std::net",
    "std::process",
    "SystemTime",
    "Instant",
    "Utc::now",
    "Local::now",
    "println!",
    "eprintln!",
    "print!",
    "eprint!",
    "rustix",
    "walkdir",
    "tracing",
];

/// No file is longer than that.
const MAX_LINES: usize = 500;

struct Source {
    /// Relative to the package.
    path: PathBuf,
    text: String,
}

impl Source {
    /// `core` for `src/core/decide/rules.rs` and for `src/core.rs`.
    fn module(&self) -> String {
        let mut parts = self.path.iter().skip(1);
        let first = parts.next().expect("a file in src").to_string_lossy();
        first.trim_end_matches(".rs").to_owned()
    }

    /// How many modules deep it is: 3 for `src/core/decide/rules.rs`.
    fn depth(&self) -> usize {
        self.path.iter().count() - 1
    }

    /// Without comments, and without the tests at its end.
    fn code(&self) -> String {
        if self.path.ends_with("tests.rs") {
            return String::new();
        }
        code(&self.text)
    }
}

fn code(text: &str) -> String {
    let body = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = body.lines().map(|l| l.split_once("//").map_or(l, |(code, _)| code));
    lines.collect::<Vec<_>>().join("\n")
}

fn rust_files(dir: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(root.join(dir)).sort_by_file_name() {
        let entry = entry.expect("the package");
        if entry.path().extension().is_some_and(|e| e == "rs") {
            let path = entry.path().strip_prefix(root).expect("below the package").to_path_buf();
            let text = std::fs::read_to_string(entry.path()).expect("UTF-8");
            files.push(Source { path, text });
        }
    }
    assert!(!files.is_empty(), "{dir} has no Rust files");
    files
}

/// The top-level modules that the code names by `crate::` or, in the binary, `retain::`.
fn uses(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for prefix in ["crate::", "retain::"] {
        for (at, _) in code.match_indices(prefix) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '$') {
                continue;
            }
            let rest = code[at + prefix.len()..].trim_start();
            if let Some(group) = rest.strip_prefix('{') {
                found.extend(group_heads(group));
            } else {
                found.extend(word(rest));
            }
        }
    }
    found
}

/// The first word of every item of `a::b, c::{d, e}}`.
fn group_heads(group: &str) -> Vec<String> {
    let mut heads = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' | ',' if depth == 0 => {
                heads.extend(word(group[start..at].trim_start()));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    heads
}

fn word(text: &str) -> Option<String> {
    let word: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

/// The longest `super::super::` chain.
fn climbs(code: &str) -> usize {
    let mut longest = 0;
    for (at, _) in code.match_indices("super::") {
        let chain = code[at..].split("::").take_while(|part| *part == "super").count();
        longest = longest.max(chain);
    }
    longest
}

/// Whether the code has this as a whole word (the needle may have `::` in it, or end in `!`).
fn names(code: &str, needle: &str) -> bool {
    let part_of_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    code.match_indices(needle).any(|(at, found)| {
        !part_of_word(code[..at].chars().next_back())
            && !part_of_word(code[at + found.len()..].chars().next())
    })
}

fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// The reader's table says the same as this one.
#[test]
fn the_map_has_the_arrows() {
    let map = include_str!("../ARCHITECTURE.md");
    let row = |name: &str| map.lines().find(|l| l.starts_with(&format!("| `{name}` |")));
    for (name, allowed) in ARROWS.iter().filter(|(name, _)| !["main", "lib"].contains(name)) {
        let row = row(name).unwrap_or_else(|| panic!("ARCHITECTURE.md has no row for `{name}`"));
        let cell = row.trim_end_matches('|').rsplit('|').next().expect("a cell");
        let written: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
        if *name == "cli" {
            assert_eq!((cell.trim(), allowed.len()), ("all of them", ARROWS.len() - 3), "{row}");
        } else {
            assert_eq!(written, *allowed, "{row}");
        }
    }
}

#[test]
fn arrows_run_one_way() {
    let mut faults = Vec::new();
    for file in rust_files("src") {
        let module = file.module();
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == module) else {
            faults.push(format!("{}: `{module}` has no place in ARROWS", file.path.display()));
            continue;
        };
        for used in uses(&file.code()) {
            if used != module && !allowed.contains(&used.as_str()) {
                faults.push(format!("{}: uses `{used}`", file.path.display()));
            }
        }
        if climbs(&file.code()) >= file.depth() {
            faults.push(format!("{}: climbs to the crate by `super::`", file.path.display()));
        }
    }
    assert_none(&faults);
}

#[test]
fn the_table_of_arrows_has_no_cycle() {
    for (at, (name, allowed)) in ARROWS.iter().enumerate() {
        for used in *allowed {
            let below = ARROWS[..at].iter().any(|(lower, _)| lower == used);
            assert!(below, "`{name}` may use `{used}`, which does not stand below it");
        }
    }
}

#[test]
fn core_is_pure() {
    let mut faults = Vec::new();
    for file in rust_files("src").iter().filter(|f| f.module() == "core") {
        let code = file.code();
        for needle in IMPURE.iter().filter(|n| names(&code, n)) {
            faults.push(format!("{}: `{needle}`", file.path.display()));
        }
    }
    assert_none(&faults);
}

#[test]
fn one_module_deletes() {
    let mut faults = Vec::new();
    for file in rust_files("src").iter().filter(|f| f.module() != "apply") {
        let path = file.path.to_string_lossy();
        if OWN_FILES.iter().any(|(own, _)| *own == path) {
            continue;
        }
        let code = file.code();
        for call in DELETING.iter().filter(|call| names(&code, call)) {
            faults.push(format!("{path}: `{call}`; only src/apply deletes and moves"));
        }
    }
    assert_none(&faults);
    for (own, why) in OWN_FILES {
        let there = Path::new(env!("CARGO_MANIFEST_DIR")).join(own).exists();
        assert!(there, "{own} is gone, and its exception ({why}) with it");
    }
}

#[test]
fn files_hold_one_idea() {
    let mut faults = Vec::new();
    for file in ["src", "tests", "benches"].iter().flat_map(|dir| rust_files(dir)) {
        let lines = file.text.lines().count();
        if lines > MAX_LINES {
            faults.push(format!("{}: {lines} lines, at most {MAX_LINES}", file.path.display()));
        }
    }
    assert_none(&faults);
}

#[test]
fn every_file_says_why_it_exists() {
    let mut faults = Vec::new();
    for file in rust_files("src") {
        let generated = file.module() == "main";
        if !generated && !file.text.starts_with("//! ") {
            faults.push(format!("{}: does not open with `//!`", file.path.display()));
        }
    }
    assert_none(&faults);
}

/// Links of the documents a stranger reads lead somewhere in the package.
#[test]
fn links_resolve() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut documents = vec![PathBuf::from("README.md"), PathBuf::from("ARCHITECTURE.md")];
    documents.push("CHANGELOG.md".into());
    for entry in walkdir::WalkDir::new(root.join("docs")).sort_by_file_name() {
        let Ok(entry) = entry else { continue };
        if entry.path().extension().is_some_and(|e| e == "md") {
            let path = entry.path().strip_prefix(root).expect("below the package");
            documents.push(path.to_path_buf());
        }
    }
    let mut faults = Vec::new();
    for document in &documents {
        let text = std::fs::read_to_string(root.join(document)).expect("a document");
        for link in links(&text).into_iter().filter(|l| !l.contains("://")) {
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() {
                root.join(document)
            } else {
                root.join(document).parent().expect("a folder").join(path)
            };
            if !target.exists() {
                faults.push(format!("{}: {link} does not exist", document.display()));
            } else if !anchor.is_empty() {
                let text = std::fs::read_to_string(&target).unwrap_or_default();
                if !anchors(&text).contains(anchor) {
                    faults.push(format!("{}: {link} has no such heading", document.display()));
                }
            }
        }
    }
    assert_none(&faults);
}

/// Targets of `[text](target)` outside code blocks.
fn links(markdown: &str) -> Vec<String> {
    let prose: Vec<&str> = markdown.split("```").step_by(2).collect();
    let prose = prose.join(" ");
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.map(str::to_owned).collect()
}

/// Headings as GitHub makes anchors of them.
fn anchors(markdown: &str) -> BTreeSet<String> {
    let headings = markdown.lines().filter(|l| l.starts_with('#'));
    headings
        .map(|line| {
            let text = line.trim_start_matches('#').trim().to_lowercase();
            let kept = text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

#[test]
fn these_checks_can_fail() {
    let used = |text: &str| uses(&code(text)).into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(used("use crate::store::unit;"), "store");
    assert_eq!(used("use crate::{core::{model, plan}, apply, scan::scan};"), "apply core scan");
    assert_eq!(used("let x = crate::cli::run(); // crate::report"), "cli");
    assert_eq!(used("fn main() { retain::cli::run() }"), "cli");
    assert_eq!(used("use other_crate::store; $crate::store"), "");
    assert_eq!(used("a();\n#[cfg(test)]\nmod tests { use crate::cli; }"), "");
    assert_eq!(climbs("use super::super::store;"), 2);
    assert_eq!(climbs("use super::a; use super::super::b;"), 2);
    assert!(names("std::fs::read(x)", "std::fs"));
    assert!(names("x(); println!(1)", "println!") && !names("eprintln!(1)", "println!"));
    assert!(!names("Instantiate", "Instant"));
    assert!(names("fs::unlinkat(dir)", "unlinkat") && !names("unlinkat(dir)", "unlink"));
    assert_eq!(links("see [a](b.md#c), ```[x](y)``` and [d](e)"), ["b.md#c", "e"]);
    assert!(anchors("# One\n## What it can't do: a list").contains("what-it-cant-do-a-list"));
}
