//! Lengths of time, time zones and dates, each with its own faults.

use super::codes;
use super::reader::{Context, Value};
use super::suggest::nearest;
use crate::core::calendar::{Span, SpanError, end_of_day};
use crate::core::model::Time;
use chrono::{Datelike as _, NaiveDate, NaiveTime};
use toml::de::DeValue;

impl Context<'_> {
    /// A length of time; `zero` says whether none at all makes sense.
    pub fn duration(&mut self, value: &Value, zero: bool) -> Option<Span> {
        let key = value.key;
        let text = match value.toml {
            DeValue::String(text) => text,
            DeValue::Integer(n) => {
                let n = n.as_str();
                self.fault(codes::DURATION, &value.span, format!("`{key}` has no unit of time"))
                    .label("seconds, hours or days?")
                    .help(format!(
                        "write \"{n}d\" for days, \"{n}h\" for hours or \"{n}min\" for minutes"
                    ));
                return None;
            }
            _ => {
                self.wrong_type(value, "a length of time such as \"12h\"");
                return None;
            }
        };
        match Span::parse(text) {
            Ok(span) if span.is_zero() && !zero => {
                self.fault(
                    codes::DURATION,
                    &value.span,
                    format!("`{key}` cannot be nothing at all"),
                )
                .label("a length of zero")
                .help(format!("write a length such as `{key} = \"1d\"`, or leave `{key}` out"));
                None
            }
            Ok(span) => Some(span),
            Err(error) => {
                let help = match &error {
                    SpanError::AmbiguousM => {
                        let n = text.trim().trim_end_matches('m');
                        format!("write \"{n}min\" for minutes or \"{n}mo\" for months")
                    }
                    SpanError::NoUnit(n) => format!("write \"{n}d\" for days or \"{n}h\" for hours"),
                    SpanError::TooLong(_) => "leave the key out if there is no bound".to_owned(),
                    _ => "write whole numbers with s, min, h, d, w, mo or y, such as \"12h\" or \"1d12h\"".to_owned(),
                };
                self.fault(
                    codes::DURATION,
                    &value.span,
                    error.to_string().split("; ").next().unwrap_or_default(),
                )
                .label("not a length of time")
                .help(help);
                None
            }
        }
    }

    pub fn zone(&mut self, value: &Value) -> Option<chrono_tz::Tz> {
        let text = self.string(value)?;
        if let Ok(zone) = text.parse() {
            return Some(zone);
        }
        let names = || chrono_tz::TZ_VARIANTS.iter().map(|z| z.name());
        // `Seoul` means `Asia/Seoul`.
        let city =
            |name: &&str| name.rsplit('/').next().is_some_and(|c| c.eq_ignore_ascii_case(&text));
        let help = if text.eq_ignore_ascii_case("local") {
            "name the zone: a plan must not depend on the machine it is made on".to_owned()
        } else if let Some(near) = names().find(city).or_else(|| nearest(&text, names())) {
            format!("did you mean \"{near}\"?")
        } else {
            "write an IANA name such as \"UTC\" or \"Asia/Seoul\"; offsets such as \"+09:00\" have none".to_owned()
        };
        self.fault(codes::TIME_ZONE, &value.span, format!("`{text}` is not a time zone"))
            .label("unknown zone")
            .help(help);
        None
    }

    /// The first instant after a day that is given as a date, or the instant itself.
    pub fn until(&mut self, value: &Value, zone: chrono_tz::Tz) -> Option<Time> {
        let text = date_text(value);
        let time =
            text.as_deref().and_then(|text| match NaiveDate::parse_from_str(text, "%Y-%m-%d") {
                Ok(date) => end_of_day(date, zone),
                Err(_) => Time::parse(text),
            });
        if time.is_none() {
            let help = if beyond(text.as_deref()) == Some(LATER) {
                "leave `until` out if it has no end"
            } else {
                "write the last day, such as 2027-01-31, or an instant with its offset, \
                 such as 2027-01-31T18:00:00Z"
            };
            self.bad_date(value, help);
        }
        time
    }

    /// An instant; a date stands for its beginning in UTC.
    pub fn instant(&mut self, value: &Value) -> Option<Time> {
        let text = date_text(value);
        let time =
            text.as_deref().and_then(|text| match NaiveDate::parse_from_str(text, "%Y-%m-%d") {
                Ok(date) => Time::from_chrono(&date.and_time(NaiveTime::MIN).and_utc()),
                Err(_) => Time::parse(text),
            });
        if time.is_none() {
            self.bad_date(value, "write an instant with its offset, such as 2026-01-31T18:00:00Z");
        }
        time
    }

    fn bad_date(&mut self, value: &Value, help: &str) {
        if date_text(value).is_none() {
            return self.wrong_type(value, "a date such as 2027-01-31");
        }
        let label = match value.toml {
            DeValue::Datetime(d) if d.date.is_some() && d.time.is_some() && d.offset.is_none() => {
                "no offset from UTC is given"
            }
            _ => beyond(date_text(value).as_deref()).unwrap_or("no such date"),
        };
        self.fault(
            codes::DATE,
            &value.span,
            format!("`{}` is not a date that can be used", value.key),
        )
        .label(label)
        .help(help);
    }
}

const LATER: &str = "later than April 2262, where times end";
const EARLIER: &str = "earlier than September 1677, where times begin";

/// Of a date that there is, and that no time can hold: on which side.
fn beyond(text: Option<&str>) -> Option<&'static str> {
    let text = text?;
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    let instant = || chrono::DateTime::parse_from_rfc3339(text).ok().map(|t| t.date_naive());
    match date.or_else(instant)?.year() {
        2262.. => Some(LATER),
        ..=1677 => Some(EARLIER),
        _ => None,
    }
}

/// A date as text, whether written as one or in quotes.
fn date_text(value: &Value) -> Option<String> {
    match value.toml {
        DeValue::Datetime(date) => Some(date.to_string().replacen(' ', "T", 1)),
        DeValue::String(text) => Some(text.trim().to_owned()),
        _ => None,
    }
}
