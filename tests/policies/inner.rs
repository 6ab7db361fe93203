//! The tests inside a policy: what a checkpoint of theirs is, and what is said of one that fails.

use super::support::{around, codes};
use retain::core::policy::{Loaded, load};

fn fails(tests: &str) -> Vec<String> {
    let Loaded { policy, tests, diagnostics, .. } = load(&around("", tests));
    let policy = policy.unwrap_or_else(|| panic!("{diagnostics:?}"));
    let [test] = &tests[..] else { panic!("{tests:?}") };
    let result = test.run(&policy);
    assert_eq!(result.passed(), result.failures.is_empty());
    result.failures.iter().map(|f| test.explain(&policy, &result, *f)).collect()
}

#[test]
fn a_test_that_fails_says_what_became_of_which_checkpoint_and_why() {
    let alone = |expects: &str| {
        format!(
            "[[test]]\ncheckpoints = [{{ id = \"a\", step = 1 }}, {{ id = \"b\", step = 2 }}]\n{expects}"
        )
    };
    assert_eq!(fails(&alone("keep = [\"b\"]")), [""; 0]);
    assert_eq!(
        fails(&alone("delete = [\"b\"]")),
        [
            "a is deleted, and the test wants it to survive (last: rank 2 of 1)",
            "b is kept, and the test wants it to be deleted (min-keep 1/1 · last 1/1)",
        ]
    );
    // An id alone may be that of several sessions.
    let two = "[[test]]\ncheckpoints = [{ id = \"a\", session = \"x/1\" }, { id = \"a\", session = \"x/2\" }]\nkeep = [\"x/1:a\"]";
    assert_eq!(
        fails(two),
        ["x/2:a is kept, and the test wants it to be deleted (min-keep 1/1 · last 1/1)"]
    );
    let text = around("", two);
    let loaded = load(&text);
    assert!(!loaded.tests[0].run(&loaded.policy.unwrap()).passed());
}

/// A test that only a warning is about counts; dropped, it would pass without a word.
#[test]
fn a_test_with_a_warning_is_run_all_the_same() {
    let text = around(
        "",
        "[[test]]\ntags = [\"x\", \"x\"]\ncheckpoints = [{ id = \"a\", step = 1 }, { id = \"b\", step = 2 }]\nkeep = [\"a\"]",
    );
    assert_eq!(codes(&text), ["W0707-listed-twice"]);
    let loaded = load(&text);
    assert_eq!(loaded.tests.len(), 1);
    assert_eq!(loaded.tests[0].run(&loaded.policy.unwrap()).failures.len(), 2);
}

#[test]
fn a_checkpoint_of_a_test_is_an_ordinary_one_unless_it_says_more() {
    let loaded = load(&around("", "[[test]]\ncheckpoints = [{ id = \"a\" }]\nkeep = [\"a\"]"));
    let test = &loaded.tests[0];
    let c = &test.inventory.sessions[0].checkpoints[0];
    assert_eq!((c.files, c.bytes, c.complete), (1, 1 << 30, true));
    assert_eq!(test.now.since(c.saved_at.unwrap()), 30 * 86_400 * 1_000_000_000);
}

#[test]
fn a_test_is_not_blamed_for_checkpoints_that_a_syntax_error_took() {
    let closed_too_early = [
        "checkpoints = [{ id = \"1\" }], [{ id = \"2\" }]",
        "checkpoints = [{ id = \"1\" }, ] { id = \"2\" } ]",
    ];
    for torn in closed_too_early {
        let text = around("", &format!("[[test]]\n{torn}\nkeep = [\"2\"]"));
        assert_eq!(codes(&text), ["E0001-syntax"], "{torn}");
    }
    let whole =
        around("", "[[test]]\ncheckpoints = [{ id = \"1\" }, { id = \"3\" }]\nkeep = [\"2\"]");
    assert_eq!(codes(&whole), ["E0601-test-id"]);
}
