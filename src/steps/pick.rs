//! Turns what a person typed into sessions and checkpoints.
//!
//! A name that matches nothing is an error with the nearest names, never an empty selection: `rm`
//! of a typing mistake must not look like success.

use crate::core::model::{Inventory, Session};
use crate::core::name::natural_cmp;
use crate::core::select::{Globs, Scope, expand_ranges};
use crate::report::sanitize;
use std::collections::HashSet;

/// Why a text stands for nothing, or for too much.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct PickError {
    pub text: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl PickError {
    fn new(text: impl Into<String>) -> PickError {
        PickError { text: text.into(), help: None }
    }

    fn help(mut self, help: impl Into<String>) -> PickError {
        self.help = Some(help.into());
        self
    }
}

/// One argument: a name, or a pattern of names.
#[derive(Debug)]
struct Pattern {
    /// As typed.
    text: String,
    /// What it stands for if nobody is called so; why it is no pattern, if it is none.
    names: Result<Names, PickError>,
}

#[derive(Debug)]
struct Names {
    literal: HashSet<String>,
    globs: Globs,
}

impl Names {
    fn new(text: &str, scope: Scope) -> Result<Names, PickError> {
        let names = expand_ranges(text).map_err(|e| PickError::new(e.to_string()))?;
        let (globs, literal): (Vec<_>, HashSet<_>) = {
            let (globs, literal): (Vec<_>, Vec<_>) =
                names.into_iter().partition(|n| n.contains(['*', '?', '[', '{']));
            (globs, literal.into_iter().collect())
        };
        let globs = Globs::new(&globs, scope).map_err(|e| {
            PickError::new(format!("`{text}` is not a pattern: {}", e.kind()))
                .help("quote a name that holds *, ?, [ or { with a backslash before it")
        })?;
        Ok(Names { literal, globs })
    }
}

impl Pattern {
    fn new(text: &str, scope: Scope) -> Pattern {
        Pattern { text: text.to_owned(), names: Names::new(text, scope) }
    }

    /// Why it matched nothing.
    fn unmatched(self, else_because: impl FnOnce() -> PickError) -> PickError {
        self.names.err().unwrap_or_else(else_because)
    }

    /// The names it stands for. A name spelled exactly as typed, or as it is printed, is meant
    /// literally even if it looks like a pattern.
    fn select<'a>(&self, names: impl Iterator<Item = &'a str> + Clone) -> Vec<usize> {
        let typed = self.text.as_str();
        let exact: Vec<usize> = indices(names.clone(), |n| n == typed);
        if !exact.is_empty() {
            return exact;
        }
        let printed = indices(names.clone(), |n| sanitize::terminal(n) == typed);
        if !printed.is_empty() {
            return printed;
        }
        let Ok(Names { literal, globs }) = &self.names else { return Vec::new() };
        indices(names, |n| literal.contains(n) || globs.is_match(n))
    }
}

fn indices<'a>(names: impl Iterator<Item = &'a str>, hit: impl Fn(&str) -> bool) -> Vec<usize> {
    names.enumerate().filter(|(_, n)| hit(n)).map(|(i, _)| i).collect()
}

/// The sessions that `args` name, each once, in natural order; all of them if there are no `args`.
///
/// # Errors
/// A pattern that is none, or one that no session matches.
pub fn sessions(inventory: &Inventory, args: &[String]) -> Result<Vec<usize>, PickError> {
    let mut picked: Vec<usize> = Vec::new();
    if args.is_empty() {
        picked.extend(0..inventory.sessions.len());
    }
    let names = || inventory.sessions.iter().map(|s| s.name.as_ref());
    for arg in args {
        let pattern = Pattern::new(tidy(arg), Scope::Path);
        let hits = pattern.select(names());
        if hits.is_empty() {
            return Err(pattern.unmatched(|| no_session(inventory, tidy(arg))));
        }
        picked.extend(hits);
    }
    picked.sort_by(|a, b| natural_cmp(&inventory.sessions[*a].name, &inventory.sessions[*b].name));
    picked.dedup();
    Ok(picked)
}

/// The one session that `arg` names.
///
/// # Errors
/// As [`sessions`], or a pattern that stands for several.
pub fn session(inventory: &Inventory, arg: &str) -> Result<usize, PickError> {
    match sessions(inventory, &[arg.to_owned()])?.as_slice() {
        [one] => Ok(*one),
        several => Err(PickError::new(format!(
            "`{arg}` stands for {} sessions, and this needs one",
            several.len()
        ))),
    }
}

