//! From the text of a policy file to a valid [`Policy`], with all faults of the file at once.
//!
//! A policy that is half understood deletes what it should keep: there is a policy only if there
//! is no error, and one fault never hides another.

use super::diagnostic::Diagnostic;
use super::matching::{Selection, of_policy, of_protection};
use super::origin::{Origin, Origins};
use super::reader::{Context, Table, Value};
use super::redundant::{covers, discard_covers, shadows};
use super::settings::{Setting, Settings, check_min_keep, set};
use super::{Limit, Match, Policy, PolicyTest, Protection, Quota, Safety, SessionPolicy};
use super::{codes, rules, space, syntax, testing};
use crate::core::calendar::Span;
use crate::core::model::Time;
use std::ops::Range;

/// The version of the policy language.
pub const VERSION: u64 = 1;
/// More tables of one kind than anybody writes; reasons count them in 16 bits.
const MAX_TABLES: usize = 10_000;

/// What became of a policy file.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// `None` if any diagnostic is an error.
    pub policy: Option<Policy>,
    /// The `[[test]]` tables; empty if any diagnostic is an error.
    pub tests: Vec<PolicyTest>,
    /// In the order of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// Where the values of the policy came from.
    pub origins: Origins,
    /// The `until` of protections: their index in the policy, and where it is written.
    untils: Vec<(usize, Range<usize>)>,
}

impl Loaded {
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// Warnings about protections that no longer hold at `now`; loading itself knows no time.
    pub fn expired(&self, now: Time) -> Vec<Diagnostic> {
        let Some(policy) = &self.policy else { return Vec::new() };
        let mut warnings = Vec::new();
        for (index, span) in &self.untils {
            let Some(protection) = policy.protections.get(*index) else { continue };
            if protection.until.is_some_and(|until| until <= now) {
                let message = format!("the protection `{}` has expired", protection.name);
                let mut warning = Diagnostic::new(codes::EXPIRED, span.clone(), message);
                warning
                    .label("it protects nothing any more")
                    .help("give a later date, or remove the protection");
                warnings.push(warning);
            }
        }
        warnings
    }
}

/// Reads a policy file. Never fails and never panics; see [`Loaded`].
pub fn load(text: &str) -> Loaded {
    let mut cx = Context::new(text);
    let document = syntax::parse(&mut cx);
    let torn: Vec<Range<usize>> = cx.diagnostics.iter().map(|d| d.span.clone()).collect();
    let mut top = Table::new("PolicyFile", document.get_ref(), 0..0, String::new());
    let (policy, tests, untils) = file(&mut cx, &mut top);

    // What overlaps a syntax error is only its echo.
    let echoes = |d: &Diagnostic| torn.iter().any(|t| d.span.start < t.end && t.start < d.span.end);
    let syntax_errors = torn.len();
    let mut at = 0;
    cx.diagnostics.retain(|d| {
        at += 1;
        at <= syntax_errors || !echoes(d)
    });
    cx.diagnostics.sort_by_key(|d| (d.span.start, d.span.end, d.code));
    cx.diagnostics.dedup();

    let failed = cx.diagnostics.iter().any(Diagnostic::is_error);
    Loaded {
        policy: (!failed).then_some(policy),
        tests: if failed { Vec::new() } else { tests },
        diagnostics: cx.diagnostics,
        origins: cx.origins,
        untils,
    }
}

/// The keys that any table was asked for, to compare with what is documented.
#[cfg(test)]
pub(super) fn asked(text: &str) -> std::collections::BTreeSet<(&'static str, &'static str)> {
    let mut cx = Context::new(text);
    let document = syntax::parse(&mut cx);
    let mut top = Table::new("PolicyFile", document.get_ref(), 0..0, String::new());
    file(&mut cx, &mut top);
    cx.asked
}

type File = (Policy, Vec<PolicyTest>, Vec<(usize, Range<usize>)>);

fn file(cx: &mut Context, top: &mut Table) -> File {
    version(cx, top);
    let mut settings = Settings::default().read(cx, top, "top level");
    let mut grace = Setting { value: Span::hours(20), origin: Origin::Default, span: None };
    set(cx, top, "top level", "grace", &mut grace, |cx, v| cx.duration(v, true));
    let safety = safety(cx, top, &mut settings, &mut grace);

    let mut untils = Vec::new();
    let protections = named(cx, top, "protect", "Protect", "protection", |cx, table, name| {
        Some(protection(cx, table, name, &settings, &mut untils))
    });
    let mut effective = Vec::new();
    let policies = named(cx, top, "policy", "Policy", "policy", |cx, table, name| {
        let (policy, own, whole) = session_policy(cx, table, name, &settings);
        effective.push(own);
        Some((policy, table.span.clone(), whole))
    });
    check_min_keep(cx, &effective);
    check_shadows(cx, &policies);
    let quotas: Vec<Quota> = named(cx, top, "quota", "Quota", "quota", space::quota);
    let tests = named(cx, top, "test", "PolicyTest", "test", testing::read);
    cx.finish(top);

    if effective.is_empty()
        && let Some(d) = cx.missing(codes::NO_POLICY, &(0..0), "this file has no [[policy]]")
    {
        d.label("nothing here says what to keep").help(
            "write a [[policy]]; `keep = [{ all = true }]` keeps everything, and `retain policy new` prints a start",
        );
    }
    let policies = policies.into_iter().map(|(policy, ..)| policy).collect();
    cx.origins.set("grace".to_owned(), grace.origin);
    (Policy { protections, policies, quotas, safety, grace: grace.value }, tests, untils)
}

