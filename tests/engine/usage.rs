//! Sums of who uses what: each hard link once, every byte in one class, whatever is summed by.

use crate::support::*;
use proptest::prelude::*;
use retain::core::limit::usage::Usage;
use retain::core::model::{Marks, SharedFile, Space};
use retain::core::policy::{self, Policy};
use retain::core::usage::{self, Amount, By, Input, Report, Row, Trash, Trashed};

fn load(text: &str) -> Policy {
    let loaded = policy::load(&format!("version = 1\nmin-age = \"0s\"\n{text}"));
    loaded.policy.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
}

fn report(root: &Root, policy: &Policy, by: &[By], top: usize) -> Report {
    report_with(root, policy, by, top, None)
}

fn report_with(
    root: &Root,
    policy: &Policy,
    by: &[By],
    top: usize,
    trash: Option<&[Trashed]>,
) -> Report {
    let outcome = root.decide(policy);
    let unrecognised = None;
    usage::report(&Input {
        inventory: &root.0,
        policy,
        outcome: &outcome,
        now: NOW,
        trash,
        unrecognised,
        by,
        top,
    })
}

/// Two sessions of `a`, one of `b`: 4 x 100, 2 x 100, 3 x 100 bytes.
fn storage() -> Root {
    Root::new().session("a/x/1", steps(4)).session("a/y/2", steps(2)).session("b/x/1", steps(3))
}

const LAST_TWO: &str =
    "[[policy]]\nname = \"p\"\nmatch = { session = [\"a/**\"] }\nkeep = [{ last = 2 }]\n";

fn rows(report: &Report) -> Vec<(&str, u64, u64)> {
    let rows = report.groups[0].rows.iter();
    rows.map(|r| (&*r.name, r.amount.bytes, r.amount.reclaimable)).collect()
}

#[test]
fn sums_by_everything() {
    let root = storage();
    let policy = load(LAST_TWO);
    #[rustfmt::skip]
    let table: [(By, &[(&str, u64, u64)]); 6] = [
        (By::Owner,   &[("a", 600, 200), ("b", 300, 0)]),
        (By::Dataset, &[("a/x", 400, 200), ("b/x", 300, 0), ("a/y", 200, 0)]),
        (By::Session, &[("a/x/1", 400, 200), ("b/x/1", 300, 0), ("a/y/2", 200, 0)]),
        (By::Layout,  &[("unknown", 900, 200)]),
        (By::Age,     &[("7 to 30 days", 900, 200)]),
        (By::Outcome, &[
            // The newest of each is kept by the rule as well as by min-keep: the rule is named.
            ("kept: last (policy \"p\", rule 1)", 400, 0),
            ("no policy matches", 300, 0),
            ("reclaimable: no rule", 200, 200),
        ]),
    ];
    for (by, expected) in table {
        let report = report(&root, &policy, &[by], 10);
        assert_eq!(rows(&report), expected, "{by:?}");
        let t = report.total;
        assert_eq!((t.sessions, t.checkpoints, t.bytes, t.deletes), (3, 9, 900, 2));
        assert_eq!((t.reclaimable, t.kept, t.unmatched), (200, 400, 300));
    }
}

#[test]
fn sessions_count_once_in_each_row() {
    let report = report(&storage(), &load(LAST_TWO), &[By::Outcome, By::Age], 10);
    let sessions = |group: usize| -> Vec<u64> {
        report.groups[group].rows.iter().map(|r| r.amount.sessions).collect()
    };
    assert_eq!(sessions(0), [2, 1, 1]);
    assert_eq!(sessions(1), [3]);
}

#[test]
fn ages_run_from_new_to_old_and_the_future_is_new() {
    let one = |id: &str, age| checkpoint(id, None, age);
    let mut unknown = one("u", 0);
    unknown.saved_at = None;
    let list = vec![
        one("f", -DAY),
        one("0", 0),
        one("1", DAY - 1),
        one("2", DAY),
        one("3", 7 * DAY),
        one("4", 89 * DAY),
        one("5", 90 * DAY),
        one("6", 365 * DAY),
        one("7", 3000 * DAY),
        unknown,
    ];
    let report = report(&Root::new().session("a/1", list), &load(LAST_TWO), &[By::Age], 10);
    let found: Vec<(&str, u64)> =
        report.groups[0].rows.iter().map(|r| (&*r.name, r.amount.checkpoints)).collect();
    let expected = [
        ("under 1 day", 3),
        ("1 to 7 days", 1),
        ("7 to 30 days", 1),
        ("30 to 90 days", 1),
        ("90 to 365 days", 1),
        ("over 365 days", 2),
        ("unknown", 1),
    ];
    assert_eq!(found, expected);
}

