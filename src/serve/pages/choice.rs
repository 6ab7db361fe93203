//! What a choice would delete, before anything is decided; and the one form that begins it.

use super::super::answer::Problem;
use super::super::form::{Form, query};
use super::super::jobs::{Job, Jobs, Task};
use super::super::lang::fill;
use super::super::recipe::{Recipe, Unplanned};
use super::super::said::{self, Said};
use super::super::site::Site;
use super::super::view::{Hand, Planned, View};
use super::{Answer, Frame, Visit, heavy, status};
use crate::core::decision::Verdict;
use crate::core::model::Inventory;
use crate::report::{human, sanitize};
use askama::Template;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::StatusCode;
use std::sync::Arc;
use std::time::Duration;

/// So long a page waits for a job, so that small ones need no second page.
const GRACE: Duration = Duration::from_millis(1500);
/// Lines of each list; the rest is counted.
const LIMIT: usize = 1000;

#[derive(Template)]
#[template(path = "choice.html")]
struct Page {
    f: Frame,
    back: String,
    fields: Vec<(&'static str, String)>,
    digest: String,
    count: u64,
    lead: String,
    undo: String,
    button: &'static str,
    confirm: String,
    brake: Option<String>,
    warnings: Vec<String>,
    /// Sums of each session, where there are several.
    sessions: Vec<Sum>,
    several: bool,
    each: String,
    goes: Vec<Line>,
    stays: Vec<Line>,
    /// Of both lists, what is not shown.
    more: Option<String>,
}

struct Sum {
    name: String,
    url: String,
    checkpoints: String,
    size: String,
}

struct Line {
    session: String,
    id: String,
    size: String,
    reason: String,
}

/// The plan of a choice as a page, with the form that carries it out.
///
/// # Errors
/// The template cannot be rendered.
pub fn page(
    visit: &Visit,
    site: &Site,
    view: &View,
    recipe: &Recipe,
    planned: &Planned,
    fault: Option<&str>,
    code: StatusCode,
) -> Answer {
    let t = visit.t();
    let several = recipe.session().is_none();
    let (title, here) = match recipe.session() {
        Some(name) => {
            let title = fill(t.choice_of, &[&sanitize::terminal(name)]);
            (title, format!("/r/{}/session{}", site.slug, query(&[("name", name)])))
        }
        None => (t.choice_of_several.to_owned(), format!("/r/{}/sessions", site.slug)),
    };
    let mut f = visit.frame(&title, "sessions", Some(site));
    // The page was posted to; what can be asked for again is the session, or their list.
    f.here = here;
    if let Some(fault) = view.law.fault.as_deref().or(fault) {
        f = f.bad(sanitize::terminal(&said::fault(visit.lang, fault)));
    }
    let totals = planned.plan.totals;
    let grace = planned.plan.policy.grace_seconds;
    let count = human::grouped(totals.delete);
    let lists = Lists::of(visit, view, planned);
    let page = Page {
        back: format!("{}{}", visit.app.prefix, f.here),
        fields: recipe.fields(),
        digest: planned.digest.clone(),
        count: totals.delete,
        lead: fill(
            t.would_free,
            &[&visit.lang.checkpoints(totals.delete), &human::size(totals.delete_bytes)],
        ),
        undo: match grace {
            0 => t.no_undo.to_owned(),
            _ => fill(t.undo_until, &[&visit.lang.length(grace)]),
        },
        button: if grace == 0 { t.delete_now } else { t.move_to_trash },
        confirm: fill(t.confirm, &[&count]),
        brake: brake(visit, view, planned),
        warnings: lists.warnings,
        sessions: if several { sums(planned, f.site()) } else { Vec::new() },
        several,
        each: fill(t.every_checkpoint, &[&count]),
        goes: lists.goes,
        stays: lists.stays,
        more: (lists.more > 0).then(|| fill(t.more_lines, &[&human::grouped(lists.more)])),
        f,
    };
    status(code, &page)
}

/// I11 holds for what the policy says of some sessions as well.
fn brake(visit: &Visit, view: &View, planned: &Planned) -> Option<String> {
    planned.plan.brake.as_ref()?;
    let brake = crate::core::plan::brake(&view.law.policy, &planned.plan.totals)?;
    Some(said::brake(visit.lang, &brake))
}

/// What goes of each session.
fn sums(planned: &Planned, base: &str) -> Vec<Sum> {
    let sum = |decisions: &[crate::core::plan::PlanDecision]| {
        let going = || decisions.iter().filter(|d| d.verdict == "delete");
        let name = &decisions[0].session;
        (going().count() > 0).then(|| Sum {
            name: sanitize::terminal(name).into_owned(),
            url: format!("{base}/session{}", query(&[("name", name)])),
            checkpoints: human::grouped(going().count() as u64),
            size: human::size(going().map(|d| d.bytes).sum()),
        })
    };
    planned.plan.decisions.chunk_by(|a, b| a.session == b.session).filter_map(sum).collect()
}

/// What goes, what stays although it was chosen, and what to know about it.
#[derive(Default)]
struct Lists {
    goes: Vec<Line>,
    stays: Vec<Line>,
    more: u64,
    warnings: Vec<String>,
}

impl Lists {
    fn of(visit: &Visit, view: &View, planned: &Planned) -> Lists {
        match &planned.hand {
            Some(hand) => Lists::by_hand(visit, hand),
            None => Lists::by_policy(visit, view, planned),
        }
    }

