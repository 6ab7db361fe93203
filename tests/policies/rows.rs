//! The policy rows of the safety matrix (P1 to P12), and values at their edges.

use super::support::codes;
use retain::core::model::Time;
use retain::core::policy::{MaxDelete, Missing, Policy, RuleKind, Span, Ties, load};

fn keep(rules: &str) -> String {
    format!("version = 1\n[[policy]]\nkeep = [{rules}]\n")
}

fn policy(text: &str) -> Policy {
    let loaded = load(text);
    loaded.policy.unwrap_or_else(|| panic!("{:#?}\n{text}", loaded.diagnostics))
}

#[test]
fn p1_an_empty_file_is_refused() {
    for text in ["", "\n\n", "# nothing\n", "\u{feff}"] {
        assert_eq!(codes(text), ["E0003-version", "E0004-no-policy"], "{text:?}");
    }
    assert_eq!(codes("version = 1\n"), ["E0004-no-policy"]);
    assert_eq!(codes("version = 1\npolicy = []\n"), ["E0004-no-policy", "E0105-empty"]);
}

#[test]
fn p2_an_empty_rule_is_refused() {
    assert_eq!(codes(&keep("{}")), ["E0301-no-rule"]);
    assert_eq!(codes(&keep("{ hard = true }")), ["E0301-no-rule"]);
    assert_eq!(codes(&keep("")), ["E0105-empty"]);
    assert_eq!(codes("version = 1\n[[policy]]\n"), ["W0706-policy-without-rules"]);
    assert_eq!(codes("version = 1\n[[policy]]\ndiscard = [{}]\n"), ["E0301-no-rule"]);
}

#[test]
fn p3_unknown_and_duplicate_keys_are_refused() {
    assert_eq!(codes(&keep("{ lsat = 3 }")), ["E0101-unknown-key"]);
    assert_eq!(codes(&keep("{ last = 3, last = 4 }")), ["E0002-duplicate-key"]);
    let text = keep("{ last = 3 }") + "keep = [{ last = 4 }]\n";
    assert_eq!(codes(&text), ["E0002-duplicate-key"]);
    let text =
        "version = 1\nmin-keep = 2\n[[policy]]\nkeep = [{ last = 3 }]\n[safety]\nmin-keep = 3\n";
    assert_eq!(codes(text), ["E0107-set-twice"]);
}

#[test]
fn p4_counts_that_are_none() {
    let cases = [
        ("0", "E0201-count"),
        ("-1", "E0201-count"),
        ("9223372036854775808", "E0201-count"),
        ("99999999999999999999999999999999999999999999", "E0201-count"),
        ("0x7fffffffffffffff", "E0201-count"),
        ("\"3\"", "E0102-wrong-type"),
        ("3.0", "E0102-wrong-type"),
        ("true", "E0102-wrong-type"),
        ("[3]", "E0102-wrong-type"),
        ("nan", "E0102-wrong-type"),
    ];
    for key in ["last", "first", "daily", "yearly", "every-steps"] {
        for (value, code) in cases {
            // A multiple of steps may be as large as a step.
            let large = key == "every-steps" && value == "0x7fffffffffffffff";
            let expected = if large { vec![] } else { vec![code] };
            assert_eq!(
                codes(&keep(&format!("{{ {key} = {value} }}"))),
                expected,
                "{key} = {value}"
            );
        }
    }
    assert_eq!(policy(&keep("{ last = 1_000 }")).policies[0].keep[0].kind.key(), "last");
}

#[test]
fn p5_times_without_a_unit() {
    let cases = [
        "7",
        "\"7\"",
        "\"3m\"",
        "\"P1Y\"",
        "\"0d\"",
        "0",
        "\"\"",
        "\"-1d\"",
        "\"1.5d\"",
        "\"999999999999y\"",
        "\"7 d\"",
    ];
    for value in cases {
        assert_eq!(codes(&keep(&format!("{{ within = {value} }}"))), ["E0202-duration"], "{value}");
    }
    for value in ["1.5", "true", "2026-01-01", "[\"7d\"]"] {
        assert_eq!(
            codes(&keep(&format!("{{ within = {value} }}"))),
            ["E0102-wrong-type"],
            "{value}"
        );
    }
    for value in ["7d", "1y2mo", "36h", "1d12h", "90min", "10s"] {
        assert_eq!(
            codes(&keep(&format!("{{ within = \"{value}\" }}"))),
            [] as [&str; 0],
            "{value}"
        );
    }
}

