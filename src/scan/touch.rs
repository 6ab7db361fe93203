//! When a session was last written to, its logs included.
//!
//! Only the times of files count: a directory's own time also changes when `retain` or the
//! framework removes something from it.

use super::MAX_DEPTH;
use super::draft::Draft;
use super::walk::Walk;
use crate::core::model::Time;
use crate::core::name::encode;
use crate::layout::folder::{cannot_read, join};
use crate::layout::{Folder, Notes};
use crate::store::{Dir, Entry, Kind};
use std::collections::HashSet;

/// The newest mtime of these entries.
pub fn newest(folder: &Folder<'_>, files: &[&Entry], notes: &mut Notes) -> Option<Time> {
    let mut newest = None;
    for entry in files {
        match folder.dir.stat_entry(&entry.name) {
            Ok(stat) => newest = newest.max(stat.modified),
            Err(e) => notes.fault(folder.join(&entry.name), cannot_read(&encode(&entry.name), &e)),
        }
    }
    newest
}

/// The newest mtime of the files of a directory that turned out to be a session's only after its
/// subdirectories had been visited, and of those subdirectories that hold no session themselves.
pub fn newest_beside(
    walk: &Walk<'_>,
    folder: &Folder<'_>,
    children: &[&Entry],
    drafts: &[Draft],
    notes: &mut Notes,
) -> Option<Time> {
    let files: Vec<&Entry> = folder.entries().iter().filter(|e| is_file(e)).collect();
    let mut found = newest(folder, &files, notes);
    let below = folder.path.len() + usize::from(!folder.path.is_empty());
    let with_sessions: HashSet<&[u8]> =
        drafts.iter().filter_map(|d| d.folder.get(below..)?.split(|b| *b == b'/').next()).collect();
    for child in children.iter().filter(|c| !with_sessions.contains(&*c.name)) {
        let path = folder.join(&child.name);
        // What cannot be opened was noted when it was visited.
        if let Ok(dir) = folder.dir.open(&child.name)
            && let Ok(child) = Folder::new(dir, path, Some(folder))
        {
            found = found.max(newest_below(walk, &child, notes, 1));
        }
    }
    found
}

fn newest_below(
    walk: &Walk<'_>,
    folder: &Folder<'_>,
    notes: &mut Notes,
    depth: usize,
) -> Option<Time> {
    let files: Vec<&Entry> = folder.entries().iter().filter(|e| is_file(e)).collect();
    let mut found = newest(folder, &files, notes);
    for entry in folder.dirs().filter(|e| walk.enters(folder, e)) {
        if depth >= MAX_DEPTH {
            break;
        }
        let opened = folder.dir.open(&entry.name);
        let path = join(&folder.path, &entry.name);
        if let Ok(child) = opened.and_then(|dir: Box<dyn Dir>| Folder::new(dir, path, Some(folder)))
        {
            found = found.max(newest_below(walk, &child, notes, depth + 1));
        }
    }
    found
}

fn is_file(entry: &Entry) -> bool {
    !matches!(entry.kind, Kind::Dir | Kind::Symlink)
}
