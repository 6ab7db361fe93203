//! The effective policy as TOML: every default filled in, and where each value came from.
//!
//! What is printed loads to the same policy, so that it can be saved, compared and reviewed.

use super::origin::{Origin, Origins};
use super::size::format as size;
use super::{
    Across, Amount, Anchor, Cap, Direction, Discard, Limit, Match, MaxDelete, Missing, OnExceed,
    Per, Pick, Policy, Protection, Quota, Restarted, Rule, RuleKind, SessionPolicy, Ties,
};
use crate::core::calendar::end_of_day;
use crate::core::declared::{Definition, MetricFile};
use crate::core::model::{Step, Time};
use crate::core::select::Globs;
use std::fmt::Write as _;

/// Renders a policy; `origins` are those of the file it was loaded from.
pub fn show(policy: &Policy, origins: &Origins) -> String {
    let mut page = Page { text: String::new(), origins };
    page.text.push_str("# The effective policy; behind each value stands where it came from.\n");
    page.line("version = 1");
    page.value("", "grace", &quote(&policy.grace.to_string()));
    page.heading("safety");
    match policy.safety.max_delete {
        Some(MaxDelete::Count(n)) => page.value("safety", "max-delete", &n.to_string()),
        Some(MaxDelete::Percent(p)) => page.value("safety", "max-delete", &percent(p)),
        None => page.line("# max-delete: none  # default"),
    }
    match policy.safety.max_delete_bytes {
        Some(amount) => page.value("safety", "max-delete-bytes", &amount_text(amount)),
        None => page.line("# max-delete-bytes: none  # default"),
    }
    for (i, protection) in policy.protections.iter().enumerate() {
        page.protection(&format!("protect.{i}"), protection);
    }
    for (i, session_policy) in policy.policies.iter().enumerate() {
        page.policy(&format!("policy.{i}"), session_policy);
    }
    for (i, quota) in policy.quotas.iter().enumerate() {
        page.quota(&format!("quota.{i}"), quota);
    }
    for (i, layout) in policy.layouts.iter().enumerate() {
        page.layout(&format!("layout.{i}"), layout);
    }
    page.text
}

struct Page<'a> {
    text: String,
    origins: &'a Origins,
}

