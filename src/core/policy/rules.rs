//! The rules of `keep`.

use super::matching::globs;
use super::raw::{BUCKET_KEYS, RULE_KEYS};
use super::reader::{Context, Table, Value, either, list};
use super::settings::{MISSING, PICK, Setting, Settings, TIES};
use super::{Across, Anchor, Best, Bucket, Direction, Pick, Rule, RuleKind, codes};
use crate::core::calendar::Period;
use crate::core::model::Step;
use crate::core::select::Scope;

const ACROSS: [(&str, Across); 4] = [
    ("session", Across::Session),
    ("folder", Across::Folder),
    ("owner", Across::Owner),
    ("policy", Across::Policy),
];
const ANCHOR: [(&str, Anchor); 2] = [("now", Anchor::Now), ("newest", Anchor::Newest)];
pub(super) const OPTION_KEYS: [&str; 9] =
    ["min", "max", "missing", "ties", "pick", "of", "oldest", "hard", "across"];

/// Every option that goes with a rule key.
fn options_of(key: &str) -> &'static [&'static str] {
    match key {
        "best" => &["min", "max", "missing", "ties", "hard", "across"],
        "every-steps" | "every-epochs" | "every" => &["pick", "hard", "across"],
        "within" => &["of", "hard", "across"],
        "hourly" | "daily" | "weekly" | "monthly" | "yearly" => {
            &["within", "of", "oldest", "hard", "across"]
        }
        _ => &["hard", "across"],
    }
}

/// One entry of `keep`; `None` if it is faulty.
pub(super) fn rule(cx: &mut Context, table: &mut Table, settings: &Settings) -> Option<Rule> {
    let kinds: Vec<Value> = RULE_KEYS.iter().filter_map(|key| table.get(cx, key)).collect();
    let options: Vec<Value> = OPTION_KEYS.iter().filter_map(|key| table.get(cx, key)).collect();
    // Other tools write `metric = "loss"`, which does not say which way is better.
    let metric = kinds.iter().any(|k| k.key == "best").then(|| table.claim("metric")).flatten();
    let unknown = cx.diagnostics.len();
    cx.finish(table);
    let unknown = cx.diagnostics.len() > unknown;

    if let Some(v) = metric {
        cx.fault(codes::DIRECTION, &v.key_span, "`metric` does not say which way is better")
            .label("the lower or the higher?")
            .help("write `min = ..` (lower is better) or `max = ..` (higher is better) instead");
        return None;
    }
    let (within, mut kinds): (Vec<Value>, Vec<Value>) =
        kinds.into_iter().partition(|k| k.key == "within");
    let bucketed = kinds.iter().any(|k| BUCKET_KEYS.contains(&k.key));
    let mut options = options;
    if bucketed {
        options.extend(within);
    } else {
        kinds.extend(within);
    }
    kinds.sort_by_key(|k| k.key_span.start);
    let [kind] = kinds.as_slice() else {
        not_one(cx, table, &kinds, &options, unknown);
        return None;
    };
    let foreign = reject_foreign(cx, kind, &options);
    let option = |key: &str| options.iter().find(|o| o.key == key);

    let hard = option("hard").map_or(Some(false), |v| cx.boolean(v));
    let across = option("across").map_or(Some(Across::Session), |v| cx.choice(v, &ACROSS));
    let built = build(cx, kind, &options, settings, &table.path);
    let (kind_built, hard, across) = (built?, hard?, across?);
    if let Some(v) = option("across") {
        check_across(cx, v, kind, &kind_built, across);
    }
    (!foreign).then_some(Rule { kind: kind_built, hard, across })
}

