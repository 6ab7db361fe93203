//! What the engine says, in the reader's language: reasons, warnings, the brake, forecasts.
//!
//! English is the engine's own ([`crate::core::explain`]), as on the command line. Korean is made
//! from the same data by matches without a rest, so that nothing new can be forgotten there.

mod korean;
mod phrases;

use super::lang::Lang;
use super::view::cause::CauseKind;
use crate::core::decision::{Notice, Reason};
use crate::core::explain::{Explainer, notice};
use crate::core::model::{Checkpoint, Inventory, Session};
use crate::core::plan::{Brake, PlanReason};
use crate::core::policy::Policy;
use crate::core::trend::Forecast;
use crate::report::{plan, usage};

/// Speaks about one inventory under one policy.
#[derive(Clone, Copy)]
pub struct Said<'a> {
    pub lang: Lang,
    pub explainer: Explainer<'a>,
}

impl<'a> Said<'a> {
    pub fn new(lang: Lang, inventory: &'a Inventory, policy: &'a Policy) -> Said<'a> {
        Said { lang, explainer: Explainer { inventory, policy } }
    }

    /// All reasons of a checkpoint in one line; `policy` is the one that has its session.
    pub fn reasons(
        &self,
        session: &Session,
        checkpoint: &Checkpoint,
        policy: Option<u16>,
        reasons: &[Reason],
    ) -> String {
        match self.lang {
            Lang::En => {
                let said = reasons.iter().map(|r| {
                    let said = self.explainer.reason(session, checkpoint, policy, r);
                    PlanReason { kind: said.kind.to_owned(), text: said.text, data: said.data }
                });
                plan::reasons(&said.collect::<Vec<_>>())
            }
            Lang::Ko => {
                let korean = korean::Speaker { explainer: self.explainer, policy };
                let said = |list: &[&Reason]| {
                    let one = |r: &&Reason| korean.reason(session, checkpoint, r);
                    list.iter().map(one).collect::<Vec<_>>().join(" · ")
                };
                let all: Vec<&Reason> = reasons.iter().collect();
                let telling: Vec<&Reason> =
                    reasons.iter().filter(|r| !korean.is_plain_no(r)).collect();
                said(if telling.is_empty() { &all } else { &telling })
            }
        }
    }

    pub fn notice(&self, told: &Notice) -> String {
        match self.lang {
            Lang::En => notice(&self.explainer, told).text,
            Lang::Ko => korean::notice(&self.explainer, told),
        }
    }
}

pub fn brake(lang: Lang, brake: &Brake) -> String {
    match lang {
        Lang::En => brake.to_string(),
        Lang::Ko => korean::brake(brake),
    }
}

pub fn forecast(lang: Lang, foreseen: &Forecast) -> String {
    match lang {
        Lang::En => usage::forecast(foreseen),
        Lang::Ko => korean::forecast(foreseen),
    }
}

/// What a scan, a run or a request stumbled over, of which there is English text alone.
pub fn fault(lang: Lang, english: &str) -> String {
    match lang {
        Lang::En => english.to_owned(),
        Lang::Ko => phrases::fault(english),
    }
}

/// What did not work, what to do about it, and that nothing was lost.
pub fn problem(lang: Lang, text: &str, help: Option<&str>) -> String {
    let parts = [Some(text), help].into_iter().flatten().filter(|part| !part.is_empty());
    let said = parts.map(|part| fault(lang, part).trim_end_matches('.').to_owned() + ". ");
    said.collect::<String>() + lang.text().nothing_lost
}

/// What is wrong with a policy.
pub fn diagnostic(lang: Lang, english: &str) -> String {
    match lang {
        Lang::En => english.to_owned(),
        Lang::Ko => phrases::diagnostic(english),
    }
}

/// The reasons that a past run wrote down.
pub fn journal(lang: Lang, english: &str) -> String {
    match lang {
        Lang::En => english.to_owned(),
        Lang::Ko => phrases::journal(english),
    }
}

