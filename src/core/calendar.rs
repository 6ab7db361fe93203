//! Spans of time and calendar periods.
//!
//! A day is 24 hours, a week 7 days; months and years are the calendar's and counted in UTC, so
//! that no rule but the bucket rules depends on a zone.

use super::model::Time;
use chrono::{Datelike, Months, TimeZone as _, Timelike, Utc};
use std::fmt;

/// A length of time as people write it: calendar months and seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub months: u32,
    pub seconds: u64,
}

/// Why a text is not a span; the `Display` of each says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    #[error("a length of time is missing; write a number and a unit such as \"12h\"")]
    Empty,
    #[error("`{0}` has no unit; write s, min, h, d, w, mo or y after the number")]
    NoUnit(String),
    #[error("`m` could mean minutes or months; write `min` or `mo`")]
    AmbiguousM,
    #[error("`{0}` is not a unit of time; use s, min, h, d, w, mo or y")]
    UnknownUnit(String),
    #[error("`{0}` is not a length of time; write a whole number and a unit such as \"12h\"")]
    NotANumber(String),
    #[error("`{0}` is longer than 10000 years")]
    TooLong(String),
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;
const MAX_YEARS: u64 = 10_000;

impl Span {
    pub const fn seconds(seconds: u64) -> Span {
        Span { months: 0, seconds }
    }
    pub const fn hours(hours: u64) -> Span {
        Span::seconds(hours * HOUR)
    }

    pub fn is_zero(self) -> bool {
        self == Span::default()
    }

    /// Parses `12h`, `7d`, `1y2mo3d`: whole numbers with the units `s min h d w mo y`.
    ///
    /// # Errors
    /// A missing or unknown unit, a bare `m`, a fraction, or more than 10000 years.
    pub fn parse(text: &str) -> Result<Span, SpanError> {
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(SpanError::Empty);
        }
        let too_long = || SpanError::TooLong(text.trim().to_owned());
        let mut span = Span::default();
        while !rest.is_empty() {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let (number, tail) = rest.split_at(end);
            let unit_end = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
            let (unit, next) = tail.split_at(unit_end);
            if number.is_empty() {
                return Err(SpanError::NotANumber(text.trim().to_owned()));
            }
            if unit.is_empty() && !next.is_empty() {
                return Err(SpanError::NotANumber(text.trim().to_owned()));
            }
            let n: u64 = number.parse().map_err(|_| too_long())?;
            let (months, seconds) = match unit {
                "" => return Err(SpanError::NoUnit(number.to_owned())),
                "s" => (0, 1),
                "min" => (0, MINUTE),
                "h" => (0, HOUR),
                "d" => (0, DAY),
                "w" => (0, WEEK),
                "mo" => (1, 0),
                "y" => (12, 0),
                "m" => return Err(SpanError::AmbiguousM),
                other => return Err(SpanError::UnknownUnit(other.to_owned())),
            };
            span.months = n
                .checked_mul(months)
                .and_then(|m| u32::try_from(m).ok())
                .and_then(|m| span.months.checked_add(m))
                .ok_or_else(too_long)?;
            span.seconds = n
                .checked_mul(seconds)
                .and_then(|s| span.seconds.checked_add(s))
                .ok_or_else(too_long)?;
            rest = next;
        }
        if u64::from(span.months) > MAX_YEARS * 12 || span.seconds > MAX_YEARS * 366 * DAY {
            return Err(too_long());
        }
        Ok(span)
    }

    /// The length in seconds, if it has no calendar part.
    pub fn fixed_seconds(self) -> Option<u64> {
        (self.months == 0).then_some(self.seconds)
    }

    /// The instant this long before `t`; the earliest one there is if that is out of range.
    ///
    /// A day that the earlier month does not have becomes its last day.
    pub fn before(self, t: Time) -> Time {
        let earliest = Time::from_nanos(i64::MIN);
        let shifted = if self.months == 0 {
            t
        } else {
            let back = t
                .to_chrono()
                .checked_sub_months(Months::new(self.months))
                .and_then(|d| Time::from_chrono(&d));
            match back {
                Some(back) => back,
                None => return earliest,
            }
        };
        i64::try_from(self.seconds)
            .ok()
            .and_then(|s| s.checked_mul(Time::NANOS_PER_SEC))
            .and_then(|ns| shifted.nanos().checked_sub(ns))
            .map_or(earliest, Time::from_nanos)
    }

    /// Whether `t` lies at least this long before `now`.
    pub fn has_passed(self, t: Time, now: Time) -> bool {
        t <= self.before(now)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut wrote = false;
        let mut part = |f: &mut fmt::Formatter<'_>, n: u64, unit: &str| {
            if n > 0 {
                wrote = true;
                write!(f, "{n}{unit}")
            } else {
                Ok(())
            }
        };
        part(f, u64::from(self.months / 12), "y")?;
        part(f, u64::from(self.months % 12), "mo")?;
        let mut s = self.seconds;
        part(f, s / DAY, "d")?;
        s %= DAY;
        part(f, s / HOUR, "h")?;
        s %= HOUR;
        part(f, s / MINUTE, "min")?;
        part(f, s % MINUTE, "s")?;
        if !wrote {
            f.write_str("0s")?;
        }
        Ok(())
    }
}

