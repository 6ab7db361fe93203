//! Spans and days at their ends.

use chrono::NaiveDate;
use retain::core::calendar::{Span, SpanError, end_of_day};

/// Ten thousand years are a length; anything more is a slip of the pen.
#[test]
fn a_span_may_be_ten_thousand_years_and_no_longer() {
    for (longest, too_long) in [
        ("10000y", "10000y1mo"),
        ("120000mo", "120001mo"),
        ("3660000d", "3660000d1s"),
        ("10000y3660000d", "10001y"),
    ] {
        assert!(Span::parse(longest).is_ok(), "{longest}");
        assert_eq!(Span::parse(too_long), Err(SpanError::TooLong(too_long.to_owned())));
    }
}

/// A protection that ends an hour early lets go of what was promised for the whole day.
#[test]
fn a_day_ends_when_the_next_begins_also_where_that_has_no_midnight() {
    for (zone, date, end) in [
        (chrono_tz::UTC, (2027, 1, 31), "2027-02-01T00:00:00Z"),
        (chrono_tz::Asia::Seoul, (2027, 1, 31), "2027-01-31T15:00:00Z"),
        // Clocks went from 23:59:59 to 01:00.
        (chrono_tz::America::Sao_Paulo, (2018, 11, 3), "2018-11-04T03:00:00Z"),
        // A quarter of an hour was left out.
        (chrono_tz::Asia::Kathmandu, (1985, 12, 31), "1985-12-31T18:30:00Z"),
        // Friday was left out, to move across the date line.
        (chrono_tz::Pacific::Apia, (2011, 12, 29), "2011-12-30T10:00:00Z"),
        (chrono_tz::Pacific::Apia, (2011, 12, 30), "2011-12-30T10:00:00Z"),
        // Midnight came twice.
        (chrono_tz::America::Havana, (2025, 11, 1), "2025-11-02T04:00:00Z"),
    ] {
        let (year, month, day) = date;
        let date = NaiveDate::from_ymd_opt(year, month, day).unwrap();
        let found = end_of_day(date, zone).map(|t| t.to_string());
        assert_eq!(found.as_deref(), Some(end), "{zone} {date}");
    }
}
