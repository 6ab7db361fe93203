//! Layouts that a person declares: a regular expression for names, and where the rest stands.
//!
//! What a framework of one's own writes is recognised by its names alone; the declaration is the
//! promise that nothing else is called like that. Everything else is as for built-in layouts.

use super::folder::{Folder, cannot_read};
use super::metric::{Source, rounded};
use super::record;
use super::{About, Claim, Layout, Notes, Series, pointer};
use crate::core::declared::{Definition, ID, METRIC, MetricFile, MetricPlace, UnitKind};
use crate::core::model::{Marks, Step};
use crate::core::name::encode;
use crate::store::{self, Entry, Kind};
use regex::{Captures, Regex};
use std::collections::{BTreeMap, HashMap};

/// A declared layout, compiled.
#[derive(Clone, Debug)]
pub struct Generic {
    definition: Definition,
    regex: Regex,
}

impl Generic {
    /// # Errors
    /// The regular expression is none; definitions that were read have been checked.
    pub fn new(definition: &Definition) -> Result<Generic, regex::Error> {
        Ok(Generic { definition: definition.clone(), regex: definition.compile()? })
    }

    /// Whether it would recognise an entry of this name.
    pub fn matches(&self, name: &str) -> bool {
        self.regex.is_match(name)
    }

    fn kind(&self) -> Kind {
        match self.definition.unit {
            UnitKind::Directory => Kind::Dir,
            UnitKind::File | UnitKind::Group => Kind::File,
        }
    }

    fn claim(&self, name: &str, found: &Captures<'_>) -> Claim {
        let number = |group: &str| {
            let text = found.name(group)?.as_str();
            match text.parse() {
                Ok(whole) => Some(Step::Whole(whole)),
                Err(_) => Step::from_f64(text.parse().ok()?),
            }
        };
        let mut claim = Claim::of_entry(name.as_bytes());
        (claim.step, claim.epoch) = (number("step"), number("epoch"));
        for group in self.regex.capture_names().flatten() {
            let (Some(metric), Some(text)) = (group.strip_prefix(METRIC), found.name(group)) else {
                continue;
            };
            let (value, half_unit) = rounded(text.as_str()).unwrap_or((f64::NAN, 0.0));
            claim.metrics.offer(metric, value, Source::Name { half_unit });
        }
        if ["step", "epoch"].iter().any(|g| found.name(g).is_some() && number(g).is_none()) {
            claim.marks.set(Marks::AMBIGUOUS);
        }
        claim
    }
}

const ABOUT: About = About {
    unit: "file, group of files, or directory, as declared",
    name: "a regular expression",
    signature: "the name alone: the declaration is the promise",
    order: "groups `step` and `epoch` of the name",
    metrics: "groups `metric_NAME`; a CSV, JSON or JSON Lines file",
    pointers: "the file that is declared",
    unfinished: "the marker that is declared is missing",
    traps: "what a built-in layout recognises as well is ambiguous",
};

impl Layout for Generic {
    fn name(&self) -> &str {
        &self.definition.name
    }

    fn about(&self) -> About {
        ABOUT
    }

    fn recognise(&self, folder: &Folder<'_>, _: &mut Notes) -> Vec<Series> {
        let kind = self.kind();
        let mut by_id: BTreeMap<String, Vec<Claim>> = BTreeMap::new();
        for entry in folder.entries().iter().filter(|e| e.kind == kind && &*e.name != b".retain") {
            let Ok(name) = std::str::from_utf8(&entry.name) else { continue };
            let Some(found) = self.regex.captures(name) else { continue };
            let claim = self.claim(name, &found);
            let id = found.name("id").map_or(&*claim.id, |id| id.as_str()).to_owned();
            by_id.entry(id).or_default().push(claim);
        }
        let mut claims = Vec::new();
        for (id, mut all) in by_id {
            if self.definition.unit == UnitKind::Group && !id.is_empty() {
                claims.push(group(id, all));
            } else if all.len() == 1 && !id.is_empty() {
                claims.extend(all.pop().map(|claim| Claim { id, ..claim }));
            } else {
                // Several entries of one id: each keeps its own name.
                for mut claim in all {
                    claim.marks.set(Marks::AMBIGUOUS);
                    claims.push(claim);
                }
            }
        }
        part_equal_ids(&mut claims);
        for claim in &mut claims {
            self.add_marker(folder, claim);
        }
        if claims.is_empty() {
            return Vec::new();
        }
        vec![Series { claims, ..Series::default() }]
    }

    fn holds_anything(&self) -> bool {
        true
    }

    fn explain(&self, _: &Folder<'_>, entry: &Entry) -> Option<String> {
        let Ok(name) = std::str::from_utf8(&entry.name) else {
            return Some("its name is not UTF-8".to_owned());
        };
        if !self.regex.is_match(name) {
            return Some(format!("its name does not match `{}`", self.definition.regex));
        }
        let wanted = if self.kind() == Kind::Dir { "directory" } else { "file" };
        (entry.kind != self.kind()).then(|| format!("its name matches, but it is no {wanted}"))
    }

