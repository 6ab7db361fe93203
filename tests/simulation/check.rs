//! Promise P, and what else must hold between two commands.

use crate::tree::{self, Binned, Facts, Tree};
use crate::world::{FOLDERS, Thing, UNITS, World};
use retain::apply::home::Home;
use retain::apply::journal::history::{self, Run, Settled, State};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Where a checkpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Whole at its own path.
    Home,
    /// Whole in the trash, with a record.
    Trash,
    /// Some of it in the trash, among that what makes it loadable.
    Half,
    /// Purged, or being purged.
    Purge,
}

/// What was seen of a world when it was checked.
pub struct Seen {
    /// Where each thing is.
    pub places: Vec<At>,
    pub home: Tree,
    pub trash: Vec<Binned>,
}

/// How much must have come to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// A command may have been cut off.
    No,
    /// Recovered: nothing is half way unless its place is taken.
    Recovered,
}

/// What the journals say about a checkpoint of a run.
type Records = HashMap<(String, String, String), (State, bool)>;

impl World {
    /// Where each thing is, or how P is broken.
    pub fn check(&self, rest: Rest) -> Result<Seen, String> {
        let home = tree::without_ours(&self.top);
        let trash = tree::trash(&self.top, FOLDERS.iter().map(Path::new));
        let records = self.records()?;
        let mut left = home.clone();
        let mut places = Vec::new();
        for thing in &self.things {
            let unit = &UNITS[thing.unit];
            let at = World::place(thing, &home, &trash, &records, rest);
            let at = at.map_err(|why| format!("{} {}: {why}", unit.session, unit.id))?;
            for part in thing.parts.iter().filter(|p| is_home(&home, &p.path, &p.tree)) {
                for (path, _) in tree::below(&home, &part.path) {
                    left.remove(path);
                }
            }
            places.push(at);
        }
        if left != self.others {
            let new = left.iter().filter(|(p, f)| self.others.get(*p) != Some(f)).map(|(p, _)| p);
            let lost = self.others.keys().filter(|p| !left.contains_key(*p));
            let (new, lost): (Vec<_>, Vec<_>) = (new.collect(), lost.collect());
            return Err(format!("something else changed: new or other {new:?}, lost {lost:?}"));
        }
        if !self.pins.is_empty() && !self.top.join("d/.retain/marks.toml").exists() {
            return Err("the marks are gone".to_owned());
        }
        Ok(Seen { places, home, trash })
    }

    /// The runs of the root's own journal; these worlds have no other. Nothing is decoded twice.
    pub fn runs(&self) -> Result<Arc<[Run]>, String> {
        let written = tree::contents(&self.top.join(".retain/journal"));
        if let Some((seen, runs)) = &*self.journal.borrow()
            && *seen == written
        {
            return Ok(Arc::clone(runs));
        }
        let home = Home::central(&self.root()).map_err(|e| e.to_string())?;
        let home = home.ok_or("the journal is gone")?;
        let runs: Arc<[Run]> =
            history::read(home.journal(), Settled::Whole).map_err(|e| e.to_string())?.into();
        self.journal.replace(Some((written, Arc::clone(&runs))));
        Ok(runs)
    }

    fn records(&self) -> Result<Records, String> {
        let mut records = Records::new();
        for run in &*self.runs()? {
            let unfinished = !run.open.is_empty() && !run.settled;
            for item in run.items.values() {
                let intent = &item.intent;
                let key = (run.id.clone(), intent.session.clone(), intent.id.clone());
                records.insert(key, (item.state, unfinished));
            }
        }
        Ok(records)
    }

    fn place(
        thing: &Thing,
        home: &Tree,
        trash: &[Binned],
        records: &Records,
        rest: Rest,
    ) -> Result<At, String> {
        let unit = &UNITS[thing.unit];
        let at_home = |path: &Path, tree: &Tree| is_home(home, path, tree);
        let here = thing.parts.iter().filter(|p| at_home(&p.path, &p.tree)).count();
        let binned: Vec<Option<&Binned>> = thing
            .parts
            .iter()
            .map(|p| {
                let same = |b: &&Binned| {
                    Some(b.parent.as_path()) == p.path.parent()
                        && Some(b.name.as_os_str()) == p.path.file_name()
                        && b.tree == p.tree
                };
                trash.iter().find(same)
            })
            .collect();
        let first = thing.parts.iter().find(|p| p.path == Path::new(unit.paths[0]));
        let loadable = first.is_some_and(|p| at_home(&p.path, &p.tree));
        if here == thing.parts.len() {
            return Ok(At::Home);
        }
        if unit.keeper {
            return Err("a keeper is not at its path".to_owned());
        }
        if loadable {
            return Err("what makes it loadable is at its path, the rest is not".to_owned());
        }
        let record = binned.iter().flatten().find_map(|b| {
            let key = (b.run.clone(), unit.session.to_owned(), unit.id.to_owned());
            records.get(&key).copied()
        });
        let whole = binned.iter().all(Option::is_some);
        if whole && let Some((state, unfinished)) = record {
            let restorable = matches!(state, State::Intent | State::Moved);
            let settled =
                rest == Rest::Recovered && !World::is_taken(thing, home) && thing.is_all();
            if restorable && !thing.planned && (settled || !unfinished) {
                return Err("it is in the trash, and is not what was planned".to_owned());
            }
            if restorable {
                return Ok(At::Trash);
            }
        }
        let accounted =
            thing.parts.iter().zip(&binned).all(|(p, b)| b.is_some() || at_home(&p.path, &p.tree));
        let open = record.is_some_and(|(state, unfinished)| unfinished && !state.is_final());
        if accounted
            && open
            && !thing.purgeable
            && (rest == Rest::No || World::is_taken(thing, home))
        {
            return Ok(At::Half);
        }
        if thing.purgeable {
            return Ok(At::Purge);
        }
        Err(format!(
            "{here} of {} parts at home, in the trash: {:?}, by record: {record:?}",
            thing.parts.len(),
            binned.iter().map(Option::is_some).collect::<Vec<_>>(),
        ))
    }

    /// All of it is at its own path.
    pub fn is_whole(thing: &Thing, home: &Tree) -> bool {
        thing.parts.iter().all(|p| is_home(home, &p.path, &p.tree))
    }

    /// Something else bears a name of it.
    pub fn is_taken(thing: &Thing, home: &Tree) -> bool {
        let taken =
            |p: &crate::world::Part| home.contains_key(&p.path) && !is_home(home, &p.path, &p.tree);
        thing.parts.iter().any(taken)
    }
}

/// Whether exactly this tree is at its path.
fn is_home(home: &Tree, path: &Path, tree: &Tree) -> bool {
    let mut found = tree::below(home, path);
    // What is below the place, by its path from there, is as the tree has it, and no more.
    tree.iter().all(|(rel, facts)| {
        let same = |(p, f): (&Path, &Facts)| f == facts && p.strip_prefix(path) == Ok(rel);
        found.next().is_some_and(same)
    }) && found.next().is_none()
}
