//! Alerts and dashboard name what is written, and what is written is what Prometheus reads.

use crate::shell::{Place, ended, text};
use retain::core::model::Space;
use retain::report::prometheus::{Amount, Facts, Found, render};
use std::collections::BTreeSet;
use std::path::Path;
use yaml_rust2::{Yaml, YamlLoader};

fn every_fact() -> String {
    render(&Facts {
        root: "/data".to_owned(),
        last_success: Some(1),
        found: Some(Found::default()),
        trash: Some(Amount::default()),
        skipped: vec![("changed", 1)],
        space: Some(Space { total: 2, free: 1, trash: 0 }),
        used: Some(1),
        owners: vec![("o".to_owned(), 1)],
        min_free: vec![("q".to_owned(), 1)],
        quotas: vec![("q".to_owned(), "o".to_owned(), 1)],
        ..Facts::default()
    })
}

/// Names of series, and of their labels.
fn known() -> (BTreeSet<String>, BTreeSet<String>) {
    let text = every_fact();
    let names = text.lines().filter_map(|l| l.strip_prefix("# TYPE "));
    let names = names.map(|l| l.split(' ').next().unwrap().to_owned()).collect();
    let label = regex::Regex::new(r#"([a-z_]+)=""#).unwrap();
    let labels = label.captures_iter(&text).map(|c| c[1].to_owned()).collect();
    (names, labels)
}

/// Panics unless an expression names series and labels that exist.
#[track_caller]
fn check(expression: &str, seen: &mut BTreeSet<String>) {
    let (names, mut labels) = known();
    // Prometheus adds where it was read.
    labels.insert("instance".to_owned());
    let name = regex::Regex::new(r"\bretain_[a-z_]+").unwrap();
    for found in name.find_iter(expression) {
        assert!(names.contains(found.as_str()), "no series {}: {expression}", found.as_str());
        seen.insert(found.as_str().to_owned());
    }
    let matched = regex::Regex::new(r#"([a-z_]+)\s*(?:=~|!~|!=|=)\s*""#).unwrap();
    let listed = regex::Regex::new(r"(?:\bon|\bby)\s*\(([a-z_, ]*)\)").unwrap();
    let lists = listed.captures_iter(expression).map(|c| c[1].to_owned()).collect::<Vec<_>>();
    let of_lists = lists.iter().flat_map(|l| l.split(',')).map(|l| l.trim().to_owned());
    for label in matched.captures_iter(expression).map(|c| c[1].to_owned()).chain(of_lists) {
        assert!(labels.contains(&label), "no label {label}: {expression}");
    }
    assert_eq!(expression.matches('(').count(), expression.matches(')').count(), "{expression}");
}

#[test]
fn the_alerts_are_about_series_that_exist() {
    let rules = YamlLoader::load_from_str(&text("prometheus/rules.yml")).unwrap();
    let rules = rules[0]["groups"][0]["rules"].as_vec().unwrap();
    let mut seen = BTreeSet::new();
    let mut names = BTreeSet::new();
    for rule in rules {
        let name = rule["alert"].as_str().unwrap();
        assert!(names.insert(name), "{name} twice");
        check(rule["expr"].as_str().unwrap(), &mut seen);
        assert!(rule["labels"]["severity"].as_str().is_some(), "{name}");
        assert!(rule["annotations"]["summary"].as_str().is_some(), "{name}");
        assert!(matches!(rule["for"], Yaml::BadValue | Yaml::String(_)), "{name}");
    }
    assert!(names.len() >= 5 && seen.contains("retain_last_success_timestamp_seconds"));
}

#[test]
fn the_dashboard_shows_series_that_exist() {
    let json: serde_json::Value = serde_json::from_str(&text("grafana/dashboard.json")).unwrap();
    let panels = json["panels"].as_array().unwrap();
    let mut seen = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let place = &panel["gridPos"];
        assert!(place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap() <= 24, "{panel}");
        for target in panel["targets"].as_array().unwrap() {
            check(target["expr"].as_str().unwrap(), &mut seen);
        }
    }
    for variable in json["templating"]["list"].as_array().unwrap() {
        let query = variable["query"].as_str().unwrap();
        if let Some((series, label)) = query.trim_end_matches(')').split_once(", ") {
            check(series.trim_start_matches("label_values("), &mut seen);
            assert!(known().1.contains(label), "{query}");
        }
    }
    let (names, _) = known();
    assert!(seen.len() * 3 > names.len() * 2, "most of what is written is shown: {seen:?}");
}

#[test]
#[should_panic(expected = "no series retain_nonsense")]
fn an_unknown_series_is_noticed() {
    check("retain_nonsense > 1", &mut BTreeSet::new());
}

#[test]
#[should_panic(expected = "no label color")]
fn an_unknown_label_is_noticed() {
    check("sum by (root, color) (retain_usage_bytes)", &mut BTreeSet::new());
}

/// Both of Prometheus' own Python parsers: of the text format, which the node exporter reads, and of
/// OpenMetrics, which is strict.
#[test]
fn prometheus_client_reads_the_metrics_needs_python() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python");
    assert!(python.exists(), "tests/run makes {}", python.display());
    let place = Place::new();
    let quota = "[[quota]]\nname = \"a \\\"team\\\"\"\nper = \"owner\"\nmax-bytes = \"1TiB\"\n";
    let policy = place.tree.read("policies/two.toml");
    place.tree.file("quota.toml", format!("{policy}{quota}"));
    let mut apply = place.command("retain");
    apply.args(["apply", "--root", "runs", "--yes", "--policy", "quota.toml"]);
    ended(&apply.args(["--metrics", "retain.prom"]).output().unwrap(), 0);
    let parse = "
import json, sys
from prometheus_client.parser import text_string_to_metric_families as loose
from prometheus_client.openmetrics.parser import text_string_to_metric_families as strict
text = open('retain.prom').read()
one, two = ([[s.name, s.labels, s.value] for f in p(text) for s in f.samples] for p in (loose, strict))
assert one == two, (one, two)
json.dump(one, sys.stdout)
";
    let parsed = place.command(python.to_str().unwrap()).args(["-c", parse]).output().unwrap();
    let samples: serde_json::Value = serde_json::from_str(&ended(&parsed, 0)).unwrap();
    let samples = samples.as_array().unwrap();
    let value = |name: &str| {
        let sample = samples.iter().find(|s| s[0] == name).unwrap_or_else(|| panic!("no {name}"));
        (sample[1].clone(), sample[2].as_f64().unwrap())
    };
    assert_eq!(value("retain_last_run_moved_checkpoints").1.to_string(), "7");
    let (labels, bytes) = value("retain_quota_bytes");
    assert_eq!(bytes.to_string(), "1099511627776");
    assert_eq!(labels["quota"], "a \"team\"");
    assert_eq!(labels["owner"], "nsmlteam");
}

