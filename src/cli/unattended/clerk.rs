//! Writes files outside the root, which the rest of a confined process cannot.
//!
//! Once Landlock holds, a thread and all that it starts can create and rename below the root only.
//! This thread is started before, and can do nothing but write the files that were named on the
//! command line.

use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

/// One file to write, and where to say how it went.
struct Order {
    path: PathBuf,
    text: String,
    how: How,
    done: mpsc::Sender<io::Result<()>>,
}

/// What becomes of what the file held before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Readers see the old content or the new, never a part.
    Replace,
    Append,
}

pub struct Clerk(mpsc::Sender<Order>);

impl Clerk {
    /// # Errors
    /// The system starts no thread.
    pub fn start() -> io::Result<Clerk> {
        let (send, orders) = mpsc::channel::<Order>();
        std::thread::Builder::new().name("clerk".to_owned()).spawn(move || {
            for order in orders {
                let done = match order.how {
                    How::Replace => replace(&order.path, &order.text),
                    How::Append => append(&order.path, &order.text),
                };
                // Whoever asked has stopped waiting.
                let _ = order.done.send(done);
            }
        })?;
        Ok(Clerk(send))
    }

    /// Writes one file and waits for it.
    ///
    /// # Errors
    /// The file cannot be written; a file that was to be replaced is as it was.
    pub fn write(&self, path: &Path, text: String, how: How) -> io::Result<()> {
        let gone = || io::Error::other("the writing thread has ended");
        let (done, answer) = mpsc::channel();
        let path = path.to_owned();
        self.0.send(Order { path, text, how, done }).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    }
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Another user's collector reads it; the umask says whether it may.
    let mut file = tempfile::Builder::new()
        .prefix(".retain-")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(folder)
        .map_err(nameless)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Nobody knows the name that the error speaks of: it was to be another file for an instant.
fn nameless(error: io::Error) -> io::Error {
    match error.to_string().split_once(" at path ") {
        Some((why, _)) => io::Error::new(error.kind(), why.to_owned()),
        None => error,
    }
}

fn append(path: &Path, text: &str) -> io::Result<()> {
    // One call, so that two runs that append at once do not mix.
    File::options().append(true).create(true).open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let (clerk, path) = (Clerk::start().unwrap(), dir.path().join("retain.prom"));
        clerk.write(&path, "one".to_owned(), How::Replace).unwrap();
        clerk.write(&path, "two".to_owned(), How::Replace).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
        let missing = dir.path().join("missing/retain.prom");
        let error = clerk.write(&missing, "three".to_owned(), How::Replace).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(!error.to_string().contains(".retain-"), "{error}");
        clerk.write(&path, "!".to_owned(), How::Append).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two!");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left behind");
    }
}
