//! Tells apart what several models, or the folds of one, saved into the same directory.
//!
//! A run may save by two templates, so what its names have in pairs tells nothing, and neither do
//! numbers that count. What else stands in them, as `resnet50` and `vit_b`, `fold0` and `fold1`,
//! says what was trained: the newest three of all these are not the newest three of each. Nobody
//! can be sure which belong together, so they are kept and not counted. A single name beside a
//! series, `pretrained.ckpt`, does not keep the series: it is left out alone.

use super::name;
use crate::core::called;
use crate::core::model::{Marks, Step};
use crate::layout::Claim;
use crate::layout::words::{is_counter, orders_nothing};
use std::collections::{BTreeMap, BTreeSet};

/// What the names of a series have besides pairs and what counts, and who is in it.
type Kinds = BTreeMap<String, Vec<usize>>;

/// What separates words, in names of people's own making.
const BETWEEN: [char; 6] = ['-', '_', '.', '=', '/', ' '];

/// Marks those that may be of different models as ambiguous, and says beside which.
pub fn tell_apart(claims: &mut [Claim]) {
    let (kinds, alike) = kinds(claims);
    // The ranks of one model are a series as well, however many each has.
    let size = |names: &BTreeSet<String>| names.iter().map(|kind| kinds[kind].len()).sum::<usize>();
    let several = kinds.values().filter(|members| members.len() > 1).count() > 1
        || alike.iter().filter(|names| size(names) > 1).count() > 1;
    for (kind, members) in &kinds {
        let Some((_, others)) = kinds.iter().find(|(other, _)| *other != kind) else { return };
        if !several && members.len() > 1 {
            continue;
        }
        for &i in members {
            let text = format!("{} beside it may be of another model or run", claims[others[0]].id);
            claims[i].marks.set(Marks::AMBIGUOUS);
            claims[i].metrics.conflicts.push(text);
        }
    }
}

/// The kinds, and which of them differ in numbers alone.
fn kinds(claims: &[Claim]) -> (Kinds, Vec<BTreeSet<String>>) {
    let mut by_texts: BTreeMap<Vec<String>, Vec<Member>> = BTreeMap::new();
    // What is called the best or the last is of any of them, and protected.
    let is_plain = |c: &Claim| !called::last_or_best(c.id.as_bytes());
    for (place, claim) in claims.iter().enumerate().filter(|(_, c)| is_plain(c)) {
        let (texts, member) = cut(place, claim);
        by_texts.entry(texts).or_default().push(member);
    }
    let (mut kinds, mut alike) = (Kinds::new(), Vec::<BTreeSet<String>>::new());
    for (texts, members) in by_texts {
        let mut names = BTreeSet::new();
        let numbers = 0..texts.len() - 1;
        let told: Vec<bool> = numbers.map(|p| tells(&texts[p], &members, p)).collect();
        for member in members {
            let mut words: Vec<&str> = Vec::new();
            for (p, text) in texts.iter().enumerate() {
                words.extend(text.split('-').filter(|w| !w.is_empty()));
                match told.get(p) {
                    Some(true) => words.push(&member.numbers[p]),
                    Some(false) if is_counter(last_word(text)) => _ = words.pop(),
                    _ => {}
                }
            }
            // Lightning's own names have nothing else.
            if !words.is_empty() {
                let kind = words.join("-");
                names.insert(kind.clone());
                kinds.entry(kind).or_default().push(member.place);
            }
        }
        let (same, others): (Vec<_>, Vec<_>) =
            alike.into_iter().partition(|known| !known.is_disjoint(&names));
        names.extend(same.into_iter().flatten());
        alike = others;
        alike.push(names);
    }
    (kinds, alike)
}

struct Member {
    place: usize,
    numbers: Vec<String>,
    step: Option<u64>,
    epoch: Option<u64>,
}

/// What stands around the numbers outside of a name's pairs, and the numbers.
fn cut(place: usize, claim: &Claim) -> (Vec<String>, Member) {
    let rest = name::outside_pairs(&claim.id);
    let (mut texts, mut numbers) = (vec![String::new()], Vec::new());
    let mut at = 0;
    while let Some(next) = rest[at..].chars().next() {
        let text = texts.last_mut().expect("one at least");
        let len = number_len(&rest[at..], text.is_empty() || text.ends_with('-'));
        if len > 0 {
            numbers.push(rest[at..at + len].to_owned());
            texts.push(String::new());
        } else if !BETWEEN.contains(&next) {
            text.push(next);
        } else if !text.ends_with('-') {
            text.push('-');
        }
        at += len.max(next.len_utf8());
    }
    let whole = |step: Option<Step>| match step? {
        Step::Whole(n) => Some(n),
        Step::Fraction(_) => None,
    };
    let (step, epoch) = (whole(claim.step), whole(claim.epoch));
    (texts, Member { place, numbers, step, epoch })
}

/// The length of the number at the start: digits, a decimal, or what stands for none.
fn number_len(text: &str, fresh: bool) -> usize {
    let digits = |from: usize| text[from..].bytes().take_while(u8::is_ascii_digit).count();
    let is_none = |word: &str| {
        text.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with(BETWEEN))
    };
    if fresh && (is_none("nan") || is_none("inf")) {
        return 3;
    }
    let mut len = digits(0);
    if len == 0 || !text[len..].starts_with('.') || digits(len + 1) == 0 {
        return len;
    }
    len += 1 + digits(len + 1);
    for exponent in ["e-", "e+", "e"] {
        if text[len..].starts_with(exponent) && digits(len + exponent.len()) > 0 {
            return len + exponent.len() + digits(len + exponent.len());
        }
    }
    len
}

