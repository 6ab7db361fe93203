//! P18, I16: what root follows, root alone can have written.

use crate::nsml;
use crate::support::*;
use retain::config::trusted::{ReadError, Trust, read};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// What is done to `TOP/dir/policy.toml`, and whether root follows it afterwards.
#[allow(clippy::type_complexity, reason = "a table")]
const P18: &[(&str, fn(&Path), bool)] = &[
    ("root's alone", |_| {}, true),
    ("readable by root only", |top| mode(&top.join("dir/policy.toml"), 0o400), true),
    ("the file writable by all", |top| mode(&top.join("dir/policy.toml"), 0o646), false),
    ("the file writable by its group", |top| mode(&top.join("dir/policy.toml"), 0o664), false),
    ("the file another's", |top| own(&top.join("dir/policy.toml")), false),
    ("its directory writable by all", |top| mode(&top.join("dir"), 0o757), false),
    ("its directory writable by its group", |top| mode(&top.join("dir"), 0o775), false),
    ("its directory like /tmp", |top| mode(&top.join("dir"), 0o1777), false),
    ("its directory another's", |top| own(&top.join("dir")), false),
    ("a directory above writable by all", |top| mode(top, 0o777), false),
    ("a directory above like /tmp", |top| mode(top, 0o1777), true),
    ("a directory above another's", own, false),
    (
        "a link of root's to it, in a directory of root's",
        |top| {
            fs::rename(top.join("dir/policy.toml"), top.join("true.toml")).unwrap();
            symlink("../true.toml", top.join("dir/policy.toml")).unwrap();
        },
        true,
    ),
    (
        "a link of root's to a file in a directory of another",
        |top| {
            fs::create_dir(top.join("theirs")).unwrap();
            fs::rename(top.join("dir/policy.toml"), top.join("theirs/p.toml")).unwrap();
            symlink(top.join("theirs/p.toml"), top.join("dir/policy.toml")).unwrap();
            own(&top.join("theirs"));
        },
        false,
    ),
    (
        "another's link to a file of root's",
        |top| {
            fs::rename(top.join("dir/policy.toml"), top.join("true.toml")).unwrap();
            symlink("../true.toml", top.join("dir/policy.toml")).unwrap();
            std::os::unix::fs::lchown(top.join("dir/policy.toml"), Some(1234), None).unwrap();
        },
        false,
    ),
    (
        "a link of root's in a directory like /tmp",
        |top| {
            fs::rename(top.join("dir/policy.toml"), top.join("true.toml")).unwrap();
            symlink("../true.toml", top.join("dir/policy.toml")).unwrap();
            mode(&top.join("dir"), 0o1777);
        },
        false,
    ),
    (
        "its directory a link of root's",
        |top| {
            fs::rename(top.join("dir"), top.join("true")).unwrap();
            symlink("true", top.join("dir")).unwrap();
        },
        true,
    ),
    (
        "a link to itself",
        |top| {
            fs::remove_file(top.join("dir/policy.toml")).unwrap();
            symlink("policy.toml", top.join("dir/policy.toml")).unwrap();
        },
        false,
    ),
];

fn own(path: &Path) {
    chown(path, Some(1234), Some(1234)).unwrap();
}

fn made() -> tempfile::TempDir {
    let top = tempfile::tempdir().unwrap();
    fs::create_dir(top.path().join("dir")).unwrap();
    fs::write(top.path().join("dir/policy.toml"), "version = 1\n").unwrap();
    mode(top.path(), 0o755);
    mode(&top.path().join("dir"), 0o755);
    mode(&top.path().join("dir/policy.toml"), 0o644);
    top
}

#[test]
fn p18_needs_root_who_could_have_written_the_policy() {
    for (about, change, follows) in P18 {
        let top = made();
        change(top.path());
        for path in ["dir/policy.toml", "dir/../dir/./policy.toml"] {
            match read(&top.path().join(path), Trust::RootAlone) {
                Ok(text) => assert!(*follows && text == "version = 1\n", "{about} ({path})"),
                Err(ReadError::Untrusted { path, why }) => {
                    assert!(!follows, "{about}: {path} {why}");
                }
                Err(ReadError::Io(e)) => {
                    assert!(*about == "a link to itself", "{about} ({path}): {e}");
                }
            }
        }
        // What an ordinary user may read, an ordinary user may follow.
        let plain = read(&top.path().join("dir/policy.toml"), Trust::Anybody);
        assert_eq!(plain.is_ok(), *about != "a link to itself", "{about}");
    }
}

