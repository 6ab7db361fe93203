//! `marks.toml` as text. People read it and may edit it; strictly, so that a slip is noticed.

use super::{Mark, MarksError, MarksFile, Subject, Submission};
use crate::core::model::{Pin, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use toml::value::Datetime;

const VERSION: i64 = 1;
const HEADER: &str =
    "# Pins, tags and submissions of the checkpoints in this directory; see `retain pin --help`.\n";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    version: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    mark: Vec<WireMark>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireMark {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checkpoint: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    series: String,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    tags: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pin: Option<WirePin>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    submission: Vec<WireSubmission>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WirePin {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Datetime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSubmission {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<Datetime>,
}

/// Reads a marks file.
///
/// # Errors
/// Anything that is not exactly such a file, or one of a newer version.
pub fn parse(bytes: &[u8]) -> Result<MarksFile, MarksError> {
    let damaged = |text: &dyn ToString| MarksError::Damaged(text.to_string().trim().to_owned());
    let text = std::str::from_utf8(bytes).map_err(|e| damaged(&e))?;
    let table: toml::Table = toml::from_str(text).map_err(|e| damaged(&e.message()))?;
    if let Some(version) = table.get("version").and_then(toml::Value::as_integer)
        && version > VERSION
    {
        return Err(MarksError::Newer(version));
    }
    let wire: Wire = toml::from_str(text).map_err(|e| damaged(&e.message()))?;
    if wire.version != VERSION {
        return Err(damaged(&"its version is not 1"));
    }
    let mut file = MarksFile::default();
    for mark in wire.mark {
        let subject = Subject { series: mark.series, checkpoint: mark.checkpoint };
        let read = Mark {
            pin: match mark.pin {
                None => None,
                Some(pin) => {
                    let until = pin.until.map(|t| time(&t)).transpose()?;
                    Some(Pin { until, why: pin.why.map(Into::into) })
                }
            },
            tags: mark.tags,
            submissions: mark
                .submission
                .into_iter()
                .map(|s| Ok(Submission { score: s.score, at: s.at.map(|t| time(&t)).transpose()? }))
                .collect::<Result<_, MarksError>>()?,
        };
        if file.marks.contains_key(&subject) {
            let what = subject.checkpoint.as_deref().unwrap_or("the session");
            return Err(damaged(&format!("{what} is marked twice")));
        }
        file.marks.insert(subject, read);
    }
    Ok(file)
}

/// A marks file as text; what says nothing is left out.
pub fn render(file: &MarksFile) -> String {
    let mark = |(subject, mark): (&Subject, &Mark)| WireMark {
        checkpoint: subject.checkpoint.clone(),
        series: subject.series.clone(),
        tags: mark.tags.clone(),
        pin: mark.pin.as_ref().map(|pin| WirePin {
            until: pin.until.and_then(datetime),
            why: pin.why.as_ref().map(ToString::to_string),
        }),
        submission: mark
            .submissions
            .iter()
            .map(|s| WireSubmission { score: s.score, at: s.at.and_then(datetime) })
            .collect(),
    };
    let wire = Wire { version: VERSION, mark: file.iter().map(mark).collect() };
    let body = toml::to_string(&wire).expect("plain data is TOML");
    format!("{HEADER}{body}")
}

fn time(datetime: &Datetime) -> Result<Time, MarksError> {
    let text = datetime.to_string();
    Time::parse(&text).ok_or_else(|| {
        MarksError::Damaged(format!("`{text}` is not a time such as 2027-01-31T00:00:00Z"))
    })
}

/// Every [`Time`] is within the years that TOML can write.
fn datetime(time: Time) -> Option<Datetime> {
    time.to_string().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_format() {
        let mut file = MarksFile::default();
        let released = file.entry(Subject::new(Some("epoch=4.ckpt")));
        released.pin = Some(Pin {
            until: Time::parse("2027-02-01T00:00:00Z"),
            why: Some("the paper's \"table 2\"".into()),
        });
        released.tags = ["paper".to_owned(), "release".to_owned()].into();
        released.submissions =
            vec![Submission { score: Some(97.2), at: Time::parse("2026-01-31T10:00:00.5Z") }];
        file.entry(Subject::new(None)).pin = Some(Pin::default());
        file.entry(Subject::new(Some("nothing said")));
        insta::assert_snapshot!(render(&file));
        let read = parse(render(&file).as_bytes()).unwrap();
        assert_eq!(read.iter().collect::<Vec<_>>(), file.iter().collect::<Vec<_>>());
    }

    #[test]
    fn what_is_refused() {
        let table = [
            ("", "missing field `version`"),
            ("version = 2\n[[pin]]\n", "is of version 2"),
            ("version = 0\n", "its version is not 1"),
            ("version = 1\npins = 1\n", "unknown field `pins`"),
            ("version = 1\n[[mark]]\npin = true\n", "invalid type"),
            ("version = 1\n[[mark]]\npin = { untill = 2027-01-31T00:00:00Z }\n", "unknown field"),
            ("version = 1\n[[mark]]\npin = { until = 2027-01-31 }\n", "is not a time such as"),
            (
                "version = 1\n[[mark]]\ncheckpoint = \"3\"\n[[mark]]\ncheckpoint = \"3\"\n",
                "3 is marked twice",
            ),
            ("version = 1\n[[mark", ""),
        ];
        for (text, want) in table {
            let error = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(want), "{text:?}: {error}");
        }
        assert!(parse(b"version = 1\n\xff").is_err());
        assert_eq!(parse(b"version = 1\n").unwrap(), MarksFile::default());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            id in any::<Option<String>>(),
            series in any::<String>(),
            tags in proptest::collection::btree_set(any::<String>(), 0..3),
            why in any::<Option<String>>(),
            until in any::<Option<i64>>(),
            score in any::<Option<f64>>(),
        ) {
            prop_assume!(score.is_none_or(|s| !s.is_nan()));
            let mut file = MarksFile::default();
            *file.entry(Subject { series, checkpoint: id }) = Mark {
                pin: Some(Pin { until: until.map(Time::from_nanos), why: why.map(Into::into) }),
                tags,
                submissions: vec![Submission { score, at: until.map(Time::from_nanos) }],
            };
            prop_assert_eq!(parse(render(&file).as_bytes()).unwrap(), file);
        }
    }
}
