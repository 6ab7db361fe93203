//! Roots that lie inside a directory which is to become one.
//!
//! From then on they would lie inside a root and be refused (T22): what was moved in them could no
//! longer be undone. So they are looked for before a root is declared.

use super::{Root, RootError, refuse};
use crate::apply::dir::{OURS, Rel};
use crate::apply::{survey, threads};
use rustix::fd::{AsFd as _, OwnedFd};
use std::collections::BTreeSet;

/// So many are named.
const NAMED: usize = 5;

/// Looks at every directory below; no symlink is followed and no mount entered. Gives what could not
/// be looked into.
///
/// # Errors
/// There are roots inside, or the directory itself cannot be read.
pub fn refuse(root: &Root) -> Result<Vec<String>, RootError> {
    let visit = |at: &Rel, fd: &OwnedFd, listed: &survey::Listed| {
        let ours = listed.folders.iter().any(|name| name.as_c_str() == OURS);
        let is_inside = ours && !at.components().is_empty();
        Ok((is_inside && refuse::holds_marker(fd.as_fd())?).then(|| at.clone()))
    };
    let threads = threads::or_good(0, root.fd());
    let (found, faults) = survey::walk(root, threads, &BTreeSet::new(), visit)
        .map_err(|source| RootError::Io { path: root.path.clone(), source })?;
    let mut found: Vec<Rel> = found.into_iter().flatten().collect();
    found.sort();
    let place = root.path.display();
    let unread: Vec<String> =
        faults.into_iter().map(|(at, e)| format!("`{place}/{at}`: {e}")).collect();
    if found.is_empty() {
        return Ok(unread);
    }
    let markers = found.iter().take(NAMED).map(|at| format!("`{place}/{at}/.retain/root.toml`"));
    let mut inner = vec![markers.collect::<Vec<_>>().join(", ")];
    if found.len() > NAMED {
        inner.push(format!(" and {} more", found.len() - NAMED));
    }
    if !unread.is_empty() {
        inner.push(format!(
            ", and whatever lies where nothing could be read: {}",
            unread.join("; ")
        ));
    }
    let inner = inner.concat();
    Err(RootError::Inside { path: root.path.clone(), inner })
}
