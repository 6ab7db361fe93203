//! What earlier runs took away, for those who miss it.
//!
//! A checkpoint that is in the trash, or purged, is in no inventory. The journals know which run
//! took it, when and why, and whether it can still come back.

use super::context::Context;
use super::failure::Failure;
use super::shell;
use crate::apply::journal::history::State;
use crate::apply::{self, Root, RunItem, RunSummary};
use crate::report::table::{Align, Cell, Table};
use crate::report::{human, sanitize};
use crate::steps::pick::{self, PickError};
use crate::steps::see::Seen;
use anstyle::Style;
use serde_json::{Value, json};

/// A checkpoint that is not at its place because of a run.
pub struct Gone<'r> {
    item: &'r RunItem,
    run: &'r RunSummary,
}

/// All runs of a root, by the journals where a scan came past some. One that cannot be read tells
/// nothing: this only adds to an error that is said anyway.
pub fn runs(context: &Context, root: &Root, seen: &Seen) -> Vec<RunSummary> {
    match root.id {
        Some(_) => apply::runs::told(root, context.threads.unwrap_or(0), &seen.homes),
        None => Vec::new(),
    }
}

/// What runs took of this session, the newest run first.
pub fn of_session<'r>(runs: &'r [RunSummary], session: &str) -> Vec<Gone<'r>> {
    let session = pick::tidy(session);
    let items =
        runs.iter().rev().flat_map(|run| run.items.iter().map(move |item| Gone { item, run }));
    items.filter(|g| g.is_gone() && is(&g.item.session, session)).collect()
}

/// The last run that took this checkpoint.
pub fn checkpoint<'r>(runs: &'r [RunSummary], session: &str, id: &str) -> Option<Gone<'r>> {
    of_session(runs, session).into_iter().find(|g| is(&g.item.id, id))
}

/// As it is, or as it is printed.
fn is(name: &str, typed: &str) -> bool {
    name == typed || sanitize::terminal(name) == typed
}

/// What to tell somebody who asks for a session that runs emptied.
pub fn hint(context: &Context, gone: &[Gone<'_>]) -> Option<String> {
    let last = gone.first()?;
    let of_run = gone.iter().filter(|g| g.run.id == last.run.id);
    let (back, lost): (Vec<_>, Vec<_>) = of_run.partition(|g| g.is_restorable());
    let count = |n: usize| human::count(n as u64, "checkpoint");
    if back.is_empty() {
        let log = context.command(&format!("log {}", last.run.id));
        return Some(format!("run {} deleted {} of it (`{log}`)", last.run.id, count(lost.len())));
    }
    Some(format!(
        "run {} moved {} of it to the trash; `{}` brings them back",
        last.run.id,
        count(back.len()),
        context.command(&format!("undo {}", shell::words(&[&last.run.id, &last.item.session])))
    ))
}

/// The error about a name, with what a run took that bore it instead of names that are near.
pub fn explained(
    context: &Context,
    root: &Root,
    seen: &Seen,
    (session, ids): (&str, &[String]),
    error: PickError,
) -> Failure {
    let runs = runs(context, root, seen);
    let gone = of_session(&runs, session);
    let picked = pick::sessions(&seen.inventory, &[session.to_owned()]).unwrap_or_default();
    let is_missing =
        |id: &&String| pick::checkpoints(&seen.inventory, &picked, &[(*id).clone()]).is_err();
    let help = match ids {
        [] => hint(context, &gone),
        ids => ids
            .iter()
            .filter(is_missing)
            .find_map(|id| gone.iter().find(|g| is(&g.item.id, id)))
            .map(|g| g.hint(context)),
    };
    let failure = Failure::from(error);
    match help {
        Some(help) => failure.help(help),
        None => failure,
    }
}

impl Gone<'_> {
    fn is_gone(&self) -> bool {
        matches!(self.item.state, State::Intent | State::Moved | State::Purging | State::Purged)
    }

    fn is_restorable(&self) -> bool {
        matches!(self.item.state, State::Intent | State::Moved)
    }

    fn undo(&self, context: &Context) -> String {
        let words = [&*self.run.id, &*self.item.session, &*self.item.id];
        context.command(&format!("undo {}", shell::words(&words)))
    }

    /// One sentence for somebody who asks for it by its name.
    fn hint(&self, context: &Context) -> String {
        let (id, run) = (&self.item.id, &self.run.id);
        if self.is_restorable() {
            return format!(
                "run {run} moved {id} to the trash; `{}` brings it back",
                self.undo(context)
            );
        }
        format!("run {run} deleted {id} (`{}`)", context.command(&format!("log {run}")))
    }

    fn state(&self) -> String {
        match (self.is_restorable(), self.run.expires) {
            (true, Some(t)) => {
                format!("in the trash, where a purge leaves it until {}", human::time(t))
            }
            (true, None) => "in the trash".to_owned(),
            (false, _) => "purged from the trash: it cannot be restored".to_owned(),
        }
    }

    pub fn render(&self, context: &Context) -> String {
        let item = self.item;
        let ago = self.run.at.map(|t| format!(", {}", human::ago(context.now, t)));
        let mut out = format!(
            "{} {} was deleted by run {}{}\n",
            sanitize::terminal(&item.session),
            sanitize::terminal(&item.id),
            sanitize::terminal(&self.run.id),
            ago.unwrap_or_default()
        );
        let mut table = Table::new([("", Align::Left), ("", Align::Left)]).headless().indent(2);
        let mut fact = |name: &str, text: &str| {
            if !text.is_empty() {
                table.row([Cell::new(name).style(Style::new().dimmed()), Cell::new(text)]);
            }
        };
        fact("why", &item.why);
        fact("policy", &self.run.policy);
        fact("size", &human::size(item.bytes));
        fact("state", &self.state());
        if self.is_restorable() {
            fact("restore", &self.undo(context));
        }
        out.push_str(&table.render());
        out
    }

    pub fn json(&self, context: &Context) -> Value {
        json!({
            "format": "retain-why/1",
            "now": context.now.to_string(),
            "session": self.item.session,
            "policy": null,
            "checkpoint": { "id": self.item.id, "bytes": self.item.bytes },
            "verdict": "deleted",
            "reasons": [{ "kind": "recorded", "text": self.item.why }],
            "run": {
                "run": self.run.id,
                "at": self.run.at.map(|t| t.to_string()),
                "policy": self.run.policy,
                "state": self.item.state.as_str(),
                "restorable": self.is_restorable(),
                "expires": self.run.expires.map(|t| t.to_string()),
            },
        })
    }
}
