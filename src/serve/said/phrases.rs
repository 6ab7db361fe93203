//! Sentences that exist only as English text, in Korean: errors, faults of scans, diagnostics of
//! policies, and the reasons that past runs wrote into their journals.
//!
//! Each table holds an English sentence and below it the Korean one. `{}` stands for what is filled
//! in: a name, a number, a system's error, or another sentence of the table; Korean calls it by its
//! number, and `{1a}` is a length of time. What no sentence fits came from a file of the user's or
//! from the system, and stays as it is.

use super::korean;
use std::sync::LazyLock;

/// No sentence holds another that holds another that holds another.
const DEPTH: usize = 4;

/// Of so many colons one may be the end of a path.
const COLONS: usize = 16;

struct Phrase {
    /// What stands around the gaps.
    english: Vec<&'static str>,
    korean: &'static str,
    /// How much of it is fixed: of two that fit, the one that says more is meant.
    weight: usize,
}

struct Table(Vec<Phrase>);

const POLICY: &str = include_str!("phrases/policy.txt");
const WORK: &str = include_str!("phrases/work.txt");
const SCAN: &str = include_str!("phrases/scan.txt");
const REASONS: &str = include_str!("phrases/reasons.txt");

static DIAGNOSTICS: LazyLock<Table> = LazyLock::new(|| Table::of(&[POLICY]));
static FAULTS: LazyLock<Table> = LazyLock::new(|| Table::of(&[WORK, SCAN, POLICY]));
static JOURNAL: LazyLock<Table> = LazyLock::new(|| Table::of(&[REASONS, SCAN, WORK]));

/// What is wrong with a policy.
pub fn diagnostic(english: &str) -> String {
    DIAGNOSTICS.said(english)
}

/// What a scan, a run or a request stumbled over.
pub fn fault(english: &str) -> String {
    FAULTS.said(english)
}

/// Why a past run did what it did: several reasons with dots between them.
pub fn journal(english: &str) -> String {
    english.split(" · ").map(|one| JOURNAL.said(one)).collect::<Vec<_>>().join(" · ")
}

impl Table {
    fn of(texts: &[&'static str]) -> Table {
        let lines: Vec<&'static str> = texts.iter().flat_map(|t| t.lines()).collect();
        let phrase = |pair: &[&'static str]| {
            let [english, korean] = *pair else { return None };
            let english: Vec<&str> = english.split("{}").collect();
            let weight = english.iter().map(|part| part.len()).sum();
            Some(Phrase { english, korean, weight })
        };
        Table(lines.chunks(2).filter_map(phrase).collect())
    }

    fn said(&self, english: &str) -> String {
        self.whole(english, DEPTH)
            .or_else(|| self.after_a_name(english))
            .unwrap_or_else(|| english.to_owned())
    }

    /// `PATH: sentence`. A path may have a few of these itself, and one made of them must not cost more.
    fn after_a_name(&self, english: &str) -> Option<String> {
        english.match_indices(": ").take(COLONS).find_map(|(at, colon)| {
            let (name, rest) = (&english[..at], &english[at + colon.len()..]);
            Some(format!("{name}: {}", self.whole(rest, DEPTH)?))
        })
    }

    fn whole(&self, english: &str, depth: usize) -> Option<String> {
        let depth = depth.checked_sub(1)?;
        let fits = self.0.iter().filter_map(|p| Some((p, fit(&p.english, english)?)));
        let (phrase, gaps) = fits.max_by_key(|(p, _)| p.weight)?;
        let said = |gap: &str| self.whole(gap, depth).unwrap_or_else(|| joined(gap));
        Some(filled(phrase.korean, &gaps, said))
    }
}

/// A Korean sentence with its gaps filled, in one pass: what is filled in may look like a gap.
fn filled(korean: &str, gaps: &[&str], said: impl Fn(&str) -> String) -> String {
    let (mut out, mut rest) = (String::new(), korean);
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        rest = after;
        let Some((name, after)) = after.split_once('}') else { break };
        rest = after;
        // Lengths of time are not of this language.
        let (number, is_length) = name.strip_suffix('a').map_or((name, false), |n| (n, true));
        match number.parse::<usize>().ok().and_then(|n| gaps.get(n.checked_sub(1)?)) {
            Some(gap) => out.push_str(&if is_length { lengths(gap) } else { said(gap) }),
            None => out.extend(["{", name, "}"]),
        }
    }
    out.push_str(rest);
    out
}

/// What stands in the gaps of a sentence, if the text is that sentence.
fn fit<'t>(parts: &[&str], text: &'t str) -> Option<Vec<&'t str>> {
    let (first, rest) = parts.split_first()?;
    let mut left = text.strip_prefix(first)?;
    let Some((last, middle)) = rest.split_last() else {
        return left.is_empty().then(Vec::new);
    };
    let mut gaps = Vec::with_capacity(rest.len());
    for part in middle {
        let at = left.find(part)?;
        gaps.push(&left[..at]);
        left = &left[at + part.len()..];
    }
    gaps.push(left.strip_suffix(last)?);
    Some(gaps)
}

/// The words that join a list of keys.
fn joined(gap: &str) -> String {
    let mut out = gap.to_owned();
    for quote in ['`', '"'] {
        out = out.replace(&format!("{quote} and {quote}"), &format!("{quote}, {quote}"));
        out = out.replace(&format!("{quote} or {quote}"), &format!("{quote} 또는 {quote}"));
    }
    out
}

/// `9d 2h` as Korean says it.
fn lengths(gap: &str) -> String {
    const UNITS: [&str; 5] = ["y", "d", "h", "min", "s"];
    let one = |part: &str| {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let (n, unit) = part.split_at(digits);
        let known = UNITS.iter().position(|u| *u == unit);
        known.map_or_else(|| part.to_owned(), |i| format!("{n}{}", korean::UNITS[i]))
    };
    gap.split(' ').map(one).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
