//! The tables hold together, and nothing that the engine may say is missing from them.

use super::*;
use crate::core::policy;
use std::collections::BTreeSet;
use std::path::Path;

fn is_korean(text: &str) -> bool {
    text.chars().any(|c| ('가'..='힣').contains(&c))
}

#[test]
fn tables_are_pairs_whose_gaps_agree() {
    for (name, text) in [("policy", POLICY), ("work", WORK), ("scan", SCAN), ("reasons", REASONS)] {
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len() % 2, 0, "{name}");
        let mut seen = BTreeSet::new();
        for pair in lines.chunks(2) {
            let (english, korean) = (pair[0], pair[1]);
            assert!(!is_korean(english) && is_korean(korean), "{name}: {english}\n{korean}");
            assert!(seen.insert(english), "{name}: twice {english}");
            let gaps = english.matches("{}").count();
            for number in gaps + 1..10 {
                let (plain, age) = (format!("{{{number}}}"), format!("{{{number}a}}"));
                assert!(!korean.contains(&plain) && !korean.contains(&age), "{korean}");
            }
            assert!(!korean.contains("{}"), "{korean}");
        }
    }
}

#[test]
fn a_sentence_is_found_with_what_is_in_it() {
    let error = "stopped: a/b 7 changed while it was moved; it is back at its path. Nothing is in the trash";
    assert_eq!(
        fault(error),
        "멈췄습니다: a/b 7이(가) 옮기는 동안 변경되었습니다. 제자리로 되돌렸습니다. 휴지통에 든 것은 없습니다"
    );
    let faulty = "x/metadata.json: metadata.json is damaged: ends too early at byte 9";
    let said =
        "x/metadata.json: metadata.json이(가) 손상되었습니다: 9바이트 위치: 너무 일찍 끝납니다";
    assert_eq!(fault(faulty), said);
    assert_eq!(
        diagnostic("`[[policy]]` takes `a`, `b` and `c`"),
        "`[[policy]]`에는 `a`, `b`, `c`을(를) 씁니다"
    );
    assert_eq!(
        journal("last: rank 9 of 2 · written 9d 2h ago, younger than min-age"),
        "last: 9번째, 보존은 2개 · 9일 2시간 전에 기록됨, min-age보다 최근임"
    );
}

#[test]
fn what_is_filled_in_may_look_like_a_gap() {
    assert_eq!(fault("{2} 1 changed while it was moved; it is back at its path"), {
        let said = fault("a/b 1 changed while it was moved; it is back at its path");
        said.replace("a/b", "{2}")
    });
    let table = Table::of(&["{} is {} and {}\n{3}, {1}, {2a}, {9}"]);
    assert_eq!(table.said("{3} is 2d and {1}"), "{1}, {3}, 2일, {9}");
}

#[test]
fn what_is_nobodys_sentence_stays() {
    for text in ["", "Permission denied (os error 13)", "a name: with colons: in it", "논문"] {
        assert_eq!((fault(text), diagnostic(text)), (text.to_owned(), text.to_owned()));
    }
    assert_eq!(
        fault("a: b cannot be read: Permission denied (os error 13)"),
        "a: b을(를) 읽을 수 없습니다: Permission denied (os error 13)"
    );
}

/// Every fault of a policy that `docs/errors.md` gives an example of.
#[test]
fn every_documented_fault_of_a_policy_is_told_in_korean() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors.md");
    let docs = std::fs::read_to_string(path).unwrap();
    let mut seen = BTreeSet::new();
    for example in docs.split("```toml wrong\n").skip(1) {
        let text = example.split("```").next().unwrap_or_default();
        for d in policy::load(text).diagnostics {
            let labels = d.secondary.iter().map(|(_, label)| label.as_str());
            let parts =
                [d.message.as_str(), d.label.as_str(), d.help.as_deref().unwrap_or_default()];
            for part in parts.into_iter().chain(labels).filter(|p| p.contains(' ')) {
                // What the parsers of TOML, globs and regular expressions say is theirs.
                let theirs =
                    part == d.label && ["E0205-glob", "E0209-regex"].contains(&d.code.as_str());
                assert!(theirs || is_korean(&diagnostic(part)), "{}: {part}", d.code);
            }
            seen.insert(d.code);
        }
    }
    assert!(seen.len() > 35, "only {seen:?}");
}

