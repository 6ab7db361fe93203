//! Names taken apart into texts and numbers, and what the numbers seem to count.

use crate::layout::words::{EPOCHS, PARTS, RUNS, STEPS, is_date, is_year};
use std::collections::BTreeMap;
use std::fmt::Write as _;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Token {
    Text(String),
    Number,
}

/// Names with the same texts around their numbers; at least two.
pub struct Family<'n> {
    tokens: Vec<Token>,
    /// Each name, and its numbers as they are written.
    members: Vec<(&'n str, Vec<&'n str>)>,
}

/// A family as a regular expression.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// Up to the last number that tells one checkpoint from another.
    pub head: String,
    /// What follows, as an expression and, with the numbers of the example, as it is.
    pub tail: String,
    pub literal_tail: String,
    /// Numbers in the tail count parts of one checkpoint.
    pub has_parts: bool,
    pub example: String,
    pub members: Vec<String>,
    pub doubts: Vec<String>,
}

/// What a number seems to count.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Role {
    /// The same in all names.
    Fixed,
    Step,
    Epoch,
    Metric(String),
    /// A rank or a shard: one checkpoint has several.
    Part,
    /// A run, of which the checkpoints lie deeper.
    Run,
    Other,
}

const METRICS: [&str; 32] = [
    "acc",
    "accuracy",
    "auc",
    "bleu",
    "cer",
    "dice",
    "err",
    "error",
    "f1",
    "fid",
    "iou",
    "loss",
    "mae",
    "map",
    "metric",
    "miou",
    "mse",
    "nll",
    "perplexity",
    "ppl",
    "precision",
    "psnr",
    "recall",
    "reward",
    "rmse",
    "rouge",
    "score",
    "ssim",
    "top1",
    "top5",
    "val",
    "wer",
];

