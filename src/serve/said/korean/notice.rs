//! Warnings, the brake, forecasts and causes in Korean.

use crate::core::decision::{Blockers, Limited, Notice};
use crate::core::explain::Explainer;
use crate::core::explain::number::size;
use crate::core::order::Disagreement;
use crate::core::plan::Brake;
use crate::core::policy::{Cap, Per, RuleKind};
use crate::core::trend::{Forecast, Full};
use crate::report::human;
use crate::serve::view::cause::CauseKind;

/// As [`crate::core::explain::notice`], without the session's name.
pub fn notice(explainer: &Explainer<'_>, notice: &Notice) -> String {
    let quota_at = |i: u16| &explainer.policy.quotas[usize::from(i)];
    let protection_at = |i: u16| &explainer.policy.protections[usize::from(i)].name;
    match notice {
        Notice::LimitUnreachable { what, excess, blockers, .. } => {
            let (limit, amount) = match what {
                Limited::Bytes => ("max-bytes", size(*excess)),
                Limited::Count => ("max-count", format!("체크포인트 {excess}개")),
            };
            let blocked = blocked(blockers, *what == Limited::Bytes);
            format!("한도({limit})를 맞출 수 없습니다: {amount} 초과. {blocked}")
        }
        Notice::QuotaUnreachable { quota, group, excess, blockers, evicted } => {
            let quota = quota_at(*quota);
            let outcome = if *evicted {
                "삭제할 수 있는 것은 모두 삭제됩니다."
            } else {
                "그래서 이 쿼터를 위해서는 아무것도 삭제하지 않습니다 (unreachable = \"evict\"이면 가능한 만큼 삭제합니다)."
            };
            let (whose, excess) = (whose(group, quota.cap), size(*excess));
            let blocked = blocked(blockers, true);
            format!(
                "쿼터 \"{}\"{whose}: 맞출 수 없습니다. {excess} 초과. {blocked} {outcome}",
                quota.name
            )
        }
        Notice::LowUnreachable { quota, group, excess, blockers, evicted } => {
            let quota = quota_at(*quota);
            let outcome = if *evicted {
                "삭제할 수 있는 것은 모두 삭제됩니다."
            } else {
                "그래서 min-free에 필요한 만큼만 삭제합니다 (unreachable = \"evict\"이면 가능한 만큼 삭제합니다)."
            };
            let (whose, excess) = (whose(group, quota.cap), size(*excess));
            let blocked = blocked(blockers, true);
            format!(
                "쿼터 \"{}\"{whose}: 지켜지지만 low까지는 갈 수 없습니다. {excess} 초과. {blocked} {outcome}",
                quota.name
            )
        }
        Notice::QuotaExceeded { quota, group, used, allowed } => {
            let quota = quota_at(*quota);
            let (used, allowed) = (size(*used), size(*allowed));
            match quota.cap {
                Cap::MaxBytes { .. } => {
                    let whose = whose(group, quota.cap);
                    format!(
                        "쿼터 \"{}\"{whose}: 초과되었습니다. {allowed} 중 {used} 사용",
                        quota.name
                    )
                }
                Cap::MinFree { .. } => format!(
                    "쿼터 \"{}\": 여유 공간이 {used}가 되지만 {allowed}가 필요합니다.",
                    quota.name
                ),
            }
        }
        Notice::QuotaNotMeasured { quota } => format!(
            "쿼터 \"{}\": 파일 시스템의 크기를 알 수 없어 평가하지 않았습니다.",
            quota_at(*quota).name
        ),
        Notice::NoMetric { policy, rule: index, whole, .. } => {
            let rule = &explainer.policy.policies[usize::from(*policy)].keep[usize::from(*index)];
            let wanted = match &rule.kind {
                RuleKind::Best(best) => best.metrics.join(", "),
                _ => String::new(),
            };
            if *whole {
                format!("{wanted} 지표의 유한한 값이 없어 전부 보존합니다.")
            } else {
                format!(
                    "{wanted} 지표의 유한한 값이 없어 보존 규칙 {}번이 전부 보존하지만, 한도, 쿼터 또는 폐기 규칙이 일부를 삭제합니다.",
                    index + 1
                )
            }
        }
        Notice::Restarted { session, later } => {
            let session = &explainer.inventory.sessions[*session as usize];
            restarted(Disagreement::of(session, *later))
        }
        Notice::RuleIsSilent { rule, .. } => format!(
            "보존 규칙 {}번은 여기에 해당하지 않습니다. 그 규칙의 기준이 되는 정보가 있는 체크포인트가 없습니다.",
            rule + 1
        ),
        Notice::IdleProtection { protection } => {
            format!("보호 규칙 \"{}\"에 해당하는 것이 없습니다.", protection_at(*protection))
        }
        Notice::ExpiredProtection { protection } => {
            format!("보호 규칙 \"{}\"의 기한이 지났습니다.", protection_at(*protection))
        }
        Notice::IdlePolicy { policy } => {
            let name = &explainer.policy.policies[usize::from(*policy)].name;
            format!("정책 \"{name}\"에 해당하는 세션이 없습니다.")
        }
    }
}

