//! Draws the faults of a policy file: place, caret, what to write instead, and the code's page.

use crate::core::policy::{Diagnostic, Position, Severity};
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::ops::Range;

/// More faults of one file than these are counted and not drawn: nobody reads them, and each has its
/// place counted from the start of the file.
const DRAWN: usize = 100;

/// The diagnostics of one file, each as `FILE:LINE:COLUMN` with its lines, and a last line that
/// counts them; of more than a hundred the first, errors before warnings. `text` is what the
/// diagnostics were made from; `color` adds terminal styles.
pub fn render(path: &str, text: &str, diagnostics: &[Diagnostic], color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let mut out = String::new();
    let mut drawn: Vec<&Diagnostic> = diagnostics.iter().collect();
    let more = drawn.len().saturating_sub(DRAWN);
    if more > 0 {
        drawn.sort_by_key(|d| !d.is_error());
        drawn.truncate(DRAWN);
    }
    for diagnostic in drawn {
        out.push_str(&renderer.render(&[group(path, text, diagnostic)]));
        out.push_str("\n\n");
    }
    if more > 0 {
        let _ = writeln!(out, "and {more} more");
    }
    if !diagnostics.is_empty() {
        out.push_str(&summary(path, diagnostics));
        out.push('\n');
    }
    out
}

/// `policy.toml: 5 errors, 1 warning`.
pub fn summary(path: &str, diagnostics: &[Diagnostic]) -> String {
    let path = clean(path);
    let count = |severity| diagnostics.iter().filter(|d| d.severity() == severity).count();
    let noun = |n: usize, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let parts = [(errors, "error"), (warnings, "warning")];
    let said: Vec<String> =
        parts.into_iter().filter(|(n, _)| *n > 0).map(|(n, one)| noun(n, one)).collect();
    if said.is_empty() {
        format!("{path}: no faults")
    } else {
        format!("{path}: {}", said.join(", "))
    }
}

/// The same for programs: a list of objects with code, severity, message, place and help.
pub fn json(path: &str, text: &str, diagnostics: &[Diagnostic]) -> Value {
    let place = |span: &Range<usize>| {
        let (from, to) = (Position::of(text, span.start), Position::of(text, span.end));
        json!({ "line": from.line, "column": from.column, "end_line": to.line, "end_column": to.column })
    };
    let one = |d: &Diagnostic| {
        let also: Vec<Value> = d
            .secondary
            .iter()
            .map(|(span, label)| json!({ "at": place(span), "label": label }))
            .collect();
        json!({
            "code": d.code.as_str(),
            "severity": if d.is_error() { "error" } else { "warning" },
            "message": d.message,
            "file": path,
            "at": place(&d.span),
            "label": d.label,
            "also": also,
            "help": d.help,
        })
    };
    diagnostics.iter().map(one).collect()
}

fn group<'a>(path: &'a str, text: &'a str, d: &'a Diagnostic) -> Group<'a> {
    // A byte order mark is no column of the first line.
    let mark = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let shown = &text[mark..];
    let shift = |span: &Range<usize>| {
        let at = |i: usize| i.saturating_sub(mark).min(shown.len());
        at(span.start)..at(span.end)
    };
    let mut primary = AnnotationKind::Primary.span(shift(&d.span));
    if !d.label.is_empty() {
        primary = primary.label(clean(&d.label));
    }
    let others = d
        .secondary
        .iter()
        .map(|(span, label)| AnnotationKind::Context.span(shift(span)).label(clean(label)));
    let snippet = Snippet::source(shown).path(clean(path)).annotation(primary).annotations(others);
    let level = if d.is_error() { Level::ERROR } else { Level::WARNING };
    let mut group = level.primary_title(clean(&d.message)).id(d.code.as_str()).element(snippet);
    if let Some(help) = &d.help {
        group = group.element(Level::HELP.message(clean(help)));
    }
    group
}

/// Text that a file or its name brought along, without anything a terminal would obey.
fn clean(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    text.chars()
        .map(|c| if hidden(c) { c.escape_unicode().to_string() } else { c.to_string() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::policy::load;
    use proptest::prelude::*;

    fn rendered(text: &str) -> String {
        render("p.toml", text, &load(text).diagnostics, false)
    }

    #[test]
    fn columns_count_characters_from_one() {
        // `lst` stands behind five characters of which one takes two columns and three bytes.
        let text = "version = 1\n[[policy]]\nname = \"한\"\nkeep = [{ last = 1 }, { lst = 3 }]\n";
        let loaded = load(text);
        assert_eq!(
            Position::of(text, loaded.diagnostics[0].span.start),
            Position { line: 4, column: 25 }
        );
        assert!(rendered(text).contains("--> p.toml:4:25"), "{}", rendered(text));
        let marked = format!("\u{feff}versoin = 1\r\n{}", &text[12..]);
        assert!(rendered(&marked).contains("--> p.toml:1:1\n"), "{}", rendered(&marked));
    }

    #[test]
    fn nothing_in_a_file_reaches_the_terminal_raw() {
        let text = "version = 1\n\"\u{1b}[2J\u{202e}\" = 1\n'evil\\e]52' = 1\n[[policy]]\nkeep=[{all=true}]\n";
        let out = render("a\u{1b}[31m.toml", text, &load(text).diagnostics, false);
        assert!(!out.contains('\u{1b}') && !out.contains('\u{202e}'), "{out:?}");
    }

    #[test]
    fn json_has_places() {
        let text = "version = 1\nverbose = 2\n";
        let list = json("p.toml", text, &load(text).diagnostics);
        let unknown =
            list.as_array().unwrap().iter().find(|d| d["code"] == "E0101-unknown-key").unwrap();
        assert_eq!(
            unknown["at"],
            json!({ "line": 2, "column": 1, "end_line": 2, "end_column": 8 })
        );
        assert_eq!(unknown["severity"], "error");
    }

    #[test]
    fn of_many_faults_the_first_are_drawn_and_errors_before_warnings() {
        let warned = |n: usize| {
            let entries = "{ last = 1 },\n".repeat(n);
            format!("version = 1\n[[policy]]\nkeep = [\n{{ last = 2 }},\n{entries}]\n")
        };
        let out = rendered(&warned(149));
        assert_eq!(out.matches(" --> ").count(), 100, "{out}");
        assert!(out.ends_with("\nand 49 more\np.toml: 149 warnings\n"), "{out}");
        let out = rendered(&(warned(149) + "colour = 1\n"));
        assert!(out.starts_with("error[") && out.contains("\nand 50 more\n"), "{out}");
        let out = rendered(&warned(100));
        assert!(out.matches(" --> ").count() == 100 && !out.contains("more\n"), "{out}");
    }

    #[test]
    fn the_summary_counts() {
        assert_eq!(summary("p", &[]), "p: no faults");
        assert!(rendered("").ends_with("p.toml: 2 errors\n"), "{}", rendered(""));
    }

    proptest! {
        #[test]
        fn any_text_can_be_drawn(text in ".{0,60}", start in 0usize..70, len in 0usize..20) {
            let _ = rendered(&text);
            let _ = rendered(&format!("version = 1\n[[policy]]\n{text}"));
            let _ = json("p", &text, &load(&text).diagnostics);
            let _ = Position::of(&text, start + len);
        }
    }
}
