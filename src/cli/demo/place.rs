//! Where a sample may be made: in a directory of its own, and in nobody's storage.
//!
//! Asked before anything is written. Sample checkpoints in a root would be planned with the real
//! ones, and settings beside them would change which policy the root has.

use super::super::context;
use super::super::exit::Exit;
use super::super::failure::Failure;
use crate::apply;
use crate::config::trusted::Trust;
use crate::config::{Config, How};
use std::io;
use std::path::{Path, PathBuf};

/// # Errors
/// The directory is there and not empty, or lies inside a root, declared or named by settings.
pub fn check(dir: &Path) -> Result<(), Failure> {
    let shown = context::shown(dir);
    let cannot = |e: io::Error| {
        let what = format!("cannot make the sample in {shown}");
        Failure::new(Exit::Usage, anyhow::Error::new(e).context(what))
            .help("name a directory that is new")
    };
    let standing = standing(dir).map_err(cannot)?;
    if let Some(root) = root_around(&standing).map_err(cannot)? {
        let root = context::shown(&root);
        return Err(Failure::usage(format!("{shown} lies inside the root {root}"))
            .help("name a new directory outside of it; nothing was written"));
    }
    match std::fs::read_dir(dir).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::usage(format!("{shown} is not empty"))
            .help("name a directory that is new; nothing was written")),
        // A dangling symlink is something else.
        Err(_) if matches!(dir.symlink_metadata(), Err(e) if e.kind() == io::ErrorKind::NotFound) => {
            Ok(())
        }
        Err(e) => Err(cannot(e)),
    }
}

/// As much of a path as is there already, by its real name: a symlink may lead into a root.
fn standing(dir: &Path) -> io::Result<PathBuf> {
    let dir = std::path::absolute(dir)?;
    for above in dir.ancestors() {
        match above.canonicalize() {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            found => return found,
        }
    }
    Ok(dir)
}

fn root_around(standing: &Path) -> io::Result<Option<PathBuf>> {
    if let Some(root) = apply::root::around(standing)? {
        return Ok(Some(root));
    }
    // Settings that are wrong or not to be trusted make nothing a root.
    let Ok(config) = Config::find(None, standing, Trust::of_process()) else { return Ok(None) };
    let is_inside = config.how == How::Settings
        && config.root.canonicalize().is_ok_and(|root| standing.starts_with(root));
    Ok(is_inside.then_some(config.root))
}
