//! `match` tables: which sessions, and for protections which checkpoints.

use super::reader::{Context, Table, Value};
use super::{Match, codes};
use crate::core::model::Status;
use crate::core::select::{Globs, Scope, expand_ranges};

/// The layouts this version recognises; others may be declared in `retain.toml`.
pub const LAYOUTS: [&str; 24] = [
    "nsml",
    "hf_trainer",
    "nemo",
    "lightning",
    "orbax",
    "torch_dcp",
    "megatron",
    "deepspeed",
    "tensorflow",
    "ray_tune",
    "ray_train",
    "mmengine",
    "timm",
    "ultralytics",
    "keras",
    "flax",
    "fairseq",
    "accelerate",
    "determined",
    "torchtnt",
    "ignite",
    "composer",
    "allennlp",
    "nanogpt",
];

pub(super) const STATUS: [(&str, Status); 3] =
    [("running", Status::Running), ("exited", Status::Exited), ("unknown", Status::Unknown)];

/// What a protection's `match` says about checkpoints.
#[derive(Debug, Default)]
pub(super) struct Selection {
    pub id: Option<Globs>,
    pub tag: Vec<Box<str>>,
    pub submitted: bool,
}

/// `match` of a policy.
pub(super) fn of_policy(cx: &mut Context, value: &Value) -> Match {
    let Some(mut table) = open(cx, "Match", value) else {
        return Match::default();
    };
    let mut sessions = of_sessions(cx, &mut table);
    if let Some(v) = table.get(cx, "tag") {
        sessions.tag = cx.strings(&v).unwrap_or_default();
    }
    cx.finish(&table);
    sessions
}

/// `match` of a protection.
pub(super) fn of_protection(cx: &mut Context, value: &Value) -> (Match, Selection) {
    let Some(mut table) = open(cx, "ProtectMatch", value) else {
        return Default::default();
    };
    let sessions = of_sessions(cx, &mut table);
    let mut selection = Selection::default();
    if let Some(v) = table.get(cx, "id") {
        selection.id = globs(cx, &v, Scope::Id);
    }
    if let Some(v) = table.get(cx, "tag") {
        selection.tag = cx.strings(&v).unwrap_or_default();
    }
    if let Some(v) = table.get(cx, "submitted") {
        selection.submitted = cx.flag(&v).is_some();
    }
    cx.finish(&table);
    (sessions, selection)
}

fn open<'d>(cx: &mut Context, shape: &'static str, value: &Value<'d>) -> Option<Table<'d>> {
    let table = cx.table(shape, value)?;
    if table.is_empty() && !cx.torn {
        cx.fault(codes::EMPTY, &value.span, "`match` is empty")
            .label("this matches nothing that could be named")
            .help("leave `match` out to match every session");
    }
    Some(table)
}

fn of_sessions(cx: &mut Context, table: &mut Table) -> Match {
    let mut m = Match::default();
    if let Some(v) = table.get(cx, "session") {
        m.session = globs(cx, &v, Scope::Path);
    }
    if let Some(v) = table.get(cx, "not") {
        m.not = globs(cx, &v, Scope::Path);
    }
    if let Some(v) = table.get(cx, "owner") {
        m.owner = globs(cx, &v, Scope::Path);
    }
    if let Some(v) = table.get(cx, "layout") {
        m.layout = layouts(cx, &v);
    }
    if let Some(v) = table.get(cx, "metric") {
        m.metric = cx.strings(&v).unwrap_or_default();
    }
    if let Some(v) = table.get(cx, "status") {
        let all = cx.each(&v, |cx, item| cx.choice(item, &STATUS));
        m.status = all.unwrap_or_default().into_iter().map(|(s, _)| s).collect();
    }
    if let Some(v) = table.get(cx, "idle") {
        m.idle = cx.duration(&v, false);
    }
    if let Some(v) = table.get(cx, "newest-sessions") {
        m.newest_sessions = cx.rank(&v, 1);
    }
    m
}

fn layouts(cx: &mut Context, value: &Value) -> Vec<Box<str>> {
    let named = cx.each(value, |cx, item| cx.string(item)).unwrap_or_default();
    for (name, item) in &named {
        if LAYOUTS.contains(&name.as_ref()) || cx.declared.contains(name) {
            continue;
        }
        let declared: Vec<Box<str>> = cx.declared.clone();
        let known = LAYOUTS.into_iter().chain(declared.iter().map(|d| &**d));
        let help = match super::suggest::nearest(name, known) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!(
                "known are {}; a [[layout]] here or in `retain.toml` declares others",
                super::reader::list(&LAYOUTS)
            ),
        };
        cx.fault(codes::UNKNOWN_LAYOUT, &item.span, format!("no layout is called `{name}`"))
            .label("this matches no session unless `retain.toml` declares it")
            .help(help);
    }
    named.into_iter().map(|(name, _)| name).collect()
}

/// A glob or a list of globs; `None` if any is faulty.
pub(super) fn globs(cx: &mut Context, value: &Value, scope: Scope) -> Option<Globs> {
    let patterns = cx.each(value, |cx, item| {
        let pattern = cx.string(item)?;
        check_glob(cx, item, &pattern, scope).then_some(pattern)
    })?;
    // All together may still be too large for one automaton.
    match Globs::new(patterns.iter().map(|(p, _)| p.as_ref()), scope) {
        Ok(globs) => Some(globs),
        Err(error) => {
            cx.fault(
                codes::GLOB,
                &value.span,
                format!("these globs cannot be used: {}", error.kind()),
            );
            None
        }
    }
}

/// Whether a glob can match what it is for; a fault if not.
pub(super) fn check_glob(cx: &mut Context, item: &Value, pattern: &str, scope: Scope) -> bool {
    if let Err(error) = Globs::new([pattern], scope) {
        cx.fault(codes::GLOB, &item.span, format!("`{pattern}` is not a glob"))
            .label(error.kind().to_string())
            .help(
                "`*`, `?`, `[a-z]`, `{a,b}` and `**` are special; \
                 write `\\\\` before one that is not meant so",
            );
        return false;
    }
    let expanded = expand_ranges(pattern);
    if expanded.is_err()
        || expanded.is_ok_and(|list| list.len() > 1 || list.first().is_some_and(|p| p != pattern))
    {
        cx.fault(codes::GLOB, &item.span, format!("`{pattern}` holds a range of numbers"))
            .label("ranges are for the command line")
            .help("write a glob such as `*`, `[0-9]` or `{1,2,3}`");
        return false;
    }
    if scope == Scope::Id {
        return true;
    }
    let trimmed = pattern.trim_matches('/');
    let odd = pattern.split('/').any(|part| part == "..")
        || pattern.split('/').any(|part| part == ".") && pattern != ".";
    if trimmed.len() != pattern.len() || pattern.contains("//") || odd {
        let help = if trimmed.is_empty() {
            "write \"**\" to match every session".to_owned()
        } else {
            let plain: Vec<&str> =
                pattern.split('/').filter(|part| !matches!(*part, "" | "." | "..")).collect();
            format!("names are paths below the root, such as \"{}\"", plain.join("/"))
        };
        cx.fault(codes::GLOB, &item.span, format!("`{pattern}` can never match"))
            .label("no name looks like this")
            .help(help);
        return false;
    }
    true
}
