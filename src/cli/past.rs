//! The history of usage, as commands read and write it. Nothing here can make a command fail.

use super::context::{self, Context};
use crate::apply::Root;
use crate::core::usage::Report;
use crate::history::{self, History, HistoryError, Measured};
use crate::steps::past::future;
pub use crate::steps::past::{Future, measured, trash_of};
use std::os::fd::AsFd as _;

/// Adds a point to the history of a declared root.
pub fn record(context: &Context, root: &Root, measured: &Measured) {
    update(context, root, |history| history.record(context.now, measured));
}

/// Changes the history, and says what is to be said; `None` if nothing was changed.
pub fn update<T>(
    context: &Context,
    root: &Root,
    change: impl FnOnce(&mut History) -> Result<T, HistoryError>,
) -> Option<T> {
    let ours = match root.ours() {
        Ok(Some(ours)) if root.id.is_some() => ours,
        Ok(_) => {
            context.ui.detail("no history of usage: this is no declared root (`retain init`)");
            return None;
        }
        Err(e) => {
            let text = format!("no history of usage: {e}");
            if e.kind() == std::io::ErrorKind::PermissionDenied {
                context.ui.detail(text);
            } else {
                context.ui.warn(text);
            }
            return None;
        }
    };
    match History::update(ours.as_fd(), context.now, change) {
        Ok((value, aside)) => {
            if let Some(name) = aside {
                let path = context::shown(&root.path.join(".retain").join(name));
                context.ui.warn(format!(
                    "the history of usage was damaged; it is now {path}, and a new one was begun"
                ));
            }
            Some(value)
        }
        Err(e) if e.is_not_ours() => {
            context.ui.detail(format!("{e}"));
            None
        }
        Err(e) => {
            warn(context, root, &e);
            None
        }
    }
}

/// Says what is wrong with the history, and where it lies if it has to be moved.
pub fn warn(context: &Context, root: &Root, error: &HistoryError) {
    let remedy = match error {
        HistoryError::Clock { .. } => {
            let path = context::shown(&root.path.join(".retain").join(history::FILE));
            format!("; if that clock was wrong, move {path} away")
        }
        _ => String::new(),
    };
    context.ui.warn(format!("{error}{remedy}"));
}

/// The history, if there is one that can be read.
fn read(context: &Context, root: &Root) -> Option<History> {
    let ours = root.ours().ok().flatten()?;
    match History::read(ours.as_fd()) {
        Ok(history) => history,
        Err(e) if e.is_not_ours() => {
            context.ui.detail(e.to_string());
            None
        }
        Err(e) => {
            context.ui.warn(e.to_string());
            None
        }
    }
}

/// The trends of a report, as far as there is a history.
pub fn foresee(context: &Context, root: &Root, report: &Report) -> Option<Future> {
    match future(&read(context, root)?, report) {
        Ok(future) => Some(future),
        Err(e) => {
            context.ui.warn(e.to_string());
            None
        }
    }
}