    fn enrich(&self, folder: &Folder<'_>, series: &mut Series, notes: &mut Notes) {
        for claim in &mut series.claims {
            claim.complete = self.is_complete(folder, claim);
        }
        if let Some(pointer) = &self.definition.pointer {
            follow(folder, series, pointer, notes);
        }
        if let Some(metrics) = &self.definition.metrics
            && let Err(text) = read_metrics(folder, series, metrics)
        {
            notes.fault(folder.join(metrics.file.to_string().as_bytes()), text);
        }
    }
}

impl Generic {
    fn is_complete(&self, folder: &Folder<'_>, claim: &Claim) -> bool {
        let Some(marker) = &self.definition.complete else { return true };
        let marker = marker.replace(ID, &claim.id);
        match self.definition.unit {
            UnitKind::Directory => {
                folder.peek(claim.name()).is_ok_and(|p| p.entry(marker.as_bytes()).is_some())
            }
            UnitKind::File | UnitKind::Group => {
                claim.entries.iter().any(|e| **e == *marker.as_bytes())
            }
        }
    }

    /// A marker beside a checkpoint goes with it, and first: without it nothing loads the rest.
    fn add_marker(&self, folder: &Folder<'_>, claim: &mut Claim) {
        let Some(marker) = &self.definition.complete else { return };
        let marker = marker.replace(ID, &claim.id).into_bytes();
        let beside = self.definition.unit != UnitKind::Directory && folder.has_file(&marker);
        if beside && !claim.entries.iter().any(|e| **e == *marker) {
            claim.entries.insert(0, marker.into());
        }
    }
}

/// An id that is another entry's name is given up.
fn part_equal_ids(claims: &mut [Claim]) {
    loop {
        let mut count: HashMap<String, usize> = HashMap::new();
        for claim in claims.iter() {
            *count.entry(claim.id.clone()).or_default() += 1;
        }
        let mut changed = false;
        for claim in claims.iter_mut().filter(|c| count.get(&c.id) > Some(&1)) {
            claim.marks.set(Marks::AMBIGUOUS);
            let own = encode(claim.name()).into_owned();
            changed |= claim.id != own;
            claim.id = own;
        }
        if !changed {
            return;
        }
    }
}

/// Files of one id; they must agree about what they are.
fn group(id: String, all: Vec<Claim>) -> Claim {
    let mut claims = all.into_iter();
    let mut first = claims.next().unwrap_or_default();
    for other in claims {
        if (other.step, other.epoch) != (first.step, first.epoch) {
            first.marks.set(Marks::AMBIGUOUS);
        }
        first.entries.extend(other.entries);
        for reading in other.metrics.readings() {
            first.metrics.offer(&reading.name, reading.value, reading.source.clone());
        }
    }
    Claim { id, ..first }
}

fn follow(folder: &Folder<'_>, series: &mut Series, file: &str, notes: &mut Notes) {
    if folder.entry(file.as_bytes()).is_none() {
        return;
    }
    let path = folder.join(file.as_bytes());
    let text = match store::read_metadata(&*folder.dir, file.as_bytes()) {
        Ok(text) => text,
        Err(e) => return notes.fault(path, cannot_read(file, &e)),
    };
    let target = text.trim_ascii();
    let shown = encode(target);
    let meant = pointer::meant(&folder.path, &series.claims.iter_mut().collect::<Vec<_>>(), target);
    let is_meant =
        |c: &&mut Claim| meant.is_some_and(|m| pointer::is_called(c, m.name)) || *c.id == *shown;
    let found = series.claims.iter_mut().find(is_meant);
    let is_sure = found.is_some() && meant.is_none_or(|m| m.is_sure);
    if let Some(claim) = found {
        pointer::attach(claim, file);
    }
    if !is_sure {
        notes.fault(path, pointer::lost(file, target));
    }
}

fn read_metrics(
    folder: &Folder<'_>,
    series: &mut Series,
    metrics: &MetricFile,
) -> Result<(), String> {
    let (home, name) = match &metrics.file {
        MetricPlace::Inside(name) => return read_inside(folder, series, metrics, name),
        MetricPlace::Above(name) => (folder.parent(), name),
        MetricPlace::Beside(name) => (Some(folder), name),
    };
    let Some(home) = home.filter(|h| h.entry(name.as_bytes()).is_some()) else { return Ok(()) };
    let Some(join) = &metrics.join else { return Ok(()) };
    let join = record::Join {
        fact: join.fact,
        column: join.column.clone(),
        offset: join.offset,
        keys: metrics.keys.clone(),
    };
    let source = Source::File(metrics.file.to_string());
    record::offer(&mut series.claims, &*home.dir, name.as_bytes(), metrics.format, &[join], &source)
}

fn read_inside(
    folder: &Folder<'_>,
    series: &mut Series,
    metrics: &MetricFile,
    inside: &str,
) -> Result<(), String> {
    for claim in &mut series.claims {
        let peek = folder.peek(claim.name()).map_err(|e| cannot_read(&claim.id, &e))?;
        if peek.entry(inside.as_bytes()).is_none() {
            continue;
        }
        let value = peek.read_json(inside.as_bytes())?;
        let members = value.as_object().ok_or_else(|| format!("{inside} is no object"))?;
        let wanted = |m: &&(String, _)| metrics.keys.is_empty() || metrics.keys.contains(&m.0);
        let members: Vec<_> = members.iter().filter(wanted).cloned().collect();
        let source = Source::File(format!("{}/{inside}", claim.id));
        claim.metrics.offer_members(&members, &source);
    }
    Ok(())
}
