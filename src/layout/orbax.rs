//! Orbax: directories that end in the step, `40` or `ckpt_00000040`.
//!
//! A number proves nothing, the file `_CHECKPOINT_METADATA` in the directory does. A save goes to
//! `NAME.orbax-checkpoint-tmp` and is renamed. A deletion is no rename but a parallel removal of
//! files: one that was cut short leaves a step that still looks committed, and shows by items that
//! are not there any more. `commit_success.txt` means nothing: older versions never wrote it.

use super::folder::{Folder, Peek, cannot_read, read_json};
use super::metric::Source;
use super::{About, Claim, Layout, Notes, Series, by_prefix, words};
use crate::core::model::{Marks, Step, Time};
use crate::format::json::Value;
use crate::store::{Entry, Kind};

pub struct Orbax;

pub const METADATA: &[u8] = b"_CHECKPOINT_METADATA";
pub const UNFINISHED: &str = ".orbax-checkpoint-tmp";
/// Where soft deletion moves steps to.
const TRASH: &[u8] = b"trash";

const ABOUT: About = About {
    unit: "directory",
    name: "ends in the step, `40`, `ckpt_0040`",
    signature: "`_CHECKPOINT_METADATA` inside",
    order: "name",
    metrics: "`metrics/metrics`",
    pointers: "-",
    unfinished: "`.orbax-checkpoint-tmp` in its name or an item's; no commit time",
    traps: "an item that the metadata names is gone: a deletion that was cut short, ambiguous. So is a seed or an agent: `seed_0`, `agent_0`. `trash/` and `metadata/` are never candidates. `commit_success.txt` means nothing",
};

impl Layout for Orbax {
    fn name(&self) -> &'static str {
        "orbax"
    }

    fn about(&self) -> About {
        ABOUT
    }

    fn recognise(&self, folder: &Folder<'_>, notes: &mut Notes) -> Vec<Series> {
        let mut claims = Vec::new();
        let mut weak = Vec::new();
        for entry in folder.dirs() {
            let Some(name) = std::str::from_utf8(&entry.name).ok().and_then(Name::parse) else {
                continue;
            };
            // What cannot be opened is said when the directory is visited.
            let Ok(peek) = folder.peek(&entry.name) else { continue };
            if name.prefix == "checkpoint" && is_single_item(&peek) {
                // Flax made it, through Orbax.
                continue;
            }
            let proven = peek.has_file(METADATA);
            let Some(step) = name.step else {
                if proven {
                    notes.never(folder, &entry.name, "an Orbax checkpoint with an impossible step");
                }
                continue;
            };
            if folder.name() == TRASH && proven {
                notes.never(folder, &entry.name, "set aside by Orbax's soft deletion");
                continue;
            }
            // A directory or a link of that name proves nothing and is no reason to look away.
            let odd = !proven && peek.entry(METADATA).is_some();
            let mut claim = Claim {
                step: Some(Step::Whole(step)),
                complete: proven && !name.unfinished,
                ..Claim::of_entry(&entry.name)
            };
            if words::orders_nothing(name.prefix) {
                claim.marks.set(Marks::AMBIGUOUS);
            }
            if proven {
                claims.push((name.prefix.to_owned(), claim));
            } else if name.unfinished || odd || has_items(folder, &entry.name, &peek) {
                weak.push((name.prefix.to_owned(), claim));
            }
        }
        if claims.is_empty() {
            return Vec::new();
        }
        // Cut short while it was begun or deleted: the neighbours prove what it was.
        claims.append(&mut weak);
        if folder.peek(b"metadata").is_ok_and(|p| p.has_file(b"_ROOT_METADATA")) {
            notes.never(folder, b"metadata", "Orbax's metadata of the whole run");
        }
        by_prefix(claims)
    }

    fn explain(&self, folder: &Folder<'_>, entry: &Entry) -> Option<String> {
        let name = Name::parse(std::str::from_utf8(&entry.name).ok()?)?;
        if entry.kind != Kind::Dir {
            return None;
        }
        if name.step.is_none() {
            return Some("its step does not fit into 64 bits".to_owned());
        }
        let peek = folder.peek(&entry.name).ok()?;
        (!peek.has_file(METADATA)).then(|| "no _CHECKPOINT_METADATA in it".to_owned())
    }

    fn enrich(&self, folder: &Folder<'_>, series: &mut Series, notes: &mut Notes) {
        for claim in &mut series.claims {
            if let Err(text) = read(folder, claim) {
                claim.complete = false;
                notes.fault(folder.join(claim.name()), text);
            }
        }
    }
}

/// Where [`UNFINISHED`] begins in a name; of most names a look for its dot is enough.
pub fn unfinished_at(name: &str) -> Option<usize> {
    let dot = name.find('.')?;
    name[dot..].find(UNFINISHED).map(|at| dot + at)
}

/// A directory's name taken apart.
struct Name<'n> {
    prefix: &'n str,
    /// `None` if it does not fit.
    step: Option<u64>,
    unfinished: bool,
}

