//! What bounds space: `limit` of a policy, `[[quota]]`, and the brakes of `[safety]`.

use super::reader::{Context, Table, Value};
use super::{Amount, Cap, Limit, OnExceed, Per, Quota, Safety, codes};

const PER: [(&str, Per); 2] = [("owner", Per::Owner), ("root", Per::Root)];
const ON_EXCEED: [(&str, OnExceed); 2] = [("evict", OnExceed::Evict), ("report", OnExceed::Report)];
const UNREACHABLE: [(&str, bool); 2] = [("evict", true), ("nothing", false)];

pub(super) fn limit(cx: &mut Context, value: &Value) -> Limit {
    let mut limit = Limit::default();
    let Some(mut table) = cx.table("Limit", value) else {
        return limit;
    };
    if table.is_empty() && !cx.torn {
        cx.fault(codes::EMPTY, &value.span, "`limit` is empty")
            .label("nothing is limited")
            .help("write `max-bytes`, `max-count` or `max-age`, or leave `limit` out");
    }
    if let Some(v) = table.get(cx, "max-bytes") {
        limit.max_bytes = cx.size(&v);
    }
    if let Some(v) = table.get(cx, "max-count") {
        limit.max_count = cx.rank(&v, 1);
    }
    if let Some(v) = table.get(cx, "max-age") {
        limit.max_age = cx.duration(&v, false);
    }
    cx.finish(&table);
    limit
}

pub(super) fn brakes(cx: &mut Context, table: &mut Table) -> Safety {
    let max_delete = table.get(cx, "max-delete").and_then(|v| cx.max_delete(&v));
    let max_delete_bytes = table.get(cx, "max-delete-bytes").and_then(|v| cx.amount(&v, 100.0));
    Safety { max_delete, max_delete_bytes }
}

/// A quota whose name is already known; `None` if it is faulty.
pub(super) fn quota(cx: &mut Context, table: &mut Table, name: Box<str>) -> Option<Quota> {
    let per = table.get(cx, "per");
    let max_bytes = table.get(cx, "max-bytes");
    let min_free = table.get(cx, "min-free");
    let low = table.get(cx, "low");
    let on_exceed =
        table.get(cx, "on-exceed").map_or(Some(OnExceed::default()), |v| cx.choice(&v, &ON_EXCEED));
    let unreachable = table.get(cx, "unreachable");
    cx.finish(table);

    let per_read = per.as_ref().and_then(|v| cx.choice(v, &PER));
    let evict_unreachable = unreachable.as_ref().map(|v| cx.choice(v, &UNREACHABLE));
    let cap = match (max_bytes, min_free) {
        (Some(max), Some(free)) => {
            cx.fault(
                codes::QUOTA_CAP,
                &free.key_span,
                "a quota with both `max-bytes` and `min-free`",
            )
            .label("a second bound")
            .also(max.key_span, "the first")
            .help("write two quotas");
            None
        }
        (None, None) => {
            if let Some(d) =
                cx.missing(codes::QUOTA_CAP, &table.span, "a quota that bounds nothing")
            {
                d.label("neither `max-bytes` nor `min-free`")
                    .help("write `max-bytes = \"200GiB\"` or `min-free = \"10%\"`");
            }
            None
        }
        (Some(max), None) => {
            if let Some(v) = &unreachable {
                let message = "`unreachable` does not belong to `max-bytes`";
                cx.fault(codes::FOREIGN_OPTION, &v.key_span, message)
                    .label("has no meaning here")
                    .also(max.key_span.clone(), "the bound")
                    .help("remove it: `max-bytes` always goes as far as it may");
            }
            if per.is_none() {
                per_is_missing(cx, table);
            }
            max_bytes_cap(cx, &max, low.as_ref(), per_read)
        }
        (None, Some(free)) => {
            if let (Some(v), Some(Per::Owner)) = (&per, per_read) {
                cx.fault(codes::QUOTA_PER, &v.span, "`min-free` is a property of the file system")
                    .label("no owner has free space of their own")
                    .also(free.key_span.clone(), "the bound")
                    .help("write `per = \"root\"`, or bound each owner with `max-bytes`");
            }
            min_free_cap(cx, &free, low.as_ref())
        }
    };
    let goes_as_far_as_it_may = matches!(cap, Some(Cap::MaxBytes { .. }));
    Some(Quota {
        name,
        cap: cap?,
        on_exceed: on_exceed?,
        evict_unreachable: evict_unreachable.unwrap_or(Some(goes_as_far_as_it_may))?,
    })
}

fn per_is_missing(cx: &mut Context, table: &Table) {
    let message = "a quota does not say whose bytes it counts";
    if let Some(fault) = cx.missing(codes::QUOTA_PER, &table.span, message) {
        fault.label("`per` is missing").help(
            "write `per = \"owner\"` (each may use that much) or `per = \"root\"` (all together)",
        );
    }
}

fn max_bytes_cap(
    cx: &mut Context,
    max: &Value,
    low: Option<&Value>,
    per: Option<Per>,
) -> Option<Cap> {
    let bytes = cx.size(max);
    let low_bytes = low.map(|v| cx.size(v));
    let (bytes, low_bytes) = (bytes?, low_bytes.unwrap_or(bytes)?);
    if let Some(v) = low.filter(|_| low_bytes > bytes) {
        cx.fault(codes::QUOTA_LOW, &v.span, "`low` is above `max-bytes`")
            .label("eviction would stop before it began")
            .also(max.span.clone(), "the bound")
            .help("`low` is how far an eviction goes down: write less than `max-bytes`");
    }
    Some(Cap::MaxBytes { per: per?, max: bytes, low: low_bytes })
}

fn min_free_cap(cx: &mut Context, free: &Value, low: Option<&Value>) -> Option<Cap> {
    let min = cx.amount(free, 99.0);
    let low_amount = low.map(|v| cx.amount(v, 99.0));
    let (min, low_amount) = (min?, low_amount.unwrap_or(min)?);
    let below = match (min, low_amount) {
        (Amount::Bytes(min), Amount::Bytes(low)) => low < min,
        (Amount::Percent(min), Amount::Percent(low)) => low < min,
        // Not comparable before the file system is known.
        _ => false,
    };
    if let Some(v) = low.filter(|_| below) {
        cx.fault(codes::QUOTA_LOW, &v.span, "`low` is less than `min-free`")
            .label("eviction would stop before it began")
            .also(free.span.clone(), "the bound")
            .help("beside `min-free`, `low` is how much is free at the end: write more than `min-free`");
    }
    Some(Cap::MinFree { min, low: low_amount })
}
