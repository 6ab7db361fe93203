//! A real cron runs the crontab: the one thing about it that a shell cannot show.
//!
//! Debian's, unpacked by `tests/run` beside the build and not installed, in a mount namespace with a
//! spool, logs and configuration of its own; no crontab of this machine is seen or touched.

use crate::shell::{Place, text};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Within two minutes: cron wakes up at each full one.
const PATIENCE: Duration = Duration::from_secs(130);

#[test]
fn a_real_cron_runs_the_crontab_needs_root_needs_cron() {
    let cron = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/usr/sbin/cron");
    assert!(cron.exists(), "tests/run unpacks {}", cron.display());
    let place = Place::new();
    // The line as it stands there, but for the hour, the paths and the jitter.
    let crontab = text("cron/crontab")
        .replace("17 3 * * *", "* * * * *")
        .replace("/data/runs", &place.at("runs"))
        .replace("/etc/retain/policy.toml", &place.at("policies/two.toml"))
        .replace("/var/log/retain.log", &place.at("retain.log"))
        .replace("/usr/local/bin:", &format!("{}:", place.at("bin")))
        .replace("JITTER=20min", "JITTER=0s")
        .replace("MAILTO=storage-admins", "MAILTO=\"\"");
    assert!(crontab.contains("\n* * * * * retain apply --yes --quiet "), "{crontab}");
    let tab = "spool/cron/crontabs/root";
    place.tree.file(tab, crontab).mode(tab, 0o600);
    place.tree.dir("empty").dir("run");
    // A sibling of PID 1 would outlive a test that fails: cron ends with its namespace.
    let script = format!(
        "set -e\n\
         mount --bind {spool} /var/spool\n\
         mount --bind {run} /run\n\
         for file in /etc/crontab; do test ! -e $file || mount --bind /dev/null $file; done\n\
         for dir in /etc/cron.d; do test ! -e $dir || mount --bind {empty} $dir; done\n\
         exec {cron} -f\n",
        spool = place.at("spool"),
        run = place.at("run"),
        empty = place.at("empty"),
        cron = cron.display(),
    );
    let mut inside = Command::new("unshare");
    inside.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "/bin/sh", "-c"]);
    inside.arg(script).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut cron = inside.spawn().unwrap();
    let began = Instant::now();
    while place.left().len() > 2 && began.elapsed() < PATIENCE && cron.try_wait().unwrap().is_none()
    {
        std::thread::sleep(Duration::from_millis(200));
    }
    // The line ends with its log.
    let ended = || {
        let log = std::fs::read_to_string(place.at("retain.log")).unwrap_or_default();
        log.contains("run ended")
    };
    while !ended() && began.elapsed() < PATIENCE && cron.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(50));
    }
    cron.kill().unwrap();
    let output = cron.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(place.left(), ["31", "41"], "{said}");
    let log = place.tree.read("retain.log");
    let end = log.lines().find(|l| l.contains("run ended")).unwrap_or_else(|| panic!("{log}"));
    let end: serde_json::Value = serde_json::from_str(end).unwrap();
    assert_eq!((end["moved"].as_u64(), end["exit_code"].as_u64()), (Some(7), Some(0)), "{end}");
}
