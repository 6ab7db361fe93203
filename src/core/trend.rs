//! How fast something grows, and when it will be full.
//!
//! Usage over time is a saw: it grows while runs save and falls when somebody cleans up. A least
//! squares line follows its few big steps; the median of all pairwise slopes (Theil 1950, Sen 1968)
//! does not, up to 29 % of the points may be anything. Its interval is Sen's, by the normal
//! approximation of Kendall's score.

mod thin;

pub use thin::thin;

use super::model::Time;

/// A measured amount.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub at: Time,
    pub bytes: u64,
}

/// Growth in bytes per day, with the ends of its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    pub per_day: f64,
    pub low: f64,
    pub high: f64,
    /// Points it was made from.
    pub points: usize,
}

/// When something is full: whole days from the last point, rounded down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// It is at or over its end.
    Now,
    /// `late` is `None` where the interval leaves open whether it ever is.
    In { days: u64, early: u64, late: Option<u64> },
    /// It does not grow.
    Never,
}

/// A trend, and when it fills something.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    pub trend: Trend,
    pub full: Full,
}

/// So many points at least, over so long: less is no trend.
const POINTS: usize = 4;
const SPAN: i64 = 86_400 * Time::NANOS_PER_SEC;
/// More are thinned out evenly: the pairs are their square.
const MOST: usize = 400;
/// Of the normal distribution, for 95 %.
const Z: f64 = 1.959_964;
const DAY: f64 = 86_400e9;
/// Ten years: beyond it a number of days says nothing.
const HORIZON: f64 = 3653.0;

/// Fits a trend; the points in any order.
///
/// `None`: fewer than four points, or less than a day between the first and the last.
pub fn fit(points: &[Point]) -> Option<Trend> {
    let mut points = points.to_vec();
    points.sort_by_key(|p| p.at);
    points.dedup_by_key(|p| p.at);
    let span = points.last()?.at.since(points.first()?.at);
    if points.len() < POINTS || span < SPAN {
        return None;
    }
    if points.len() > MOST {
        let last = points.len() - 1;
        points = (0..MOST).map(|i| points[i * last / (MOST - 1)]).collect();
    }
    let n = points.len();
    let mut slopes = Vec::with_capacity(n * (n - 1) / 2);
    for (i, a) in points.iter().enumerate() {
        slopes.extend(points[i + 1..].iter().map(|b| slope(a, b)));
    }
    slopes.sort_unstable_by(f64::total_cmp);
    let (low, high) = interval(n, slopes.len());
    Some(Trend { per_day: median(&slopes), low: slopes[low], high: slopes[high], points: n })
}

#[expect(clippy::cast_precision_loss, reason = "a rate; bytes above 2^53 round")]
fn slope(a: &Point, b: &Point) -> f64 {
    (b.bytes as f64 - a.bytes as f64) / (b.at.since(a.at) as f64 / DAY)
}

fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    }
}