/// What of a policy deletes something.
pub fn cause(lang: Lang, kind: CauseKind) -> String {
    match lang {
        Lang::En => kind.to_string(),
        Lang::Ko => korean::cause(kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::calendar::{Period, Span};
    use crate::core::decision::{Blockers, Limited};
    use crate::core::model::{Pin, Pointer, Step, Time};
    use crate::core::policy;
    use crate::core::trend::{Full, Trend};

    const POLICY: &str = r#"
version = 1
[[protect]]
name = "paper"
match = { session = ["t/**"] }
why = "논문"
[[policy]]
name = "p"
keep = [{ last = 2 }, { best = 3, min = "loss" }, { every-steps = 1000 }, { within = "7d" },
  { daily = 5 }, { id = ["x*"] }, { tag = ["a"] }, { submitted = true }, { every-epochs = 2 }]
discard = [{ incomplete-for = "3d" }, { id = ["old*"] }, { tag = ["b"] }]
limit = { max-age = "30d" }
[[quota]]
name = "team"
per = "owner"
max-bytes = "1GiB"
"#;

    /// A session, its policy, and every reason there can be.
    fn world() -> (Inventory, Policy) {
        let mut inventory = Inventory::default();
        inventory.names.intern("loss");
        let mut c = Checkpoint { id: "7".into(), ..Checkpoint::default() };
        c.extra_mut().pin = Some(Pin { until: Some(Time::from_nanos(0)), why: Some("x".into()) });
        c.extra_mut().pointers = vec![Pointer { name: "latest".into(), external: false }];
        let session = Session {
            name: "t/d/1".into(),
            owner: "t".into(),
            checkpoints: vec![c],
            tainted: vec!["damaged".into()],
            ..Session::default()
        };
        inventory.sessions.push(session);
        let loaded = policy::load(POLICY);
        (inventory, loaded.policy.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics)))
    }

    #[rustfmt::skip]
    fn every_reason(inventory: &Inventory) -> Vec<Reason> {
        use Reason::*;
        let metric = inventory.names.get("loss").unwrap();
        let at = Time::from_nanos(0);
        let day = 86_400 * Time::NANOS_PER_SEC;
        vec![
            NoPolicy, Protected { protection: 0 }, Pinned, Young { age: 5 }, Young { age: -day },
            UnknownAge, Pointer { index: 0 }, MarkedLatest, MarkedBest, NamedLastOrBest,
            Needed { session: 0, checkpoint: 0 }, Incomplete, NothingWhole, Tainted, Ambiguous,
            Conflict, Running, Restarted { later: 0 }, MinKeep { rank: 1, of: 2 },
            Discarded { discard: 0 }, Discarded { discard: 1 }, Discarded { discard: 2 },
            Last { rule: 0, rank: 1, of: 2 }, First { rule: 0, rank: 1, of: 2 },
            Best { rule: 1, metric, rank: 1 }, NoValueYet { rule: 1, metric }, NoMetric { rule: 1 },
            Every { rule: 2, index: 3 }, Step { rule: 2 }, Within { rule: 3, age: day },
            Bucket { rule: 4, rank: 1, at }, BucketOldest { rule: 4 }, NoTime { rule: 4 },
            Id { rule: 5 }, Tag { rule: 6 }, Submitted { rule: 7 }, All { rule: 7 }, ByDefault,
            EvictedByAge { age: 40 * day }, EvictedByCount { order: 1, left: 2 },
            EvictedByBytes { order: 1, left: 2 }, EvictedByQuota { quota: 0, order: 1, left: 2 },
            MissedRank { rule: 0, rank: 5, of: 2 }, MissedBest { rule: 1, metric, cutoff: 0.5 },
            MissedNoValue { rule: 1, metric }, MissedEvery { rule: 2, index: 3 },
            MissedNoStep { rule: 2 }, MissedNoStep { rule: 8 }, MissedWithin { rule: 3, age: day },
            MissedBucket { rule: 4, rank: 9, at }, MissedBucket { rule: 4, rank: 1, at },
            MissedOther { rule: 5 },
        ]
    }

    fn korean(text: &str) -> bool {
        text.chars().any(|c| ('가'..='힣').contains(&c))
    }

    #[test]
    fn every_reason_is_told_in_both_languages() {
        let (inventory, policy) = world();
        let session = &inventory.sessions[0];
        let told = |lang, reason| {
            Said::new(lang, &inventory, &policy).reasons(
                session,
                &session.checkpoints[0],
                Some(0),
                &[reason],
            )
        };
        let mut seen = std::collections::HashSet::new();
        for reason in every_reason(&inventory) {
            let (en, ko) = (told(Lang::En, reason), told(Lang::Ko, reason));
            assert!(korean(&ko) && !ko.contains("{}"), "{reason:?}: {ko}");
            assert!(!korean(&en.replace("논문", "")), "{reason:?}: {en}");
            seen.insert(ko);
        }
        // Each says something of its own.
        assert_eq!(seen.len(), every_reason(&inventory).len());
        assert_eq!(told(Lang::Ko, Reason::MinKeep { rank: 1, of: 2 }), "최소 보존(min-keep) 1/2");
        let week = Reason::MissedWithin { rule: 3, age: 9 * 86_400 * Time::NANOS_PER_SEC };
        assert_eq!(told(Lang::Ko, week), "within: 9일 지남, 한도 7d");
    }

    #[test]
    fn what_a_journal_says_in_english_is_told_as_if_it_were_new() {
        let (inventory, policy) = world();
        let session = &inventory.sessions[0];
        // Some have a rule of another kind here, and its key in their text.
        let own = |r: &Reason| {
            !matches!(r, Reason::First { .. } | Reason::Step { .. } | Reason::All { .. })
        };
        for reason in every_reason(&inventory).into_iter().filter(own) {
            let told = |lang| {
                let said = Said::new(lang, &inventory, &policy);
                said.reasons(session, &session.checkpoints[0], Some(0), &[reason])
            };
            assert_eq!(journal(Lang::Ko, &told(Lang::En)), told(Lang::Ko), "{reason:?}");
        }
    }

    #[test]
    fn what_puts_an_order_in_doubt_is_told_in_both_languages() {
        let (mut inventory, policy) = world();
        let step = |n| (Some(Step::Whole(n)), None);
        let epoch = |n| (None, Some(Step::Whole(n)));
        let cases = [
            (step(2), step(1), "lower step", "step이 더 낮"),
            (epoch(2), epoch(1), "lower epoch", "epoch가 더 낮"),
            (step(2), epoch(1), "epoch", "epoch만 있"),
            (step(2), (None, None), "neither step nor epoch", "step도 epoch도 없"),
        ];
        for (first, second, english, korean) in cases {
            let of =
                |(step, epoch)| Checkpoint { step, epoch, complete: true, ..Checkpoint::default() };
            inventory.sessions[0].checkpoints = vec![of(first), of(second)];
            let session = &inventory.sessions[0];
            let (reason, notice) =
                (Reason::Restarted { later: 1 }, Notice::Restarted { session: 0, later: 1 });
            for (lang, words) in [(Lang::En, english), (Lang::Ko, korean)] {
                let said = Said::new(lang, &inventory, &policy);
                let told = said.reasons(session, &session.checkpoints[0], Some(0), &[reason]);
                assert!(told.contains(words), "{told}");
                assert!(said.notice(&notice).contains(words), "{}", said.notice(&notice));
            }
            let told = |lang| {
                let said = Said::new(lang, &inventory, &policy);
                said.reasons(session, &session.checkpoints[0], Some(0), &[reason])
            };
            assert_eq!(journal(Lang::Ko, &told(Lang::En)), told(Lang::Ko));
        }
    }

    #[test]
    fn a_plain_no_is_said_only_alone() {
        let (inventory, policy) = world();
        let session = &inventory.sessions[0];
        for lang in [Lang::En, Lang::Ko] {
            let said = Said::new(lang, &inventory, &policy);
            let of = |list: &[Reason]| {
                said.reasons(session, &session.checkpoints[0], Some(0), list).matches(" · ").count()
            };
            let no = Reason::MissedOther { rule: 5 };
            let rank = Reason::MissedRank { rule: 0, rank: 5, of: 2 };
            assert_eq!([of(&[no, rank]), of(&[no, no])], [0, 1]);
        }
    }

    #[test]
    #[rustfmt::skip]
    fn warnings_brakes_forecasts_and_causes_have_korean() {
        let (inventory, policy) = world();
        let said = Said::new(Lang::Ko, &inventory, &policy);
        let blockers = Blockers { protected: 1, min_keep: 2, hard: 3, untouched: 4 };
        let group: Box<str> = "t".into();
        let mut all: Vec<String> = [
            Notice::LimitUnreachable { session: 0, what: Limited::Bytes, excess: 9, blockers },
            Notice::LimitUnreachable { session: 0, what: Limited::Count, excess: 9, blockers },
            Notice::QuotaUnreachable { quota: 0, group: group.clone(), excess: 9, blockers, evicted: true },
            Notice::QuotaUnreachable { quota: 0, group: group.clone(), excess: 9, blockers, evicted: false },
            Notice::LowUnreachable { quota: 0, group: group.clone(), excess: 9, blockers, evicted: true },
            Notice::LowUnreachable { quota: 0, group: group.clone(), excess: 9, blockers, evicted: false },
            Notice::QuotaExceeded { quota: 0, group, used: 9, allowed: 4 },
            Notice::QuotaNotMeasured { quota: 0 },
            Notice::NoMetric { session: 0, policy: 0, rule: 1, whole: true },
            Notice::NoMetric { session: 0, policy: 0, rule: 1, whole: false },
            Notice::Restarted { session: 0, later: 0 },
            Notice::RuleIsSilent { session: 0, rule: 3 },
            Notice::IdleProtection { protection: 0 },
            Notice::ExpiredProtection { protection: 0 },
            Notice::IdlePolicy { policy: 0 },
        ].iter().map(|n| said.notice(n)).collect();
        let brakes = [
            Brake::Count { delete: 9, max: 1 },
            Brake::Percent { delete: 9, checkpoints: 10, max: 50.0 },
            Brake::Bytes { delete_bytes: 9, max: 1 },
        ];
        all.extend(brakes.iter().map(|b| brake(Lang::Ko, b)));
        let trend = Trend { per_day: 2e9, low: 0.0, high: 0.0, points: 9 };
        for full in [Full::Now, Full::Never, Full::In { days: 3, early: 2, late: None }] {
            all.push(forecast(Lang::Ko, &Forecast { trend, full }));
        }
        let causes = [
            CauseKind::Discard("id"), CauseKind::MaxAge, CauseKind::MaxCount, CauseKind::MaxBytes,
            CauseKind::Quota, CauseKind::NoRule,
        ];
        all.extend(causes.iter().map(|c| cause(Lang::Ko, *c)));
        for text in &all {
            assert!(korean(text) && !text.contains("{}"), "{text}");
        }
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len(), "{all:?}");
        assert_eq!(forecast(Lang::Ko, &Forecast { trend, full: Full::In { days: 30, early: 20, late: Some(40) } }),
            "30일 뒤 가득 참 (95 %: 20일~40일), 하루 1.86 GiB 증가");
        let (en, ko) = (Period::ALL.map(Period::noun), Period::ALL.map(korean::noun));
        assert!(en.iter().zip(ko).all(|(en, ko)| korean_word(ko) && *en != ko));
        assert_ne!(Span::default().to_string(), "");
    }

    fn korean_word(text: &str) -> bool {
        korean(text)
    }
}
