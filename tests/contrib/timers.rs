//! Units, crontabs and an epilog: valid, and what they start does its work.

use crate::nsml::IDS;
use crate::shell::{Place, contrib, ended, text};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// The lines of a crontab: variables, and entries as (five fields, command).
fn crontab(text: &str) -> (Vec<(&str, &str)>, Vec<(Vec<&str>, &str)>) {
    let (mut variables, mut entries) = (Vec::new(), Vec::new());
    for line in text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let name = line.split('=').next().unwrap();
        if name.chars().all(|c| c.is_ascii_uppercase() || c == '_') {
            variables.push((name, &line[name.len() + 1..]));
            continue;
        }
        let mut rest = line;
        let mut fields = Vec::new();
        for _ in 0..5 {
            let (field, tail) = rest.split_once(' ').unwrap_or_else(|| panic!("{line}"));
            fields.push(field);
            rest = tail.trim_start();
        }
        entries.push((fields, rest));
    }
    (variables, entries)
}

#[track_caller]
fn check_times(fields: &[&str]) {
    let ranges = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)];
    for (field, (least, most)) in fields.iter().zip(ranges) {
        let number = field.parse::<u32>();
        assert!(*field == "*" || number.is_ok_and(|n| (least..=most).contains(&n)), "{field}");
    }
}

#[test]
fn the_crontab_cleans_up_and_says_so_once() {
    let crontab_text = text("cron/crontab");
    let (variables, entries) = crontab(&crontab_text);
    let [(times, line)] = &entries[..] else { panic!("{entries:?}") };
    check_times(times);
    assert!(!line.contains('%'), "cron makes a new line of a percent sign: {line}");
    assert_eq!(variables.iter().filter(|v| v.0 == "POLICY" || v.0 == "LOG").count(), 2);
    let place = Place::new();
    let run = |policy: &str| {
        let mut cron = place.command("/bin/sh");
        cron.args(["-c", line])
            .env("RETAIN_ROOT", place.at("runs"))
            .env("POLICY", place.at(policy))
            .env("LOG", place.at("retain.log"))
            .env("JITTER", "0s");
        ended(&cron.output().unwrap(), 0)
    };
    assert!(run("policies/two.toml").contains("Moved 7 checkpoints"));
    assert_eq!(place.left(), ["31", "41"]);
    assert_eq!(run("policies/two.toml"), "", "cron mails only when something happened");
    for line in place.tree.read("retain.log").lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
    assert!(run("policies/none.toml").contains("retain ended with 2"));
}

#[test]
fn the_scrontab_cleans_up() {
    let scrontab = text("slurm/scrontab");
    let (_, entries) = crontab(&scrontab);
    let [(times, line)] = &entries[..] else { panic!("{entries:?}") };
    check_times(times);
    for option in scrontab.lines().filter_map(|l| l.strip_prefix("#SCRON ")) {
        assert!(option.starts_with("--") && option.contains('='), "{option}");
    }
    let place = Place::new();
    place.tree.file(".config/retain/policy.toml", place.tree.read("policies/two.toml"));
    let job = place.command("/bin/sh").args(["-c", line]).output().unwrap();
    assert!(ended(&job, 0).contains("Moved 7 checkpoints"));
    assert_eq!(place.left(), ["31", "41"]);
}

fn epilog(place: &Place, folder: &str, uid: &str) -> Command {
    let mut command = place.command("/bin/sh");
    command
        .arg(contrib("slurm/epilog"))
        .env("SLURM_JOB_ID", "17")
        .env("SLURM_JOB_UID", uid)
        .env("SLURM_JOB_WORK_DIR", place.at(folder))
        .env("RETAIN_EPILOG_ROOT", "yes");
    command
}

#[test]
fn an_epilog_tidies_the_root_of_its_job_and_never_fails() {
    let place = Place::new();
    place.tree.file("runs/retain.toml", "policy = \"../policies/two.toml\"\n");
    place.tree.file("bin/logger", "#!/bin/sh\necho \"$@\" >> \"$HOME/logged\"\n");
    place.tree.mode("bin/logger", 0o755);
    let uid = rustix::process::getuid().as_raw().to_string();
    // A job anywhere else, one whose folder is gone, and one of root's.
    for folder in ["policies", "gone"] {
        ended(&epilog(&place, folder, &uid).output().unwrap(), 0);
    }
    if uid == "0" {
        let mut of_root = epilog(&place, "runs", "0");
        ended(&of_root.env_remove("RETAIN_EPILOG_ROOT").output().unwrap(), 0);
    }
    assert!(!place.tree.exists("logged"));
    assert_eq!(place.left(), IDS);

    let inside = format!("runs/{}", crate::nsml::SESSION);
    ended(&epilog(&place, &inside, &uid).output().unwrap(), 0);
    assert_eq!(place.left(), ["31", "41"]);
    let logged = place.tree.read("logged");
    assert!(logged.contains("job 17: exit code 0") && logged.contains("Moved 7"), "{logged}");

    place.tree.file("runs/retain.toml", "policy = \"../policies/none.toml\"\n");
    ended(&epilog(&place, "runs", &uid).output().unwrap(), 0);
    assert!(place.tree.read("logged").contains("job 17: exit code 2"));
}

