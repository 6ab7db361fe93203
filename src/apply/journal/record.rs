//! The records of a journal, as JSON. Fields may be added, and never change their meaning.

use serde::{Deserialize, Serialize};

/// One record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "k", rename_all = "kebab-case")]
pub enum Record {
    Begin(Begin),
    /// These parts are about to be renamed into the trash.
    Intent(Intent),
    /// Whole in the trash, verified, and synced.
    Moved {
        items: Vec<u32>,
    },
    /// Whole at its own path: never moved, or moved back.
    Kept {
        items: Vec<u32>,
        why: String,
    },
    /// It was gone before it could be moved.
    Gone {
        items: Vec<u32>,
    },
    /// A session of the plan that loses nothing (more).
    Skipped {
        session: String,
        why: String,
    },
    /// From here on it can only be purged, unless nothing of it could be.
    Purging {
        items: Vec<u32>,
    },
    Purged {
        items: Vec<u32>,
    },
    /// Back at its own path.
    Restored {
        items: Vec<u32>,
    },
    /// Neither in the trash nor at its own path: somebody else removed it.
    Lost {
        items: Vec<u32>,
    },
    /// The process ended in order.
    End {
        stopped: Option<String>,
    },
}

/// Which work a journal file belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    #[default]
    Apply,
    Undo,
    Purge,
    Recover,
}

/// The first record of every file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    pub run: String,
    pub work: Work,
    /// Id of the root; a journal of another root is not acted upon.
    pub root: String,
    /// RFC 3339; the caller's clock.
    pub now: String,
    pub uid: u32,
    pub pid: u32,
    /// The kernel's id of this boot, which with the pid tells whether the writer can be alive.
    #[serde(default)]
    pub boot: String,
    pub tool: String,
    /// Of the plan that the run carries out.
    pub plan: String,
    /// Where the policy came from.
    pub policy: String,
    pub policy_digest: String,
    /// How long the trash of this run can be restored.
    pub grace_seconds: u64,
    /// What the plan asks for.
    pub checkpoints: u64,
    pub bytes: u64,
}

/// One checkpoint that is about to move.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Counts the deletions of the plan.
    pub item: u32,
    pub session: String,
    pub id: String,
    pub bytes: u64,
    pub files: u32,
    /// Hex; what it must still be after the move, see [`crate::store::unit::Unit::identity`].
    pub identity: String,
    /// The same without any ctime ([`crate::store::unit::Unit::lasting`]), if some of its files had other
    /// hard links: whoever removes one of those changes the ctime of what lies in the trash.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub lasting: String,
    /// The plan's reasons, for whoever misses it later.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// What makes it loadable comes first.
    pub parts: Vec<Part>,
    /// What beside it named it then, as the plan knew: it was to go all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub named: Vec<Pointer>,
}

/// A pointer `DIR/NAME` as it was when what it names was moved: it is that one as long as its inode and
/// its ctime are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointer {
    /// Relative to the root, escaped as in [`crate::core::name`].
    pub dir: String,
    pub name: String,
    pub inode: u64,
    /// Nanoseconds.
    pub ctime: i64,
}

/// One entry of a checkpoint: `DIR/NAME`, in the trash `DIR/.retain/trash/RUN/SLOT/NAME`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Relative to the root, escaped as in [`crate::core::name`].
    pub dir: String,
    pub name: String,
    pub slot: String,
    pub inode: u64,
    /// `d` for a directory, `f` for a file.
    pub kind: char,
}
