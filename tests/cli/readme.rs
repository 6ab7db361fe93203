//! The README is what a first-time user has: its recording, policy and settings are run as they
//! stand there.

use crate::support::{Run, Tree, World};

const README: &str = include_str!("../../README.md");

/// The fenced blocks of a language, in order.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    README.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// Instants, minutes ago and run ids are all that differs from one day, and one machine, to the
/// next.
fn without_times(text: &str) -> Vec<String> {
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let is_run = |w: &str| {
            let id = w.trim_matches(|c: char| !c.is_ascii_alphanumeric());
            id.split('-').map(str::len).eq([8, 6, 8])
        };
        let is_time = |w: &str| {
            (w.starts_with("20") && w.split('-').map(str::len).eq([4, 2, 2]))
                || w.split(':').map(str::len).eq([2, 2, 2])
        };
        let word = |i: usize| match words[i] {
            w if is_run(w) => "RUN",
            w if is_time(w) => "TIME",
            _ if words.get(i + 1) == Some(&"minutes") => "SOME",
            w => w,
        };
        (0..words.len()).map(word).collect::<Vec<_>>().join(" ")
    };
    text.trim().lines().map(line).collect()
}

#[test]
fn the_recording_is_what_happens() {
    let tree = Tree::new();
    World::within(tree.path()).in_real_time().run(["demo"]).ok();
    let world = World::within(tree.at("retain-demo")).in_real_time();
    world.run(["undo"]).ok();
    let recording = README.split("<!-- recording -->\n```console\n$ retain ").nth(1).unwrap();
    let recording = recording.split("\n```").next().unwrap();
    let mut commands = Vec::new();
    for part in recording.split("\n$ retain ") {
        let (command, shown) = part.split_once('\n').unwrap();
        let Run { stdout, stderr, .. } = world.run(command.split(' ')).ok();
        let happened = without_times(&(stdout + &stderr));
        assert_eq!(without_times(shown), happened, "README: $ retain {command}");
        commands.push(command.split(' ').next().unwrap());
    }
    assert_eq!(commands, ["ls", "plan", "why", "apply", "undo"]);
}

#[test]
fn its_policy_and_settings_are_valid() {
    let tree = Tree::new();
    let toml = blocks("toml");
    let [settings, policy] = toml.as_slice() else { panic!("{toml:?}") };
    tree.file("retain.toml", settings).file("retention.toml", policy).dir("storage");
    let world = World::within(tree.path());
    let check = world.run(["policy", "check"]).ok();
    assert!(check.stderr.contains("retention.toml: no faults"), "{check}");
    world.run(["plan", "-v"]).ok().warns("storage (from retain.toml)");
}

#[test]
fn its_commands_exist() {
    let world = World::new();
    let mut verbs = std::collections::BTreeSet::new();
    for line in blocks("console").iter().flat_map(|b| b.lines()) {
        let Some(rest) = line.strip_prefix("$ retain ") else { continue };
        let mut words = rest.split(' ').filter(|w| !w.starts_with('-'));
        let verb = words.find(|w| !w.contains('.')).unwrap();
        world.run([verb, "--help"]).ok();
        verbs.insert(verb);
    }
    assert!(verbs.len() >= 9, "{verbs:?}");
}
