//! A plan as work to do: every path parsed and every contradiction found before anything is touched.
//!
//! The plan is the only input of apply (I13): what is not named here can neither be moved nor be
//! the reason for a move.

use super::dir::{BadPath, OURS, Rel};
use super::journal::record::Part;
use super::outcome::ApplyError;
use crate::core::model::Fingerprint;
use crate::core::name;
use crate::core::plan::PlanFile;
use crate::store::unit;
use std::collections::HashMap;
use std::ffi::CString;

/// A path taken apart: a directory below the root, and a name in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub dir: Rel,
    pub name: CString,
}

impl Place {
    /// Where a part of a journal's checkpoint belongs.
    ///
    /// # Errors
    /// Its folder is no path below the root, or its name no name.
    pub fn of_part(part: &Part) -> Result<Place, BadPath> {
        let bad = |why| BadPath { path: part.name.clone(), why };
        let name = name::decode(&part.name);
        if name.is_empty() || name.contains(&b'/') || matches!(&*name, b"." | b"..") {
            return Err(bad("it is no entry of a directory"));
        }
        let name = CString::new(&*name).map_err(|_| bad("it holds a NUL"))?;
        Ok(Place { dir: Rel::parse(&part.dir)?, name })
    }
}

/// A checkpoint to move.
#[derive(Clone, Debug)]
pub struct Deletion {
    /// Its number in the plan and in the journal.
    pub item: u32,
    pub id: String,
    pub bytes: u64,
    /// The plan's reasons, in words.
    pub why: String,
    /// What makes it loadable first.
    pub parts: Vec<Place>,
    pub fingerprint: Fingerprint,
}

/// A kept checkpoint that must be as it was; or any file that a decision rests on, such as a
/// pointer or the marks of a folder (I6, I10).
#[derive(Clone, Debug)]
pub struct Keeper {
    /// `SESSION ID`, for messages.
    pub called: String,
    pub parts: Vec<Place>,
    /// `None` (an empty text in the plan): there was no such file, and there must be none.
    pub fingerprint: Option<Fingerprint>,
}

/// What a plan asks of one session.
#[derive(Clone, Debug)]
pub struct SessionWork {
    pub session: String,
    pub deletions: Vec<Deletion>,
    pub witnesses: Vec<Keeper>,
}

/// Reads the work out of a plan, sessions in the order of their first deletion.
///
/// # Errors
/// A deletion without paths, fingerprint or session entry; a path that leaves the root; two
/// checkpoints of which one lies in the other (T21); a keeper among the deletions (I4).
pub fn read(plan: &PlanFile) -> Result<Vec<SessionWork>, ApplyError> {
    let mut order: Vec<SessionWork> = Vec::new();
    let mut index: HashMap<&str, usize> = HashMap::new();
    for (item, decision) in (0..).zip(plan.deletions()) {
        let called = format!("{} {}", decision.session, decision.id);
        let at = *index.entry(&decision.session).or_insert_with(|| {
            order.push(SessionWork {
                session: decision.session.clone(),
                deletions: Vec::new(),
                witnesses: Vec::new(),
            });
            order.len() - 1
        });
        order[at].deletions.push(Deletion {
            item,
            id: decision.id.clone(),
            bytes: decision.bytes,
            why: decision.reasons.iter().map(|r| r.text.as_str()).collect::<Vec<_>>().join(" · "),
            parts: places(&called, &decision.paths)?,
            fingerprint: fingerprint(&called, decision.fingerprint.as_deref())?,
        });
    }
    for session in &plan.sessions {
        let Some(&at) = index.get(session.session.as_str()) else { continue };
        for w in &session.witnesses {
            let called = format!("{} {}", w.session, w.id);
            order[at].witnesses.push(Keeper {
                parts: w
                    .paths
                    .iter()
                    .map(|p| match marks(p) {
                        Some(place) => Ok(place),
                        None => Ok(places(&called, std::slice::from_ref(p))?.remove(0)),
                    })
                    .collect::<Result<Vec<_>, ApplyError>>()?,
                fingerprint: match w.fingerprint.as_str() {
                    "" => None,
                    hex => Some(fingerprint(&called, Some(hex))?),
                },
                called,
            });
        }
    }
    // A session without its entry would be deleted from without any witness being looked at.
    let listed: std::collections::HashSet<&str> =
        plan.sessions.iter().map(|s| s.session.as_str()).collect();
    if let Some(work) = order.iter().find(|w| !listed.contains(w.session.as_str())) {
        return Err(ApplyError::BadPlan(format!(
            "session {} has no witnesses listed",
            work.session
        )));
    }
    disjoint(&order, plan)?;
    Ok(order)
}

