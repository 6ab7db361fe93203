//! Layouts that a person declares: a regular expression for names, and where the rest stands.
//!
//! What a framework of one's own writes is recognised by its names alone; the declaration is the
//! promise that nothing else is called like that. Everything else is as for built-in layouts.

use super::folder::{Folder, cannot_read, read_json};
use super::metric::{Source, rounded};
use super::record::{self, Fact, Join};
use super::{Claim, Layout, Notes, Series, builtin, pointer};
use crate::core::model::{Marks, Step};
use crate::core::name::encode;
use crate::store::{self, Entry, Kind};
use regex::{Captures, Regex, RegexBuilder};
use std::collections::{BTreeMap, HashMap};

mod definition;

pub use definition::{Definition, DefinitionError, MetricFile, UnitKind};

const ID: &str = "{id}";
const METRIC: &str = "metric_";
/// Compiled, a larger expression is refused.
const MAX_REGEX: usize = 1 << 20;

/// A declared layout, checked and compiled.
#[derive(Clone, Debug)]
pub struct Generic {
    definition: Definition,
    regex: Regex,
}

impl Generic {
    /// # Errors
    /// The first thing that is wrong with the definition.
    pub fn new(definition: &Definition) -> Result<Generic, DefinitionError> {
        let d = definition.clone();
        let name = d.name.clone();
        if name.trim().is_empty() {
            return Err(DefinitionError::NoName);
        }
        if builtin().iter().any(|l| l.name() == name) {
            return Err(DefinitionError::BuiltIn(name));
        }
        let regex = RegexBuilder::new(&format!("^(?:{})$", d.regex)).size_limit(MAX_REGEX).build();
        let regex = regex.map_err(|e| DefinitionError::Regex { name, text: e.to_string() })?;
        let layout = Generic { definition: d, regex };
        layout.check_groups()?;
        layout.check_files()?;
        layout.check_metrics()?;
        Ok(layout)
    }

    fn has_group(&self, group: &str) -> bool {
        self.regex.capture_names().flatten().any(|g| g == group)
    }

    fn check_groups(&self) -> Result<(), DefinitionError> {
        let name = || self.definition.name.clone();
        for group in self.regex.capture_names().flatten() {
            let is_metric = group.strip_prefix(METRIC).is_some_and(|m| !m.is_empty());
            if !is_metric && !matches!(group, "id" | "step" | "epoch") {
                return Err(DefinitionError::Group { name: name(), group: group.to_owned() });
            }
        }
        if self.definition.unit == UnitKind::Group && !self.has_group("id") {
            return Err(DefinitionError::NoId { name: name() });
        }
        Ok(())
    }

    fn check_files(&self) -> Result<(), DefinitionError> {
        let d = &self.definition;
        let fault = |key, value: &str, remedy| {
            let (name, value) = (d.name.clone(), value.to_owned());
            Err(DefinitionError::File { name, key, value, remedy })
        };
        if let Some(complete) = &d.complete {
            if !definition::is_name(complete) {
                return fault("complete", complete, "write one name, without `/`");
            }
            if d.unit != UnitKind::Directory && !complete.contains(ID) {
                return fault("complete", complete, "put `{id}` where the checkpoint's id stands");
            }
        }
        match &d.pointer {
            Some(file) if !definition::is_name(file) => {
                fault("pointer", file, "write one name, without `/`")
            }
            _ => Ok(()),
        }
    }

    fn check_metrics(&self) -> Result<(), DefinitionError> {
        let d = &self.definition;
        let Some(metrics) = &d.metrics else { return Ok(()) };
        let name = || d.name.clone();
        if metrics.format().is_none() {
            return Err(DefinitionError::Format { name: name(), file: metrics.file.clone() });
        }
        let inside = metrics.file.strip_prefix("{id}/");
        let plain = inside.or(metrics.file.strip_prefix("../")).unwrap_or(&metrics.file);
        if !definition::is_name(plain) || (inside.is_some() && d.unit != UnitKind::Directory) {
            return Err(DefinitionError::File {
                name: name(),
                key: "metrics.file",
                value: metrics.file.clone(),
                remedy: "write `NAME`, `../NAME`, or, for directories, `{id}/NAME`",
            });
        }
        let (fact, group) = match metrics.join {
            _ if inside.is_some() => return Ok(()),
            Some(Fact::Id) => return Ok(()),
            Some(Fact::Epoch) => ("epoch", "epoch"),
            Some(Fact::Step) => ("step", "step"),
            None => ("step", ""),
        };
        if self.has_group(group) {
            return Ok(());
        }
        Err(DefinitionError::Join { name: name(), fact })
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

impl Layout for Generic {
    fn name(&self) -> &str {
        &self.definition.name
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
            notes.fault(folder.join(metrics.file.as_bytes()), text);
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
    let is_meant = |c: &&mut Claim| pointer::means(target, c) || *c.id == *shown;
    match series.claims.iter_mut().find(is_meant) {
        Some(claim) => pointer::attach(claim, file),
        None => {
            let shown = encode(&target[..target.len().min(80)]).into_owned();
            notes.fault(path, format!("{file} names `{shown}`, which is not here"));
        }
    }
}

fn read_metrics(
    folder: &Folder<'_>,
    series: &mut Series,
    metrics: &MetricFile,
) -> Result<(), String> {
    if let Some(inside) = metrics.file.strip_prefix("{id}/") {
        for claim in &mut series.claims {
            let peek = folder.peek(claim.name()).map_err(|e| cannot_read(&claim.id, &e))?;
            if peek.entry(inside.as_bytes()).is_none() {
                continue;
            }
            let value = read_json(&*peek.dir, inside.as_bytes())?;
            let members = value.as_object().ok_or_else(|| format!("{inside} is no object"))?;
            let wanted = |m: &&(String, _)| metrics.keys.is_empty() || metrics.keys.contains(&m.0);
            let members: Vec<_> = members.iter().filter(wanted).cloned().collect();
            let source = Source::File(format!("{}/{inside}", claim.id));
            claim.metrics.offer_members(&members, &source);
        }
        return Ok(());
    }
    let (home, name) = match metrics.file.strip_prefix("../") {
        Some(name) => (folder.parent(), name),
        None => (Some(folder), &*metrics.file),
    };
    let Some(home) = home.filter(|h| h.entry(name.as_bytes()).is_some()) else { return Ok(()) };
    let (Some(format), Some(fact)) = (metrics.format(), metrics.join) else { return Ok(()) };
    let column = match fact {
        Fact::Id => "checkpoint",
        Fact::Step => "step",
        Fact::Epoch => "epoch",
    };
    let join = Join {
        fact,
        column: metrics.column.clone().unwrap_or_else(|| column.to_owned()),
        offset: metrics.offset,
        keys: metrics.keys.clone(),
    };
    let source = Source::File(metrics.file.clone());
    record::offer(&mut series.claims, &*home.dir, name.as_bytes(), format, &[join], &source)
}
