//! What holds for every text.

use proptest::prelude::*;
use retain::core::policy::{DEFAULT, STARTER, load, show};

/// Pieces of policies, so that random texts come near to being valid.
const PIECES: [&str; 48] = [
    "version = 1\n", "version", "[[policy]]\n", "[policy]\n", "[[protect]]\n", "[[quota]]\n", "[safety]\n", "[[test]]\n",
    "keep = [", "discard = [", "limit = {", "match = {", "{ last = 3 },", "{ best = 3, min = \"loss\" },", "{ daily = 7 },",
    "{ within = \"7d\" },", "{ every = \"6h\" },", "{", "}", "]", "[", ",", " = ", "\n", "\"", "'", "\"\"\"", "#", ".",
    "session = \"a/*\"", "min-keep = 0\n", "session-may-go-empty = true\n", "name = \"x\"\n", "max-bytes = \"5GiB\"",
    "per = \"owner\"\n", "2027-01-31", "until = ", "nan", "-1", "99999999999999999999", "checkpoints = [{ id = \"1\" }]\n",
    "keep = [\"1\"]\n", "all = true", "[[policy.keep]]\n", "[policy.match]\n", "한", "\u{feff}", "\r\n",
];

fn near_policies() -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..30).prop_map(|pieces| pieces.concat())
}

/// Loads anything; what is said about it can be sliced out of the text and is in its order.
fn is_sound(text: &str) {
    let loaded = load(text);
    assert_eq!(loaded.policy.is_none(), loaded.has_errors());
    for d in &loaded.diagnostics {
        assert!(text.get(d.span.clone()).is_some(), "{d:?}");
        assert!(d.secondary.iter().all(|(span, _)| text.get(span.clone()).is_some()), "{d:?}");
        assert!(!d.message.is_empty() && !d.message.ends_with('.'), "{d:?}");
    }
    assert!(loaded.diagnostics.windows(2).all(|w| w[0].span.start <= w[1].span.start));
    if let Some(policy) = &loaded.policy {
        let shown = show(policy, &loaded.origins);
        let again = load(&shown).policy.unwrap_or_else(|| panic!("{shown}"));
        assert_eq!(format!("{again:?}"), format!("{policy:?}"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text_is_refused_or_understood(text in ".{0,200}") {
        is_sound(&text);
    }

    #[test]
    fn any_bytes_that_are_text(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        is_sound(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn near_misses(text in near_policies()) {
        is_sound(&text);
    }

    #[test]
    fn good_policies_with_a_hole(start in 0usize..6000, len in 0usize..40, piece in proptest::sample::select(&PIECES[..])) {
        for text in [DEFAULT, STARTER] {
            let floor = |mut i: usize| { i = i.min(text.len()); while !text.is_char_boundary(i) { i -= 1; } i };
            let (from, to) = (floor(start), floor(start + len));
            is_sound(&format!("{}{piece}{}", &text[..from], &text[to..]));
        }
    }

    /// A fault that is added to a file is reported beside all that were there before.
    #[test]
    fn one_fault_never_hides_another(which in proptest::sample::subsequence((0..FAULTS.len()).collect::<Vec<_>>(), 0..=FAULTS.len())) {
        let mut text = String::from("version = 1\n[[policy]]\nkeep = [{ last = 2 }]\n");
        for i in &which {
            text.push_str(FAULTS[*i].0);
        }
        let found: Vec<&str> = load(&text).diagnostics.iter().map(|d| d.code.as_str()).collect();
        let wanted: Vec<&str> = which.iter().map(|i| FAULTS[*i].1).collect();
        prop_assert_eq!(found, wanted, "{}", text);
    }
}

const FAULTS: [(&str, &str); 6] = [
    ("[[quota]]\nname = \"q\"\nmax-bytes = \"5\"\nper = \"owner\"\n", "E0203-size"),
    ("[[quota]]\nname = \"r\"\nmax-bytes = \"5GB\"\n", "E0502-quota-per"),
    ("[[protect]]\nname = \"p\"\nmatch = { sesion = \"a\" }\n", "E0101-unknown-key"),
    ("[[protect]]\nname = \"o\"\nmatch = { idle = \"3m\" }\n", "E0202-duration"),
    ("[[test]]\nname = \"t\"\ncheckpoints = [{ id = \"1\" }]\nkeep = [\"2\"]\n", "E0601-test-id"),
    ("[safety]\nmax-delete = \"190%\"\n", "E0204-percentage"),
];

#[test]
fn deep_nesting_is_an_error_and_not_a_crash() {
    for (open, close) in [("[", "]"), ("{a=", "}")] {
        let text = format!("version = 1\nx = {}1{}\n", open.repeat(100_000), close.repeat(100_000));
        assert!(load(&text).has_errors());
        assert!(load(&text[..text.len() / 2]).has_errors());
    }
    let dotted = format!("{}x = 1\n", "a.".repeat(100_000));
    assert!(load(&dotted).has_errors());
}
