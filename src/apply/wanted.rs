//! Whether somebody has come to want a checkpoint since it was moved to the trash.
//!
//! A pin that is set, or a pointer that is moved, while a checkpoint waits in the trash means it all
//! the same (I6, I10). So right before a purge its folder is looked at once more, and what is wanted
//! stays where it can be restored. Unsure means keep: marks that cannot be read pin all beside them.

pub mod before;

use super::dir::{self, Rel};
use super::journal::record::{Intent, Pointer};
use super::pointed;
use super::revalidate::Dirs;
use super::root::Root;
use super::work::{Place, SessionWork};
use crate::core::model::Time;
use crate::core::{name, named};
use crate::marks::{self, MarksError, MarksFile, Subject};
use crate::store::local::{self, LocalDir};
use crate::store::{Dir as _, Kind};
use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::collections::{BTreeMap, HashSet};
use std::ffi::CString;
use std::io;

/// Longer files are no pointers.
const MAX_TEXT: usize = 4096;

/// The folders of some checkpoints, each looked at once.
#[derive(Debug, Default)]
pub struct Wanted(BTreeMap<String, Option<Folder>>);

/// What stands beside the checkpoints of a folder.
#[derive(Debug)]
struct Folder {
    marks: Result<MarksFile, MarksError>,
    names: HashSet<Box<[u8]>>,
    pointers: Pointers,
}

/// Each symlink or text of a directory that may name a checkpoint.
#[derive(Debug)]
struct Pointers {
    all: Vec<Says>,
    /// The directory's absolute path; empty if there are none, or nobody can tell.
    folder: Vec<u8>,
}

#[derive(Debug)]
struct Says {
    name: CString,
    target: Vec<u8>,
}

/// What beside a session's checkpoints names those that are to go.
#[derive(Debug, Default)]
pub struct Named {
    /// A pointer that the plan does not know, and that was written since the plan was made: a new
    /// `latest`, or a link from another machine, which only its last component explains.
    pub new: Option<String>,
    /// Those that the plan knows, each with the number of what it names.
    pub known: Vec<(u32, Pointer)>,
}

/// Looks for pointers beside a session's checkpoints, whose plan was `made` then.
///
/// # Errors
/// The folder cannot be looked at.
pub fn named(dirs: &Dirs, work: &SessionWork, made: Time) -> io::Result<Named> {
    let (mut out, mut folders) = (Named::default(), Vec::<&Rel>::new());
    for part in work.deletions.iter().flat_map(|d| &d.parts) {
        if !folders.contains(&&part.dir) {
            folders.push(&part.dir);
        }
    }
    for at in folders {
        // What is gone already has no folder here.
        let Ok(fd) = dirs.get(at) else { continue };
        let pointers = Pointers::read(fd, &LocalDir::new(fd)?)?;
        for says in &pointers.all {
            let here = |place: &Place| place.dir == *at;
            let known = work.witnesses.iter().flat_map(|w| &w.parts);
            let mut known = known.filter(|p| here(p)).map(|p| &p.name);
            let deletions = work.deletions.iter();
            let mut named = deletions.filter(|d| {
                let means = |p: &&Place| pointers.means(says, p.name.to_bytes(), &d.id);
                d.parts.iter().filter(|p| here(p)).any(|p| means(&p))
            });
            let Some(d) = named.next() else { continue };
            let Some(stat) = dir::look(fd, &says.name)? else { continue };
            if known.any(|name| *name == says.name) {
                if let Some(pointer) = before::as_it_is(at, &says.name, &stat) {
                    let all = [d].into_iter().chain(named);
                    out.known.extend(all.map(|d| (d.item, pointer.clone())));
                }
            } else if pointed::is_since(stat.stx_ctime, made) {
                let why = format!("`{}` names {} by now", shown(&says.name), d.id);
                return Ok(Named { new: Some(why), ..out });
            }
        }
    }
    Ok(out)
}

fn shown(name: &CString) -> String {
    name::encode(name.to_bytes()).into_owned()
}

impl Wanted {
    /// Why a checkpoint in the trash is not to be purged, if it is not.
    pub fn why(&mut self, root: &Root, item: &Intent, now: Time) -> Option<String> {
        for part in &item.parts {
            if !self.0.contains_key(&part.dir) {
                match open(root, &part.dir)
                    .and_then(|fd| fd.map(|fd| Folder::read(&fd)).transpose())
                {
                    Ok(folder) => drop(self.0.insert(part.dir.clone(), folder)),
                    Err(e) => return Some(format!("its folder cannot be looked at: {e}")),
                }
            }
            let Some(Some(folder)) = self.0.get(&part.dir) else { continue };
            if let Some(why) = folder.pinned(item, now) {
                return Some(why);
            }
            let known = |says: &Says| {
                let named = item.named.iter();
                let mut same = named.filter(|was| {
                    was.dir == part.dir && *name::decode(&was.name) == *says.name.to_bytes()
                });
                same.any(|was| before::stands(root, was))
            };
            let part = name::decode(&part.name);
            // What bears its name by now is what a pointer means.
            let pointers = &folder.pointers;
            let means = |p: &&Says| pointers.means(p, &part, &item.id) && !known(p);
            let pointer = pointers.all.iter().find(means);
            if let (Some(says), false) = (pointer, folder.names.contains(&*part)) {
                return Some(format!("`{}` names it now", shown(&says.name)));
            }
        }
        None
    }
}

