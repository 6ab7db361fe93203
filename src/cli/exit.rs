//! The exit codes, in the one place that knows them.
//!
//! Scripts branch on these numbers, so their meaning never changes; `--help`, `docs/exit-codes.md`
//! and the process itself are all made from [`Exit::ALL`].

use std::fmt::Write as _;
use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    Done,
    Error,
    Usage,
    Partly,
    Unreachable,
    Stale,
    Refused,
    Deletes,
}

impl Exit {
    /// By number.
    pub const ALL: [Exit; 8] = [
        Exit::Done,
        Exit::Error,
        Exit::Usage,
        Exit::Partly,
        Exit::Unreachable,
        Exit::Stale,
        Exit::Refused,
        Exit::Deletes,
    ];

    /// What counts when several hold at once: the first of these that does.
    pub const PRECEDENCE: [Exit; 7] = [
        Exit::Error,
        Exit::Usage,
        Exit::Refused,
        Exit::Stale,
        Exit::Partly,
        Exit::Unreachable,
        Exit::Deletes,
    ];

    pub const fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Error => 1,
            Exit::Usage => 2,
            Exit::Partly => 3,
            Exit::Unreachable => 4,
            Exit::Stale => 5,
            Exit::Refused => 6,
            Exit::Deletes => 10,
        }
    }

    pub const fn meaning(self) -> &'static str {
        match self {
            Exit::Done => "done, or nothing to do",
            Exit::Error => "error",
            Exit::Usage => "usage or policy error",
            Exit::Partly => "partly done, the rest kept",
            Exit::Unreachable => "a limit or quota cannot be reached",
            Exit::Stale => "stale plan",
            Exit::Refused => "refused by a safety rule",
            Exit::Deletes => "the plan deletes something (only with --detailed-exitcode)",
        }
    }

    /// Whether what could be done was done: a part that was kept, or a quota that stays exceeded,
    /// is a result and no failure.
    pub const fn did_its_work(self) -> bool {
        match self {
            Exit::Done | Exit::Partly | Exit::Unreachable | Exit::Deletes => true,
            Exit::Error | Exit::Usage | Exit::Stale | Exit::Refused => false,
        }
    }

    /// The one that both together amount to.
    #[must_use]
    pub fn and(self, other: Exit) -> Exit {
        Self::PRECEDENCE.into_iter().find(|e| *e == self || *e == other).unwrap_or(Exit::Done)
    }

    /// `other` as well, if `holds`.
    #[must_use]
    pub fn and_if(self, holds: bool, other: Exit) -> Exit {
        if holds { self.and(other) } else { self }
    }

    /// The section that ends every long help text.
    pub fn help() -> String {
        let mut out = String::from("Exit codes:\n");
        for exit in Exit::ALL {
            let _ = writeln!(out, "  {:>2}  {}", exit.code(), exit.meaning());
        }
        out + "Several at once: " + &Self::precedence() + ", the first that holds."
    }

    fn precedence() -> String {
        Self::PRECEDENCE.map(|e| e.code().to_string()).join(", ")
    }

    /// The table of `docs/exit-codes.md`, without the prose around it.
    pub fn markdown() -> String {
        let mut out = String::from("| code | meaning |\n|---:|---|\n");
        for exit in Exit::ALL {
            let _ = writeln!(out, "| {} | {} |", exit.code(), exit.meaning());
        }
        out + "\nSeveral at once: " + &Self::precedence() + ", the first that holds.\n"
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precedence_is_a_total_order_with_done_last() {
        for a in Exit::ALL {
            for b in Exit::ALL {
                assert_eq!(a.and(b), b.and(a));
                for c in Exit::ALL {
                    assert_eq!(a.and(b).and(c), a.and(b.and(c)));
                }
            }
            assert_eq!(a.and(a), a);
            assert_eq!(a.and(Exit::Done), a);
        }
        assert_eq!(Exit::Partly.and(Exit::Refused), Exit::Refused);
        assert_eq!(Exit::Deletes.and(Exit::Unreachable), Exit::Unreachable);
        assert_eq!(Exit::Refused.and(Exit::Error), Exit::Error);
    }

    #[test]
    fn the_documentation_has_the_table() {
        let page = include_str!("../../docs/exit-codes.md");
        assert!(
            page.contains(&Exit::markdown()),
            "docs/exit-codes.md lacks:\n{}",
            Exit::markdown()
        );
    }
}
