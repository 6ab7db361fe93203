//! Asks the kernel to refuse what this module must never do.
//!
//! Everything in [`crate::apply`] works below one root. Landlock makes that true even of code that is
//! wrong: from here on this thread, and every thread it starts, can create, remove and rename only
//! below the root (a second line behind I18; nothing else relies on it). What is open already, such
//! as stdout, stays usable, and reading is not restricted.

use super::root::Root;
use landlock::{
    AccessFs, BitFlags, CompatLevel, Compatible as _, PathBeneath, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, make_bitflags,
};

/// Everything that changes which names exist. `Refer` came with Linux 5.19: before it, Landlock
/// refuses every rename from one directory to another, and so cannot be used here.
const NAMES: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    RemoveFile | RemoveDir | Refer
    | MakeReg | MakeDir | MakeSym | MakeFifo | MakeSock | MakeChar | MakeBlock
});

/// Confines this thread to the root, for good.
///
/// # Errors
/// The kernel has no Landlock, one that is too old, or a filter that refuses it: nothing is
/// restricted then, and nothing else is different.
pub fn confine(root: &Root) -> Result<(), RulesetError> {
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(NAMES)?
        .create()?
        .add_rule(PathBeneath::new(root.fd(), NAMES))?
        .restrict_self()?;
    Ok(())
}
