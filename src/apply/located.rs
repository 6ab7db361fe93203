//! Where the checkpoints of a run are now: looked up, never assumed.
//!
//! A journal says what was meant; after a crash, a lost reply or another tool's work only the file
//! system says what is. Undo, purge and recovery all begin here.

use super::calls::Calls;
use super::dir::{self, Rel};
use super::journal::record::{Intent, Part};
use super::remove;
use super::root::Root;
use super::trash::{self, Slot};
use crate::core::name;
use crate::store::unit::{self, Top, Unit};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::FileType;
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::io;

/// The open directories of some checkpoints of one run.
#[derive(Debug, Default)]
pub struct Located {
    parents: BTreeMap<String, OwnedFd>,
    /// By folder and name, those included that do not exist (any more).
    slots: BTreeMap<(String, String), Option<Slot>>,
    /// Keys of `slots` in the order of the parts: what makes a checkpoint loadable first.
    order: Vec<(String, String)>,
    run: String,
}

/// Which parts of a checkpoint are at their own path, and which in the trash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub home: usize,
    pub trash: usize,
    /// Entries in the trash that bear a part's name and are something else: a rename took them
    /// along in place of what was meant, and did not live to notice.
    pub strange: usize,
    pub parts: usize,
}

impl Seen {
    /// Some parts here, some there, or one of them nowhere.
    pub fn is_split(&self) -> bool {
        self.strange > 0
            || self.home < self.parts && self.trash < self.parts && self.home + self.trash > 0
    }
    pub fn whole_in_trash(&self) -> bool {
        self.trash == self.parts && self.home + self.strange == 0
    }
}

/// What a purge finds to have become of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Purged,
    /// Somebody restored it meanwhile.
    Restored,
    /// Neither in the trash nor at its path: its folder was moved, or somebody else took it.
    Missing,
}

impl Located {
    /// Opens what `items` need. What is not there is not there; that is no error.
    ///
    /// # Errors
    /// Something is there that is not ours, or cannot be opened.
    pub fn open(root: &Root, run: &str, items: &[&Intent]) -> io::Result<Located> {
        let mut found = Located { run: run.to_owned(), ..Located::default() };
        for part in items.iter().flat_map(|i| &i.parts) {
            // I18: the journal names folders; they are opened as those of a plan are.
            if !found.parents.contains_key(&part.dir) {
                let rel = Rel::parse(&part.dir).map_err(io::Error::other)?;
                match dir::open(root.fd(), &rel, dir::how()) {
                    Ok(fd) => drop(found.parents.insert(part.dir.clone(), fd)),
                    Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                    Err(e) => return Err(e),
                }
            }
            let key = (part.dir.clone(), part.slot.clone());
            if !found.slots.contains_key(&key) {
                let slot = Slot::open(found.parents[&part.dir].as_fd(), run, &part.slot)?;
                found.order.push(key.clone());
                found.slots.insert(key, slot);
            }
        }
        Ok(found)
    }

