//! The saved plan: what it holds, and that it cannot be changed unnoticed.

use crate::support::{DAY, NOW, Root, keeps, steps};
use retain::core::calendar::Span;
use retain::core::model::{Session, SharedFile, Time};
use retain::core::plan::{EXPIRES_AFTER_SECS, Input, PlanError, PlanFile, PlanRoot, build};
use retain::core::policy::{Amount, MaxDelete, Policy, RuleKind};

fn plan(root: &Root, policy: &Policy) -> PlanFile {
    plan_of(root, policy, None)
}

/// Of some sessions, if they are chosen.
fn plan_of(
    root: &Root,
    policy: &Policy,
    select: Option<&(dyn Fn(&Session) -> bool + Sync)>,
) -> PlanFile {
    let outcome = root.decide(policy);
    build(&Input {
        inventory: &root.0,
        policy,
        outcome: &outcome,
        now: NOW,
        policy_source: "test",
        policy_text: "version = 1",
        root: Some(PlanRoot { id: Some("id".to_owned()), path: "/runs".to_owned(), inode: 7 }),
        select,
    })
}

fn sample() -> Root {
    let mut root = Root::new().session("o/d/1", steps(4)).session("o/e/1", steps(2));
    for session in &mut root.0.sessions {
        for c in &mut session.checkpoints {
            c.fingerprint = Some([7; 16]);
            c.extra_mut().paths = vec![format!("{}/{}", session.name, c.id).into()];
        }
    }
    root
}

#[test]
fn it_holds_what_apply_needs() {
    let plan = plan(&sample(), &keeps(RuleKind::Last(2)));
    assert_eq!(
        (plan.totals.checkpoints, plan.totals.delete, plan.totals.delete_bytes),
        (6, 2, 200)
    );
    assert_eq!(plan.sessions.len(), 1);
    let witnesses: Vec<_> = plan.sessions[0].witnesses.iter().map(|w| w.paths.join(" ")).collect();
    assert_eq!(witnesses, ["o/d/1/3", "o/d/1/4"]);
    let gone: Vec<_> = plan.decisions.iter().filter(|d| d.verdict == "delete").collect();
    assert_eq!(gone[0].paths, ["o/d/1/1"]);
    assert_eq!(gone[0].fingerprint.as_deref(), Some("07070707070707070707070707070707"));
    assert_eq!(gone[0].reasons[0].text, "last: rank 4 of 2");
    assert_eq!(gone[0].reasons[0].data["rule"], "last");
}

#[test]
fn any_change_is_noticed_and_reformatting_is_not_one() {
    let plan = plan(&sample(), &keeps(RuleKind::Last(2)));
    let text = serde_json::to_string(&plan).unwrap();
    assert!(PlanFile::parse(text.as_bytes()).is_ok());
    let pretty = serde_json::to_string_pretty(&plan).unwrap();
    assert!(PlanFile::parse(pretty.as_bytes()).is_ok());
    for (from, to) in [
        ("\"verdict\":\"keep\"", "\"verdict\":\"delete\""),
        ("o/d/1/1\"]", "o/d/1/4\"]"),
        ("\"delete\":2", "\"delete\":1"),
        ("0707", "0708"),
        ("version = 1", "version = 2"),
        ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
        ("\"rank\":4", "\"rank\":5"),
    ] {
        assert!(text.contains(from), "{from}");
        let edited = text.replacen(from, to, 1);
        assert!(matches!(PlanFile::parse(edited.as_bytes()), Err(PlanError::Digest)), "{from}");
    }
    let newer = text.replace("retain-plan/1", "retain-plan/2");
    assert!(matches!(PlanFile::parse(newer.as_bytes()), Err(PlanError::Format(_))));
    // Of which more is different than the name, and of ours what is no plan.
    let newer = r#"{"format": "retain-plan/2", "decisions": {}}"#;
    assert!(matches!(PlanFile::parse(newer.as_bytes()), Err(PlanError::Format(_))));
    let broken = r#"{"format": "retain-plan/1", "decisions": {}}"#;
    assert!(matches!(PlanFile::parse(broken.as_bytes()), Err(PlanError::Syntax(_))));
    assert!(matches!(PlanFile::parse(b"{"), Err(PlanError::Syntax(_))));
    let unsealed = serde_json::to_string(&PlanFile { digest: String::new(), ..plan }).unwrap();
    assert!(matches!(PlanFile::parse(unsealed.as_bytes()), Err(PlanError::Digest)));
}

#[test]
fn it_expires() {
    let plan = plan(&sample(), &keeps(RuleKind::Last(2)));
    let later = |secs: i64| Time::from_nanos(NOW.nanos() + secs * Time::NANOS_PER_SEC);
    assert!(plan.check_age(NOW).is_ok());
    assert!(plan.check_age(later(EXPIRES_AFTER_SECS)).is_ok());
    assert!(matches!(plan.check_age(later(DAY + 1)), Err(PlanError::Expired { .. })));
    assert!(matches!(plan.check_age(later(-1)), Err(PlanError::Future { .. })));
}

