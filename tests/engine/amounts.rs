//! What a sum of checkpoints counts besides bytes: files, lengths, who was measured.

use crate::support::*;
use retain::core::model::{SharedFile, Space};
use retain::core::policy::{self, Policy};
use retain::core::usage::{self, Amount, By, Input, Report, Unrecognised, Weight};

fn policy(extra: &str) -> Policy {
    let text = "version = 1\nmin-age = \"0s\"\n[[policy]]\nname = \"p\"\nkeep = [{ last = 1 }]\n";
    let loaded = policy::load(&format!("{text}{extra}"));
    loaded.policy.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
}

fn report(root: &Root, policy: &Policy, unrecognised: Option<Unrecognised>) -> Report {
    usage::report(&Input {
        inventory: &root.0,
        policy,
        outcome: &root.decide(policy),
        now: NOW,
        trash: None,
        unrecognised,
        by: &[By::Owner, By::Outcome],
        top: 10,
    })
}

/// Four checkpoints of 100 bytes; the lengths of the first two are known.
fn storage() -> Root {
    let mut root = Root::new().session("a/1", steps(3)).session("b/1", steps(1));
    for (n, apparent) in [(0, 70), (1, 80)] {
        let c = &mut root.0.sessions[0].checkpoints[n];
        c.extra_mut().apparent = apparent;
        c.files = 5;
    }
    root
}

#[test]
fn files_and_lengths_add_up_and_who_was_not_measured_is_counted() {
    let mut root = storage();
    let total = |root: &Root| report(root, &policy(""), None).total;
    let counted = |a: Amount| (a.files, a.apparent, a.unmeasured);
    assert_eq!(counted(total(&root)), (5 + 5 + 1 + 1, 150, 2));
    // What occupies nothing has no length that anybody could miss.
    root.0.sessions[1].checkpoints[0].bytes = 0;
    assert_eq!(counted(total(&root)), (12, 150, 1));
    root.0.sessions[0].checkpoints[0].bytes = 0;
    assert_eq!(counted(total(&root)), (12, 150, 1), "it was measured");
}

/// Of a file with two links in these checkpoints the length is taken for its allocation.
#[test]
fn the_length_of_a_shared_file_counts_once() {
    let mut root = storage();
    for n in 0..2 {
        let file = SharedFile { inode: 7, bytes: 30, apparent: 30, links: 2 };
        root.0.sessions[0].checkpoints[n].extra_mut().shared.push(file);
    }
    let total = report(&root, &policy(""), None).total;
    assert_eq!((total.bytes, total.apparent), (400 - 30, 150 - 30));
}

#[test]
fn a_session_that_was_not_read_whole_is_counted() {
    let mut root = storage();
    assert_eq!(report(&root, &policy(""), None).tainted, 0);
    root.0.sessions[1].tainted.push("x: Permission denied".into());
    assert_eq!(report(&root, &policy(""), None).tainted, 1);
}

#[test]
fn cells_are_owners_with_their_datasets_the_heaviest_first() {
    let root = Root::new()
        .session("b/x/1", steps(1))
        .session("a/y/1", steps(2))
        .session("a/x/1", steps(1))
        .session("a/y/2", steps(1));
    let cells = report(&root, &policy(""), None).cells;
    let cells: Vec<_> =
        cells.iter().map(|c| (&*c.owner, &*c.dataset, c.amount.bytes, c.amount.sessions)).collect();
    assert_eq!(cells, [("a", "a/y", 300, 2), ("a", "a/x", 100, 1), ("b", "b/x", 100, 1)]);
}

#[test]
fn what_nobody_recognises_is_a_row_beside_the_outcomes() {
    let row = |files, weight| {
        let unrecognised = Some(Unrecognised { files, weight });
        let report = report(&storage(), &policy(""), unrecognised);
        report.groups[1].rows.last().map(|r| (r.name.clone(), r.amount)).unwrap()
    };
    let weight = Some(Weight { bytes: 40, apparent: 30, unmeasured: 0 });
    let (name, amount) = row(3, weight);
    assert_eq!(name, "not recognised");
    assert_eq!(amount, Amount { files: 3, bytes: 40, apparent: 30, ..Amount::default() });
    for (files, weight) in [(0, weight), (3, None)] {
        assert_ne!(row(files, weight).0, "not recognised");
    }
}

#[test]
fn dimensions_have_names_that_the_command_line_knows() {
    assert_eq!(
        By::ALL.map(By::as_str),
        ["owner", "dataset", "session", "layout", "age", "outcome"]
    );
}

#[test]
fn a_quota_says_whether_it_evicts_and_what_is_left_with_hard_links() {
    let mut root = Root::new().session("a/1", steps(2));
    // The other link is in a checkpoint that stays: its bytes are not freed.
    for n in 0..2 {
        let file = SharedFile { inode: 7, bytes: 60, apparent: 60, links: 2 };
        root.0.sessions[0].checkpoints[n].extra_mut().shared.push(file);
    }
    for (on_exceed, evicts) in [("report", false), ("evict", true)] {
        let quota = format!(
            "[[quota]]\nname = \"q\"\nper = \"owner\"\nmax-bytes = \"1KiB\"\non-exceed = \"{on_exceed}\"\n"
        );
        let quotas = report(&root, &policy(&quota), None).quotas;
        let found: Vec<_> = quotas.iter().map(|q| (q.used, q.after, q.evicts)).collect();
        assert_eq!(found, [(140, 100, evicts)], "{on_exceed}");
    }
    // A link that nobody has seen holds it on the disk as well, but no checkpoint of the owner has it.
    root.0.sessions[0].checkpoints[1].extra = None;
    root.0.space = Some(Space { total: 1000, free: 500, trash: 0 });
    let quota = "[[quota]]\nname = \"q\"\nper = \"owner\"\nmax-bytes = \"1KiB\"\n\
                 [[quota]]\nname = \"room\"\nmin-free = \"1B\"\n";
    let quotas = report(&root, &policy(quota), None).quotas;
    let found: Vec<_> = quotas.iter().map(|q| (q.used, q.after)).collect();
    assert_eq!(found, [(200, 100), (500, 460)]);
}
