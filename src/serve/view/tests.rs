//! Pages over an index are the parts of what one would find by looking at everything.

use super::index::{Filter, Sort};
use super::*;
use crate::core::model::{Checkpoint, Status};
use crate::scan::{Owner, Unrecognised};

/// A part of what an iterator gives.
fn page<T>(all: impl Iterator<Item = T>, offset: usize, limit: usize) -> Page<T> {
    let all: Vec<T> = all.collect();
    let total = all.len();
    Page { items: all.into_iter().skip(offset).take(limit).collect(), total }
}

const NOW: Time = Time::from_nanos(2_000_000_000 * Time::NANOS_PER_SEC);
const POLICY: &str = "version = 1\nmin-age = \"0s\"\n\
    [[policy]]\nname = \"a\"\nmatch = { session = [\"t1/**\"] }\nkeep = [{ last = 2 }]\n\
    limit = { max-count = 4 }\n\
    [[policy]]\nname = \"b\"\nmatch = { session = [\"t2/**\"] }\nkeep = [{ first = 6 }]\n\
    discard = [{ id = [\"3\"] }]\nlimit = { max-count = 4 }\n";

/// Three owners, sessions of many sizes; the third owner is under no policy.
fn view() -> View {
    let sessions = (0..60_u32).map(|i| Session {
        name: format!("t{}/d/S{i}", i % 3 + 1).into(),
        owner: format!("t{}", i % 3 + 1).into(),
        status: if i % 5 == 0 { Status::Exited } else { Status::Unknown },
        checkpoints: (0..i % 13)
            .map(|c| Checkpoint {
                id: c.to_string().into(),
                saved_at: Some(Time::from_nanos(
                    NOW.nanos() - i64::from(100 - c) * Time::NANOS_PER_SEC,
                )),
                bytes: u64::from(i * 31 % 17 + c),
                complete: true,
                fingerprint: Some([u8::try_from(c).unwrap(); 16]),
                ..Checkpoint::default()
            })
            .collect(),
        ..Session::default()
    });
    let mut inventory = Inventory { sessions: sessions.collect(), ..Inventory::default() };
    inventory.sessions.sort_by(|a, b| crate::core::name::natural_cmp(&a.name, &b.name));
    let seen = Seen {
        inventory,
        unrecognised: Unrecognised::default(),
        faults: Vec::new(),
        root: None,
        root_shown: "x".into(),
        other_mounts: Vec::new(),
        runs: Vec::new(),
        homes: Vec::new(),
        owner: Owner::default(),
    };
    View::new(seen, Law::of("test".into(), POLICY.into(), NOW), NOW)
}

#[test]
fn parts_of_the_decisions_are_those_of_the_whole() {
    let view = view();
    assert!(view.law.holds() && view.index.causes.len() >= 3, "{:?}", view.index.causes);
    let every = |s: usize| (0..view.session(s).checkpoints.len()).map(move |c| (s, c));
    let odd = |s: usize| s % 2 == 1;
    for standing in [Standing::Delete, Standing::Keep, Standing::Protected, Standing::Untouched] {
        let all: Vec<_> = (0..60)
            .filter(|s| odd(*s))
            .flat_map(every)
            .filter(|(s, c)| view.standing(*s, *c) == standing)
            .collect();
        assert!(!all.is_empty() || standing == Standing::Protected, "{standing:?}");
        let list = view.index.with_standing(standing, odd);
        for (offset, limit) in [(0, 7), (5, 7), (13, 1), (0, 1000), (all.len(), 5), (9999, 5)] {
            let part = view.index.standing(&view.outcome, &list, standing, offset, limit);
            let expected = page(all.iter().copied(), offset, limit);
            assert_eq!((part.items, part.total), (expected.items, expected.total));
        }
    }
    for cause in (0..).take(view.index.causes.len()) {
        let going = view.index.going.iter().filter(|g| g.cause == cause && odd(g.session as usize));
        let all: Vec<_> = going.map(|g| (g.session as usize, g.checkpoint as usize)).collect();
        let part = view.index.caused(&view.index.with_cause(cause, odd), cause, 2, 5);
        let expected = page(all.into_iter(), 2, 5);
        assert_eq!((part.items, part.total), (expected.items, expected.total));
    }
}

