//! Reads a directory to its end, and gives up on one that has none (F24).
//!
//! A listing comes from a server or from a disk that may be broken or hostile: it may repeat itself
//! or make up names for ever. All readers of directories go through [`read`], which bounds entries,
//! bytes and calls, so that each ends, and within a known amount of memory.

use rustix::fs::{FileType, RawDir};
use rustix::io::Errno;
use std::ffi::CStr;
use std::io;

/// A directory with more entries is refused; what counts is what the listing hands out, `.` and `..`
/// among it. A checkpoint or a session has thousands.
pub const MAX_ENTRIES: usize = 4_000_000;
/// How often the listing of one directory may be interrupted.
pub const MAX_INTERRUPTED: usize = 100;
/// Bytes that all names of one directory may have together: 128 MiB.
pub const MAX_NAMES: usize = 128 << 20;

/// An entry as the listing has it.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'b> {
    pub name: &'b CStr,
    /// `Unknown` where the file system does not say.
    pub kind: FileType,
    pub inode: u64,
}

/// What is done with an entry.
type Take<'t> = &'t mut dyn FnMut(Raw<'_>) -> io::Result<()>;

/// Where entries come from.
pub trait Stream {
    /// Hands the next entry to `take`, and out what that says. `None`: the end.
    fn next(&mut self, take: Take<'_>) -> Option<Result<io::Result<()>, Errno>>;
}

impl<Fd: rustix::fd::AsFd> Stream for RawDir<'_, Fd> {
    fn next(&mut self, take: Take<'_>) -> Option<Result<io::Result<()>, Errno>> {
        let entry = RawDir::next(self)?;
        Some(entry.map(|e| take(Raw { name: e.file_name(), kind: e.file_type(), inode: e.ino() })))
    }
}

/// Hands every entry but `.` and `..` to `each`.
///
/// # Errors
/// The listing breaks off, has more than [`MAX_ENTRIES`] entries or [`MAX_NAMES`] bytes of names, or
/// is interrupted more than [`MAX_INTERRUPTED`] times; or `each` does not want to go on. What was
/// handed out until then is no listing.
pub fn read(
    stream: &mut impl Stream,
    mut each: impl FnMut(Raw<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let (mut entries, mut names, mut interrupted) = (MAX_ENTRIES, MAX_NAMES, MAX_INTERRUPTED);
    let mut take = |entry: Raw<'_>| {
        if entry.name == c"." || entry.name == c".." {
            return Ok(());
        }
        let left = names.checked_sub(entry.name.count_bytes());
        names = left.ok_or_else(|| endless("more than 128 MiB of names"))?;
        each(entry)
    };
    while let Some(entry) = stream.next(&mut take) {
        entries = entries.checked_sub(1).ok_or_else(|| endless("more than 4 million entries"))?;
        match entry {
            // F10: nothing was read yet, and the next call reads it.
            Err(Errno::INTR) if interrupted > 0 => interrupted -= 1,
            other => other??,
        }
    }
    Ok(())
}

fn endless(what: &str) -> io::Error {
    io::Error::other(format!("{what}, or a listing without end"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CString;

    /// Entry after entry, as `next` makes them of their number.
    struct Made<F>(usize, F);

    impl<F: Fn(usize) -> Option<Result<String, Errno>>> Stream for Made<F> {
        fn next(&mut self, take: Take<'_>) -> Option<Result<io::Result<()>, Errno>> {
            let made = (self.1)(self.0)?;
            self.0 += 1;
            Some(made.map(|name| {
                let name = &CString::new(name).unwrap();
                take(Raw { name, kind: FileType::RegularFile, inode: 1 })
            }))
        }
    }

    /// How many the stream was asked for and how many came through; and whether it was a listing.
    fn play(next: impl Fn(usize) -> Option<Result<String, Errno>>) -> (usize, usize, bool) {
        let (mut stream, mut through) = (Made(0, next), 0);
        let read = read(&mut stream, |_| {
            through += 1;
            Ok(())
        });
        (stream.0, through, read.is_ok())
    }

    #[test]
    fn f24_a_listing_without_end_is_none() {
        let made_up = |n| Some(Ok(format!("checkpoint-{n}")));
        assert_eq!(play(made_up), (MAX_ENTRIES + 1, MAX_ENTRIES + 1, false));
        assert_eq!(play(|_| Some(Ok(".".to_owned()))), (MAX_ENTRIES + 1, 0, false));
        assert_eq!(play(|_| Some(Ok("..".to_owned()))), (MAX_ENTRIES + 1, 0, false));
        assert_eq!(play(|_| Some(Err(Errno::INTR))), (MAX_INTERRUPTED + 1, 0, false));
        let long = "x".repeat(255);
        let (asked, through, whole) = play(|_| Some(Ok(long.clone())));
        assert_eq!((asked, through, whole), (MAX_NAMES / 255 + 1, MAX_NAMES / 255, false));
    }

    #[test]
    fn a_listing_that_ends_is_whole() {
        let names = [".", "a", "..", "b"].map(str::to_owned);
        assert_eq!(play(|n| names.get(n).cloned().map(Ok)), (4, 2, true));
        let last = |n| (n < MAX_ENTRIES).then(|| Ok("a".to_owned()));
        assert_eq!(play(last), (MAX_ENTRIES, MAX_ENTRIES, true));
        // F10, F4: an interrupted call is repeated, a failed one is no end.
        let interrupted =
            |n| (n < 4).then(|| if n % 2 == 0 { Err(Errno::INTR) } else { Ok("a".into()) });
        assert_eq!(play(interrupted), (4, 2, true));
        assert_eq!(
            play(|n| Some(if n == 2 { Err(Errno::IO) } else { Ok("a".into()) })),
            (3, 2, false)
        );
    }
}