#[test]
fn what_protects_is_named() {
    let mut root = storage();
    root.0.sessions[0].checkpoints[0].marks.set(Marks::PINNED);
    root.0.sessions[0].checkpoints[1].complete = false;
    let text =
        format!("{LAST_TWO}[[protect]]\nname = \"all of b\"\nmatch = {{ session = [\"b/**\"] }}\n");
    let report = report(&root, &load(&text.replace("\"a/**\"", "\"**\"")), &[By::Outcome], 10);
    let names: Vec<&str> = report.groups[0].rows.iter().map(|r| &*r.name).collect();
    assert!(names.contains(&"protected: pinned"), "{names:?}");
    assert!(names.contains(&"protected: unfinished"), "{names:?}");
    assert!(names.contains(&"protected: by \"all of b\""), "{names:?}");
}

#[test]
fn the_rest_is_one_row() {
    let report = report(&storage(), &load(LAST_TWO), &[By::Session], 1);
    assert_eq!(rows(&report), [("a/x/1", 400, 200)]);
    let (count, amount) = report.groups[0].rest.unwrap();
    assert_eq!((count, amount.bytes, amount.sessions), (2, 500, 2));
}

#[test]
fn a_file_shared_with_what_stays_is_not_reclaimable() {
    let mut root = Root::new().session("a/1", steps(3)).session("b/1", steps(3));
    let shared = |links| SharedFile { inode: 7, bytes: 90, apparent: 90, links };
    // 1 of a goes, 3 of b stays.
    root.0.sessions[0].checkpoints[0].extra_mut().shared.push(shared(2));
    root.0.sessions[1].checkpoints[2].extra_mut().shared.push(shared(2));
    let policy = load("[[policy]]\nname = \"p\"\nkeep = [{ last = 1 }]\n");
    let of = |root: &Root| report(root, &policy, &[By::Owner], 10);
    let one = of(&root);
    assert_eq!(one.total.bytes, 510);
    assert_eq!((one.total.reclaimable, one.total.linked, one.total.kept), (310, 0, 200));
    // Each owner has it; together they have it once.
    assert_eq!(rows(&one), [("a", 300, 110), ("b", 300, 200)]);
    assert_eq!(one.groups[0].rows[0].amount.linked, 90);
    // A link outside of any checkpoint.
    root.0.sessions[1].checkpoints[2].extra = None;
    assert_eq!((of(&root).total.reclaimable, of(&root).total.linked), (310, 90));
    root.0.sessions[0].checkpoints[0].extra_mut().shared[0].links = 1;
    assert_eq!((of(&root).total.reclaimable, of(&root).total.linked), (400, 0));
}

#[test]
fn a_shared_file_is_as_long_as_it_is() {
    let mut root = Root::new().session("a/1", steps(2));
    for c in &mut root.0.sessions[0].checkpoints {
        let extra = c.extra_mut();
        extra.apparent = 100;
        extra.shared = vec![SharedFile { inode: 7, bytes: 4096, apparent: 10, links: 2 }];
    }
    let total = |root: &Root| {
        let policy = load("[[policy]]\nname = \"p\"\nkeep = [{ last = 1 }]\n");
        report(root, &policy, &[], 10).total.apparent
    };
    assert_eq!(total(&root), 190);
    // Of what was never measured nothing is in the sum, and nothing is taken from it.
    root.0.sessions[0].checkpoints[0].extra_mut().apparent = 0;
    assert_eq!(total(&root), 100);
}

#[test]
fn trash_stands_apart() {
    let trash = [
        Trashed {
            session: "a/x/1".into(),
            owner: Some("a".into()),
            trash: Trash { checkpoints: 2, bytes: 50 },
        },
        Trashed {
            session: "gone/1".into(),
            owner: Some("gone".into()),
            trash: Trash { checkpoints: 1, bytes: 7 },
        },
        Trashed {
            session: "whose/1".into(),
            owner: None,
            trash: Trash { checkpoints: 1, bytes: 3 },
        },
    ];
    let report =
        report_with(&storage(), &load(LAST_TWO), &[By::Owner, By::Layout], 10, Some(&trash));
    assert_eq!(report.trash, Some(Trash { checkpoints: 4, bytes: 60 }));
    assert_eq!(report.total.bytes, 900);
    let found: Vec<(&str, Option<u64>)> =
        report.groups[0].rows.iter().map(|r| (&*r.name, r.trash)).collect();
    assert_eq!(found, [("a", Some(50)), ("b", Some(0)), ("gone", Some(7))]);
    let none: Vec<&Row> = report.groups[1].rows.iter().filter(|r| r.trash.is_some()).collect();
    assert!(none.is_empty(), "{none:?}");
}

