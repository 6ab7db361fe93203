//! Reasons in Korean. What a policy file calls by a key keeps that key: it is what one searches for.

mod notice;

use super::phrases;
pub use notice::{brake, cause, forecast, notice};

use crate::core::calendar::Period;
use crate::core::decision::Reason;
use crate::core::explain::number::{age_with, count_of, pair, size, value};
use crate::core::explain::{Explainer, measured, multiple, not_finite, rule_of, within_limit};
use crate::core::model::{Checkpoint, Session};
use crate::core::order::Disagreement;
use crate::core::policy::{Discard, Rule, RuleKind, Ties};

/// Tells the reasons of sessions that one policy has.
pub struct Speaker<'a> {
    pub explainer: Explainer<'a>,
    pub policy: Option<u16>,
}

/// Of lengths of time, the longest first.
pub const UNITS: [&str; 5] = ["년", "일", "시간", "분", "초"];

/// `9일 2시간`.
fn age(nanos: i64) -> String {
    age_with(nanos, UNITS)
}

pub fn noun(period: Period) -> &'static str {
    match period {
        Period::Hour => "시간",
        Period::Day => "일",
        Period::Week => "주",
        Period::Month => "월",
        Period::Year => "년",
    }
}

impl Speaker<'_> {
    /// That a checkpoint lacks a name, tag or submission holds for nearly all of them.
    pub fn is_plain_no(&self, reason: &Reason) -> bool {
        let Reason::MissedOther { rule } = *reason else { return false };
        let kind = self.rule(rule).map(|r| &r.kind);
        matches!(kind, Some(RuleKind::Id(_) | RuleKind::Tag(_) | RuleKind::Submitted))
    }

    fn rule(&self, rule: u16) -> Option<&Rule> {
        let policy = self.explainer.policy.policies.get(usize::from(self.policy?))?;
        policy.keep.get(usize::from(rule))
    }

    #[expect(clippy::too_many_lines, reason = "a table: one reason an arm")]
    pub fn reason(&self, session: &Session, c: &Checkpoint, reason: &Reason) -> String {
        let policy = self.explainer.policy;
        let own = self.policy.and_then(|p| policy.policies.get(usize::from(p)));
        let rule = rule_of(reason).and_then(|r| self.rule(r));
        let kind = rule.map(|r| &r.kind);
        let key = kind.map_or("", RuleKind::key);
        let names = &self.explainer.inventory.names;
        match *reason {
            Reason::NoPolicy => "이 세션에 적용되는 정책이 없음".to_owned(),
            Reason::Protected { protection } => {
                let p = &policy.protections[usize::from(protection)];
                let why = p.why.as_ref().map_or_else(String::new, |w| format!(": {w}"));
                format!("\"{}\" 규칙으로 보호됨{why}", p.name)
            }
            Reason::Pinned => pinned(c),
            Reason::Young { age: nanos } if nanos < 0 => {
                format!("기록 시각이 {} 뒤의 미래임", age(nanos.saturating_neg()))
            }
            Reason::Young { age: nanos } => {
                format!("{} 전에 기록됨, min-age보다 최근임", age(nanos))
            }
            Reason::UnknownAge => "기록된 시각을 알 수 없음".to_owned(),
            Reason::Pointer { index } => {
                let name = c.pointers().get(usize::from(index)).map_or("", |p| &p.name);
                format!("포인터 {name}의 대상")
            }
            Reason::MarkedLatest => "최신으로 표시됨".to_owned(),
            Reason::MarkedBest => "최고로 표시됨".to_owned(),
            Reason::NamedLastOrBest => "이름이 last, latest 또는 best임".to_owned(),
            Reason::Needed { session, checkpoint } => {
                let other = &self.explainer.inventory.sessions[session as usize];
                let id = &other.checkpoints[checkpoint as usize].id;
                format!("{} 세션의 {id} 체크포인트에 필요함", other.name)
            }
            Reason::Incomplete => "미완료이거나 기록 중임".to_owned(),
            Reason::NothingWhole => "미완료이며, 세션에 완료된 체크포인트가 없음".to_owned(),
            Reason::Tainted => {
                let why = session.tainted.first().map_or("", |t| t);
                format!("세션을 온전히 읽을 수 없음: {}", phrases::fault(why))
            }
            Reason::Ambiguous => "무엇인지, 또는 온전한지 확실하지 않음".to_owned(),
            Reason::Conflict => {
                let why = c.conflicts().first().map_or("", |t| t);
                format!("의심스러운 점이 있음: {}", phrases::fault(why))
            }
            Reason::Running => "실행 중인 세션의 최신 체크포인트".to_owned(),
            Reason::Restarted { later } => {
                let id = session.checkpoints.get(later as usize).map_or("", |c| &c.id);
                let lower = |number| {
                    format!(
                        "한 폴더에 실행이 두 번 있음: {number} 더 낮은 {id} 체크포인트가 나중에 저장됨"
                    )
                };
                match Disagreement::of(session, later) {
                    Disagreement::LowerStep => lower("step이"),
                    Disagreement::LowerEpoch => lower("epoch가"),
                    Disagreement::EpochOnly => format!(
                        "한 폴더에 step과 epoch가 섞여 있음: {id} 체크포인트에는 epoch만 있음"
                    ),
                    Disagreement::Neither => format!(
                        "한 폴더에 번호가 없는 것이 섞여 있음: {id} 체크포인트에는 step도 epoch도 없음"
                    ),
                }
            }
            Reason::MinKeep { rank, of } => format!("최소 보존(min-keep) {rank}/{of}"),
            Reason::Discarded { discard } => {
                discarded(own.and_then(|p| p.discard.get(usize::from(discard))))
            }

            Reason::Last { rank, of, .. } => format!("{key}: 최신 {rank}/{of}"),
            Reason::First { rank, of, .. } => format!("{key}: 가장 오래된 {rank}/{of}"),
            Reason::Best { metric, rank, .. } => {
                let (of, v) = (kind.map_or(0, count_of), value(measured(c, metric)));
                format!("best: {} 상위 {rank}/{of} ({v})", names.name(metric))
            }
            Reason::NoValueYet { metric, .. } => match not_finite(c, metric) {
                Some(v) => format!("best: 아직 {} 값이 {}임", names.name(metric), value(v)),
                None => format!("best: 아직 {} 값이 없음", names.name(metric)),
            },
            Reason::NoMetric { .. } => {
                format!("best: 이 세션에 {} 지표가 없음", wanted(kind))
            }
            Reason::Every { index, .. } => {
                format!("{key}: {}의 대표", kind.map_or_else(String::new, |k| multiple(k, index)))
            }
            Reason::Step { .. } => format!("{key}: 지정된 step"),
            Reason::Within { age: nanos, .. } => {
                let limit = kind.map_or_else(String::new, within_limit);
                format!("{key}: {limit} 이내 ({} 지남)", age(nanos))
            }
            Reason::Bucket { rank, at, .. } => {
                let (label, n) = self.bucket(kind, at);
                format!("{key}: {label}의 대표 {rank}/{n}")
            }
            Reason::BucketOldest { .. } => format!("{key}: 가장 오래된 체크포인트"),
            Reason::NoTime { .. } => format!("{key}: 시각을 알 수 없거나 미래임"),
            Reason::Id { .. } => format!("{key}: 이름이 {} 패턴과 일치", wanted(kind)),
            Reason::Tag { .. } => format!("{key}: 태그 {} 있음", wanted(kind)),
            Reason::Submitted { .. } => format!("{key}: 제출됨"),
            Reason::All { .. } => format!("{key}: 모두 보존"),
            Reason::ByDefault => "정책에 보존 규칙이 없음".to_owned(),

            Reason::EvictedByAge { age: nanos } => {
                let limit = own.and_then(|p| p.limit.max_age);
                let limit = limit.map_or_else(String::new, |s| format!(", limit max-age {s}"));
                format!("{} 지남{limit}", age(nanos))
            }
            Reason::EvictedByCount { order, left } => {
                format!("limit max-count: {order}번째로 제외, 남은 수 {left}개")
            }
            Reason::EvictedByBytes { order, left } => {
                format!("limit max-bytes: {order}번째로 제외, 남은 용량 {}", size(left))
            }
            Reason::EvictedByQuota { quota, order, left } => {
                let name = &policy.quotas[usize::from(quota)].name;
                format!("쿼터 {name}: {order}번째로 제외, 남은 용량 {}", size(left))
            }

            Reason::MissedRank { rank, of, .. } => format!("{key}: {rank}번째, 보존은 {of}개"),
            Reason::MissedBest { metric, cutoff, .. } => {
                let v = measured(c, metric);
                let (v_text, cutoff_text) = pair(v, cutoff);
                // Two equal numbers alone would look like a mistake.
                let tie = match kind {
                    _ if !v.total_cmp(&cutoff).is_eq() => "",
                    Some(RuleKind::Best(b)) if b.ties == Ties::Oldest => " (더 오래된 체크포인트)",
                    _ => " (더 최신 체크포인트)",
                };
                format!("best: {v_text}, 기준값 {cutoff_text}{tie}")
            }
            Reason::MissedNoValue { metric, .. } => match not_finite(c, metric) {
                Some(v) => format!("best: {} 값이 {}임", names.name(metric), value(v)),
                None => format!("best: {} 값이 없음", names.name(metric)),
            },
            Reason::MissedEvery { index, .. } => {
                let at = kind.map_or_else(String::new, |k| multiple(k, index));
                format!("{key}: {at}의 대표가 아님")
            }
            Reason::MissedNoStep { .. } => match kind {
                Some(RuleKind::EveryEpochs { .. }) => format!("{key}: epoch 정보가 없음"),
                _ => format!("{key}: step 정보가 없음"),
            },
            Reason::MissedWithin { age: nanos, .. } => {
                let limit = kind.map_or_else(String::new, within_limit);
                format!("{key}: {} 지남, 한도 {limit}", age(nanos))
            }
            Reason::MissedBucket { rank, at, .. } => {
                let (label, n) = self.bucket(kind, at);
                let noun = match kind {
                    Some(RuleKind::Bucket(b)) => noun(b.period),
                    _ => "",
                };
                if rank > n {
                    format!("{key}: {rank}번째 {noun}, 보존은 {n}개")
                } else {
                    format!("{key}: 더 최신 체크포인트가 {label}의 대표임")
                }
            }
            Reason::MissedOther { .. } => format!("{key}: 해당 없음"),
        }
    }

    /// The period that an instant lies in, and how many are kept.
    fn bucket(&self, kind: Option<&RuleKind>, at: crate::core::model::Time) -> (String, u32) {
        let Some(RuleKind::Bucket(bucket)) = kind else { return (String::new(), 0) };
        let policies = &self.explainer.policy.policies;
        let own = self.policy.and_then(|p| policies.get(usize::from(p)));
        let zone = own.map_or(chrono_tz::UTC, |p| p.timezone);
        (bucket.period.label(at, zone), bucket.n)
    }
}

fn pinned(c: &Checkpoint) -> String {
    let pin = c.pin();
    let until = pin.and_then(|p| p.until).map_or_else(String::new, |t| format!(" ({t}까지)"));
    let why = pin.and_then(|p| p.why.as_ref()).map_or_else(String::new, |w| format!(": {w}"));
    format!("고정됨{until}{why}")
}

fn discarded(entry: Option<&Discard>) -> String {
    match entry {
        Some(Discard::IncompleteFor(span)) => {
            format!("폐기(discard): 미완료이며 {span} 동안 기록이 없음")
        }
        Some(Discard::Id(globs)) => format!("폐기(discard): 이름 {}", globs.patterns().join(", ")),
        Some(other) => format!("폐기(discard): {}", other.key()),
        None => "폐기(discard)".to_owned(),
    }
}

/// What a rule asks for by name.
fn wanted(kind: Option<&RuleKind>) -> String {
    match kind {
        Some(RuleKind::Best(best)) => best.metrics.join(", "),
        Some(RuleKind::Id(globs)) => globs.patterns().join(", "),
        Some(RuleKind::Tag(tags)) => tags.join(", "),
        _ => String::new(),
    }
}
