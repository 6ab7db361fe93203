//! The common line, read without a tree of values.
//!
//! Nearly all lines of a large file are checkpoints as [`super::super::write()`] writes them. Those
//! are read here, straight from the text. Whatever is not exactly so, faulty lines above all, is
//! `None` and goes the long way, which knows every form and finds the words for every fault.

use super::fields;
use crate::core::model::{Checkpoint, Extra, Marks, MetricId, Metrics, Names, Step, Time};
use crate::inventory::VERSION;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// The session's name and the checkpoint.
pub struct Quick<'a> {
    pub session: Cow<'a, str>,
    pub checkpoint: Checkpoint,
}

/// Reads a line; `None` says nothing about it.
pub fn checkpoint<'a>(line: &'a [u8], names: &mut Names) -> Option<Quick<'a>> {
    // The whole line: what is skipped is not looked at below.
    let text = std::str::from_utf8(line).ok()?;
    let line: Line<'_> = serde_json::from_str(text).ok()?;
    if line.v.is_some_and(|v| v != VERSION) || line.session.0.is_empty() || line.id.0.is_empty() {
        return None;
    }
    let time = |text: Option<Text<'_>>| match text {
        None => Some(None),
        Some(text) => Time::parse(&text.0).map(Some),
    };
    let mut marks = Marks::default();
    for mark in line.marks.iter().flatten() {
        marks.set(Marks::parse(&mark.0)?);
    }
    let fingerprint = match line.fingerprint {
        None => None,
        Some(text) => Some(fields::fingerprint(&text.0).ok()?),
    };
    let boxes = |list: Option<Vec<Text<'_>>>| -> Vec<Box<str>> {
        list.into_iter().flatten().map(|t| t.0.into()).collect()
    };
    let extra = Extra {
        summary: line.summary.map(|t| t.0.into()),
        elapsed: line.elapsed.map(|n| n.0),
        tags: boxes(line.tags),
        needs: boxes(line.needs),
        paths: boxes(line.paths),
        apparent: line.apparent.unwrap_or(0),
        ..Extra::default()
    };
    let (saved_at, last_write) = (time(line.saved_at)?, time(line.last_write)?);
    // Nothing can be wrong from here on: a line that goes the long way must not leave names behind.
    let metrics = metrics(line.metrics, names)?;
    let mut extra = (!fields::is_empty(&extra)).then(|| Box::new(extra));
    if let Some(sources) = line.sources {
        let mut sources: Vec<(MetricId, Box<str>)> =
            sources.0.into_iter().map(|(k, v)| (names.intern(&k.0), v.0.into())).collect();
        sources.sort_by_key(|s| s.0);
        sources.dedup_by_key(|s| s.0);
        if !sources.is_empty() {
            extra.get_or_insert_default().sources = sources;
        }
    }
    let checkpoint = Checkpoint {
        id: (&*line.id.0).into(),
        step: line.step,
        epoch: line.epoch,
        saved_at,
        last_write,
        bytes: line.bytes.unwrap_or(0),
        files: line.files.unwrap_or(0),
        metrics,
        marks,
        complete: line.complete.unwrap_or(true),
        fingerprint,
        extra,
    };
    Some(Quick { session: line.session.0, checkpoint })
}

/// `None` if one stands there twice.
fn metrics(list: Option<Pairs<'_, Finite>>, names: &mut Names) -> Option<Metrics> {
    let list = list.map_or_else(Vec::new, |pairs| pairs.0);
    let twice = |i: usize| list[..i].iter().any(|m| m.0.0 == list[i].0.0);
    if (1..list.len()).any(twice) {
        return None;
    }
    Some(list.iter().map(|(name, value)| (names.intern(&name.0), value.0)).collect())
}

