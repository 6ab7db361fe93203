//! What holds for every text.

use proptest::prelude::*;
use retain::core::policy::{DEFAULT, STARTER, load, show};

/// Pieces of policies, so that random texts come near to being valid.
const PIECES: [&str; 51] = [
    "version = 1\n",
    "version",
    "[[policy]]\n",
    "[policy]\n",
    "[[protect]]\n",
    "[[quota]]\n",
    "[safety]\n",
    "[[layout]]\n",
    "regex = 'x(?<step>.)'\n",
    "metrics = { file = \"log.csv\", join = \"step\" }\n",
    "[[test]]\n",
    "keep = [",
    "discard = [",
    "limit = {",
    "match = {",
    "{ last = 3 },",
    "{ best = 3, min = \"loss\" },",
    "{ daily = 7 },",
    "{ within = \"7d\" },",
    "{ every = \"6h\" },",
    "{",
    "}",
    "]",
    "[",
    ",",
    " = ",
    "\n",
    "\"",
    "'",
    "\"\"\"",
    "#",
    ".",
    "session = \"a/*\"",
    "min-keep = 0\n",
    "session-may-go-empty = true\n",
    "name = \"x\"\n",
    "max-bytes = \"5GiB\"",
    "per = \"owner\"\n",
    "2027-01-31",
    "until = ",
    "nan",
    "-1",
    "99999999999999999999",
    "checkpoints = [{ id = \"1\" }]\n",
    "keep = [\"1\"]\n",
    "all = true",
    "[[policy.keep]]\n",
    "[policy.match]\n",
    "한",
    "\u{feff}",
    "\r\n",
];

fn near_policies() -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..30)
        .prop_map(|pieces| pieces.concat())
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

/// Rules of which some make others useless, across sessions too.
const RULES: [&str; 26] = [
    "last = 1",
    "last = 3",
    "last = 2, across = \"folder\"",
    "last = 1, hard = true",
    "first = 1",
    "first = 2, across = \"owner\"",
    "best = 1, min = \"m\"",
    "best = 3, min = \"m\"",
    "best = 2, max = \"m\"",
    "best = 2, min = \"m\", ties = \"all\"",
    "best = 2, min = \"m\", across = \"policy\"",
    "every-steps = 2",
    "every-steps = 4",
    "every-steps = 4, pick = \"exact\"",
    "every = \"2h\"",
    "every = \"6h\"",
    "within = \"5d\"",
    "within = \"9d\"",
    "within = \"5d\", of = \"newest\"",
    "daily = 2",
    "daily = 5, oldest = true",
    "daily = 2, within = \"6d\"",
    "weekly = 2",
    "id = \"c*\"",
    "id = [\"c1\", \"c2\"]",
    "all = true",
];

/// A checkpoint of a random inventory: session, step, age in hours, metric.
type Spec = (usize, u32, u32, Option<i8>);

fn decided(rules: &[&str], specs: &[Spec]) -> (bool, Vec<bool>) {
    use std::fmt::Write as _;
    let mut text = String::from("version = 1\nrestarted = \"by-step\"\n[[policy]]\nkeep = [");
    for rule in rules {
        let _ = write!(text, "{{ {rule} }}, ");
    }
    text.push_str("]\n[[test]]\nkeep = []\ncheckpoints = [\n");
    for (i, (session, step, age, metric)) in specs.iter().enumerate() {
        let session = ["a/x/1", "a/x/2", "b/y/1"][session % 3];
        let metrics = metric.map_or(String::new(), |m| format!(", metrics = {{ m = {m} }}"));
        let _ = writeln!(
            text,
            "{{ id = \"c{i}\", session = \"{session}\", step = {step}, age = \"{age}h\"{metrics} }},"
        );
    }
    text.push_str("]\n");
    let loaded = load(&text);
    let useless = loaded.diagnostics.iter().any(|d| d.code.as_str() == "W0701-redundant-rule");
    let policy = loaded.policy.unwrap();
    let result = loaded.tests[0].run(&policy);
    let sessions = &loaded.tests[0].inventory.sessions;
    let survives = sessions.iter().enumerate().flat_map(|(s, session)| {
        let outcome = &result.outcome.sessions[s];
        (0..session.checkpoints.len())
            .map(|c| outcome.verdict(c) == retain::core::decision::Verdict::Keep)
    });
    (useless, survives.collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// A rule that is said to add nothing adds nothing.
    #[test]
    fn a_useless_rule_is_useless(
        specs in proptest::collection::vec((0usize..3, 0u32..12, 2u32..300, proptest::option::of(0i8..4)), 1..14),
    ) {
        for first in RULES {
            let (_, alone) = decided(&[first], &specs);
            for second in RULES {
                let (useless, both) = decided(&[first, second], &specs);
                if useless {
                    prop_assert_eq!(&alone, &both, "{} makes {} useless", first, second);
                }
            }
        }
    }
}