/// For each of `sessions`, the checkpoints that `args` name, in natural order of their ids.
///
/// # Errors
/// A pattern that is none, or one that matches in none of the sessions.
pub fn checkpoints(
    inventory: &Inventory,
    sessions: &[usize],
    args: &[String],
) -> Result<Vec<(usize, Vec<usize>)>, PickError> {
    let mut picked: Vec<(usize, Vec<usize>)> = sessions.iter().map(|s| (*s, Vec::new())).collect();
    for arg in args {
        let pattern = Pattern::new(arg, Scope::Id);
        let mut any = false;
        for (session, list) in &mut picked {
            let ids = inventory.sessions[*session].checkpoints.iter().map(|c| c.id.as_ref());
            let hits = pattern.select(ids);
            any |= !hits.is_empty();
            list.extend(hits);
        }
        if !any {
            return Err(pattern.unmatched(|| no_checkpoint(inventory, sessions, arg)));
        }
    }
    for (session, list) in &mut picked {
        let of = |i: &usize| &inventory.sessions[*session].checkpoints[*i].id;
        list.sort_by(|a, b| natural_cmp(of(a), of(b)));
        list.dedup();
    }
    picked.retain(|(_, list)| !list.is_empty());
    Ok(picked)
}

/// The one checkpoint of `session` that `arg` names.
///
/// # Errors
/// As [`checkpoints`], or a pattern that stands for several.
pub fn checkpoint(inventory: &Inventory, session: usize, arg: &str) -> Result<usize, PickError> {
    let picked = checkpoints(inventory, &[session], &[arg.to_owned()])?;
    match picked.as_slice() {
        [(_, list)] if list.len() == 1 => Ok(list[0]),
        _ => Err(PickError::new(format!(
            "`{arg}` stands for several checkpoints, and this needs one"
        ))),
    }
}

/// All checkpoints of a session, in natural order of their ids.
pub fn natural(session: &Session) -> Vec<usize> {
    let mut list: Vec<usize> = (0..session.checkpoints.len()).collect();
    let of = |i: &usize| &session.checkpoints[*i].id;
    list.sort_by(|a, b| natural_cmp(of(a), of(b)));
    list
}

/// What a session's name and names of checkpoints in it choose; without any, all that it has.
///
/// # Errors
/// Nothing has one of the names.
pub fn chosen(
    inventory: &Inventory,
    session: &String,
    checkpoints: &[String],
) -> Result<Vec<(usize, Vec<usize>)>, PickError> {
    let sessions = sessions(inventory, std::slice::from_ref(session))?;
    if checkpoints.is_empty() {
        let all = |s: usize| (s, natural(&inventory.sessions[s]));
        return Ok(sessions.into_iter().map(all).collect());
    }
    self::checkpoints(inventory, &sessions, checkpoints)
}

/// Without what shell completion and habit add to a path.
pub fn tidy(arg: &str) -> &str {
    let arg = arg.strip_prefix("./").unwrap_or(arg);
    let tidied = arg.trim_end_matches('/');
    if tidied.is_empty() { arg } else { tidied }
}

fn no_session(inventory: &Inventory, arg: &str) -> PickError {
    let error = PickError::new(format!("no session matches `{arg}`"));
    let folder = format!("{arg}/");
    if inventory.sessions.is_empty() {
        return error.help(
            "the root holds no sessions that retain recognises; see `retain ls --unrecognised`",
        );
    }
    if inventory.sessions.iter().any(|s| s.name.starts_with(&folder)) {
        return error.help(format!("it is a folder of sessions; write '{arg}/**' for all of them"));
    }
    error.help(nearest(arg, inventory.sessions.iter().map(|s| s.name.as_ref())))
}

fn no_checkpoint(inventory: &Inventory, sessions: &[usize], arg: &str) -> PickError {
    let place = match sessions {
        [one] => format!("`{}`", inventory.sessions[*one].name),
        several => format!("any of {} sessions", several.len()),
    };
    let ids: HashSet<&str> = sessions
        .iter()
        .flat_map(|s| inventory.sessions[*s].checkpoints.iter().map(|c| c.id.as_ref()))
        .collect();
    let error = PickError::new(format!("no checkpoint of {place} matches `{arg}`"));
    if ids.is_empty() {
        return error.help("there are no checkpoints");
    }
    error.help(nearest(arg, ids.into_iter()))
}

/// How many names are suggested.
const SUGGESTIONS: usize = 3;