#[test]
fn p18_no_regular_file_is_no_policy() {
    let top = made();
    let fifo = top.path().join("dir/fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    for path in [fifo.as_path(), &top.path().join("dir"), Path::new("/dev/zero")] {
        // It answers at once: a fifo without a writer would be waited for.
        let error = read(path, Trust::Anybody).unwrap_err();
        assert!(matches!(error, ReadError::Io(_)), "{}: {error}", path.display());
    }
    let big = fs::File::create(top.path().join("big")).unwrap();
    big.set_len(1 << 40).unwrap();
    assert!(read(&top.path().join("big"), Trust::Anybody).is_err());
}

#[test]
fn p18_needs_root_the_program_refuses_with_six_and_a_remedy() {
    let tree = nsml::storage();
    let world = nsml::world(&tree);
    let policy = nsml::policy(&world, nsml::LAST_TWO);
    let refused = |args: &[&str]| {
        let before = Snapshot::of(tree.path());
        let run = world.run(args).code(6).warns("root alone").warns("help: `chown root");
        before.assert_same(&Snapshot::of(tree.path()));
        run
    };
    mode(Path::new(&policy), 0o666);
    for command in ["plan", "apply"] {
        let yes: &[&str] = if command == "apply" { &["--yes"] } else { &[] };
        refused(&[&[command, "--policy", &policy], yes].concat()).warns(&policy);
    }
    mode(Path::new(&policy), 0o644);
    // Settings name the root and the policy.
    let settings = tree.at("retain.toml");
    fs::write(&settings, format!("policy = \"{policy}\"\n")).unwrap();
    world.run(["plan"]).ok();
    own(&settings);
    refused(&["plan"]).warns("retain.toml");
    refused(&["ls"]);
    chown(&settings, Some(0), Some(0)).unwrap();
    // A plan is followed like a policy.
    let plan = world.home().join("plan.json");
    let plan = plan.to_str().unwrap();
    world.run(["plan", "-o", plan]).ok();
    own(Path::new(plan));
    refused(&["apply", "--yes", plan]).warns("plan.json");
    chown(plan, Some(0), Some(0)).unwrap();
    world.run(["apply", "--yes", plan]).ok();
}

#[test]
fn p18_needs_root_another_user_is_asked_nothing_and_demo_works_for_root_anywhere() {
    let theirs = tempfile::tempdir().unwrap();
    own(theirs.path());
    // In a directory of another user it is root's own text that is followed.
    World::within(theirs.path()).in_real_time().run(["demo"]).ok();
    let here = tempfile::tempdir().unwrap();
    let world = World::within(here.path()).in_real_time();
    world.run(["demo"]).ok();
    World::within(here.path().join("retain-demo")).in_real_time().run(["plan"]).ok();
    World::within(theirs.path().join("retain-demo")).in_real_time().run(["plan"]).code(6);
    // The user whose directory it is follows what lies there.
    let tree = Tree::new();
    nsml::write_as(&tree, nsml::SESSION);
    tree.file("retain.toml", "policy = \"p.toml\"\n");
    tree.file("p.toml", format!("version = 1\n{}", nsml::LAST_TWO));
    for entry in walkdir::WalkDir::new(tree.path()) {
        std::os::unix::fs::lchown(entry.unwrap().path(), Some(1234), Some(1234)).unwrap();
    }
    mode(&tree.at("p.toml"), 0o666);
    let copy = tree.at("retain");
    fs::copy(env!("CARGO_BIN_EXE_retain"), &copy).unwrap();
    let mut command = std::process::Command::new("setpriv");
    command.args(["--reuid", "1234", "--regid", "1234", "--clear-groups"]).arg(copy);
    command.args(["plan", "--now", NOW]).current_dir(tree.path()).env_clear();
    let output = command.output().unwrap();
    Run::new(&command, &output).ok().says("delete");
}