#[test]
fn sums_are_of_what_is_there() {
    let view = view();
    let sum: u64 = view.index.rows.iter().map(|r| r.bytes).sum();
    assert_eq!(sum, view.index.bytes);
    assert_eq!(view.index.owners.iter().map(|o| o.bytes).sum::<u64>(), sum);
    let causes: u64 = view.index.causes.iter().map(|c| c.checkpoints).sum();
    let head = view.head(&Scope::Administrator);
    assert_eq!(causes, head.sums.totals.delete);
    assert_eq!(view.index.delete_bytes, head.sums.totals.delete_bytes);
    let freed =
        |o: &index::Owner| view.head(&Scope::Owner(o.name.to_string())).sums.totals.delete_bytes;
    for owner in &view.index.owners {
        assert_eq!(owner.delete_bytes, freed(owner), "{}", owner.name);
    }
}

#[test]
fn sessions_are_filtered_and_sorted() {
    let view = view();
    let find = |filter: &Filter| {
        view.index.filtered(filter, |o| o != "t3").sessions(
            filter.offset,
            filter.limit,
            filter.reverse,
        )
    };
    let all = Filter { limit: 1000, ..Filter::default() };
    assert_eq!(find(&all).total, 40);
    let text = Filter { text: "/s1".into(), ..all.clone() };
    let names = |f: &Filter| {
        let list = find(f).items.into_iter();
        list.map(|s| view.session(s).name.to_string()).collect::<Vec<_>>()
    };
    assert!(names(&text).iter().all(|n| n.contains("/S1")) && names(&text).len() == 8);
    let by_size = Filter { sort: Sort::Size, ..all.clone() };
    let bytes: Vec<u64> =
        find(&by_size).items.into_iter().map(|s| view.index.rows[s].bytes).collect();
    assert!(bytes.windows(2).all(|w| w[0] >= w[1]), "{bytes:?}");
    let mut reversed = names(&Filter { reverse: true, ..all.clone() });
    reversed.reverse();
    assert_eq!(reversed, names(&all));
    let second = Filter { offset: 10, limit: 10, ..all.clone() };
    assert_eq!(names(&second), names(&all)[10..20]);
}

#[test]
fn the_digest_is_of_what_would_be_done() {
    let digest = |view: &View| view.head(&Scope::Administrator).digest.clone();
    let first = view();
    assert_eq!(digest(&first), digest(&view()), "the same look, the same digest");
    let later = Time::from_nanos(NOW.nanos() + 60 * Time::NANOS_PER_SEC);
    let again = |change: &dyn Fn(&mut Inventory), policy: &str| {
        let mut seen = view().seen;
        change(&mut seen.inventory);
        digest(&View::new(seen, Law::of("test".into(), policy.into(), later), later))
    };
    assert_eq!(digest(&first), again(&|_| (), POLICY), "whenever it is");
    let going = first.index.going[0];
    let (s, c) = (going.session as usize, going.checkpoint as usize);
    let touched = |i: &mut Inventory| i.sessions[s].checkpoints[c].fingerprint = Some([9; 16]);
    assert_ne!(digest(&first), again(&touched, POLICY), "what goes has changed");
    let gone = |i: &mut Inventory| drop(i.sessions[s].checkpoints.pop());
    assert_ne!(digest(&first), again(&gone, POLICY), "the newest is gone");
    assert_ne!(digest(&first), again(&|_| (), &POLICY.replace("last = 2", "last = 3")));
    let one = first.choice(&[(s, vec![0])], NOW).digest;
    assert_ne!(one, first.choice(&[(s, vec![1])], NOW).digest);
    assert_eq!(one, first.choice(&[(s, vec![0])], later).digest);
}
