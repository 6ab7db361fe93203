//! Which checkpoints of a session a person means: those with a tick, and those a text stands for.

use super::form::Form;
use super::view::View;
use crate::core::model::Session;
use crate::report::sanitize;
use crate::steps::pick::{self, PickError};
use std::collections::HashMap;

/// Exactly these ids; `None` if one of them is not there any more.
pub fn exact(session: &Session, ids: &[String]) -> Option<Vec<usize>> {
    let known: HashMap<&str, usize> =
        (0..).zip(&session.checkpoints).map(|(i, c)| (&*c.id, i)).collect();
    // Forms carry a name as it is printed: a line end in it would not survive them.
    let printed =
        |id: &str| session.checkpoints.iter().position(|c| sanitize::terminal(&c.id) == id);
    let index = |id: &String| known.get(id.as_str()).copied().or_else(|| printed(id));
    let mut chosen: Vec<usize> = ids.iter().map(index).collect::<Option<_>>()?;
    chosen.sort_unstable();
    chosen.dedup();
    Some(chosen)
}

/// The boxes ticked (`id`), and the names, globs and ranges written (`pattern`, apart at spaces).
///
/// # Errors
/// Something stands for nothing: a typing mistake must not look like a choice.
pub fn of_form(view: &View, s: usize, form: &Form) -> Result<Vec<usize>, PickError> {
    let session = view.session(s);
    let ticked: Vec<String> = form.all("id").map(str::to_owned).collect();
    let Some(mut chosen) = exact(session, &ticked) else {
        // The error names the one that is gone, and what is near it.
        let picked = pick::checkpoints(view.inventory(), &[s], &ticked)?;
        return Ok(picked.into_iter().flat_map(|(_, list)| list).collect());
    };
    chosen.extend(of_patterns(view, s, form.all("pattern").flat_map(str::split_whitespace))?);
    chosen.sort_unstable();
    chosen.dedup();
    Ok(chosen)
}

/// What names, globs and ranges stand for.
///
/// # Errors
/// One of them stands for nothing.
pub fn of_patterns<'a>(
    view: &View,
    s: usize,
    patterns: impl Iterator<Item = &'a str>,
) -> Result<Vec<usize>, PickError> {
    let patterns: Vec<String> = patterns.map(str::to_owned).collect();
    let picked = pick::checkpoints(view.inventory(), &[s], &patterns)?;
    Ok(picked.into_iter().flat_map(|(_, list)| list).collect())
}