#[test]
fn p6_the_first_policy_that_matches_a_session_has_it() {
    let text = r#"
        version = 1
        [[policy]]
        match = { session = "team/*" }
        keep = [{ last = 1 }]
        [[policy]]
        keep = [{ all = true }]
        [[test]]
        checkpoints = [
          { session = "team/1", id = "a", step = 1 }, { session = "team/1", id = "b", step = 2 },
          { session = "other/1", id = "c", step = 1 }, { session = "other/1", id = "d", step = 2 },
        ]
        delete = ["a"]
    "#;
    super::files::passes("p6", text);
    // The other way round the second could never have a session.
    let swapped = "version = 1\n[[policy]]\nkeep = [{ all = true }]\n[[policy]]\nmatch = { session = \"team/*\" }\nkeep = [{ last = 1 }]\n";
    assert_eq!(codes(swapped), ["E0402-shadowed-policy"]);
}

#[test]
fn p7_globs_at_the_edge() {
    let with = |glob: &str| {
        format!(
            "version = 1\n[[policy]]\nmatch = {{ session = '{glob}' }}\nkeep = [{{ last = 1 }}]\n"
        )
    };
    for good in ["*", "**", ".", "a/*/b", "{a,b}/*", "[ab]?", "팀/*", "a/**/b", "\\*"] {
        assert_eq!(codes(&with(good)), [] as [&str; 0], "{good}");
    }
    for bad in ["/", "[", "{a", "a//b", "/a", "a/", "./a", "a/../b", "a/{1..3}", "a\\"] {
        assert_eq!(codes(&with(bad)), ["E0205-glob"], "{bad}");
    }
    assert_eq!(codes(&with("")), ["E0105-empty"]);
    for id in ["*", "a/b", "/", "?1"] {
        assert_eq!(codes(&keep(&format!("{{ id = '{id}' }}"))), [] as [&str; 0], "{id}");
    }
}

/// P8 to P10 and P12 are the engine's; here is what a file can say about them.
#[test]
fn p8_p9_p12_missing_and_equal_values() {
    let levels = r#"
        version = 1
        missing = "drop"
        ties = "oldest"
        [[policy]]
        ties = "all"
        keep = [
          { best = 1, min = "a" },
          { best = 1, max = "b", missing = "keep", ties = "newest" },
        ]
    "#;
    let said: Vec<(Missing, Ties)> = policy(levels).policies[0]
        .keep
        .iter()
        .filter_map(|rule| match &rule.kind {
            RuleKind::Best(best) => Some((best.missing, best.ties)),
            _ => None,
        })
        .collect();
    assert_eq!(said, [(Missing::Drop, Ties::All), (Missing::Keep, Ties::Newest)]);
    let values = r#"
        version = 1
        [[policy]]
        keep = [{ best = 1, min = "m", missing = "drop" }]
        min-keep = 1
        [[test]]
        checkpoints = [
          { id = "nan", step = 1, metrics = { m = nan } }, { id = "text", step = 2, metrics = { m = "NaN" } },
          { id = "-inf", step = 3, metrics = { m = -inf } }, { id = "1e400", step = 4, metrics = { m = 1e400 } },
          { id = "absent", step = 5 }, { id = "-0", step = 6, metrics = { m = -0.0 } },
          { id = "1", step = 7, metrics = { m = 1 } }, { id = "last", step = 8, metrics = { m = 2 } },
        ]
        keep = ["-0", "last"]
    "#;
    super::files::passes("p9", values);
}

#[test]
fn p10_two_metrics_with_one_name() {
    let text = "version = 1\n[[policy]]\nkeep = [{ last = 1 }]\n[[test]]\nkeep = []\ncheckpoints = [{ id = \"1\", metrics = { m = 1, m = 2 } }]\n";
    assert_eq!(codes(text), ["E0002-duplicate-key"]);
    assert_eq!(codes(&keep("{ best = 1, min = [\"m\", \"m\"] }")), ["W0707-listed-twice"]);
}