/// The texts of a source file that are sentences: with a space between words, outside its tests.
fn sentences(file: &Path) -> Vec<String> {
    let source = std::fs::read_to_string(file).unwrap();
    let source = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let code: Vec<&str> = source.lines().filter(|l| !l.trim_start().starts_with("//")).collect();
    let (mut out, mut rest) = (Vec::new(), code.join("\n"));
    while let Some(at) = rest.find('"') {
        let before = rest[..at].chars().next_back();
        rest.drain(..=at);
        if before == Some('\'') {
            // A quote as a character.
            continue;
        }
        let (mut text, mut end, mut escaped) = (String::new(), rest.len(), false);
        for (i, c) in rest.char_indices() {
            match (escaped, c) {
                (false, '\\') => escaped = true,
                (false, '"') => {
                    end = i;
                    break;
                }
                (true, '\n') => {
                    // A line goes on below.
                    text.push('\n');
                    escaped = false;
                }
                _ => {
                    text.push(c);
                    escaped = false;
                }
            }
        }
        rest.drain(..(end + 1).min(rest.len()));
        let text = text.split('\n').map(str::trim_start).collect::<String>();
        out.push(text);
    }
    out
}

/// Texts of these files that no page shows.
const NOT_SHOWN: &[&str] = &[
    // Parts of a sentence that is here as a whole.
    "{} {last_word} {last}",
    "{{ {} = .. }}",
    "total` or `free",
    "in the trash and restorable",
    "left or put back at their paths",
    "purged to the end",
    "is neither a directory nor a file",
    "has another file system mounted in it",
    "is another file system than its folder",
    "holds files of several users",
    "belongs to another user than its folder",
    "a pointer or `.retain`",
    // For the log of the process.
    "opening directories below the root",
    "an empty trash folder stays",
    "an empty journal stays",
    "the journal's spare space stays reserved",
    "the run is not marked as settled",
    "the lock stays as it is",
    "the umask closes the lock to the group",
];

#[test]
fn what_the_engine_may_say_is_told_in_korean() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let policy = "calendar policy/declare policy/discard policy/exclude policy/expected policy/load policy/matching \
        policy/reader policy/rules policy/scalar policy/settings policy/size policy/space \
        policy/syntax policy/tables policy/testing policy/when";
    let work = "dir home journal located lock outcome pointed purge purge/spared recover recover/told \
        remove revalidate root root/marker root/refuse run run/batch run/inner run/session site \
        trash undo undo/foreseen wanted work";
    let scan = "assemble draft link needs needs/adapter needs/known needs/leads walk";
    let files = |folder: &str, names: &str| {
        let one = |n: &str| src.join(folder).join(n).with_extension("rs");
        names.split_whitespace().map(one).collect::<Vec<_>>()
    };
    let mut untold = Vec::new();
    let mut heard = 0;
    for (said, files) in [
        (diagnostic as fn(&str) -> String, files("core", policy)),
        (fault, files("apply", work)),
        (fault, files("scan", scan)),
    ] {
        for file in files {
            for text in sentences(&file).iter().filter(|t| t.split(' ').count() >= 3) {
                if NOT_SHOWN.contains(&text.as_str()) {
                    continue;
                }
                heard += 1;
                if !is_korean(&said(&filled(text))) {
                    untold.push(format!("{}: {text}", file.display()));
                }
            }
        }
    }
    assert!(heard > 300, "{heard}");
    assert!(untold.is_empty(), "no Korean for:\n{}", untold.join("\n"));
}

/// A format string with something in its gaps.
fn filled(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        if let Some(after) = rest[at..].strip_prefix("{{") {
            out.push('{');
            rest = after;
        } else {
            let end = rest[at..].find('}').map_or(rest.len(), |e| at + e + 1);
            let gap = &rest[at + 1..end.saturating_sub(1)];
            let is_gap = gap.chars().all(|c| c.is_ascii_alphanumeric() || "_:?.".contains(c));
            out.push_str(if is_gap { "X" } else { &rest[at..end] });
            rest = &rest[end..];
        }
    }
    out.push_str(rest);
    out.replace("}}", "}")
}