#[test]
fn quotas_are_measured_before_and_after() {
    let mut root = storage();
    root.0.space = Some(Space { total: 10_000, free: 500, trash: 0 });
    let text = "[[policy]]\nname = \"p\"\nkeep = [{ last = 2 }]\n\
                [[quota]]\nname = \"each\"\nper = \"owner\"\nmax-bytes = \"500B\"\non-exceed = \"report\"\n\
                [[quota]]\nname = \"disk\"\nper = \"root\"\nmin-free = \"10%\"\non-exceed = \"report\"\n";
    let report = report(&root, &load(text), &[], 10);
    let found: Vec<_> = report
        .quotas
        .iter()
        .map(|q| (&*q.name, q.owner.as_deref(), q.used, q.allowed, q.after, q.is_over()))
        .collect();
    assert_eq!(
        found,
        [
            ("each", Some("a"), 600, 500, 400, true),
            ("each", Some("b"), 300, 500, 200, false),
            ("disk", None, 9500, 9000, 9200, true),
        ]
    );
    assert_eq!(report.quotas[0].percent(), 120);
}

fn add(a: &Amount, b: &Amount) -> [u64; 3] {
    [a.checkpoints + b.checkpoints, a.sessions + b.sessions, a.files + b.files]
}

proptest! {
    /// Whatever is linked to whatever: all classes add up to the bytes, which are those that the
    /// limits count, and what is reclaimable is what the plan says it frees.
    #[test]
    fn sums_agree_with_limits_and_plans(
        links in prop::collection::vec((0usize..3, 0usize..4, 0u64..4, 1u32..5), 0..12),
        keep in 1u32..4,
    ) {
        let mut root = Root::new()
            .session("a/1", steps(4)).session("a/2", steps(4)).session("b/1", steps(4));
        for (s, c, inode, links) in links {
            let bytes = 10 + inode;
            let checkpoint = &mut root.0.sessions[s].checkpoints[c];
            checkpoint.extra_mut().shared.push(SharedFile { inode, bytes, apparent: bytes, links });
            checkpoint.bytes += 100;
        }
        let policy = load(&format!("[[policy]]\nname = \"p\"\nkeep = [{{ last = {keep} }}]\n"));
        let outcome = root.decide(&policy);
        let plan = retain::core::plan::build(&retain::core::plan::Input {
            inventory: &root.0, policy: &policy, outcome: &outcome, now: NOW,
            policy_source: "", policy_text: "", root: None, select: None,
        });
        let mut usage = Usage::default();
        root.0.sessions.iter().flat_map(|s| &s.checkpoints).for_each(|c| usage.add(c));
        let report = report(&root, &policy, &By::ALL, 100);
        let t = report.total;
        prop_assert_eq!(t.bytes, usage.bytes());
        prop_assert_eq!(t.bytes, plan.totals.bytes);
        prop_assert_eq!(t.reclaimable + t.linked + t.unmatched + t.kept + t.protected, t.bytes);
        prop_assert_eq!(t.deletes, plan.totals.delete);
        for group in &report.groups {
            let whole = group.rows.iter().fold(Amount::default(), |sum, r| {
                let [checkpoints, sessions, files] = add(&sum, &r.amount);
                Amount { checkpoints, sessions, files, ..Amount::default() }
            });
            prop_assert_eq!((whole.checkpoints, whole.files), (t.checkpoints, t.files), "{:?}", group.by);
            let most = group.rows.iter().map(|r| r.amount.bytes).max().unwrap();
            prop_assert!(most <= t.bytes);
        }
    }

    /// What a link says of itself holds (`links` is at least the number that is seen): then what is
    /// reclaimable is exactly what the plan frees.
    #[test]
    fn reclaimable_is_what_the_plan_frees(
        places in prop::collection::btree_set((0usize..3, 0usize..4, 0u64..4), 0..12),
        outside in prop::collection::vec(0u32..2, 4),
        keep in 1u32..4,
    ) {
        let mut root = Root::new()
            .session("a/1", steps(4)).session("a/2", steps(4)).session("b/1", steps(4));
        for (s, c, inode) in &places {
            let seen = places.iter().filter(|p| p.2 == *inode).count();
            let links = u32::try_from(seen).unwrap() + outside[usize::try_from(*inode).unwrap()];
            let checkpoint = &mut root.0.sessions[*s].checkpoints[*c];
            checkpoint.extra_mut().shared.push(SharedFile { inode: *inode, bytes: 10, apparent: 10, links });
        }
        let policy = load(&format!("[[policy]]\nname = \"p\"\nkeep = [{{ last = {keep} }}]\n"));
        let outcome = root.decide(&policy);
        let plan = retain::core::plan::build(&retain::core::plan::Input {
            inventory: &root.0, policy: &policy, outcome: &outcome, now: NOW,
            policy_source: "", policy_text: "", root: None, select: None,
        });
        let report = report(&root, &policy, &[], 1);
        prop_assert_eq!(report.total.reclaimable, plan.totals.delete_bytes);
    }
}