#[test]
fn the_brake_is_exact() {
    let with = |max| {
        let mut policy = keeps(RuleKind::Last(1));
        policy.safety.max_delete = Some(max);
        plan(&sample(), &policy).brake
    };
    // 4 of 6 would go.
    assert_eq!(with(MaxDelete::Count(4)), None);
    assert!(with(MaxDelete::Count(3)).unwrap().contains("max-delete is 3"));
    assert_eq!(with(MaxDelete::Percent(67.0)), None);
    assert!(with(MaxDelete::Percent(66.0)).is_some());
}

#[test]
fn a_plan_of_some_sessions_is_decided_over_all() {
    let select = |s: &Session| &*s.name == "o/e/1";
    let plan = plan_of(&sample(), &keeps(RuleKind::Last(1)), Some(&select));
    assert_eq!(plan.decisions.len(), 2);
    assert_eq!(plan.totals.delete, 1);
}

#[test]
fn what_a_keeper_shares_is_not_freed() {
    let mut root = sample();
    for i in [0, 3] {
        let shared = SharedFile { inode: 1, bytes: 60, apparent: 60, links: 2 };
        root.0.sessions[0].checkpoints[i].extra_mut().shared.push(shared);
    }
    let totals = plan(&root, &keeps(RuleKind::Last(1))).totals;
    assert_eq!(totals.bytes, 540);
    assert_eq!(totals.delete_bytes, 340);
}

/// I11: reached is not exceeded.
#[test]
fn the_brake_on_bytes_and_shares_is_exact() {
    let half = keeps(RuleKind::Last(2));
    let root = Root::new().session("o/d/1", steps(4));
    // 2 of 4, 200 of 400 bytes.
    let with = |change: &dyn Fn(&mut Policy)| {
        let mut policy = half.clone();
        change(&mut policy);
        plan(&root, &policy).brake
    };
    let percent = |p| with(&|policy| policy.safety.max_delete = Some(MaxDelete::Percent(p)));
    assert_eq!(percent(50.0), None);
    assert!(percent(49.9).is_some());
    let amount = |a| with(&|policy| policy.safety.max_delete_bytes = Some(a));
    assert_eq!(amount(Amount::Bytes(200)), None);
    assert!(amount(Amount::Bytes(199)).unwrap().contains("max-delete-bytes"));
    assert_eq!(amount(Amount::Percent(50.0)), None);
    assert!(amount(Amount::Percent(49.0)).is_some());
}

/// The trash is kept at least as long as was asked for, however long the months are.
#[test]
fn the_grace_is_in_seconds_and_never_shorter_than_its_months() {
    let day = 86_400;
    for (grace, seconds) in
        [("20h", 20 * 3600), ("2w", 14 * day), ("1mo", (31 + 3) * day), ("1y", (365 + 3) * day)]
    {
        let mut policy = keeps(RuleKind::Last(2));
        policy.grace = Span::parse(grace).unwrap();
        assert_eq!(plan(&sample(), &policy).policy.grace_seconds, seconds, "{grace}");
    }
}

#[test]
fn its_head_says_who_made_it_of_what_and_what_could_not_be_read() {
    let mut root = sample();
    root.0.sessions[0].tainted = vec!["d/1: damaged".into()];
    root.0.sessions[1].tainted = vec!["e/1: damaged".into()];
    let whole = plan(&root, &keeps(RuleKind::Last(1)));
    assert!(whole.tool.starts_with("retain "), "{}", whole.tool);
    assert_eq!(whole.root.as_ref().map(|r| (&*r.path, r.inode)), Some(("/runs", 7)));
    assert_eq!((whole.totals.sessions, whole.totals.keep, whole.totals.delete), (2, 6, 0));
    let about = |plan: &PlanFile| -> Vec<String> {
        let tainted = plan.warnings.iter().filter(|w| w.kind == "tainted");
        tainted.map(|w| format!("{}: {}", w.session.as_deref().unwrap(), w.text)).collect()
    };
    let (first, second) =
        ("o/d/1: is kept whole: d/1: damaged", "o/e/1: is kept whole: e/1: damaged");
    assert_eq!(about(&whole), [first, second]);
    let some = plan_of(&root, &keeps(RuleKind::Last(1)), Some(&|s| &*s.name == "o/e/1"));
    assert_eq!((some.totals.sessions, about(&some)), (1, vec![second.to_owned()]));
}

#[test]
fn what_no_policy_is_about_is_counted_apart() {
    let totals =
        plan(&sample(), &Policy { policies: Vec::new(), ..keeps(RuleKind::Last(1)) }).totals;
    assert_eq!((totals.untouched, totals.keep, totals.delete), (6, 0, 0));
}
