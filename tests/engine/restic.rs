//! The forty cases of restic's own policy tests, as facts: which times each policy keeps.
//!
//! Two differences are meant. An empty policy keeps nothing there and everything here; and
//! `within` is exclusive there and inclusive here, which no case of the table touches.

use crate::support::{Root, bare, rule};
use retain::core::calendar::{Period, Span};
use retain::core::decide::decide;
use retain::core::decision::Verdict;
use retain::core::model::{Checkpoint, Time};
use retain::core::policy::{Anchor, Bucket, Rule, RuleKind};
use serde_json::Value;

const UNLIMITED: u32 = u32::MAX;

fn span(text: &str) -> Span {
    // restic writes months as `m`, and longer years than a time here can hold.
    let text = text.replace('m', "mo").replace("9999y", "200y");
    Span::parse(&text).unwrap()
}

fn rules(policy: &serde_json::Map<String, Value>) -> Vec<Rule> {
    let mut rules = Vec::new();
    for (key, value) in policy {
        let count = || match value.as_i64().unwrap() {
            -1 => UNLIMITED,
            n => u32::try_from(n).unwrap(),
        };
        let bucket = |period, n, within: Option<Span>| {
            let within = within.map(|span| (span, Anchor::Newest));
            RuleKind::Bucket(Bucket { period, n, oldest: true, within })
        };
        let period = |key: &str| Period::ALL.into_iter().find(|p| p.key() == key);
        match key.strip_prefix("keep-").unwrap() {
            "last" => rules.push(rule(RuleKind::Last(count()))),
            "within" => rules.push(rule(RuleKind::Within {
                span: span(value.as_str().unwrap()),
                of: Anchor::Newest,
            })),
            "tag" => {
                for tags in value.as_array().unwrap() {
                    let all = tags.as_array().unwrap().iter().map(|t| t.as_str().unwrap().into());
                    rules.push(rule(RuleKind::Tag(all.collect())));
                }
            }
            key => match key.strip_prefix("within-") {
                Some(key) => {
                    let within = Some(span(value.as_str().unwrap()));
                    rules.push(rule(bucket(period(key).unwrap(), UNLIMITED, within)));
                }
                None => rules.push(rule(bucket(period(key).unwrap(), count(), None))),
            },
        }
    }
    rules
}

#[test]
fn forty_cases() {
    let data: Value =
        serde_json::from_str(include_str!("../data/restic_policy_cases.json")).unwrap();
    let snapshots = data["snapshots"].as_array().unwrap();
    let checkpoints: Vec<Checkpoint> = snapshots
        .iter()
        .map(|s| {
            let mut c = Checkpoint {
                id: s["id"].as_str().unwrap().into(),
                saved_at: Time::parse(s["time"].as_str().unwrap()),
                complete: true,
                ..Checkpoint::default()
            };
            let tags = s["tags"].as_array().unwrap();
            c.extra_mut().tags = tags.iter().map(|t| t.as_str().unwrap().into()).collect();
            c
        })
        .collect();
    let time_of = |c: &Checkpoint| c.saved_at.unwrap();
    let root = Root::new().session("owner/data/1", checkpoints);
    let cases = data["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 40);
    for case in cases {
        let name = case["id"].as_str().unwrap();
        let rules = rules(case["policy"].as_object().unwrap());
        let expected_all = rules.is_empty();
        let outcome = decide(&root.0, &bare(rules), Time::parse("2017-01-01T00:00:00Z").unwrap());
        let mut kept: Vec<Time> = root.0.sessions[0]
            .checkpoints
            .iter()
            .enumerate()
            .filter(|(i, _)| outcome.sessions[0].verdict(*i) == Verdict::Keep)
            .map(|(_, c)| time_of(c))
            .collect();
        kept.sort();
        let mut expected: Vec<Time> = case["keep"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| Time::parse(t.as_str().unwrap()).unwrap())
            .collect();
        expected.sort();
        if expected_all {
            assert_eq!(kept.len(), snapshots.len(), "{name}");
        } else {
            assert_eq!(kept, expected, "{name}");
        }
    }
}
