//! Runs that were read before, and how to tell whether they are read anew.
//!
//! Finding every journal of a root walks all its directories, and reading them takes as long as
//! they are. A server that is asked for the same runs again and again looks at the journals' stats
//! instead: journals only grow, and their directory's names and times say whether there are others.

use super::dir::{self, Rel};
use super::home::{self, Home};
use super::journal::history::Settled;
use super::outcome::ApplyError;
use super::root::Root;
use super::runs::{self, RunSummary};
use super::threads;
use rustix::fd::BorrowedFd;
use rustix::fs::Statx;
use std::collections::BTreeSet;
use std::ffi::CString;
use std::io;
use std::sync::Arc;

/// All runs of a root, as they were read at one time.
#[derive(Debug)]
pub struct KnownRuns {
    /// Oldest first.
    pub runs: Vec<Arc<RunSummary>>,
    /// What could not be read.
    pub faults: Vec<String>,
    /// Why directories could not be searched for journals; a part of the faults.
    unsearched: Vec<String>,
    /// Where journals were found.
    places: Vec<Rel>,
    /// What the journals looked like before they were read.
    prints: Vec<Print>,
}

/// A journal directory, or a file in it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Print {
    /// Which of the places.
    place: Rel,
    /// Empty for the directory.
    name: CString,
    /// Device and inode, owner, size, and seconds and nanoseconds of mtime and ctime.
    numbers: [i128; 9],
}

impl KnownRuns {
    /// Searches the whole root for journals, on so many threads as [`runs::runs`] says, and reads them.
    ///
    /// # Errors
    /// The root cannot be read.
    pub fn find(root: &Root, threads: usize) -> Result<KnownRuns, ApplyError> {
        let homes = home::find(root, threads::or_good(threads, root.fd()), &BTreeSet::new());
        let (homes, faults) = homes.map_err(ApplyError::io("find journals"))?;
        Ok(KnownRuns::of(root, homes, runs::said(faults)))
    }

    /// Reads the journals where they were found, and the root's own, without searching for others.
    #[must_use]
    pub fn again(&self, root: &Root) -> KnownRuns {
        let (homes, faults) = home::at(root, 1, &self.places());
        let mut unsearched = self.unsearched.clone();
        unsearched.extend(runs::said(faults));
        let again = KnownRuns::of(root, homes, unsearched);
        KnownRuns { unsearched: self.unsearched.clone(), places: self.places.clone(), ..again }
    }

    /// The journals where they were found, and the root's own, look as they did. That there are none
    /// elsewhere is not known.
    pub fn holds(&self, root: &Root) -> bool {
        let (homes, faults) = home::at(root, 1, &self.places());
        faults.is_empty() && prints(&homes).is_ok_and(|now| now == self.prints)
    }

    /// The root may have a journal of its own by now.
    fn places(&self) -> Vec<Rel> {
        let mut places = self.places.clone();
        if !places.iter().any(|at| at.components().is_empty()) {
            places.insert(0, Rel::default());
        }
        places
    }

    fn of(root: &Root, homes: Vec<Home>, unsearched: Vec<String>) -> KnownRuns {
        // Before they are read: what is written meanwhile is seen the next time. Without prints
        // nothing holds.
        let prints = prints(&homes).unwrap_or_default();
        let mut faults = unsearched.clone();
        let runs = runs::of(root, &homes, Settled::Whole, None, &mut faults)
            .into_iter()
            .map(Arc::new)
            .collect();
        let places = homes.into_iter().map(|h| h.at).collect();
        KnownRuns { runs, faults, unsearched, places, prints }
    }
}

fn prints(homes: &[Home]) -> io::Result<Vec<Print>> {
    let mut prints = Vec::new();
    for home in homes {
        let journal: BorrowedFd<'_> = home.journal();
        let mut add = |name: CString, stat: &Statx| {
            prints.push(Print { place: home.at.clone(), name, numbers: numbers(stat) });
        };
        add(CString::default(), &dir::stat_fd(journal)?);
        for name in dir::names(journal)? {
            // One that is gone since it was listed has changed its directory.
            let Some(stat) = dir::look(journal, &name)? else { continue };
            add(name, &stat);
        }
    }
    Ok(prints)
}

fn numbers(stat: &Statx) -> [i128; 9] {
    [
        stat.stx_dev_major.into(),
        stat.stx_dev_minor.into(),
        stat.stx_ino.into(),
        stat.stx_uid.into(),
        stat.stx_size.into(),
        stat.stx_mtime.tv_sec.into(),
        stat.stx_mtime.tv_nsec.into(),
        stat.stx_ctime.tv_sec.into(),
        stat.stx_ctime.tv_nsec.into(),
    ]
}
