//! The saved plan: the one thing `apply` reads.
//!
//! A plan is decided in one place at one time and then only carried out. It holds every decision
//! with its reasons, what each deletion is made of (paths and fingerprints), the kept checkpoints
//! that justify it (witnesses), the policy's text, and a digest over all of that.

mod build;

pub use build::{Input, brake, build, head};

use super::model::Time;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::{BufWriter, Write as _};

/// The `format` of plans this version writes; it reads no other.
pub const FORMAT: &str = "retain-plan/1";
/// A plan is carried out within this many seconds of its `now`, or not at all.
pub const EXPIRES_AFTER_SECS: i64 = 24 * 3600;

/// A plan as JSON. Fields may be added, and never change their meaning.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PlanFile {
    pub format: String,
    /// `retain 0.1.0`.
    pub tool: String,
    /// RFC 3339; the instant all decisions refer to.
    pub now: String,
    /// `None` for plans of a foreign inventory, which cannot be applied.
    pub root: Option<PlanRoot>,
    pub policy: PlanPolicy,
    pub totals: Totals,
    #[serde(default)]
    pub warnings: Vec<PlanWarning>,
    /// `[safety]` is exceeded; apply refuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brake: Option<String>,
    /// Sessions that lose something: what must still hold when they do.
    #[serde(default)]
    pub sessions: Vec<PlanSession>,
    pub decisions: Vec<PlanDecision>,
    /// Hex BLAKE3 of the plan with this field empty, as `serde_json` writes it.
    #[serde(default)]
    pub digest: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRoot {
    /// From `.retain/root.toml`; `None` while the root has none (a first apply makes it).
    pub id: Option<String>,
    /// As it was given, made absolute; empty in the plan of an inventory file.
    pub path: String,
    /// Inode of the root directory; 0 in the plan of an inventory file.
    pub inode: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PlanPolicy {
    /// Hex BLAKE3 of `text`.
    pub digest: String,
    /// Where it was read from, or `embedded default`, or `rm` for a person's own choice.
    pub source: String,
    pub text: String,
    /// Seconds for which the trash can be restored.
    pub grace_seconds: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    pub sessions: u64,
    pub checkpoints: u64,
    pub keep: u64,
    pub delete: u64,
    pub untouched: u64,
    pub bytes: u64,
    pub delete_bytes: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanWarning {
    /// Stable: `limit-unreachable`, `tainted`, `no-metric`, ...
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    pub text: String,
}

/// `[safety]` is exceeded: how many or how much would go, and what is allowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Brake {
    Count { delete: u64, max: u64 },
    Percent { delete: u64, checkpoints: u64, max: f64 },
    Bytes { delete_bytes: u64, max: u64 },
}

impl fmt::Display for Brake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Brake::Count { delete, max } => {
                write!(f, "{delete} checkpoints would be deleted, max-delete is {max}")
            }
            Brake::Percent { delete, checkpoints, max } => write!(
                f,
                "{delete} of {checkpoints} checkpoints would be deleted, max-delete is {max}%"
            ),
            Brake::Bytes { delete_bytes, max } => {
                write!(f, "{delete_bytes} bytes would be deleted, max-delete-bytes is {max} bytes")
            }
        }
    }
}

/// A session that loses checkpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanSession {
    pub session: String,
    pub owner: String,
    /// Kept checkpoints, marks and pointers that must be unchanged, or the session is skipped. One
    /// without a fingerprint must not exist.
    #[serde(default)]
    pub witnesses: Vec<Witness>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    pub session: String,
    pub id: String,
    pub paths: Vec<String>,
    pub fingerprint: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PlanDecision {
    pub session: String,
    pub id: String,
    /// `keep`, `delete` or `untouched`.
    pub verdict: String,
    pub bytes: u64,
    pub reasons: Vec<PlanReason>,
    /// Relative to the root, escaped as in [`super::name`]; the part that makes it loadable first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// Hex; see [`super::model::Fingerprint`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

/// A reason in words and in numbers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PlanReason {
    pub kind: String,
    pub text: String,
    /// `rank`, `of`, `value`, ... whatever the kind has.
    #[serde(flatten)]
    pub data: serde_json::Map<String, serde_json::Value>,
}

