//! What a purge spares: what somebody has come to want since it was moved, what is half way home, and
//! what only bears the name of what was moved.

use super::began;
use crate::apply::cause::Cause;
use crate::apply::dir;
use crate::apply::journal::history::{Item, Run, State};
use crate::apply::journal::record::Intent;
use crate::apply::located::Located;
use crate::apply::outcome::{ApplyError, Skip};
use crate::apply::parallel;
use crate::apply::pointed::Pointed;
use crate::apply::recover::by_session;
use crate::apply::root::Root;
use crate::apply::wanted::{Wanted, before};
use crate::apply::work::Place;
use crate::core::model::Time;
use rustix::fd::AsFd as _;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;

/// I6: items to whose place a symlink, wherever it lies, leads since they were moved.
pub fn pointed_at(
    root: &Root,
    threads: usize,
    run: &Run,
    groups: &[Vec<&Item>],
) -> Result<HashMap<u32, String>, ApplyError> {
    let moved = groups.iter().flatten().filter(|item| item.state == State::Moved);
    let (mut items, mut places) = (Vec::new(), Vec::new());
    for intent in moved.map(|item| &item.intent) {
        for part in &intent.parts {
            let place = Place::of_part(part).map_err(io::Error::other);
            places.push(place.map_err(ApplyError::io("read the journal"))?);
            items.push(intent);
        }
    }
    if places.is_empty() {
        return Ok(HashMap::new());
    }
    let pointed = Pointed::look(root, threads, &BTreeSet::new())
        .map_err(ApplyError::io("look for symlinks"))?;
    let known = |n: usize, link: &[u8]| {
        let mut named = items[n].named.iter();
        named.any(|was| before::is_at(was, link) && before::stands(root, was))
    };
    let found = pointed.places(root, &places, began(run), known).into_iter();
    // What bears its name by now is what a link means.
    let empty = found.filter(|(n, _)| !is_taken(root, &places[*n]));
    Ok(empty.map(|(n, why)| (items[n].item, why)).collect())
}

fn is_taken(root: &Root, place: &Place) -> bool {
    let folder = dir::open(root.fd(), &place.dir, dir::how());
    folder.and_then(|fd| dir::look(fd.as_fd(), &place.name)).is_ok_and(|found| found.is_some())
}

/// What a purge finds of a session's checkpoints.
#[derive(Debug, Default)]
pub struct Sorted<'i> {
    pub goes: Vec<&'i Item>,
    /// Nothing of these is in the trash: they are back at their paths, or nowhere.
    pub away: Vec<&'i Item>,
    /// How many of `away` are nowhere.
    pub missing: usize,
    pub kept: Vec<Skip>,
    pub faults: Vec<String>,
}

/// How a purge of a run sorts what it comes to.
pub struct Sorting<'a> {
    pub root: &'a Root,
    pub run: &'a Run,
    pub now: Time,
    pub pointed: &'a HashMap<u32, String>,
    /// Whether it looks where everything is before it says that it can only be purged. Whoever has just
    /// moved it, and has had the lock since, knows.
    pub looks: bool,
}

