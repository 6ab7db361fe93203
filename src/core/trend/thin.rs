//! Which points of a history are kept, so that it stays small for ever.

use crate::core::model::Time;
use chrono::Datelike as _;
use std::collections::HashSet;

/// Every hour for three days, every day for a year, every month for ten; nothing beyond.
const HOURLY: i64 = 3 * DAY;
const DAILY: i64 = 366 * DAY;
const MONTHLY: i64 = 3660 * DAY;
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// Seconds: which of these times are to be dropped at `now`; `times` ascending.
///
/// The last of each hour, day or month (UTC) stays, and the newest of all in any case. So there are
/// never more than 560 or so. What is thinned once is not thinned further until it is older.
pub fn thin(times: &[i64], now: i64) -> Vec<i64> {
    let mut taken = HashSet::new();
    let mut dropped = Vec::new();
    for (i, &t) in times.iter().enumerate().rev() {
        let stays = match now.saturating_sub(t) {
            age if age < HOURLY => taken.insert((0, t.div_euclid(HOUR))),
            age if age < DAILY => taken.insert((1, t.div_euclid(DAY))),
            age if age < MONTHLY => taken.insert((2, month(t))),
            _ => false,
        };
        if !stays && i + 1 != times.len() {
            dropped.push(t);
        }
    }
    dropped.reverse();
    dropped
}

/// Months since the year 0.
fn month(seconds: i64) -> i64 {
    let t = Time::from_nanos(seconds.saturating_mul(Time::NANOS_PER_SEC)).to_chrono();
    i64::from(t.year()) * 12 + i64::from(t.month0())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_767_225_600; // 2026-01-01T00:00:00Z

    /// What is exactly as old as a span is long belongs to the next, coarser one.
    #[test]
    fn spans_end_before_their_length() {
        let noon = NOW + 14 * DAY + 12 * HOUR;
        for (older, newer, dropped) in [
            // Of one day, and of one month.
            (HOURLY + HOUR, HOURLY, true),
            (HOURLY + HOUR, HOURLY - 1, false),
            (DAILY + 2 * DAY, DAILY, true),
            (DAILY + 2 * DAY, DAILY - 1, false),
        ] {
            let times = [noon - older, noon - newer, noon];
            let wanted: &[i64] = if dropped { &times[..1] } else { &[] };
            assert_eq!(thin(&times, noon), wanted, "{older} {newer}");
        }
        for (age, dropped) in [(MONTHLY - 1, false), (MONTHLY, true)] {
            let times = [noon - age, noon];
            assert_eq!(!thin(&times, noon).is_empty(), dropped, "{age}");
        }
        // Every January is another month.
        let years: Vec<i64> = (2..9).rev().map(|y| NOW - y * 365 * DAY + 14 * DAY).collect();
        assert_eq!(thin(&years, NOW), [0; 0]);
    }

    /// A run every twenty minutes for twelve years, thinned each time a day has passed.
    #[test]
    fn a_history_stays_bounded() {
        let mut kept: Vec<i64> = Vec::new();
        let mut most = 0;
        for day in 0..12 * 365 {
            let start = NOW + day * DAY;
            kept.extend((0..72).map(|i| start + i * 1200));
            let dropped: HashSet<i64> = thin(&kept, start + DAY).into_iter().collect();
            kept.retain(|t| !dropped.contains(t));
            most = most.max(kept.len());
        }
        assert!((480..600).contains(&most), "{most}");
        let oldest = (NOW + 12 * 365 * DAY - kept[0]) / DAY;
        assert!((3600..3700).contains(&oldest), "ten years are remembered: {oldest}");
    }

    #[test]
    fn the_newest_point_stays_however_old() {
        assert_eq!(thin(&[1, 2, 3], NOW), [1, 2]);
        assert_eq!(thin(&[], NOW), [] as [i64; 0]);
    }

    proptest! {
        #[test]
        fn thinning_twice_is_thinning_once(mut times in prop::collection::vec(NOW - MONTHLY..NOW, 0..200)) {
            times.sort_unstable();
            times.dedup();
            let dropped: HashSet<i64> = thin(&times, NOW).into_iter().collect();
            let kept: Vec<i64> = times.iter().copied().filter(|t| !dropped.contains(t)).collect();
            prop_assert_eq!(thin(&kept, NOW), [] as [i64; 0]);
            prop_assert_eq!(kept.last(), times.last());
        }
    }
}