impl<'n> Family<'n> {
    pub fn of(names: impl Iterator<Item = &'n str>) -> Vec<Family<'n>> {
        let mut by_shape: BTreeMap<Vec<Token>, Vec<(&str, Vec<&str>)>> = BTreeMap::new();
        for name in names {
            let (tokens, numbers) = tokens(name);
            by_shape.entry(tokens).or_default().push((name, numbers));
        }
        by_shape.retain(|_, members| members.len() > 1);
        by_shape.into_iter().map(|(tokens, members)| Family { tokens, members }).collect()
    }

    /// `None` if no number tells the names apart, but those of parts.
    pub fn pattern(&self) -> Option<Pattern> {
        let (roles, doubts) = self.roles();
        if roles.contains(&Role::Run) {
            return None;
        }
        let tells = |r: &Role| !matches!(r, Role::Fixed | Role::Part);
        let last = roles.iter().rposition(tells)?;
        if roles[..last].contains(&Role::Part) {
            return None;
        }
        let (example, numbers) = self.members.first()?;
        let (mut head, mut tail, mut literal_tail) = Default::default();
        let mut n = 0;
        for token in &self.tokens {
            let (regex, text) = match token {
                Token::Text(text) => (escaped(text), text.clone()),
                Token::Number => {
                    n += 1;
                    (self.number(n - 1, &roles[n - 1]), numbers[n - 1].to_owned())
                }
            };
            let is_head = n <= last || (n == last + 1 && *token == Token::Number);
            let into: &mut String = if is_head { &mut head } else { &mut tail };
            into.push_str(&regex);
            if !is_head {
                String::push_str(&mut literal_tail, &text);
            }
        }
        Some(Pattern {
            head,
            tail,
            literal_tail,
            has_parts: roles.contains(&Role::Part),
            example: (*example).to_owned(),
            members: self.members.iter().map(|m| m.0.to_owned()).collect(),
            doubts,
        })
    }

    /// What each number counts, and which of that is a mere guess.
    fn roles(&self) -> (Vec<Role>, Vec<String>) {
        let count = self.members.first().map_or(0, |m| m.1.len());
        let mut roles: Vec<Role> = (0..count).map(|i| self.role(i)).collect();
        let mut seen: Vec<Role> = Vec::new();
        for role in &mut roles {
            if matches!(role, Role::Step | Role::Epoch | Role::Metric(_)) && seen.contains(role) {
                *role = Role::Other;
            }
            seen.push(role.clone());
        }
        let mut doubts = Vec::new();
        if !roles.iter().any(|r| matches!(r, Role::Step | Role::Epoch)) {
            let can_be_step = |i: &usize| roles[*i] == Role::Other && self.is_count(*i);
            if let Some(i) = (0..count).find(can_be_step) {
                roles[i] = Role::Step;
                let number = self.members.first().map_or("", |m| m.1[i]);
                doubts.push(format!("`{number}` is taken for a step: nothing in the name says so"));
            } else {
                doubts.push(
                    "no number is a step or an epoch: order goes by the time of saving".to_owned(),
                );
            }
        }
        (roles, doubts)
    }

    fn role(&self, i: usize) -> Role {
        let mut values = self.members.iter().map(|m| m.1[i]);
        let first = values.next();
        let before = self.text_before(i);
        let words: Vec<&str> =
            before.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).collect();
        let word = words.last().map(|w| w.to_ascii_lowercase()).unwrap_or_default();
        // `00001-of-00002`
        if PARTS.contains(&&*word) || matches!(self.text_before(i + 1), "-of-" | "_of_") {
            return Role::Part;
        }
        if values.all(|v| Some(v) == first) {
            return Role::Fixed;
        }
        if RUNS.contains(&&*word) {
            return Role::Run;
        }
        if self.is_count(i) && STEPS.contains(&&*word) {
            return Role::Step;
        }
        if self.is_count(i) && EPOCHS.contains(&&*word) {
            return Role::Epoch;
        }
        let is_decimal = self.members.iter().any(|m| m.1[i].contains('.'));
        if (is_decimal && !word.is_empty()) || METRICS.contains(&&*word) {
            let of = words.len().checked_sub(2).map(|i| words[i].to_ascii_lowercase());
            let of = of.filter(|w| matches!(&**w, "val" | "valid" | "eval" | "train" | "test"));
            return Role::Metric(of.map_or(word.clone(), |of| format!("{of}_{word}")));
        }
        Role::Other
    }

    /// Whether all values are whole numbers, and no date.
    fn is_count(&self, i: usize) -> bool {
        self.members.iter().all(|m| m.1[i].bytes().all(|b| b.is_ascii_digit()))
            && !self.members.iter().all(|m| is_date(m.1[i]))
            && !(self.members.iter().all(|m| is_year(m.1[i])) && self.members[0].1.len() > 2)
    }

    /// The text in front of the number `i`; empty if there is none.
    fn text_before(&self, i: usize) -> &str {
        let mut before = "";
        let mut n = 0;
        for token in &self.tokens {
            match token {
                Token::Text(text) => before = text,
                Token::Number if n == i => return before,
                Token::Number => {
                    n += 1;
                    before = "";
                }
            }
        }
        before
    }

    /// The expression for a number.
    fn number(&self, i: usize, role: &Role) -> String {
        let has = |c: &[char]| self.members.iter().any(|m| m.1[i].contains(c));
        let mut digits = String::from(if has(&['.']) { r"[\d.]+" } else { r"\d+" });
        if self.members.iter().any(|m| m.1[i].starts_with('-')) {
            digits.insert_str(0, "-?");
        }
        if has(&['e']) {
            digits.push_str(r"(?:e-\d+)?");
        }
        match role {
            Role::Fixed => escaped(self.members[0].1[i]),
            Role::Step => format!("(?<step>{digits})"),
            Role::Epoch => format!("(?<epoch>{digits})"),
            Role::Metric(name) => format!("(?<metric_{name}>{digits})"),
            Role::Part | Role::Run | Role::Other => digits,
        }
    }
}