impl Sorting<'_> {
    pub fn sort<'i>(&self, group: &[&'i Item]) -> Sorted<'i> {
        let (mut out, mut wanted, mut copies) = (Sorted::default(), Wanted::default(), 0);
        let found = match self.looks.then(|| open(self.root, self.run, group)).transpose() {
            Ok(found) => found,
            Err(e) => {
                for item in group {
                    match self.spares(&mut wanted, item) {
                        Some(why) => out.kept.push(kept(&item.intent, &why)),
                        None if out.faults.is_empty() => out.faults.push(stays(&item.intent, &e)),
                        None => {}
                    }
                }
                return out;
            }
        };
        for item in group {
            match found.as_ref().map_or(Ok(Lies::InTrash), |found| Lies::of(found, item)) {
                Ok(Lies::InTrash) => match self.spares(&mut wanted, item) {
                    None => out.goes.push(item),
                    Some(why) => out.kept.push(kept(&item.intent, &why)),
                },
                Ok(Lies::HalfWay) => {
                    out.kept.push(kept(&item.intent, "a part of it is at its path"));
                }
                Ok(Lies::Home) => out.away.push(item),
                Ok(Lies::Nowhere) => {
                    out.away.push(item);
                    out.missing += 1;
                }
                Ok(Lies::Copied) => copies += 1,
                Err(e) => out.faults.push(stays(&item.intent, &e)),
            }
        }
        if copies > 0 {
            let (session, run) = (&group[0].intent.session, &self.run.id);
            out.faults.push(format!(
                "{session}: {copies} in the trash are not what was moved there and only bear its name, as \
                 after a copy or from a backup, and stay; `retain undo {run}` brings them back, and \
                 then they can be deleted anew"
            ));
        }
        out
    }

    /// I6, I10, R5, R13: why somebody wants it by now; what is half purged already is finished.
    fn spares(&self, wanted: &mut Wanted, item: &Item) -> Option<String> {
        if item.state != State::Moved {
            return None;
        }
        let why = wanted.why(self.root, &item.intent, self.now);
        why.or_else(|| self.pointed.get(&item.intent.item).cloned())
    }
}

fn open(root: &Root, run: &Run, group: &[&Item]) -> io::Result<Located> {
    let intents: Vec<&Intent> = group.iter().map(|item| &item.intent).collect();
    Located::open(root, &run.id, &intents)
}

fn kept(item: &Intent, why: &str) -> Skip {
    let (session, id) = (item.session.clone(), Some(item.id.clone()));
    Skip { session, id, cause: Cause::Wanted, why: format!("{why}; it stays in the trash") }
}

/// What could not be looked at, or not be removed.
pub fn stays(item: &Intent, e: &io::Error) -> String {
    format!("{} {} stays in the trash: {e}", item.session, item.id)
}

/// One line for a session: mostly somebody removed, or moved, the whole folder.
pub fn not_found(session: &str, count: usize, run: &str) -> String {
    format!(
        "{session}: of what was moved, {count} cannot be found, in the trash or at its path, and \
         was not purged; if its folder was moved, move it back, and `retain undo {run}` restores it"
    )
}

/// Where a checkpoint lies that a purge comes to.
enum Lies {
    /// What was moved, or what an earlier purge left of it.
    InTrash,
    /// P: to say that it can only be purged would leave it so.
    HalfWay,
    /// Something else bears its name there. Of a root, or a folder, that was copied no entry is the
    /// one that was moved, and I25 takes nothing else.
    Copied,
    Home,
    Nowhere,
}

impl Lies {
    fn of(found: &Located, item: &Item) -> io::Result<Lies> {
        let seen = found.look(&item.intent)?;
        Ok(if seen.strange > 0 {
            Lies::Copied
        } else if item.state == State::Purging {
            Lies::InTrash
        } else if seen.trash == 0 && seen.home == seen.parts {
            Lies::Home
        } else if seen.trash == 0 || !found.has_slots(&item.intent) && seen.home == 0 {
            Lies::Nowhere
        } else if (1..seen.parts).contains(&seen.home) {
            Lies::HalfWay
        } else {
            Lies::InTrash
        })
    }
}

/// Of what a run's journal has in the trash, what a purge would not take, because it is not there, or
/// not what was moved there.
pub fn out_of_reach(root: &Root, threads: usize, run: &Run) -> HashSet<u32> {
    let in_trash = |i: &&Item| matches!(i.state, State::Moved | State::Purging);
    let groups = by_session(run.items.values().filter(in_trash));
    let looked = parallel::map(threads, &groups, |group| {
        let found = open(root, run, group);
        let within = |item: &Item| match &found {
            Ok(found) => matches!(Lies::of(found, item), Ok(Lies::InTrash)),
            Err(_) => false,
        };
        let beyond = group.iter().filter(|item| !within(item));
        beyond.map(|item| item.intent.item).collect::<Vec<_>>()
    });
    looked.into_iter().flatten().collect()
}
