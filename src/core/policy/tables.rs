//! `[[protect]]` and `[[policy]]` tables.

use super::diagnostic::Diagnostic;
use super::load::MAX_TABLES;
use super::matching::{Selection, of_policy, of_protection};
use super::origin::Origin;
use super::reader::{Context, Table, Value};
use super::redundant::{covers, discard_covers, shadows};
use super::settings::Settings;
use super::{Limit, Match, Protection, SessionPolicy, codes, discard, rules, space};
use std::ops::Range;

/// A protection; `untils` gets its place in the file and the place of its date in the text.
pub(super) fn protection(
    cx: &mut Context,
    table: &mut Table,
    name: Box<str>,
    settings: &Settings,
    untils: &mut Vec<(usize, Range<usize>)>,
) -> Protection {
    let (sessions, selection) = if let Some(v) = table.get(cx, "match") {
        of_protection(cx, &v)
    } else {
        let message = format!("`{name}` protects every checkpoint there is");
        cx.fault(codes::PROTECTS_ALL, &table.span, message).label("it has no `match`").help(
            "nothing would ever be deleted; say which sessions with `match = { session = \"..\" }`",
        );
        (Match::default(), Selection::default())
    };
    let index = table.path.rsplit('.').next().and_then(|i| i.parse().ok()).unwrap_or(0);
    let until = table.get(cx, "until").and_then(|v| {
        untils.push((index, v.span.clone()));
        cx.until(&v, settings.timezone.value)
    });
    let why = table.get(cx, "why").and_then(|v| cx.string(&v));
    cx.finish(table);
    Protection {
        name,
        sessions,
        id: selection.id,
        tag: selection.tag,
        submitted: selection.submitted,
        until,
        why,
    }
}

/// A policy, its settings, and whether its `match` could be read whole.
pub(super) fn session_policy(
    cx: &mut Context,
    table: &mut Table,
    name: Box<str>,
    base: &Settings,
) -> (SessionPolicy, Settings, bool) {
    let settings = base.read(cx, table, "[[policy]]");
    let path = table.path.clone();
    let inherited = [
        ("min-age", &settings.min_age.origin),
        ("min-keep", &settings.min_keep.origin),
        ("session-may-go-empty", &settings.may_go_empty.origin),
        ("timezone", &settings.timezone.origin),
        ("restarted", &settings.restarted.origin),
    ];
    for (key, origin) in inherited {
        if !matches!(origin, Origin::Inherited { table: "[[policy]]", .. }) {
            cx.origins.set(format!("{path}.{key}"), origin.clone());
        }
    }
    let before = cx.diagnostics.len();
    let sessions = table.get(cx, "match").map(|v| of_policy(cx, &v)).unwrap_or_default();
    let whole = !cx.torn && !cx.diagnostics[before..].iter().any(Diagnostic::is_error);
    let keep_value = table.get(cx, "keep");
    let discard_value = table.get(cx, "discard");
    let limit_value = table.get(cx, "limit");
    cx.finish(table);

    let keep =
        entries(cx, keep_value.as_ref(), "Rule", |cx, t| rules::rule(cx, t, &settings), covers);
    let discard = entries(cx, discard_value.as_ref(), "Discard", discard::discard, discard_covers);
    let limit = limit_value.as_ref().map_or_else(Limit::default, |v| space::limit(cx, v));
    if keep_value.is_none() && discard_value.is_none() && limit_value.is_none() && !cx.torn {
        cx.fault(codes::KEEPS_ALL, &table.span, format!("`{name}` keeps everything"))
            .label("it has neither `keep` nor `discard` nor `limit`")
            .help("write `keep = [{ all = true }]` if that is meant");
    }
    let policy = SessionPolicy {
        name,
        sessions,
        keep,
        discard,
        limit,
        min_keep: settings.min_keep.value,
        session_may_go_empty: settings.may_go_empty.value,
        min_age: settings.min_age.value,
        timezone: settings.timezone.value,
        restarted: settings.restarted.value,
    };
    (policy, settings, whole)
}

/// Reads `keep` or `discard`, and notes entries that an earlier one makes useless.
fn entries<T>(
    cx: &mut Context,
    value: Option<&Value>,
    shape: &'static str,
    read: impl Fn(&mut Context, &mut Table) -> Option<T>,
    covers: impl Fn(&T, &T) -> bool,
) -> Vec<T> {
    let Some(value) = value else { return Vec::new() };
    let tables = cx.tables(shape, value);
    if tables.len() > MAX_TABLES {
        cx.fault(
            codes::TOO_MANY,
            &value.key_span,
            format!("more than {MAX_TABLES} entries in `{}`", value.key),
        );
        return Vec::new();
    }
    let mut all: Vec<(T, Range<usize>)> = Vec::new();
    for mut table in tables {
        let Some(entry) = read(cx, &mut table) else { continue };
        if let Some((_, first)) = all.iter().find(|(earlier, _)| covers(earlier, &entry)) {
            let first = first.clone();
            cx.fault(
                codes::REDUNDANT_RULE,
                &table.span,
                format!("this entry of `{}` can never add anything", value.key),
            )
            .label("all of it is already in an earlier one")
            .also(first, "this one")
            .help("remove it, or put it first if limits should evict it last");
        }
        all.push((entry, table.span));
    }
    all.into_iter().map(|(entry, _)| entry).collect()
}

/// Notes policies that no session is left for.
pub(super) fn check_shadows(cx: &mut Context, policies: &[(SessionPolicy, Range<usize>, bool)]) {
    let sure: Vec<_> = policies.iter().filter(|(_, _, whole)| *whole).collect();
    for (i, (later, span, _)) in sure.iter().enumerate() {
        let shadow =
            sure[..i].iter().find(|(earlier, ..)| shadows(&earlier.sessions, &later.sessions));
        if let Some((earlier, first, _)) = shadow {
            cx.fault(codes::SHADOWED, span, format!("no session is left for `{}`", later.name))
                .label("the first policy that matches a session has it")
                .also(first.clone(), format!("`{}` has all of them already", earlier.name))
                .help("put the narrower policy first, or remove it");
        }
    }
}