/// Why a text is not a plan that can be carried out.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("not a plan: {0}")]
    Syntax(#[from] serde_json::Error),
    #[error("this plan's format is `{0}`, and this version of retain reads `{FORMAT}`")]
    Format(String),
    #[error("the plan was changed after it was made: its digest does not fit its content")]
    Digest,
    #[error("the plan's time `{0}` is not a time")]
    Time(String),
    #[error("the plan is of {made}; plans are carried out within 24 hours")]
    Expired { made: Time },
    #[error("the plan is of {made}, which is in the future")]
    Future { made: Time },
}

/// Hashes all that is written to it but the `end` last bytes, which it holds back.
struct AllBut {
    hasher: blake3::Hasher,
    held: Vec<u8>,
    end: usize,
}

impl std::io::Write for AllBut {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let (over, rest) = bytes.split_at(bytes.len().saturating_sub(self.end));
        if over.is_empty() {
            self.held.extend_from_slice(bytes);
            let over = self.held.len().saturating_sub(self.end);
            self.hasher.update(&self.held[..over]);
            self.held.drain(..over);
        } else {
            self.hasher.update(&self.held).update(over);
            self.held.clear();
            self.held.extend_from_slice(rest);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl PlanFile {
    /// The decisions to delete, in the order of their numbers in a journal.
    pub fn deletions(&self) -> impl Iterator<Item = &PlanDecision> {
        self.decisions.iter().filter(|d| d.verdict == "delete")
    }

    /// Fills in the digest; the last step of making a plan.
    pub fn seal(mut self) -> PlanFile {
        self.digest.clear();
        self.digest = self.digest_of_all();
        self
    }

    /// How a plan ends whose digest is empty.
    const END: &[u8] = b"\"\"}";

    /// How this one ends: its digest is written last.
    fn end(&self) -> String {
        format!("{}}}", serde_json::Value::from(&*self.digest))
    }

    /// Of everything but the field `digest`, which is hashed as if it were empty: it is written last.
    fn digest_of_all(&self) -> String {
        let end = self.end();
        let mut all = AllBut { hasher: blake3::Hasher::new(), held: Vec::new(), end: end.len() };
        // The hasher is fast on large pieces only.
        let mut out = BufWriter::with_capacity(1 << 16, &mut all);
        // Writing plain data to a hasher cannot fail.
        let written = serde_json::to_writer(&mut out, self).is_ok() && out.flush().is_ok();
        drop(out);
        if !written || all.held != end.as_bytes() {
            return String::new();
        }
        all.hasher.update(Self::END).finalize().to_hex().to_string()
    }

    /// Checks that it is of this format and unchanged since it was sealed.
    ///
    /// # Errors
    /// Another format, or another content than the digest stands for.
    pub fn check(&self) -> Result<(), PlanError> {
        if self.format != FORMAT {
            return Err(PlanError::Format(self.format.clone()));
        }
        if self.digest.is_empty() || self.digest != self.digest_of_all() {
            return Err(PlanError::Digest);
        }
        Ok(())
    }

    /// Reads a plan and checks its format and digest.
    ///
    /// # Errors
    /// Not JSON, another format, or changed since it was made.
    pub fn parse(text: &[u8]) -> Result<PlanFile, PlanError> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
        }
        let plan: PlanFile = serde_json::from_slice(text).map_err(|e| {
            // Of another version, more may be different than its name.
            match serde_json::from_slice::<Head>(text) {
                Ok(head) if head.format != FORMAT => PlanError::Format(head.format),
                _ => e.into(),
            }
        })?;
        if plan.format != FORMAT || !plan.is_written_as(text) {
            plan.check()?;
        }
        Ok(plan)
    }

    /// Whether the digest is that of a text as it stands, which spares writing it all once more. If
    /// not, another program may have laid it out differently.
    fn is_written_as(&self, text: &[u8]) -> bool {
        let all = text.trim_ascii_end().strip_suffix(self.end().as_bytes());
        all.is_some_and(|all| {
            let mut hasher = blake3::Hasher::new();
            hasher.update(all).update(Self::END).finalize().to_hex().as_str() == self.digest
        })
    }

