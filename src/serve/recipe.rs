//! What a plan is made from, again and again: by the page that shows it, and by the job that carries
//! it out. Both make it anew; the digest says whether it is the same.

use super::auth::Principal;
use super::choice;
use super::form::Form;
use super::view::{Planned, View};
use crate::core::model::Time;
use crate::report::sanitize;
use crate::steps::pick::{self, PickError};

/// So many sessions may be chosen at once: their plan is shown on one page.
pub const MOST: usize = 1000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipe {
    /// What the policy says of all that is theirs.
    Policy,
    /// A person's own choice: ids in one session.
    Choice { session: String, ids: Vec<String> },
    /// Several sessions at once.
    Sessions { sessions: Vec<String>, take: Take },
}

/// What of chosen sessions is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Take {
    /// What the policy would delete of them.
    Policy,
    All,
    /// Names, globs and ranges.
    Names(Vec<String>),
}

/// Why there is no plan.
#[derive(Debug)]
pub enum Unplanned {
    /// A session is not there, or not theirs: nobody learns which.
    NoSession,
    /// A name stands for nothing.
    Pick(PickError),
}

impl Take {
    pub fn key(&self) -> &'static str {
        match self {
            Take::Policy => "policy",
            Take::All => "all",
            Take::Names(_) => "names",
        }
    }

    /// What a form says; `None` for what no form of ours says.
    pub fn of_form(form: &Form) -> Option<Take> {
        match form.get("take") {
            None | Some("policy") => Some(Take::Policy),
            Some("all") => Some(Take::All),
            Some("names") => {
                let words = form.all("pattern").flat_map(str::split_whitespace);
                Some(Take::Names(words.map(str::to_owned).collect()))
            }
            Some(_) => None,
        }
    }
}

impl Recipe {
    /// What the form of a plan that was shown names: sessions as they are called on the disk.
    pub fn of_form(view: &View, who: &Principal, form: &Form) -> Result<Recipe, Unplanned> {
        let session = |name: &str| view.find(who, name).ok_or(Unplanned::NoSession);
        match form.get("recipe") {
            Some("policy") => Ok(Recipe::Policy),
            Some("sessions") => {
                let named = form.all("s").take(MOST).map(session);
                let sessions = named.map(|s| Ok(view.session(s?).name.to_string()));
                let take = Take::of_form(form).ok_or(Unplanned::NoSession)?;
                Ok(Recipe::Sessions { sessions: sessions.collect::<Result<_, _>>()?, take })
            }
            _ => {
                let session = view.session(session(form.get("name").unwrap_or_default())?);
                let given: Vec<String> = form.all("id").map(str::to_owned).collect();
                // As they are called on the disk, if they are still there.
                let ids = choice::exact(session, &given).map(|chosen| {
                    chosen.iter().map(|c| session.checkpoints[*c].id.to_string()).collect()
                });
                Ok(Recipe::Choice { session: session.name.to_string(), ids: ids.unwrap_or(given) })
            }
        }
    }

    /// The fields from which [`Recipe::of_form`] makes it again. Names as they are printed: a line
    /// end in one would not survive a form.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let printed = |text: &String| sanitize::terminal(text).into_owned();
        match self {
            Recipe::Policy => vec![("recipe", "policy".to_owned())],
            Recipe::Choice { session, ids } => {
                let mut fields = vec![("recipe", "choice".to_owned()), ("name", printed(session))];
                fields.extend(ids.iter().map(|id| ("id", printed(id))));
                fields
            }
            Recipe::Sessions { sessions, take } => {
                let mut fields = vec![("recipe", "sessions".to_owned())];
                fields.extend(sessions.iter().map(|s| ("s", printed(s))));
                fields.push(("take", take.key().to_owned()));
                if let Take::Names(names) = take {
                    fields.push(("pattern", names.join(" ")));
                }
                fields
            }
        }
    }

    /// The plan that it makes of a view.
    ///
    /// # Errors
    /// A session is gone, or a name stands for nothing any more.
    pub fn plan(&self, view: &View, who: &Principal, now: Time) -> Result<Planned, Unplanned> {
        let find = |name: &String| view.find(who, name).ok_or(Unplanned::NoSession);
        match self {
            Recipe::Policy => Ok(view.plan(who)),
            Recipe::Choice { session, ids } => {
                let s = find(session)?;
                // What is gone cannot be chosen any more; the digest says that it is another choice.
                let there = ids
                    .iter()
                    .filter_map(|id| choice::exact(view.session(s), std::slice::from_ref(id)));
                let mut there: Vec<usize> = there.flatten().collect();
                there.sort_unstable();
                there.dedup();
                Ok(view.choice(&[(s, there)], now))
            }
            Recipe::Sessions { sessions, take } => {
                let mut found = sessions.iter().map(find).collect::<Result<Vec<_>, _>>()?;
                found.sort_unstable();
                found.dedup();
                match take {
                    Take::Policy => Ok(view.plan_of(&found)),
                    Take::All => {
                        let all = |s: usize| (0..view.session(s).checkpoints.len()).collect();
                        let picks: Vec<_> = found.into_iter().map(|s| (s, all(s))).collect();
                        Ok(view.choice(&picks, now))
                    }
                    Take::Names(names) => {
                        let picked = pick::checkpoints(view.inventory(), &found, names);
                        Ok(view.choice(&picked.map_err(Unplanned::Pick)?, now))
                    }
                }
            }
        }
    }

    /// The session of a choice in one.
    pub fn session(&self) -> Option<&str> {
        match self {
            Recipe::Choice { session, .. } => Some(session),
            Recipe::Policy | Recipe::Sessions { .. } => None,
        }
    }
}
