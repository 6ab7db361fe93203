//! The entries of `discard`: properties of a checkpoint itself, never a place among others.

use super::matching::globs;
use super::raw::RULE_KEYS;
use super::reader::{Context, Table, Value, either, list};
use super::rules::{OPTION_KEYS, list_keys, steps};
use super::{Discard, codes};
use crate::core::select::Scope;

/// One entry of `discard`; `None` if it is faulty.
pub(super) fn discard(cx: &mut Context, table: &mut Table) -> Option<Discard> {
    const KEYS: [&str; 6] = ["incomplete-for", "id", "tag", "steps", "submitted", "all"];
    let kinds: Vec<Value> = KEYS.iter().filter_map(|key| table.get(cx, key)).collect();
    let ranks: Vec<Value> = RULE_KEYS
        .iter()
        .filter(|key| !KEYS.contains(key))
        .filter_map(|key| table.claim(key))
        .collect();
    if !ranks.is_empty() {
        // Their options are no fault of their own.
        for key in OPTION_KEYS {
            table.claim(key);
        }
    }
    let unknown = cx.diagnostics.len();
    cx.finish(table);
    let unknown = cx.diagnostics.len() > unknown;
    for rank in &ranks {
        let help = if rank.key == "within" {
            "to delete by age write `limit = { max-age = \"90d\" }`".to_owned()
        } else {
            format!(
                "to delete what is not among them, keep them: `keep = [{{ {} = .. }}]`",
                rank.key
            )
        };
        cx.fault(
            codes::RANK_IN_DISCARD,
            &rank.key_span,
            format!("`{}` cannot be discarded", rank.key),
        )
        .label("a place among others, not a property of its own")
        .help(format!("`discard` takes {}; {help}", list(&KEYS)));
    }
    let [kind] = kinds.as_slice() else {
        if let [first, second, ..] = kinds.as_slice() {
            cx.fault(
                codes::TWO_RULES,
                &second.key_span,
                format!("one entry with {}", list_keys(&kinds)),
            )
            .label("a second key")
            .also(first.key_span.clone(), "the first")
            .help("write an entry for each; what any of them names is discarded");
        } else if ranks.is_empty()
            && !unknown
            && let Some(d) =
                cx.missing(codes::NO_RULE, &table.span, "an entry that discards nothing")
        {
            d.label("no key stands here").help(format!("write {}", either(&KEYS)));
        }
        return None;
    };
    match kind.key {
        "incomplete-for" => cx.duration(kind, false).map(Discard::IncompleteFor),
        "id" => globs(cx, kind, Scope::Id).map(Discard::Id),
        "tag" => cx.strings(kind).map(Discard::Tag),
        "steps" => steps(cx, kind).map(Discard::Steps),
        "submitted" => cx.flag(kind).map(|()| Discard::Submitted),
        _ => cx.flag(kind).map(|()| Discard::All),
    }
}
