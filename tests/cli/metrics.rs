//! `--metrics`: what a run writes down is what happened, also where it failed.

use crate::nsml::{self, LAST_TWO, SESSION, left, world};
use crate::support::{Run, Tree, World};
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

/// The value of a series whose labels hold `label`.
pub fn series(tree: &Tree, name: &str, label: &str) -> f64 {
    let text = tree.read("retain.prom");
    let line = text.lines().find(|l| l.starts_with(&format!("{name}{{")) && l.contains(label));
    let line = line.unwrap_or_else(|| panic!("no {name} with {label} in:\n{text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn metrics_are_what_happened() {
    let tree = nsml::storage();
    let world = world(&tree);
    let quota = "[[quota]]\nname = \"team\"\nper = \"owner\"\nmax-bytes = \"1TiB\"\n";
    let policy = nsml::policy(&world, &format!("{LAST_TWO}{quota}"));
    let nightly = ["apply", "--yes", "--policy", &policy, "--metrics", "retain.prom"];
    world.run(nightly).ok();
    let value = |name: &str| series(&tree, name, "root=");
    assert!((value("retain_checkpoints") - 9.0).abs() < 0.5);
    assert!((value("retain_last_run_moved_checkpoints") - 7.0).abs() < 0.5);
    assert!((value("retain_trash_checkpoints") - 7.0).abs() < 0.5);
    assert!(value("retain_trash_bytes") > 0.0);
    assert!(value("retain_last_run_exit_code").abs() < 0.5);
    assert!(series(&tree, "retain_usage_bytes", "owner=\"nsmlteam\"") > 0.0);
    let team = series(&tree, "retain_quota_bytes", "quota=\"team\"");
    assert!((team - 1_099_511_627_776.0).abs() < 1.0);
    let success = value("retain_last_success_timestamp_seconds");
    assert!(success > 1.7e9, "{success}");

    let leftovers = std::fs::read_dir(tree.path()).unwrap();
    let odd = leftovers.filter(|e| {
        let name = e.as_ref().unwrap().file_name().into_string().unwrap();
        name.starts_with(".retain-")
    });
    assert_eq!(odd.count(), 0, "no temporary file is left");
}

/// A file that owners share counts for each of them and once for the root; what is to be free is
/// about the file system, and never what checkpoints may use.
#[test]
fn like_is_written_beside_like() {
    let tree = Tree::new();
    nsml::write_as(&tree, "a/mnist/1");
    let weights = "mnist/1/nsml_model/4/model/weights";
    tree.file(format!("a/{weights}"), vec![1; 100_000]);
    nsml::write_as(&tree, "b/mnist/1");
    std::fs::remove_file(tree.at(format!("b/{weights}"))).unwrap();
    tree.hard_link(format!("b/{weights}"), format!("a/{weights}"));
    let blocks = std::fs::metadata(tree.at(format!("a/{weights}"))).unwrap().blocks();
    let shared = f64::from(u32::try_from(blocks * 512).unwrap());
    let world = world(&tree);
    world.run(["init"]).ok();
    let quotas = "[[quota]]\nname = \"all\"\nper = \"root\"\nmax-bytes = \"1TiB\"\n\
                  [[quota]]\nname = \"room\"\nmin-free = \"3B\"\n";
    let policy = nsml::policy(&world, &format!("{LAST_TWO}{quotas}"));
    world.run(["apply", "--yes", "--policy", &policy, "--metrics", "retain.prom"]).ok();
    let [a, b] = ["a", "b"].map(|o| series(&tree, "retain_usage_bytes", &format!("owner=\"{o}\"")));
    let root = series(&tree, "retain_root_usage_bytes", "root=");
    assert!((a + b - root - shared).abs() < 0.5, "{a} + {b}, {root}");
    assert!((series(&tree, "retain_min_free_bytes", "quota=\"room\"") - 3.0).abs() < 0.5);
    let text = tree.read("retain.prom");
    let quotas = text.lines().filter(|l| l.starts_with("retain_quota_bytes{")).count();
    assert_eq!(quotas, 1, "{text}");
}

/// A run that ends before it has looked keeps root and last success, and invents no numbers.
#[test]
fn a_failure_is_about_the_same_root_and_keeps_the_last_success() {
    let tree = nsml::storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    let home = world.home();
    let here = format!("root=\"{}\"", tree.path().display());
    let metrics = ["apply", "--yes", "--metrics", "retain.prom"];
    world.run(metrics.iter().chain(&["--policy", &policy])).ok();
    let success = series(&tree, "retain_last_success_timestamp_seconds", &here);
    assert!(success > 1.7e9, "{success}");
    let broken = home.join("broken.toml");
    std::fs::write(&broken, "version = 1\nkeeep = 3\n").unwrap();
    let check = |code: f64| {
        let text = tree.read("retain.prom");
        let last = series(&tree, "retain_last_success_timestamp_seconds", &here);
        assert!((last - success).abs() < 0.5, "{text}");
        let told = series(&tree, "retain_last_run_exit_code", &here);
        assert!((told - code).abs() < 0.5, "{text}");
        let samples = text.lines().filter(|l| !l.starts_with('#'));
        assert!(samples.clone().all(|l| l.contains(&here)), "{text}");
        assert!(!text.contains("retain_checkpoints") && !text.contains("retain_usage"), "{text}");
    };
    world.run(metrics.iter().chain(&["--policy", broken.to_str().unwrap()])).code(2);
    check(2.0);
    // As does one that cannot tell which root it was to be, and one whose root is not mounted.
    tree.file("retain.toml", "roots = 7\n");
    world.run(metrics.iter().chain(&["--policy", &policy])).code(2);
    check(2.0);
    tree.file("retain.toml", "roots = [\"unmounted\"]\n");
    world.run(metrics.iter().chain(&["--policy", &policy])).code(2);
    check(2.0);
    world.run(metrics.iter().chain(&["missing.json"])).code(2);
    check(2.0);

    // Whoever has never succeeded says where it failed all the same.
    std::fs::remove_file(tree.at("retain.toml")).unwrap();
    std::fs::remove_file(tree.at("retain.prom")).unwrap();
    world.run(metrics.iter().chain(&["--policy", broken.to_str().unwrap()])).code(2);
    let code = series(&tree, "retain_last_run_exit_code", &here);
    assert!((code - 2.0).abs() < 0.5, "{}", tree.read("retain.prom"));
    assert!(!tree.read("retain.prom").contains("retain_last_success"));
}

/// Which of the fsyncs of the main thread is the last one of the run's journal, and how it ended.
fn traced(world: &World, args: &[&str], inject: Option<usize>) -> (usize, Run) {
    let inner = world.command(args);
    let log = world.home().join("trace");
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-y", "-e", "trace=fsync,fdatasync", "-o"]).arg(&log);
    if let Some(nth) = inject {
        command.args(["-e", &format!("inject=fsync,fdatasync:error=EIO:when={nth}")]);
    }
    command.arg(inner.get_program()).args(inner.get_args()).env_clear();
    command.env("HOME", world.home()).env("PATH", "/usr/bin:/bin");
    let output = command.current_dir(inner.get_current_dir().unwrap()).output().unwrap();
    let log = std::fs::read_to_string(log).unwrap();
    let main = log.split(' ').next().unwrap();
    let syncs = log.lines().filter(|l| l.starts_with(main) && l.contains("sync("));
    let journal = |l: &str| l.contains("/.retain/journal/");
    let (last, _) = (1..).zip(syncs).filter(|(_, l)| journal(l)).last().unwrap_or((0, ""));
    assert_eq!(inject.is_some(), log.contains("(INJECTED)"), "{log}");
    (last, Run::new(&command, &output))
}

/// The end of the journal cannot be written: by then all had moved.
#[test]
fn what_a_run_had_moved_when_it_stopped_is_counted_needs_strace() {
    let night = |inject| {
        let tree = nsml::storage();
        let world = world(&tree);
        let policy = nsml::policy(&world, LAST_TWO);
        let args =
            ["apply", "--yes", "--threads", "1", "--policy", &policy, "--metrics", "retain.prom"];
        let (last, run) = traced(&world, &args, inject);
        (tree, last, run)
    };
    let (_, last, run) = night(None);
    run.ok();
    let (tree, _, run) = night(Some(last));
    run.code(1).warns("stopped: ");
    assert_eq!(left(&tree, SESSION), ["31", "41"]);
    let here = format!("root=\"{}\"", tree.path().display());
    let value = |name: &str| series(&tree, name, &here);
    assert!((value("retain_last_run_moved_checkpoints") - 7.0).abs() < 0.5);
    assert!(value("retain_last_run_moved_bytes") > 0.0);
    assert!((value("retain_trash_checkpoints") - 7.0).abs() < 0.5);
    assert!((value("retain_last_run_exit_code") - 1.0).abs() < 0.5);
    assert!(!tree.read("retain.prom").contains("retain_last_success"));
}

#[test]
fn metrics_that_cannot_be_written_change_nothing() {
    let tree = nsml::storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    let run = world.run(["apply", "--yes", "--policy", &policy, "--metrics", "no/where.prom"]);
    run.ok().warns("cannot write no/where.prom").says("Moved 7 checkpoints");
    assert_eq!(left(&tree, SESSION), ["31", "41"]);
}

/// A disk that is full while the metrics are written: it is said, the clean-up is done, and the
/// collector reads what stood there before.
#[test]
fn f1_a_full_disk_leaves_the_metrics_as_they_were_needs_root() {
    let tree = nsml::storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    let full = world.home().join("full");
    std::fs::create_dir(&full).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=32k none {full}; mountpoint -q {full}\n\
         echo before > {full}/retain.prom\n\
         head -c 100k /dev/zero > {full}/filler 2> /dev/null || true\n\
         {program} apply --yes --policy {policy} --metrics {full}/retain.prom\n\
         cat {full}/retain.prom; ls -A {full}\n",
        full = full.display(),
        program = env!("CARGO_BIN_EXE_retain"),
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "--", "sh", "-euc", &script]);
    command.current_dir(tree.path()).env("HOME", world.home());
    let output = command.output().unwrap();
    let run = Run::new(&command, &output).ok();
    let run = run.warns("cannot write").warns("retain.prom").says("Moved 7 checkpoints");
    assert!(run.stdout.ends_with("before\nfiller\nretain.prom\n"), "{run}");
}