    /// When it was made, if it may still be carried out at `now`.
    ///
    /// # Errors
    /// Older than [`EXPIRES_AFTER_SECS`], or made in the future.
    pub fn check_age(&self, now: Time) -> Result<Time, PlanError> {
        let made = Time::parse(&self.now).ok_or_else(|| PlanError::Time(self.now.clone()))?;
        let age = now.since(made) / Time::NANOS_PER_SEC;
        if age > EXPIRES_AFTER_SECS {
            return Err(PlanError::Expired { made });
        }
        if made > now {
            return Err(PlanError::Future { made });
        }
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What plans of earlier versions were sealed with: the digest of a copy whose digest is empty.
    fn by_copy(plan: &PlanFile) -> String {
        let blank = PlanFile { digest: String::new(), ..plan.clone() };
        blake3::hash(&serde_json::to_vec(&blank).unwrap()).to_hex().to_string()
    }

    #[test]
    fn a_plan_is_read_as_it_was_written_or_laid_out_anew_and_not_if_it_was_changed() {
        let one = PlanDecision { session: "세션/\"x\"".to_owned(), ..PlanDecision::default() };
        let plan =
            PlanFile { format: FORMAT.to_owned(), decisions: vec![one], ..PlanFile::default() };
        let sealed = plan.seal();
        let written = serde_json::to_string(&sealed).unwrap();
        let laid_out = serde_json::to_string_pretty(&sealed).unwrap();
        assert!(sealed.is_written_as(written.as_bytes()));
        assert!(sealed.is_written_as(format!("{written}\n").as_bytes()));
        assert!(!sealed.is_written_as(laid_out.as_bytes()));
        for same in [&written, &format!("{written}\n"), &laid_out] {
            assert_eq!(PlanFile::parse(same.as_bytes()).unwrap().digest, sealed.digest, "{same}");
        }
        let digest = |text: &str| blake3::hash(text.as_bytes()).to_hex().to_string();
        for (was, is) in [
            ("\"bytes\":0", "\"bytes\":1"),
            ("\"sessions\":[]", "\"sessions\":[ ]"),
            (&*sealed.digest, &*digest("other")),
            (&*sealed.digest, ""),
        ] {
            let changed = written.replacen(was, is, 1);
            assert_ne!(changed, written, "{was}");
            assert!(!sealed.is_written_as(changed.as_bytes()), "{is}");
            // White space alone is no change.
            let read = PlanFile::parse(changed.as_bytes());
            assert_eq!(read.is_ok(), is.contains(' '), "{is}");
        }
        // Of another format nothing is believed, whatever its digest.
        let other = PlanFile { format: "retain-plan/2".to_owned(), ..sealed }.seal();
        let text = serde_json::to_vec(&other).unwrap();
        assert!(other.is_written_as(&text));
        assert!(matches!(PlanFile::parse(&text), Err(PlanError::Format(_))));
    }

    #[test]
    fn a_plan_may_be_carried_out_for_a_day() {
        let now = Time::parse("2026-11-28T12:00:00Z").unwrap();
        for (made, wanted) in [
            ("2026-11-28T12:00:00Z", "ok"),
            ("2026-11-28T10:59:00Z", "ok"),
            ("2026-11-27T12:00:00Z", "ok"),
            (
                "2026-11-27T11:59:59Z",
                "the plan is of 2026-11-27T11:59:59Z; plans are carried out within 24 hours",
            ),
            ("2026-11-28T12:00:01Z", "the plan is of 2026-11-28T12:00:01Z, which is in the future"),
            ("yesterday", "the plan's time `yesterday` is not a time"),
        ] {
            let plan = PlanFile { now: made.to_owned(), ..PlanFile::default() };
            let told = plan.check_age(now).map_or_else(|e| e.to_string(), |_| "ok".to_owned());
            assert_eq!(told, wanted);
        }
    }

    #[test]
    fn the_digest_is_that_of_the_plan_without_it() {
        for (many, name) in [(0, ""), (1, "s"), (500, "t/\"x\"\u{1b}"), (3000, "세션")] {
            let one = PlanDecision { session: name.to_owned(), ..PlanDecision::default() };
            let plan = PlanFile { decisions: vec![one; many], ..PlanFile::default() };
            let want = by_copy(&plan);
            let sealed = PlanFile { format: FORMAT.to_owned(), ..plan.clone() }.seal();
            assert!(sealed.check().is_ok());
            assert_eq!(sealed.digest, by_copy(&sealed));
            // Whatever the field holds.
            for digest in ["", "x", "\"}", "\n\\", &"0".repeat(64), &"é".repeat(40_000)] {
                let plan = PlanFile { digest: digest.to_owned(), ..plan.clone() };
                assert_eq!(plan.digest_of_all(), want, "{many} {}", digest.len());
                assert!(plan.check().is_err());
            }
        }
    }
}
