//! What the default policy would delete a month later, as ids.

use retain::core::decide::decide;
use retain::core::decision::Verdict;
use retain::core::model::Time;
use retain::core::policy::{self, load};
use retain::scan::Scan;

/// For each session the ids that go, in the order of the session: `run: a b`.
pub fn deletions(scan: &Scan) -> Vec<String> {
    let policy = load(policy::DEFAULT).policy.unwrap();
    let outcome = decide(&scan.inventory, &policy, in_a_month(scan));
    scan.inventory
        .sessions
        .iter()
        .zip(&outcome.sessions)
        .map(|(session, decided)| {
            let gone: Vec<&str> = (0..)
                .zip(&session.checkpoints)
                .filter(|(i, _): &(usize, _)| decided.verdict(*i) == Verdict::Delete)
                .map(|(_, c)| &*c.id)
                .collect();
            format!("{}: {}", session.name, gone.join(" ")).trim_end().to_owned()
        })
        .collect()
}

/// Thirty days after the last change to any of it: unpacking is one.
pub fn in_a_month(scan: &Scan) -> Time {
    let checkpoints = scan.inventory.sessions.iter().flat_map(|s| &s.checkpoints);
    let last = checkpoints.filter_map(|c| c.written().max(c.saved_at)).max().unwrap();
    Time::from_nanos(last.nanos() + 30 * 86_400 * Time::NANOS_PER_SEC)
}