/// The directory, if it is still there.
fn open(root: &Root, path: &str) -> io::Result<Option<OwnedFd>> {
    let rel = Rel::parse(path).map_err(io::Error::other)?;
    match dir::open(root.fd(), &rel, dir::how()) {
        Ok(fd) => Ok(Some(fd)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

impl Folder {
    fn read(fd: &OwnedFd) -> io::Result<Folder> {
        let dir = LocalDir::new(fd)?;
        let names = dir.list()?.iter().map(|e| Box::from(&e.name)).collect();
        Ok(Folder { marks: marks::read(&dir), names, pointers: Pointers::read(fd.as_fd(), &dir)? })
    }

    /// I10: pinned by now; what cannot be read is a pin.
    fn pinned(&self, item: &Intent, now: Time) -> Option<String> {
        let marks = match &self.marks {
            Ok(marks) => marks,
            Err(e) => return Some(e.to_string()),
        };
        let means = |subject: &Subject| match &subject.checkpoint {
            Some(id) => *id == item.id && of_series(subject, item),
            None => of_series(subject, item),
        };
        let holds = |(subject, mark): (&Subject, &marks::Mark)| {
            means(subject)
                && mark.pin.as_ref().is_some_and(|pin| pin.until.is_none_or(|until| until > now))
        };
        marks.iter().any(holds).then(|| "it is pinned".to_owned())
    }
}

impl Pointers {
    fn read(fd: BorrowedFd<'_>, dir: &LocalDir) -> io::Result<Pointers> {
        let mut all = Vec::new();
        for entry in &*dir.list()? {
            let target = match entry.kind {
                Kind::Symlink => dir.read_link(&entry.name)?,
                Kind::File if is_pointer(&entry.name) => match text(dir, &entry.name)? {
                    Some(says) => says,
                    None => continue,
                },
                _ => continue,
            };
            all.push(Says { name: CString::new(&*entry.name)?, target });
        }
        let folder = if all.is_empty() { None } else { local::absolute(fd) };
        Ok(Pointers { all, folder: folder.unwrap_or_default() })
    }

    /// Whether one of them means the checkpoint with this part and id.
    fn means(&self, says: &Says, part: &[u8], id: &str) -> bool {
        names(&says.target, &self.folder, part, id)
    }
}

/// Of several series in a folder each session is called `FOLDER#SERIES`.
fn of_series(subject: &Subject, item: &Intent) -> bool {
    let other = |(_, series): (&str, &str)| series != subject.series;
    subject.series.is_empty() || !item.session.rsplit_once('#').is_some_and(other)
}

/// Files that hold the name of one checkpoint, whatever framework wrote them.
fn is_pointer(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    name == b"checkpoint" || [&b"latest"[..], b"last", b"best"].iter().any(|w| name.starts_with(w))
}

/// The one name in a text; `None` if it holds no single one.
fn text(dir: &LocalDir, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let text = dir.file(name)?.read_at(0, MAX_TEXT + 1)?;
    // TensorFlow's own: the first line names the newest, the others all that there ever were.
    let tensorflow = text.split(|b| *b == b'\n').find_map(|line| {
        line.strip_prefix(b"model_checkpoint_path:").map(|rest| rest.trim_ascii().to_vec())
    });
    if let Some(quoted) = tensorflow {
        return Ok(Some(quoted.into_iter().filter(|b| *b != b'"').collect()));
    }
    let says = text.trim_ascii();
    Ok((text.len() <= MAX_TEXT && !says.contains(&b'\n')).then(|| says.to_vec()))
}

/// Whether a path, a name or a number in `folder` means the checkpoint with this part and id. A path is
/// read as a scan reads it.
fn names(target: &[u8], folder: &[u8], part: &[u8], id: &str) -> bool {
    let Some(last) = named::components(target).next() else { return false };
    // `ckpt-1` of `ckpt-1.index`, `1000` of `iter_0001000`.
    let stem = part.strip_prefix(last).is_some_and(|rest| rest.starts_with(b"."));
    let digits = part.rsplit(|b| !b.is_ascii_digit()).next().unwrap_or_default();
    let number = number(last).is_some_and(|n| number(digits) == Some(n));
    last == id.as_bytes() || stem || number || named::leads_into(target, folder, part)
}

fn number(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn what_a_pointer_says() {
        let table = [
            ("checkpoint-10", "checkpoint-10", true),
            ("./checkpoint-10/", "checkpoint-10", true),
            ("/gone/run/checkpoint-10", "checkpoint-10", true),
            ("../s/checkpoint-10/model.bin", "checkpoint-10", true),
            ("/gone/run/checkpoint-10/global_step10/x.pt", "checkpoint-10", true),
            // It lay there, and is not here.
            ("/gone/checkpoint-10/dpo/checkpoint-70", "checkpoint-10", false),
            ("/gone/checkpoint-10/dpo/checkpoint-70/x", "checkpoint-10", false),
            ("/gone/checkpoint-10/dpo/checkpoint-70", "checkpoint-70", true),
            // There it would be in it.
            ("/data/s/checkpoint-10/dpo/checkpoint-70", "checkpoint-10", true),
            ("checkpoint-10/checkpoint-70", "checkpoint-10", true),
            ("checkpoint-100", "checkpoint-10", false),
            ("checkpoint-1", "checkpoint-10", false),
            ("ckpt-1", "ckpt-1.index", true),
            ("ckpt-1", "ckpt-10.index", false),
            ("1000", "iter_0001000", true),
            ("100", "iter_0001000", false),
            ("release", "iter_0001000", false),
            ("ten", "checkpoint-10", true),
            ("ten/.", "checkpoint-10", true),
            ("1000/", "iter_0001000", true),
            ("", "checkpoint-10", false),
            ("/", "checkpoint-10", false),
        ];
        for (target, part, want) in table {
            let found = names(target.as_bytes(), b"/data/s", part.as_bytes(), "ten");
            assert_eq!(found, want, "{target} {part}");
        }
    }
}