impl Page<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn heading(&mut self, name: &str) {
        let _ = write!(self.text, "\n[{name}]\n");
    }

    /// `key = value  # origin`.
    fn value(&mut self, path: &str, key: &str, value: &str) {
        let full = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        let origin = comment(&self.origins.get(&full));
        let _ = writeln!(self.text, "{key} = {value}  # {origin}");
    }

    fn protection(&mut self, path: &str, p: &Protection) {
        self.heading("[protect]");
        self.value(path, "name", &quote(&p.name));
        let mut pairs = match_pairs(&p.sessions);
        pairs.extend(p.id.as_ref().map(|g| ("id", globs(g))));
        pairs.extend((!p.tag.is_empty()).then(|| ("tag", strings(&p.tag))));
        pairs.extend(p.submitted.then(|| ("submitted", "true".to_owned())));
        self.matching(path, &pairs);
        if let Some(until) = p.until {
            self.value(path, "until", &until_text(until));
        }
        if let Some(why) = &p.why {
            self.value(path, "why", &quote(why));
        }
    }

    fn matching(&mut self, path: &str, pairs: &[(&str, String)]) {
        if pairs.is_empty() {
            self.line("# match: all sessions  # default");
        } else {
            self.value(path, "match", &inline(pairs));
        }
    }

    fn policy(&mut self, path: &str, p: &SessionPolicy) {
        self.heading("[policy]");
        self.value(path, "name", &quote(&p.name));
        let mut pairs = match_pairs(&p.sessions);
        pairs.extend((!p.sessions.tag.is_empty()).then(|| ("tag", strings(&p.sessions.tag))));
        self.matching(path, &pairs);
        self.value(path, "min-age", &quote(&p.min_age.to_string()));
        self.value(path, "min-keep", &p.min_keep.to_string());
        self.value(path, "session-may-go-empty", &p.session_may_go_empty.to_string());
        self.value(path, "timezone", &quote(p.timezone.name()));
        self.value(path, "restarted", &quote(restarted(p.restarted)));
        self.entries(path, "keep", "everything, until a limit evicts it", &p.keep, rule_pairs);
        self.entries(path, "discard", "nothing", &p.discard, discard_pairs);
        let limit = limit_pairs(&p.limit);
        if limit.is_empty() {
            self.line("# limit: none  # default");
        } else {
            self.value(path, "limit", &inline(&limit));
        }
    }

    fn entries<T>(
        &mut self,
        path: &str,
        key: &str,
        absent: &str,
        entries: &[T],
        pairs: impl Fn(&T) -> Pairs,
    ) {
        if entries.is_empty() {
            let _ = writeln!(self.text, "# {key}: {absent}  # default");
            return;
        }
        let _ = writeln!(self.text, "{key} = [");
        for (i, entry) in entries.iter().enumerate() {
            let pairs = pairs(entry);
            let note = self.sources(&format!("{path}.{key}.{i}"), &pairs);
            let _ = writeln!(self.text, "  {},  # {note}", inline(&pairs));
        }
        self.line("]");
    }

    /// `line 12; ties: default`: where the entry's first key came from, and each that differs.
    fn sources(&self, path: &str, pairs: &[(&str, String)]) -> String {
        let origin = |key: &str| comment(&self.origins.get(&format!("{path}.{key}")));
        let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
        for (key, _) in pairs {
            let from = origin(key);
            match groups.iter_mut().find(|(o, _)| *o == from) {
                Some((_, keys)) => keys.push(key),
                None => groups.push((from, vec![key])),
            }
        }
        let mut parts = groups.into_iter();
        let first = parts.next().map(|(from, _)| from).unwrap_or_default();
        parts.fold(first, |text, (from, keys)| format!("{text}; {}: {from}", keys.join(", ")))
    }

    fn quota(&mut self, path: &str, q: &Quota) {
        self.heading("[quota]");
        self.value(path, "name", &quote(&q.name));
        match q.cap {
            Cap::MaxBytes { per, max, low } => {
                let per = if per == Per::Owner { "owner" } else { "root" };
                self.value(path, "per", &quote(per));
                self.value(path, "max-bytes", &quote(&size(max)));
                self.value(path, "low", &quote(&size(low)));
            }
            Cap::MinFree { min, low } => {
                self.value(path, "per", "\"root\"");
                self.value(path, "min-free", &amount_text(min));
                self.value(path, "low", &amount_text(low));
                let unreachable = if q.evict_unreachable { "evict" } else { "nothing" };
                self.value(path, "unreachable", &quote(unreachable));
            }
        }
        let on_exceed = if q.on_exceed == OnExceed::Evict { "evict" } else { "report" };
        self.value(path, "on-exceed", &quote(on_exceed));
    }

    fn layout(&mut self, path: &str, l: &Definition) {
        self.heading("[layout]");
        self.value(path, "name", &quote(&l.name));
        self.value(path, "regex", &quote(&l.regex));
        self.value(path, "unit", &quote(l.unit.as_str()));
        if let Some(complete) = &l.complete {
            self.value(path, "complete", &quote(complete));
        }
        if let Some(pointer) = &l.pointer {
            self.value(path, "pointer", &quote(pointer));
        }
        if let Some(metrics) = &l.metrics {
            self.value(path, "metrics", &inline(&metric_pairs(metrics)));
        }
    }
}

