//! `[[layout]]` tables, of a policy or of `retain.toml`: read alike, with the same faults.

use super::codes;
use super::diagnostic::Diagnostic;
use super::load::named;
use super::matching::LAYOUTS;
use super::reader::{Context, Table, Value};
use super::syntax;
use crate::core::declared::{
    Definition, Fact, Format, ID, Join, METRIC, MetricFile, MetricPlace, UnitKind, compile, is_name,
};
use regex::Regex;
use toml::de::DeValue;

const UNITS: [(&str, UnitKind); 3] =
    [("file", UnitKind::File), ("group", UnitKind::Group), ("directory", UnitKind::Directory)];
const FORMATS: [(&str, Format); 3] =
    [("csv", Format::Csv), ("json", Format::Json), ("jsonl", Format::Jsonl)];
const FACTS: [(&str, Fact); 3] = [("id", Fact::Id), ("step", Fact::Step), ("epoch", Fact::Epoch)];

/// Reads the `[[layout]]` tables of a text, whatever else stands in it: those of `retain.toml`, or
/// of a policy whose other faults do not matter for what is recognised.
///
/// The definitions are usable only if no diagnostic is an error.
pub fn layouts(text: &str) -> (Vec<Definition>, Vec<Diagnostic>) {
    let mut cx = Context::new(text);
    let document = syntax::parse(&mut cx);
    let mut top = Table::new("PolicyFile", document.get_ref(), 0..0, String::new());
    let all = read(&mut cx, &mut top);
    (all, cx.diagnostics)
}

/// The `[[layout]]` tables of a policy file.
pub(super) fn read(cx: &mut Context, top: &mut Table) -> Vec<Definition> {
    named(cx, top, "layout", "Layout", "layout", layout)
}

/// What the tables call their layouts, faulty or not: what a `match` may name.
pub(super) fn names(top: &Table) -> Vec<Box<str>> {
    let layouts = top.entries().find(|(key, _)| *key == "layout");
    let tables = layouts.and_then(|(_, value)| value.get_ref().as_array());
    let name = |table: &toml::Spanned<DeValue>| {
        table.get_ref().as_table()?.get("name")?.get_ref().as_str().map(Into::into)
    };
    tables.into_iter().flatten().filter_map(name).collect()
}

/// A layout whose name is already known; `None` if it is faulty.
fn layout(cx: &mut Context, table: &mut Table, name: Box<str>) -> Option<Definition> {
    let before = cx.diagnostics.len();
    check_name(cx, table, &name);
    let regex = regex(cx, table);
    let unit = table.get(cx, "unit").and_then(|v| cx.choice(&v, &UNITS)).unwrap_or_default();
    if let Some((value, regex)) = &regex {
        check_groups(cx, value, regex, unit);
    }
    let complete = table.get(cx, "complete").and_then(|v| marker(cx, &v, unit));
    let pointer = table.get(cx, "pointer").and_then(|v| {
        let name = cx.string(&v)?;
        file_name(cx, &v, &name).then(|| name.into())
    });
    let found = regex.as_ref().map(|(_, regex)| regex);
    let metrics = table.get(cx, "metrics").and_then(|v| metrics(cx, &v, unit, found));
    cx.finish(table);
    if cx.diagnostics[before..].iter().any(Diagnostic::is_error) {
        return None;
    }
    let regex = regex?.0.toml.as_str()?.to_owned();
    Some(Definition { name: name.into(), regex, unit, complete, pointer, metrics })
}

fn check_name(cx: &mut Context, table: &mut Table, name: &str) {
    let Some(value) = table.get(cx, "name") else {
        let help = "write `name = \"mine\"`: what `layout = [\"mine\"]` in a policy matches";
        return cx.lacks(&table.span, "name", "a layout without a name", help);
    };
    if LAYOUTS.contains(&name) {
        cx.fault(
            codes::LAYOUT_NAME,
            &value.span,
            format!("there is a built-in layout called `{name}`"),
        )
        .label("this name is taken")
        .help("choose another name");
    }
}

fn regex<'d>(cx: &mut Context, table: &mut Table<'d>) -> Option<(Value<'d>, Regex)> {
    let Some(value) = table.get(cx, "regex") else {
        let help = "write what matches the whole name of an entry, such as `regex = 'net-(?<step>\\d+)\\.pt'`";
        cx.lacks(&table.span, "regex", "a layout without a regular expression", help);
        return None;
    };
    let text = cx.string(&value)?;
    match compile(&text) {
        Ok(regex) => Some((value, regex)),
        Err(error) => {
            // What regex prints spans lines and repeats the expression; the last one is the reason.
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default();
            let reason = reason.strip_prefix("error: ").unwrap_or(reason).to_owned();
            let key = value.key;
            cx.fault(codes::REGEX, &value.span, format!("`{key}` is not a regular expression"))
                .label(reason)
                .help("write it in single quotes, so that TOML leaves `\\` alone");
            None
        }
    }
}

