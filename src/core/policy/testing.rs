//! `[[test]]` tables: a small inventory, and which of its checkpoints must survive.
//!
//! A policy is read once and trusted for years; its tests say in numbers what its author meant.

use super::matching::STATUS;
use super::reader::{Context, Table, Value};
use super::{codes, expected, size};
use crate::core::calendar::Span;
use crate::core::model::{
    Checkpoint, Inventory, Marks, Metrics, Names, Pointer, Session, SmolStr, Space, Status, Step,
    Time,
};
use crate::core::name::natural_cmp;
use std::collections::HashMap;
use std::ops::Range;
use toml::de::DeValue;

/// 2026-01-01T00:00:00Z.
const NOW: Time = Time::from_nanos(1_767_225_600 * Time::NANOS_PER_SEC);
const SESSION: &str = "owner/data/1";
const AGE: Span = Span::hours(30 * 24);
const MINUTE: i64 = 60 * Time::NANOS_PER_SEC;
const GIB: u64 = 1 << 30;

/// A valid `[[test]]`.
#[derive(Clone, Debug)]
pub struct PolicyTest {
    pub name: Box<str>,
    pub inventory: Inventory,
    pub now: Time,
    /// By session and checkpoint of the inventory; `None` where the test says nothing.
    pub survives: Vec<Vec<Option<bool>>>,
    /// Where it stands in the policy file, from 1.
    pub line: usize,
}

/// What a checkpoint entry says besides its session.
struct Entry {
    session: Box<str>,
    checkpoint: Checkpoint,
    span: Range<usize>,
}

/// Reads one test; `None` if it is faulty.
pub(super) fn read(cx: &mut Context, table: &mut Table, name: Box<str>) -> Option<PolicyTest> {
    let faults = cx.diagnostics.len();
    let line = cx.line(&table.span);
    let now = table.get(cx, "now").map_or(Some(NOW), |v| cx.instant(&v)).unwrap_or(NOW);
    let session =
        table.get(cx, "session").and_then(|v| cx.string(&v)).unwrap_or_else(|| SESSION.into());
    let owner = table.get(cx, "owner").and_then(|v| cx.string(&v));
    let layout = table.get(cx, "layout").and_then(|v| cx.string(&v));
    let status =
        table.get(cx, "status").and_then(|v| cx.choice(&v, &STATUS)).unwrap_or(Status::Unknown);
    let idle = table.get(cx, "idle").and_then(|v| cx.duration(&v, true));
    let tags = table.get(cx, "tags").and_then(|v| cx.strings(&v)).unwrap_or_default();
    let space = table.get(cx, "disk").and_then(|v| disk(cx, &v));
    let mut names = Names::default();
    let mut entries = Vec::new();
    if let Some(v) = table.get(cx, "checkpoints") {
        for (i, mut t) in cx.tables("TestCheckpoint", &v).into_iter().enumerate() {
            entries.extend(checkpoint(cx, &mut t, i, now, &session, &mut names));
        }
    } else {
        let message = format!("the test `{name}` has no checkpoints");
        let help = "write `checkpoints = [{ id = \"1\" }, { id = \"2\" }]`";
        cx.lacks(&table.span, "checkpoints", message, help);
    }
    let keep = table.get(cx, "keep");
    let delete = table.get(cx, "delete");
    cx.finish(table);

    let mut sessions: Vec<Session> = Vec::new();
    for entry in group(cx, entries) {
        let last_write = match idle {
            Some(idle) => Some(idle.before(now)),
            None => entry.1.iter().filter_map(|c| c.last_write).max(),
        };
        let component = entry.0.split('/').next().unwrap_or_default();
        sessions.push(Session {
            guards: Vec::new(),
            owner: owner.clone().unwrap_or_else(|| component.into()),
            name: entry.0,
            layout: layout.clone(),
            status,
            last_write,
            tainted: Vec::new(),
            tags: tags.clone(),
            series: Box::default(),
            checkpoints: entry.1,
        });
    }
    let inventory = Inventory { root: None, now: Some(now), space, names, sessions };
    let survives =
        expected::survivors(cx, table, &inventory, keep.as_ref(), delete.as_ref(), &name);
    let is_faulty = cx.diagnostics[faults..].iter().any(super::Diagnostic::is_error);
    (!is_faulty).then_some(PolicyTest { name, inventory, now, survives, line })
}

fn disk(cx: &mut Context, value: &Value) -> Option<Space> {
    let mut table = cx.table("Disk", value)?;
    let total = table.get(cx, "total");
    let free = table.get(cx, "free");
    cx.finish(&table);
    let (Some(total), Some(free)) = (total, free) else {
        let help = "write `disk = { total = \"10TiB\", free = \"1TiB\" }`";
        cx.lacks(&table.span, "total` or `free", "`disk` needs both of its sizes", help);
        return None;
    };
    let full = matches!(free.toml, DeValue::String(text) if size::is_nothing(text));
    let free = if full { Some(0) } else { cx.size(&free) };
    Some(Space { total: cx.size(&total)?, free: free?, trash: 0 })
}