fn not_one(cx: &mut Context, table: &Table, kinds: &[Value], options: &[Value], unknown: bool) {
    match kinds {
        [first, second, ..] => {
            let parts: Vec<String> =
                kinds.iter().map(|k| format!("{{ {} = .. }}", k.key)).collect();
            cx.fault(
                codes::TWO_RULES,
                &second.key_span,
                format!("one rule with {}", list_keys(kinds)),
            )
            .label("a second rule key")
            .also(first.key_span.clone(), "the first")
            .help(format!(
                "write a rule for each: {}; what any of them keeps is kept",
                parts.join(", ")
            ));
        }
        // An unknown key is probably the misspelt rule, and is reported as such.
        _ if unknown => {}
        _ => {
            let help = if options.iter().any(|o| matches!(o.key, "min" | "max")) {
                "write how many of the best: `best = 3`".to_owned()
            } else {
                format!("write {}", either(&RULE_KEYS))
            };
            if let Some(d) = cx.missing(codes::NO_RULE, &table.span, "a rule that keeps nothing") {
                d.label("no rule key stands here").help(help);
            }
        }
    }
}

pub(super) fn list_keys(values: &[Value]) -> String {
    list(&values.iter().map(|v| v.key).collect::<Vec<_>>())
}

fn reject_foreign(cx: &mut Context, kind: &Value, options: &[Value]) -> bool {
    let allowed = options_of(kind.key);
    let mut any = false;
    for option in options.iter().filter(|o| !allowed.contains(&o.key)) {
        any = true;
        let owners: Vec<&str> =
            RULE_KEYS.iter().copied().filter(|k| options_of(k).contains(&option.key)).collect();
        cx.fault(
            codes::FOREIGN_OPTION,
            &option.key_span,
            format!("`{}` does not belong to `{}`", option.key, kind.key),
        )
        .label("has no meaning here")
        .also(kind.key_span.clone(), "the rule")
        .help(format!(
            "`{}` takes {}; `{}` goes with {}",
            kind.key,
            list(allowed),
            option.key,
            list(&owners)
        ));
    }
    any
}

/// Rules that look at each checkpoint by itself are the same over any sessions.
fn check_across(cx: &mut Context, value: &Value, kind: &Value, built: &RuleKind, across: Across) {
    let alone = match built {
        RuleKind::Steps(_)
        | RuleKind::Id(_)
        | RuleKind::Tag(_)
        | RuleKind::Submitted
        | RuleKind::All => true,
        RuleKind::Within { of, .. } => *of == Anchor::Now,
        RuleKind::EverySteps { pick, .. }
        | RuleKind::EveryEpochs { pick, .. }
        | RuleKind::Every { pick, .. } => *pick == Pick::Exact,
        _ => false,
    };
    if alone && across != Across::Session {
        cx.fault(
            codes::ACROSS,
            &value.key_span,
            format!("`across` makes no difference to `{}`", kind.key),
        )
        .label("this rule looks at each checkpoint by itself")
        .help("remove `across`");
    }
}

fn build(
    cx: &mut Context,
    kind: &Value,
    options: &[Value],
    settings: &Settings,
    path: &str,
) -> Option<RuleKind> {
    let option = |key: &str| options.iter().find(|o| o.key == key);
    let every = |cx: &mut Context| inherited(cx, options, "pick", &PICK, &settings.pick, path);
    Some(match kind.key {
        "last" => RuleKind::Last(cx.rank(kind, 1)?),
        "first" => RuleKind::First(cx.rank(kind, 1)?),
        "best" => RuleKind::Best(best(cx, kind, options, settings, path)?),
        "every-steps" | "every-epochs" => {
            let n = cx.count(kind, 1, i64::MAX.unsigned_abs());
            let pick = every(cx)?;
            let n = n?;
            if kind.key == "every-steps" {
                RuleKind::EverySteps { n, pick }
            } else {
                RuleKind::EveryEpochs { n, pick }
            }
        }
        "every" => {
            let seconds = fixed_seconds(cx, kind);
            let pick = every(cx)?;
            RuleKind::Every { seconds: seconds?, pick }
        }
        "steps" => RuleKind::Steps(steps(cx, kind)?),
        "within" => {
            let of = option("of").map_or(Some(Anchor::Now), |v| cx.choice(v, &ANCHOR));
            RuleKind::Within { span: cx.duration(kind, false)?, of: of? }
        }
        "id" => RuleKind::Id(globs(cx, kind, Scope::Id)?),
        "tag" => RuleKind::Tag(cx.strings(kind)?),
        "submitted" => cx.flag(kind).map(|()| RuleKind::Submitted)?,
        "all" => cx.flag(kind).map(|()| RuleKind::All)?,
        bucket_key => {
            let period = Period::ALL.into_iter().find(|p| p.key() == bucket_key)?;
            RuleKind::Bucket(bucket(cx, kind, period, options)?)
        }
    })
}