fn places(called: &str, paths: &[String]) -> Result<Vec<Place>, ApplyError> {
    let bad = |why: String| ApplyError::BadPlan(format!("{called}: {why}"));
    if paths.is_empty() {
        return Err(bad("it has no paths".to_owned()));
    }
    paths
        .iter()
        .map(|path| {
            let mut dir = Rel::parse(path).map_err(|e| bad(e.to_string()))?;
            let name = dir.pop().ok_or_else(|| bad("it is the root itself".to_owned()))?;
            Ok(Place { dir, name })
        })
        .collect()
}

/// The one file of ours that a decision may rest on: `DIR/.retain/marks.toml`.
fn marks(path: &str) -> Option<Place> {
    let dir = path.strip_suffix(".retain/marks.toml")?;
    let dir = Rel::parse(dir.strip_suffix('/').unwrap_or(dir)).ok()?;
    Some(Place { dir: dir.join(OURS.to_owned()), name: c"marks.toml".to_owned() })
}

fn fingerprint(called: &str, hex: Option<&str>) -> Result<Fingerprint, ApplyError> {
    hex.and_then(unit::unhex)
        .ok_or_else(|| ApplyError::BadPlan(format!("{called}: it has no fingerprint")))
}

/// A path that a plan speaks of.
struct Mention<'a> {
    /// Components, each ended by a NUL: in their order a path is followed by all that lie below it.
    path: Vec<u8>,
    doomed: bool,
    session: &'a str,
    /// Empty where `session` names all of it.
    id: &'a str,
}

impl<'a> Mention<'a> {
    fn new(place: &Place, doomed: bool, (session, id): (&'a str, &'a str)) -> Mention<'a> {
        let components = place.dir.components().iter().chain([&place.name]);
        let path = components.flat_map(|c| c.to_bytes_with_nul()).copied().collect();
        Mention { path, doomed, session, id }
    }

    fn called(&self) -> String {
        if self.id.is_empty() {
            return self.session.to_owned();
        }
        format!("{} {}", self.session, self.id)
    }
}

/// I4, T21: no deletion is, holds, or lies in another deletion or anything that is kept.
fn disjoint(work: &[SessionWork], plan: &PlanFile) -> Result<(), ApplyError> {
    let mut all: Vec<Mention<'_>> = Vec::new();
    for session in work {
        for d in &session.deletions {
            let called = (&*session.session, &*d.id);
            all.extend(d.parts.iter().map(|part| Mention::new(part, true, called)));
        }
        for w in &session.witnesses {
            all.extend(w.parts.iter().map(|part| Mention::new(part, false, (&w.called, ""))));
        }
    }
    for d in plan.decisions.iter().filter(|d| d.verdict != "delete" && !d.paths.is_empty()) {
        let called = (&*d.session, &*d.id);
        let kept = places(&format!("{} {}", called.0, called.1), &d.paths)?;
        all.extend(kept.iter().map(|part| Mention::new(part, false, called)));
    }
    all.sort_by(|a, b| a.path.cmp(&b.path));
    let mut above: Vec<&Mention<'_>> = Vec::new();
    for one in &all {
        while above.last().is_some_and(|top| !one.path.starts_with(&top.path)) {
            above.pop();
        }
        if let Some(outer) = above.iter().find(|outer| outer.doomed || one.doomed) {
            let (a, b) = (outer.called(), one.called());
            return Err(ApplyError::BadPlan(format!("`{a}` and `{b}` overlap")));
        }
        // What several sessions rely on counts once.
        if above.last().is_none_or(|top| top.path != one.path) {
            above.push(one);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_journal_is_an_entry_of_a_folder_below_the_root() {
        let place = |dir: &str, name: &str| {
            let part = Part { dir: dir.to_owned(), name: name.to_owned(), ..Part::default() };
            Place::of_part(&part).map(|p| (p.dir.to_string(), p.name.into_bytes()))
        };
        assert_eq!(place("a/b", "c").unwrap(), ("a/b".to_owned(), b"c".to_vec()));
        assert_eq!(place(".", "...").unwrap(), (".".to_owned(), b"...".to_vec()));
        for bad in ["", ".", "..", "a/b", "/", "a\0"] {
            assert!(place("a", bad).is_err(), "{bad:?}");
        }
        for bad in ["/a", "..", "a/../b", ".retain", "a//b"] {
            assert!(place(bad, "c").is_err(), "{bad:?}");
        }
    }

    #[test]
    fn of_our_own_files_a_decision_may_rest_on_marks_alone() {
        let place = |path| marks(path).map(|p| (p.dir.components().len(), p.name));
        let name = c"marks.toml".to_owned();
        assert_eq!(place(".retain/marks.toml"), Some((1, name.clone())));
        assert_eq!(place("a/b/.retain/marks.toml"), Some((3, name)));
        for none in [
            "marks.toml",
            "a/.retain/lock",
            "a/.retain/marks.toml/x",
            "/.retain/marks.toml/",
            "../.retain/marks.toml",
        ] {
            assert_eq!(place(none), None, "{none}");
        }
    }
}
