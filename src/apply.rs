//! The only module that changes or deletes anything on a storage.
//!
//! It exists apart from everything else so that its promise can be read and tested apart: at every
//! instant, also after a crash at any system call, each checkpoint is whole at its own path, or
//! whole in the trash with a record that can restore it, or half-moved with its completeness file
//! first until recovery restores it, or being purged after its grace. Nothing else ever changes.
//! The codes in the comments (I1, N16, ...) are those of docs/safety.md.
//!
//! Some rules are kept before anything comes here, and hold here because the plan is all that does
//! (I13): what is a checkpoint and complete (I2), what is newest (I5), best (I7) or young (I8), a
//! policy that can be trusted (I16) and was read once (I17). What apply adds is that each is still so:
//! nothing is ranked again, and a checkpoint with the fingerprint that it had, ctimes included, has
//! only grown older ([`revalidate`]). Names leave this module escaped by [`crate::core::name`], and
//! reach people through the sinks' own functions (I32). Nothing here is parsed but TOML and JSON of
//! bounded length, and nothing executed (I31, [`dir::read_file`]).
//!
//! Read in this order: [`root`] (where), [`dir`] and [`calls`] (how), [`work`] and [`revalidate`]
//! (whether, and if not, the [`cause`]), [`journal`] (said before done), [`trash`] (a rename), [`run`]
//! (all of it in order), [`recover()`], [`undo()`], [`purge()`] with `wanted`, `pointed`, [`early`], [`held`] and [`remove`],
//! [`runs()`], [`known`] and [`interrupted()`] (what was),
//! [`confine()`] (the kernel's second look).

pub mod calls;
pub mod cause;
pub mod confine;
pub mod dir;
pub mod early;
pub mod held;
pub mod home;
pub mod interrupted;
pub mod journal;
pub mod known;
mod located;
pub mod lock;
pub mod outcome;
mod parallel;
mod pointed;
pub mod purge;
pub mod recover;
pub mod remove;
pub mod revalidate;
pub mod root;
pub mod run;
pub mod runs;
mod site;
mod survey;
mod threads;
pub mod trash;
pub mod undo;
mod wanted;
pub mod work;

pub use cause::{Cause, Why};
pub use confine::confine;
pub use interrupted::{Interrupted, interrupted};
pub use known::KnownRuns;
pub use outcome::{
    ApplyError, Count, Event, Kind, Progress, PurgeReport, Report, Settings, Skip, UndoReport,
};
pub use purge::{Which, purge};
pub use recover::{Recovery, recover, recover_for};
pub use root::{Root, RootError, declare, init};
pub use run::{ApplyOptions, apply, check_beforehand, check_root};
pub use runs::{RunItem, RunSummary, runs};
pub use undo::{What, undo};

use std::fmt::Write as _;
use std::io;

/// So many random bytes from the kernel, in hex.
///
/// # Errors
/// The kernel has none.
pub(crate) fn random_hex(bytes: usize) -> io::Result<String> {
    let mut buffer = vec![0; bytes];
    let mut filled = 0;
    while filled < bytes {
        filled +=
            rustix::rand::getrandom(&mut buffer[filled..], rustix::rand::GetRandomFlags::empty())?;
    }
    Ok(buffer.iter().fold(String::new(), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    }))
}
