//! Rules that can never add anything, and policies that can never have a session.
//!
//! Both tests are careful: they say yes only where it holds for every inventory.

use super::{Across, Anchor, Bucket, Discard, Match, Pick, Rule, RuleKind};
use crate::core::calendar::Span;
use crate::core::select::Globs;

/// Whether everything that `later` keeps is kept by `earlier`, and at least as firmly.
pub(super) fn covers(earlier: &Rule, later: &Rule) -> bool {
    if later.hard && !earlier.hard {
        return false;
    }
    if matches!(earlier.kind, RuleKind::All) {
        return true;
    }
    // A rule that looks at each checkpoint by itself is the same over any sessions.
    let alone = matches!(
        earlier.kind,
        RuleKind::Id(_) | RuleKind::Tag(_) | RuleKind::Steps(_) | RuleKind::Submitted
    );
    let same_group = earlier.across == later.across;
    // The newest of many sessions are the newest of their own.
    let ranked = matches!(earlier.kind, RuleKind::Last(_) | RuleKind::First(_))
        && earlier.across == Across::Session;
    (alone || same_group || ranked) && kind_covers(&earlier.kind, &later.kind)
}

fn kind_covers(earlier: &RuleKind, later: &RuleKind) -> bool {
    use RuleKind as K;
    match (earlier, later) {
        (K::Last(n), K::Last(m)) | (K::First(n), K::First(m)) => n >= m,
        (K::Best(a), K::Best(b)) => {
            a.n >= b.n
                && a.direction == b.direction
                && a.metrics == b.metrics
                && a.missing == b.missing
                && a.ties == b.ties
        }
        (K::EverySteps { n, pick }, K::EverySteps { n: m, pick: p })
        | (K::EveryEpochs { n, pick }, K::EveryEpochs { n: m, pick: p })
        | (K::Every { seconds: n, pick }, K::Every { seconds: m, pick: p }) => {
            multiples(*n, *pick, *m, *p)
        }
        (K::Steps(a), K::Steps(b)) => b.iter().all(|step| a.contains(step)),
        (K::Within { span, of }, K::Within { span: shorter, of: anchor }) => {
            at_least(*span, *shorter) && (of == anchor || *of == Anchor::Newest)
        }
        (K::Bucket(a), K::Bucket(b)) => bucket_covers(a, b),
        (K::Id(a), K::Id(b)) => globs_cover(a, b),
        (K::Tag(a), K::Tag(b)) => a.iter().all(|tag| b.contains(tag)),
        (K::Submitted, K::Submitted) => true,
        _ => false,
    }
}

/// Whether every multiple of `m` that is kept is one of `n` that is kept.
fn multiples(n: u64, pick: Pick, m: u64, later: Pick) -> bool {
    pick == later && m.is_multiple_of(n)
}

fn bucket_covers(a: &Bucket, b: &Bucket) -> bool {
    a.period == b.period
        && a.n >= b.n
        && (a.oldest || !b.oldest)
        && (a.within.is_none() || a.within == b.within)
}

fn at_least(a: Span, b: Span) -> bool {
    a.months >= b.months && a.seconds >= b.seconds
}

/// Whether everything that `later` discards is discarded by `earlier`.
pub(super) fn discard_covers(earlier: &Discard, later: &Discard) -> bool {
    use Discard as D;
    match (earlier, later) {
        (D::IncompleteFor(a), D::IncompleteFor(b)) => at_least(*b, *a),
        // `all` is of complete checkpoints; unfinished ones have their own entry.
        (D::All, later) => !matches!(later, D::IncompleteFor(_)),
        (D::Id(a), D::Id(b)) => globs_cover(a, b),
        (D::Tag(a), D::Tag(b)) => a.iter().all(|tag| b.contains(tag)),
        (D::Steps(a), D::Steps(b)) => b.iter().all(|step| a.contains(step)),
        (D::Submitted, D::Submitted) => true,
        _ => false,
    }
}