type Pairs = Vec<(&'static str, String)>;

fn comment(origin: &Origin) -> String {
    origin.to_string()
}

fn metric_pairs(m: &MetricFile) -> Pairs {
    let mut pairs =
        vec![("file", quote(&m.file.to_string())), ("format", quote(m.format.as_str()))];
    if let Some(join) = &m.join {
        pairs.push(("join", quote(join.fact.as_str())));
        pairs.push(("column", quote(&join.column)));
        pairs.push(("offset", join.offset.to_string()));
    }
    if !m.keys.is_empty() {
        let keys: Vec<Box<str>> = m.keys.iter().map(|k| k.as_str().into()).collect();
        pairs.push(("keys", strings(&keys)));
    }
    pairs
}

fn match_pairs(m: &Match) -> Pairs {
    let list = |names: &[Box<str>]| (!names.is_empty()).then(|| strings(names));
    let status: Vec<Box<str>> = m.status.iter().map(|s| s.as_str().into()).collect();
    let all = [
        ("session", m.session.as_ref().map(globs)),
        ("not", m.not.as_ref().map(globs)),
        ("owner", m.owner.as_ref().map(globs)),
        ("layout", list(&m.layout)),
        ("metric", list(&m.metric)),
        ("status", list(&status)),
        ("idle", m.idle.map(|span| quote(&span.to_string()))),
        ("newest-sessions", m.newest_sessions.map(|n| n.to_string())),
    ];
    all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

fn rule_pairs(rule: &Rule) -> Pairs {
    let key = rule.kind.key();
    let pick = |pick: Pick| quote(if pick == Pick::First { "first" } else { "exact" });
    let anchor = |of: Anchor| quote(if of == Anchor::Now { "now" } else { "newest" });
    let mut pairs = match &rule.kind {
        RuleKind::Last(n) | RuleKind::First(n) => vec![(key, n.to_string())],
        RuleKind::Best(best) => {
            let direction = if best.direction == Direction::Min { "min" } else { "max" };
            let missing = match best.missing {
                Missing::Wait => "wait",
                Missing::Keep => "keep",
                Missing::Drop => "drop",
            };
            let ties = match best.ties {
                Ties::Newest => "newest",
                Ties::Oldest => "oldest",
                Ties::All => "all",
            };
            vec![
                (key, best.n.to_string()),
                (direction, strings(&best.metrics)),
                ("missing", quote(missing)),
                ("ties", quote(ties)),
            ]
        }
        RuleKind::EverySteps { n, pick: p } | RuleKind::EveryEpochs { n, pick: p } => {
            vec![(key, n.to_string()), ("pick", pick(*p))]
        }
        RuleKind::Every { seconds, pick: p } => {
            vec![(key, quote(&super::Span::seconds(*seconds).to_string())), ("pick", pick(*p))]
        }
        RuleKind::Steps(list) => vec![(key, steps(list))],
        RuleKind::Within { span, of } => vec![(key, quote(&span.to_string())), ("of", anchor(*of))],
        RuleKind::Bucket(b) => {
            let mut pairs = vec![(key, b.n.to_string()), ("oldest", b.oldest.to_string())];
            if let Some((span, of)) = b.within {
                pairs.extend([("within", quote(&span.to_string())), ("of", anchor(of))]);
            }
            pairs
        }
        RuleKind::Id(ids) => vec![(key, globs(ids))],
        RuleKind::Tag(tags) => vec![(key, strings(tags))],
        RuleKind::Submitted | RuleKind::All => vec![(key, "true".to_owned())],
    };
    let across = match rule.across {
        Across::Session => "session",
        Across::Folder => "folder",
        Across::Owner => "owner",
        Across::Policy => "policy",
    };
    pairs.extend([("hard", rule.hard.to_string()), ("across", quote(across))]);
    pairs
}

fn discard_pairs(discard: &Discard) -> Pairs {
    let value = match discard {
        Discard::IncompleteFor(span) => quote(&span.to_string()),
        Discard::Id(ids) => globs(ids),
        Discard::Tag(tags) => strings(tags),
        Discard::Steps(list) => steps(list),
        Discard::Submitted | Discard::All => "true".to_owned(),
    };
    vec![(discard.key(), value)]
}

fn limit_pairs(limit: &Limit) -> Pairs {
    let all = [
        ("max-bytes", limit.max_bytes.map(|n| quote(&size(n)))),
        ("max-count", limit.max_count.map(|n| n.to_string())),
        ("max-age", limit.max_age.map(|span| quote(&span.to_string()))),
    ];
    all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

fn restarted(restarted: Restarted) -> &'static str {
    match restarted {
        Restarted::Keep => "keep",
        Restarted::ByTime => "by-time",
        Restarted::ByStep => "by-step",
    }
}

fn inline(pairs: &[(&str, String)]) -> String {
    let parts: Vec<String> = pairs.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    format!("{{ {} }}", parts.join(", "))
}

/// A TOML string on one line.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn strings(list: &[Box<str>]) -> String {
    let quoted: Vec<String> = list.iter().map(|text| quote(text)).collect();
    format!("[{}]", quoted.join(", "))
}

fn globs(globs: &Globs) -> String {
    strings(globs.patterns())
}

fn steps(list: &[Step]) -> String {
    let all: Vec<String> = list
        .iter()
        .map(|step| match step {
            Step::Whole(n) => n.to_string(),
            Step::Fraction(x) => format!("{x:?}"),
        })
        .collect();
    format!("[{}]", all.join(", "))
}

fn percent(share: f64) -> String {
    quote(&format!("{share}%"))
}

fn amount_text(amount: Amount) -> String {
    match amount {
        Amount::Bytes(n) => quote(&size(n)),
        Amount::Percent(p) => percent(p),
    }
}

/// The last day, if it ends with one in UTC, else the instant.
fn until_text(until: Time) -> String {
    let last_day = Time::from_nanos(until.nanos().saturating_sub(1)).to_chrono().date_naive();
    if end_of_day(last_day, chrono_tz::UTC) == Some(until) {
        last_day.to_string()
    } else {
        until.to_string()
    }
}