/// Whether the numbers at `place`, behind `text`, say what was trained; else they count, or are a
/// metric.
fn tells(text: &str, members: &[Member], place: usize) -> bool {
    let is_whole = |m: &Member| m.numbers[place].bytes().all(|b| b.is_ascii_digit());
    if !members.iter().all(is_whole) {
        return false;
    }
    if orders_nothing(text) {
        return true;
    }
    let numbers: Option<Vec<u64>> = members.iter().map(|m| m.numbers[place].parse().ok()).collect();
    let Some(numbers) = numbers else { return true };
    // The number of a word, as in `resnet50`, is part of it.
    let alone = text.is_empty() || text.ends_with('-');
    !(is_counter(last_word(text))
        || follow(&numbers, members.iter().map(|m| m.epoch))
        || follow(&numbers, members.iter().map(|m| m.step))
        || (alone && rise(&numbers, members)))
}

/// Whether these are the epochs, or the steps, by whichever end they are counted from.
fn follow(numbers: &[u64], counts: impl Iterator<Item = Option<u64>>) -> bool {
    let less =
        |(number, count): (&u64, Option<u64>)| Some(i128::from(*number) - i128::from(count?));
    let mut less = numbers.iter().zip(counts).map(less);
    let first = less.next().flatten();
    first.is_some_and(|first| first.abs() <= 1) && less.all(|other| other == first)
}

/// Whether they count something else that grows with the training, samples perhaps; where nothing
/// says how far it was, they may.
fn rise(numbers: &[u64], members: &[Member]) -> bool {
    let mut order: Vec<_> = members.iter().map(|m| (m.step, m.epoch)).zip(numbers).collect();
    if order.iter().all(|(at, _)| *at == (None, None)) {
        return true;
    }
    order.sort_unstable();
    order.dedup();
    order.len() > 2 && order.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 < w[1].1)
}

/// The word in front of a number.
fn last_word(text: &str) -> &str {
    let word = text.trim_end_matches('-');
    word.rsplit('-').next().unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names that are kept apart, of these with their epochs; steps are ten times as many.
    fn apart(names: &[(&str, u64)]) -> String {
        let claim = |(name, epoch): &(&str, u64)| Claim {
            epoch: Some(Step::Whole(*epoch)),
            step: Some(Step::Whole(epoch * 10)),
            ..Claim::of_entry(format!("{name}.ckpt").as_bytes())
        };
        let mut claims: Vec<Claim> = names.iter().map(claim).collect();
        tell_apart(&mut claims);
        let marked = claims.iter().filter(|c| c.marks.has(Marks::AMBIGUOUS));
        marked.map(|c| c.id.trim_end_matches(".ckpt")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn one_run() {
        for names in [
            &[("epoch=1-step=10", 1), ("epoch=2-step=20-v1", 2), ("last", 2), ("model_best", 1)][..],
            &[("epoch=1-val_loss=0.3", 1), ("step=20", 2), ("best-epoch=2", 2)],
            &[("resnet50-epoch=1", 1), ("resnet50-epoch=2-v2", 2), ("epoch=2-step=20", 2)],
            &[("01-0.98", 1), ("02-nan", 2), ("03-1.5e-05", 3), ("04--0.5", 4)],
            &[("epoch_001", 1), ("epoch_002", 2), ("step_30", 3)],
            &[("model-010", 1), ("model-020", 2), ("model-020-v1", 2)],
            &[("model-2", 1), ("model-3", 2), ("model-4", 3)],
            &[("m-128", 1), ("m-256", 2), ("m-384", 3), ("m-384-v1", 3)],
            &[("N-Step_epoch=1_global_step=10", 1), ("N-Step_epoch=2_global_step=20", 2)],
            &[("x_epoch=1", 1), ("x_epoch=2", 2), ("epoch=0-val/loss=0.5", 0)],
            &[("fold=0-epoch=1", 1), ("fold=0-epoch=2", 2)],
        ] {
            assert_eq!(apart(names), "", "{names:?}");
        }
    }

    #[test]
    fn several() {
        for names in [
            &[("resnet50-epoch=1", 1), ("vit_b-epoch=1", 1)][..],
            &[("resnet50-epoch=1", 1), ("resnet101-epoch=2", 2)],
            &[("a_epoch=1", 1), ("a_epoch=2", 2), ("b_epoch=1", 1), ("b_epoch=2", 2)],
            &[("fold0", 1), ("fold1", 2), ("fold2", 3)],
            &[("seed-0-epoch=1", 1), ("seed-1-epoch=1", 1)],
            &[("fold=0-epoch=1-val=0.5", 1), ("fold=1-epoch=1-val=0.4", 1)],
            &[("run=a-epoch=1", 1), ("run=b-epoch=1", 1)],
            &[("epoch=1-vit-loss=0.3", 1), ("epoch=1-swin-loss=0.2", 1)],
            &[("m-0", 7), ("m-1", 7), ("m-2", 7)],
            &[("m0", 1), ("m1", 1)],
            &[("modelFold0", 1), ("modelFold1", 2), ("modelFold2", 3)],
            &[("netSeed=0-epoch=1", 1), ("netSeed=1-epoch=2", 2)],
            &[("m_rank0", 1), ("m_rank1", 2), ("m_rank2", 3)],
            &[("r-epoch=1", 1), ("r-epoch=2", 2), ("v_rank0-epoch=1", 1), ("v_rank1-epoch=2", 2)],
        ] {
            let all = names.iter().map(|n| n.0).collect::<Vec<_>>().join(" ");
            assert_eq!(apart(names), all, "{names:?}");
        }
        // A name of its own does not keep the series beside it.
        let beside = [("m-epoch=1", 1), ("m-epoch=2", 2), ("pretrained", 9), ("last", 2)];
        assert_eq!(apart(&beside), "pretrained");
    }
}
