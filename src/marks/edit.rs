//! Changes a marks file: whole or not at all, and never another person's change away.

use super::given::{self, Plainly};
use super::{FILE, MarksError, MarksFile, parse, render};
use crate::store::local::LocalDir;
use crate::store::read_metadata;
use crate::whole::{self, Synced, Whole};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{CStr, OsStr};
use std::io::{self, Write as _};
use std::time::Duration;

/// [`super::DIRECTORY`]
const OURS: &CStr = c".retain";
/// How often, and how far apart, the lock is tried for.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(20);

/// Changes the marks of the checkpoints in the directory `folder`.
///
/// The file is replaced in one step, after it has reached the disk. Returns whether anything
/// changed; if not, nothing is written.
///
/// # Errors
/// The marks that are there cannot be read (they are left as they are), `.retain` is a symlink or
/// in use, or the disk refuses.
pub fn edit(folder: impl AsFd, change: impl FnOnce(&mut MarksFile)) -> Result<bool, MarksError> {
    let dir = open(folder.as_fd())?;
    lock(&dir)?;
    let known = LocalDir::new(&dir).map_err(MarksError::Directory)?;
    let old = match read_metadata(&known, FILE.as_bytes()) {
        Ok(bytes) => parse(&bytes)?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => MarksFile::default(),
        Err(e) => return Err(MarksError::Read(e)),
    };
    let mut new = old.clone();
    change(&mut new);
    if new.iter().eq(old.iter()) {
        return Ok(false);
    }
    replace(&dir, render(&new).as_bytes()).map_err(MarksError::Write)?;
    Ok(true)
}

fn open(folder: BorrowedFd<'_>) -> Result<OwnedFd, MarksError> {
    let made = given::make(&Plainly, folder, folder, OURS).map_err(MarksError::Directory)?;
    let synced = if made { fs::fsync(folder) } else { Ok(()) };
    synced.and_then(|()| enter(folder)).map_err(|e| MarksError::Directory(e.into()))
}

fn enter(folder: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat(folder, OURS, flags, Mode::empty())
}

/// Held until the descriptor is closed.
fn lock(dir: &OwnedFd) -> Result<(), MarksError> {
    for _ in 0..TRIES {
        match fs::flock(dir, FlockOperation::NonBlockingLockExclusive) {
            // Some network file systems have no such locks: the rename still is one step.
            Ok(()) | Err(Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOLCK) => return Ok(()),
            Err(Errno::AGAIN | Errno::INTR) => std::thread::sleep(PAUSE),
            Err(e) => return Err(MarksError::Directory(e.into())),
        }
    }
    Err(MarksError::Busy)
}

fn replace(dir: &OwnedFd, content: &[u8]) -> io::Result<()> {
    let (name, synced) = (OsStr::new(FILE), Synced::Place);
    let temporary = &whole::temporary(name)?;
    // Others may read what is protected.
    let new = Whole { dir: dir.as_fd(), name, temporary, mode: 0o644, synced };
    new.replace(|file| file.write_all(content))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::marks::{self, DIRECTORY, Subject};
    use std::fs::File;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn tag(folder: &tempfile::TempDir, id: &str, tag: &str) -> Result<bool, MarksError> {
        let dir = File::open(folder.path()).unwrap();
        edit(&dir, |file| {
            file.entry(Subject::new(Some(id))).tags.insert(tag.to_owned());
        })
    }

    fn read(folder: &tempfile::TempDir) -> MarksFile {
        let dir = LocalDir::new(File::open(folder.path()).unwrap()).unwrap();
        marks::read(&dir).unwrap()
    }

    #[test]
    fn edits_add_up_and_leave_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(&folder), MarksFile::default());
        assert!(tag(&folder, "3", "a").unwrap());
        assert!(tag(&folder, "4", "b").unwrap());
        assert!(!tag(&folder, "4", "b").unwrap(), "nothing new");
        assert_eq!(read(&folder).iter().count(), 2);
        let own = folder.path().join(DIRECTORY);
        let names: Vec<_> =
            std::fs::read_dir(&own).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, [FILE]);
        let mode = std::fs::metadata(own.join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o600, 0o600);
        assert_eq!(mode & 0o133, 0, "{mode:o}");
    }

    #[test]
    fn edits_at_once_all_count() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for i in 0..8 {
                let folder = &folder;
                scope.spawn(move || tag(folder, &i.to_string(), "x").unwrap());
            }
        });
        assert_eq!(read(&folder).iter().count(), 8);
    }

    #[test]
    fn damaged_marks_are_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        tag(&folder, "3", "a").unwrap();
        let path = folder.path().join(DIRECTORY).join(FILE);
        std::fs::write(&path, "version = 1\n[[mark").unwrap();
        assert!(matches!(tag(&folder, "4", "b"), Err(MarksError::Damaged(_))));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "version = 1\n[[mark");
    }

    #[test]
    fn a_symlinked_directory_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        symlink(elsewhere.path(), folder.path().join(DIRECTORY)).unwrap();
        assert!(matches!(tag(&folder, "3", "a"), Err(MarksError::Directory(_))));
        let dir = LocalDir::new(File::open(folder.path()).unwrap()).unwrap();
        assert!(matches!(marks::read(&dir), Err(MarksError::Directory(_))));
        assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    }
}
