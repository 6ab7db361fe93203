//! Determined: directories `<uuid>` with a `metadata.json`.
//!
//! Which trial one belongs to, and its metrics, only the master's database knows: nobody can tell
//! from the disk which of them go together. All are shown, and kept.

use super::folder::{Folder, Peek, cannot_read};
use super::{About, Claim, Layout, Notes, Series};
use crate::core::model::{Marks, Step};
use crate::core::name::encode;
use crate::format::json::Value;
use crate::store::{Entry, Kind};

pub struct Determined;

const METADATA: &[u8] = b"metadata.json";
const STEPS: &str = "steps_completed";

const ABOUT: About = About {
    unit: "directory",
    name: "`<uuid>`",
    signature: "`metadata.json` with `steps_completed` inside",
    order: "`steps_completed`",
    metrics: "sidecar",
    pointers: "-",
    unfinished: "no `metadata.json` (ambiguous)",
    traps: "trials lie side by side, and which is whose only the master knows: all are ambiguous, shown and kept",
};

impl Layout for Determined {
    fn name(&self) -> &'static str {
        "determined"
    }

    fn about(&self) -> About {
        ABOUT
    }

    fn recognise(&self, folder: &Folder<'_>, notes: &mut Notes) -> Vec<Series> {
        let mut claims = Vec::new();
        let mut weak = Vec::new();
        for entry in folder.dirs().filter(|e| is_uuid(&e.name)) {
            let peek = match folder.peek(&entry.name) {
                Ok(peek) => peek,
                Err(e) => {
                    notes.fault(folder.join(&entry.name), cannot_read(&encode(&entry.name), &e));
                    continue;
                }
            };
            let claim = Claim::of_entry(&entry.name);
            match steps(&peek) {
                Some(step) => claims.push(Claim { step: Some(Step::Whole(step)), ..claim }),
                None if peek.entry(METADATA).is_some() => weak.push((claim, true)),
                None => weak.push((claim, false)),
            }
        }
        if claims.is_empty() {
            return Vec::new();
        }
        // A uuid proves nothing; beside proven ones its metadata is damaged, or not yet written.
        for (mut claim, has_metadata) in weak {
            claim.complete = has_metadata;
            claim.marks.set(Marks::AMBIGUOUS);
            claims.push(claim);
        }
        // Which trial a checkpoint is of stands in the master's database only. "The newest" of all
        // trials together would delete whole trials: shown, and kept.
        for claim in &mut claims {
            claim.marks.set(Marks::AMBIGUOUS);
        }
        vec![Series { claims, ..Series::default() }]
    }

    fn holds_anything(&self) -> bool {
        true
    }

    fn explain(&self, _: &Folder<'_>, entry: &Entry) -> Option<String> {
        (is_uuid(&entry.name) && entry.kind == Kind::Dir)
            .then(|| "no metadata.json with steps_completed in it or in any beside it".to_owned())
    }

    fn enrich(&self, folder: &Folder<'_>, series: &mut Series, notes: &mut Notes) {
        for claim in &mut series.claims {
            let Ok(peek) = folder.peek(claim.name()) else { continue };
            if peek.entry(METADATA).is_some()
                && let Err(text) = peek.read_json(METADATA)
            {
                claim.complete = false;
                notes.fault(folder.join(claim.name()), text);
            }
        }
    }
}

/// Version and variant are not looked at: Determined lets users bring their own.
fn is_uuid(name: &[u8]) -> bool {
    name.len() == 36
        && name.iter().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => *b == b'-',
            _ => b.is_ascii_digit() || (b'a'..=b'f').contains(b),
        })
}

fn steps(peek: &Peek<'_>) -> Option<u64> {
    peek.has_file(METADATA)
        .then(|| peek.read_json(METADATA).ok()?.get(STEPS).and_then(Value::as_u64))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert!(is_uuid(b"0a1b2c3d-0a1b-4a1b-8a1b-0a1b2c3d4e5f"));
        for name in [
            "0a1b2c3d-0a1b-4a1b-8a1b-0a1b2c3d4e5",
            "0A1B2C3D-0a1b-4a1b-8a1b-0a1b2c3d4e5f",
            "0a1b2c3d_0a1b_4a1b_8a1b_0a1b2c3d4e5f",
            "0a1b2c3g-0a1b-4a1b-8a1b-0a1b2c3d4e5f",
        ] {
            assert!(!is_uuid(name.as_bytes()), "{name}");
        }
    }
}
