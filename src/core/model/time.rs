//! An instant, small enough to be held by the million.

mod rfc3339;

use std::fmt;
use std::num::NonZeroU64;

/// An instant, in nanoseconds since the Unix epoch (UTC; years 1677 to 2262).
///
/// Inventories hold millions of times that may be unknown, so `Option<Time>` is eight bytes too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    /// Nanoseconds above [`i64::MIN`], which is no instant.
    above: NonZeroU64,
}

impl Time {
    pub const NANOS_PER_SEC: i64 = 1_000_000_000;
    const BIAS: u64 = 1 << 63;

    /// The instant so many nanoseconds after the epoch; for `i64::MIN` the one after it.
    pub const fn from_nanos(nanos: i64) -> Time {
        match NonZeroU64::new(nanos.cast_unsigned() ^ Self::BIAS) {
            Some(above) => Time { above },
            None => Time { above: NonZeroU64::MIN },
        }
    }

    /// Nanoseconds since the epoch.
    pub const fn nanos(self) -> i64 {
        (self.above.get() ^ Self::BIAS).cast_signed()
    }

    /// `None` if the instant does not fit (before 1677 or after 2262).
    pub fn from_secs_nanos(secs: i64, nanos: u32) -> Option<Time> {
        // Of the earliest second only the end fits: the product alone does not.
        let nanos = i128::from(secs) * i128::from(Self::NANOS_PER_SEC) + i128::from(nanos);
        i64::try_from(nanos).ok().map(Time::from_nanos)
    }

    /// Ordered as the times are, and never 0.
    pub const fn key(self) -> u64 {
        self.above.get()
    }

    /// Whole seconds since the epoch, rounded towards the past.
    pub fn secs(self) -> i64 {
        self.nanos().div_euclid(Self::NANOS_PER_SEC)
    }

    pub fn to_chrono(self) -> chrono::DateTime<chrono::Utc> {
        chrono::DateTime::from_timestamp_nanos(self.nanos())
    }

    /// `None` if the instant does not fit.
    pub fn from_chrono<Z: chrono::TimeZone>(t: &chrono::DateTime<Z>) -> Option<Time> {
        t.timestamp_nanos_opt().map(Time::from_nanos)
    }

    /// Parses RFC 3339, `2026-01-31T10:00:00Z` (`None`: not a time, or one that does not fit).
    pub fn parse(text: &str) -> Option<Time> {
        if let Some(time) = rfc3339::parse(text.as_bytes()) {
            return Some(time);
        }
        chrono::DateTime::parse_from_rfc3339(text).ok().and_then(|t| Time::from_chrono(&t))
    }

    /// Nanoseconds from `earlier` to `self`; saturating, negative if `earlier` is later.
    pub fn since(self, earlier: Time) -> i64 {
        self.nanos().saturating_sub(earlier.nanos())
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        rfc3339::write(*self, f)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn times_are_ordered_as_their_nanoseconds(a in i64::MIN + 1.., b in i64::MIN + 1..) {
            let (s, t) = (Time::from_nanos(a), Time::from_nanos(b));
            prop_assert_eq!((s.nanos(), t.nanos()), (a, b));
            prop_assert_eq!(s.cmp(&t), a.cmp(&b));
            prop_assert_eq!(s.since(t), a.saturating_sub(b));
            prop_assert!(None < Some(s));
            prop_assert_eq!(s.key().cmp(&t.key()), a.cmp(&b));
        }
    }

    proptest! {
        #[test]
        fn texts_are_what_chrono_writes_and_reads(
            nanos in prop_oneof![any::<i64>(), (-9_223_372_036_i64..9_223_372_036).prop_map(|s| s * 1_000_000_000)],
            part in prop_oneof![Just(1_i64), Just(1_000), Just(1_000_000), Just(1_000_000_000)],
        ) {
            let time = Time::from_nanos(nanos / part * part);
            let text = time.to_chrono().to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
            prop_assert_eq!(time.to_string(), text.clone());
            prop_assert_eq!(Time::parse(&text), Some(time));
        }

        #[test]
        fn what_is_read_is_what_chrono_reads(
            text in "[12][0-9]{3}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,11})?(Z|z|[+-][01][0-9]:[0-5][0-9])",
        ) {
            let chrono = chrono::DateTime::parse_from_rfc3339(&text).ok();
            prop_assert_eq!(Time::parse(&text), chrono.and_then(|t| Time::from_chrono(&t)), "{}", text);
        }
    }

    #[test]
    fn the_earliest_is_one_nanosecond_late() {
        assert_eq!(Time::from_nanos(i64::MIN), Time::from_nanos(i64::MIN + 1));
        assert_eq!(Time::from_nanos(0).to_string(), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn seconds_and_nanoseconds_fit_as_far_as_their_sum_does() {
        let at = |secs, nanos| Time::from_secs_nanos(secs, nanos).map(Time::nanos);
        let cases = [
            ((0, 0), Some(0)),
            ((-1, 999_999_999), Some(-1)),
            ((9_223_372_036, 854_775_807), Some(i64::MAX)),
            ((9_223_372_036, 854_775_808), None),
            ((9_223_372_037, 0), None),
            ((-9_223_372_036, 0), Some(-9_223_372_036_000_000_000)),
            ((-9_223_372_037, 145_224_193), Some(i64::MIN + 1)),
            ((-9_223_372_037, 145_224_191), None),
            ((i64::MIN, u32::MAX), None),
            ((i64::MAX, u32::MAX), None),
        ];
        for ((secs, nanos), wanted) in cases {
            assert_eq!(at(secs, nanos), wanted, "{secs} {nanos}");
        }
    }

    /// Failed assertions show times; nanoseconds since 1970 would tell nobody anything.
    #[test]
    fn times_are_debugged_as_they_are_displayed() {
        let time = Time::parse("2026-01-31T10:00:00.5Z");
        assert_eq!(format!("{time:?}"), "Some(2026-01-31T10:00:00.500Z)");
    }
}
