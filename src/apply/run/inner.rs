//! T22: what lies in a root of somebody else inside this one is that root's to delete.

use super::super::dir::Rel;
use super::super::outcome::{ApplyError, Skip};
use super::super::root::Root;
use super::super::work::SessionWork;
use super::super::{Cause, revalidate};

/// Takes out of the work, and says, every session that has anything to delete in such a root. I30:
/// whoever declared it keeps nobody from working elsewhere.
pub fn leave(
    root: &Root,
    work: &mut Vec<SessionWork>,
    threads: usize,
    skipped: &mut Vec<Skip>,
) -> Result<(), ApplyError> {
    let roots = revalidate::inner_roots(root, work, threads)
        .map_err(ApplyError::io("look for other roots"))?;
    if roots.is_empty() {
        return Ok(());
    }
    work.retain(|session| {
        let Some(inner) = roots.iter().find(|inner| lies_in(session, inner)) else { return true };
        let why = format!(
            "`{inner}` is a root of its own; if it should be none, remove `{inner}/.retain/root.toml`"
        );
        let session = session.session.clone();
        skipped.push(Skip { session, id: None, cause: Cause::Boundary, why });
        false
    });
    Ok(())
}

fn lies_in(session: &SessionWork, inner: &Rel) -> bool {
    let mut places = session.deletions.iter().flat_map(|d| &d.parts);
    places.any(|place| place.dir.components().starts_with(inner.components()))
}