/// `the nearest names are a, b, c`.
fn nearest<'a>(arg: &str, names: impl Iterator<Item = &'a str>) -> String {
    let plain: String = arg.chars().filter(|c| !"*?[]{}".contains(*c)).collect();
    let mut list: Vec<(usize, &str)> =
        names.map(|n| (strsim::osa_distance(&plain, n), n)).collect();
    list.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| natural_cmp(a.1, b.1)));
    list.truncate(SUGGESTIONS);
    let list: Vec<&str> = list.into_iter().map(|(_, n)| n).collect();
    match list.as_slice() {
        [one] => format!("the only name is {one}"),
        several => format!("the nearest names are {}", several.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::Checkpoint;

    fn inventory(names: &[&str]) -> Inventory {
        let sessions = names.iter().map(|name| Session {
            name: (*name).into(),
            checkpoints: ["0", "1", "2", "3", "4", "11", "21", "31", "41", "a\nb"]
                .map(|id| Checkpoint { id: id.into(), ..Checkpoint::default() })
                .into(),
            ..Session::default()
        });
        Inventory { sessions: sessions.collect(), ..Inventory::default() }
    }

    fn render(error: &PickError) -> String {
        format!("{error}\n{}\n", error.help.as_deref().unwrap_or_default())
    }

    fn names(inventory: &Inventory, args: &[&str]) -> Result<String, String> {
        let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
        sessions(inventory, &args)
            .map(|list| {
                list.iter().map(|i| &*inventory.sessions[*i].name).collect::<Vec<_>>().join(" ")
            })
            .map_err(|e| render(&e))
    }

    #[test]
    fn sessions_by_name_glob_and_range() {
        let inv = inventory(&["t/mnist/1", "t/mnist/2", "t/mnist/10", "t/x[1]", "t/x1", "u/a/b"]);
        let ok = |args: &[&str]| names(&inv, args).unwrap();
        assert_eq!(ok(&[]), "t/mnist/1 t/mnist/2 t/mnist/10 t/x1 t/x[1] u/a/b");
        assert_eq!(ok(&["t/mnist/{1..35}"]), "t/mnist/1 t/mnist/2 t/mnist/10");
        assert_eq!(ok(&["t/mnist/*", "t/mnist/1"]), "t/mnist/1 t/mnist/2 t/mnist/10");
        assert_eq!(ok(&["./t/mnist/2/"]), "t/mnist/2");
        assert_eq!(ok(&["t/x[1]"]), "t/x[1]", "a name is meant literally before it is a glob");
        assert_eq!(ok(&["**/b"]), "u/a/b");
    }

    /// A command that retain prints has the name as it is.
    #[test]
    fn a_name_that_is_no_pattern_is_meant_literally() {
        let odd = ["t/x[y", "t/{a", "t/[a-", "t/{1..3", "t/x{1..200000}", "t/a*", "t/a\\"];
        let inv = inventory(&odd);
        for name in odd {
            assert_eq!(names(&inv, &[name]).unwrap(), name);
        }
        let none = inventory(&["t/b"]);
        for name in ["t/x[y", "t/{a", "t/x{1..200000}"] {
            let said = names(&none, &[name]).unwrap_err();
            assert!(said.contains("not a pattern") || said.contains("100000"), "{name}: {said}");
        }
        // In one session it is a name, in the other it would be a pattern that is none.
        let mut two = inventory(&["t/1", "t/2"]);
        two.sessions[1].checkpoints[0].id = "x[y".into();
        let picked = checkpoints(&two, &[0, 1], &["x[y".to_owned()]).unwrap();
        assert_eq!(picked, [(1, vec![0])]);
    }

    #[test]
    fn nothing_matched_says_what_is_near() {
        let inv = inventory(&["t/mnist/1", "t/mnist/2", "t/cifar/1", "u/a/b"]);
        let err = |arg: &str| names(&inv, &[arg]).unwrap_err();
        assert_eq!(
            err("t/mnits/1"),
            "no session matches `t/mnits/1`\n\
             the nearest names are t/mnist/1, t/mnist/2, t/cifar/1\n"
        );
        assert!(err("t/mnist").contains("write 't/mnist/**'"));
        assert!(err("t/{1..200000}").contains("100000"));
        assert!(err("t/[").contains("not a pattern"));
        assert!(names(&inventory(&[]), &["x"]).unwrap_err().contains("holds no sessions"));
    }

    #[test]
    fn checkpoints_by_nsmls_globs() {
        let inv = inventory(&["t/mnist/1", "t/mnist/2"]);
        let ids = |args: &[&str]| {
            let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
            let picked = checkpoints(&inv, &[0], &args).map_err(|e| render(&e))?;
            let list = picked
                .iter()
                .flat_map(|(s, l)| l.iter().map(|i| &*inv.sessions[*s].checkpoints[*i].id));
            Ok::<_, String>(list.collect::<Vec<_>>().join(" "))
        };
        assert_eq!(ids(&["?1"]).unwrap(), "11 21 31 41");
        assert_eq!(ids(&["*1"]).unwrap(), "1 11 21 31 41");
        assert_eq!(ids(&["{1..3}", "2", "0"]).unwrap(), "0 1 2 3");
        assert_eq!(ids(&["*"]).unwrap(), "0 1 2 3 4 11 21 31 41 a\nb");
        assert_eq!(ids(&["a\\nb"]).unwrap(), "a\nb", "as it is printed");
        assert!(ids(&["0", "51"]).unwrap_err().contains("nearest names are 1, 11, 21"));
        assert!(checkpoint(&inv, 0, "?1").is_err());
        assert_eq!(checkpoint(&inv, 0, "11").unwrap(), 5);
    }
}
