//! Megatron-LM: directories `iter_0000040`, and beside them the number of the last one saved.
//!
//! A directory holds either a folder for each model-parallel rank or the shards of a distributed
//! checkpoint. `latest_checkpointed_iteration.txt` is written after the save: a higher iteration
//! than it says is unfinished. Whoever wants to start again from an earlier one sets the number back,
//! and the higher ones are whole: one that looks so is kept. Megatron records no metrics.

use super::folder::{Folder, Peek, cannot_read};
use super::torch_dcp::{has_metadata, has_shards};
use super::{About, Claim, Layout, Notes, Series, pointer};
use crate::core::model::{Marks, Step};
use crate::core::name::encode;
use crate::store::{self, Entry, Kind};

pub struct Megatron;

const TRACKER: &[u8] = b"latest_checkpointed_iteration.txt";
const RELEASE: &[u8] = b"release";

const ABOUT: About = About {
    unit: "directory",
    name: "`iter_0000040`",
    signature: "`latest_checkpointed_iteration.txt` beside, ranks' folders or shards inside",
    order: "name",
    metrics: "sidecar",
    pointers: "the file beside",
    unfinished: "above the pointer; a rank without state; no `.metadata`",
    traps: "above the pointer and whole: unfinished, or the pointer was set back, ambiguous. `release/` and `non_persistent/` are never candidates",
};

impl Layout for Megatron {
    fn name(&self) -> &'static str {
        "megatron"
    }

    fn about(&self) -> About {
        ABOUT
    }

    fn recognise(&self, folder: &Folder<'_>, notes: &mut Notes) -> Vec<Series> {
        if !owns(folder) {
            return Vec::new();
        }
        let mut claims = Vec::new();
        for entry in folder.dirs() {
            let iteration = iteration(&entry.name);
            if iteration.is_none() && &*entry.name != RELEASE {
                continue;
            }
            // What cannot be opened is said when the directory is visited.
            let Ok(peek) = folder.peek(&entry.name) else { continue };
            let (is_ours, complete) = look(&peek);
            match iteration {
                Some(iteration) if is_ours => claims.push(Claim {
                    step: Some(Step::Whole(iteration)),
                    complete,
                    ..Claim::of_entry(&entry.name)
                }),
                None if is_ours => {
                    notes.never(folder, RELEASE, "a released model, which has no iteration");
                }
                _ => {}
            }
        }
        if claims.is_empty() {
            return Vec::new();
        }
        if folder.entry(b"non_persistent").is_some_and(|e| e.kind == Kind::Dir) {
            notes.never(folder, b"non_persistent", "Megatron keeps only the newest here itself");
        }
        vec![Series { claims, ..Series::default() }]
    }

    fn explain(&self, folder: &Folder<'_>, entry: &Entry) -> Option<String> {
        iteration(&entry.name)?;
        Some(match entry.kind {
            Kind::Symlink => "a link is never a checkpoint of its own".to_owned(),
            Kind::Dir if !owns(folder) => {
                "no latest_checkpointed_iteration.txt beside it".to_owned()
            }
            Kind::Dir => "no mp_rank_* folders and no shards in it".to_owned(),
            _ => return None,
        })
    }

    fn enrich(&self, folder: &Folder<'_>, series: &mut Series, notes: &mut Notes) {
        let path = folder.join(TRACKER);
        let text = match store::read_metadata(&*folder.dir, TRACKER) {
            Ok(text) => text,
            Err(e) => return notes.fault(path, cannot_read(&encode(TRACKER), &e)),
        };
        let text = text.trim_ascii();
        if text == RELEASE {
            return;
        }
        let number = std::str::from_utf8(text).ok().and_then(|t| t.parse::<u64>().ok());
        let Some(latest) = number else {
            let shown = encode(&text[..text.len().min(80)]).into_owned();
            return notes.fault(path, format!("`{shown}` is no iteration"));
        };
        let mut found = false;
        for claim in &mut series.claims {
            if claim.step > Some(Step::Whole(latest)) {
                if claim.complete {
                    claim.marks.set(Marks::AMBIGUOUS);
                }
                claim.complete = false;
            } else if claim.step == Some(Step::Whole(latest)) {
                pointer::attach(claim, "latest_checkpointed_iteration.txt");
                found = true;
            }
        }
        // A symlink of that name is its own protection of what it leads to.
        let is_link = |n: &[u8]| iteration(n) == Some(latest);
        if !found && !folder.entries().iter().any(|e| is_link(&e.name)) {
            notes.fault(path, format!("iteration {latest} is not here"));
        }
    }
}

/// Whether the directory is one that Megatron saves to.
pub fn owns(folder: &Folder<'_>) -> bool {
    folder.has_file(TRACKER)
}

/// `iter_0000040`: seven digits, or more where seven do not suffice.
fn iteration(name: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(name.strip_prefix(b"iter_")?).ok()?;
    let padded = digits.len() == 7 || (digits.len() > 7 && !digits.starts_with('0'));
    (padded && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
}

/// Whether a directory holds what Megatron writes, and whether that is all there.
fn look(peek: &Peek<'_>) -> (bool, bool) {
    let ranks: Vec<&[u8]> = peek
        .entries()
        .iter()
        .filter(|e| e.kind == Kind::Dir && e.name.starts_with(b"mp_rank_"))
        .map(|e| &*e.name)
        .collect();
    if !ranks.is_empty() {
        let is_state = |name: &[u8]| {
            matches!(name, b"model_optim_rng.pt" | b"model_rng.pt" | b"distrib_optim.pt")
        };
        let has_state = |rank: &[u8]| {
            let listing = peek.dir().and_then(|d| d.open(rank)).and_then(|d| d.list());
            listing.is_ok_and(|entries| entries.iter().any(|e| is_state(&e.name)))
        };
        return (true, ranks.into_iter().all(has_state));
    }
    let zarr = peek.has_file(b"common.pt") && peek.has_file(b"metadata.json") && !has_shards(peek);
    let ours = peek.has_file(b"common.pt") || peek.has_file(b"metadata.json") || has_shards(peek);
    (ours, zarr || (has_shards(peek) && has_metadata(peek)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iterations() {
        let table = [
            ("iter_0000040", Some(40)),
            ("iter_12345678", Some(12_345_678)),
            ("iter_00000040", None),
            ("iter_40", None),
            ("iter_000004x", None),
            ("iter_99999999999999999999", None),
            ("release", None),
        ];
        for (name, want) in table {
            assert_eq!(iteration(name.as_bytes()), want, "{name}");
        }
    }
}
