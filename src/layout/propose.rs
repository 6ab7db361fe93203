//! Guesses a declaration from names that no layout recognised, for their owner to check.
//!
//! A series of checkpoints shows by its names: the same text around numbers that differ. What a
//! number counts stands in the word before it. A guess is printed and read, never acted upon.

use super::folder::{Folder, show};
use super::generic::Generic;
use super::{Claim, Layout, Notes};
use crate::core::declared::{Definition, UnitKind};
use crate::core::policy::LAYOUTS;
use crate::store::{Entry, Kind};
use std::collections::BTreeMap;
use std::fmt::Write as _;

mod beside;
mod name;

use name::{Family, Pattern};

/// A declaration that would recognise what nobody did.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    pub definition: Definition,
    /// What it would recognise, as paths below the root.
    pub entries: Vec<String>,
    /// What of it is a guess that nothing supports; sentences.
    pub doubts: Vec<String>,
}

/// What files of weights end in.
const WEIGHTS: [&str; 26] = [
    "pt",
    "pth",
    "ckpt",
    "chkpt",
    "bin",
    "safetensors",
    "h5",
    "hdf5",
    "keras",
    "npz",
    "npy",
    "pkl",
    "pickle",
    "msgpack",
    "params",
    "pdparams",
    "weights",
    "model",
    "onnx",
    "th",
    "t7",
    "gguf",
    "tar",
    "joblib",
    "eqx",
    "zip",
];
/// What may lie beside a file of weights as a part of the same checkpoint.
const COMPANIONS: [&str; 14] = [
    "optim",
    "optimizer",
    "opt",
    "pdopt",
    "sched",
    "scheduler",
    "state",
    "ema",
    "index",
    "meta",
    "json",
    "yaml",
    "yml",
    "toml",
];
/// What is put behind a checkpoint's name when it is finished.
const MARKERS: [&str; 7] =
    [".done", ".complete", ".completed", ".finished", ".ok", ".success", ".ready"];

/// What could be declared for the entries of `folder` that nobody claimed.
pub fn propose(folder: &Folder<'_>, unclaimed: &[&Entry]) -> Vec<Proposal> {
    let mut by_head: BTreeMap<(bool, String), Vec<Pattern>> = BTreeMap::new();
    for is_dir in [false, true] {
        let kind = if is_dir { Kind::Dir } else { Kind::File };
        let names = unclaimed.iter().filter(|e| e.kind == kind);
        let names = names.filter_map(|e| std::str::from_utf8(&e.name).ok());
        for family in Family::of(names) {
            let Some(pattern) = family.pattern() else { continue };
            by_head.entry((is_dir, pattern.head.clone())).or_default().push(pattern);
        }
    }
    let groups = by_head.into_iter();
    groups.filter_map(|((is_dir, _), patterns)| of_head(folder, is_dir, patterns)).collect()
}

/// One proposal for names that begin alike.
fn of_head(folder: &Folder<'_>, is_dir: bool, patterns: Vec<Pattern>) -> Option<Proposal> {
    let (definition, used) = if is_dir {
        let used: Vec<Pattern> =
            patterns.into_iter().filter(|p| holds_weights(folder, p)).collect();
        (of_directories(&used)?, used)
    } else {
        of_files(patterns)?
    };
    let mut definition = Definition { name: own_name(folder, used.first()?), ..definition };
    // The guess is tried as a scan would: what it does not recognise is not proposed.
    let layout = Generic::new(&definition).ok()?;
    let mut series = layout.recognise(folder, &mut Notes::default());
    let claims: Vec<Claim> = series.pop()?.claims;
    if is_dir {
        definition.complete = beside::marker_inside(folder, &claims);
    }
    definition.pointer = beside::pointer(folder, &claims);
    definition.metrics = beside::metrics(folder, &claims, is_dir);
    let entries = claims.iter().flat_map(|c| &c.entries);
    let entries = entries.map(|e| show(&folder.join(e)).into_owned()).collect();
    Some(Proposal { definition, entries, doubts: used.into_iter().next()?.doubts })
}

fn of_directories(patterns: &[Pattern]) -> Option<Definition> {
    let [only] = patterns else { return None };
    let regex = format!("{}{}", only.head, only.tail);
    Some(Definition { regex, unit: UnitKind::Directory, ..Definition::default() })
}

fn of_files(patterns: Vec<Pattern>) -> Option<(Definition, Vec<Pattern>)> {
    let is_any = |p: &Pattern, of: &[&str]| {
        let extension = p.example.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase());
        extension.is_some_and(|e| of.contains(&&*e))
    };
    let (markers, rest): (Vec<Pattern>, Vec<Pattern>) = patterns
        .into_iter()
        .partition(|p| MARKERS.iter().any(|m| p.literal_tail.ends_with(m)) && !p.has_parts);
    let weights = rest.iter().any(|p| is_any(p, &WEIGHTS));
    let mut used: Vec<Pattern> =
        rest.into_iter().filter(|p| is_any(p, &WEIGHTS) || is_any(p, &COMPANIONS)).collect();
    if !weights {
        return None;
    }
    used.sort_by_key(|p| !is_any(p, &WEIGHTS));
    let first = used.first()?;
    // `x.pt.done` marks the file `x.pt`, `x.done` whatever is called `x`.
    let of_whole = |m: &&Pattern| {
        used.len() == 1
            && m.literal_tail.strip_prefix(&*first.literal_tail).is_some_and(|r| !r.is_empty())
    };
    let whole = markers.iter().find(of_whole);
    let complete = match (whole, markers.first()) {
        (Some(m), _) => Some(format!("{{id}}{}", &m.literal_tail[first.literal_tail.len()..])),
        (None, Some(m)) => Some(format!("{{id}}{}", m.literal_tail)),
        (None, None) => None,
    };
    let is_group = used.len() > 1 || first.has_parts;
    let needs_id = is_group || (complete.is_some() && whole.is_none());
    let head = if needs_id { format!("(?<id>{})", first.head) } else { first.head.clone() };
    let tails: Vec<&str> = used.iter().map(|p| &*p.tail).collect();
    let tail = match &tails[..] {
        [one] => (*one).to_owned(),
        several => format!("(?:{})", several.join("|")),
    };
    let unit = if is_group { UnitKind::Group } else { UnitKind::File };
    let regex = format!("{head}{tail}");
    Some((Definition { regex, unit, complete, ..Definition::default() }, used))
}

