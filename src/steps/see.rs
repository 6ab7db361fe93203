//! A scan of one root, as every command and page wants it.

use crate::apply::{self, Root, RunSummary};
use crate::config::Config;
use crate::core::declared::Definition;
use crate::core::model::{Inventory, Time};
use crate::core::plan::PlanRoot;
use crate::core::policy::{self, Diagnostic};
use crate::core::select::{Globs, Scope};
use crate::core::{name, plan};
use crate::layout::Layout;
use crate::scan::index::{Index, Memory};
use crate::scan::{self, Fault, Owner, ScanEvent, ScanOptions, Unrecognised};
use crate::store::local::LocalStore;
use rustix::fd::{BorrowedFd, OwnedFd};
use std::io;
use std::num::NonZeroUsize;

/// What a scan, or an inventory file, has to say.
#[derive(Debug)]
pub struct Seen {
    pub inventory: Inventory,
    pub unrecognised: Unrecognised,
    /// What could not be read, each a sentence.
    pub faults: Vec<String>,
    /// `None` for an inventory that no root can be told of.
    pub root: Option<PlanRoot>,
    pub root_shown: String,
    /// Directories on other file systems, which were not entered.
    pub other_mounts: Vec<Box<str>>,
    /// The runs that may have left something in the trash, as far as they can be read, and where the
    /// scan looked. None if the root was never declared, or there is only an inventory.
    pub runs: Vec<RunSummary>,
    /// Where their journals may lie.
    pub homes: Vec<Vec<u8>>,
    /// Whom sessions are charged to.
    pub owner: Owner,
}

/// Why nothing could be scanned.
#[derive(Debug, thiserror::Error)]
pub enum SeeError {
    #[error("exclude in retain.toml is not a list of globs")]
    Exclude(#[source] globset::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What the last scan saw, and where to keep what this one sees.
pub struct Remember<'a> {
    pub index: Option<Index>,
    /// Called if there is an index.
    pub keep: &'a dyn Fn(&Memory, &Index),
    /// Measure what no layout recognises as well.
    pub weigh: bool,
}

impl Remember<'_> {
    /// Every file is looked at, also what no layout recognises, and nothing is kept.
    pub fn nothing() -> Remember<'static> {
        Remember { index: None, keep: &|_, _| {}, weigh: true }
    }
}

/// Scans an open root with its settings; `now` is what the inventory is dated.
///
/// # Errors
/// The settings are wrong, or no descriptor is left. What cannot be read on the disk is a fault in
/// [`Seen`].
pub fn scan(
    root: &Root,
    config: &Config,
    layouts: Vec<Box<dyn Layout>>,
    threads: Option<NonZeroUsize>,
    now: Time,
    remember: Remember<'_>,
    events: &(dyn Fn(ScanEvent) + Sync),
) -> Result<Seen, SeeError> {
    let options = ScanOptions {
        threads,
        owner: config.owner,
        exclude: exclude(config)?,
        root_id: root.id.as_deref().map(Into::into),
        now: Some(now),
        layouts,
        index: remember.index,
        weigh: remember.weigh,
    };
    let mut store = LocalStore::new(duplicate(root.fd())?);
    if options.index.is_some() {
        store = store.keeping_account();
    }
    let scanned = scan::scan(&store, &options, events);
    if let Some(index) = &options.index {
        (remember.keep)(&scanned.memory, index);
    }
    let root_shown = name::encode(root.path.as_os_str().as_encoded_bytes()).into_owned();
    let mut inventory = scanned.inventory;
    let runs = match root.id {
        // Without an index, which no plan by bytes has, every file was looked at: what is in the trash
        // costs little more.
        Some(_) => {
            let told = match options.index {
                Some(_) => apply::runs::pending,
                None => apply::runs::purgeable,
            };
            told(root, threads.map_or(0, NonZeroUsize::get), &scanned.homes)
        }
        None => Vec::new(),
    };
    // Trash counts as freed: apply purges it early where a policy demands free space. What cannot be read
    // does not, nor what whoever asks cannot purge: their demand would be missed for ever.
    apply::held::count_as_gone(root, &runs, &mut inventory);
    let path = root_shown.clone();
    Ok(Seen {
        inventory,
        unrecognised: scanned.unrecognised,
        faults: scanned.faults.iter().map(sentence).collect(),
        root: Some(plan::PlanRoot { id: root.id.clone(), path, inode: root.inode }),
        root_shown,
        other_mounts: scanned.other_mounts,
        runs,
        homes: scanned.homes,
        owner: config.owner,
    })
}

/// Why the layouts that are declared cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeclaredError {
    /// Of the policy's `[[layout]]` tables.
    Faults(Vec<Diagnostic>),
    /// The settings and the policy both declare it.
    Twice(String),
}

/// The layouts that are declared in the settings and in the text of the policy in force.
///
/// # Errors
/// A `[[layout]]` table has faults, or both declare a layout of the same name.
pub fn declared(config: &Config, policy: &str) -> Result<Vec<Definition>, DeclaredError> {
    let (own, faults) = policy::layouts(policy);
    if faults.iter().any(Diagnostic::is_error) {
        return Err(DeclaredError::Faults(faults));
    }
    if let Some(twice) = own.iter().find(|o| config.layouts.iter().any(|c| c.name == o.name)) {
        return Err(DeclaredError::Twice(twice.name.clone()));
    }
    Ok(config.layouts.iter().cloned().chain(own).collect())
}

fn exclude(config: &Config) -> Result<Option<Globs>, SeeError> {
    if config.exclude.is_empty() {
        return Ok(None);
    }
    Globs::new(&config.exclude, Scope::Path).map(Some).map_err(SeeError::Exclude)
}

fn sentence(fault: &Fault) -> String {
    match &fault.session {
        Some(session) => format!("{session} is kept whole: {}: {}", fault.path, fault.text),
        None => format!("{}: {}", fault.path, fault.text),
    }
}

/// # Errors
/// No descriptor is left.
pub fn duplicate(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    rustix::io::fcntl_dupfd_cloexec(fd, 0).map_err(io::Error::from)
}
