//! Why a run left something alone: a word for each reason, in its metrics and its JSON.

use crate::metrics::series;
use crate::nsml::{self, LAST_TWO, SESSION, world};
use crate::support::{NOW, Run, Tree, World};
use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, lchown};
use std::process::Command;

/// Sessions that kept something, by reason; all others must be zero.
fn skips(tree: &Tree) -> Vec<(String, u64)> {
    let text = tree.read("retain.prom");
    let reason = |l: &str| Some(l.split("reason=\"").nth(1)?.split('"').next()?.to_owned());
    let skipped = text.lines().filter(|l| l.starts_with("retain_last_run_skipped_sessions{"));
    let all: Vec<(String, u64)> = skipped
        .map(|l| {
            let n: f64 = l.rsplit(' ').next().unwrap().parse().unwrap();
            (reason(l).unwrap(), format!("{n:.0}").parse().unwrap())
        })
        .collect();
    let words: Vec<&str> = all.iter().map(|(word, _)| word.as_str()).collect();
    let page = include_str!("../../docs/operations.md");
    assert!(words.len() >= 10, "every reason stands there: {text}");
    assert!(words.iter().all(|w| page.contains(&format!("| `{w}` |"))), "undocumented: {words:?}");
    all.into_iter().filter(|(_, n)| *n > 0).collect()
}

#[test]
fn skips_are_told_by_reason() {
    let tree = nsml::storage();
    nsml::write_as(&tree, "nsmlteam/mnist/5");
    nsml::write_as(&tree, "nsmlteam/mnist/6");
    let here = world(&tree);
    let policy = nsml::policy(&here, LAST_TWO);
    let apply = |args: &[&str]| {
        let nightly = ["apply", "--yes", "--metrics", "retain.prom", "--policy", &policy];
        here.run(nightly.iter().chain(args))
    };
    let one = |reason: &str, n| vec![(reason.to_owned(), n)];

    apply(&["--deadline", "0s"]).code(3);
    assert_eq!(skips(&tree), one("deadline", 3));

    here.run(["plan", "--policy", &policy, "-o", "plan.json"]).ok();
    tree.file(format!("{SESSION}/nsml_model/0/new"), "");
    apply(&["plan.json"]).code(3);
    assert_eq!(skips(&tree), one("changed", 1));
    assert!((series(&tree, "retain_last_run_moved_checkpoints", "root=") - 14.0).abs() < 0.5);

    let used = File::open(tree.at(format!("{SESSION}/nsml_model/1"))).unwrap();
    rustix::fs::flock(&used, rustix::fs::FlockOperation::LockShared).unwrap();
    apply(&[]).code(3);
    assert_eq!(skips(&tree), one("in-use", 1));
    drop(used);
    apply(&[]).ok();
    assert_eq!(skips(&tree), []);

    // What was pinned while it lay in the trash stays there when its time is over.
    here.run(["pin", "nsmlteam/mnist/5", "31"]).ok();
    let marks = tree.read("nsmlteam/mnist/5/nsml_model/.retain/marks.toml");
    tree.file("nsmlteam/mnist/5/nsml_model/.retain/marks.toml", marks.replace("31", "0"));
    let later = world(&tree).at_time("2040-06-17T12:00:00Z");
    later.run(["apply", "--yes", "--metrics", "retain.prom", "--policy", &policy]);
    assert_eq!(skips(&tree), one("wanted", 1));
}

#[test]
fn sessions_of_several_users_are_told_apart_needs_root() {
    use std::os::unix::fs::chown;
    let tree = nsml::storage();
    for n in 5..=6 {
        nsml::write_as(&tree, &format!("nsmlteam/mnist/{n}"));
    }
    chown(tree.at(format!("{SESSION}/nsml_model/0/metadata.json")), Some(65_534), None).unwrap();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    world.run(["apply", "--yes", "--metrics", "retain.prom", "--policy", &policy]).code(3);
    assert_eq!(skips(&tree), [("owner".to_owned(), 1)]);
    assert!((series(&tree, "retain_last_run_moved_checkpoints", "root=") - 14.0).abs() < 0.5);
}

/// The words in the JSON of an apply, which have to be those of its metrics.
fn causes(run: &Run) -> BTreeSet<String> {
    let skipped = run.json()["skipped"].as_array().unwrap().clone();
    skipped.iter().map(|s| s["cause"].as_str().unwrap().to_owned()).collect()
}

/// A storage of so many sessions of one user, with a plan to delete seven checkpoints of each.
fn planned(sessions: usize, owner: Option<u32>) -> (Tree, World) {
    let tree = nsml::storage();
    for n in 1..sessions {
        nsml::write_as(&tree, &format!("nsmlteam/mnist/{}", 4 + n));
    }
    for entry in walkdir::WalkDir::new(tree.path()).into_iter().filter(|_| owner.is_some()) {
        lchown(entry.unwrap().path(), owner, owner).unwrap();
    }
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    world.run(["plan", "--policy", &policy, "-o", "plan.json"]).ok();
    (tree, world)
}

