//! What directories being walked still have to show: their entries, each with what the listing says
//! that it is, the deepest directory's last.
//!
//! Names of all levels stand behind one another in one piece of memory that is used again: a
//! checkpoint has thousands of files, and is looked at several times.

use rustix::fs::FileType;
use std::ffi::CStr;

/// More room than for so many bytes of names, and entries, is not kept.
const ROOM: usize = 64 << 10;

#[derive(Default)]
pub struct Pending {
    /// Each ended by a NUL.
    names: Vec<u8>,
    entries: Vec<Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    start: usize,
    /// Without the NUL.
    len: usize,
    kind: FileType,
}

/// Where the entries of one directory begin; those of directories in it stand behind them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    names: usize,
    entries: usize,
}

impl Pending {
    pub fn mark(&self) -> Mark {
        Mark { names: self.names.len(), entries: self.entries.len() }
    }

    /// What was walked is over, and was perhaps large.
    pub fn clear(&mut self) {
        self.names.clear();
        self.names.shrink_to(ROOM);
        self.entries.clear();
        self.entries.shrink_to(ROOM / size_of::<Entry>());
    }

    pub fn push(&mut self, name: &CStr, kind: FileType) {
        let bytes = name.to_bytes_with_nul();
        self.entries.push(Entry { start: self.names.len(), len: bytes.len() - 1, kind });
        self.names.extend_from_slice(bytes);
    }

    /// Puts all since `mark` into the order in which they are to be taken: bytes of the names, the
    /// lowest first.
    pub fn order(&mut self, mark: Mark) {
        let names = &self.names;
        let name = |e: &Entry| &names[e.start..e.start + e.len];
        self.entries[mark.entries..].sort_unstable_by(|a, b| name(b).cmp(name(a)));
    }

    /// The next of those since `mark`, into `name`, with its NUL; `None`: there is none, and nothing
    /// is left of them.
    pub fn pop(&mut self, mark: Mark, name: &mut Vec<u8>) -> Option<FileType> {
        name.clear();
        if self.entries.len() <= mark.entries {
            self.names.truncate(mark.names);
            return None;
        }
        let entry = self.entries.pop()?;
        name.extend_from_slice(&self.names[entry.start..=entry.start + entry.len]);
        Some(entry.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_taken_in_the_order_of_names_what_is_deeper_before_the_rest() {
        let mut pending = Pending::default();
        let all = |pending: &mut Pending, mark| {
            let (mut out, mut name) = (Vec::new(), Vec::new());
            while let Some(kind) = pending.pop(mark, &mut name) {
                assert_eq!(kind, FileType::RegularFile);
                out.push(CStr::from_bytes_with_nul(&name).unwrap().to_owned());
            }
            assert!(name.is_empty());
            out
        };
        let top = pending.mark();
        for name in [c"b", c"a\xff", c"", c"a", c"ab", c"c"] {
            pending.push(name, FileType::RegularFile);
        }
        pending.order(top);
        let mut first = Vec::new();
        pending.pop(top, &mut first);
        assert_eq!(first, b"\0");
        let below = pending.mark();
        assert_ne!(below, top);
        for name in [c"z", c"y"] {
            pending.push(name, FileType::RegularFile);
        }
        pending.order(below);
        assert_eq!(all(&mut pending, below), [c"y", c"z"].map(CStr::to_owned));
        assert_eq!(all(&mut pending, below).len(), 0);
        assert_eq!(all(&mut pending, top), [c"a", c"ab", c"a\xff", c"b", c"c"].map(CStr::to_owned));
        assert_eq!(pending.mark(), Mark::default());
    }
}