fn checkpoint(
    cx: &mut Context,
    table: &mut Table,
    index: usize,
    now: Time,
    session: &str,
    names: &mut Names,
) -> Option<Entry> {
    let id = table.get(cx, "id");
    if id.is_none() {
        cx.lacks(&table.span, "id", "a checkpoint without `id`", "write `id = \"1\"`");
    }
    let id = id.and_then(|v| cx.string(&v));
    let mut c = Checkpoint { files: 1, ..Checkpoint::default() };
    let session =
        table.get(cx, "session").and_then(|v| cx.string(&v)).unwrap_or_else(|| session.into());
    c.step = number(cx, table, "step");
    c.epoch = number(cx, table, "epoch");
    c.saved_at = Some(saved_at(cx, table, index, now));
    c.last_write = c.saved_at;
    c.bytes = table.get(cx, "bytes").and_then(|v| cx.size(&v)).unwrap_or(GIB);
    if let Some(v) = table.get(cx, "metrics") {
        c.metrics = metrics(cx, &v, names);
    }
    if let Some(v) = table.get(cx, "marks") {
        for mark in marks(cx, &v) {
            c.marks.set(mark);
        }
    }
    if let Some(v) = table.get(cx, "tags") {
        c.extra_mut().tags = cx.strings(&v).unwrap_or_default();
    }
    c.complete = table.get(cx, "complete").and_then(|v| cx.boolean(&v)).unwrap_or(true);
    if let Some(v) = table.get(cx, "pointer") {
        let all = cx.strings(&v).unwrap_or_default();
        c.extra_mut().pointers =
            all.into_iter().map(|name| Pointer { name, external: false }).collect();
    }
    if let Some(v) = table.get(cx, "needs") {
        c.extra_mut().needs = cx.strings(&v).unwrap_or_default();
    }
    cx.finish(table);
    c.id = id?.into();
    Some(Entry { session, checkpoint: c, span: table.span.clone() })
}

fn number(cx: &mut Context, table: &mut Table, key: &'static str) -> Option<Step> {
    table.get(cx, key).and_then(|v| cx.step(&v))
}

fn saved_at(cx: &mut Context, table: &mut Table, index: usize, now: Time) -> Time {
    let age = table.get(cx, "age");
    let at = table.get(cx, "saved-at");
    if let (Some(age), Some(at)) = (&age, &at) {
        cx.fault(codes::SET_TWICE, &at.key_span, "a checkpoint with both `age` and `saved-at`")
            .label("when was it saved?")
            .also(age.key_span.clone(), "the first")
            .help("keep one of them");
    }
    if let Some(at) = at {
        return cx.instant(&at).unwrap_or(now);
    }
    if let Some(age) = age {
        return cx.duration(&age, true).map_or(now, |age| age.before(now));
    }
    let later = i64::try_from(index).unwrap_or(0).saturating_mul(MINUTE);
    Time::from_nanos(AGE.before(now).nanos().saturating_add(later))
}

fn metrics(cx: &mut Context, value: &Value, names: &mut Names) -> Metrics {
    let Some(table) = cx.table("Metrics", value) else {
        return Metrics::default();
    };
    let mut metrics = Vec::new();
    for (name, spanned) in table.entries() {
        let number = match spanned.get_ref() {
            DeValue::Integer(n) => n.as_str().parse().ok(),
            DeValue::Float(x) => x.as_str().parse().ok(),
            // What a log holds instead of a number.
            DeValue::String(_) => Some(f64::NAN),
            _ => {
                cx.fault(
                    codes::WRONG_TYPE,
                    &spanned.span(),
                    format!("the metric `{name}` takes a number or text"),
                )
                .label("this is neither");
                None
            }
        };
        let finite = number.filter(|x: &f64| x.is_finite()).unwrap_or(f64::NAN);
        metrics.push((names.intern(name), finite));
    }
    metrics.into()
}

fn marks(cx: &mut Context, value: &Value) -> Vec<Marks> {
    const MARKS: [(&str, Marks); 5] = [
        ("pinned", Marks::PINNED),
        ("submitted", Marks::SUBMITTED),
        ("latest", Marks::LATEST),
        ("best", Marks::BEST),
        ("ambiguous", Marks::AMBIGUOUS),
    ];
    let all = cx.each(value, |cx, item| cx.choice(item, &MARKS)).unwrap_or_default();
    all.into_iter().map(|(mark, _)| mark).collect()
}

/// Entries by session, in natural order; an id that stands twice in one is a fault.
fn group(cx: &mut Context, entries: Vec<Entry>) -> Vec<(Box<str>, Vec<Checkpoint>)> {
    let mut seen: HashMap<(Box<str>, SmolStr), Range<usize>> = HashMap::new();
    let mut sessions: Vec<(Box<str>, Vec<Checkpoint>)> = Vec::new();
    let mut places: HashMap<Box<str>, usize> = HashMap::new();
    for entry in entries {
        let key = (entry.session.clone(), entry.checkpoint.id.clone());
        if let Some(first) = seen.get(&key) {
            let first = first.clone();
            cx.fault(
                codes::DUPLICATE_NAME,
                &entry.span,
                format!("two checkpoints are called `{}`", key.1),
            )
            .label("the same id again")
            .also(first, "first used here")
            .help("give each checkpoint of a session its own id");
            continue;
        }
        seen.insert(key, entry.span);
        let place = *places.entry(entry.session.clone()).or_insert_with(|| {
            sessions.push((entry.session.clone(), Vec::new()));
            sessions.len() - 1
        });
        sessions[place].1.push(entry.checkpoint);
    }
    sessions.sort_by(|a, b| natural_cmp(&a.0, &b.0));
    sessions
}
