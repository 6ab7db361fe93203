//! What a name made from a user's template tells: `weights.{epoch:02d}-{val_loss:.2f}`.
//!
//! The template is not on the disk. What is left of it is text with numbers in it; which one is
//! the epoch shows in what stands before it, and in how the numbers of several files differ.

use crate::layout::metric::rounded;
use crate::layout::words;
use std::collections::HashSet;

/// A name, cut at its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Pieces {
    /// What stands before each number, and after the last one: one more than there are numbers.
    pub texts: Vec<String>,
    pub numbers: Vec<String>,
}

/// Words that an epoch follows. Behind `epochs` stands for how long a finished model was trained:
/// `lstm_64_epochs_10` and `lstm_128_epochs_10` are no saves of one run.
const EPOCH: [&str; 3] = ["epoch", "ep", "e"];
/// What a checkpoint is called, and a model that is no checkpoint hardly ever.
const CHECKPOINT: [&str; 4] = ["checkpoint", "ckpt", "chkpt", "cp"];
/// What a metric's name holds.
const METRIC: [&str; 9] = ["loss", "acc", "auc", "f1", "mae", "mse", "iou", "precision", "recall"];

impl Pieces {
    pub fn cut(stem: &str) -> Pieces {
        let mut pieces = Pieces { texts: Vec::new(), numbers: Vec::new() };
        let mut text = String::new();
        let mut rest = stem;
        while let Some(first) = rest.chars().next() {
            let start = text.is_empty() && pieces.numbers.is_empty();
            let fresh = start || text.ends_with(['-', '_', '.', '=']);
            let len = number_len(rest, fresh);
            if len > 0 && !belongs_to_word(&text) {
                pieces.texts.push(std::mem::take(&mut text));
                pieces.numbers.push(rest[..len].to_owned());
                rest = &rest[len..];
            } else {
                // The number of a word, as in `resnet50`, is part of the text.
                let len = len.max(first.len_utf8());
                text.push_str(&rest[..len]);
                rest = &rest[len..];
            }
        }
        pieces.texts.push(text);
        pieces
    }

    /// The word right before a number.
    fn word(&self, i: usize) -> &str {
        let text = self.texts[i].trim_end_matches(['-', '_', '.', '=']);
        text.rsplit(['-', '.']).next().unwrap_or(text)
    }

    fn whole(&self, i: usize) -> Option<u64> {
        let digits = self.numbers[i].bytes().all(|b| b.is_ascii_digit());
        digits.then(|| self.numbers[i].parse().ok()).flatten()
    }

    fn is_called_epoch(&self, i: usize) -> bool {
        let word = self.word(i).to_ascii_lowercase();
        EPOCH.iter().any(|e| word == *e || word.ends_with(&format!("_{e}")))
    }

    /// Whether a number tells runs, parts or days apart: no epoch is behind `fold_`.
    fn orders_nothing(&self, i: usize) -> bool {
        let is_between = |i: usize| matches!(&*self.texts[i], "-" | "_" | ".");
        let is_in_day = |first: usize| {
            let of = self.numbers.get(first..first + 3);
            let between = || is_between(first + 1) && is_between(first + 2);
            of.is_some_and(|n| words::is_year(&n[0]) && words::is_day(&n[1], &n[2]) && between())
        };
        let is_date = words::is_date(&self.numbers[i]) && !words::counts_steps(&self.texts[i]);
        is_date || words::orders_nothing(&self.texts[i]) || (i.saturating_sub(2)..=i).any(is_in_day)
    }

    /// Whether a number is called a step or an epoch, or the file a checkpoint.
    pub fn counts(&self, i: usize) -> bool {
        let word = self.word(i).to_ascii_lowercase();
        let last = word.rsplit('_').next().unwrap_or(&word);
        CHECKPOINT.contains(&last) || (last != "epochs" && words::counts_steps(&self.texts[i]))
    }

    /// Whether something but a plain number shows that a template of a training made it.
    pub fn tells(&self, epoch: usize) -> bool {
        self.is_called_epoch(epoch)
            || (0..self.numbers.len()).any(|i| self.numbers[i].contains('.'))
    }