/// A calendar period, in some zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Period {
    Hour,
    Day,
    /// ISO 8601: weeks start on Monday, and belong to the ISO year.
    Week,
    Month,
    Year,
}

impl Period {
    pub const ALL: [Period; 5] =
        [Period::Hour, Period::Day, Period::Week, Period::Month, Period::Year];

    /// The rule's key: `hourly`, `daily`, ...
    pub fn key(self) -> &'static str {
        match self {
            Period::Hour => "hourly",
            Period::Day => "daily",
            Period::Week => "weekly",
            Period::Month => "monthly",
            Period::Year => "yearly",
        }
    }

    /// The period's own noun: `hour`, `day`, ...
    pub fn noun(self) -> &'static str {
        match self {
            Period::Hour => "hour",
            Period::Day => "day",
            Period::Week => "week",
            Period::Month => "month",
            Period::Year => "year",
        }
    }

    /// A number that is equal for two instants exactly if they lie in the same period of `zone`,
    /// and that grows with time.
    ///
    /// Hours are counted on the time line, so that the hour a clock repeats in autumn is two
    /// periods; they begin where the zone's hours do.
    pub fn index(self, t: Time, zone: chrono_tz::Tz) -> i64 {
        let local = zone.from_utc_datetime(&t.to_chrono().naive_utc());
        match self {
            Period::Hour => {
                let into_hour = i64::from(local.minute() * 60 + local.second());
                t.secs() - into_hour
            }
            Period::Day => i64::from(local.num_days_from_ce()),
            Period::Week => {
                let monday =
                    local.num_days_from_ce() - local.weekday().num_days_from_monday().cast_signed();
                i64::from(monday)
            }
            Period::Month => i64::from(local.year()) * 12 + i64::from(local.month0()),
            Period::Year => i64::from(local.year()),
        }
    }

    /// How the period of `t` is called: `2026-02-10 14h`, `2026-02-10`, `2026-W07`, `2026-02`, `2026`.
    pub fn label(self, t: Time, zone: chrono_tz::Tz) -> String {
        let local = zone.from_utc_datetime(&t.to_chrono().naive_utc());
        match self {
            Period::Hour => local.format("%Y-%m-%d %Hh").to_string(),
            Period::Day => local.format("%Y-%m-%d").to_string(),
            Period::Week => local.format("%G-W%V").to_string(),
            Period::Month => local.format("%Y-%m").to_string(),
            Period::Year => local.format("%Y").to_string(),
        }
    }
}

/// The first instant after the day `date` (`2027-01-31`) has ended in `zone`.
pub fn end_of_day(date: chrono::NaiveDate, zone: chrono_tz::Tz) -> Option<Time> {
    let midnight = date.succ_opt()?.and_hms_opt(0, 0, 0)?;
    // A zone may skip midnight when its clocks change, by half an hour or, across the date line, a whole day.
    let first = (0..=24 * 60).find_map(|minutes| {
        let local = midnight.checked_add_signed(chrono::Duration::minutes(minutes))?;
        zone.from_local_datetime(&local).earliest()
    })?;
    Time::from_chrono(&first.with_timezone(&Utc))
}
