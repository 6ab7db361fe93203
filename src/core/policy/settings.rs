//! Settings that stand at several levels: the top of the file or `[safety]`, a policy, a rule.
//! The nearest one wins, and its origin goes along.

use super::codes;
use super::origin::Origin;
use super::reader::{Context, Table, Value};
use super::{Missing, Pick, Restarted, Ties};
use crate::core::calendar::Span;
use std::ops::Range;

/// A value, where it came from, and the place to point at if it is wrong.
#[derive(Clone, Debug)]
pub(super) struct Setting<T> {
    pub value: T,
    pub origin: Origin,
    pub span: Option<Range<usize>>,
}

impl<T> Setting<T> {
    fn default(value: T) -> Setting<T> {
        Setting { value, origin: Origin::Default, span: None }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub min_age: Setting<Span>,
    pub min_keep: Setting<u32>,
    pub may_go_empty: Setting<bool>,
    pub timezone: Setting<chrono_tz::Tz>,
    pub restarted: Setting<Restarted>,
    pub missing: Setting<Missing>,
    pub ties: Setting<Ties>,
    pub pick: Setting<Pick>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            min_age: Setting::default(Span::hours(1)),
            min_keep: Setting::default(1),
            may_go_empty: Setting::default(false),
            timezone: Setting::default(chrono_tz::UTC),
            restarted: Setting::default(Restarted::default()),
            missing: Setting::default(Missing::default()),
            ties: Setting::default(Ties::default()),
            pick: Setting::default(Pick::default()),
        }
    }
}

pub(super) const MISSING: [(&str, Missing); 3] =
    [("wait", Missing::Wait), ("keep", Missing::Keep), ("drop", Missing::Drop)];
pub(super) const TIES: [(&str, Ties); 3] =
    [("newest", Ties::Newest), ("oldest", Ties::Oldest), ("all", Ties::All)];
pub(super) const PICK: [(&str, Pick); 2] = [("first", Pick::First), ("exact", Pick::Exact)];
pub(super) const RESTARTED: [(&str, Restarted); 3] =
    [("keep", Restarted::Keep), ("by-time", Restarted::ByTime), ("by-step", Restarted::ByStep)];

impl Settings {
    /// What a table says, over what is inherited; `name` is what reads it call the table.
    pub fn read(&self, cx: &mut Context, table: &mut Table, name: &'static str) -> Settings {
        let mut s = self.clone();
        s.read_deletion(cx, table, name);
        set(cx, table, name, "timezone", &mut s.timezone, Context::zone);
        set(cx, table, name, "restarted", &mut s.restarted, |cx, v| cx.choice(v, &RESTARTED));
        set(cx, table, name, "missing", &mut s.missing, |cx, v| cx.choice(v, &MISSING));
        set(cx, table, name, "ties", &mut s.ties, |cx, v| cx.choice(v, &TIES));
        set(cx, table, name, "pick", &mut s.pick, |cx, v| cx.choice(v, &PICK));
        s
    }

    /// The settings that may stand in `[safety]` instead of the top level.
    pub fn read_deletion(&mut self, cx: &mut Context, table: &mut Table, name: &'static str) {
        set(cx, table, name, "min-age", &mut self.min_age, |cx, v| cx.duration(v, true));
        set(cx, table, name, "min-keep", &mut self.min_keep, |cx, v| cx.rank(v, 0));
        set(cx, table, name, "session-may-go-empty", &mut self.may_go_empty, Context::boolean);
    }
}

/// `min-keep = 0` has to be said twice; the settings are those of each policy.
pub(super) fn check_min_keep(cx: &mut Context, policies: &[Settings]) {
    for s in policies.iter().filter(|s| s.min_keep.value == 0 && !s.may_go_empty.value) {
        let Some(span) = cx.unreported(codes::MIN_KEEP, s.min_keep.span.as_ref()) else { continue };
        cx.fault(codes::MIN_KEEP, &span, "`min-keep = 0` lets a session lose its last checkpoint")
            .label("nothing would have to stay")
            .help("write `session-may-go-empty = true` beside it if that is meant");
    }
    for s in policies.iter().filter(|s| s.may_go_empty.value) {
        let used =
            |p: &&Settings| p.may_go_empty.span == s.may_go_empty.span && p.min_keep.value == 0;
        if policies.iter().any(|p| used(&p)) {
            continue;
        }
        let Some(span) = cx.unreported(codes::NO_EFFECT, s.may_go_empty.span.as_ref()) else {
            continue;
        };
        let n = s.min_keep.value;
        cx.fault(codes::NO_EFFECT, &span, "`session-may-go-empty` has no effect")
            .label(format!("`min-keep` is {n}, so {n} always stay"))
            .help("write `min-keep = 0` as well, or remove this");
    }
}

impl Context<'_> {
    /// The span, unless a fault that several policies inherit was already noted there.
    fn unreported(&self, code: codes::Code, span: Option<&Range<usize>>) -> Option<Range<usize>> {
        let span = super::diagnostic::valid_span(self.text, span?);
        let known = self.diagnostics.iter().any(|d| d.code == code && d.span == span);
        (!known).then_some(span)
    }
}

/// Reads one setting; a second one at the same level (top level and `[safety]`) is a fault.
pub(super) fn set<'t, T>(
    cx: &mut Context<'t>,
    table: &mut Table,
    name: &'static str,
    key: &'static str,
    setting: &mut Setting<T>,
    read: impl FnOnce(&mut Context<'t>, &Value) -> Option<T>,
) {
    let Some(value) = table.get(cx, key) else { return };
    if let (Some(first), "[safety]") = (&setting.span, name) {
        let first = first.clone();
        cx.fault(
            codes::SET_TWICE,
            &value.key_span,
            format!("`{key}` is set at the top level and in [safety]"),
        )
        .label("again here")
        .also(first, "first here")
        .help("keep one of them");
        return;
    }
    let line = cx.line(&value.key_span);
    if let Some(read) = read(cx, &value) {
        *setting = Setting {
            value: read,
            origin: Origin::Inherited { table: name, line },
            span: Some(value.span),
        };
    } else {
        // Faulty, but there: `min-keep` in [safety] is still a second one.
        setting.span = Some(value.span);
    }
}