    fn by_hand(visit: &Visit, Hand { inventory, judged }: &Hand) -> Lists {
        let mut lists = Lists::default();
        let speaker = Said::new(visit.lang, inventory, &judged.policy);
        let reason = |s: usize, c: usize| {
            let (session, decision) = (&inventory.sessions[s], &judged.outcome.sessions[s]);
            speaker.reasons(session, &session.checkpoints[c], Some(0), decision.reasons(c))
        };
        for (s, decision) in judged.outcome.sessions.iter().enumerate() {
            for c in (0..decision.len()).filter(|c| decision.verdict(*c) == Verdict::Delete) {
                let said = reason(s, c);
                let parts = [visit.t().by_hand, said.as_str()];
                let parts: Vec<&str> = parts.into_iter().filter(|p| !p.is_empty()).collect();
                lists.more += push(&mut lists.goes, inventory, s, c, &parts.join(" · "));
            }
        }
        for &(s, c) in &judged.refused {
            lists.more += push(&mut lists.stays, inventory, s, c, &reason(s, c));
        }
        let warned = judged.warned.iter().take(LIMIT).map(|(s, c)| {
            let id = &inventory.sessions[*s].checkpoints[*c].id;
            fill(visit.t().still_referred, &[&sanitize::terminal(id)])
        });
        Lists { warnings: warned.collect(), ..lists }
    }

    fn by_policy(visit: &Visit, view: &View, planned: &Planned) -> Lists {
        let mut lists = Lists::default();
        let named = planned.plan.decisions.chunk_by(|a, b| a.session == b.session);
        let mut about = Vec::new();
        for s in named.filter_map(|d| view.index.by_name(&d[0].session)) {
            about.push(s);
            let decision = &view.outcome.sessions[s];
            for c in (0..decision.len()).filter(|c| decision.verdict(*c) == Verdict::Delete) {
                let reason = view.said(visit.lang, s, c);
                lists.more += push(&mut lists.goes, view.inventory(), s, c, &reason);
            }
        }
        about.sort_unstable();
        let warnings = view.warnings(false, |s| about.binary_search(&s).is_ok());
        Lists { warnings: super::plan::warnings(visit, view, &warnings), ..lists }
    }
}

/// Adds a line, unless the list is long enough: then it counts as one more.
fn push(lines: &mut Vec<Line>, inventory: &Inventory, s: usize, c: usize, reason: &str) -> u64 {
    if lines.len() >= LIMIT {
        return 1;
    }
    let session = &inventory.sessions[s];
    let checkpoint = &session.checkpoints[c];
    lines.push(Line {
        session: sanitize::terminal(&session.name).into_owned(),
        id: sanitize::terminal(&checkpoint.id).into_owned(),
        size: human::size(checkpoint.bytes),
        reason: sanitize::terminal(reason).into_owned(),
    });
    0
}

/// Carries out exactly the plan that was shown, or shows the new one.
pub async fn apply(visit: Visit, Path(slug): Path<String>, body: Bytes) -> Answer {
    let site = visit.site(&slug)?;
    let view = visit.view(&site)?;
    visit.may_change()?;
    let form = Form::new(&body);
    let recipe = Recipe::of_form(&view, visit.who(), &form);
    let recipe = recipe.map_err(|e| unplanned(&visit, e))?;
    // The policy's plan may be long: its digest and its sums are all that is needed here.
    let (planned, now, delete) = if recipe == Recipe::Policy {
        let head = view.head(&visit.who().scope);
        (None, head.digest.clone(), head.sums.totals.delete)
    } else {
        let planned = heavy(|| planned(&visit, &view, &recipe))?;
        let (digest, delete) = (planned.digest.clone(), planned.plan.totals.delete);
        (Some(planned), digest, delete)
    };
    let again = |text: &str, code| match &planned {
        None => super::plan::page(&visit, &site, &view, Some(text), code),
        Some(planned) => page(&visit, &site, &view, &recipe, planned, Some(text), code),
    };
    let t = visit.t();
    let digest = form.get("digest").unwrap_or_default();
    if now != digest {
        return again(t.stale, StatusCode::CONFLICT);
    }
    let typed: String =
        form.get("confirm").unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
    if typed != delete.to_string() || delete == 0 {
        return again(t.confirm_wrong, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let task = Task::Apply { recipe, digest: digest.to_owned() };
    let job = begin(&visit, &site, task)?;
    Ok(follow(&visit, &job).await)
}

/// The plan that a recipe makes of this view.
///
/// # Errors
/// A session of the choice is gone: then nothing is left that could be carried out as shown.
pub fn planned(visit: &Visit, view: &View, recipe: &Recipe) -> Result<Planned, Problem> {
    let planned = recipe.plan(view, visit.who(), visit.app.now());
    planned.map_err(|e| unplanned(visit, e))
}

pub fn unplanned(visit: &Visit, why: Unplanned) -> Problem {
    match why {
        Unplanned::NoSession => visit.no_session(),
        Unplanned::Pick(e) => {
            let code = StatusCode::UNPROCESSABLE_ENTITY;
            Problem::new(code, "no-checkpoint", e.text).help(e.help)
        }
    }
}

/// # Errors
/// The audit cannot be written: nothing was begun.
pub fn begin(visit: &Visit, site: &Arc<Site>, task: Task) -> Result<Arc<Job>, Problem> {
    Jobs::start(&visit.app, site, &visit.login.who, task).map_err(|e| Problem::not_begun(&e))
}

/// To the job's page, after a moment in which most are done.
pub async fn follow(visit: &Visit, job: &Job) -> axum::response::Response {
    let mut progress = job.progress.subscribe();
    let over = progress.wait_for(|p| p.phase.is_over());
    let _ = tokio::time::timeout(GRACE, over).await;
    super::login::redirect(&format!("{}/jobs/{}", visit.app.prefix, job.id))
}
