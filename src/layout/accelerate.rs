//! Accelerate: directories that `save_state` wrote.
//!
//! Named by itself they are `checkpoints/checkpoint_<i>`, where `i` counts saves; scripts name them
//! `step_<n>`, `epoch_<n>` or, as Diffusers' do, `checkpoint-<n>`. The states of the random number
//! generators are written last, one file for each rank. Metrics there are none.

use super::folder::{Folder, Peek, cannot_read};
use super::{About, Claim, Layout, Notes, Series};
use crate::core::model::{Marks, Step};
use crate::core::name::encode;
use crate::store::{Entry, Kind};

pub struct Accelerate;

/// What comes before the number, and whether that counts epochs.
const NAMES: [(&str, bool); 4] =
    [("checkpoint_", false), ("checkpoint-", false), ("step_", false), ("epoch_", true)];

const ABOUT: About = About {
    unit: "directory",
    name: "`checkpoint_<i>`, `step_<n>`, `epoch_<n>`, `checkpoint-<n>`",
    signature: "`random_states_<r>.pkl` inside",
    order: "name; `i` counts saves",
    metrics: "sidecar",
    pointers: "-",
    unfinished: "weights without it, newer than a finished one",
    traps: "scripts that keep only weights: older ones are ambiguous",
};

impl Layout for Accelerate {
    fn name(&self) -> &'static str {
        "accelerate"
    }

    fn about(&self) -> About {
        ABOUT
    }

    fn recognise(&self, folder: &Folder<'_>, notes: &mut Notes) -> Vec<Series> {
        let mut proven = Vec::new();
        let mut weak = Vec::new();
        for entry in folder.dirs() {
            let Some(number) = number(&entry.name) else { continue };
            match folder.peek(&entry.name) {
                Ok(peek) if is_finished(&peek) => proven.push(number.claim(&entry.name)),
                Ok(peek) if looks_begun(&peek) => {
                    weak.push(Claim { complete: false, ..number.claim(&entry.name) });
                }
                Ok(_) => {}
                Err(e) => {
                    notes.fault(folder.join(&entry.name), cannot_read(&encode(&entry.name), &e));
                }
            }
        }
        if proven.is_empty() {
            return Vec::new();
        }
        // Weights and optimizer alone could be anyone's; after finished ones they are a cut save.
        let newest = proven.iter().map(|c| (c.step, c.epoch)).max();
        for claim in &mut weak {
            if Some((claim.step, claim.epoch)) < newest {
                // Or somebody thinned it out: it is kept.
                claim.marks.set(Marks::AMBIGUOUS);
            }
        }
        proven.append(&mut weak);
        let own_components = usize::from(folder.name() == b"checkpoints");
        vec![Series { own_components, claims: proven, ..Series::default() }]
    }

    fn explain(&self, _: &Folder<'_>, entry: &Entry) -> Option<String> {
        number(&entry.name)?;
        (entry.kind == Kind::Dir).then(|| "no random_states_<rank>.pkl in it".to_owned())
    }

    fn enrich(&self, _: &Folder<'_>, _: &mut Series, _: &mut Notes) {}
}

/// What a name counts.
enum Number {
    Step(u64),
    Epoch(u64),
}

impl Number {
    fn claim(&self, name: &[u8]) -> Claim {
        let claim = Claim::of_entry(name);
        match *self {
            Number::Step(n) => Claim { step: Some(Step::Whole(n)), ..claim },
            Number::Epoch(n) => Claim { epoch: Some(Step::Whole(n)), ..claim },
        }
    }
}

fn number(name: &[u8]) -> Option<Number> {
    let text = std::str::from_utf8(name).ok()?;
    let (digits, is_epoch) =
        NAMES.iter().find_map(|(prefix, epoch)| Some((text.strip_prefix(prefix)?, *epoch)))?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number = digits.parse().ok()?;
    Some(if is_epoch { Number::Epoch(number) } else { Number::Step(number) })
}

fn is_finished(peek: &Peek<'_>) -> bool {
    peek.entries().iter().any(|e| {
        let digits = e.name.strip_prefix(b"random_states_").and_then(|n| n.strip_suffix(b".pkl"));
        digits.is_some_and(|d| !d.is_empty() && d.iter().all(u8::is_ascii_digit))
    })
}

/// Whether it has what `save_state` writes first. The Trainer's directories have other names for
/// the rest.
fn looks_begun(peek: &Peek<'_>) -> bool {
    let trainer: [&[u8]; 3] = [b"trainer_state.json", b"training_args.bin", b"optimizer.pt"];
    let weights = |name: &[u8]| {
        (name.starts_with(b"model") || name.starts_with(b"pytorch_model"))
            && (name.ends_with(b".safetensors") || name.ends_with(b".bin"))
    };
    !trainer.iter().any(|n| peek.entry(n).is_some())
        && peek.entries().iter().any(|e| weights(&e.name) || &*e.name == b"optimizer.bin")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let table = [
            ("checkpoint_0", Some("step 0")),
            ("checkpoint_12", Some("step 12")),
            ("checkpoint-500", Some("step 500")),
            ("step_10", Some("step 10")),
            ("epoch_3", Some("epoch 3")),
            ("checkpoint_", None),
            ("checkpoint_x", None),
            ("checkpoint_0.25", None),
            ("checkpoint_1_2", None),
            ("steps_1", None),
            ("0", None),
        ];
        for (name, want) in table {
            let shown = number(name.as_bytes()).map(|n| match n {
                Number::Step(step) => format!("step {step}"),
                Number::Epoch(epoch) => format!("epoch {epoch}"),
            });
            assert_eq!(shown.as_deref(), want, "{name}");
        }
    }
}
