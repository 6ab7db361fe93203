//! What the name of a directory of shards says: `step_100`, `ep1-ba300`, `epoch3-step1200`.

use crate::layout::words::{EPOCHS, STEPS, orders_nothing};
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name {
    pub step: Option<u64>,
    pub epoch: Option<u64>,
    /// What stands before the number at the end.
    head: String,
    /// The same without an epoch's number.
    run: String,
    /// It has no number, or one that tells a run or a part.
    pub orders_nothing: bool,
}

impl Name {
    pub fn parse(id: &str) -> Name {
        let (head, number) = before_number(id);
        let Some(number) = number else {
            return Name { orders_nothing: true, ..Name::default() };
        };
        let head = head.trim_end_matches(SEPARATORS);
        let mut name = Name {
            step: Some(number),
            epoch: None,
            head: head.to_owned(),
            run: head.to_owned(),
            orders_nothing: orders_nothing(head) || is_called_a_part(head),
        };
        let (rest, last) = before_word(head);
        let rest = rest.trim_end_matches(SEPARATORS);
        let (before, Some(other)) = before_number(rest) else { return name };
        let (_, first) = before_word(before.trim_end_matches(SEPARATORS));
        let is = |word: &str, of: &[&str]| of.contains(&&*word.to_ascii_lowercase());
        if is(first, &EPOCHS) && is(last, &STEPS) {
            name.epoch = Some(other);
        } else if is(first, &STEPS) && is(last, &EPOCHS) {
            (name.step, name.epoch) = (Some(other), Some(number));
        } else {
            return name;
        }
        name.run = format!("{before}{}", &head[rest.len()..]);
        name
    }
}

const SEPARATORS: [char; 4] = ['_', '-', '=', '.'];

/// A text, and the number at its end.
fn before_number(text: &str) -> (&str, Option<u64>) {
    let head = text.trim_end_matches(|c: char| c.is_ascii_digit());
    (head, text[head.len()..].parse().ok())
}

/// A text, and the letters at its end.
fn before_word(text: &str) -> (&str, &str) {
    text.split_at(text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).len())
}

/// Words for a part of a checkpoint, wherever they stand.
fn is_called_a_part(prefix: &str) -> bool {
    const PARTS: [&str; 16] = [
        "rank",
        "shard",
        "part",
        "process",
        "proc",
        "worker",
        "node",
        "host",
        "replica",
        "tp",
        "pp",
        "dp",
        "model",
        "optim",
        "optimizer",
        "fsdp",
    ];
    let prefix = prefix.to_ascii_lowercase();
    prefix.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| PARTS.contains(&word))
}

/// Which series each belongs to: one for all epochs of a run, if its steps are counted on from one
/// epoch to the next. Where they begin anew, no order of them is that of the training.
pub fn prefixes<'n>(names: impl Iterator<Item = &'n Name> + Clone) -> Vec<String> {
    // For each run, the epochs with their least and greatest steps.
    let mut epochs: BTreeMap<&str, BTreeMap<u64, (u64, u64)>> = BTreeMap::new();
    for name in names.clone() {
        if let (Some(epoch), Some(step)) = (name.epoch, name.step) {
            let steps = epochs.entry(&name.run).or_default().entry(epoch).or_insert((step, step));
            *steps = (steps.0.min(step), steps.1.max(step));
        }
    }
    epochs.retain(|_, steps| {
        let steps: Vec<(u64, u64)> = steps.values().copied().collect();
        steps.windows(2).all(|w| w[0].1 < w[1].0)
    });
    let goes_on = |name: &Name| epochs.contains_key(&*name.run);
    names.map(|name| if goes_on(name) { &name.run } else { &name.head }).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_epochs_and_what_is_neither() {
        let table = [
            ("step_100", "step 100 - step step"),
            ("ep1-ba300", "step 300 epoch 1 ep1-ba ep-ba"),
            ("epoch3-step1200", "step 1200 epoch 3 epoch3-step epoch-step"),
            ("net_epoch=3_step=12", "step 12 epoch 3 net_epoch=3_step net_epoch=_step"),
            ("step12-epoch3", "step 12 epoch 3 step12-epoch step-epoch"),
            ("epoch3-1200", "step 1200 - epoch3 epoch3"),
            ("seed1-step5", "step 5 - seed1-step seed1-step"),
            ("sweep3-ba5", "step 5 - sweep3-ba sweep3-ba"),
            ("7", "step 7 -  "),
            ("seed_1", "step 1 - seed seed ?"),
            ("run1", "step 1 - run run ?"),
            ("stage_0", "step 0 - stage stage ?"),
            ("model_ema_5", "step 5 - model_ema model_ema ?"),
            ("ema", "- -   ?"),
            ("99999999999999999999", "- -   ?"),
        ];
        for (id, want) in table {
            let name = Name::parse(id);
            let step = name.step.map_or("-".to_owned(), |n| format!("step {n}"));
            let epoch = name.epoch.map_or("-".to_owned(), |n| format!("epoch {n}"));
            let doubt = if name.orders_nothing { " ?" } else { "" };
            assert_eq!(format!("{step} {epoch} {} {}{doubt}", name.head, name.run), want, "{id}");
        }
    }

    #[test]
    fn a_run_is_one_series_while_its_steps_go_on() {
        let of = |ids: &[&str]| {
            let names: Vec<Name> = ids.iter().map(|id| Name::parse(id)).collect();
            prefixes(names.iter()).join(" ")
        };
        assert_eq!(of(&["ep0-ba100", "ep0-ba200", "ep1-ba300"]), "ep-ba ep-ba ep-ba");
        assert_eq!(of(&["ep0-ba100", "ep0-ba200", "ep1-ba150"]), "ep0-ba ep0-ba ep1-ba");
        assert_eq!(of(&["ep0-ba100", "ep1-ba100"]), "ep0-ba ep1-ba");
        assert_eq!(
            of(&["a-ep1-ba5", "a-ep0-ba9", "b-ep1-ba5", "ba5"]),
            "a-ep1-ba a-ep0-ba b-ep-ba ba"
        );
    }
}
