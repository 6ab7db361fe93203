//! What is in a `trainer_state.json`, read in one pass and without copying it.
//!
//! Each state holds the history of its whole run: thousands of entries, of which one or two are a
//! checkpoint's own.

use crate::format::json::{self, Digits, Failed, JsonError, Number, Reader, Scalar, Shape, Text};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// One state. An error is what is to be told a person; that of the first field comes first.
#[derive(Debug)]
pub struct State<'b> {
    pub step: Result<u64, &'static str>,
    pub best: Result<Option<String>, &'static str>,
    pub history: Result<History<'b>, &'static str>,
    pub epoch: Option<f64>,
}

/// The last value of each metric at each step, in the order they were logged; by steps.
#[derive(Debug, Default)]
pub struct History<'b>(Vec<Logged<'b>>);

/// A value that was logged.
#[derive(Debug)]
pub struct Logged<'b> {
    step: u64,
    key: Text<'b>,
    /// None where it is no number.
    digits: Option<Digits<'b>>,
}

impl Logged<'_> {
    pub fn key(&self) -> &str {
        self.key.as_str()
    }

    /// NaN if it is not a number.
    pub fn value(&self) -> f64 {
        self.digits.map_or(f64::NAN, |digits| digits.number().as_f64())
    }
}

impl<'b> History<'b> {
    fn new(mut all: Vec<Logged<'b>>) -> History<'b> {
        if all.len() < 2 {
            return History(all);
        }
        all.sort_by_key(|logged| logged.step);
        let mut kept: Vec<Logged<'b>> = Vec::with_capacity(all.len());
        let mut of_step: HashMap<Text<'b>, usize> = HashMap::new();
        for logged in all {
            if kept.last().is_some_and(|last| last.step != logged.step) {
                of_step.clear();
            }
            match of_step.entry(logged.key.clone()) {
                // A resumed run logs a step again; the later entry is what the weights went on from.
                Entry::Occupied(known) => kept[*known.get()].digits = logged.digits,
                Entry::Vacant(new) => {
                    new.insert(kept.len());
                    kept.push(logged);
                }
            }
        }
        History(kept)
    }

    pub fn at(&self, step: u64) -> &[Logged<'b>] {
        let start = self.0.partition_point(|logged| logged.step < step);
        let end = self.0.partition_point(|logged| logged.step <= step);
        &self.0[start..end]
    }
}

/// Reads a state with what was logged at its own step.
///
/// # Errors
/// It is not JSON.
pub fn read_own(bytes: &[u8]) -> Result<State<'_>, JsonError> {
    let (state, read_of) = read(bytes, false)?;
    // The Trainer writes the step first, and once.
    if read_of.is_some() && read_of != state.step.ok() { read_whole(bytes) } else { Ok(state) }
}

/// Reads a state with the history of its whole run.
///
/// # Errors
/// It is not JSON.
pub fn read_whole(bytes: &[u8]) -> Result<State<'_>, JsonError> {
    read(bytes, true).map(|(state, _)| state)
}

