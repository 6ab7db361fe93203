//! Where pins, tags and submissions are written: beside what they are about.

use crate::apply::Root;
use crate::apply::dir::{self, Rel};
use crate::core::calendar;
use crate::core::model::{Checkpoint, Inventory, Marks, Time};
use crate::marks::{self, Mark, MarksError, MarksFile, Subject};
use crate::store::local::LocalDir;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;

/// The subjects in one directory of checkpoints, by its path below the root.
pub type Folders = BTreeMap<String, Vec<Subject>>;

/// Why a mark was not written.
#[derive(Debug, thiserror::Error)]
#[error("cannot mark in {folder}: {source}")]
pub struct MarkError {
    /// Below the root.
    pub folder: String,
    source: MarkFault,
}

#[derive(Debug, thiserror::Error)]
enum MarkFault {
    #[error(transparent)]
    Path(#[from] dir::BadPath),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Marks(#[from] MarksError),
}

/// Where the marks of whole sessions lie.
pub fn of_sessions(inventory: &Inventory, sessions: &[usize]) -> Folders {
    let mut folders = Folders::new();
    for &s in sessions {
        let session = &inventory.sessions[s];
        for folder in session.checkpoints.iter().filter_map(|c| folder_of(c.paths())) {
            let list = folders.entry(folder).or_default();
            let subject = Subject::in_series(&session.series, None);
            if !list.contains(&subject) {
                list.push(subject);
            }
        }
    }
    folders
}

/// Where the marks of checkpoints lie, and of how many.
pub fn of_checkpoints(inventory: &Inventory, picked: &[(usize, Vec<usize>)]) -> (Folders, u64) {
    let mut folders = Folders::new();
    let mut count = 0;
    for (s, checkpoints) in picked {
        let session = &inventory.sessions[*s];
        for c in checkpoints {
            let checkpoint = &session.checkpoints[*c];
            let Some(folder) = folder_of(checkpoint.paths()) else { continue };
            let subject = Subject::in_series(&session.series, Some(&checkpoint.id));
            folders.entry(folder).or_default().push(subject);
            count += 1;
        }
    }
    (folders, count)
}

/// The directory that holds a checkpoint, below the root.
fn folder_of(paths: &[Box<str>]) -> Option<String> {
    let first = paths.first()?;
    Some(first.rsplit_once('/').map_or(".", |(folder, _)| folder).to_owned())
}

/// What became of the marks of several folders.
#[derive(Debug, Default)]
pub struct Written {
    /// Marks files that are not what they were.
    pub changed: u64,
    /// What in them is not, each with its folder.
    pub subjects: BTreeSet<(String, Subject)>,
    /// Nothing is marked there, and everywhere else all of it.
    pub failed: Vec<MarkError>,
}

/// Changes the marks of subjects in every folder where that can be done: each mark protects
/// something, whatever is wrong elsewhere.
pub fn write(root: &Root, folders: &Folders, edit: impl Fn(&mut Mark)) -> Written {
    in_each(folders, |folder, subjects| {
        let mut changed = Vec::new();
        let fd = dir::open(root.fd(), &Rel::parse(folder)?, dir::how())?;
        marks::edit(&fd, |file| changed = change(file, subjects, &edit))?;
        Ok(changed)
    })
}

/// What [`write()`] would do; nothing is written.
pub fn rehearse(root: &Root, folders: &Folders, edit: impl Fn(&mut Mark)) -> Written {
    in_each(folders, |folder, subjects| Ok(change(&mut read(root, folder)?, subjects, &edit)))
}

fn in_each(
    folders: &Folders,
    mut one: impl FnMut(&str, &[Subject]) -> Result<Vec<Subject>, MarkFault>,
) -> Written {
    let mut written = Written::default();
    for (folder, subjects) in folders {
        match one(folder, subjects) {
            Ok(changed) => {
                written.changed += u64::from(!changed.is_empty());
                written.subjects.extend(changed.into_iter().map(|s| (folder.clone(), s)));
            }
            Err(source) => written.failed.push(MarkError { folder: folder.clone(), source }),
        }
    }
    written
}

/// Edits the mark of each subject; returns those whose mark is another now.
fn change(file: &mut MarksFile, subjects: &[Subject], edit: impl Fn(&mut Mark)) -> Vec<Subject> {
    let changes = |subject: &&Subject| {
        let mark = file.entry((*subject).clone());
        let before = mark.clone();
        edit(mark);
        *mark != before
    };
    subjects.iter().filter(changes).cloned().collect()
}

fn read(root: &Root, folder: &str) -> Result<MarksFile, MarkFault> {
    let fd = dir::open(root.fd(), &Rel::parse(folder)?, dir::how())?;
    Ok(marks::read(&LocalDir::new(fd)?)?)
}

/// Whether the marks beside a checkpoint say that it was submitted, by itself or as one of its
/// session. If not, and it counts as submitted, what the framework wrote says so.
pub fn says_submitted(root: &Root, series: &str, checkpoint: &Checkpoint) -> bool {
    let file = folder_of(checkpoint.paths()).and_then(|folder| read(root, &folder).ok());
    file.is_some_and(|file| submits(&file, series, checkpoint))
}

fn submits(file: &MarksFile, series: &str, checkpoint: &Checkpoint) -> bool {
    let mut bare = Checkpoint { id: checkpoint.id.clone(), ..Checkpoint::default() };
    file.apply(series, &mut bare);
    bare.marks.has(Marks::SUBMITTED)
}

/// Changes in an inventory what [`write()`] would change of its submissions, and writes nothing.
///
/// # Errors
/// As for `write`: what stands in a folder cannot be read.
pub fn foresee(
    root: &Root,
    folders: &Folders,
    inventory: &mut Inventory,
    edit: impl Fn(&mut Mark),
) -> Result<(), MarkError> {
    let mut files: HashMap<&str, (MarksFile, MarksFile)> = HashMap::new();
    for (folder, subjects) in folders {
        let known =
            read(root, folder).map_err(|source| MarkError { folder: folder.clone(), source })?;
        let mut new = known.clone();
        change(&mut new, subjects, &edit);
        files.insert(folder, (known, new));
    }
    for session in &mut inventory.sessions {
        for c in &mut session.checkpoints {
            let Some(folder) = folder_of(c.paths()) else { continue };
            let Some((known, new)) = files.get(&*folder) else { continue };
            let is_in = |file: &MarksFile| submits(file, &session.series, c);
            // What no mark says, such as what a platform noted, stays as it is.
            match (is_in(known), is_in(new)) {
                (_, true) => c.marks.set(Marks::SUBMITTED),
                (true, false) => c.marks.clear(Marks::SUBMITTED),
                (false, false) => {}
            }
        }
    }
    Ok(())
}

/// What keeps a checkpoint pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// Its folder, below the root.
    pub folder: String,
    /// About which the pins that hold are: itself, the session, or what another series there calls so.
    pub subjects: Vec<Subject>,
}

