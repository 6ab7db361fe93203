//! Composer: one file for each rank, `ep<epoch>-ba<batch>-rank<rank>.pt`.
//!
//! All ranks of a batch are one checkpoint. `latest-rank<rank>.pt` are symlinks to the last one,
//! which the scan follows.

use super::folder::Folder;
use super::shaped::{self, Shaped, check_parts, worse};
use super::{About, Claim, Layout, Notes, Series};
use crate::core::model::Step;
use crate::format::shape::{self, Shape};
use crate::store::{Entry, Kind};
use std::collections::BTreeMap;

pub struct Composer;

const ABOUT: About = About {
    unit: "files of all ranks",
    name: "`ep<E>-ba<B>-rank<R>.pt`",
    signature: "torch content",
    order: "batch, epoch",
    metrics: "sidecar",
    pointers: "`latest-rank<R>.pt` symlinks",
    unfinished: "a rank missing; it breaks off",
    traps: "fewer ranks without a gap may be a smaller run: also ambiguous",
};

impl Layout for Composer {
    fn name(&self) -> &'static str {
        "composer"
    }

    fn about(&self) -> About {
        ABOUT
    }

    fn recognise(&self, folder: &Folder<'_>, notes: &mut Notes) -> Vec<Series> {
        let mut units: BTreeMap<(u64, u64), Vec<(u64, &[u8], Shape)>> = BTreeMap::new();
        for entry in folder.entries().iter().filter(|e| e.kind == Kind::File) {
            let Some((epoch, batch, rank)) = parse(&entry.name) else { continue };
            if let Some(shape) = shaped::look(folder, &entry.name, shape::torch, notes) {
                units.entry((epoch, batch)).or_default().push((rank, &entry.name, shape));
            }
        }
        // The name alone is Composer's, and telling; still one of them has to be a checkpoint.
        let begins_well = |s: &Shape| matches!(s, Shape::Whole | Shape::Unknown | Shape::CutShort);
        if !units.values().flatten().any(|(_, _, shape)| begins_well(shape)) {
            return Vec::new();
        }
        let mut found = Vec::new();
        let mut ranks = Vec::new();
        for ((epoch, batch), mut parts) in units {
            parts.sort_unstable_by_key(|p| p.0);
            ranks.push(parts.iter().map(|p| p.0).collect());
            let claim = Claim {
                id: format!("ep{epoch}-ba{batch}"),
                entries: parts.iter().map(|p| p.1.into()).collect(),
                epoch: Some(Step::Whole(epoch)),
                step: Some(Step::Whole(batch)),
                complete: true,
                ..Claim::default()
            };
            let shape = parts.iter().map(|p| p.2).fold(Shape::Whole, worse);
            found.push(Shaped { claim, shape });
        }
        let mut claims = shaped::settle(found);
        check_parts(&mut claims, &ranks);
        let own_components = usize::from(folder.name() == b"checkpoints");
        vec![Series { own_components, claims, ..Series::default() }]
    }

    fn explain(&self, _: &Folder<'_>, entry: &Entry) -> Option<String> {
        parse(&entry.name)?;
        Some(match entry.kind {
            Kind::Symlink => "a link is never a checkpoint of its own".to_owned(),
            _ => "it is no file of torch.save".to_owned(),
        })
    }

    fn enrich(&self, _: &Folder<'_>, _: &mut Series, _: &mut Notes) {}
}

/// Epoch, batch and rank.
fn parse(name: &[u8]) -> Option<(u64, u64, u64)> {
    let stem = std::str::from_utf8(name).ok()?.strip_suffix(".pt")?;
    let mut parts = stem.split('-');
    let mut number = |prefix: &str| {
        let digits = parts.next()?.strip_prefix(prefix)?;
        let plain = digits.bytes().all(|b| b.is_ascii_digit());
        // Composer pads with nothing: another spelling would be another file of the same unit.
        (plain && (digits == "0" || !digits.starts_with('0')))
            .then(|| digits.parse().ok())
            .flatten()
    };
    let found = (number("ep")?, number("ba")?, number("rank")?);
    parts.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let table = [
            ("ep0-ba100-rank0.pt", Some((0, 100, 0))),
            ("ep12-ba3456-rank15.pt", Some((12, 3456, 15))),
            ("ep0-ba100.pt", None),
            ("ep0-ba100-rank0-x.pt", None),
            ("ep01-ba100-rank0.pt", None),
            ("ep0-ba-rank0.pt", None),
            ("latest-rank0.pt", None),
            ("ep0-ba100-rank0", None),
        ];
        for (name, want) in table {
            assert_eq!(parse(name.as_bytes()), want, "{name}");
        }
    }
}