const APPLY: [&str; 6] = ["apply", "plan.json", "--yes", "--json", "--metrics", "retain.prom"];

/// Carries the plan out under `wrapper`, a command that ends with the one to run.
fn under(tree: &Tree, world: &World, wrapper: &[&str]) -> Run {
    let mut command = Command::new(wrapper[0]);
    command.args(&wrapper[1..]).arg(env!("CARGO_BIN_EXE_retain")).args(APPLY);
    command.args(["--threads", "1", "--now", NOW]).current_dir(tree.path());
    command.env_clear().env("HOME", world.home()).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let output = command.output().unwrap();
    Run::new(&command, &output)
}

#[test]
fn a_signal_is_a_reason_needs_strace() {
    let (tree, world) = planned(3, None);
    let log = world.home().join("trace");
    let log = log.to_str().unwrap();
    let inject = "inject=renameat2:signal=TERM:when=1";
    let run = under(&tree, &world, &["strace", "-f", "-qq", "-o", log, "-e", inject]);
    assert!(fs::read_to_string(log).unwrap().contains("SIGTERM"), "{run}");
    run.code(3);
    let told = skips(&tree);
    assert!(matches!(&told[..], [(reason, n)] if reason == "signal" && *n > 0), "{told:?}");
}

/// The same folder, mounted on itself since.
#[test]
fn another_file_system_is_a_reason_needs_root() {
    let (tree, world) = planned(3, None);
    let folder = tree.at(format!("{SESSION}/nsml_model"));
    let script = format!("mount --bind '{0}' '{0}' && exec \"$@\"", folder.display());
    let wrapper = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", &script, "sh"];
    let run = under(&tree, &world, &wrapper).code(3);
    assert_eq!(skips(&tree), [("boundary".to_owned(), 1)], "{run}");
    assert_eq!(causes(&run), BTreeSet::from(["boundary".to_owned()]));
}

/// What the system does not show a user, or does not let them move.
#[test]
fn what_the_system_refuses_a_user_is_a_reason_needs_root() {
    let folder = |tree: &Tree| tree.at(format!("{SESSION}/nsml_model"));
    for (reason, path, mode) in [("unreadable", Some("0"), 0o000), ("refused", None, 0o555)] {
        let (tree, world) = planned(3, Some(1234));
        for entry in walkdir::WalkDir::new(world.home()) {
            lchown(entry.unwrap().path(), Some(1234), Some(1234)).unwrap();
        }
        let folder = folder(&tree);
        let closed = path.map_or_else(|| folder.clone(), |name| folder.join(name));
        fs::set_permissions(&closed, Permissions::from_mode(mode)).unwrap();
        // Where the program was built a user may not look.
        let public = tempfile::tempdir().unwrap();
        fs::set_permissions(public.path(), Permissions::from_mode(0o755)).unwrap();
        let program = public.path().join("retain");
        fs::copy(env!("CARGO_BIN_EXE_retain"), &program).unwrap();
        let script = format!("shift; exec {} \"$@\"", program.display());
        let user = ["setpriv", "--reuid", "1234", "--regid", "1234", "--clear-groups"];
        let wrapper = [&user[..], &["sh", "-euc", &script, "sh"]].concat();
        let run = under(&tree, &world, &wrapper);
        fs::set_permissions(&closed, Permissions::from_mode(0o755)).unwrap();
        let run = run.code(3);
        assert_eq!(skips(&tree), [(reason.to_owned(), 1)], "{run}");
        assert_eq!(causes(&run), BTreeSet::from([reason.to_owned()]), "{run}");
    }
}

/// A disk that takes nothing more ends the run; that is why sessions kept what was to go. If it fails
/// before the run had begun, there is nothing to tell.
#[test]
fn a_fault_is_a_reason_needs_strace() {
    for nth in 1..20 {
        let (tree, world) = planned(40, None);
        let log = world.home().join("trace");
        let log = log.to_str().unwrap();
        let inject = format!("inject=fsync,fdatasync:error=EIO:when={nth}+");
        let run = under(&tree, &world, &["strace", "-f", "-qq", "-o", log, "-e", &inject]);
        assert!(fs::read_to_string(log).unwrap().contains("(INJECTED)"), "{run}");
        let run = run.code(1);
        let told = if tree.at("retain.prom").exists() { skips(&tree) } else { Vec::new() };
        if !told.is_empty() {
            assert!(
                matches!(&told[..], [(reason, 1..=40)] if reason == "fault"),
                "{told:?}\n{run}"
            );
            return;
        }
    }
    panic!("no failing sync was told");
}
