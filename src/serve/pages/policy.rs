//! The policy in force, its faults beside their lines, and a scratch sheet that saves nothing.

use super::super::form::{Form, query};
use super::super::lang::{Lang, fill};
use super::super::said::{self, Said};
use super::super::view::{Law, View};
use super::{Answer, Frame, Visit, heavy, html};
use crate::core::decide::decide;
use crate::core::policy::Position;
use crate::report::{human, sanitize};
use crate::steps::differ;
use askama::Template;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::header;
use axum::response::IntoResponse as _;

/// Changes of one part of the list.
const LIMIT: usize = 200;
/// The longest policy anybody writes.
const LONGEST: usize = 256 << 10;

#[derive(Template)]
#[template(path = "policy.html")]
struct Page {
    f: Frame,
    source: String,
    lines: Vec<Line>,
    effective: String,
    text: String,
    trial: Option<Trial>,
}

/// A line of the policy, and what is wrong with it.
struct Line {
    number: usize,
    text: String,
    faults: Vec<Fault>,
}

struct Fault {
    error: bool,
    code: String,
    text: String,
}

/// What the text on the scratch sheet would do otherwise.
struct Trial {
    lines: Vec<Line>,
    fault: bool,
    lead: String,
    changes: Vec<Change>,
    more: bool,
}

struct Change {
    session: String,
    url: String,
    id: String,
    size: String,
    deletes: bool,
    reason: String,
}

pub async fn show(visit: Visit, Path(slug): Path<String>) -> Answer {
    let site = visit.site(&slug)?;
    let view = visit.view(&site)?;
    let f = visit.frame(visit.t().policy, "policy", Some(&site));
    html(&page(f, &view, None, view.law.text.clone()))
}

/// Tries the text on the inventory, or hands it out as a file.
pub async fn act(visit: Visit, Path(slug): Path<String>, body: Bytes) -> Answer {
    let site = visit.site(&slug)?;
    let view = visit.view(&site)?;
    let form = Form::new(&body);
    // Browsers send line ends as CR LF.
    let text = form.get("text").unwrap_or_default().replace("\r\n", "\n");
    if form.get("action") == Some("download") {
        let headers = [
            (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
            (header::CONTENT_DISPOSITION, "attachment; filename=\"policy.toml\""),
        ];
        return Ok((headers, text).into_response());
    }
    let f = visit.frame(visit.t().policy, "policy", Some(&site));
    if text.len() > LONGEST {
        let f = f.bad(visit.t().policy_long);
        return html(&page(f, &view, None, text));
    }
    let one = visit.app.large.acquire().await;
    let trial = heavy(|| trial(&visit, &view, f.site(), &text));
    drop(one);
    html(&page(f, &view, Some(trial), text))
}

fn page(mut f: Frame, view: &View, trial: Option<Trial>, text: String) -> Page {
    if let Some(fault) = &view.law.fault {
        let fault = said::fault(f.lang, fault);
        f = f.bad(sanitize::terminal(&fault));
    }
    Page {
        source: sanitize::terminal(&said::fault(f.lang, &view.law.source)).into_owned(),
        lines: lines(f.lang, &view.law),
        effective: view.law.effective.clone(),
        text,
        trial,
        f,
    }
}

/// The text line by line; what stands after the last is at the last.
fn lines(lang: Lang, law: &Law) -> Vec<Line> {
    let mut lines: Vec<Line> = (1..)
        .zip(law.text.lines())
        .map(|(number, text)| Line {
            number,
            text: sanitize::terminal(text).into_owned(),
            faults: Vec::new(),
        })
        .collect();
    let last = lines.len();
    for d in &law.diagnostics {
        let at = Position::of(&law.text, d.span.start).line.clamp(1, last.max(1));
        let Some(line) = lines.get_mut(at - 1) else { continue };
        let parts = [Some(d.message.as_str()), Some(d.label.as_str()), d.help.as_deref()];
        let parts = parts.into_iter().flatten().filter(|p| !p.is_empty());
        let said: Vec<String> = parts.map(|p| said::diagnostic(lang, p)).collect();
        line.faults.push(Fault {
            error: d.is_error(),
            code: d.code.as_str().to_owned(),
            text: sanitize::terminal(&said.join("; ")).into_owned(),
        });
    }
    lines
}

fn trial(visit: &Visit, view: &View, base: &str, text: &str) -> Trial {
    let t = visit.t();
    let law = Law::of(t.scratch.to_owned(), text.to_owned(), view.now);
    if !law.holds() {
        let lead = t.trial_faulty.to_owned();
        return Trial {
            lines: lines(visit.lang, &law),
            fault: true,
            lead,
            changes: Vec::new(),
            more: false,
        };
    }
    // What was scanned was recognised by the layouts of the policy in force.
    if law.policy.layouts != view.law.policy.layouts {
        let lead = t.trial_layouts.to_owned();
        return Trial { lines: Vec::new(), fault: true, lead, changes: Vec::new(), more: false };
    }
    let inventory = view.inventory();
    let after = decide(inventory, &law.policy, view.now);
    let said = Said::new(visit.lang, inventory, &law.policy);
    let mut changes = differ::changes(inventory, &view.outcome, &after);
    changes.retain(|c| visit.who().sees(&view.session(c.session).owner));
    let sum = |deletes: bool| {
        let of = changes.iter().filter(|c| c.deletes == deletes);
        let (n, bytes) = of.fold((0, 0_u64), |(n, b), c| {
            (n + 1, b + view.session(c.session).checkpoints[c.checkpoint].bytes)
        });
        let words = if deletes { t.trial_deletes } else { t.trial_keeps };
        (n > 0).then(|| fill(words, &[&visit.lang.checkpoints(n), &human::size(bytes)]))
    };
    let parts: Vec<String> = [sum(true), sum(false)].into_iter().flatten().collect();
    let lead = if parts.is_empty() {
        t.trial_same.to_owned()
    } else {
        fill(t.trial_lead, &[&parts.join(", ")])
    };
    let row = |c: &differ::Change| {
        let session = view.session(c.session);
        let checkpoint = &session.checkpoints[c.checkpoint];
        let decision = &after.sessions[c.session];
        let reasons = decision.reasons(c.checkpoint);
        let said = said.reasons(session, checkpoint, decision.policy, reasons);
        Change {
            session: sanitize::terminal(&session.name).into_owned(),
            url: format!("{base}/session{}", query(&[("name", &session.name)])),
            id: sanitize::terminal(&checkpoint.id).into_owned(),
            size: human::size(checkpoint.bytes),
            deletes: c.deletes,
            reason: sanitize::terminal(&said).into_owned(),
        }
    };
    Trial {
        lines: lines(visit.lang, &law).into_iter().filter(|l| !l.faults.is_empty()).collect(),
        fault: false,
        lead,
        changes: changes.iter().take(LIMIT).map(row).collect(),
        more: changes.len() > LIMIT,
    }
}