/// Whether every session that `later` matches is matched by `earlier`.
pub(super) fn shadows(earlier: &Match, later: &Match) -> bool {
    let session = earlier.session.as_ref().is_none_or(|a| {
        let all = a.patterns().iter().any(|p| p.as_ref() == "**");
        all || later.session.as_ref().is_some_and(|b| globs_cover(a, b))
    });
    let not = earlier.not.as_ref().is_none_or(|a| {
        later.not.as_ref().is_some_and(|b| a.patterns().iter().all(|p| b.patterns().contains(p)))
    });
    let owner = earlier
        .owner
        .as_ref()
        .is_none_or(|a| later.owner.as_ref().is_some_and(|b| globs_cover(a, b)));
    let idle = earlier.idle.is_none_or(|a| later.idle.is_some_and(|b| at_least(b, a)));
    let newest =
        earlier.newest_sessions.is_none_or(|a| later.newest_sessions.is_some_and(|b| b <= a));
    session
        && not
        && owner
        && idle
        && newest
        && any_of(&earlier.layout, &later.layout)
        && any_of(&earlier.metric, &later.metric)
        && any_of(&earlier.status, &later.status)
        && earlier.tag.iter().all(|tag| later.tag.contains(tag))
}

/// For lists of which any entry suffices, and an empty one matches all.
fn any_of<T: PartialEq>(earlier: &[T], later: &[T]) -> bool {
    earlier.is_empty() || (!later.is_empty() && later.iter().all(|x| earlier.contains(x)))
}

/// Whether each pattern of `b` is also one of `a`, or a plain name that `a` matches, or lies
/// below a `prefix/**` of `a`.
fn globs_cover(a: &Globs, b: &Globs) -> bool {
    b.patterns().iter().all(|pattern| {
        a.patterns().contains(pattern)
            || (!has_special(pattern) && a.is_match(pattern))
            || a.patterns().iter().any(|wide| below(wide, pattern))
    })
}

fn has_special(pattern: &str) -> bool {
    pattern.contains(['*', '?', '[', ']', '{', '}', '\\'])
}

/// `team/**` covers `team/mnist/*`: the plain prefix is the same, and something follows it.
fn below(wide: &str, narrow: &str) -> bool {
    if wide == "**" {
        return true;
    }
    let Some(prefix) = wide.strip_suffix("**") else {
        return false;
    };
    prefix.ends_with('/')
        && !has_special(prefix)
        && narrow.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && !rest.contains('{'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::select::Scope;
    use proptest::prelude::*;

    fn globs(patterns: &[&str]) -> Globs {
        Globs::new(patterns.iter().copied(), Scope::Path).unwrap()
    }

    #[test]
    fn globs_that_cover_others() {
        let yes = [
            (vec!["**"], vec!["a/b"]),
            (vec!["**"], vec!["*/mnist/**"]),
            (vec!["a/**"], vec!["a/*", "a/b/c"]),
            (vec!["*/mnist/*"], vec!["team/mnist/4"]),
            (vec!["x", "y"], vec!["y"]),
        ];
        let no = [
            (vec!["a/*"], vec!["a/**"]),
            (vec!["a/**"], vec!["b/*"]),
            (vec!["a/**"], vec!["a/*", "b"]),
            (vec!["*"], vec!["a/b"]),
            (vec!["[ab]/x"], vec!["[a]/x"]),
            // Not a component of its own, `**` is `*`: it does not cross.
            (vec!["a**"], vec!["a*/*"]),
        ];
        for (a, b) in yes {
            assert!(globs_cover(&globs(&a), &globs(&b)), "{a:?} {b:?}");
        }
        for (a, b) in no {
            assert!(!globs_cover(&globs(&a), &globs(&b)), "{a:?} {b:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// What is said to be covered is covered, for every name.
        #[test]
        fn covering_is_never_wrong(
            wide in pattern(),
            narrow in pattern(),
            names in proptest::collection::vec("[ab](/[ab]{1,2}){0,3}", 12),
        ) {
            for scope in [Scope::Path, Scope::Id] {
                let of = |p: &String| Globs::new([p], scope);
                let (Ok(a), Ok(b)) = (of(&wide), of(&narrow)) else { continue };
                for name in names.iter().filter(|_| globs_cover(&a, &b)) {
                    prop_assert!(!b.is_match(name) || a.is_match(name), "{} {} {}", wide, narrow, name);
                }
            }
        }
    }

    fn pattern() -> impl Strategy<Value = String> {
        proptest::collection::vec(
            proptest::sample::select(&["a", "b", "*", "**", "?", "[ab]", "{a,b}"][..]),
            1..4,
        )
        .prop_map(|parts| parts.join("/"))
    }
}
