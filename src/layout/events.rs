//! Scalars that a run logged for `TensorBoard`, where the framework has no exact log of its own.
//!
//! A tag's step is whatever the program counts, so only layouts read event files whose framework
//! is known to count steps or epochs. A run that was resumed writes a new file; of two values for
//! one step the one that was logged later counts, by the writers' clock.

use super::Claim;
use super::folder::{Folder, cannot_read, join};
use super::join::Join;
use super::metric::Source;
use crate::core::model::Step;
use crate::core::name::encode;
use crate::format::events::{for_each_scalar, is_event_file};
use crate::layout::Notes;
use crate::store::{Dir, Entry, Kind};
use std::collections::{BTreeMap, HashMap, HashSet};

/// What a tag is called as a metric; `None` if it is none.
pub type Naming = fn(&str) -> Option<String>;

/// A file with more tags is refused: no run logs so many, and they are held in memory.
const MAX_TAGS: usize = 100_000;
/// What some writers log with every value; a fact to compare, and no metric.
pub const EPOCH: &str = "epoch";

/// Scalars of any number of event files, by the numbers of the checkpoints they belong to.
#[derive(Debug, Default)]
pub struct Scalars {
    /// Paths relative to the session.
    sources: Vec<String>,
    points: HashMap<u64, BTreeMap<String, Point>>,
    names: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
struct Point {
    value: f64,
    wall_time: f64,
    source: usize,
}

/// Where event files lie.
pub struct Place<'a> {
    pub dir: &'a dyn Dir,
    pub entries: &'a [Entry],
    /// Below the root, raw.
    pub path: Vec<u8>,
    /// What stands before a file's name in its path relative to the session: empty, or `runs/`.
    pub shown: String,
}

impl<'a> Place<'a> {
    /// A directory that belongs to a session; `shown` as [`Place::shown`].
    pub fn of(folder: &'a Folder<'_>, shown: &str) -> Place<'a> {
        Place {
            dir: &*folder.dir,
            entries: folder.entries(),
            path: folder.path.clone(),
            shown: shown.to_owned(),
        }
    }

    pub fn has_events(&self) -> bool {
        self.entries.iter().any(is_event_entry)
    }
}

fn is_event_entry(entry: &Entry) -> bool {
    entry.kind != Kind::Dir && is_event_file(&entry.name)
}

impl Scalars {
    /// Reads the event files of a place, for checkpoints of these numbers. A file that is damaged
    /// is noted, and gives no value at all.
    pub fn read(
        &mut self,
        place: &Place<'_>,
        join_by: &Join,
        wanted: &HashSet<u64>,
        naming: Naming,
        notes: &mut Notes,
    ) {
        for entry in place.entries.iter().filter(|e| is_event_entry(e)) {
            let shown = format!("{}{}", place.shown, encode(&entry.name));
            let mut found: Vec<(u64, String, Point)> = Vec::new();
            let mut tags: HashMap<String, Option<String>> = HashMap::new();
            let source = self.sources.len();
            let file = place.dir.file(&entry.name).map_err(|e| cannot_read(&shown, &e));
            let read = file.and_then(|file| {
                for_each_scalar(&*file, |s| {
                    if tags.len() <= MAX_TAGS && !tags.contains_key(s.tag) {
                        tags.insert(s.tag.to_owned(), naming(s.tag));
                    }
                    let row = u64::try_from(s.step).ok();
                    let number = row.and_then(|n| n.checked_add_signed(join_by.offset));
                    if let Some(number) = number.filter(|n| wanted.contains(n))
                        && let Some(Some(name)) = tags.get(s.tag)
                    {
                        let point = Point { value: s.value, wall_time: s.wall_time, source };
                        found.push((number, name.clone(), point));
                    }
                })
                .map_err(|e| format!("{shown}: {e}"))
            });
            match read {
                Ok(()) if tags.len() > MAX_TAGS => {
                    let text = format!("{shown}: more than {MAX_TAGS} tags");
                    notes.fault(join(&place.path, &entry.name), text);
                }
                Ok(()) => {
                    self.sources.push(shown);
                    self.names.extend(tags.into_values().flatten());
                    for (number, name, point) in found {
                        self.add(number, name, point);
                    }
                }
                Err(text) => notes.fault(join(&place.path, &entry.name), text),
            }
        }
    }

    fn add(&mut self, number: u64, name: String, point: Point) {
        let known = self.points.entry(number).or_default().entry(name).or_insert(point);
        if point.wall_time >= known.wall_time {
            *known = point;
        }
    }

    /// The names of everything that was logged, whatever it was logged for.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What was logged of a name for a checkpoint of this number.
    pub fn get(&self, number: Option<Step>, name: &str) -> Option<f64> {
        let Some(Step::Whole(number)) = number else { return None };
        self.points.get(&number)?.get(name).map(|p| p.value)
    }

    /// Gives a checkpoint what was logged for its number and no other file has told.
    pub fn offer(&self, claim: &mut Claim, number: Option<Step>) {
        let Some(Step::Whole(number)) = number else { return };
        for (name, point) in self.points.get(&number).into_iter().flatten() {
            if name != EPOCH && !claim.metrics.is_in_file(name) {
                let source = Source::File(self.sources[point.source].clone());
                claim.metrics.offer(name, point.value, source);
            }
        }
    }
}

/// The whole numbers among these.
pub fn whole(numbers: impl Iterator<Item = Option<Step>>) -> HashSet<u64> {
    let whole = |n| match n {
        Some(Step::Whole(n)) => Some(n),
        _ => None,
    };
    numbers.filter_map(whole).collect()
}
