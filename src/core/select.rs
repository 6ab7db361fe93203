//! Globs, and ranges of names.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use std::fmt;

/// A list of globs; matches if any of them does.
#[derive(Clone)]
pub struct Globs {
    patterns: Vec<Box<str>>,
    set: GlobSet,
}

/// What a pattern is matched against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Session names and paths: `*` and `?` stay within a component, `**` crosses.
    Path,
    /// Checkpoint ids, as NSML had them: `*` is any characters, `?` one.
    Id,
}

impl Globs {
    /// # Errors
    /// The first pattern that is not a glob, with the reason.
    pub fn new<S: AsRef<str>>(
        patterns: impl IntoIterator<Item = S>,
        scope: Scope,
    ) -> Result<Globs, globset::Error> {
        let mut set = GlobSetBuilder::new();
        let mut list = Vec::new();
        for pattern in patterns {
            let pattern = pattern.as_ref();
            set.add(
                GlobBuilder::new(pattern)
                    .literal_separator(scope == Scope::Path)
                    .backslash_escape(true)
                    .build()?,
            );
            list.push(pattern.into());
        }
        Ok(Globs { patterns: list, set: set.build()? })
    }

    pub fn is_match(&self, name: &str) -> bool {
        self.set.is_match(name)
    }

    pub fn patterns(&self) -> &[Box<str>] {
        &self.patterns
    }
}

impl fmt::Debug for Globs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.patterns).finish()
    }
}

/// At most this many names come out of one pattern's ranges.
pub const MAX_EXPANSION: usize = 100_000;

/// Expands every `{A..B}` of whole numbers: `mnist/{1..3}` is `mnist/1 mnist/2 mnist/3`.
///
/// Leading zeros of either end set the width (`{01..10}`), and a range may run downwards.
/// Other braces are left alone: globs give them a meaning of their own.
///
/// # Errors
/// More than [`MAX_EXPANSION`] names.
pub fn expand_ranges(pattern: &str) -> Result<Vec<String>, TooMany> {
    let mut done = Vec::new();
    let mut open = vec![(String::new(), pattern.to_owned())];
    while let Some((head, tail)) = open.pop() {
        match find_range(&tail) {
            None => {
                done.push(head + &tail);
            }
            Some(range) => {
                let rest = &tail[range.end..];
                let head = head + &tail[..range.start];
                let count = range.from.abs_diff(range.to);
                let room = MAX_EXPANSION.saturating_sub(open.len() + done.len());
                if count >= room as u64 {
                    return Err(TooMany(pattern.to_owned()));
                }
                let up = range.from <= range.to;
                // The stack is read from its end: push in reverse.
                for i in (0..=count).rev() {
                    let n = if up { range.from + i } else { range.from - i };
                    let width = range.width;
                    open.push((format!("{head}{n:0width$}"), rest.to_owned()));
                }
            }
        }
    }
    Ok(done)
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` stands for more than {MAX_EXPANSION} names; use a glob such as `*`")]
pub struct TooMany(String);

struct Range {
    /// Byte offsets of `{` and of what follows `}`.
    start: usize,
    end: usize,
    from: u64,
    to: u64,
    width: usize,
}

fn find_range(text: &str) -> Option<Range> {
    let mut at = 0;
    while let Some(open) = text[at..].find('{').map(|i| i + at) {
        let close = text[open..].find('}').map(|i| i + open)?;
        let inner = &text[open + 1..close];
        if let Some((a, b)) = inner.split_once("..")
            && let (Some(from), Some(to)) = (whole(a), whole(b))
        {
            let padded = |s: &str| s.len() > 1 && s.starts_with('0');
            let width = if padded(a) || padded(b) { a.len().max(b.len()) } else { 0 };
            return Some(Range { start: open, end: close + 1, from, to, width });
        }
        at = open + 1;
    }
    None
}

fn whole(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let x = |p: &str| expand_ranges(p).unwrap().join(" ");
        assert_eq!(x("a/{1..3}"), "a/1 a/2 a/3");
        assert_eq!(x("{3..1}"), "3 2 1");
        assert_eq!(x("{08..10}"), "08 09 10");
        assert_eq!(x("{1..2}-{1..2}"), "1-1 1-2 2-1 2-2");
        assert_eq!(x("{a,b}/{x..y}/*"), "{a,b}/{x..y}/*");
        assert_eq!(x("{a,b}/{1..2}"), "{a,b}/1 {a,b}/2");
        // One zero is a number, two are a width; what is no number on either side is no range.
        assert_eq!(x("{0..10}"), "0 1 2 3 4 5 6 7 8 9 10");
        assert_eq!(x("{8..10}"), "8 9 10");
        assert_eq!(x("{0..2}"), "0 1 2");
        assert_eq!(x("{9..010}"), "009 010");
        assert_eq!(x("{..3}{1..}{1..x}"), "{..3}{1..}{1..x}");
        assert_eq!(x("{+1..3}"), "{+1..3}");
        assert!(expand_ranges("{1..18446744073709551615}").is_err());
        assert!(expand_ranges("{1..1000}{1..1000}").is_err());
        // What is done counts as much as what is still to be done.
        assert_eq!(expand_ranges("{1..2}{1..50000}").unwrap().len(), MAX_EXPANSION);
        assert!(expand_ranges("{1..2}{1..50001}").is_err());
    }

    #[test]
    fn a_list_of_globs_shows_itself_as_it_was_written() {
        let globs = Globs::new(["a*", "?1"], Scope::Id).unwrap();
        assert_eq!(format!("{globs:?}"), r#"["a*", "?1"]"#);
    }

    #[test]
    fn nsml_globs() {
        let ids = ["0", "1", "2", "3", "4", "11", "21", "31", "41"];
        let of = |p: &str| {
            let g = Globs::new([p], Scope::Id).unwrap();
            ids.iter().copied().filter(|id| g.is_match(id)).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of("?1"), "11 21 31 41");
        assert_eq!(of("*1"), "1 11 21 31 41");
        assert_eq!(of("*"), ids.join(" "));
    }

    #[test]
    fn path_globs_are_anchored_and_stay_within_a_component() {
        let m = |p: &str, n: &str| Globs::new([p], Scope::Path).unwrap().is_match(n);
        assert!(m("*/mnist/*", "team/mnist/4"));
        assert!(!m("*/mnist/*", "team/mnist/4/5"));
        assert!(m("*/mnist/**", "team/mnist/4/5"));
        assert!(!m("mnist/*", "team/mnist/4"));
        assert!(!m("team/mnist", "team/mnist/4"));
    }
}
