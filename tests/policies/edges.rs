//! What is said where two faults meet, at the ends of ranges, and about tests that fail.

use retain::core::declared::{Fact, Format};
use retain::core::policy::{LAYOUTS, Loaded, layouts, load};
use std::path::Path;

fn codes(text: &str) -> Vec<&'static str> {
    load(text).diagnostics.iter().map(|d| &d.code.as_str()[..5]).collect()
}

/// A policy with something before it, in the top level, and after it.
fn around(top: &str, after: &str) -> String {
    format!("version = 1\n{top}\n[[policy]]\nkeep = [{{ last = 1 }}]\n{after}\n")
}

/// Everything that is said about a text, but for its place.
fn said(text: &str) -> String {
    let all = load(text).diagnostics;
    let line = |d: &retain::core::policy::Diagnostic| {
        let help = d.help.as_deref().unwrap_or_default();
        format!("{} | {} | {} | {help}", d.code, d.message, d.label)
    };
    all.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A syntax error hides its own echo. What ends where it begins, or begins where it ends, is none.
#[test]
fn a_fault_that_only_touches_a_syntax_error_is_said_beside_it() {
    let before = around("min-keep=\"x\"junk", "");
    assert_eq!(codes(&before), ["E0102", "E0001"]);
    let after =
        "version = 1\n[[policy]]\nmatch = { owner = \"a\"sesion = \"b\" }\nkeep = [{ last = 1 }]\n";
    assert_eq!(codes(after), ["E0001", "E0101"]);
}

#[test]
fn a_test_is_not_blamed_for_checkpoints_that_a_syntax_error_took() {
    let closed_too_early = [
        "checkpoints = [{ id = \"1\" }], [{ id = \"2\" }]",
        "checkpoints = [{ id = \"1\" }, ] { id = \"2\" } ]",
    ];
    for torn in closed_too_early {
        let text = around("", &format!("[[test]]\n{torn}\nkeep = [\"2\"]"));
        assert_eq!(codes(&text), ["E0001"], "{torn}");
    }
    let whole =
        around("", "[[test]]\ncheckpoints = [{ id = \"1\" }, { id = \"3\" }]\nkeep = [\"2\"]");
    assert_eq!(codes(&whole), ["E0601"]);
}

/// An empty name is a fault by itself: that there are two of them says nothing more.
#[test]
fn names_that_are_empty_are_not_also_the_same() {
    let quota = |name: &str| format!("[[quota]]\nname = \"{name}\"\nmin-free = \"1%\"\n");
    assert_eq!(codes(&around("", &(quota("") + &quota("")))), ["E0105", "E0105"]);
    assert_eq!(codes(&around("", &(quota("a") + &quota("a")))), ["E0104"]);
}

/// Empty tables are the shortest there are, each a fault: so many of them are looked into.
#[test]
fn as_much_as_anybody_writes_is_looked_into() {
    let tables = |n: usize| "{},".repeat(n);
    let quotas = |n| codes(&around(&format!("quota = [{}]", tables(n)), ""));
    let rules = |n| codes(&format!("version = 1\n[[policy]]\nkeep = [{}]\n", tables(n)));
    assert!(quotas(10_000) == vec!["E0501"; 10_000] && rules(10_000) == vec!["E0301"; 10_000]);
    assert_eq!((quotas(10_001), rules(10_001)), (vec!["E0108"], vec!["E0108"]));
}

#[test]
fn a_setting_without_effect_is_said_once_for_each_place_it_is_written() {
    let policy = |name: &str, more: &str| {
        format!("[[policy]]\nmatch = {{ session = \"{name}\" }}\n{more}\nkeep = [{{ last = 1 }}]\n")
    };
    // What is said names the policy's own `min-keep`, so they are not the same words.
    let inherited = format!(
        "version = 1\nsession-may-go-empty = true\n{}{}",
        policy("a", "min-keep = 2"),
        policy("b", "min-keep = 3")
    );
    assert_eq!(codes(&inherited), ["W0705"]);
    let own = "session-may-go-empty = true";
    let each = format!("version = 1\n{}{}", policy("a", own), policy("b", own));
    assert_eq!(codes(&each), ["W0705", "W0705"]);
}

#[test]
fn numbers_in_quotes_and_other_texts_get_their_own_help() {
    let rule = |value: &str| format!("version = 1\n[[policy]]\nkeep = [{{ last = {value} }}]\n");
    let brake = |value: &str| around("", &format!("[safety]\nmax-delete = {value}"));
    let whole = "takes a whole number | this is a";
    let cases = [
        (
            rule("\" 3 \""),
            format!(
                "E0102-wrong-type | `last` {whole} string | write `last = 3` without quotes"
            ),
        ),
        (rule("\"three\""), format!("E0102-wrong-type | `last` {whole} string | ")),
        (rule("\"-3\""), format!("E0102-wrong-type | `last` {whole} string | ")),
        (rule("3.5"), format!("E0102-wrong-type | `last` {whole} number | ")),
        (
            brake("\"100\""),
            format!(
                "E0102-wrong-type | `max-delete` {whole} string | write `max-delete = 100` without quotes"
            ),
        ),
        (
            brake("0.5"),
            "E0102-wrong-type | `max-delete` takes a whole number or a share such as \"90%\" | this is a number | "
                .to_owned(),
        ),
        (
            brake("\"half\""),
            "E0204-percentage | `half` is not a percentage | not a percentage | write a number and a percent sign such as \"90%\""
                .to_owned(),
        ),
    ];
    for (text, wanted) in cases {
        assert_eq!(said(&text), wanted, "{text}");
    }
}

/// One fault, and not a second one for the elements that it does not have.
#[test]
fn what_is_no_table_is_no_list_of_one_either() {
    let cases = [
        ("quota = 7", "this is a number"),
        ("quota = \"big\"", "this is a string"),
        ("quota = true", "this is a boolean"),
    ];
    for (top, kind) in cases {
        let wanted = format!("E0102-wrong-type | `quota` takes a list of tables | {kind} | ");
        assert_eq!(said(&around(top, "")), wanted);
    }
    let table = "E0102-wrong-type | `quota` takes a list of tables | this is one table | write `[[quota]]` with two brackets";
    assert_eq!(said(&around("quota = { min-free = \"1%\" }", "")), table);
}

#[test]
fn a_range_of_one_number_is_a_range_too() {
    let of = |glob: &str| {
        format!(
            "version = 1\n[[policy]]\nmatch = {{ session = \"{glob}\" }}\nkeep = [{{ last = 1 }}]\n"
        )
    };
    for glob in ["a/{1..3}", "a/{5..5}", "a/{007..7}", "a/{1..999999}"] {
        let said = said(&of(glob));
        assert!(said.contains(&format!("`{glob}` holds a range of numbers")), "{said}");
    }
    for glob in ["a/{1,3}", "a/{1...3}", "a/{a..c}"] {
        assert_eq!(codes(&of(glob)), [""; 0], "{glob}");
    }
}

#[test]
fn an_eviction_has_somewhere_to_go() {
    let quota = |min: &str, low: &str| {
        around("", &format!("[[quota]]\nmin-free = \"{min}\"\nlow = \"{low}\""))
    };
    for (min, low) in [("100GB", "99GB"), ("10%", "9%"), ("1GiB", "1GB")] {
        assert_eq!(codes(&quota(min, low)), ["E0503"], "{min} {low}");
    }
    // A size and a share can be compared only on a file system.
    let good =
        [("100GB", "100GB"), ("100GB", "101GB"), ("10%", "11%"), ("10%", "1GB"), ("1TB", "1%")];
    for (min, low) in good {
        assert_eq!(codes(&quota(min, low)), [""; 0], "{min} {low}");
    }
}

/// In a file with many tables the same key stands in each; the one meant is in the same table.
#[test]
fn a_key_set_twice_points_at_the_nearest_one_before_it() {
    let text = "version = 1\n[[policy]]\nname = \"a\"\nmatch = { session = \"a\" }\nkeep = [{ last = 1 }]\n[[policy]]\nname = \"b\"\nkeep = [{ last = 1 }]\nname = \"c\"\n[[policy]]\nname = \"d\"\n";
    let loaded = load(text);
    let twice = loaded.diagnostics.iter().find(|d| d.code.as_str() == "E0002-duplicate-key");
    let (first, _) = &twice.unwrap().secondary[0];
    assert!(text[first.start..].starts_with("name = \"b\""), "{}", &text[first.start..]);
}

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
    assert_eq!(codes(&text), ["W0707"]);
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

/// A scan needs what a policy declares, also while its author is still at work on the rest.
#[test]
fn layouts_are_read_from_a_policy_that_is_faulty_elsewhere() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policies/valid/everything.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let whole = load(&text).policy.unwrap().layouts;
    assert!(whole.len() == 3 && whole.iter().all(|l| !LAYOUTS.contains(&&*l.name)));
    assert_eq!(layouts(&text), (whole.clone(), vec![]));
    let faulty = text.replace("max-count = 20", "max-count = 0").replace("version  = 1", "");
    assert!(load(&faulty).policy.is_none());
    assert_eq!(layouts(&faulty), (whole, vec![]));
    let (found, faults) = layouts("[[layout]]\nname = \"x\"\nregex = '('\n");
    assert_eq!(found, []);
    assert_eq!(faults.iter().map(|d| d.code.as_str()).collect::<Vec<_>>(), ["E0209-regex"]);
}

