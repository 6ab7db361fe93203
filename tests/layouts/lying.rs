//! A storage that lies (F24, F25): whatever a listing repeats or leaves out, and whatever is said
//! about an entry, nothing is deleted that would not be deleted without the lie.

use crate::tree::Tree;
use retain::core::decide::decide;
use retain::core::decision::Verdict;
use retain::core::model::{Space, Time};
use retain::core::policy::load;
use retain::scan::{ScanOptions, scan};
use retain::store::local::LocalStore;
use retain::store::{Blob, Dir, Entry, Kind, Stat, Store, Unit, listing};
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    No,
    /// Each entry is listed twice.
    Twice,
    /// Of all entries, counted in the order of the listings, each n-th is left out.
    Omits(u32),
    /// The listing of the directory with this inode goes on for ever.
    Endless(u64),
    /// Each n-th entry is said to be a file.
    Files(u32),
    /// No size, no time, no inode.
    Sizes,
    Times,
    Inodes,
    /// Each answer comes from another device, as on some network mounts.
    Devices,
}

struct Liar {
    inner: LocalStore,
    lie: Lie,
    count: Arc<AtomicU32>,
}

struct LiarDir {
    inner: Box<dyn Dir>,
    lie: Lie,
    count: Arc<AtomicU32>,
}

/// A directory that never ends.
struct Forever;

impl listing::Stream for Forever {
    fn next(
        &mut self,
        take: &mut dyn FnMut(listing::Raw<'_>) -> io::Result<()>,
    ) -> Option<Result<io::Result<()>, rustix::io::Errno>> {
        let kind = rustix::fs::FileType::Directory;
        Some(Ok(take(listing::Raw { name: c"checkpoint-1", kind, inode: 1 })))
    }
}

impl LiarDir {
    fn next(&self) -> u32 {
        self.count.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn stat(&self, stat: io::Result<Stat>) -> io::Result<Stat> {
        let mut stat = stat?;
        match self.lie {
            Lie::Sizes => stat.bytes = 0,
            Lie::Times => stat.modified = None,
            Lie::Inodes => stat.inode = 0,
            Lie::Devices => stat.device = (0, self.next()),
            _ => {}
        }
        Ok(stat)
    }
}

impl Store for Liar {
    fn root(&self) -> io::Result<Box<dyn Dir>> {
        let inner = self.inner.root()?;
        Ok(Box::new(LiarDir { inner, lie: self.lie, count: Arc::clone(&self.count) }))
    }

    fn space(&self) -> io::Result<Space> {
        self.inner.space()
    }

    fn absolute(&self) -> Option<&[u8]> {
        self.inner.absolute()
    }

    fn whereabouts(&self, path: &[u8]) -> Option<Vec<u8>> {
        self.inner.whereabouts(path)
    }
}

impl Dir for LiarDir {
    fn list(&self) -> io::Result<Arc<[Entry]>> {
        let mut out = Vec::new();
        if self.lie == Lie::Endless(self.inner.stat()?.inode) {
            listing::read(&mut Forever, |raw| {
                out.push(Entry { name: raw.name.to_bytes().into(), kind: Kind::Dir, inode: 1 });
                Ok(())
            })?;
        }
        for entry in &*self.inner.list()? {
            let mut entry = entry.clone();
            let nth = |n| self.next().is_multiple_of(n);
            match self.lie {
                Lie::Twice => out.push(entry.clone()),
                Lie::Omits(n) if nth(n) => continue,
                Lie::Files(n) if nth(n) => entry.kind = Kind::File,
                Lie::Inodes => entry.inode = 0,
                _ => {}
            }
            out.push(entry);
        }
        Ok(out.into())
    }

    fn open(&self, name: &[u8]) -> io::Result<Box<dyn Dir>> {
        let inner = self.inner.open(name)?;
        Ok(Box::new(LiarDir { inner, lie: self.lie, count: Arc::clone(&self.count) }))
    }

    fn stat(&self) -> io::Result<Stat> {
        LiarDir::stat(self, self.inner.stat())
    }

    fn stat_entry(&self, name: &[u8]) -> io::Result<Stat> {
        LiarDir::stat(self, self.inner.stat_entry(name))
    }

    fn stat_target(&self, name: &[u8]) -> io::Result<Stat> {
        LiarDir::stat(self, self.inner.stat_target(name))
    }

