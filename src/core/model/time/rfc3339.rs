//! RFC 3339 in its common form, UTC with `Z`: inventories hold one or two in every line.
//!
//! The calendar is Howard Hinnant's `days_from_civil` and `civil_from_days`
//! (<https://howardhinnant.github.io/date_algorithms.html>), here for the years 0 to 9999 only.

use super::Time;
use std::fmt;

const SECS_PER_DAY: i64 = 86_400;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH: i64 = 719_468;

/// `2026-01-31T10:00:00Z`, with up to nine digits of a second. `None`: in another form, or no time.
pub fn parse(text: &[u8]) -> Option<Time> {
    let (date, rest) = text.split_at_checked(19)?;
    let number = |from: usize, to: usize| {
        date[from..to]
            .iter()
            .try_fold(0_i64, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
    };
    let marks = [date[4], date[7], date[10], date[13], date[16]];
    if marks != *b"--T::" {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=days).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let fraction = match rest {
        [b'Z'] => 0,
        [b'.', digits @ .., b'Z'] if (1..=9).contains(&digits.len()) => {
            let mut nanos = 0;
            for i in 0..9 {
                let digit = digits.get(i).copied().unwrap_or(b'0');
                nanos = nanos * 10 + digit.is_ascii_digit().then(|| u32::from(digit - b'0'))?;
            }
            nanos
        }
        _ => return None,
    };
    // Years begin in March: a leap day is the last of its year.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - EPOCH;
    Time::from_secs_nanos(days * SECS_PER_DAY + hour * 3600 + minute * 60 + second, fraction)
}

/// Writes it with as few groups of three digits of a second as it takes.
pub fn write(time: Time, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let seconds = time.secs();
    let (days, second) = (seconds.div_euclid(SECS_PER_DAY), seconds.rem_euclid(SECS_PER_DAY));
    let days = days + EPOCH;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);

    let mut text = *b"0000-00-00T00:00:00.000000000Z";
    let mut put = |from: usize, to: usize, mut number: i64| {
        for byte in text[from..to].iter_mut().rev() {
            *byte = b'0' + u8::try_from(number % 10).unwrap_or(0);
            number /= 10;
        }
    };
    put(0, 4, year);
    put(5, 7, month);
    put(8, 10, day);
    put(11, 13, second / 3600);
    put(14, 16, second / 60 % 60);
    put(17, 19, second % 60);
    let nanos = time.nanos().rem_euclid(Time::NANOS_PER_SEC);
    put(20, 29, nanos);
    let end = match nanos {
        0 => 19,
        n if n % 1_000_000 == 0 => 23,
        n if n % 1000 == 0 => 26,
        _ => 29,
    };
    text[end] = b'Z';
    // ASCII, as written above.
    f.write_str(std::str::from_utf8(&text[..=end]).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::NaiveDate;
    use proptest::prelude::*;

    // `Time::parse` asks chrono what this reader declines, so that only a slower answer would come
    // of most faults in it: it has to be asked alone.
    fn nanos(text: &str) -> Option<i64> {
        parse(text.as_bytes()).map(Time::nanos)
    }

    /// The last day of four hundred years, which is a leap day.
    #[test]
    fn the_last_day_of_an_era_is_written_as_it_is_read() {
        for text in ["2000-02-29T00:00:00Z", "2000-03-01T00:00:00Z", "1900-02-28T00:00:00Z"] {
            assert_eq!(Time::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn the_common_form_is_read_without_help() {
        let whole = [
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59Z", -1),
            ("2026-01-31T10:00:00Z", 1_769_853_600),
            ("2026-11-30T09:08:07Z", 1_796_029_687),
            ("2026-12-31T00:00:00Z", 1_798_675_200),
            ("1999-12-31T23:59:59Z", 946_684_799),
            ("2024-02-28T23:59:59Z", 1_709_164_799),
            ("2024-02-29T00:00:00Z", 1_709_164_800),
            ("2024-03-01T00:00:00Z", 1_709_251_200),
            ("2000-02-29T12:34:56Z", 951_827_696),
            ("1900-02-28T00:00:00Z", -2_203_977_600),
            ("1900-03-01T00:00:00Z", -2_203_891_200),
            ("1677-09-21T00:12:44Z", -9_223_372_036),
            ("2262-04-11T23:47:16Z", 9_223_372_036),
        ];
        for (text, seconds) in whole {
            assert_eq!(nanos(text), Some(seconds * Time::NANOS_PER_SEC), "{text}");
        }
        let parts = [
            ("1970-01-01T00:00:00.0Z", 0),
            ("1970-01-01T00:00:00.5Z", 500_000_000),
            ("1970-01-01T00:00:00.05Z", 50_000_000),
            ("1970-01-01T00:00:00.123456789Z", 123_456_789),
            ("1970-01-01T00:00:59.000000001Z", 59_000_000_001),
            ("1969-12-31T23:59:59.999999999Z", -1),
            // The earliest is one later than it says: `i64::MIN` is no instant.
            ("1677-09-21T00:12:43.145224192Z", i64::MIN + 1),
            ("1677-09-21T00:12:43.145224193Z", i64::MIN + 1),
            ("1677-09-21T00:12:43.145224194Z", i64::MIN + 2),
            ("2262-04-11T23:47:16.854775807Z", i64::MAX),
        ];
        for (text, exact) in parts {
            assert_eq!(nanos(text), Some(exact), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_read_by_nobody() {
        let no_times = [
            "",
            "Z",
            "2026-01-31",
            "2026-01-31T10:00:00",
            "2026-01-31T10:00:00ZZ",
            "2026-01-31T10:00:00Z ",
            " 2026-01-31T10:00:00Z",
            // A field beyond its ends.
            "2026-00-31T10:00:00Z",
            "2026-13-31T10:00:00Z",
            "2026-01-00T10:00:00Z",
            "2026-01-32T10:00:00Z",
            "2026-04-31T10:00:00Z",
            "2026-02-29T10:00:00Z",
            "2024-02-30T10:00:00Z",
            "1900-02-29T10:00:00Z",
            "2000-02-30T10:00:00Z",
            "2026-01-31T24:00:00Z",
            "2026-01-31T10:60:00Z",
            "2026-01-31T10:00:61Z",
            // The characters on either side of the digits, and signs.
            "202/-01-31T10:00:00Z",
            "202:-01-31T10:00:00Z",
            "+026-01-31T10:00:00Z",
            "2026-0a-31T10:00:00Z",
            "2026-01-3 T10:00:00Z",
            "2026-01-31T1/:00:00Z",
            "2026-01-31T10:0::00Z",
            "2026-01-31T10:00:0éZ",
            // Other marks.
            "2026/01-31T10:00:00Z",
            "2026-01/31T10:00:00Z",
            "2026-01-31X10:00:00Z",
            "2026-01-31T10.00:00Z",
            "2026-01-31T10:00.00Z",
            // Parts of a second.
            "2026-01-31T10:00:00.",
            "2026-01-31T10:00:00.Z",
            "2026-01-31T10:00:00,5Z",
            "2026-01-31T10:00:00.5",
            "2026-01-31T10:00:00.1/Z",
            "2026-01-31T10:00:00.:1Z",
            // Before the first and after the last instant there is.
            "1677-09-21T00:12:43.145224191Z",
            "1677-09-21T00:12:42.999999999Z",
            "2262-04-11T23:47:16.854775808Z",
            "2262-04-11T23:47:17Z",
            "0000-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
        ];
        for text in no_times {
            assert_eq!((parse(text.as_bytes()), Time::parse(text)), (None, None), "{text}");
        }
    }

    #[test]
    fn other_forms_are_left_to_a_slower_reader() {
        let others = [
            ("2026-01-31t10:00:00Z", "2026-01-31T10:00:00Z"),
            ("2026-01-31 10:00:00Z", "2026-01-31T10:00:00Z"),
            ("2026-01-31T10:00:00z", "2026-01-31T10:00:00Z"),
            ("2026-01-31T10:00:00+00:00", "2026-01-31T10:00:00Z"),
            ("2026-01-31T10:00:00.5+09:00", "2026-01-31T01:00:00.500Z"),
            // Its tenth digit is dropped.
            ("2026-01-31T10:00:00.1234567899Z", "2026-01-31T10:00:00.123456789Z"),
            // A leap second is the one after it.
            ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        ];
        for (text, same) in others {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
            assert_eq!(Time::parse(text), parse(same.as_bytes()), "{text}");
        }
    }

    #[test]
    fn every_month_has_the_days_of_the_calendar() {
        for year in 1678..2262 {
            for (month, day) in (1..=12).flat_map(|m| [1, 28, 29, 30, 31].map(|d| (m, d))) {
                let date = NaiveDate::from_ymd_opt(year, month, day);
                let wanted = date.and_then(|d| d.and_hms_opt(23, 59, 59)).map(|t| t.and_utc());
                let text = format!("{year}-{month:02}-{day:02}T23:59:59Z");
                assert_eq!(nanos(&text), wanted.and_then(|t| t.timestamp_nanos_opt()), "{text}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_the_same_time(
            nanos in prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), -9_i64..9],
            part in prop_oneof![Just(1_i64), Just(1_000), Just(1_000_000), Just(1_000_000_000)],
        ) {
            let time = Time::from_nanos(nanos / part * part);
            let text = time.to_string();
            prop_assert_eq!(parse(text.as_bytes()), Some(time), "{}", text);
        }

        /// Of a second as many groups of three digits are written as it takes, so what is written
        /// so comes back letter for letter.
        #[test]
        fn what_is_read_is_written_as_the_same_text(
            time in "(1[7-9]|20|21)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.([0-9]{3}){0,2}[0-9]{2}[1-9])?Z",
        ) {
            let written = parse(time.as_bytes()).map(|t| t.to_string());
            prop_assert_eq!(written, Some(time));
        }
    }
}