    /// The metrics with their values and half of the last digits' worth.
    pub fn metrics(&self) -> Vec<(String, f64, f64)> {
        let metric = |i: usize| {
            let word = self.word(i);
            let named = !word.is_empty() && !self.is_called_epoch(i);
            let sure = self.texts[i].ends_with('=') || METRIC.iter().any(|m| word.contains(m));
            let (value, half) = rounded(&self.numbers[i])?;
            (named && sure).then(|| (word.trim_start_matches('_').to_owned(), value, half))
        };
        (0..self.numbers.len()).filter_map(metric).collect()
    }
}

fn belongs_to_word(text: &str) -> bool {
    let letters = text.bytes().rev().take_while(u8::is_ascii_alphabetic).count();
    let word = text[text.len() - letters..].to_ascii_lowercase();
    letters > 0 && !EPOCH.contains(&&*word) && !METRIC.iter().any(|m| word.contains(m))
}

/// The length of the number that `text` starts with; a sign only where a value may start.
fn number_len(text: &str, fresh: bool) -> usize {
    let sign = usize::from(fresh && text.starts_with('-'));
    let body = &text.as_bytes()[sign..];
    let digits = |from: usize| {
        body[from.min(body.len())..].iter().take_while(|b| b.is_ascii_digit()).count()
    };
    if fresh && ["nan", "inf"].iter().any(|w| body == w.as_bytes()) {
        return text.len();
    }
    let mut len = digits(0);
    if len == 0 {
        return 0;
    }
    if body.get(len) == Some(&b'.') && digits(len + 1) > 0 {
        len += 1 + digits(len + 1);
        if body.get(len) == Some(&b'e') {
            let minus = usize::from(body.get(len + 1) == Some(&b'-'));
            let exponent = digits(len + 1 + minus);
            len += if exponent > 0 { 1 + minus + exponent } else { 0 };
        }
    }
    sign + len
}

/// Files of one template: their indices, and which of their numbers is the epoch.
#[derive(Debug, PartialEq)]
pub struct Template {
    /// The names' text, with `#` for what differs.
    pub text: String,
    pub members: Vec<(usize, u64)>,
    pub epoch: usize,
}

/// Sorts names by the templates that may have made them; names without an epoch are left out.
pub fn templates(names: &[Pieces]) -> Vec<Template> {
    let mut found: Vec<Template> = Vec::new();
    let mut seen: HashSet<usize> = HashSet::new();
    for i in 0..names.len() {
        if seen.contains(&i) {
            continue;
        }
        let alike = |j: &usize| names[*j].texts == names[i].texts;
        let group: Vec<usize> = (i..names.len()).filter(alike).collect();
        seen.extend(&group);
        let Some(epoch) = epoch_of(names, &group) else { continue };
        // Other whole numbers that repeat tell several runs or models apart.
        let distinct =
            |p: usize| group.iter().map(|&j| &names[j].numbers[p]).collect::<HashSet<_>>().len();
        let apart = |p: usize| group.iter().any(|&j| names[j].orders_nothing(p));
        let fixed: Vec<usize> = (0..names[i].numbers.len())
            .filter(|&p| p != epoch && (distinct(p) < group.len() || apart(p)))
            .filter(|&p| group.iter().all(|&j| names[j].whole(p).is_some()))
            .collect();
        for &j in &group {
            let text = text(&names[j], &fixed);
            let Some(number) = names[j].whole(epoch) else { continue };
            match found.iter_mut().find(|t| t.text == text) {
                Some(template) => template.members.push((j, number)),
                None => found.push(Template { text, members: vec![(j, number)], epoch }),
            }
        }
    }
    found
}

/// Which number of these names is the epoch: the one that is called so, else the first whole number
/// that no two share, else the one that differs most. One behind `fold_` or `seed_` is none, nor
/// is a date: such a folder of models is no run.
fn epoch_of(names: &[Pieces], group: &[usize]) -> Option<usize> {
    let whole = |p: usize| group.iter().all(|&j| names[j].whole(p).is_some());
    let apart = |p: usize| group.iter().any(|&j| names[j].orders_nothing(p));
    let numbers = 0..names[group[0]].numbers.len();
    let candidates: Vec<usize> = numbers.filter(|&p| whole(p) && !apart(p)).collect();
    let called = candidates.iter().find(|&&p| names[group[0]].is_called_epoch(p));
    called.copied().or_else(|| {
        let distinct =
            |p: usize| group.iter().map(|&j| names[j].whole(p)).collect::<HashSet<_>>().len();
        let unique = candidates.iter().copied().find(|&p| distinct(p) == group.len());
        unique.or_else(|| candidates.iter().copied().max_by_key(|&p| distinct(p)))
    })
}