/// The pins that hold a checkpoint of such a session at a time; `None` where none does, or where
/// nobody can read them.
pub fn pinned(root: &Root, series: &str, c: &Checkpoint, now: Time) -> Option<Pinned> {
    let folder = folder_of(c.paths())?;
    let file = read(root, &folder).ok()?;
    let subjects: Vec<Subject> = file.pins(series, &c.id, now).into_iter().cloned().collect();
    (!subjects.is_empty()).then_some(Pinned { folder, subjects })
}

/// A day, inclusive and in UTC, or an instant.
///
/// # Errors
/// It is neither.
pub fn parse_until(text: &str) -> Result<Time, String> {
    if let Some(t) = Time::parse(text) {
        return Ok(t);
    }
    let day = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    day.and_then(|d| calendar::end_of_day(d, chrono_tz::UTC))
        .ok_or_else(|| "write it as 2027-01-31 or 2027-01-31T10:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_counts_to_its_end() {
        assert_eq!(parse_until("2027-01-31"), Ok(Time::parse("2027-02-01T00:00:00Z").unwrap()));
        assert_eq!(
            parse_until("2027-01-31T10:00:00Z"),
            Ok(Time::parse("2027-01-31T10:00:00Z").unwrap())
        );
        assert!(parse_until("31.1.2027").is_err());
        assert!(parse_until("2027-02-30").is_err());
    }

    #[test]
    fn a_folder_that_fails_keeps_no_other_from_its_mark() {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["a", "b", "c", "d"] {
            std::fs::create_dir_all(dir.path().join(folder).join(".retain")).unwrap();
        }
        std::fs::write(dir.path().join("b/.retain/marks.toml"), "version = ").unwrap();
        std::fs::remove_dir_all(dir.path().join("c")).unwrap();
        let root = Root::open(dir.path(), None).unwrap();
        let subjects = vec![Subject::new(Some("1"))];
        let folders: Folders =
            ["a", "b", "c", "d"].map(|f| (f.to_owned(), subjects.clone())).into();
        let tag = |mark: &mut Mark| {
            mark.tags.insert("paper".to_owned());
        };
        let written = write(&root, &folders, tag);
        let failed: Vec<&str> = written.failed.iter().map(|e| &*e.folder).collect();
        assert_eq!((written.changed, failed), (2, vec!["b", "c"]));
        let changed: Vec<&str> = written.subjects.iter().map(|(f, _)| &**f).collect();
        assert_eq!(changed, ["a", "d"]);
        for (folder, is_marked) in [("a", true), ("b", false), ("d", true)] {
            let text = std::fs::read_to_string(dir.path().join(folder).join(".retain/marks.toml"));
            assert_eq!(text.unwrap().contains("paper"), is_marked, "{folder}");
        }
        assert_eq!(write(&root, &folders, tag).changed, 0);
        assert!(rehearse(&root, &folders, tag).subjects.is_empty());
        let other = rehearse(&root, &folders, |mark| mark.tags.clear());
        assert_eq!((other.changed, other.subjects.len(), other.failed.len()), (2, 2, 2));
        let text = std::fs::read_to_string(dir.path().join("a/.retain/marks.toml"));
        assert!(text.unwrap().contains("paper"), "a rehearsal writes nothing");
    }

    #[test]
    fn marks_lie_beside_what_they_are_about() {
        assert_eq!(folder_of(&["a/b/c".into()]).as_deref(), Some("a/b"));
        assert_eq!(folder_of(&["c".into()]).as_deref(), Some("."));
        assert_eq!(folder_of(&[]), None);
    }
}
