//! Generated pages do not drift from the program.

use crate::support::World;
use std::path::Path;

#[test]
fn the_reference_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    let current = retain::cli::docs::reference();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == current,
        "docs/cli.md is old: UPDATE_DOCS=1 cargo nextest run the_reference"
    );
}

#[test]
fn completions_and_manual_pages_are_made() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = World::new().run(["completions", shell]).ok();
        assert!(run.stdout.contains("detailed-exitcode"), "{shell}");
    }
    World::new().run(["man"]).ok().says(".TH retain");
    let world = World::new();
    let dir = world.home().join("share/man/man1");
    world.run(["man", "-o", dir.to_str().unwrap()]).ok();
    assert!(dir.join("retain-apply.1").exists());
}
