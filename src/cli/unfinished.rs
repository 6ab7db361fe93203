//! What every command says first: that an earlier run was cut off.

use super::context::Context;
use crate::apply::{self, Root};
use crate::core::model::Inventory;

/// One line for each run that was cut off; changes nothing. `inventory` names the folders that may
/// have a journal of their own.
pub fn tell(context: &Context, root: &Root, inventory: Option<&Inventory>) {
    let sessions = inventory.into_iter().flat_map(|i| &i.sessions);
    let folders = sessions
        .flat_map(|s| &s.checkpoints)
        .filter_map(|c| c.paths().first())
        .map(|path| path.rsplit_once('/').map_or(".", |(folder, _)| folder));
    for run in apply::interrupted(root, folders) {
        context.ui.warn(run.to_string());
    }
}