    fn read_link(&self, name: &[u8]) -> io::Result<Vec<u8>> {
        self.inner.read_link(name)
    }

    fn file(&self, name: &[u8]) -> io::Result<Box<dyn Blob>> {
        self.inner.file(name)
    }

    fn measure(&self, names: &[&[u8]]) -> io::Result<Unit> {
        let mut unit = self.inner.measure(names)?;
        match self.lie {
            Lie::Sizes => (unit.bytes, unit.apparent) = (0, 0),
            Lie::Times => (unit.modified, unit.last_write) = (None, None),
            Lie::Inodes => unit.tops.iter_mut().for_each(|top| top.inode = 0),
            // As `unit` does when it sees a directory of another device.
            Lie::Devices => unit.crosses_mount = true,
            _ => {}
        }
        Ok(unit)
    }
}

/// What would be deleted, each as often as it is planned.
fn deletions(tree: &Tree, lie: Lie) -> Vec<String> {
    let inner = LocalStore::new(std::fs::File::open(tree.path()).unwrap().into());
    let store = Liar { inner, lie, count: Arc::default() };
    // One thread: the n-th entry is the same one each time.
    let options = ScanOptions { threads: std::num::NonZeroUsize::new(1), ..ScanOptions::default() };
    let seen = scan(&store, &options, &|_| ());
    let text = "version = 1\nmin-age = \"1h\"\n[[policy]]\nname = \"two\"\nkeep = [{ last = 2 }]\n";
    let policy = load(text).policy.unwrap();
    let now = Time::parse("2040-06-15T12:00:00Z").unwrap();
    let outcome = decide(&seen.inventory, &policy, now);
    let mut gone = Vec::new();
    for (session, decided) in seen.inventory.sessions.iter().zip(&outcome.sessions) {
        for (c, checkpoint) in session.checkpoints.iter().enumerate() {
            if decided.verdict(c) == Verdict::Delete {
                gone.extend(checkpoint.paths().iter().map(ToString::to_string));
            }
        }
    }
    gone
}

#[test]
fn f24_f25_a_storage_that_lies_makes_nothing_more_deleted() {
    let tree = Tree::new();
    for n in 1..=6 {
        tree.hf(&format!("a/run/checkpoint-{n}"), n);
        let epoch = u8::try_from(n).unwrap();
        tree.ckpt(&format!("b/run/checkpoints/epoch={n}-step={n}0.ckpt"), epoch, epoch * 10);
    }
    let honest = deletions(&tree, Lie::No);
    assert_eq!(honest.len(), 8, "{honest:?}");
    let all: BTreeSet<&String> = honest.iter().collect();
    let mut lies = vec![Lie::Twice, Lie::Sizes, Lie::Times, Lie::Inodes, Lie::Devices];
    lies.extend((1..60).flat_map(|n| [Lie::Omits(n), Lie::Files(n)]));
    let mut fewer = 0;
    for lie in lies {
        let gone = deletions(&tree, lie);
        let set: BTreeSet<&String> = gone.iter().collect();
        assert_eq!(set.len(), gone.len(), "{lie:?}: something is deleted twice");
        assert!(set.is_subset(&all), "{lie:?}: {:?}", set.difference(&all).collect::<Vec<_>>());
        if lie == Lie::Times {
            assert!(set.is_empty(), "what has no age is kept: {set:?}");
        }
        fewer += usize::from(set.len() < all.len());
    }
    assert!(fewer > 30, "only {fewer} lies had an effect");
}

/// The scan ends, the session that it happened in loses nothing, and the other what it would.
#[test]
fn f24_a_directory_that_never_ends_is_given_up_and_its_session_kept() {
    use std::os::unix::fs::MetadataExt as _;
    let tree = Tree::new();
    for n in 1..=4 {
        tree.hf(&format!("a/run/checkpoint-{n}"), n);
        tree.hf(&format!("b/run/checkpoint-{n}"), n);
    }
    let honest = deletions(&tree, Lie::No);
    assert_eq!(honest.len(), 4, "{honest:?}");
    for endless in ["a", "a/run", "a/run/checkpoint-1", "a/run/checkpoint-4"] {
        let inode = std::fs::metadata(tree.path().join(endless)).unwrap().ino();
        let gone = deletions(&tree, Lie::Endless(inode));
        assert_eq!(gone, ["b/run/checkpoint-1", "b/run/checkpoint-2"], "{endless}");
    }
}
