//! Metric files that any program may write: records of named values, joined with checkpoints.
//!
//! A record belongs to the checkpoint that has the same id, step or epoch. Programs count
//! differently, so a join has an offset. A resumed run logs a step again; the later record counts.

use super::Claim;
use super::metric::Source;
use crate::core::declared::{Fact, Format};
use crate::core::model::Step;
use crate::format::csv::{Reader, number};
use crate::format::json::{self, Value};
use crate::layout::folder::{cannot_read, read_json};
use crate::store::Dir;
use std::collections::HashMap;

/// Which checkpoint a record belongs to, and what of it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    pub fact: Fact,
    /// Where the fact stands in a record.
    pub column: String,
    /// What is added to the record's number to get the checkpoint's.
    pub offset: i64,
    /// The metrics to take; all numbers if it is empty.
    pub keys: Vec<String>,
}

/// Columns that tell time and place, not quality.
const NO_METRICS: [&str; 8] =
    ["step", "epoch", "id", "checkpoint", "time", "timestamp", "wall_time", "elapsed"];

type Fields = Vec<(String, Value)>;

/// Offers every claim the values of its records. `joins`: the first one whose column a record has
/// is the one it goes by.
///
/// # Errors
/// The file cannot be read, or is damaged; text for a person.
pub fn offer(
    claims: &mut [Claim],
    dir: &dyn Dir,
    name: &[u8],
    format: Format,
    joins: &[Join],
    source: &Source,
) -> Result<(), String> {
    let places: HashMap<Fact, HashMap<String, usize>> = joins
        .iter()
        .map(|join| {
            let facts = claims.iter().enumerate().filter(|(_, c)| c.summary.is_none());
            let at = facts.filter_map(|(i, c)| Some((fact(c, join.fact)?, i)));
            (join.fact, at.collect())
        })
        .collect();
    let mut found: Vec<HashMap<String, f64>> = vec![HashMap::new(); claims.len()];
    for_each(dir, name, format, |fields| {
        let column = |name: &str| fields.iter().find(|f| f.0 == name).map(|f| &f.1);
        let Some((join, value)) = joins.iter().find_map(|j| Some((j, column(&j.column)?))) else {
            return;
        };
        let place = key(value, join).and_then(|key| places.get(&join.fact)?.get(&key));
        let Some(values) = place.and_then(|i| found.get_mut(*i)) else { return };
        for (name, value) in &fields {
            let wanted = if join.keys.is_empty() {
                *name != join.column && !NO_METRICS.contains(&&**name)
            } else {
                join.keys.contains(name)
            };
            match value {
                Value::Whole(_) | Value::Float(_) | Value::Null if wanted => {
                    values.insert(name.clone(), value.as_f64().unwrap_or(f64::NAN));
                }
                _ => {}
            }
        }
    })?;
    for (claim, values) in claims.iter_mut().zip(found) {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, value) in values {
            claim.metrics.offer(&name, value, source.clone());
        }
    }
    Ok(())
}

/// What of a claim is compared, as text.
fn fact(claim: &Claim, fact: Fact) -> Option<String> {
    match fact {
        Fact::Id => Some(claim.id.clone()),
        Fact::Step => claim.step.map(|s| s.to_string()),
        Fact::Epoch => claim.epoch.map(|s| s.to_string()),
    }
}

/// What of a record is compared, as text.
fn key(value: &Value, join: &Join) -> Option<String> {
    if join.fact == Fact::Id {
        return match value {
            Value::Text(text) => Some(text.rsplit('/').next().unwrap_or(text).to_owned()),
            Value::Whole(n) => Some(n.to_string()),
            _ => None,
        };
    }
    match value {
        Value::Whole(n) => n.checked_add_signed(join.offset).map(|n| n.to_string()),
        #[expect(clippy::cast_precision_loss, reason = "offsets are small")]
        Value::Float(x) => Step::from_f64(x + join.offset as f64).map(|s| s.to_string()),
        _ => None,
    }
}

/// Calls `f` with the fields of each record.
///
/// # Errors
/// The file cannot be read, or is damaged; text for a person.
pub fn for_each(
    dir: &dyn Dir,
    name: &[u8],
    format: Format,
    mut f: impl FnMut(Fields),
) -> Result<(), String> {
    let shown = crate::core::name::encode(name).into_owned();
    match format {
        Format::Csv => {
            let file = dir.file(name).map_err(|e| cannot_read(&shown, &e))?;
            let damaged = |e| format!("{shown}: {e}");
            let mut reader = Reader::new(&*file).map_err(damaged)?;
            let header = reader.header().to_vec();
            while let Some(row) = reader.next_row().map_err(damaged)? {
                let value = |(i, name): (usize, &String)| Some((name.clone(), cell(row.field(i)?)));
                f(header.iter().enumerate().filter_map(value).collect());
            }
            Ok(())
        }
        Format::Jsonl => {
            let file = dir.file(name).map_err(|e| cannot_read(&shown, &e))?;
            let each = |_, value| {
                if let Value::Object(fields) = value {
                    f(fields);
                }
            };
            json::for_each_line(&*file, each).map_err(|e| format!("{shown}: {e}"))
        }
        Format::Json => {
            match read_json(dir, name)? {
                Value::List(items) => {
                    for item in items {
                        if let Value::Object(fields) = item {
                            f(fields);
                        }
                    }
                }
                Value::Object(members) => {
                    for (id, value) in members {
                        if let Value::Object(mut fields) = value {
                            fields.insert(0, ("checkpoint".to_owned(), Value::Text(id)));
                            f(fields);
                        }
                    }
                }
                _ => {}
            }
            Ok(())
        }
    }
}

/// A field of a table: text stays text only where it can name a checkpoint.
fn cell(field: &str) -> Value {
    match field.parse() {
        Ok(whole) => Value::Whole(whole),
        Err(_) if number(field).is_nan() && !field.eq_ignore_ascii_case("nan") => {
            Value::Text(field.to_owned())
        }
        Err(_) => Value::Float(number(field)),
    }
}
