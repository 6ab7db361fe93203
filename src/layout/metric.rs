//! Metrics of one checkpoint from several sources, and what happens when they disagree.
//!
//! The same value often stands in a file's name, rounded by a template, and in a log, exactly. The
//! exact one is used if the name can be its rounding. If it cannot, nobody knows which one is
//! right: that is a conflict, and the checkpoint is kept (I7).

use crate::format::json::Value;

/// Where a value was read.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// The checkpoint's own name; `half_unit` is half of its last digit's worth.
    Name { half_unit: f64 },
    /// A file, as a path relative to the session.
    File(String),
}

impl Source {
    /// As inventories have it: `name`, or the file.
    pub fn label(&self) -> &str {
        match self {
            Source::Name { .. } => "name",
            Source::File(path) => path,
        }
    }

    fn phrase(&self) -> &str {
        match self {
            Source::Name { .. } => "its name",
            Source::File(path) => path,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    pub name: String,
    /// NaN if it is not a number.
    pub value: f64,
    pub source: Source,
}

/// The metrics of one checkpoint.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    readings: Vec<Reading>,
    /// Sentences about sources that disagree.
    pub conflicts: Vec<String>,
    /// There were more than [`MAX_READINGS`].
    cut: bool,
}

/// No training logs more of one checkpoint. Each is looked for among all, so that a file made of
/// metrics would take hours; a checkpoint with more is kept, and says why.
const MAX_READINGS: usize = 1_000;

/// Logs hold single-precision values as doubles; their relative error is below this.
const SINGLE_PRECISION: f64 = 1.0e-7;

impl Metrics {
    /// Adds a value, or compares it with the one another source gave.
    pub fn offer(&mut self, name: &str, value: f64, source: Source) {
        if self.cut {
            return;
        }
        let Some(known) = self.readings.iter_mut().find(|r| r.name == name) else {
            if self.readings.len() == MAX_READINGS {
                self.cut = true;
                let phrase = source.phrase();
                self.conflicts.push(format!("more than {MAX_READINGS} metrics, in {phrase}"));
                return;
            }
            self.readings.push(Reading { name: name.to_owned(), value, source });
            return;
        };
        let half_unit = |s: &Source| match s {
            Source::Name { half_unit } => *half_unit,
            Source::File(_) => 0.0,
        };
        if !agree(known.value, value, half_unit(&known.source) + half_unit(&source)) {
            self.conflicts.push(format!(
                "{name} is {} in {} and {} in {}",
                number(known.value),
                known.source.phrase(),
                number(value),
                source.phrase(),
            ));
        }
        if matches!(known.source, Source::Name { .. }) {
            known.value = value;
            known.source = source;
        }
    }

    /// As [`Metrics::offer`] with [`Source::File`], without a copy of the path if nothing new is told.
    pub fn offer_from_file(&mut self, name: &str, value: f64, path: &str) {
        let is_told = |r: &Reading| {
            r.name == name && matches!(r.source, Source::File(_)) && agree(r.value, value, 0.0)
        };
        if !self.cut && !self.readings.iter().any(is_told) {
            self.offer(name, value, Source::File(path.to_owned()));
        }
    }

    /// Offers the numbers among the members of a JSON object; a `null` is a value that is missing.
    pub fn offer_members(&mut self, members: &[(String, Value)], source: &Source) {
        for (name, value) in members {
            match value {
                Value::Whole(_) | Value::Float(_) | Value::Null => {
                    self.offer(name, value.as_f64().unwrap_or(f64::NAN), source.clone());
                }
                _ => {}
            }
        }
    }

    pub fn readings(&self) -> &[Reading] {
        &self.readings
    }

    /// Whether a file has told this value; a name tells it rounded.
    pub fn is_in_file(&self, name: &str) -> bool {
        self.readings.iter().any(|r| r.name == name && matches!(r.source, Source::File(_)))
    }

