//! What people say about checkpoints: pins, tags, submissions.
//!
//! They lie in `.retain/marks.toml` beside the checkpoints, so that they move with them, outlive
//! any database, and can be set by whoever may write there. A file that cannot be read pins
//! everything in its directory: an unreadable pin is a pin (I10).

use crate::core::model::{Checkpoint, Marks, Pin, Time};
use crate::store::{self, Dir};
use std::collections::{BTreeMap, BTreeSet};
use std::io;

mod edit;
mod file;
pub mod given;

pub use edit::edit;
pub use file::{parse, render};

/// The directory beside the checkpoints that is `retain`'s own.
pub const DIRECTORY: &str = ".retain";
pub const FILE: &str = "marks.toml";

/// All marks of one directory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MarksFile {
    marks: BTreeMap<Subject, Mark>,
}

/// What a mark is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// Which of several series in the directory; empty where there is only one.
    pub series: String,
    /// `None`: the whole session.
    pub checkpoint: Option<String>,
}

/// Everything that is said about one subject.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mark {
    pub pin: Option<Pin>,
    pub tags: BTreeSet<String>,
    pub submissions: Vec<Submission>,
}

/// Something that is said, and about what.
type Said<'m> = (&'m Subject, &'m Mark);

/// A hand-in, to a leaderboard for example.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Submission {
    pub score: Option<f64>,
    pub at: Option<Time>,
}

/// Why marks cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum MarksError {
    #[error("{DIRECTORY}/{FILE} cannot be read: {0}")]
    Read(io::Error),
    #[error("{DIRECTORY}/{FILE} is damaged: {0}; repair it or move it away")]
    Damaged(String),
    #[error(
        "{DIRECTORY}/{FILE} is of version {0}, and this retain knows version 1; use a newer one"
    )]
    Newer(i64),
    #[error("{DIRECTORY} cannot be used: {0}")]
    Directory(io::Error),
    #[error("{DIRECTORY} is in use by another retain; try again")]
    Busy,
    #[error("{DIRECTORY}/{FILE} cannot be written: {0}")]
    Write(io::Error),
}

/// The marks of the checkpoints in `folder`; none if it has no such file.
///
/// # Errors
/// The file, or its directory, is there and cannot be read.
pub fn read(folder: &dyn Dir) -> Result<MarksFile, MarksError> {
    let missing = |e: &io::Error| e.kind() == io::ErrorKind::NotFound;
    let dir = match folder.open(DIRECTORY.as_bytes()) {
        Ok(dir) => dir,
        Err(e) if missing(&e) => return Ok(MarksFile::default()),
        Err(e) => return Err(MarksError::Directory(e)),
    };
    match store::read_metadata(&*dir, FILE.as_bytes()) {
        Ok(bytes) => parse(&bytes),
        Err(e) if missing(&e) => Ok(MarksFile::default()),
        Err(e) => Err(MarksError::Read(e)),
    }
}

impl Subject {
    /// One checkpoint (`Some`), or the whole session, of the only series in its directory.
    pub fn new(checkpoint: Option<&str>) -> Subject {
        Subject { series: String::new(), checkpoint: checkpoint.map(str::to_owned) }
    }

    /// As [`Subject::new`], in the named one of several series.
    pub fn in_series(series: &str, checkpoint: Option<&str>) -> Subject {
        Subject { series: series.to_owned(), ..Subject::new(checkpoint) }
    }
}

impl Mark {
    fn is_empty(&self) -> bool {
        *self == Mark::default()
    }
}

impl MarksFile {
    pub fn get(&self, subject: &Subject) -> Option<&Mark> {
        self.marks.get(subject)
    }

    /// The mark to change; made if there is none.
    pub fn entry(&mut self, subject: Subject) -> &mut Mark {
        self.marks.entry(subject).or_default()
    }

    /// All subjects about which something is said.
    pub fn iter(&self) -> impl Iterator<Item = (&Subject, &Mark)> {
        self.marks.iter().filter(|(_, m)| !m.is_empty())
    }

    /// Tags of the session itself.
    pub fn session_tags(&self, series: &str) -> impl Iterator<Item = &str> {
        let whole = self.get(&Subject::in_series(series, None));
        whole.into_iter().flat_map(|m| &m.tags).map(String::as_str)
    }

