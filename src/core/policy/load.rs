//! From the text of a policy file to a valid [`Policy`], with all faults of the file at once.
//!
//! A policy that is half understood deletes what it should keep: there is a policy only if there
//! is no error, and one fault never hides another.

use super::diagnostic::Diagnostic;
use super::origin::{Origin, Origins};
use super::reader::{Context, Table};
use super::settings::{Setting, Settings, check_min_keep, set};
use super::tables::{check_shadows, protection, session_policy};
use super::{Policy, PolicyTest, Quota, Safety, codes, declare, space, syntax, testing};
use crate::core::calendar::Span;
use crate::core::model::Time;
use std::ops::Range;

/// The version of the policy language.
pub const VERSION: u64 = 1;
/// More tables of one kind than anybody writes; reasons count them in 16 bits.
pub(super) const MAX_TABLES: usize = 10_000;

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

    let layouts = declare::read(cx, top);
    cx.declared = declare::names(top);
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
            "write a [[policy]]; `keep = [{ all = true }]` keeps everything, \
             and `retain policy new` prints a start",
        );
    }
    let policies = policies.into_iter().map(|(policy, ..)| policy).collect();
    cx.origins.set("grace".to_owned(), grace.origin);
    let policy = Policy { protections, policies, quotas, safety, layouts, grace: grace.value };
    (policy, tests, untils)
}

fn version(cx: &mut Context, top: &mut Table) {
    let Some(value) = top.get(cx, "version") else {
        if let Some(d) = cx.missing(codes::VERSION, &(0..0), "this file does not say its version") {
            d.label("`version` is missing").help("write `version = 1` as the first line");
        }
        return;
    };
    let known = value.toml.as_integer().is_some_and(|n| n.as_str() == "1");
    if !known {
        cx.fault(codes::VERSION, &value.span, "this version of the policy language is not known")
            .label("this retain reads version 1")
            .help("write `version = 1`, or use a newer retain");
    }
}

fn safety(
    cx: &mut Context,
    top: &mut Table,
    settings: &mut Settings,
    grace: &mut Setting<Span>,
) -> Safety {
    let Some(value) = top.get(cx, "safety") else { return Safety::default() };
    let Some(mut table) = cx.table("Safety", &value) else { return Safety::default() };
    settings.read_deletion(cx, &mut table, "[safety]");
    set(cx, &mut table, "[safety]", "grace", grace, |cx, v| cx.duration(v, true));
    let safety = space::brakes(cx, &mut table);
    cx.finish(&table);
    safety
}

/// Reads a list of tables that have names, each name once.
pub(super) fn named<T>(
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
        cx.fault(
            codes::TOO_MANY,
            &value.key_span,
            format!("more than {MAX_TABLES} [[{key}]] tables"),
        )
        .help("say more with globs");
        return Vec::new();
    }
    let mut names: std::collections::HashMap<Box<str>, Range<usize>> =
        std::collections::HashMap::new();
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
                cx.fault(
                    codes::DUPLICATE_NAME,
                    &span,
                    format!("two of [[{key}]] are called `{name}`"),
                )
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
