//! Sizes, steps, marks, and numbers in another table of names.

use super::*;

#[test]
fn a_checkpoint_is_two_cache_lines() {
    assert_eq!(std::mem::size_of::<Checkpoint>(), 128);
    assert_eq!(std::mem::size_of::<Option<Time>>(), 8);
    assert_eq!(std::mem::size_of::<Metrics>(), 16);
}

const TWO_TO_64: f64 = 18_446_744_073_709_551_616.0;

#[test]
fn a_number_is_a_whole_step_if_it_can_be_one() {
    let whole = [
        (0.0, 0),
        (-0.0, 0),
        (1.0, 1),
        (9_007_199_254_740_992.0, 1 << 53),
        (TWO_TO_64.next_down(), u64::MAX - 2047),
    ];
    for (value, step) in whole {
        let read = Step::from_f64(value);
        assert!(matches!(read, Some(Step::Whole(n)) if n == step), "{value}: {read:?}");
    }
    for value in [f64::from_bits(1), 0.5, 1.5, TWO_TO_64, f64::MAX] {
        let read = Step::from_f64(value);
        assert!(matches!(read, Some(Step::Fraction(x)) if x == value), "{value}: {read:?}");
    }
    let none = [-f64::from_bits(1), -0.5, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    for value in none {
        assert!(Step::from_f64(value).is_none(), "{value}");
    }
}

/// Sorting relies on it, and may panic where it does not hold.
#[test]
fn steps_are_in_one_order_up_to_where_whole_ones_end() {
    let fraction = |x| Step::from_f64(x).unwrap();
    let ascending = [
        Step::Whole(0),
        fraction(f64::from_bits(1)),
        fraction(0.5),
        Step::Whole(1),
        fraction(1.5),
        Step::Whole(2),
        Step::Whole(1 << 53),
        Step::Whole((1 << 53) + 1),
        Step::Whole(u64::MAX - 1),
        Step::Whole(u64::MAX),
        fraction(TWO_TO_64),
        fraction(f64::MAX),
    ];
    for (i, a) in ascending.iter().enumerate() {
        for (j, b) in ascending.iter().enumerate() {
            assert_eq!((a.cmp(b), a == b), (i.cmp(&j), i == j), "{a:?} {b:?}");
            // The order of newness compares these first, and then the steps.
            assert!(i > j || a.as_f64() <= b.as_f64(), "{a:?} {b:?}");
        }
    }
}

#[test]
fn steps_are_floats_for_whoever_draws_them() {
    for value in [0.0, 0.25, 1.0, 7.5, 1e15, 1e300] {
        assert_eq!(Step::from_f64(value).map(Step::as_f64), Some(value));
    }
    assert_eq!(Step::Whole(u64::MAX).as_f64(), TWO_TO_64, "rounded");
}

#[test]
fn each_mark_is_set_and_cleared_alone_and_has_a_name() {
    let all = ["pinned", "submitted", "latest", "best", "ambiguous"];
    let of = |names: &[&str]| {
        let mut marks = Marks::default();
        for name in names {
            marks.set(Marks::parse(name).unwrap());
        }
        marks
    };
    assert_eq!(of(&all).names().collect::<Vec<_>>(), all);
    for (i, name) in all.iter().enumerate() {
        assert_eq!(of(&[name]).names().collect::<Vec<_>>(), [*name]);
        let mut marks = of(&all);
        marks.clear(Marks::parse(name).unwrap());
        let others: Vec<&str> = [&all[..i], &all[i + 1..]].concat();
        assert_eq!(marks, of(&others), "{name}");
        // What is not set can be cleared.
        marks.clear(Marks::parse(name).unwrap());
        assert_eq!(marks, of(&others), "{name}");
    }
    for name in ["", "Pinned", "pinned ", "pin"] {
        assert_eq!(Marks::parse(name), None, "{name}");
    }
}

/// Two inventories that are merged number the same names differently.
#[test]
fn a_renumbered_checkpoint_says_the_same_in_the_other_tables_numbers() {
    let (mut from, mut to) = (Names::default(), Names::default());
    let [loss, acc, f1] = ["loss", "acc", "f1"].map(|name| from.intern(name));
    for name in ["f1", "new", "acc"] {
        to.intern(name);
    }
    let mut c = Checkpoint { metrics: [(loss, 0.5), (f1, 0.7)].into(), ..Checkpoint::default() };
    c.extra_mut().sources = vec![(loss, "log".into()), (acc, "name".into()), (f1, "f".into())];
    c.renumber(&mut Renumbered::new(&from, &mut to));
    let named: Vec<_> = c.metrics.iter().map(|(id, v)| (id, to.name(id), v)).collect();
    assert_eq!(named, [(0, "f1", 0.7), (3, "loss", 0.5)]);
    let sources: Vec<_> = c.sources().iter().map(|(id, s)| (to.name(*id), &**s)).collect();
    assert_eq!(sources, [("f1", "f"), ("acc", "name"), ("loss", "log")], "sorted anew");
    // A checkpoint with nothing of the kind stays so.
    let mut bare = Checkpoint::default();
    bare.renumber(&mut Renumbered::new(&from, &mut to));
    assert!(bare.metrics.is_empty() && bare.extra.is_none());
}