#[test]
fn an_epilog_works_as_the_jobs_user_needs_root() {
    let place = Place::new();
    place.tree.file("runs/retain.toml", "policy = \"../policies/two.toml\"\n");
    let nobody = place.command("id").args(["-u", "nobody"]).output().unwrap();
    let uid = String::from_utf8(nobody.stdout).unwrap().trim().to_owned();
    place.tree.mode("", 0o755);
    // Root's files, which the job's user may not move: the epilog may not either.
    ended(&epilog(&place, "runs", &uid).output().unwrap(), 0);
    assert_eq!(place.left(), IDS);
}

const UNITS: [&str; 4] =
    ["retain@.service", "retain@.timer", "retain-monitor@.service", "retain-monitor@.timer"];
const USER_UNITS: [&str; 2] = ["retain.service", "retain.timer"];

/// `ExecStart=` of a unit, its continued lines joined.
fn exec_start(unit: &str) -> String {
    let joined = unit.replace("\\\n", " ");
    let line = joined.lines().find_map(|l| l.strip_prefix("ExecStart=")).unwrap();
    line.to_owned()
}

#[test]
fn the_units_start_what_works() {
    for (unit, program) in [
        ("systemd/system/retain@.service", "/usr/local/bin/retain"),
        ("systemd/user/retain.service", "%h/.cargo/bin/retain"),
    ] {
        let place = Place::new();
        let line = exec_start(&text(unit))
            .replace(program, "retain")
            .replace("/etc/retain/policy.toml", &place.at("policies/two.toml"))
            .replace("%h/.config/retain/policy.toml", &place.at("policies/two.toml"))
            .replace("/var/lib/prometheus/node-exporter", &place.at(""))
            .replace("%i", "data-runs")
            .replace("%f", &place.at("runs"));
        assert!(!line.contains('%'), "{line}");
        let mut shell = place.command("/bin/sh");
        let shell = shell.args(["-c", &line]).env("RETAIN_ROOT", place.at("runs"));
        assert!(ended(&shell.output().unwrap(), 0).contains("Moved 7 checkpoints"));
        assert_eq!(place.left(), ["31", "41"]);
        if unit.contains("system/") {
            let metrics = place.tree.read("retain-data-runs.prom");
            assert!(metrics.contains("retain_last_run_moved_checkpoints"), "{metrics}");
        }
    }
}

