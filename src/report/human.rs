//! Sizes, times and spans as people read them.
//!
//! The listing of one session is a promise to those who come from NSML: it looks as theirs did,
//! powers of 1024 under the names of powers of 1000 ("366.74 MB") included. Everywhere else a size
//! says what it is ("366.74 MiB"), because policies tell GB and GiB apart.

use crate::core::model::Time;

/// As NSML printed it: powers of 1024, two decimals, `KB MB GB`.
pub fn nsml_size(bytes: u64) -> String {
    size_with(bytes, &["KB", "MB", "GB", "TB", "PB", "EB"])
}

/// Powers of 1024, two decimals, `KiB MiB GiB`.
pub fn size(bytes: u64) -> String {
    size_with(bytes, &["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"])
}

#[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
fn size_with(bytes: u64, units: &[&str]) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    // What would round to 1024.00 is one of the next unit.
    while value >= 1023.995 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.2} {}", units[unit])
}

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// `32 minutes ago`, rounded down; `in 3 hours` for what a clock elsewhere wrote.
pub fn ago(now: Time, then: Time) -> String {
    let seconds = now.since(then) / Time::NANOS_PER_SEC;
    match seconds {
        0 => "just now".to_owned(),
        s if s > 0 => format!("{} ago", span(s)),
        s => format!("in {}", span(s.saturating_neg())),
    }
}

/// The largest whole unit: `44 seconds`, `1 minute`, `3 days`, `2 years`.
fn span(seconds: i64) -> String {
    let (n, unit) = match seconds {
        s if s < MINUTE => (s, "second"),
        s if s < HOUR => (s / MINUTE, "minute"),
        s if s < DAY => (s / HOUR, "hour"),
        s if s < 14 * DAY => (s / DAY, "day"),
        s if s < 60 * DAY => (s / (7 * DAY), "week"),
        s if s < 730 * DAY => (s / (30 * DAY), "month"),
        s => (s / (365 * DAY), "year"),
    };
    format!("{n} {unit}{}", plural(n))
}

/// A length of time such as a policy's grace: `20 hours`, `90 minutes`, `3 days`.
pub fn length(seconds: u64) -> String {
    let (n, unit) = length_parts(seconds);
    format!("{n} {unit}{}", plural(n))
}

/// A length of time as a number of its largest unit that leaves no rest.
pub fn length_parts(seconds: u64) -> (i64, &'static str) {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    match seconds {
        s if s % DAY == 0 && s > 0 => (s / DAY, "day"),
        s if s % HOUR == 0 && s > 0 => (s / HOUR, "hour"),
        s if s % MINUTE == 0 && s > 0 => (s / MINUTE, "minute"),
        s => (s, "second"),
    }
}

/// `s` unless it is one.
pub fn plural(n: impl TryInto<u64>) -> &'static str {
    if n.try_into().is_ok_and(|n| n == 1) { "" } else { "s" }
}

/// `9 checkpoints`, `1 session`; digits grouped in threes.
pub fn count(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(n), plural(n))
}

/// `1 is`, `3 are`.
pub fn are(n: u64) -> String {
    format!("{} {}", grouped(n), if n == 1 { "is" } else { "are" })
}

/// `1,234,567`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// Seconds since the previous save, as NSML printed them: three decimals.
pub fn elapsed(seconds: f64) -> String {
    format!("{seconds:.3}")
}

/// So many characters of a summary did NSML show.
const SUMMARY: usize = 20;

/// `epoch=0, loss=7.0152...`: cut where NSML cut it.
pub fn summary(text: &str) -> String {
    // Three more characters are not longer than the dots that would stand for them.
    match text.char_indices().nth(SUMMARY) {
        Some((end, _)) if text.chars().count() > SUMMARY + 3 => format!("{}...", &text[..end]),
        _ => text.to_owned(),
    }
}

/// `2026-02-10 14:03:22 UTC`.
pub fn time(t: Time) -> String {
    t.to_chrono().format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (bytes, nsml, ours) in [
            (0, "0 B", "0 B"),
            (1023, "1023 B", "1023 B"),
            (1024, "1.00 KB", "1.00 KiB"),
            (384_554_762, "366.74 MB", "366.74 MiB"),
            (1_048_570, "1023.99 KB", "1023.99 KiB"),
            (1_048_575, "1.00 MB", "1.00 MiB"),
            (5 << 30, "5.00 GB", "5.00 GiB"),
            (u64::MAX, "16.00 EB", "16.00 EiB"),
        ] {
            assert_eq!(nsml_size(bytes), nsml);
            assert_eq!(size(bytes), ours);
        }
    }

    #[test]
    fn ages() {
        let now = Time::parse("2019-08-02T12:00:00Z").unwrap();
        for (then, text) in [
            ("2019-08-02T11:27:50.000Z", "32 minutes ago"),
            ("2019-08-02T11:28:15.032Z", "31 minutes ago"),
            ("2019-08-02T11:31:09.996Z", "28 minutes ago"),
            ("2019-08-02T12:00:00Z", "just now"),
            ("2019-08-02T11:59:59Z", "1 second ago"),
            ("2019-08-02T11:59:00Z", "1 minute ago"),
            ("2019-08-02T10:00:01Z", "1 hour ago"),
            ("2019-08-01T12:00:00Z", "1 day ago"),
            ("2019-07-10T12:00:00Z", "3 weeks ago"),
            ("2019-05-02T12:00:00Z", "3 months ago"),
            ("2016-08-02T12:00:00Z", "3 years ago"),
            ("2019-08-02T15:00:00Z", "in 3 hours"),
        ] {
            assert_eq!(ago(now, Time::parse(then).unwrap()), text);
        }
        assert_eq!(ago(Time::from_nanos(i64::MIN), Time::from_nanos(i64::MAX)), "in 292 years");
    }

    #[test]
    fn summaries_are_cut_as_nsml_cut_them() {
        assert_eq!(summary("epoch=0, loss=7.015200052175436"), "epoch=0, loss=7.0152...");
        assert_eq!(summary("epoch=0, loss=7.0152123"), "epoch=0, loss=7.0152123");
        assert_eq!(summary(""), "");
        assert_eq!(summary("größengrößengrößengrößen"), "größengrößengrößengr...");
    }

    #[test]
    fn the_rest() {
        assert_eq!(elapsed(3.785), "3.785");
        assert_eq!(elapsed(25.0316), "25.032");
        assert_eq!(count(1, "session"), "1 session");
        assert_eq!(count(1_234_567, "checkpoint"), "1,234,567 checkpoints");
        assert_eq!(grouped(999), "999");
        assert_eq!(length(20 * 3600), "20 hours");
        assert_eq!(length(24 * 3600), "1 day");
        assert_eq!(length(90 * 60), "90 minutes");
        assert_eq!(length(0), "0 seconds");
    }
}