/// Whether the first of the directories hold files of weights, at most one level down, and no
/// series of their own: a data set's folders are numbered too, and so are runs.
fn holds_weights(folder: &Folder<'_>, pattern: &Pattern) -> bool {
    let is_weights = |entry: &Entry| {
        let extension = entry.name.rsplit(|b| *b == b'.').next().unwrap_or_default();
        entry.kind == Kind::File
            && WEIGHTS.iter().any(|w| extension.eq_ignore_ascii_case(w.as_bytes()))
    };
    pattern.members.iter().take(3).any(|name| {
        folder.peek(name.as_bytes()).is_ok_and(|peek| {
            let names = peek.entries().iter().filter_map(|e| std::str::from_utf8(&e.name).ok());
            let is_run = Family::of(names).iter().any(|f| f.pattern().is_some());
            !is_run
                && peek.entries().iter().any(|e| {
                    is_weights(e)
                        || (e.kind == Kind::Dir
                            && peek
                                .dir()
                                .and_then(|d| d.open(&e.name))
                                .and_then(|d| d.list())
                                .is_ok_and(|below| below.iter().any(is_weights)))
                })
        })
    })
}

/// A word of the names, or of the directory.
fn own_name(folder: &Folder<'_>, pattern: &Pattern) -> String {
    let directory = String::from_utf8_lossy(folder.name()).into_owned();
    let word = |text: &str| {
        let words = text.split(|c: char| !c.is_ascii_alphabetic());
        words.map(str::to_ascii_lowercase).find(|w| w.len() > 1)
    };
    let name = word(&pattern.example).or_else(|| word(&directory)).unwrap_or_else(|| "mine".into());
    if LAYOUTS.contains(&&*name) { format!("our-{name}") } else { name }
}

/// One proposal for each declaration, with a name of its own: runs lie in many directories.
pub fn merged(all: Vec<Proposal>, taken: &[&str]) -> Vec<Proposal> {
    let mut merged: Vec<Proposal> = Vec::new();
    for proposal in all {
        let d = &proposal.definition;
        let same =
            |p: &&mut Proposal| (&p.definition.regex, p.definition.unit) == (&d.regex, d.unit);
        let Some(known) = merged.iter_mut().find(same) else {
            merged.push(proposal);
            continue;
        };
        let k = &mut known.definition;
        k.complete = k.complete.take().or(proposal.definition.complete);
        k.pointer = k.pointer.take().or(proposal.definition.pointer);
        k.metrics = k.metrics.take().or(proposal.definition.metrics);
        known.entries.extend(proposal.entries);
    }
    let mut names: Vec<String> = taken.iter().map(|t| (*t).to_owned()).collect();
    for proposal in &mut merged {
        if let Some(marker) = &proposal.definition.complete {
            proposal.doubts.push(format!("without `{marker}` one counts as unfinished"));
        }
        let base = proposal.definition.name.clone();
        let mut n = 2;
        while names.contains(&proposal.definition.name) {
            proposal.definition.name = format!("{base}-{n}");
            n += 1;
        }
        names.push(proposal.definition.name.clone());
    }
    merged
}

impl Proposal {
    /// A `[[layout]]` table, as a person would write it.
    pub fn toml(&self) -> String {
        let d = &self.definition;
        let mut out = String::from("[[layout]]\n");
        let _ = writeln!(out, "name = {}", quoted(&d.name));
        let _ = writeln!(out, "regex = {}", quoted(&d.regex));
        let _ = writeln!(out, "unit = {}", quoted(d.unit.as_str()));
        for (key, value) in [("complete", &d.complete), ("pointer", &d.pointer)] {
            if let Some(value) = value {
                let _ = writeln!(out, "{key} = {}", quoted(value));
            }
        }
        if let Some(metrics) = &d.metrics {
            let _ = write!(out, "metrics = {{ file = {}", quoted(&metrics.file.to_string()));
            if let Some(join) = &metrics.join {
                let _ = write!(out, ", join = {}", quoted(join.fact.as_str()));
                let _ = write!(out, ", column = {}", quoted(&join.column));
                if join.offset != 0 {
                    let _ = write!(out, ", offset = {}", join.offset);
                }
            }
            out.push_str(" }\n");
        }
        out
    }
}

/// A TOML string; in single quotes where backslashes would have to be doubled.
fn quoted(text: &str) -> String {
    let plain = |c: char| !c.is_control() && c != '"' && c != '\\';
    if text.chars().all(plain) {
        return format!("\"{text}\"");
    }
    if !text.contains('\'') && !text.contains(char::is_control) {
        return format!("'{text}'");
    }
    toml::Value::from(text).to_string()
}