#[test]
fn p11_the_direction_is_never_guessed() {
    assert_eq!(codes(&keep("{ best = 3 }")), ["E0304-direction"]);
    assert_eq!(codes(&keep("{ best = 3, min = \"a\", max = \"a\" }")), ["E0304-direction"]);
    assert_eq!(codes(&keep("{ best = 3, min = [] }")), ["E0105-empty"]);
}

#[test]
fn settings_are_inherited_by_level() {
    let text = r#"version = 1
min-keep = 3
timezone = "Asia/Seoul"
[safety]
min-age = "2h"
max-delete = 100
[[policy]]
name = "a"
min-keep = 2
match = { session = "a" }
keep = [{ last = 1 }]
[[policy]]
name = "b"
keep = [{ last = 1 }]
"#;
    let p = policy(text);
    assert_eq!((p.policies[0].min_keep, p.policies[1].min_keep), (2, 3));
    assert!(
        p.policies
            .iter()
            .all(|q| q.timezone == chrono_tz::Asia::Seoul && q.min_age == Span::hours(2))
    );
    assert_eq!(p.grace, Span::hours(20));
    assert_eq!(p.safety.max_delete, Some(MaxDelete::Count(100)));
    let loaded = load(text);
    let origin = |path: &str| loaded.origins.get(path).to_string();
    assert_eq!(origin("policy.0.min-keep"), "line 9");
    assert_eq!(origin("policy.1.min-keep"), "top level, line 2");
    assert_eq!(origin("policy.1.min-age"), "[safety], line 5");
    assert_eq!(origin("policy.1.restarted"), "default");
    assert_eq!(origin("grace"), "default");
}

#[test]
fn a_day_ends_in_the_zone_of_the_policy() {
    let until = |zone: &str, date: &str| {
        let text = format!(
            "version = 1\ntimezone = \"{zone}\"\n[[protect]]\nmatch = {{ session = \"a\" }}\nuntil = {date}\n[[policy]]\nkeep = [{{ all = true }}]\n"
        );
        policy(&text).protections[0].until
    };
    assert_eq!(until("UTC", "2027-01-31"), Time::parse("2027-02-01T00:00:00Z"));
    assert_eq!(until("Asia/Seoul", "2027-01-31"), Time::parse("2027-01-31T15:00:00Z"));
    assert_eq!(until("Asia/Seoul", "\"2027-01-31\""), Time::parse("2027-01-31T15:00:00Z"));
    assert_eq!(until("Asia/Seoul", "2027-01-31T18:00:00Z"), Time::parse("2027-01-31T18:00:00Z"));
    assert_eq!(until("UTC", "2027-01-31 18:00:00+09:00"), Time::parse("2027-01-31T09:00:00Z"));
}

#[test]
fn an_expired_protection_is_said_once_the_time_is_known() {
    let text = r#"
        version = 1
        [[protect]]
        name = "old"
        match = { session = "a" }
        until = 2020-01-31
        [[protect]]
        name = "new"
        match = { session = "b" }
        until = 2030-01-31
        [[policy]]
        keep = [{ all = true }]
    "#;
    let loaded = load(text);
    assert_eq!(loaded.diagnostics, []);
    let at = |time: &str| -> Vec<String> {
        loaded
            .expired(Time::parse(time).unwrap())
            .into_iter()
            .map(|d| format!("{} {} {}", d.code, d.message, &text[d.span]))
            .collect()
    };
    assert_eq!(at("2020-01-31T23:59:59Z"), [] as [&str; 0]);
    assert_eq!(
        at("2020-02-01T00:00:00Z"),
        ["W0703-expired-protection the protection `old` has expired 2020-01-31"]
    );
    assert_eq!(at("2031-01-01T00:00:00Z").len(), 2);
}

#[test]
fn more_than_anybody_writes_is_refused() {
    assert_eq!(codes(&keep(&"{ all = true },".repeat(10_001))), ["E0108-too-many"]);
    let quotas = "[[quota]]\nmin-free = \"1%\"\n".repeat(10_001);
    assert_eq!(codes(&(keep("{ all = true }") + &quotas)), ["E0108-too-many"]);
}