    fn parent(&self, part: &Part) -> Option<BorrowedFd<'_>> {
        self.parents.get(&part.dir).map(AsFd::as_fd)
    }

    fn slot(&self, part: &Part) -> Option<BorrowedFd<'_>> {
        self.slots.get(&(part.dir.clone(), part.slot.clone()))?.as_ref().map(Slot::fd)
    }

    /// # Errors
    /// A directory cannot be looked into.
    pub fn look(&self, item: &Intent) -> io::Result<Seen> {
        let mut seen = Seen { parts: item.parts.len(), ..Seen::default() };
        for part in &item.parts {
            let (name, top) = plain(part)?;
            if let Some(parent) = self.parent(part) {
                seen.home += usize::from(trash::is_there(parent, &name, top)?);
            }
            if let Some(slot) = self.slot(part) {
                if trash::is_there(slot, &name, top)? {
                    seen.trash += 1;
                } else if dir::look(slot, &name)?.is_some() {
                    seen.strange += 1;
                }
            }
        }
        Ok(seen)
    }

    /// Measures a checkpoint that is whole in the trash, or (`home`) at its own path.
    ///
    /// # Errors
    /// It cannot be read whole.
    pub fn measure(&self, item: &Intent, home: bool) -> io::Result<Unit> {
        Self::measure_at(item, |part, _| Ok(if home { self.parent(part) } else { self.slot(part) }))
    }

    /// What a checkpoint would be once all of it is back at its path.
    ///
    /// # Errors
    /// It cannot be read whole.
    pub fn measure_where_it_lies(&self, item: &Intent) -> io::Result<Unit> {
        Self::measure_at(item, |part, name| match self.slot(part) {
            Some(slot) if dir::look(slot, name)?.is_some() => Ok(Some(slot)),
            _ => Ok(self.parent(part)),
        })
    }

    fn measure_at<'a>(
        item: &Intent,
        lies: impl Fn(&Part, &CStr) -> io::Result<Option<BorrowedFd<'a>>>,
    ) -> io::Result<Unit> {
        let names =
            item.parts.iter().map(|p| Ok(plain(p)?.0)).collect::<io::Result<Vec<CString>>>()?;
        let parts = item.parts.iter().zip(&names).map(|(part, name)| {
            let parent = lies(part, name)?.ok_or(io::ErrorKind::NotFound)?;
            Ok(unit::Part { parent, name })
        });
        unit::measure_parts(&parts.collect::<io::Result<Vec<_>>>()?)
    }

    /// Whether something else bears the name of a part at its own path.
    ///
    /// # Errors
    /// A directory cannot be looked into.
    pub fn taken(&self, item: &Intent) -> io::Result<bool> {
        for part in &item.parts {
            let (name, top) = plain(part)?;
            if let Some(parent) = self.parent(part)
                && dir::look(parent, &name)?.is_some()
                && !trash::is_there(parent, &name, top)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Moves back what is in the trash under its name, whatever it is, the part that makes it
    /// loadable last (P). Nothing is overwritten; with a place taken, nothing is moved.
    ///
    /// The last part is the claim: a purge at the same time begins with it too, and whichever comes
    /// second leaves the checkpoint to the other (I28). What was only `intended` no purge touches.
    ///
    /// # Errors
    /// A part stays in the trash; `NotFound`: somebody else has it.
    pub fn take_back(&self, calls: &dyn Calls, item: &Intent, intended: bool) -> io::Result<()> {
        if self.taken(item)? {
            return Err(Errno::EXIST.into());
        }
        for (n, part) in item.parts.iter().rev().enumerate() {
            let (name, top) = plain(part)?;
            let (Some(slot), Some(parent)) = (self.slot(part), self.parent(part)) else { continue };
            // Of a tree that was copied, or restored from a backup, no entry is the one it was.
            let moved = trash::take_back(calls, slot, &name, parent)?;
            if n == 0 && !intended && !moved && !trash::is_there(parent, &name, top)? {
                return Err(Errno::NOENT.into());
            }
        }
        Ok(())
    }

    /// Where a checkpoint is of which nothing was in the trash; `None`: something is by now.
    ///
    /// # Errors
    /// A directory cannot be looked into.
    pub fn away(&self, item: &Intent) -> io::Result<Option<Fate>> {
        let seen = self.look(item)?;
        Ok(match seen {
            _ if seen.home == seen.parts => Some(Fate::Restored),
            _ if seen.trash == 0 || !self.has_slots(item) => Some(Fate::Missing),
            _ => None,
        })
    }

    /// Whether each part's slot is there, whatever is in it.
    pub fn has_slots(&self, item: &Intent) -> bool {
        item.parts.iter().all(|part| self.slot(part).is_some())
    }

    /// Whether no purge has taken anything of it yet: each part is at its path, or bears its name in
    /// the trash, which a purge changes first.
    ///
    /// # Errors
    /// A directory cannot be looked into.
    pub fn is_untouched(&self, item: &Intent) -> io::Result<bool> {
        for (n, part) in item.parts.iter().enumerate() {
            let (name, top) = plain(part)?;
            let (mut there, mut doomed) = (false, false);
            if let Some(slot) = self.slot(part) {
                there = dir::look(slot, &name)?.is_some();
                doomed = dir::look(slot, &doomed_name(item, n)?)?.is_some();
            }
            if let (false, Some(parent)) = (there, self.parent(part)) {
                there = trash::is_there(parent, &name, top)?;
            }
            if doomed || !there {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Unlinks a checkpoint that lies in the trash. `begun`: a purge was at it before, and what is
    /// not there is what that one took.
    ///
    /// # Errors
    /// Something of it is left, or what bears its name is not what the journal names (I25).
    pub fn remove(&self, calls: &dyn Calls, item: &Intent, begun: bool) -> io::Result<Fate> {
        // I33: what cannot be seen was not removed, and can come back with its folder.
        if !begun && !self.has_slots(item) {
            let home = self.look(item)?.home;
            return Ok(if home > 0 { Fate::Restored } else { Fate::Missing });
        }
        // Ten times what was counted: a purge ends, whatever somebody writes there (R7).
        let most = u64::from(item.files).saturating_mul(10).saturating_add(1_000_000);
        let mut met = false;
        for (n, part) in item.parts.iter().enumerate().rev() {
            let (name, top) = plain(part)?;
            let restored =
                || self.parent(part).map_or(Ok(false), |home| trash::is_there(home, &name, top));
            let Some(slot) = self.slot(part) else {
                // Gone by an earlier purge, or with the undo that emptied it.
                if restored()? {
                    return Ok(Fate::Restored);
                }
                continue;
            };
            let doomed = doomed_name(item, n)?;
            if top.kind != FileType::Directory {
                if trash::is_there(slot, &name, top)? {
                    met = true;
                    remove::tree(calls, slot, &name, most)?;
                }
            } else if let Some(fd) = trash::claim(calls, slot, &name, top, &doomed)? {
                met = true;
                remove::opened(calls, slot, &doomed, fd, most)?;
            }
            if restored()? {
                return Ok(Fate::Restored);
            }
            // I33: gone is what is seen to be gone.
            let left = dir::look(slot, &doomed)?;
            if left.as_ref().is_some_and(|stat| stat.stx_ino != top.inode) {
                let (at, doomed) = (dir::shown(slot), doomed.to_string_lossy());
                return Err(io::Error::other(format!(
                    "`{at}/{doomed}` is a copy of what a purge had begun on; remove it by hand"
                )));
            }
            if left.is_some() || dir::look(slot, &name)?.is_some() {
                return Err(io::Error::other(
                    "something else bears its name in the trash; `retain undo` brings it back, unless a purge had begun on it",
                ));
            }
        }
        Ok(if begun || met { Fate::Purged } else { Fate::Missing })
    }

    /// Makes moves back durable: where the entries are now before where they were.
    ///
    /// # Errors
    /// Fatal (I24).
    pub fn sync(&self, calls: &dyn Calls) -> io::Result<()> {
        self.parents.values().try_for_each(|p| calls.sync(p.as_fd()))?;
        // P: of a checkpoint over several folders the part that makes it loadable is back last.
        let slots = self.order.iter().rev().filter_map(|key| self.slots.get(key)?.as_ref());
        slots.into_iter().try_for_each(|s| s.sync(calls))
    }

    /// Removes slots that are empty now.
    ///
    /// # Errors
    /// A directory cannot be removed. Not being empty is no error.
    pub fn tidy(self, calls: &dyn Calls) -> io::Result<Tidied> {
        let mut tidied = Tidied::default();
        for ((dir, name), slot) in self.slots {
            let Some(parent) = self.parents.get(&dir) else { continue };
            match trash::tidy(calls, parent.as_fd(), &self.run, &name)? {
                Some(changed) => tidied.changed.push(changed),
                None => {
                    tidied.left.push(format!("{dir}/.retain/trash/{}/{name}", self.run));
                    // I24: something was perhaps removed from it.
                    tidied.changed.extend(slot.map(Slot::into_fd));
                }
            }
        }
        Ok(tidied)
    }
}

/// What [`Located::tidy`] did.
#[derive(Debug, Default)]
pub struct Tidied {
    /// Slots that are not empty, by their path.
    pub left: Vec<String>,
    changed: Vec<OwnedFd>,
}

impl Tidied {
    /// Makes it durable. Whoever tidies up after many sessions does so after the last of them: where
    /// one sync makes all that came before it durable, the others then find nothing to do.
    ///
    /// # Errors
    /// Fatal (I24).
    pub fn sync(&self, calls: &dyn Calls) -> io::Result<()> {
        self.changed.iter().try_for_each(|d| calls.sync(d.as_fd()))
    }
}

/// What a purge calls the n-th part before it unlinks in it: no undo knows this name, and no checkpoint
/// has it.
fn doomed_name(item: &Intent, n: usize) -> io::Result<CString> {
    Ok(CString::new(format!("{}.{}.{n}", item.parts[n].slot, item.item))?)
}

/// Name and identity of a part, as the journal has them.
fn plain(part: &Part) -> io::Result<(CString, Top)> {
    let name = name::decode(&part.name);
    // I25: a journal names single entries, whatever was done to it.
    if name.is_empty() || name.contains(&b'/') || &*name == b"." || &*name == b".." {
        return Err(io::Error::other("the journal names no entry of a directory"));
    }
    let kind = if part.kind == 'd' { FileType::Directory } else { FileType::RegularFile };
    Ok((CString::new(name.as_ref())?, Top { inode: part.inode, kind }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_is_all_of_it_at_one_place_and_split_is_some_of_it() {
        // Parts at home, in the trash, strange; of two. Whole in the trash; split.
        for (home, trash, strange, whole, split) in [
            (2, 0, 0, false, false),
            (0, 2, 0, true, false),
            (0, 0, 0, false, false),
            (1, 1, 0, false, true),
            (1, 0, 0, false, true),
            (0, 1, 0, false, true),
            (2, 1, 0, false, false),
            (1, 2, 0, false, false),
            (0, 2, 1, false, true),
            (2, 0, 1, false, true),
            (0, 0, 2, false, true),
        ] {
            let seen = Seen { home, trash, strange, parts: 2 };
            assert_eq!((seen.whole_in_trash(), seen.is_split()), (whole, split), "{seen:?}");
        }
    }

    #[test]
    fn i25_a_journal_names_entries_of_a_directory() {
        let part =
            |name: &str, kind| Part { name: name.to_owned(), inode: 7, kind, ..Part::default() };
        for bad in ["", ".", "..", "a/b", "/", "a\\x2fb", "a\0"] {
            assert!(plain(&part(bad, 'd')).is_err(), "{bad:?}");
        }
        for (name, kind, wanted) in [
            ("a", 'd', FileType::Directory),
            ("...", 'f', FileType::RegularFile),
            ("\\xff", 'f', FileType::RegularFile),
        ] {
            let (_, top) = plain(&part(name, kind)).unwrap();
            assert_eq!((top.inode, top.kind), (7, wanted), "{name}");
        }
    }
}