/// The ranks, from 0, of the slopes at the ends of the interval.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at most 80,000 slopes; clamped to the list"
)]
fn interval(points: usize, slopes: usize) -> (usize, usize) {
    let n = points as f64;
    let spread = Z * (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt();
    let count = slopes as f64;
    // Ranks from 1 are M1 = (N - C) / 2 and M2 + 1 = (N + C) / 2 + 1.
    let low = ((count - spread) / 2.0).floor() - 1.0;
    let high = f64::midpoint(count, spread).ceil();
    (low.max(0.0) as usize, (high.max(0.0) as usize).min(slopes - 1))
}

impl Trend {
    /// When `used` reaches `end` at this rate.
    pub fn full(&self, used: u64, end: u64) -> Full {
        if used >= end {
            return Full::Now;
        }
        match (days(end - used, self.per_day), days(end - used, self.high)) {
            (Some(days_left), Some(early)) => {
                Full::In { days: days_left, early, late: days(end - used, self.low) }
            }
            _ => Full::Never,
        }
    }
}

/// Whole days until so many bytes are reached; `None` if never, or not within ten years.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positive, and bounded by the horizon"
)]
fn days(bytes: u64, per_day: f64) -> Option<u64> {
    if per_day <= 0.0 {
        return None;
    }
    let days = bytes as f64 / per_day;
    (days <= HORIZON).then_some(days as u64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "small numbers")]

    use super::*;
    use proptest::prelude::*;

    const GIB: u64 = 1 << 30;

    fn at(hours: i64) -> Time {
        Time::from_nanos(1_700_000_000 * Time::NANOS_PER_SEC + hours * 3600 * Time::NANOS_PER_SEC)
    }

    fn daily(values: &[u64]) -> Vec<Point> {
        (0..).zip(values).map(|(i, v)| Point { at: at(24 * i), bytes: v * GIB }).collect()
    }

    #[test]
    fn a_day_from_the_first_to_the_last_is_enough_and_the_last_of_many_counts() {
        let points = |n: i64, minutes: i64, bytes: fn(u64) -> u64| -> Vec<Point> {
            let time =
                |i: i64| Time::from_nanos(at(0).nanos() + i * minutes * 60 * Time::NANOS_PER_SEC);
            (0..n).map(|i| Point { at: time(i), bytes: bytes(i as u64) }).collect()
        };
        assert!(fit(&points(4, 480, |i| i)).is_some());
        assert!(fit(&points(4, 479, |i| i)).is_none());
        // The mean slope of a square is that between its ends: whoever leaves out an end sees another.
        let square = fit(&points(2001, 1440, |i| i * i)).unwrap();
        assert!((square.per_day / 2000.0 - 1.0).abs() < 0.001, "{square:?}");
    }

    #[test]
    fn what_is_left_is_divided_by_each_rate() {
        let trend = Trend { per_day: 10.0, low: 5.0, high: 20.0, points: 9 };
        assert_eq!(trend.full(900, 1000), Full::In { days: 10, early: 5, late: Some(20) });
        assert_eq!(trend.full(1000, 1000), Full::Now);
    }

    #[test]
    fn tables() {
        #[rustfmt::skip]
        let rows: [(&str, &[u64], Option<u64>, Full); 7] = [
            // Values in GiB a day apart, slope in GiB a day, and when 100 GiB are full.
            ("straight",     &[10, 20, 30, 40],         Some(10), Full::In { days: 6, early: 6, late: Some(6) }),
            ("one clean-up", &[10, 20, 30, 5, 50, 60],  Some(10), Full::In { days: 4, early: 0, late: None }),
            ("flat",         &[50, 50, 50, 50],         Some(0),  Full::Never),
            ("over",         &[90, 95, 99, 120],        None,     Full::Now),
            ("too few",      &[10, 20, 30],             None,     Full::Never),
            ("nothing",      &[],                       None,     Full::Never),
            ("one",          &[1],                      None,     Full::Never),
        ];
        for (name, values, slope, full) in rows {
            let trend = fit(&daily(values));
            if let Some(slope) = slope {
                let per_day = trend.unwrap().per_day / GIB as f64;
                assert!((per_day - slope as f64).abs() < 0.6, "{name}: {per_day}");
            }
            if let (Some(trend), Some(last)) = (trend, values.last()) {
                let found = trend.full(last * GIB, 100 * GIB);
                match (found, full) {
                    (Full::In { days: a, early, .. }, Full::In { days: b, .. }) => {
                        assert!(early <= a && a.abs_diff(b) <= 1, "{name}: {found:?}");
                    }
                    (found, full) => assert_eq!(found, full, "{name}"),
                }
            }
        }
    }

    #[test]
    fn points_within_a_day_are_no_trend() {
        let points: Vec<_> = (0..10).map(|i| Point { at: at(i), bytes: i as u64 }).collect();
        assert_eq!(fit(&points), None);
    }

    /// A known case: Sen's interval for ten points, C = 1.96 sqrt(125) = 21.9, ranks 11 and 35 of 45.
    #[test]
    fn the_interval_has_the_ranks_of_the_book() {
        assert_eq!(interval(10, 45), (10, 34));
    }

    proptest! {
        #[test]
        fn a_line_is_found_whatever_a_fifth_of_the_points_says(
            slope in 1u64..50, wild in prop::collection::vec((0usize..30, 0u64..10_000), 0..6)
        ) {
            let mut values: Vec<u64> = (0..30).map(|i| 100 + slope * i).collect();
            for (i, v) in wild {
                values[i] = v;
            }
            let trend = fit(&daily(&values)).unwrap();
            let per_day = trend.per_day / GIB as f64;
            prop_assert!((per_day - slope as f64).abs() <= slope as f64 * 0.5 + 1.0, "{per_day} of {slope}");
            prop_assert!(trend.low <= trend.per_day && trend.per_day <= trend.high);
        }

        #[test]
        fn the_order_of_points_does_not_matter(mut values in prop::collection::vec(0u64..1000, 4..40)) {
            let mut points = daily(&values);
            let before = fit(&points);
            points.reverse();
            prop_assert_eq!(fit(&points), before);
            values.reverse();
            let back = fit(&daily(&values)).unwrap();
            prop_assert!((back.per_day + before.unwrap().per_day).abs() < 1.0);
        }

        #[test]
        fn more_points_than_are_used_are_no_fault(n in 400usize..900) {
            let values: Vec<u64> = (0..n as u64).collect();
            let trend = fit(&daily(&values)).unwrap();
            prop_assert!((trend.per_day / GIB as f64 - 1.0).abs() < 1e-6);
            prop_assert!(trend.points <= MOST);
        }
    }
}
