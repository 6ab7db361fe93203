//! Storage and layouts in, an inventory out.
//!
//! A scan reads every directory once, in parallel, and claims nothing it is not sure of. Whatever
//! goes wrong is recorded, and taints the session it concerns: a session that was not read whole
//! loses nothing (I3). A scan writes nothing (I15).

use crate::core::model::{Inventory, Time};
use crate::core::select::Globs;
use crate::core::usage::{self, Weight};
use crate::layout::{self, Layout};
use crate::store::Store;
use std::num::NonZeroUsize;

mod arbitrate;
mod assemble;
mod draft;
pub mod examine;
pub mod index;
mod link;
mod needs;
mod room;
mod touch;
mod walk;
mod weigh;

/// Directories nested deeper than this, below the root, are not entered.
pub const MAX_DEPTH: usize = 64;
/// So many unrecognised entries are named; the rest are counted.
pub const MAX_EXAMPLES: usize = 20;

/// How a scan looks at a storage.
pub struct ScanOptions {
    /// Threads that read; by default four for each core, at most 32.
    pub threads: Option<NonZeroUsize>,
    /// Directories that are not entered, as globs on paths below the root.
    pub exclude: Option<Globs>,
    pub owner: Owner,
    /// The root's id, for the inventory's header.
    pub root_id: Option<Box<str>>,
    /// When the scan is said to have been made.
    pub now: Option<Time>,
    /// In the order they are asked.
    pub layouts: Vec<Box<dyn Layout>>,
    /// What the last scan saw; `None` to look at everything. Only a store that keeps account of what
    /// is seen ([`crate::store::Dir::seen`]) gives the next scan something to go by.
    pub index: Option<index::Index>,
    /// Whether what no layout recognises is measured: a look at each such file.
    pub weigh: bool,
}

impl Default for ScanOptions {
    fn default() -> ScanOptions {
        ScanOptions {
            threads: None,
            exclude: None,
            owner: Owner::default(),
            root_id: None,
            now: None,
            layouts: layout::builtin(),
            index: None,
            weigh: false,
        }
    }
}

/// Whom a session is charged to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// This component of the session's name, counted from 1; of a shorter name, the last one.
    Component(NonZeroUsize),
    /// The uid of the directory that holds the checkpoints, as a number.
    Uid,
}

impl Default for Owner {
    fn default() -> Owner {
        Owner::Component(NonZeroUsize::MIN)
    }
}

impl Owner {
    /// Reads the setting `path:1` or `uid`.
    pub fn parse(text: &str) -> Option<Owner> {
        match text.split_once(':') {
            None if text == "uid" => Some(Owner::Uid),
            Some(("path", n)) => n.parse().ok().map(Owner::Component),
            _ => None,
        }
    }

    /// The owner of a session of which only the name is known; `None` where the name does not say.
    pub fn by_name(self, session: &str) -> Option<String> {
        match self {
            Owner::Component(_) => Some(self.of(session, None)),
            Owner::Uid => None,
        }
    }

    /// The owner of a session by its name, without what tells several in one directory apart; `uid` is
    /// that of its directory.
    pub fn of(self, session: &str, uid: Option<u32>) -> String {
        match self {
            Owner::Component(n) => {
                let parts = session.split('/').take(n.get());
                parts.last().unwrap_or(session).to_owned()
            }
            Owner::Uid => uid.map_or_else(|| "unknown".to_owned(), |uid| uid.to_string()),
        }
    }
}

/// Progress, as it happens, from any thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanEvent {
    /// One more directory was looked at.
    Directory,
    /// One more session was read.
    Session { checkpoints: usize, bytes: u64 },
}

/// What a scan saw.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    pub inventory: Inventory,
    pub unrecognised: Unrecognised,
    /// Everything that could not be read or resolved.
    pub faults: Vec<Fault>,
    /// Directories on other file systems, which are not entered; paths below the root.
    pub other_mounts: Vec<Box<str>>,
    /// What was recognised and is never a candidate: a path below the root, and what it is.
    pub never: Vec<(Box<str>, Box<str>)>,
    /// Directories with a `.retain` of their own, among those that were looked into: bytes of paths
    /// below the root, which is empty itself.
    pub homes: Vec<Vec<u8>>,
    /// For the next scan; empty without [`ScanOptions::index`].
    pub memory: index::Memory,
}

/// Something that could not be read or resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The session that is tainted by it; `None` if it lies outside all sessions.
    pub session: Option<Box<str>>,
    /// Below the root.
    pub path: Box<str>,
    pub text: Box<str>,
}

/// What no layout claimed: it is never touched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unrecognised {
    /// Files, directories and symlinks not counted.
    pub files: u64,
    /// The first ones, as paths below the root.
    pub examples: Vec<Box<str>>,
    /// With [`ScanOptions::weigh`].
    pub weight: Option<Weight>,
}

impl Unrecognised {
    /// For sums.
    pub fn counted(&self) -> usage::Unrecognised {
        usage::Unrecognised { files: self.files, weight: self.weight }
    }
}

/// Looks at everything below the root of `store`.
///
/// Never fails: a root that cannot be listed is an empty inventory and a fault.
pub fn scan(store: &dyn Store, options: &ScanOptions, events: &(dyn Fn(ScanEvent) + Sync)) -> Scan {
    let walk = walk::Walk { options, events };
    let threads = options.threads.map_or_else(default_threads, NonZeroUsize::get);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|i| format!("scan-{i}"))
        .stack_size(8 << 20)
        .build();
    let scan = || assemble::assemble(store, options, walk.root(store));
    match pool {
        Ok(pool) => pool.install(scan),
        // No threads to be had: the caller's own does it.
        Err(_) => scan(),
    }
}

/// Waiting for a disk or a network takes longer than computing does.
fn default_threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    (4 * cores).min(32)
}
