//! What is said where two faults meet, and at the ends of what is allowed.

use super::support::{around, codes};
use retain::core::policy::load;

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
    assert_eq!(codes(&before), ["E0102-wrong-type", "E0001-syntax"]);
    let after =
        "version = 1\n[[policy]]\nmatch = { owner = \"a\"sesion = \"b\" }\nkeep = [{ last = 1 }]\n";
    assert_eq!(codes(after), ["E0001-syntax", "E0101-unknown-key"]);
}

/// An empty name is a fault by itself: that there are two of them says nothing more.
#[test]
fn names_that_are_empty_are_not_also_the_same() {
    let quota = |name: &str| format!("[[quota]]\nname = \"{name}\"\nmin-free = \"1%\"\n");
    assert_eq!(codes(&around("", &(quota("") + &quota("")))), ["E0105-empty", "E0105-empty"]);
    assert_eq!(codes(&around("", &(quota("a") + &quota("a")))), ["E0104-duplicate-name"]);
}

/// Empty tables are the shortest there are, each a fault: so many of them are looked into.
#[test]
fn as_much_as_anybody_writes_is_looked_into() {
    let tables = |n: usize| "{},".repeat(n);
    let quotas = |n| codes(&around(&format!("quota = [{}]", tables(n)), ""));
    let rules = |n| codes(&format!("version = 1\n[[policy]]\nkeep = [{}]\n", tables(n)));
    assert!(
        quotas(10_000) == vec!["E0501-quota-cap"; 10_000]
            && rules(10_000) == vec!["E0301-no-rule"; 10_000]
    );
    assert_eq!((quotas(10_001), rules(10_001)), (vec!["E0108-too-many"], vec!["E0108-too-many"]));
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
    assert_eq!(codes(&inherited), ["W0705-no-effect"]);
    let own = "session-may-go-empty = true";
    let each = format!("version = 1\n{}{}", policy("a", own), policy("b", own));
    assert_eq!(codes(&each), ["W0705-no-effect", "W0705-no-effect"]);
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
        assert_eq!(codes(&quota(min, low)), ["E0503-quota-low"], "{min} {low}");
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