/// `net-`, 12, `_acc`, 0.5, `.pt`. A minus belongs to a number only behind `=`.
fn tokens(name: &str) -> (Vec<Token>, Vec<&str>) {
    let bytes = name.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let (mut tokens, mut numbers) = (Vec::new(), Vec::new());
    let (mut start, mut at) = (0, 0);
    while at < bytes.len() {
        let whole = digits(at);
        if whole == 0 {
            at += 1;
            continue;
        }
        let signed = name[..at].ends_with("=-");
        let from = if signed { at - 1 } else { at };
        let mut end = at + whole;
        if bytes.get(end) == Some(&b'.') && digits(end + 1) > 0 {
            end += 1 + digits(end + 1);
        }
        if name[end..].starts_with("e-") && digits(end + 2) > 0 {
            end += 2 + digits(end + 2);
        }
        if from > start {
            tokens.push(Token::Text(name[start..from].to_owned()));
        }
        tokens.push(Token::Number);
        numbers.push(&name[from..end]);
        (start, at) = (end, end);
    }
    if start < name.len() {
        tokens.push(Token::Text(name[start..].to_owned()));
    }
    (tokens, numbers)
}

/// A text for a regular expression; only what has to be is escaped.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        if c.is_control() {
            let _ = write!(out, r"\x{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Head and tail of the only family.
    fn pattern(names: &[&str]) -> Option<(String, String)> {
        let families = Family::of(names.iter().copied());
        let pattern = families.first()?.pattern()?;
        Some((pattern.head, pattern.tail))
    }

    #[test]
    fn what_numbers_count() {
        let table: &[(&[&str], &str)] = &[
            (&["model_0001.pth", "model_0002.pth"], r"model_(?<step>\d+)|\.pth"),
            (
                &["weights_e10_acc0.93.h5", "weights_e2_acc0.8.h5"],
                r"weights_e(?<epoch>\d+)_acc(?<metric_acc>[\d.]+)|\.h5",
            ),
            (&["step-000100", "step-000200"], r"step-(?<step>\d+)|"),
            (&["a_it5.pt", "a_it6.pt"], r"a_it(?<step>\d+)|\.pt"),
            (
                &["x-epoch=1-val_loss=-0.5.bin", "x-epoch=2-val_loss=1.5e-05.bin"],
                r"x-epoch=(?<epoch>\d+)-val_loss=(?<metric_val_loss>-?[\d.]+(?:e-\d+)?)|\.bin",
            ),
            (&["v2_step1.pt", "v2_step2.pt"], r"v2_step(?<step>\d+)|\.pt"),
            (&["net_step1_rank0.pt", "net_step2_rank0.pt"], r"net_step(?<step>\d+)|_rank\d+\.pt"),
            (&["m_20260101.pt", "m_20260102.pt"], r"m_\d+|\.pt"),
            (&["1_2.pt", "1_3.pt"], r"1_(?<step>\d+)|\.pt"),
            (&["a(1).pt", "a(2).pt"], r"a\((?<step>\d+)|\)\.pt"),
        ];
        for (names, want) in table {
            let found = pattern(names).map(|(head, tail)| format!("{head}|{tail}"));
            assert_eq!(found.as_deref(), Some(*want), "{names:?}");
        }
    }

    #[test]
    fn what_is_no_series() {
        for names in [
            &["a.pt"][..],
            &["a.pt", "b.pt"],
            &["model-00001-of-00002.pt", "model-00002-of-00002.pt"],
            &["rank0.pt", "rank1.pt"],
            &["rank0_step1.pt", "rank1_step2.pt"],
            &["run1", "run2"],
            &["fold1_best.pt", "fold2_best.pt"],
            &["layer_1.pt", "layer_2.pt"],
        ] {
            assert_eq!(pattern(names), None, "{names:?}");
        }
    }
}