#[test]
fn metrics_are_in_the_format_of_their_extension_and_the_column_of_their_fact() {
    let cases = [
        ("log.csv", "step", Format::Csv, Fact::Step, "step"),
        ("log.json", "epoch", Format::Json, Fact::Epoch, "epoch"),
        ("log.jsonl", "id", Format::Jsonl, Fact::Id, "checkpoint"),
        ("../log.1.ndjson", "step", Format::Jsonl, Fact::Step, "step"),
    ];
    for (file, join, format, fact, column) in cases {
        let text = format!(
            "[[layout]]\nname = \"x\"\nregex = '(?<id>(?<step>\\d)(?<epoch>\\d))'\nmetrics = {{ file = \"{file}\", join = \"{join}\" }}\n"
        );
        let (found, faults) = layouts(&text);
        assert_eq!(faults, [], "{text}");
        let metrics = found[0].metrics.as_ref().unwrap();
        let join = metrics.join.as_ref().unwrap();
        assert_eq!(metrics.format, format, "{file}");
        assert_eq!((join.fact, &*join.column, join.offset), (fact, column, 0), "{file}");
    }
    for file in ["log", "log.txt", "csv", "log.csv.gz"] {
        let text = format!(
            "[[layout]]\nname = \"x\"\nregex = '(?<step>\\d)'\nmetrics = {{ file = \"{file}\", join = \"step\" }}\n"
        );
        let faults: Vec<&str> = layouts(&text).1.iter().map(|d| d.code.as_str()).collect();
        assert_eq!(faults, ["E0804-layout-metrics"], "{file}");
    }
}
