//! Files of retain's own, replaced in one step: who reads one sees the old or the new.
//!
//! Marks, the history of usage, reports, the index of the last scan; and the directory that marks lie
//! in, which is there when it is finished. Nothing here knows a checkpoint.

use rustix::fd::BorrowedFd;
use rustix::fs::{self, AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::ffi::{CStr, OsStr, OsString};
use std::fs::File;
use std::io;

/// A file that is to be replaced, in an open directory.
#[derive(Clone, Copy, Debug)]
pub struct Whole<'a> {
    pub dir: BorrowedFd<'a>,
    pub name: &'a OsStr,
    /// What it is called until it is finished. Nobody else may be at work under this name: what bears
    /// it is of a run that was killed, and goes.
    pub temporary: &'a OsStr,
    /// Who may read it; the umask says whether they really may.
    pub mode: u32,
    pub synced: Synced,
}

/// What a power cut cannot take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synced {
    /// A crash may leave anything of it: for what says itself whether it is whole.
    Nothing,
    /// There is the old one or all of the new one.
    Content,
    /// Once it is replaced, there is the new one.
    Place,
}

impl Whole<'_> {
    /// Puts what `write` writes in place of the file.
    ///
    /// # Errors
    /// It cannot be written: the old one is as it was. With all of it written, the directory cannot be
    /// synced.
    pub fn replace(self, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
        let Whole { dir, name, temporary, mode, synced } = self;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let create = || fs::openat(dir, temporary, flags, Mode::from(mode));
        let remove = || fs::unlinkat(dir, temporary, AtFlags::empty());
        let fd = match create() {
            Err(Errno::EXIST) => remove().and_then(|()| create()),
            other => other,
        };
        let mut file = File::from(fd?);
        let written = write(&mut file)
            .and_then(|()| if synced == Synced::Nothing { Ok(()) } else { file.sync_all() })
            .and_then(|()| Ok(fs::renameat(dir, temporary, dir, name)?));
        if let Err(e) = written {
            // The first error is the one to tell; a file left behind harms nobody.
            let _ = remove();
            return Err(e);
        }
        if synced == Synced::Place { Ok(fs::fsync(dir)?) } else { Ok(()) }
    }
}

/// A hidden name beside `name` that nobody else has, for files that several runs may replace at once.
///
/// # Errors
/// The system has no random bytes.
pub fn temporary(name: &OsStr) -> io::Result<OsString> {
    Ok(hidden(name, &random()?))
}

/// What nobody else can think of, as a part of a name.
///
/// # Errors
/// The system has no random bytes.
pub fn random() -> io::Result<String> {
    let mut random = [0; 8];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
    Ok(format!("{:016x}", u64::from_le_bytes(random)))
}

/// Gives a directory of our own making, which nobody knows by its temporary name, the name that is
/// meant; never over anything.
///
/// # Errors
/// Something bears the name, or the file system cannot promise that.
pub fn rename_new(dir: BorrowedFd<'_>, temporary: &CStr, name: &CStr) -> io::Result<()> {
    Ok(fs::renameat_with(dir, temporary, dir, name, RenameFlags::NOREPLACE)?)
}

/// The same where it cannot: over nothing but an empty directory.
///
/// # Errors
/// Something else bears the name.
pub fn rename(dir: BorrowedFd<'_>, temporary: &CStr, name: &CStr) -> io::Result<()> {
    Ok(fs::renameat(dir, temporary, dir, name)?)
}

/// Removes such a directory again.
///
/// # Errors
/// It is not empty.
pub fn discard(dir: BorrowedFd<'_>, temporary: &CStr) -> io::Result<()> {
    Ok(fs::unlinkat(dir, temporary, AtFlags::REMOVEDIR)?)
}

/// A hidden name beside `name`.
pub fn hidden(name: &OsStr, ending: &str) -> OsString {
    let mut out = OsString::from(".");
    out.push(name);
    out.push(".");
    out.push(ending);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::read_dir;
    use std::io::Write as _;
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn a_file_is_replaced_whole_or_stays_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let dir = File::open(folder.path()).unwrap();
        let at = |name: &str| folder.path().join(name);
        let (name, temporary) = (OsStr::new("report"), hidden(OsStr::new("report"), "new"));
        assert_eq!(temporary, ".report.new");
        for synced in [Synced::Nothing, Synced::Content, Synced::Place] {
            let new = Whole { dir: dir.as_fd(), name, temporary: &temporary, mode: 0o600, synced };
            new.replace(|file| file.write_all(b"one")).unwrap();
            assert_eq!(
                std::fs::metadata(at("report")).unwrap().permissions().mode() & 0o777,
                0o600
            );
            // What a killed run left is not written into, nor what it leads to.
            std::fs::write(at("other"), "mine").unwrap();
            symlink("other", at(".report.new")).unwrap();
            new.replace(|file| file.write_all(b"two")).unwrap();
            assert_eq!(std::fs::read(at("report")).unwrap(), b"two");
            assert_eq!(std::fs::read(at("other")).unwrap(), b"mine");
            let failed = new.replace(|file| {
                file.write_all(b"half")?;
                Err(io::Error::other("the disk is full"))
            });
            assert_eq!(failed.unwrap_err().to_string(), "the disk is full");
            assert_eq!(std::fs::read(at("report")).unwrap(), b"two");
            assert_eq!(read_dir(folder.path()).unwrap().count(), 2);
        }
    }

    #[test]
    fn a_directory_is_put_in_its_place_and_over_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let dir = File::open(folder.path()).unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("new")).unwrap();
        rename_new(dir.as_fd(), c"new", c"own").unwrap();
        assert!(at("own").is_dir() && !at("new").exists());
        std::fs::create_dir(at("new")).unwrap();
        let taken = rename_new(dir.as_fd(), c"new", c"own").unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
        discard(dir.as_fd(), c"new").unwrap();
        assert!(at("own").is_dir() && !at("new").exists());
        std::fs::write(at("own/file"), "").unwrap();
        assert!(discard(dir.as_fd(), c"own").is_err());
        std::fs::create_dir(at("new")).unwrap();
        assert!(rename(dir.as_fd(), c"new", c"own").is_err());
        rename(dir.as_fd(), c"new", c"another").unwrap();
        assert!(at("own/file").exists() && at("another").is_dir());
    }

    #[test]
    fn a_temporary_name_is_hidden_and_nobody_elses() {
        let names = [(); 2].map(|()| temporary(OsStr::new("x")).unwrap().into_string().unwrap());
        assert_ne!(names[0], names[1]);
        assert!(names.iter().all(|n| n.starts_with(".x.") && n.len() == 19), "{names:?}");
    }
}
