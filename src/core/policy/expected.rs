//! The `keep` and `delete` lists of a `[[test]]`.

use super::codes;
use super::reader::{Context, Table, Value};
use super::suggest::nearest;
use crate::core::model::Inventory;

/// Which checkpoints the lists name; with one list, all others are in the other.
pub(super) fn survivors(
    cx: &mut Context,
    table: &Table,
    inventory: &Inventory,
    keep: Option<&Value>,
    delete: Option<&Value>,
    name: &str,
) -> Vec<Vec<Option<bool>>> {
    let rest = match (keep, delete) {
        (None, None) => {
            if let Some(d) = cx.missing(
                codes::TEST_EXPECTS,
                &table.span,
                format!("the test `{name}` expects nothing"),
            ) {
                d.label("neither `keep` nor `delete`")
                    .help("list the ids that survive: `keep = [\"3\"]`");
            }
            return Vec::new();
        }
        (Some(_), _) => Some(false),
        (None, Some(_)) => Some(true),
    };
    let mut survives: Vec<Vec<Option<bool>>> =
        inventory.sessions.iter().map(|s| vec![rest; s.checkpoints.len()]).collect();
    let kept = keep.map(|v| listed(cx, v, inventory)).unwrap_or_default();
    let deleted = delete.map(|v| listed(cx, v, inventory)).unwrap_or_default();
    for (spot, item) in &deleted {
        if let Some((_, first)) = kept.iter().find(|(k, _)| k == spot) {
            cx.fault(codes::TEST_EXPECTS, &item.span, "a checkpoint that is kept and deleted")
                .label("deleted here")
                .also(first.span.clone(), "kept here")
                .help("remove it from one of the lists");
        }
        survives[spot.0][spot.1] = Some(false);
    }
    for ((session, checkpoint), _) in &kept {
        survives[*session][*checkpoint] = Some(true);
    }
    survives
}

/// The checkpoints that a list names, as indices of the inventory.
fn listed<'d>(
    cx: &mut Context,
    value: &Value<'d>,
    inventory: &Inventory,
) -> Vec<((usize, usize), Value<'d>)> {
    let Some(items) = value.items() else {
        cx.wrong_type(value, "a list of ids");
        return Vec::new();
    };
    let mut found = Vec::new();
    for item in items {
        let Some(text) = item.toml.as_str() else {
            cx.wrong_type(&item, "ids in quotes");
            continue;
        };
        let spots = find(inventory, text);
        match spots.as_slice() {
            [spot] => found.push((*spot, item)),
            [] if cx.torn => {}
            [] => {
                let ids =
                    inventory.sessions.iter().flat_map(|s| &s.checkpoints).map(|c| c.id.as_ref());
                let help = match nearest(text, ids) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => "list ids of this test's `checkpoints`".to_owned(),
                };
                cx.fault(
                    codes::TEST_ID,
                    &item.span,
                    format!("no checkpoint of this test is called `{text}`"),
                )
                .label("unknown")
                .help(help);
            }
            [(session, _), ..] => {
                let example = &inventory.sessions[*session].name;
                cx.fault(
                    codes::TEST_ID,
                    &item.span,
                    format!("several sessions have a checkpoint `{text}`"),
                )
                .label("which one?")
                .help(format!("write \"{example}:{text}\""));
            }
        }
    }
    found
}

/// Every checkpoint called `ID` or `SESSION:ID`.
fn find(inventory: &Inventory, text: &str) -> Vec<(usize, usize)> {
    let mut spots = Vec::new();
    for (s, session) in inventory.sessions.iter().enumerate() {
        let qualified =
            text.strip_prefix(session.name.as_ref()).and_then(|rest| rest.strip_prefix(':'));
        for (c, checkpoint) in session.checkpoints.iter().enumerate() {
            if *checkpoint.id == *text || qualified == Some(&checkpoint.id) {
                spots.push((s, c));
            }
        }
    }
    spots
}
