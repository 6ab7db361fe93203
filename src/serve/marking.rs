//! Pins and tags from the page: written where the command line writes them.

use super::answer::{Problem, Word};
use super::audit::Act;
use super::auth::Principal;
use super::form::Form;
use super::site::Site;
use super::state::App;
use super::view::View;
use crate::apply;
use crate::core::model::{Pin, Time};
use crate::marks::Mark;
use crate::steps::mark;
use axum::http::StatusCode;
use serde_json::json;
use std::sync::Arc;

/// The longest tag or text that is written.
const LONGEST: usize = 1000;

/// Helps a closure to become a [`Word`].
fn word(word: Word) -> Word {
    word
}

#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    Pin(Pin),
    Unpin,
    Tag(String),
    Untag(String),
}

impl Change {
    /// Reads what a form or a request asks for.
    ///
    /// # Errors
    /// It is none, or has a part that is wrong; the word says which.
    pub fn of_form(action: &str, form: &Form, now: Time) -> Result<Change, Word> {
        let tag = || match form.get("tag").map(str::trim) {
            Some(tag) if !tag.is_empty() && tag.len() <= LONGEST => Ok(tag.to_owned()),
            _ => Err(word(|t| t.tag_wrong)),
        };
        match action {
            "pin" => {
                let until = form.get("until").map(mark::parse_until).transpose();
                let until = until.map_err(|_| word(|t| t.until_wrong))?;
                if until.is_some_and(|t| t <= now) {
                    return Err(|t| t.until_past);
                }
                let why = form.get("why").map(str::trim).filter(|w| !w.is_empty());
                if why.is_some_and(|w| w.len() > LONGEST) {
                    return Err(|t| t.why_long);
                }
                Ok(Change::Pin(Pin { until, why: why.map(Into::into) }))
            }
            "unpin" => Ok(Change::Unpin),
            "tag" => tag().map(Change::Tag),
            "untag" => tag().map(Change::Untag),
            _ => Err(|t| t.action_unknown),
        }
    }

    /// What to say when it was done, by the name of [`Change::action`].
    pub fn done(action: &str) -> Option<Word> {
        match action {
            "pin" => Some(|t| t.did_pin),
            "unpin" => Some(|t| t.did_unpin),
            "tag" => Some(|t| t.did_tag),
            "untag" => Some(|t| t.did_untag),
            _ => None,
        }
    }

    pub fn action(&self) -> &'static str {
        match self {
            Change::Pin(_) => "pin",
            Change::Unpin => "unpin",
            Change::Tag(_) => "tag",
            Change::Untag(_) => "untag",
        }
    }

    fn make(&self, mark: &mut Mark) {
        match self {
            Change::Pin(pin) => mark.pin = Some(pin.clone()),
            Change::Unpin => mark.pin = None,
            Change::Tag(tag) => {
                mark.tags.insert(tag.clone());
            }
            Change::Untag(tag) => {
                mark.tags.remove(tag);
            }
        }
    }
}

/// Marks checkpoints of a session, and scans again so that the page shows it. Says how many.
///
/// # Errors
/// The root is not to be worked on, or marks cannot be written: those that can be are, and stay.
pub fn mark(
    app: &Arc<App>,
    site: &Arc<Site>,
    view: &View,
    who: &Principal,
    s: usize,
    chosen: &[usize],
    change: &Change,
) -> Result<u64, Problem> {
    let internal = |e: &dyn std::error::Error| {
        let text = format!("The marks could not be written: {e}. No checkpoint was touched.");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "marks", text)
    };
    let root = site.open().map_err(|e| internal(&e))?;
    let session = view.session(s);
    let ids: Vec<&str> = chosen.iter().map(|c| &*session.checkpoints[*c].id).collect();
    let subject = format!("{}: {}", session.name, ids.join(", "));
    let act = Act { who: &who.name, root: &site.slug, action: change.action(), subject: &subject };
    // I29: what cannot be written down is not done.
    app.audit.write(app.now(), &act, &json!("asked for")).map_err(|e| Problem::not_begun(&e))?;
    let (folders, _) = mark::of_checkpoints(view.inventory(), &[(s, chosen.to_vec())]);
    // A mark in the middle of a run would stop it.
    let _claim = site.claim();
    // On a thread of its own, which the kernel lets change nothing outside the root.
    let written = std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            if let Err(e) = apply::confine(&root) {
                tracing::info!("not confined by Landlock, which needs Linux 5.19: {e}");
            }
            mark::write(&root, &folders, |mark| change.make(mark))
        });
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    let errors: Vec<String> = written.failed.iter().map(ToString::to_string).collect();
    let mut result = json!({ "files_changed": written.changed });
    if !errors.is_empty() {
        result["failed"] = json!(errors);
    }
    app.audit.write(app.now(), &act, &result).map_err(|e| internal(&e))?;
    let _ = site.look(&app.clock);
    if errors.is_empty() {
        return Ok(chosen.len() as u64);
    }
    let errors = errors.join("; ");
    let text = if written.failed.len() == folders.len() {
        format!("The marks could not be written: {errors}. No checkpoint was touched.")
    } else {
        format!("Only some of the marks could be written: {errors}. No checkpoint was touched.")
    };
    Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "marks", text))
}