fn best(
    cx: &mut Context,
    kind: &Value,
    options: &[Value],
    settings: &Settings,
    path: &str,
) -> Option<Best> {
    let option = |key: &str| options.iter().find(|o| o.key == key);
    let n = cx.rank(kind, 1);
    let missing = inherited(cx, options, "missing", &MISSING, &settings.missing, path);
    let ties = inherited(cx, options, "ties", &TIES, &settings.ties, path);
    let (direction, metrics) = match (option("min"), option("max")) {
        (Some(v), None) => (Direction::Min, cx.strings(v)),
        (None, Some(v)) => (Direction::Max, cx.strings(v)),
        (Some(min), Some(max)) => {
            cx.fault(codes::DIRECTION, &max.key_span, "`best` with both `min` and `max`")
                .label("and the higher the better?")
                .also(min.key_span.clone(), "the lower the better")
                .help("keep one of them, or write two rules");
            return None;
        }
        (None, None) => {
            if let Some(d) =
                cx.missing(codes::DIRECTION, &kind.key_span, "`best` does not say by what")
            {
                d.label("which metric, and which way is better?").help(
                    "write `min = \"val_loss\"` (lower is better) or `max = \"accuracy\"` (higher is better)",
                );
            }
            return None;
        }
    };
    Some(Best { n: n?, direction, metrics: metrics?, missing: missing?, ties: ties? })
}

/// An option of a rule, or else the setting of its policy.
fn inherited<T: Copy>(
    cx: &mut Context,
    options: &[Value],
    key: &'static str,
    words: &[(&'static str, T)],
    setting: &Setting<T>,
    path: &str,
) -> Option<T> {
    if let Some(written) = options.iter().find(|o| o.key == key) {
        return cx.choice(written, words);
    }
    cx.origins.set(format!("{path}.{key}"), setting.origin.clone());
    Some(setting.value)
}

fn bucket(cx: &mut Context, kind: &Value, period: Period, options: &[Value]) -> Option<Bucket> {
    let option = |key: &str| options.iter().find(|o| o.key == key);
    let n = cx.rank(kind, 1);
    let oldest = option("oldest").map_or(Some(false), |v| cx.boolean(v));
    let of = option("of").map_or(Some(Anchor::Now), |v| cx.choice(v, &ANCHOR));
    let within = match (option("within"), option("of")) {
        (Some(v), _) => Some(cx.duration(v, false)?),
        (None, Some(v)) => {
            cx.fault(codes::FOREIGN_OPTION, &v.key_span, "`of` without `within`")
                .label("what would it anchor?")
                .help("write `within = \"30d\"` as well, or remove `of`");
            return None;
        }
        (None, None) => None,
    };
    let of = of?;
    Some(Bucket { period, n: n?, oldest: oldest?, within: within.map(|span| (span, of)) })
}

fn fixed_seconds(cx: &mut Context, value: &Value) -> Option<u64> {
    let span = cx.duration(value, false)?;
    let seconds = span.fixed_seconds();
    if seconds.is_none() {
        let rule = if span.months.is_multiple_of(12) { "yearly" } else { "monthly" };
        cx.fault(
            codes::CALENDAR_EVERY,
            &value.span,
            "`every` takes lengths that are always the same",
        )
        .label("months and years are not")
        .help(format!(
            "write `{rule} = N` for one of each calendar period, or count days: `every = \"30d\"`"
        ));
    }
    seconds
}

pub(super) fn steps(cx: &mut Context, value: &Value) -> Option<Vec<Step>> {
    if !value.toml.is_array() {
        cx.wrong_type(value, "a list such as [0, 1000]");
        return None;
    }
    Some(cx.each(value, |cx, item| cx.step(item))?.into_iter().map(|(step, _)| step).collect())
}