/// Prometheus' own tool, as `tests/run` unpacks it.
fn promtool(place: &Place, arguments: &[&str], stdin: Option<&str>) -> std::process::Output {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/usr/bin/promtool");
    assert!(tool.exists(), "tests/run unpacks {}", tool.display());
    let mut command = place.command(tool.to_str().unwrap());
    command.args(arguments);
    if let Some(path) = stdin {
        command.stdin(std::fs::File::open(place.at(path)).unwrap());
    }
    command.output().unwrap()
}

#[test]
fn promtool_takes_the_metrics_needs_promtool() {
    let place = Place::new();
    let quota = "[[quota]]\nname = \"a \\\"team\\\"\"\nper = \"owner\"\nmax-bytes = \"1TiB\"\n";
    let policy = place.tree.read("policies/two.toml");
    place.tree.file("quota.toml", format!("{policy}{quota}"));
    let mut apply = place.command("retain");
    apply.args(["apply", "--root", "runs", "--yes", "--policy", "quota.toml"]);
    ended(&apply.args(["--metrics", "retain.prom"]).output().unwrap(), 0);
    assert_eq!(ended(&promtool(&place, &["check", "metrics"], Some("retain.prom")), 0), "");
    // It must be able to find fault.
    place.tree.file("wrong.prom", "retain_checkpoints{root=} 1\n");
    assert!(!promtool(&place, &["check", "metrics"], Some("wrong.prom")).status.success());
}

#[test]
fn promtool_takes_the_rules_and_they_ring_when_they_should_needs_promtool() {
    let place = Place::new();
    place.tree.file("rules.yml", text("prometheus/rules.yml"));
    let said = ended(&promtool(&place, &["check", "rules", "rules.yml"], None), 0);
    assert!(said.contains("SUCCESS"), "{said}");
    place.tree.file("alerts.yml", include_str!("alerts.yml"));
    ended(&promtool(&place, &["test", "rules", "alerts.yml"], None), 0);
    // Another threshold is noticed.
    place.tree.file("rules.yml", text("prometheus/rules.yml").replace("36 * 3600", "3600"));
    assert!(!promtool(&place, &["test", "rules", "alerts.yml"], None).status.success());
}