fn version(cx: &mut Context, top: &mut Table) {
    let Some(value) = top.get(cx, "version") else {
        if let Some(d) = cx.missing(codes::VERSION, &(0..0), "this file does not say its version") {
            d.label("`version` is missing").help("write `version = 1` as the first line");
        }
        return;
    };
    let known = value.value.as_integer().is_some_and(|n| n.as_str() == "1");
    if !known {
        cx.fault(codes::VERSION, &value.span, "this version of the policy language is not known")
            .label("this retain reads version 1")
            .help("write `version = 1`, or use a newer retain");
    }
}

fn safety(cx: &mut Context, top: &mut Table, settings: &mut Settings, grace: &mut Setting<Span>) -> Safety {
    let Some(value) = top.get(cx, "safety") else { return Safety::default() };
    let Some(mut table) = cx.table("Safety", &value) else { return Safety::default() };
    settings.read_deletion(cx, &mut table, "[safety]");
    set(cx, &mut table, "[safety]", "grace", grace, |cx, v| cx.duration(v, true));
    let safety = space::brakes(cx, &mut table);
    cx.finish(&table);
    safety
}

/// Reads a list of tables that have names, each name once.
fn named<T>(
    cx: &mut Context,
    top: &mut Table,
    key: &'static str,
    shape: &'static str,
    noun: &str,
    mut read: impl FnMut(&mut Context, &mut Table, Box<str>) -> Option<T>,
) -> Vec<T> {
    let Some(value) = top.get(cx, key) else { return Vec::new() };
    let tables = cx.tables(shape, &value);
    if tables.len() > MAX_TABLES {
        cx.fault(codes::TOO_MANY, &value.key_span, format!("more than {MAX_TABLES} [[{key}]] tables"))
            .help("say more with globs");
        return Vec::new();
    }
    let mut names: std::collections::HashMap<Box<str>, Range<usize>> = std::collections::HashMap::new();
    let mut all = Vec::new();
    for (i, mut table) in tables.into_iter().enumerate() {
        let written = table.get(cx, "name");
        let name = match &written {
            Some(v) => cx.string(v).unwrap_or_default(),
            None => format!("{noun} {}", i + 1).into(),
        };
        let span = written.map_or(table.span.clone(), |v| v.span);
        match names.get(&name) {
            Some(first) if !name.is_empty() => {
                let first = first.clone();
                cx.fault(codes::DUPLICATE_NAME, &span, format!("two of [[{key}]] are called `{name}`"))
                    .label("the same name again")
                    .also(first, "first used here")
                    .help("give it a name of its own: reasons and reports go by it");
            }
            _ => {
                names.insert(name.clone(), span);
            }
        }
        all.extend(read(cx, &mut table, name));
    }
    all
}

fn protection(
    cx: &mut Context,
    table: &mut Table,
    name: Box<str>,
    settings: &Settings,
    untils: &mut Vec<(usize, Range<usize>)>,
) -> Protection {
    let (sessions, selection) = match table.get(cx, "match") {
        Some(v) => of_protection(cx, &v),
        None => {
            cx.fault(codes::PROTECTS_ALL, &table.span, format!("`{name}` protects every checkpoint there is"))
                .label("it has no `match`")
                .help("nothing would ever be deleted; say which sessions with `match = { session = \"..\" }`");
            (Match::default(), Selection::default())
        }
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
fn session_policy(
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

    let keep = entries(cx, keep_value.as_ref(), "Rule", |cx, t| rules::rule(cx, t, &settings), |a, b| covers(a, b));
    let discard = entries(cx, discard_value.as_ref(), "Discard", rules::discard, discard_covers);
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
        cx.fault(codes::TOO_MANY, &value.key_span, format!("more than {MAX_TABLES} entries in `{}`", value.key));
        return Vec::new();
    }
    let mut all: Vec<(T, Range<usize>)> = Vec::new();
    for mut table in tables {
        let Some(entry) = read(cx, &mut table) else { continue };
        if let Some((_, first)) = all.iter().find(|(earlier, _)| covers(earlier, &entry)) {
            let first = first.clone();
            cx.fault(codes::REDUNDANT_RULE, &table.span, format!("this entry of `{}` can never add anything", value.key))
                .label("all of it is already in an earlier one")
                .also(first, "this one")
                .help("remove it, or put it first if limits should evict it last");
        }
        all.push((entry, table.span));
    }
    all.into_iter().map(|(entry, _)| entry).collect()
}

fn check_shadows(cx: &mut Context, policies: &[(SessionPolicy, Range<usize>, bool)]) {
    let sure: Vec<_> = policies.iter().filter(|(_, _, whole)| *whole).collect();
    for (i, (later, span, _)) in sure.iter().enumerate() {
        let shadow = sure[..i].iter().find(|(earlier, ..)| shadows(&earlier.sessions, &later.sessions));
        if let Some((earlier, first, _)) = shadow {
            cx.fault(codes::SHADOWED, span, format!("no session is left for `{}`", later.name))
                .label("the first policy that matches a session has it")
                .also(first.clone(), format!("`{}` has all of them already", earlier.name))
                .help("put the narrower policy first, or remove it");
        }
    }
}
