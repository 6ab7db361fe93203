//! One escaping door for each place that text from a disk goes to.
//!
//! A name on a shared disk is written by somebody else. It may hold escape sequences that move a
//! cursor or fill a clipboard, characters that reverse or hide what follows, line ends that forge
//! a second row, or markup. Nothing from a disk reaches a sink but through its function here.

use std::borrow::Cow;
use std::fmt::Write as _;

/// For a terminal, one line: every character that could move, reverse or hide text is written out.
///
/// Not lossless (a backslash stays itself); `--json` is.
pub fn terminal(text: &str) -> Cow<'_, str> {
    escape(text, is_treacherous, push_escape)
}

/// For a terminal, where the text may have several lines of its own, such as a message that is sent.
pub fn terminal_lines(text: &str) -> Cow<'_, str> {
    escape(text, |c| c != '\n' && is_treacherous(c), push_escape)
}

/// For a log line: as on a terminal.
pub fn log(text: &str) -> Cow<'_, str> {
    terminal(text)
}

/// For one CSV field, quotes included where they are needed.
///
/// A field that a spreadsheet would take for a formula gets a leading `'`. Control characters are
/// written out, as for a terminal: whether a file or a screen is at the other end is not known.
pub fn csv(text: &str) -> Cow<'_, str> {
    match escape(text, char::is_control, push_escape) {
        Cow::Borrowed(text) => field(text),
        Cow::Owned(text) => Cow::Owned(field(&text).into_owned()),
    }
}

fn field(text: &str) -> Cow<'_, str> {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if !formula && !text.contains(['"', ',', '\n', '\r', ' ', '\t']) {
        return Cow::Borrowed(text);
    }
    let tick = if formula { "'" } else { "" };
    Cow::Owned(format!("\"{tick}{}\"", text.replace('"', "\"\"")))
}

/// For running text and table cells of Markdown (GitHub's), where HTML is understood as well.
pub fn markdown(text: &str) -> Cow<'_, str> {
    let special =
        |c: char| is_treacherous(c) || (c.is_ascii_punctuation() && !"-.,:/%'".contains(c));
    escape(text, special, |out, c| match c {
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '&' => out.push_str("&amp;"),
        // A backslash before it would not stop a mention or the end of a cell everywhere.
        '|' => out.push_str("&#124;"),
        '@' => out.push_str("&#64;"),
        c if is_treacherous(c) => {
            let mut written = String::new();
            push_escape(&mut written, c);
            for c in written.chars() {
                if c.is_ascii_punctuation() {
                    out.push('\\');
                }
                out.push(c);
            }
        }
        c => {
            out.push('\\');
            out.push(c);
        }
    })
}

/// For a chat such as Slack's or Mattermost's: no link, no mention, no code span.
///
/// Not lossless: an `@` becomes a full-width one, because `@channel` wakes everybody in it.
pub fn chat(text: &str) -> Cow<'_, str> {
    let special = |c: char| is_treacherous(c) || "<>&@`".contains(c);
    escape(text, special, |out, c| match c {
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '&' => out.push_str("&amp;"),
        '@' => out.push('\u{ff20}'),
        '`' => out.push('\''),
        c => push_escape(out, c),
    })
}

/// For text and quoted attribute values of HTML.
pub fn html(text: &str) -> Cow<'_, str> {
    let special = |c: char| is_treacherous(c) || "<>&\"'`".contains(c);
    escape(text, special, |out, c| match c {
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '&' => out.push_str("&amp;"),
        '"' => out.push_str("&quot;"),
        '\'' => out.push_str("&#39;"),
        '`' => out.push_str("&#96;"),
        c => push_escape(out, c),
    })
}