    /// What is said about a checkpoint itself, and about its session.
    fn about(&self, series: &str, id: &str) -> (Vec<Said<'_>>, Vec<Said<'_>>) {
        // A second series in the directory changes what the first is called: an id alone names its
        // checkpoint, and what was said of the only series then holds for all that are there now.
        let named = |s: &Subject| s.checkpoint.as_deref() == Some(id);
        let mut own: Vec<Said<'_>> = self.iter().filter(|(s, _)| named(s)).collect();
        if own.iter().any(|(s, _)| s.series == series) {
            own.retain(|(s, _)| s.series == series);
        }
        let whole = self.iter().filter(|(s, _)| {
            let related = s.series == series || s.series.is_empty() || series.is_empty();
            s.checkpoint.is_none() && related
        });
        (own, whole.collect())
    }

    /// What the pins are about that hold a checkpoint at a time: itself first, then its session.
    pub fn pins(&self, series: &str, id: &str, now: Time) -> Vec<&Subject> {
        let (own, whole) = self.about(series, id);
        let holds = |pin: &Pin| pin.until.is_none_or(|until| now < until);
        let all = own.into_iter().chain(whole);
        all.filter(|(_, m)| m.pin.as_ref().is_some_and(holds)).map(|(s, _)| s).collect()
    }

    /// Sets on a checkpoint what is said about it and about its session.
    ///
    /// Session tags stay with the session. A pin that has run out is handed on with its end: what
    /// it means now is for those to say who know the time.
    pub fn apply(&self, series: &str, checkpoint: &mut Checkpoint) {
        let (own, whole) = self.about(series, &checkpoint.id);
        for (_, mark) in own.iter().chain(&whole) {
            if let Some(pin) = &mark.pin {
                checkpoint.marks.set(Marks::PINNED);
                let extra = checkpoint.extra_mut();
                extra.pin = Some(longer(extra.pin.take(), pin.clone()));
            }
            if !mark.submissions.is_empty() {
                checkpoint.marks.set(Marks::SUBMITTED);
            }
        }
        for tag in own.iter().flat_map(|(_, m)| &m.tags) {
            let tags = &mut checkpoint.extra_mut().tags;
            if tags.iter().all(|t| **t != **tag) {
                tags.push(tag.as_str().into());
            }
        }
    }
}

/// Of two pins the one that holds longer.
fn longer(known: Option<Pin>, other: Pin) -> Pin {
    match known {
        Some(known)
            if known.until.is_none() || (other.until.is_some() && other.until <= known.until) =>
        {
            known
        }
        _ => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_about_a_session_holds_for_its_checkpoints() {
        let mut file = MarksFile::default();
        let pin = |until| Some(Pin { until, why: None });
        file.entry(Subject::new(None)).pin = pin(Some(Time::from_nanos(5)));
        file.entry(Subject::new(None)).tags.insert("team".to_owned());
        file.entry(Subject::new(Some("3"))).pin = pin(None);
        file.entry(Subject::new(Some("3"))).tags.insert("release".to_owned());
        file.entry(Subject::new(Some("4"))).submissions.push(Submission::default());
        file.entry(Subject::in_series("x", Some("5"))).pin = pin(Some(Time::from_nanos(9)));

        let marked = |series: &str, id: &str| {
            let mut c = Checkpoint { id: id.into(), ..Checkpoint::default() };
            file.apply(series, &mut c);
            let marks: Vec<_> = c.marks.names().collect();
            let until = c.pin().map(|p| p.until.map(Time::nanos));
            format!("{marks:?} {until:?} {:?}", c.tags())
        };
        assert_eq!(marked("", "3"), r#"["pinned"] Some(None) ["release"]"#);
        assert_eq!(marked("", "4"), r#"["pinned", "submitted"] Some(Some(5)) []"#);
        assert_eq!(marked("", "6"), r#"["pinned"] Some(Some(5)) []"#);
        assert_eq!(marked("x", "5"), r#"["pinned"] Some(Some(9)) []"#);
        // Said before there were two series in the directory, or while there were.
        assert_eq!(marked("x", "3"), r#"["pinned"] Some(None) ["release"]"#);
        assert_eq!(marked("", "5"), r#"["pinned"] Some(Some(9)) []"#);
        assert_eq!(file.session_tags("").collect::<Vec<_>>(), ["team"]);
    }

    #[test]
    fn the_longer_pin_holds() {
        let pin = |until: Option<i64>| Pin { until: until.map(Time::from_nanos), why: None };
        for (a, b, want) in [
            (None, None, None),
            (Some(1), None, None),
            (None, Some(1), None),
            (Some(1), Some(2), Some(2)),
            (Some(2), Some(1), Some(2)),
        ] {
            assert_eq!(longer(Some(pin(a)), pin(b)), pin(want));
        }
        assert_eq!(longer(None, pin(Some(1))), pin(Some(1)));
    }
}
