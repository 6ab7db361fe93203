//! Why something was left alone, as one of a few words: for metrics and for programs.
//!
//! The sentence says more ([`Why::text`]); but sentences hold names and system errors, and nobody
//! can count those.

use rustix::io::Errno;
use std::io;

/// Every reason there is; docs/operations.md says what each means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// It, or what was to stay beside it, is not as it was when the work was planned.
    Changed,
    /// A process holds a lock on it.
    InUse,
    /// The system would not show it.
    Unreadable,
    /// Its files belong to several users, or to another than its folder does.
    Owner,
    /// It is, or holds, something else than plain directories and files of one file system, or lies
    /// in a root inside the root.
    Boundary,
    /// The system, or whose `.retain` it is, refuses the move: permissions, room, a read-only mount.
    Refused,
    /// Pinned or pointed at since the plan was made, or since it was moved: it stays where it is.
    Wanted,
}

impl Cause {
    pub const ALL: [Cause; 7] = [
        Cause::Changed,
        Cause::InUse,
        Cause::Unreadable,
        Cause::Owner,
        Cause::Boundary,
        Cause::Refused,
        Cause::Wanted,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Changed => "changed",
            Cause::InUse => "in-use",
            Cause::Unreadable => "unreadable",
            Cause::Owner => "owner",
            Cause::Boundary => "boundary",
            Cause::Refused => "refused",
            Cause::Wanted => "wanted",
        }
    }

    /// What it means that reading something failed that was there when the work was planned.
    pub fn of_reading(error: &io::Error) -> Cause {
        match Errno::from_io_error(error) {
            Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Cause::Changed,
            Some(Errno::XDEV) => Cause::Boundary,
            _ if error.kind() == io::ErrorKind::NotFound => Cause::Changed,
            _ => Cause::Unreadable,
        }
    }

    pub fn because(self, text: impl Into<String>) -> Why {
        Why { cause: self, text: text.into() }
    }
}

/// A cause and its sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    pub cause: Cause,
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_cause_has_a_word_of_its_own() {
        let words: BTreeSet<&str> = Cause::ALL.iter().map(|c| c.as_str()).collect();
        assert_eq!(words.len(), Cause::ALL.len());
    }

    #[test]
    fn what_is_gone_has_changed_and_what_fails_is_unreadable() {
        let cause = |errno: Errno| Cause::of_reading(&io::Error::from(errno));
        for gone in [Errno::NOENT, Errno::NOTDIR, Errno::LOOP] {
            assert_eq!(cause(gone), Cause::Changed);
        }
        assert_eq!(Cause::of_reading(&io::ErrorKind::NotFound.into()), Cause::Changed);
        assert_eq!(cause(Errno::IO), Cause::Unreadable);
        assert_eq!(cause(Errno::ACCESS), Cause::Unreadable);
        assert_eq!(cause(Errno::XDEV), Cause::Boundary);
    }
}
