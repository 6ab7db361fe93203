//! What a purge spares: what somebody has come to want since it was moved, and what is half way home.

use super::began;
use crate::apply::cause::Cause;
use crate::apply::dir;
use crate::apply::journal::history::{Item, Run, State};
use crate::apply::journal::record::Intent;
use crate::apply::located::Located;
use crate::apply::outcome::{ApplyError, Skip};
use crate::apply::pointed::Pointed;
use crate::apply::root::Root;
use crate::apply::wanted::Wanted;
use crate::apply::work::Place;
use crate::core::model::Time;
use rustix::fd::AsFd as _;
use std::collections::{BTreeSet, HashMap};
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
            items.push(intent.item);
        }
    }
    if places.is_empty() {
        return Ok(HashMap::new());
    }
    let pointed = Pointed::look(root, threads, &BTreeSet::new())
        .map_err(ApplyError::io("look for symlinks"))?;
    let found = pointed.places(root, &places, began(run)).into_iter();
    // What bears its name by now is what a link means.
    let empty = found.filter(|(n, _)| !is_taken(root, &places[*n]));
    Ok(empty.map(|(n, why)| (items[n], why)).collect())
}

fn is_taken(root: &Root, place: &Place) -> bool {
    let folder = dir::open(root.fd(), &place.dir, dir::how());
    folder.and_then(|fd| dir::look(fd.as_fd(), &place.name)).is_ok_and(|found| found.is_some())
}

/// What of a session is to be purged, and what of it is not, and why.
pub fn unwanted<'i>(
    root: &Root,
    now: Time,
    run: &Run,
    group: &[&'i Item],
    pointed: &HashMap<u32, String>,
) -> (Vec<&'i Item>, Vec<Skip>) {
    let (mut wanted, mut purge, mut kept) = (Wanted::default(), Vec::new(), Vec::new());
    for item in group {
        let why = match item.state {
            State::Moved => half_way(root, run, &item.intent)
                .or_else(|| wanted.why(root, &item.intent, now))
                .or_else(|| pointed.get(&item.intent.item).cloned()),
            _ => None,
        };
        match why {
            None => purge.push(*item),
            Some(why) => {
                let (session, id) = (item.intent.session.clone(), Some(item.intent.id.clone()));
                let why = format!("{why}; it stays in the trash");
                kept.push(Skip { session, id, cause: Cause::Wanted, why });
            }
        }
    }
    (purge, kept)
}

/// P: in a run that recovery could not bring to its end, what is partly at its path. To say that it
/// can only be purged would leave it so.
fn half_way(root: &Root, run: &Run, item: &Intent) -> Option<String> {
    if run.open.is_empty() {
        return None;
    }
    match Located::open(root, &run.id, &[item]).and_then(|found| found.look(item)) {
        Ok(seen) if (1..seen.parts).contains(&seen.home) => {
            Some("a part of it is at its path".to_owned())
        }
        Ok(_) => None,
        Err(e) => Some(format!("its trash cannot be looked at: {e}")),
    }
}