fn restarted(found: Disagreement) -> String {
    let lower = |number: &str| {
        format!(
            "실행이 두 번 들어 있습니다. 나중에 저장된 체크포인트의 {number} 더 낮습니다. 정책에 restarted를 \
             쓰기 전까지 전부 보존합니다. 실행을 다시 시작했으면 \"by-time\", 나중에 파일만 추가되었거나 \
             수정되었으면 \"by-step\"이 맞습니다."
        )
    };
    let mixed = |what: &str| {
        format!(
            "{what} 섞여 있어, 이름으로는 어느 것이 최신인지 알 수 없습니다. 정책에 restarted = \
             \"by-time\"을 쓰기 전까지 전부 보존합니다."
        )
    };
    match found {
        Disagreement::LowerStep => lower("step이"),
        Disagreement::LowerEpoch => lower("epoch가"),
        Disagreement::EpochOnly => mixed("epoch만 있는 체크포인트와 step이 있는 체크포인트가"),
        Disagreement::Neither => mixed("step도 epoch도 없는 체크포인트와 번호가 있는 체크포인트가"),
    }
}

fn whose(group: &str, cap: Cap) -> String {
    match cap {
        Cap::MaxBytes { per: Per::Owner, .. } => format!(" ({group})"),
        Cap::MaxBytes { per: Per::Root, .. } | Cap::MinFree { .. } => String::new(),
    }
}

fn blocked(blockers: &Blockers, bytes: bool) -> String {
    let amount = |n: u64| if bytes { size(n) } else { format!("{n}개") };
    let Blockers { protected, min_keep, hard, untouched } = *blockers;
    let parts: Vec<String> = [
        ("보호됨", protected),
        ("min-keep으로 보존", min_keep),
        ("hard 규칙으로 보존", hard),
        ("정책이 없는 세션", untouched),
    ]
    .into_iter()
    .filter(|(_, n)| *n > 0)
    .map(|(what, n)| format!("{what} {}", amount(n)))
    .collect();
    if parts.is_empty() {
        "더 삭제할 수 있는 것이 없습니다.".to_owned()
    } else {
        format!("삭제할 수 없는 것: {}.", parts.join(", "))
    }
}

pub fn brake(brake: &Brake) -> String {
    match *brake {
        Brake::Count { delete, max } => format!(
            "체크포인트 {}개가 삭제될 것이며, 허용된 최대(max-delete)는 {}개입니다.",
            human::grouped(delete),
            human::grouped(max)
        ),
        Brake::Percent { delete, checkpoints, max } => format!(
            "체크포인트 {}개 중 {}개가 삭제될 것이며, 허용된 최대(max-delete)는 {max}%입니다.",
            human::grouped(checkpoints),
            human::grouped(delete)
        ),
        Brake::Bytes { delete_bytes, max } => format!(
            "{}가 삭제될 것이며, 허용된 최대(max-delete-bytes)는 {}입니다.",
            size(delete_bytes),
            size(max)
        ),
    }
}

pub fn forecast(foreseen: &Forecast) -> String {
    let rate = rate(foreseen.trend.per_day);
    match foreseen.full {
        Full::Now => format!("가득 참, {rate}"),
        Full::Never => rate,
        Full::In { days, early, late } => {
            let days_of = |n: u64| format!("{}일", human::grouped(n));
            let late = late.map_or_else(|| "차지 않을 수도 있음".to_owned(), days_of);
            let (days, early) = (days_of(days), days_of(early));
            format!("{days} 뒤 가득 참 (95 %: {early}~{late}), {rate}")
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a size is shown with two decimals"
)]
fn rate(per_day: f64) -> String {
    let size = human::size(per_day.abs() as u64);
    match per_day {
        r if r >= 1.0 => format!("하루 {size} 증가"),
        r if r <= -1.0 => format!("하루 {size} 감소"),
        _ => "증가하지 않음".to_owned(),
    }
}

pub fn cause(kind: CauseKind) -> String {
    match kind {
        CauseKind::Discard(key) => format!("폐기 규칙 {key}"),
        CauseKind::MaxAge => "한도 max-age".to_owned(),
        CauseKind::MaxCount => "한도 max-count".to_owned(),
        CauseKind::MaxBytes => "한도 max-bytes".to_owned(),
        CauseKind::Quota => "쿼터".to_owned(),
        CauseKind::NoRule => "보존 규칙에 해당 없음".to_owned(),
    }
}
