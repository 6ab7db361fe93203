//! What a number in a name counts, by the words before it or as a date.
//!
//! What frameworks name themselves counts steps or epochs. In names that a user chooses a number may
//! as well tell folds, seeds or agents apart, or parts of one checkpoint: then the lower one is no
//! older save of the same model, and a rule that kept the newest few would lose the others.

pub const STEPS: [&str; 12] = [
    "step",
    "steps",
    "iter",
    "iters",
    "iteration",
    "iterations",
    "it",
    "update",
    "updates",
    "batch",
    "ba",
    "s",
];
pub const EPOCHS: [&str; 4] = ["epoch", "epochs", "ep", "e"];
/// What one checkpoint has several of.
pub const PARTS: [&str; 20] = [
    "rank", "shard", "part", "of", "tp", "pp", "dp", "worker", "proc", "process", "gpu", "node",
    "host", "replica", "layer", "block", "module", "expert", "head", "stage",
];
/// What tells runs apart, not the checkpoints of one.
pub const RUNS: [&str; 40] = [
    "run",
    "runs",
    "version",
    "ver",
    "v",
    "trial",
    "exp",
    "experiment",
    "fold",
    "folds",
    "kfold",
    "cv",
    "k",
    "split",
    "partition",
    "seed",
    "rep",
    "repeat",
    "replicate",
    "task",
    "job",
    "session",
    "class",
    "try",
    "attempt",
    "agent",
    "player",
    "client",
    "site",
    "member",
    "ensemble",
    "individual",
    "subject",
    "patient",
    "config",
    "cfg",
    "variant",
    "group",
    "phase",
    "id",
];

/// Whether the word stands before a step or an epoch. One letter may be the end of any word.
pub fn is_counter(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    word.len() > 1 && (STEPS.contains(&&*word) || EPOCHS.contains(&&*word))
}

/// Whether the number behind `before` counts runs or parts: `fold_`, `net-seed=`, `bestFold`.
pub fn orders_nothing(before: &str) -> bool {
    last_words(before).any(|word| RUNS.contains(&&*word) || PARTS.contains(&&*word))
}

/// Whether it counts runs.
pub fn tells_runs(before: &str) -> bool {
    last_words(before).any(|word| RUNS.contains(&&*word))
}

/// Whether the number behind `before` counts what a training does one after the other.
pub fn counts_steps(before: &str) -> bool {
    last_words(before).any(|word| STEPS.contains(&&*word) || EPOCHS.contains(&&*word))
}

/// The letters right before a number, and their last capitalised word. A number of its own between
/// them and this one ends them: in `seed0_40` the 40 follows no word.
fn last_words(before: &str) -> impl Iterator<Item = String> {
    let text = before.trim_end_matches(|c: char| !c.is_alphanumeric());
    let letters = text.bytes().rev().take_while(u8::is_ascii_alphabetic).count();
    let word = &text[text.len() - letters..];
    let humps = word.as_bytes().windows(2);
    let hump = humps.rev().position(|w| w[0].is_ascii_lowercase() && w[1].is_ascii_uppercase());
    let last = hump.map(|from_end| &word[word.len() - 1 - from_end..]);
    [Some(word), last].into_iter().flatten().map(str::to_ascii_lowercase)
}

/// Whether a number is a day, `20260131`.
pub fn is_date(number: &str) -> bool {
    number.len() == 8
        && is_whole(number)
        && is_year(&number[..4])
        && is_day(&number[4..6], &number[6..])
}

/// `2026` and the like.
pub fn is_year(number: &str) -> bool {
    number.len() == 4 && is_whole(number) && (number.starts_with("19") || number.starts_with("20"))
}

/// A month and a day of it, of two digits each.
pub fn is_day(month: &str, day: &str) -> bool {
    let within = |text: &str, most: u8| {
        text.len() == 2 && is_whole(text) && text.parse().is_ok_and(|n: u8| 0 < n && n <= most)
    };
    within(month, 12) && within(day, 31)
}

fn is_whole(number: &str) -> bool {
    number.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_orders_nothing() {
        for before in [
            "fold_",
            "fold",
            "model-fold=",
            "best.seed-",
            "SEED_",
            "modelFold",
            "bestFold_",
            "run",
            "a1_agent_",
            "net/k",
            "stage_",
            "mp_rank_",
            "모델_fold_",
        ] {
            assert!(orders_nothing(before) && !counts_steps(before), "{before}");
            assert_eq!(tells_runs(before), !before.contains("stage") && !before.contains("rank"));
        }
        for before in ["step", "global_step", "ep", "epoch=", "iter_", "globalStep", "ba", "E"] {
            assert!(counts_steps(before) && !orders_nothing(before), "{before}");
        }
        for before in ["", "-", "model_", "ckpt-", "seed0_", "unfold_", "manifold-", "fold_폴드_"]
        {
            assert!(!orders_nothing(before) && !counts_steps(before), "{before}");
        }
    }

    #[test]
    fn dates() {
        assert!(is_date("20260131") && is_date("19991231"));
        for number in [
            "20261301",
            "20260100",
            "20260132",
            "00260131",
            "2026013",
            "202601311",
            "20.10112",
            "é",
        ] {
            assert!(!is_date(number), "{number}");
        }
    }
}