fn text(name: &Pieces, fixed: &[usize]) -> String {
    let mut out = String::new();
    for (p, text) in name.texts.iter().enumerate() {
        out.push_str(text);
        if let Some(number) = name.numbers.get(p) {
            out.push_str(if fixed.contains(&p) { number } else { "#" });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cut_at_numbers() {
        let table = [
            ("01-0.98", "|01|-|0.98|"),
            ("model.05", "model.|05|"),
            ("weights.05-val_loss=0.97", "weights.|05|-val_loss=|0.97|"),
            ("weights-improvement-05--0.97", "weights-improvement-|05|-|-0.97|"),
            ("resnet50-epoch03-loss1.25e-05", "resnet50-epoch|03|-loss|1.25e-05|"),
            ("ep003-val_acc0.5-x", "ep|003|-val_acc|0.5|-x"),
            ("7-nan", "|7|-|nan|"),
            ("best", "best"),
            ("é5", "é|5|"),
        ];
        for (name, want) in table {
            let pieces = Pieces::cut(name);
            let mut shown = String::new();
            for (i, text) in pieces.texts.iter().enumerate() {
                shown.push_str(text);
                if let Some(number) = pieces.numbers.get(i) {
                    shown.push('|');
                    shown.push_str(number);
                    shown.push('|');
                }
            }
            assert_eq!(shown, want, "{name}");
        }
    }

    #[test]
    fn metrics_in_names() {
        let table = [
            ("05-val_loss=0.97", "val_loss=0.97"),
            ("05-val_loss0.97-val_acc_0.5", "val_loss=0.97 val_acc=0.5"),
            ("05-0.97", ""),
            ("05-score=3", "score=3"),
            ("epoch=05", ""),
        ];
        for (name, want) in table {
            let found = Pieces::cut(name).metrics();
            let shown: Vec<_> = found.iter().map(|(n, v, _)| format!("{n}={v}")).collect();
            assert_eq!(shown.join(" "), want, "{name}");
        }
    }

    #[test]
    fn which_number_is_the_epoch() {
        let of = |names: &[&str]| {
            let pieces: Vec<_> = names.iter().map(|n| Pieces::cut(n)).collect();
            let shown = templates(&pieces).into_iter().map(|t| {
                let epochs: Vec<_> = t.members.iter().map(|m| m.1.to_string()).collect();
                format!("{} {}", t.text, epochs.join(","))
            });
            shown.collect::<Vec<_>>().join("; ")
        };
        assert_eq!(of(&["01-0.98", "02-0.97", "03-0.97"]), "#-# 1,2,3");
        assert_eq!(of(&["3-model-1", "3-model-2"]), "3-model-# 1,2");
        assert_eq!(of(&["m-16-epoch-1", "m-19-epoch-1"]), "m-#-epoch-# 1,1");
        assert_eq!(of(&["m-16-01", "m-16-02", "m-19-01"]), "m-16-# 1,2; m-19-# 1");
        assert_eq!(of(&["cp-01-000500", "cp-02-001000"]), "cp-#-# 1,2");
        assert_eq!(of(&["a-1", "b-1"]), "a-# 1; b-# 1");
        assert_eq!(of(&["resnet50", "resnet101", "0.5"]), "");
        // What tells runs apart.
        for names in [
            ["fold_1_acc_0.91", "fold_2_acc_0.92"],
            ["model_fold_1", "model_fold_2"],
            ["seed_1", "seed_2"],
            ["model_20250111", "model_20250112"],
            ["model_2025-01-11", "model_2025-01-12"],
        ] {
            assert_eq!(of(&names), "", "{names:?}");
        }
        assert_eq!(of(&["fold_1_05", "fold_2_07"]), "fold_1_# 5; fold_2_# 7");
        assert_eq!(of(&["20250111_05", "20250112_07"]), "20250111_# 5; 20250112_# 7");
        assert_eq!(of(&["epoch_20250111", "epoch_20250112"]), "epoch_# 20250111,20250112");
    }
}
