//! `retain init`: a person says once that a directory is a storage of training runs.

use super::context::{self, Context};
use super::exit::Exit;
use super::failure::Failure;
use super::machine;
use super::unfinished;
use crate::apply;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct InitArgs {
    /// The directory; otherwise the root that --root, retain.toml or the working directory says
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Makes a directory a root; where no root inside it could be looked for is a warning.
///
/// # Errors
/// It may be none.
pub fn declare(context: &Context, path: &Path) -> Result<apply::Root, Failure> {
    let home = machine::home();
    let (root, unread) = apply::declare(path, home.as_deref(), context.now, &apply::calls::Os)
        .map_err(context::root_failure)?;
    for at in unread {
        context.ui.warn(format!("whether a root lies inside is not known of {at}"));
    }
    Ok(root)
}

pub fn run(context: &Context, args: &InitArgs) -> Result<Exit, Failure> {
    let path = match &args.dir {
        Some(dir) => dir.clone(),
        None => context.config()?.root,
    };
    let home = machine::home();
    let before = apply::Root::open(&path, home.as_deref()).ok().and_then(|r| r.id);
    let root = declare(context, &path)?;
    unfinished::tell(context, &root, None);
    let place = context::shown(&root.path);
    let made = before != root.id;
    if context.ui.json {
        let value = json!({"format": "retain-init/1", "root": place, "id": root.id, "made": made});
        context.ui.json(&value)?;
    } else if made {
        context.ui.note(format!(
            "{place} is a root now; `retain plan -C {place}` shows what a policy would do"
        ));
    } else {
        context.ui.note(format!("{place} is a root already"));
    }
    Ok(Exit::Done)
}
