//! The exit codes, one way to each; `docs/exit-codes.md` says what they mean.

use crate::nsml::{self, LAST_TWO, SESSION, world};
use crate::support::World;

#[test]
fn usage_errors_are_two() {
    let tree = nsml::storage();
    for args in [
        &["frobnicate"][..],
        &["ls", "--frobnicate"],
        &["ls", "--sort", "colour"],
        &["ls", "--long", "--unrecognised"],
        &["plan", "--now", "yesterday"],
        &["plan", "--format", "yaml"],
        &["plan", "--threads", "0"],
        &["rm", SESSION],
        &["why", SESSION],
        &["why", SESSION, "nothing"],
        &["why", SESSION, "*"],
        &["ls", "nowhere/*"],
        &["undo", "nothing"],
        &["log", "nothing"],
        &["tag", SESSION],
        &["pin", SESSION, "0", "--until", "2039-01-01"],
        &["pin", SESSION, "0", "--until", "soon"],
        &["policy", "check", "/nonexistent.toml"],
    ] {
        world(&tree).in_real_time().run([args, &["--now", crate::support::NOW]].concat()).code(2);
    }
}

#[test]
fn each_code_has_a_way() {
    let tree = nsml::storage();
    let world = world(&tree);
    let policy = nsml::policy(&world, LAST_TWO);
    world.run(["plan", "--policy", &policy]).code(0);
    world.run(["plan", "--policy", &policy, "-o", "/nonexistent/dir/plan"]).code(1);
    world.run(["plan", "--policy", "/nonexistent"]).code(2);
    world.run(["apply", "--policy", &policy]).code(6);
    world.run(["plan", "--policy", &policy, "--detailed-exitcode"]).code(10);
    // 3 and 4 stand in planning.rs, 5 in plans.rs.
}

#[test]
fn help_names_all_of_them() {
    let run = World::new().run(["--help"]).ok();
    for line in retain::cli::exit::Exit::help().lines() {
        assert!(run.stdout.contains(line.trim()), "{line} is not in\n{run}");
    }
}

#[test]
fn version_and_help_go_to_stdout() {
    let run = World::new().run(["--version"]).ok();
    assert_eq!(run.stdout, format!("retain {}\n", env!("CARGO_PKG_VERSION")));
    for verb in
        ["ls", "rm", "plan", "apply", "why", "undo", "purge", "log", "pin", "policy", "demo"]
    {
        World::new().run([verb, "--help"]).ok().says("Usage: retain");
    }
}