/// Whether a character can change how the text around it looks, or leaves no mark itself.
fn is_treacherous(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Soft hyphen, combining grapheme joiner, Arabic letter mark, and fillers that look empty.
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{3164}' | '\u{ffa0}'
            // Zero width, bidirectional controls, line and paragraph separators.
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
            // Variation selectors, tags, musical and shorthand format controls.
            | '\u{fe00}'..='\u{fe0f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
            // No-break and other odd spaces, which pass for the ordinary one.
            | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

fn push_escape(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c => {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        }
    }
}

fn escape(
    text: &str,
    special: impl Fn(char) -> bool,
    push: impl Fn(&mut String, char),
) -> Cow<'_, str> {
    let Some(first) = text.find(&special) else {
        return Cow::Borrowed(text);
    };
    let mut out = String::with_capacity(text.len() + 16);
    out.push_str(&text[..first]);
    for c in text[first..].chars() {
        if special(c) {
            push(&mut out, c);
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One corpus through every sink.
    const NASTY: [&str; 12] = [
        "-rf",
        "a\nb\r\tc",
        "\u{1b}[2J\u{1b}]52;c;ZXZpbA==\u{7}",
        "\u{202e}txt.tpkc\u{200b}\u{feff}",
        "\u{9b}31m",
        "=cmd|'/c calc'!A1",
        "+1",
        "@SUM(1)",
        "<img src=x onerror=alert(1)>",
        "</script>{{7*7}}",
        "$(rm -rf ~);`id`%0a%s%n",
        "[x](javascript:alert) | **b** _i_ # h",
    ];

    #[test]
    fn a_terminal_shows_what_is_there() {
        assert_eq!(terminal("plain/name-1"), "plain/name-1");
        assert_eq!(terminal("größe 大"), "größe 大");
        assert_eq!(terminal(NASTY[1]), "a\\nb\\r\\tc");
        assert_eq!(terminal("\u{1b}[2J"), "\\u{1b}[2J");
        assert_eq!(terminal("\u{202e}x\u{200b}"), "\\u{202e}x\\u{200b}");
        assert_eq!(terminal_lines("a\nb\r"), "a\nb\\r");
    }

    #[test]
    fn a_spreadsheet_sees_no_formula_and_no_second_field() {
        assert_eq!(csv("nsmlteam/mnist/4"), "nsmlteam/mnist/4");
        assert_eq!(csv("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(csv("=1+1"), "\"'=1+1\"");
        for name in NASTY {
            let field = csv(name);
            let inner = field.trim_matches('"');
            assert!(!inner.starts_with(['=', '+', '-', '@', '\t', '\r']), "{field}");
        }
    }

    #[test]
    fn markup_is_text() {
        assert_eq!(html(NASTY[8]), "&lt;img src=x onerror=alert(1)&gt;");
        assert_eq!(html("\"'`&"), "&quot;&#39;&#96;&amp;");
        assert_eq!(markdown("a|b"), "a&#124;b");
        assert_eq!(markdown("[x](y)"), "\\[x\\]\\(y\\)");
        assert_eq!(markdown("a\nb"), "a\\\\nb");
        for name in NASTY {
            for out in [html(name), markdown(name)] {
                assert!(!out.contains(['<', '>', '\n', '\u{1b}']), "{out}");
            }
            assert!(!markdown(name).contains('|'), "a table's cell ends");
        }
    }

    proptest! {
        #[test]
        fn nothing_treacherous_comes_through(text in any::<String>(), at in 0..NASTY.len()) {
            for text in [text.as_str(), NASTY[at]] {
                for out in [terminal(text), log(text), markdown(text), html(text), chat(text)] {
                    prop_assert!(!out.chars().any(is_treacherous), "{:?}", out);
                }
                prop_assert!(!terminal_lines(text).chars().any(|c| c != '\n' && is_treacherous(c)));
            }
        }

        #[test]
        fn escaping_twice_changes_nothing_on_a_terminal(text in any::<String>()) {
            let once = terminal(&text).into_owned();
            prop_assert_eq!(terminal(&once), once.as_str());
        }
    }
}
