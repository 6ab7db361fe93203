//! `TorchTNT`: directories `epoch_<E>_step_<S>`, with a metric at the end if it is tracked.
//!
//! Fits with an evaluation name their phases, `epoch_0_train_step_10_eval_step_2`. Inside lies a
//! `torchsnapshot` or a `torch.distributed` checkpoint, both of which write their metadata last.

use super::folder::{Folder, Peek, cannot_read};
use super::metric::{Source, rounded};
use super::{About, Claim, Layout, Notes, Series};
use crate::core::model::Step;
use crate::core::name::encode;
use crate::store::{Entry, Kind};

pub struct TorchTnt;

/// Written last by the two savers.
const METADATA: [&[u8]; 2] = [b".snapshot_metadata", b".metadata"];

const ABOUT: About = About {
    unit: "directory",
    name: "`epoch_<E>_step_<S>`, also with phases",
    signature: "`.snapshot_metadata` or `.metadata` inside",
    order: "name",
    metrics: "name",
    pointers: "-",
    unfinished: "neither",
    traps: "an evaluation's step is not the training's",
};

impl Layout for TorchTnt {
    fn name(&self) -> &'static str {
        "torchtnt"
    }

    fn about(&self) -> About {
        ABOUT
    }

    fn recognise(&self, folder: &Folder<'_>, notes: &mut Notes) -> Vec<Series> {
        let mut proven = Vec::new();
        let mut weak = Vec::new();
        for entry in folder.dirs() {
            let Some(name) = Name::parse(&entry.name) else { continue };
            let peek = match folder.peek(&entry.name) {
                Ok(peek) => peek,
                Err(e) => {
                    notes.fault(folder.join(&entry.name), cannot_read(&encode(&entry.name), &e));
                    continue;
                }
            };
            let complete = METADATA.iter().any(|m| peek.has_file(m));
            let claim = Claim { complete, ..claim(&entry.name, &name) };
            if complete {
                proven.push(claim);
            } else if looks_begun(&peek) {
                weak.push(claim);
            }
        }
        if proven.is_empty() {
            return Vec::new();
        }
        proven.append(&mut weak);
        vec![Series { claims: proven, ..Series::default() }]
    }

    fn explain(&self, _: &Folder<'_>, entry: &Entry) -> Option<String> {
        (is_name(&entry.name) && entry.kind == Kind::Dir)
            .then(|| "neither .snapshot_metadata nor .metadata in it".to_owned())
    }

    fn enrich(&self, _: &Folder<'_>, _: &mut Series, _: &mut Notes) {}
}

#[derive(Debug, PartialEq)]
struct Name<'n> {
    epoch: u64,
    /// Of the training: an evaluation within it does not count.
    step: u64,
    /// Name and text of the value.
    metric: Option<(&'n str, &'n str)>,
}

impl<'n> Name<'n> {
    fn parse(name: &'n [u8]) -> Option<Name<'n>> {
        let rest = std::str::from_utf8(name).ok()?.strip_prefix("epoch_")?;
        let (epoch, rest) = number(rest)?;
        let rest = rest.strip_prefix("_train").unwrap_or(rest);
        let (step, rest) = number(rest.strip_prefix("_step_")?)?;
        let rest = match rest.strip_prefix("_eval_step_") {
            Some(rest) => number(rest)?.1,
            None => rest,
        };
        let metric = match rest.strip_prefix('_') {
            Some(metric) => Some(metric.rsplit_once('=').filter(|(k, _)| !k.is_empty())?),
            None if rest.is_empty() => None,
            None => return None,
        };
        if metric.is_some_and(|(_, value)| rounded(value).is_none()) {
            return None;
        }
        Some(Name { epoch, step, metric })
    }
}

/// Whether this is the name of one: those that others would claim by their content.
pub fn is_name(name: &[u8]) -> bool {
    Name::parse(name).is_some()
}

fn number(text: &str) -> Option<(u64, &str)> {
    let len = text.bytes().take_while(u8::is_ascii_digit).count();
    Some((text[..len].parse().ok()?, &text[len..]))
}

fn claim(entry: &[u8], name: &Name<'_>) -> Claim {
    let mut claim = Claim {
        epoch: Some(Step::Whole(name.epoch)),
        step: Some(Step::Whole(name.step)),
        ..Claim::of_entry(entry)
    };
    if let Some((metric, (value, half_unit))) =
        name.metric.and_then(|(metric, value)| Some((metric, rounded(value)?)))
    {
        claim.metrics.offer(metric, value, Source::Name { half_unit });
    }
    claim
}

/// Tensors are there: `torchsnapshot` sorts them by rank, `torch.distributed` into shards.
fn looks_begun(peek: &Peek<'_>) -> bool {
    peek.entries().iter().any(|e| {
        let by_rank = e.name.iter().all(u8::is_ascii_digit);
        by_rank
            || [&b"replicated"[..], b"sharded"].contains(&&*e.name)
            || e.name.ends_with(b".distcp")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let of = |epoch, step, metric| Some(Name { epoch, step, metric });
        let table = [
            ("epoch_0_step_10", of(0, 10, None)),
            ("epoch_2_step_10_val_loss=0.25", of(2, 10, Some(("val_loss", "0.25")))),
            ("epoch_0_train_step_10_eval_step_2", of(0, 10, None)),
            ("epoch_0_train_step_10_eval_step_2_acc=-1e-05", of(0, 10, Some(("acc", "-1e-05")))),
            ("epoch_0_train_step_10", of(0, 10, None)),
            ("epoch_0", None),
            ("epoch_0_step_", None),
            ("epoch_0_step_10x", None),
            ("epoch_0_step_10_loss", None),
            ("epoch_0_step_10_loss=low", None),
            ("epoch_0_step_10_=1", None),
            ("epoch_0_step_99999999999999999999", None),
        ];
        for (name, want) in table {
            assert_eq!(Name::parse(name.as_bytes()), want, "{name}");
        }
    }
}
