//! What an earlier entry has already: rules, discards and matches in pairs.
//!
//! That nothing is called covered that is not is a law (laws.rs); these pairs say that what is
//! covered is noticed.

use retain::core::policy::load;

/// Whether the second of two entries, or policies, is said to add nothing.
fn is_noticed(text: &str, code: &str) -> bool {
    let loaded = load(text);
    let codes: Vec<&str> = loaded.diagnostics.iter().map(|d| d.code.as_str()).collect();
    assert!(codes.is_empty() || codes == [code], "{codes:?}\n{text}");
    !codes.is_empty()
}

fn is_redundant(list: &str, first: &str, second: &str) -> bool {
    let rest = if list == "keep" { "" } else { "keep = [{ last = 1 }]\n" };
    let text = format!("version = 1\n[[policy]]\n{rest}{list} = [{{ {first} }}, {{ {second} }}]\n");
    is_noticed(&text, "W0701-redundant-rule")
}

fn is_shadowed(first: &str, second: &str) -> bool {
    let text = format!(
        "version = 1\n[[policy]]\nmatch = {{ {first} }}\nkeep = [{{ last = 1 }}]\n[[policy]]\nmatch = {{ {second} }}\nkeep = [{{ last = 2 }}]\n"
    );
    is_noticed(&text, "E0402-shadowed-policy")
}

#[test]
fn rules_that_an_earlier_one_makes_useless() {
    let pairs = [
        ("last = 2", "last = 2"),
        ("first = 2", "first = 1"),
        ("steps = [1, 2, 3]", "steps = [2]"),
        ("steps = [1, 2]", "steps = [2, 1]"),
        ("submitted = true", "submitted = true"),
        // Several tags are all wanted at once.
        ("tag = \"a\"", "tag = [\"b\", \"a\"]"),
        ("daily = 5", "daily = 5"),
        ("daily = 5", "daily = 3"),
        ("daily = 5, oldest = true", "daily = 5"),
        ("daily = 5, oldest = true", "daily = 5, oldest = true"),
        ("daily = 5", "daily = 5, within = \"6d\""),
        ("daily = 5, within = \"6d\"", "daily = 5, within = \"6d\""),
        ("within = \"7d\", of = \"newest\"", "within = \"7d\", of = \"newest\""),
        ("last = 2, hard = true", "last = 2"),
    ];
    for (first, second) in pairs {
        assert!(is_redundant("keep", first, second), "{first} | {second}");
    }
}

#[test]
fn rules_that_add_to_an_earlier_one() {
    let pairs = [
        ("last = 2", "last = 3"),
        ("last = 2", "last = 2, hard = true"),
        ("first = 2", "last = 2"),
        ("steps = [2]", "steps = [2, 3]"),
        ("submitted = true", "tag = \"a\""),
        ("tag = [\"b\", \"a\"]", "tag = \"a\""),
        ("daily = 3", "daily = 5"),
        ("daily = 5", "weekly = 5"),
        ("daily = 5", "daily = 5, oldest = true"),
        ("daily = 5, within = \"6d\"", "daily = 5"),
        ("daily = 5, within = \"6d\"", "daily = 5, within = \"9d\""),
    ];
    for (first, second) in pairs {
        assert!(!is_redundant("keep", first, second), "{first} | {second}");
    }
}

#[test]
fn discards_that_an_earlier_one_makes_useless_and_that_add_to_it() {
    let useless = [
        ("incomplete-for = \"1d\"", "incomplete-for = \"1d\""),
        ("incomplete-for = \"1d\"", "incomplete-for = \"2d\""),
        ("all = true", "all = true"),
        ("all = true", "submitted = true"),
        ("all = true", "id = \"x*\""),
        ("id = \"x*\"", "id = [\"x1\", \"x*\"]"),
        ("tag = \"a\"", "tag = [\"a\", \"b\"]"),
        ("steps = [1, 2]", "steps = [1]"),
        ("submitted = true", "submitted = true"),
    ];
    for (first, second) in useless {
        assert!(is_redundant("discard", first, second), "{first} | {second}");
    }
    let adding = [
        ("incomplete-for = \"2d\"", "incomplete-for = \"1d\""),
        // Of complete checkpoints `all` is; unfinished ones are no matter of it.
        ("all = true", "incomplete-for = \"1d\""),
        ("submitted = true", "all = true"),
        ("id = \"x1\"", "id = [\"x1\", \"x2\"]"),
        ("tag = [\"a\", \"b\"]", "tag = \"a\""),
        ("steps = [1]", "steps = [1, 2]"),
        ("submitted = true", "steps = [1]"),
    ];
    for (first, second) in adding {
        assert!(!is_redundant("discard", first, second), "{first} | {second}");
    }
}

#[test]
fn matches_that_leave_no_session_and_that_leave_some() {
    let none_left = [
        ("newest-sessions = 3", "newest-sessions = 2"),
        ("newest-sessions = 3", "newest-sessions = 3"),
        ("idle = \"1d\"", "idle = \"2d\""),
        ("owner = \"a*\"", "owner = \"ab\""),
        ("status = [\"exited\", \"running\"]", "status = \"exited\""),
        ("tag = \"x\"", "tag = [\"x\", \"y\"]"),
        ("session = \"a/**\", not = \"a/b/*\"", "session = \"a/c\", not = [\"a/b/*\", \"a/d\"]"),
    ];
    for (first, second) in none_left {
        assert!(is_shadowed(first, second), "{first} | {second}");
    }
    let some_left = [
        ("newest-sessions = 2", "newest-sessions = 3"),
        ("newest-sessions = 2", "session = \"a\""),
        ("idle = \"2d\"", "idle = \"1d\""),
        ("owner = \"ab\"", "owner = \"a*\""),
        ("status = \"exited\"", "status = [\"exited\", \"running\"]"),
        ("tag = [\"x\", \"y\"]", "tag = \"x\""),
        ("session = \"a/**\", not = \"a/b/*\"", "session = \"a/c\""),
        // Not a component of its own, `**` stays in one.
        ("session = \"a**\"", "session = \"a*/*\""),
    ];
    for (first, second) in some_left {
        assert!(!is_shadowed(first, second), "{first} | {second}");
    }
}