fn check_groups(cx: &mut Context, value: &Value, regex: &Regex, unit: UnitKind) {
    for group in regex.capture_names().flatten() {
        let is_metric = group.strip_prefix(METRIC).is_some_and(|m| !m.is_empty());
        if !is_metric && !matches!(group, "id" | "step" | "epoch") {
            cx.fault(codes::LAYOUT_GROUP, &value.span, format!("no group is called `{group}`"))
                .label("unknown group")
                .help("there are `id`, `step`, `epoch` and `metric_NAME`; write `(?:..)` for a group without a meaning");
        }
    }
    if unit == UnitKind::Group && !has_group(regex, "id") {
        let message = "`unit = \"group\"` needs a group `(?<id>..)`";
        cx.fault(codes::LAYOUT_GROUP, &value.span, message)
            .label("nothing tells which files belong together")
            .help("put `(?<id>..)` around what the files of one checkpoint share");
    }
}

fn has_group(regex: &Regex, group: &str) -> bool {
    regex.capture_names().flatten().any(|g| g == group)
}

/// Whether a text is a name in a directory; a fault if not.
fn file_name(cx: &mut Context, value: &Value, name: &str) -> bool {
    if is_name(name) {
        return true;
    }
    cx.fault(codes::LAYOUT_FILE, &value.span, format!("`{name}` is no name of a file"))
        .label("not in one directory")
        .help("write one name, without `/`");
    false
}

fn marker(cx: &mut Context, value: &Value, unit: UnitKind) -> Option<String> {
    let name = cx.string(value)?;
    if !file_name(cx, value, &name) {
        return None;
    }
    if unit != UnitKind::Directory && !name.contains(ID) {
        let message = "one marker cannot stand for several checkpoints";
        cx.fault(codes::LAYOUT_FILE, &value.span, message)
            .label("the same for all of them")
            .help(format!("put `{ID}` where the checkpoint's id stands: \"{ID}.done\""));
        return None;
    }
    Some(name.into())
}

fn metrics(
    cx: &mut Context,
    value: &Value,
    unit: UnitKind,
    regex: Option<&Regex>,
) -> Option<MetricFile> {
    let mut table = cx.table("LayoutMetrics", value)?;
    let file = table.get(cx, "file");
    let format = table.get(cx, "format");
    let join = table.get(cx, "join");
    let column = table.get(cx, "column");
    let offset = table.get(cx, "offset");
    let keys = table.get(cx, "keys").and_then(|v| cx.strings(&v)).unwrap_or_default();
    cx.finish(&table);

    // Read before anything else can be missed: one fault hides no other.
    let column_read = column.as_ref().and_then(|v| cx.string(v));
    let offset_read = offset.as_ref().and_then(|v| whole(cx, v));
    let Some(file) = file else {
        let help = "write `file = \"NAME\"`, `\"../NAME\"` or, for directories, `\"{id}/NAME\"`";
        cx.lacks(&table.span, "file", "metrics without a file", help);
        return None;
    };
    let place = place(cx, &file, unit)?;
    let written = match &format {
        Some(v) => Some(cx.choice(v, &FORMATS)?),
        None => Format::of(place.name()),
    };
    let Some(format) = written else {
        cx.fault(
            codes::LAYOUT_METRICS,
            &file.span,
            format!("the format of `{place}` is not known"),
        )
        .label("its extension does not tell")
        .help("add `format = \"csv\"`, `\"json\"` or `\"jsonl\"`");
        return None;
    };
    let keys = keys.into_iter().map(String::from).collect();
    if matches!(place, MetricPlace::Inside(_)) {
        let useless = [&join, &column, &offset].into_iter().flatten().collect::<Vec<_>>();
        for v in useless {
            let message = format!("`{}` does not belong to a file in each checkpoint", v.key);
            cx.fault(codes::FOREIGN_OPTION, &v.key_span, message)
                .label("has no meaning here")
                .help("remove it: the file's place tells whose it is");
        }
        return Some(MetricFile { file: place, format, join: None, keys });
    }
    let Some(join) = join else {
        cx.lacks(
            &table.span,
            "join",
            "metrics that name no checkpoint",
            "write `join = \"step\"`, `\"epoch\"` or `\"id\"`: what a record and a checkpoint have in common",
        );
        return None;
    };
    let fact = cx.choice(&join, &FACTS)?;
    if fact != Fact::Id && regex.is_some_and(|r| !has_group(r, fact.as_str())) {
        let name = fact.as_str();
        cx.fault(codes::LAYOUT_METRICS, &join.span, format!("no checkpoint has `{name}`"))
            .label("the regex has no such group")
            .help(format!("put `(?<{name}>..)` around the number in `regex`"));
        return None;
    }
    let column = match column {
        Some(_) => column_read?.into(),
        None => fact.column().to_owned(),
    };
    let offset = match offset {
        Some(_) => offset_read?,
        None => 0,
    };
    Some(MetricFile { file: place, format, join: Some(Join { fact, column, offset }), keys })
}

fn place(cx: &mut Context, value: &Value, unit: UnitKind) -> Option<MetricPlace> {
    let text = cx.string(value)?;
    let place = MetricPlace::parse(&text)
        .filter(|p| unit == UnitKind::Directory || !matches!(p, MetricPlace::Inside(_)));
    if place.is_none() {
        cx.fault(codes::LAYOUT_FILE, &value.span, format!("`{text}` is no place of a metric file"))
            .label("not looked for there")
            .help("write `NAME`, `../NAME`, or, for directories, `{id}/NAME`");
    }
    place
}

/// A whole number of either sign.
fn whole(cx: &mut Context, value: &Value) -> Option<i64> {
    let number = match value.toml {
        DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix()).ok(),
        _ => None,
    };
    if number.is_none() {
        cx.wrong_type(value, "a whole number");
    }
    number
}
