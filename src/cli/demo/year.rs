//! A made-up year before the sample, so that the page has a past to show.

use crate::apply::Root;
use crate::cli::failure::Failure;
use crate::core::model::{Inventory, Time};
use crate::history::{History, HistoryError, Measured, OwnerPoint};
use crate::report::listing;
use std::collections::BTreeMap;
use std::os::fd::AsFd as _;

const DAY: i64 = 86_400 * Time::NANOS_PER_SEC;

/// Usage that grew to what is there now, with a clean-up every ten weeks: weekly points, and daily
/// ones of the last month, from which a trend is drawn.
///
/// # Errors
/// The history cannot be written.
pub fn record(root: &Root, inventory: &Inventory, now: Time) -> Result<(), Failure> {
    let mut owners: BTreeMap<&str, OwnerPoint> = BTreeMap::new();
    for session in &inventory.sessions {
        let point = owners.entry(&session.owner).or_default();
        point.bytes += listing::session_bytes(session);
        point.checkpoints += session.checkpoints.len() as u64;
        point.sessions += 1;
    }
    let Some(ours) = root.ours()? else { return Ok(()) };
    // Oldest first: a history takes no point before its newest.
    let days = (5..52).rev().map(|week| week * 7).chain((1..30).rev());
    let add = |history: &mut History| -> Result<(), HistoryError> {
        for day in days {
            let at = Time::from_nanos(now.nanos().saturating_sub(day * DAY));
            history.record(at, &measured(&owners, share(day)))?;
        }
        Ok(())
    };
    History::update(ours.as_fd(), now, add).map_err(anyhow::Error::from)?;
    Ok(())
}

/// In thousandths of what is there now.
fn share(day: i64) -> u64 {
    // No year is as even as a ruler.
    let uneven = day * 37 % 11 / 3;
    (1000 - 2 * day - (day % 70) * 3 + uneven).clamp(50, 1000).unsigned_abs()
}

fn measured(owners: &BTreeMap<&str, OwnerPoint>, share: u64) -> Measured {
    let scaled = |p: &OwnerPoint| OwnerPoint {
        bytes: p.bytes * share / 1000,
        checkpoints: p.checkpoints * share / 1000,
        sessions: p.sessions,
        ..OwnerPoint::default()
    };
    let owners: Vec<(String, OwnerPoint)> =
        owners.iter().map(|(name, p)| ((*name).to_owned(), scaled(p))).collect();
    let total = owners.iter().fold(OwnerPoint::default(), |sum, (_, p)| OwnerPoint {
        bytes: sum.bytes + p.bytes,
        checkpoints: sum.checkpoints + p.checkpoints,
        sessions: sum.sessions + p.sessions,
        ..sum
    });
    Measured { source: "monitor", total, owners, ..Measured::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_and_never_passes_what_is_there() {
        assert!((1..365).all(|d| (50..=1000).contains(&share(d))));
        assert!((1..29).all(|d| share(d) > share(d + 1)), "the last month grows");
        assert!(share(69) < share(71), "a clean-up");
    }
}
