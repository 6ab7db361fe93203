//! "An unattended storage in ten minutes" is done as it stands there, on a machine of its own.

use crate::nsml::IDS;
use crate::shell::{Place, ended};

const PAGE: &str = include_str!("../../docs/operations.md");

/// Each fenced block of the section, in order: its language and its text.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let section = PAGE.split("## An unattended storage in ten minutes\n").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let fenced = section.split("```").skip(1).step_by(2);
    fenced.map(|block| block.split_once('\n').unwrap()).collect()
}

#[test]
fn every_line_of_the_page_works() {
    let place = Place::new();
    // What a machine has and this one may lack: what they are told is written down.
    for tool in ["cargo", "systemctl"] {
        place.tree.file(
            format!("bin/{tool}"),
            format!("#!/bin/sh\necho {tool} \"$@\" >> \"$HOME/told\"\n"),
        );
        place.tree.mode(format!("bin/{tool}"), 0o755);
    }
    let escape = "#!/bin/sh\nfor path; do :; done\necho \"retain@$(basename \"$path\").timer\"\n";
    place.tree.file("bin/systemd-escape", escape).mode("bin/systemd-escape", 0o755);
    for dir in ["etc/systemd/system", "var/lib/prometheus/node-exporter", "var/www/html"] {
        place.tree.dir(dir);
    }
    let here = |text: &str| {
        let mut text = text.replace("/data/runs", &place.at("runs"));
        for dir in ["/etc/retain", "/etc/systemd", "/var/lib", "/var/www"] {
            text = text.replace(dir, &place.at(dir.trim_start_matches('/')));
        }
        text
    };
    let mut verbs = Vec::new();
    for (language, block) in blocks() {
        if language == "toml" {
            let path = block.lines().next().unwrap().strip_prefix("# /").unwrap();
            place.tree.file(path, block);
            continue;
        }
        assert_eq!(language, "console");
        for line in block.lines() {
            let line = line.strip_prefix("$ ").unwrap_or_else(|| panic!("{line}"));
            let mut shell = place.command("/bin/sh");
            shell.args(["-c", &here(line)]).current_dir(env!("CARGO_MANIFEST_DIR"));
            let output = shell.output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{line}\n{said}");
            let mut words = line.split(' ');
            if words.next() == Some("retain") {
                verbs.push(words.next().unwrap());
            }
            if line.starts_with("retain plan") {
                assert_eq!(place.left(), IDS, "nothing has gone before the first apply");
            }
        }
    }
    for verb in ["init", "plan", "simulate", "advise", "apply", "monitor", "usage"] {
        assert!(verbs.contains(&verb), "{verb}");
    }
    let told = place.tree.read("told");
    assert!(told.contains("systemctl enable --now retain@runs.timer"), "{told}");
    assert!(place.tree.exists("etc/systemd/system/retain-monitor@.service"));
    let metrics = place.tree.read("var/lib/prometheus/node-exporter/retain-data-runs.prom");
    assert!(metrics.contains("retain_quota_bytes{"), "{metrics}");
    assert!(place.tree.read("var/www/html/retain.html").contains("<svg"));
    // The last two and the best three; files of this very hour are too young to go.
    assert_eq!(place.left(), IDS);
    let tomorrow =
        here("retain plan --root /data/runs --policy /etc/retain/policy.toml --json --now ");
    let mut shell = place.command("/bin/sh");
    shell.args(["-c", &(tomorrow + "2099-01-01T00:00:00Z")]);
    let plan = ended(&shell.output().unwrap(), 0);
    assert!(plan.contains("\"verdict\": \"delete\""), "{plan}");
    // One run of many checkpoints is no reason to brake.
    for step in 1..=60 {
        let logged = format!("{{\"step\": {step}, \"eval_loss\": {}}}", 100 - step);
        let state = format!("{{\"global_step\": {step}, \"log_history\": [{logged}]}}");
        place.tree.file(format!("one/run/checkpoint-{step}/trainer_state.json"), state);
    }
    let now = "--now 2099-01-01T00:00:00Z";
    let policy = place.at("etc/retain/policy.toml");
    let one = format!("retain plan --root {} --policy {policy} {now}", place.at("one"));
    shell = place.command("/bin/sh");
    let plan = ended(&shell.args(["-c", &one]).output().unwrap(), 0);
    assert!(plan.contains("delete 57"), "{plan}");
}