#[test]
fn the_monitors_unit_tells_who_is_over() {
    let place = Place::new();
    let quota = "[[quota]]\nname = \"team\"\nper = \"owner\"\nmax-bytes = \"1KB\"\n";
    let policy = place.tree.read("policies/two.toml");
    place.tree.file("policy.toml", format!("{policy}{quota}"));
    let sink = "version = 1\n[[sink]]\nname = \"all\"\nkind = \"markdown\"\npath = \"state.md\"\n";
    place.tree.file("monitor.toml", sink);
    let line = exec_start(&text("systemd/system/retain-monitor@.service"))
        .replace("/usr/local/bin/retain", "retain")
        .replace("/etc/retain", &place.at(""))
        .replace("%f", &place.at("runs"));
    assert!(!line.contains('%'), "{line}");
    let output = place.command("/bin/sh").args(["-c", &line]).output().unwrap();
    assert!(
        matches!(output.status.code(), Some(0 | 4)),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(place.tree.read("state.md").contains("nsmlteam"));
    assert_eq!(place.left(), IDS, "it deletes nothing");
}

/// What systemd itself says of the units; programs and paths that this machine lacks are put in.
#[test]
fn systemd_takes_the_units() {
    if !Path::new("/usr/bin/systemd-analyze").exists() {
        eprintln!("left out: there is no systemd-analyze here");
        return;
    }
    let place = Place::new();
    let put = |folder: &str, name: &str, unit: &str| {
        let unit = unit
            .replace("/usr/local/bin/retain", env!("CARGO_BIN_EXE_retain"))
            .replace("%h/.cargo/bin/retain", env!("CARGO_BIN_EXE_retain"));
        place.tree.file(format!("{folder}/{name}"), unit);
    };
    let verify = |folder: &str, units: &[&str], arguments: &[&str]| {
        let mut verify = place.command("systemd-analyze");
        verify.args(["verify", "--man=no", "--generators=no"]).args(arguments);
        verify.env("SYSTEMD_UNIT_PATH", format!("{}:", place.at(folder)));
        verify.env("XDG_RUNTIME_DIR", place.tree.path());
        for name in units {
            verify.arg(place.at(&format!("{folder}/{name}")));
        }
        let output = verify.output().unwrap();
        let ours = |text: &str| text.lines().any(|l| l.contains("retain"));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!ours(&said), "{said}");
        (output.status.success(), said)
    };
    for (folder, units) in [("system", &UNITS[..]), ("user", &USER_UNITS[..])] {
        for name in units {
            put(folder, name, &text(&format!("systemd/{folder}/{name}")));
        }
    }
    // And the page's, as its document shows it.
    let document = include_str!("../../docs/serve.md");
    let page = document.split("```ini\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(page.contains("%h/.cargo/bin/retain serve"), "{page}");
    put("page", "retain-serve.service", page);
    let page = verify("page", &["retain-serve.service"], &["--user"]);
    assert!(page.0, "{}", page.1);
    let system = verify("system", &UNITS, &[]);
    assert!(system.0, "{}", system.1);
    let user = verify("user", &USER_UNITS, &["--user"]);
    assert!(user.0, "{}", user.1);

    // It must be able to find fault.
    let broken = text("systemd/system/retain@.service").replace("PrivateTmp=", "PrivateTemp=");
    place.tree.file("broken/broken.service", broken);
    let mut verify = place.command("systemd-analyze");
    verify.args(["verify", "--man=no", "--generators=no", &place.at("broken/broken.service")]);
    let said = String::from_utf8_lossy(&verify.output().unwrap().stderr).into_owned();
    assert!(said.contains("PrivateTemp"), "{said}");
}

/// The calls that a list of systemd's groups and names allows.
fn allowed(place: &Place, filter: &str) -> BTreeSet<String> {
    let output = place.command("systemd-analyze").arg("syscall-filter").output().unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut group = "";
    for line in listed.lines() {
        match line.strip_prefix(' ') {
            Some(_) => groups.entry(group).or_default().push(line.trim()),
            None => group = line.trim(),
        }
    }
    let (mut open, mut calls) = (vec![filter], BTreeSet::new());
    while let Some(names) = open.pop() {
        for name in names.split(' ') {
            match groups.get(name) {
                Some(members) => open.extend(members),
                None => _ = calls.insert(name.to_owned()),
            }
        }
    }
    calls
}

#[test]
fn the_calls_of_a_run_pass_the_units_filter_needs_strace() {
    if !Path::new("/usr/bin/systemd-analyze").exists() {
        eprintln!("left out: there is no systemd-analyze here");
        return;
    }
    let place = Place::new();
    let unit = text("systemd/system/retain@.service");
    let filter = unit.lines().find_map(|l| l.strip_prefix("SystemCallFilter=")).unwrap();
    // Always allowed, listed or not.
    let allowed = allowed(&place, &format!("@default {filter}"));
    assert!(allowed.contains("openat2") && !allowed.contains("reboot"), "{allowed:?}");
    let mut strace = place.command("strace");
    strace.args(["-f", "-qq", "-o", "trace", "retain", "apply", "--root", "runs", "--yes"]);
    strace.args(["--policy", "policies/two.toml", "--metrics", "retain.prom"]);
    ended(&strace.output().unwrap(), 0);
    assert_eq!(place.left(), ["31", "41"]);
    let trace = place.tree.read("trace");
    let called: BTreeSet<&str> = trace
        .lines()
        .filter_map(|l| l.split_once(' ')?.1.trim_start().split_once('(').map(|c| c.0))
        .filter(|c| c.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'))
        .collect();
    assert!(called.contains("renameat2") || called.contains("renameat"), "{called:?}");
    let stopped: Vec<_> = called.iter().filter(|c| !allowed.contains(**c)).collect();
    assert!(stopped.is_empty(), "{stopped:?}");
}

#[test]
fn logrotate_names_the_crontabs_log() {
    let crontab_text = text("cron/crontab");
    let (variables, _) = crontab(&crontab_text);
    let log = variables.iter().find(|v| v.0 == "LOG").unwrap().1;
    let logrotate = text("logrotate/retain");
    assert!(logrotate.contains(&format!("\n{log} {{\n")), "{logrotate}");
    let depth = |c: char| logrotate.matches(c).count();
    assert_eq!((depth('{'), depth('}')), (1, 1));
}