/// A member that is not named here sends the line the long way.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    v: Option<u64>,
    #[serde(borrow)]
    session: Text<'a>,
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(default, deserialize_with = "step")]
    step: Option<Step>,
    #[serde(default, deserialize_with = "step")]
    epoch: Option<Step>,
    #[serde(borrow)]
    saved_at: Option<Text<'a>>,
    #[serde(borrow)]
    last_write: Option<Text<'a>>,
    elapsed: Option<Finite>,
    bytes: Option<u64>,
    apparent: Option<u64>,
    files: Option<u32>,
    #[serde(borrow)]
    metrics: Option<Pairs<'a, Finite>>,
    #[serde(borrow)]
    sources: Option<Pairs<'a, Text<'a>>>,
    #[serde(borrow)]
    summary: Option<Text<'a>>,
    #[serde(borrow)]
    marks: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    tags: Option<Vec<Text<'a>>>,
    complete: Option<bool>,
    #[serde(borrow)]
    needs: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    paths: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    fingerprint: Option<Text<'a>>,
}

/// A text that is borrowed unless it has escapes.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A number as JSON has it; NaN and the infinities, which are texts, go the long way.
struct Finite(f64);

impl<'de> Deserialize<'de> for Finite {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Finite, D::Error> {
        f64::deserialize(deserializer).map(Finite)
    }
}

fn step<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Step>, D::Error> {
    struct StepVisitor;
    impl Visitor<'_> for StepVisitor {
        type Value = Option<Step>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a step")
        }
        fn visit_u64<E: de::Error>(self, n: u64) -> Result<Option<Step>, E> {
            Ok(Some(Step::Whole(n)))
        }
        fn visit_f64<E: de::Error>(self, x: f64) -> Result<Option<Step>, E> {
            Step::from_f64(x).map(Some).ok_or_else(|| E::custom("not a step"))
        }
        fn visit_unit<E: de::Error>(self) -> Result<Option<Step>, E> {
            Ok(None)
        }
    }
    deserializer.deserialize_any(StepVisitor)
}

/// The members of an object, in order.
struct Pairs<'a, V>(Vec<(Text<'a>, V)>);

impl<'de: 'a, 'a, V: Deserialize<'de>> Deserialize<'de> for Pairs<'a, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pairs<'a, V>, D::Error> {
        struct PairsVisitor<'a, V>(std::marker::PhantomData<(&'a str, V)>);
        impl<'de: 'a, 'a, V: Deserialize<'de>> Visitor<'de> for PairsVisitor<'a, V> {
            type Value = Pairs<'a, V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Pairs<'a, V>, M::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(PairsVisitor(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<String> {
        let mut names = Names::default();
        let quick = checkpoint(line.as_bytes(), &mut names)?;
        Some(format!("{} {:?}", quick.session, quick.checkpoint.step))
    }

    #[test]
    fn what_retain_writes_goes_the_quick_way() {
        let line = r#"{"v":1,"session":"o/d/1","id":"checkpoint-10","step":10,"epoch":null,"saved_at":"2026-01-31T10:00:00Z","last_write":"2026-01-31T10:00:00.5Z","elapsed":null,"bytes":5,"apparent":4,"files":7,"metrics":{"eval_loss":0.25},"sources":{"eval_loss":"trainer_state.json"},"summary":null,"marks":["pinned"],"tags":[],"complete":true,"needs":[],"paths":["o/d/1/checkpoint-10"],"fingerprint":"00112233445566778899aabbccddeeff"}"#;
        assert_eq!(read(line).as_deref(), Some("o/d/1 Some(Whole(10))"));
        // What is faulty, or in a form of its own, goes the long way.
        for (form, other) in [
            ("\"v\":1", "\"v\":2"),
            ("\"step\":10", "\"step\":-10"),
            ("2026-01-31T10:00:00Z", "2026-02-31T10:00:00Z"),
            ("0.25}", "0.25,\"eval_loss\":1}"),
            ("0.25}", "\"NaN\"}"),
            ("\"pinned\"", "\"golden\""),
            ("00112233", "0011223x"),
            ("\"files\":7", "\"files\":4294967296"),
            ("\"summary\"", "\"surprise\""),
            ("\"o/d/1\"", "\"\""),
            ("\"id\"", "\"session\":\"x\",\"id\""),
        ] {
            assert_eq!(read(&line.replacen(form, other, 1)), None, "{other}");
        }
    }
}