    pub fn get(&self, name: &str) -> Option<f64> {
        self.readings.iter().find(|r| r.name == name).map(|r| r.value)
    }
}

fn agree(a: f64, b: f64, rounding: f64) -> bool {
    if !a.is_finite() || !b.is_finite() {
        return a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
    }
    // A rounding that ends exactly on the half may go either way.
    let slack = rounding * (1.0 + 1.0e-9) + SINGLE_PRECISION * a.abs().max(b.abs());
    (a - b).abs() <= slack
}

fn number(value: f64) -> String {
    if value.is_nan() { "not a number".to_owned() } else { value.to_string() }
}

/// Reads a number as names write it, with half of its last digit's worth; `None` if it is none.
///
/// `2.80` is (2.8, 0.005), `5e-05` is (5e-5, 5e-6), `nan` is NaN.
pub fn rounded(text: &str) -> Option<(f64, f64)> {
    let (negative, body) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let sign = if negative { -1.0 } else { 1.0 };
    match body {
        "nan" => return Some((f64::NAN, 0.0)),
        "inf" => return Some((sign * f64::INFINITY, 0.0)),
        _ => {}
    }
    let (mantissa, exponent) = match body.split_once('e') {
        Some((m, e)) => (m, e.parse::<i32>().ok().filter(|e| e.abs() < 400)?),
        None => (body, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let decimals = i32::try_from(fraction.len()).ok()?;
    let value: f64 = body.parse().ok()?;
    Some((sign * value, 0.5 * 10_f64.powi(exponent - decimals)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Source {
        Source::File("metrics.csv".to_owned())
    }

    fn name(text: &str) -> (f64, Source) {
        let (value, half_unit) = rounded(text).unwrap();
        (value, Source::Name { half_unit })
    }

    #[test]
    fn more_metrics_than_any_training_has_are_a_conflict() {
        let mut metrics = Metrics::default();
        for n in 0..MAX_READINGS {
            metrics.offer(&format!("eval_{n}"), 1.0, file());
        }
        assert_eq!((metrics.readings().len(), metrics.conflicts.len()), (MAX_READINGS, 0));
        for n in 0..100_000 {
            metrics.offer_from_file(&format!("test_{n}"), 1.0, "metrics.csv");
            metrics.offer(&format!("more_{n}"), 1.0, file());
        }
        assert_eq!(metrics.readings().len(), MAX_READINGS);
        assert_eq!(metrics.conflicts, ["more than 1000 metrics, in metrics.csv"]);
    }

    #[test]
    fn the_exact_value_wins_if_the_name_can_be_its_rounding() {
        let table = [
            ("2.80", 2.799_999_952_316_284, true),
            ("2.80", 2.804_9, true),
            ("2.80", 2.805, true),
            ("2.80", 2.795, true),
            ("2.80", 2.805_1, false),
            ("2.80", 3.1, false),
            ("3", 3.4, true),
            ("3", 3.6, false),
            ("-0.5", -0.54, true),
            ("5e-05", 0.000_051, true),
            ("5e-05", 0.000_056, false),
            ("nan", f64::NAN, true),
            ("nan", 1.0, false),
            ("1.0", f64::NAN, false),
            ("inf", f64::INFINITY, true),
            ("-inf", f64::INFINITY, false),
        ];
        for (text, exact, agree) in table {
            let mut metrics = Metrics::default();
            let (value, source) = name(text);
            metrics.offer("loss", value, source.clone());
            metrics.offer("loss", exact, file());
            assert_eq!(metrics.conflicts.is_empty(), agree, "{text} {exact}");
            assert_eq!(metrics.get("loss").unwrap().to_bits(), exact.to_bits());
        }
    }

    #[test]
    fn a_conflict_says_both_sides() {
        let mut metrics = Metrics::default();
        let (value, source) = name("2.80");
        metrics.offer("loss", value, source);
        metrics.offer("loss", 3.1, file());
        assert_eq!(metrics.conflicts, ["loss is 2.8 in its name and 3.1 in metrics.csv"]);
    }

    #[test]
    fn what_is_no_number() {
        for text in ["", "-", ".5", "1.2.3", "1e", "1e999", "+1", "0x10", "1_000", "nan1"] {
            assert_eq!(rounded(text), None, "{text}");
        }
        assert_eq!(rounded("1."), Some((1.0, 0.5)));
    }
}