/// Of equal keys the last counts. With it: the only step whose history was read, if not all was.
fn read(bytes: &[u8], whole: bool) -> Result<(State<'_>, Option<u64>), JsonError> {
    json::read(bytes, |reader| {
        let mut state = State {
            step: Err("global_step is missing"),
            best: Ok(None),
            history: Ok(History::default()),
            epoch: None,
        };
        let mut read_of = None;
        let is_object = reader.object(|reader, key| {
            match key.as_bytes() {
                b"global_step" => {
                    let step = number(reader)?.and_then(Number::as_u64);
                    state.step = step.ok_or("global_step is missing");
                }
                b"epoch" => state.epoch = number(reader)?.map(Number::as_f64),
                b"best_model_checkpoint" => {
                    state.best = match reader.scalar()? {
                        Some(Scalar::Null) => Ok(None),
                        Some(Scalar::Text(best)) => Ok(Some(best.into_string())),
                        _ => Err("best_model_checkpoint in trainer_state.json is no path"),
                    };
                }
                b"log_history" => {
                    read_of = state.step.ok().filter(|_| !whole);
                    state.history = history(reader, read_of)?;
                }
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        if !is_object {
            state.step = Err("not an object");
        }
        Ok((state, read_of))
    })
}

fn number(reader: &mut Reader<'_>) -> Result<Option<Number>, Failed> {
    Ok(match reader.scalar()? {
        Some(Scalar::Number(digits)) => Some(digits.number()),
        _ => None,
    })
}

/// What is logged at one step, or at all.
fn history<'b>(
    reader: &mut Reader<'b>,
    wanted: Option<u64>,
) -> Result<Result<History<'b>, &'static str>, Failed> {
    if reader.shape() == Some(Shape::Null) {
        return reader.skip().map(|()| Ok(History::default()));
    }
    let (mut all, mut of_objects) = (Vec::new(), true);
    let is_list = reader.list(|reader| {
        let start = all.len();
        let mut at = None;
        of_objects &= reader.object(|reader, key| {
            if key.as_bytes() == b"step" {
                at = number(reader)?.and_then(Number::as_u64);
                return Ok(());
            }
            if key.as_bytes() != b"loss" && !key.as_bytes().starts_with(b"eval_") {
                return reader.skip();
            }
            let digits = match reader.scalar()? {
                Some(Scalar::Number(digits)) => Some(digits),
                Some(Scalar::Null | Scalar::Text(_)) => None,
                Some(Scalar::Bool(_)) | None => return Ok(()),
            };
            all.push(Logged { step: 0, key, digits });
            Ok(())
        })?;
        match at.filter(|step| wanted.is_none_or(|w| w == *step)) {
            Some(step) => all[start..].iter_mut().for_each(|logged| logged.step = step),
            None => all.truncate(start),
        }
        Ok(())
    })?;
    let whole = is_list && of_objects;
    Ok(if whole { Ok(History::new(all)) } else { Err("log_history is no list of objects") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(json: &str) -> String {
        let state = read_own(json.as_bytes()).unwrap();
        let (step, history) = match (state.step, state.history) {
            (Ok(step), Ok(history)) => (step, history),
            (Err(what), _) | (_, Err(what)) => return what.to_owned(),
        };
        let own: Vec<_> =
            history.at(step).iter().map(|l| format!("{}={}", l.key(), l.value())).collect();
        let best = state.best.map(Option::unwrap_or_default);
        format!("{step} {:?} {} {}", state.epoch, best.unwrap_or_else(Into::into), own.join(" "))
    }

    #[test]
    fn what_a_state_says() {
        let table = [
            (r#"{"global_step": 5}"#, "5 None  "),
            (
                r#"{"global_step": 5.0, "epoch": 1, "best_model_checkpoint": "a\"b"}"#,
                "5 Some(1.0) a\"b ",
            ),
            (r#"{"best_model_checkpoint": null, "global_step": 5}"#, "5 None  "),
            (
                r#"{"best_model_checkpoint": [], "global_step": 5}"#,
                "5 None best_model_checkpoint in trainer_state.json is no path ",
            ),
            (r#"{"global_step": -5}"#, "global_step is missing"),
            (r#"{"global_step": 5, "global_step": null}"#, "global_step is missing"),
            (r#"{"global_step": [5]}"#, "global_step is missing"),
            ("{}", "global_step is missing"),
            ("[]", "not an object"),
            ("5", "not an object"),
            (r#"{"global_step": 5, "log_history": null}"#, "5 None  "),
            (r#"{"global_step": 5, "log_history": {}}"#, "log_history is no list of objects"),
            (
                r#"{"global_step": 5, "log_history": [{"step": 1}, 1]}"#,
                "log_history is no list of objects",
            ),
            (r#"{"global_step": 5, "log_history": 1, "log_history": []}"#, "5 None  "),
        ];
        for (json, want) in table {
            assert_eq!(shown(json), want, "{json}");
        }
    }

    #[test]
    fn the_last_value_of_the_own_step_counts_wherever_the_step_stands() {
        let history = r#""log_history": [
            {"step": 4, "loss": 9},
            {"loss": 1, "eval_a": 2, "step": 5, "eval_b": "x", "eval_c": true, "eval_d": [1]},
            {"step": 6, "loss": 8},
            {"step": 5.0, "eval_b": 3, "eval_b": null, "eval_a": NaN, "train_loss": 7},
            {"step": 5, "step": 6, "loss": 8},
            {"loss": 8}]"#;
        let want = "5 None  loss=1 eval_a=NaN eval_b=NaN";
        assert_eq!(shown(&format!(r#"{{"global_step": 5, {history}}}"#)), want);
        assert_eq!(shown(&format!(r#"{{{history}, "global_step": 5}}"#)), want);
        assert_eq!(shown(&format!(r#"{{"global_step": 6, {history}, "global_step": 5}}"#)), want);
        let json = format!(r#"{{"global_step": 5, {history}}}"#);
        let whole = read_whole(json.as_bytes()).unwrap().history.unwrap();
        let at = |step| {
            whole.at(step).iter().map(|l| format!("{}={}", l.key(), l.value())).collect::<Vec<_>>()
        };
        assert_eq!((at(4), at(6), at(7)), (vec!["loss=9".into()], vec!["loss=8".into()], vec![]));
    }
}
