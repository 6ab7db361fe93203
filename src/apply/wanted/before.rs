//! Pointers that named a checkpoint already when it was moved.
//!
//! Who let a session go empty, or removed a checkpoint by hand, has been told what names it. Such a pointer
//! is nothing that somebody has come to want since, as long as nobody touches it: any change shows in its
//! inode or its ctime.

use crate::apply::dir::{self, Rel};
use crate::apply::journal::record::Pointer;
use crate::apply::pointed;
use crate::apply::root::Root;
use crate::apply::work::Place;
use crate::core::name;
use crate::store::unit;
use rustix::fd::AsFd as _;
use rustix::fs::Statx;
use std::ffi::{CStr, CString};

/// A pointer in `dir` as it is now; `None` if no time can be told of it, so that it would never be known again.
pub fn as_it_is(dir: &Rel, name: &CStr, stat: &Statx) -> Option<Pointer> {
    Some(Pointer {
        dir: dir.to_string(),
        name: name::encode(name.to_bytes()).into_owned(),
        inode: stat.stx_ino,
        ctime: unit::time(stat.stx_ctime)?.nanos(),
    })
}

/// Whether it lies at this path below the root.
pub fn is_at(was: &Pointer, path: &[u8]) -> bool {
    place(was).is_some_and(|place| pointed::path_of(&place) == path)
}

/// Whether nobody has touched it since. What cannot be looked at may be another (I3).
pub fn stands(root: &Root, was: &Pointer) -> bool {
    let look = || {
        let Place { dir, name } = place(was)?;
        let folder = dir::open(root.fd(), &dir, dir::how()).ok()?;
        let stat = dir::look(folder.as_fd(), &name).ok()??;
        as_it_is(&dir, &name, &stat)
    };
    look().is_some_and(|now| now == *was)
}

/// Where a journal says that it lies; `None`: nowhere below the root.
fn place(was: &Pointer) -> Option<Place> {
    let name = CString::new(&*name::decode(&was.name)).ok()?;
    Some(Place { dir: Rel::parse(&was.dir).ok()?, name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_lies_at_one_path() {
        let at = |dir: &str, name: &str, path: &str| {
            let was = Pointer { dir: dir.to_owned(), name: name.to_owned(), ..Pointer::default() };
            is_at(&was, path.as_bytes())
        };
        assert!(at("a/b", "latest", "a/b/latest") && at(".", "latest", "latest"));
        assert!(at("s\\x20t", "l\\x09", "s t/l\t"));
        for (dir, path) in [("a/b", "b/latest"), ("a/b", "a/b/c/latest"), ("a/b", "a/blatest")] {
            assert!(!at(dir, "latest", path), "{dir} {path}");
        }
        assert!(!at(".", "latest", "a/latest") && !at(".", "latest", "/latest"));
        assert!(!at("..", "latest", "../latest") && !at("a", "latest", "a/latest2"));
    }
}