impl Name<'_> {
    fn parse(name: &str) -> Option<Name<'_>> {
        let apart = unfinished_at(name).map(|at| (&name[..at], &name[at + UNFINISHED.len()..]));
        let (stem, unfinished) = match apart {
            // Older versions put a time behind it.
            Some((stem, rest)) if rest.is_empty() || rest.starts_with('-') => (stem, true),
            Some(_) => return None,
            None => (name, false),
        };
        let (prefix, digits) = stem.rsplit_once('_').unwrap_or(("", stem));
        let is_step = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let has_prefix = stem.len() == digits.len() || !prefix.is_empty();
        (is_step && has_prefix).then(|| Name { prefix, step: digits.parse().ok(), unfinished })
    }
}

/// Whether the state lies in the directory itself, not in items below it.
pub fn is_single_item(peek: &Peek<'_>) -> bool {
    [&b"_METADATA"[..], b"_sharding", b"manifest.ocdbt", b"checkpoint"]
        .iter()
        .any(|name| peek.has_file(name))
}

/// Whether a subdirectory holds what only Orbax writes; for a step without its metadata file.
fn has_items(folder: &Folder<'_>, name: &[u8], peek: &Peek<'_>) -> bool {
    let is_item = |item: &[u8]| {
        let listing = folder.dir.open(name).and_then(|d| d.open(item)).and_then(|d| d.list());
        listing.is_ok_and(|entries| {
            entries.iter().any(|e| matches!(&*e.name, b"manifest.ocdbt" | b"_sharding"))
        })
    };
    peek.entries().iter().any(|e| e.kind == Kind::Dir && is_item(&e.name))
}

fn read(folder: &Folder<'_>, claim: &mut Claim) -> Result<(), String> {
    let peek = folder.peek(claim.name()).map_err(|e| cannot_read("the checkpoint", &e))?;
    if peek.entry(METADATA).is_none() {
        claim.complete = false;
        return Ok(());
    }
    let metadata = peek.read_json(METADATA)?;
    if metadata.as_object().is_none() {
        return Err("_CHECKPOINT_METADATA is damaged: not an object".to_owned());
    }
    match metadata.get("commit_timestamp_nsecs") {
        None => {}
        Some(Value::Null) => claim.complete = false,
        Some(at) => {
            let nanos = at.as_u64().and_then(|n| i64::try_from(n).ok());
            let text = "commit_timestamp_nsecs in _CHECKPOINT_METADATA is no time";
            claim.saved_at = Some(Time::from_nanos(nanos.ok_or(text)?)).filter(|t| t.nanos() != 0);
        }
    }
    if peek.entries().iter().any(|e| is_unfinished_item(&e.name)) {
        claim.complete = false;
    }
    if let Some(Value::Object(items)) = metadata.get("item_handlers")
        && !is_single_item(&peek)
        && items.iter().any(|(item, _)| peek.entry(item.as_bytes()).is_none())
        && claim.complete
    {
        // A deletion that was cut short, or items that another tool moved away.
        claim.complete = false;
        claim.marks.set(Marks::AMBIGUOUS);
    }
    read_metrics(&peek, claim, &metadata)
}

fn is_unfinished_item(name: &[u8]) -> bool {
    name.windows(UNFINISHED.len()).any(|w| w == UNFINISHED.as_bytes())
}

fn read_metrics(peek: &Peek<'_>, claim: &mut Claim, metadata: &Value) -> Result<(), String> {
    if let Some(Value::Object(members)) = metadata.get("metrics") {
        let source = Source::File(format!("{}/_CHECKPOINT_METADATA", claim.id));
        claim.metrics.offer_members(members, &source);
    }
    if peek.entry(b"metrics").is_none_or(|e| e.kind != Kind::Dir) {
        return Ok(());
    }
    let dir =
        peek.dir().and_then(|d| d.open(b"metrics")).map_err(|e| cannot_read("metrics", &e))?;
    let entries = dir.list().map_err(|e| cannot_read("metrics", &e))?;
    if !entries.iter().any(|e| &*e.name == b"metrics") {
        return Ok(());
    }
    let value = read_json(&*dir, b"metrics").map_err(|text| format!("metrics/{text}"))?;
    let members = value.as_object().ok_or("metrics/metrics is damaged: not an object")?;
    let source = Source::File(format!("{}/metrics/metrics", claim.id));
    claim.metrics.offer_members(members, &source);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let table = [
            ("0", Some(("", Some(0), false))),
            ("ckpt_00000100", Some(("ckpt", Some(100), false))),
            ("my_run_7", Some(("my_run", Some(7), false))),
            ("2.orbax-checkpoint-tmp", Some(("", Some(2), true))),
            ("a_2.orbax-checkpoint-tmp-1699999999", Some(("a", Some(2), true))),
            ("99999999999999999999", Some(("", None, false))),
            ("2.orbax-checkpoint-tmpx", None),
            ("_5", None),
            ("ckpt_", None),
            ("ckpt", None),
            ("step5", None),
            ("1-20260101-101010-000000", None),
            ("", None),
        ];
        for (name, want) in table {
            let got = Name::parse(name).map(|n| (n.prefix, n.step, n.unfinished));
            assert_eq!(got, want, "{name}");
        }
    }
}
