//! What a run makes is never more open than it must be, and nobody can be there first.

use crate::nsml;
use crate::support::*;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};

/// Everything of ours below the root with its mode.
fn ours(tree: &Tree) -> Vec<(String, u32)> {
    let all = walkdir::WalkDir::new(tree.path()).sort_by_file_name();
    let all = all.into_iter().map(|e| e.unwrap());
    let rel = all.map(|e| {
        let path = e.path().strip_prefix(tree.path()).unwrap().display().to_string();
        (path, e.metadata().unwrap().mode() & 0o7777)
    });
    rel.filter(|(path, _)| path.contains(".retain")).collect()
}

/// With the most careless umask and the most careful one.
#[test]
fn i30_no_umask_opens_what_a_run_makes() {
    for umask in ["000", "077"] {
        let tree = Tree::new();
        nsml::write_as(&tree, nsml::SESSION);
        let world = nsml::world(&tree);
        let policy = nsml::policy(&world, nsml::LAST_TWO);
        fs::set_permissions(&policy, fs::Permissions::from_mode(0o600)).unwrap();
        let run = |args: &str| {
            let plain = world.command([""; 0]);
            let program = plain.get_program().to_str().unwrap();
            let script = format!("umask {umask}; exec {program} {args} --now {NOW}");
            let mut shell = std::process::Command::new("sh");
            shell.args(["-c", &script]).current_dir(tree.path());
            shell.env_clear().env("HOME", world.home()).env("PATH", "/usr/bin:/bin");
            let output = shell.output().unwrap();
            Run::new(&shell, &output).ok()
        };
        run("init");
        run(&format!("apply --yes --policy {policy}"));
        run(&format!("pin {}", nsml::SESSION));
        let made = ours(&tree);
        for (path, mode) in &made {
            assert_eq!(mode & 0o022, 0, "umask {umask}: {path} is {mode:o}");
        }
        let slots: Vec<_> =
            made.iter().filter(|(p, _)| p.contains("/trash/") && !p.contains("/model")).collect();
        let dirs = slots.iter().filter(|(p, _)| p.matches('/').count() <= 7);
        // Run and slot: nobody else may even look into them.
        let closed = dirs.filter(|(_, mode)| *mode == 0o700).count();
        assert!(closed >= 2, "{slots:?}");
        // Under the careful umask nothing at all is anybody else's.
        if umask == "077" {
            let open: Vec<_> =
                made.iter().filter(|(p, m)| m & 0o077 != 0 && !p.contains("/trash/")).collect();
            assert!(open.is_empty(), "{open:?}");
        }
        // The names of slots cannot be guessed: 64 random bits.
        let mut slot = slots.iter().map(|(p, _)| p.split("/trash/").nth(1).unwrap());
        let slot = slot.find_map(|p| p.split('/').nth(1)).unwrap();
        assert!(slot.len() == 16 && slot.bytes().all(|b| b.is_ascii_hexdigit()), "{slot}");
    }
}

/// N16: in a directory where everybody may create, somebody else's `.retain` is not worked in.
#[test]
fn n16_needs_root_a_dot_retain_of_somebody_else_is_refused() {
    for (uid, mode, moved) in [(1234, 0o755, 0), (0, 0o757, 0), (0, 0o755, 3)] {
        let store = Store::sample();
        let place = store.path("a/mnist/1");
        fs::set_permissions(&place, fs::Permissions::from_mode(0o1777)).unwrap();
        fs::create_dir(place.join(".retain")).unwrap();
        fs::set_permissions(place.join(".retain"), fs::Permissions::from_mode(mode)).unwrap();
        chown(place.join(".retain"), Some(uid), None).unwrap();
        let before = store.picture();
        let report = store.apply(&store.sample_plan()).unwrap();
        let here = ["10", "20", "30"].map(|n| format!("a/mnist/1/checkpoint-{n}"));
        let left = here.iter().filter(|p| store.path(p.as_bytes()).exists()).count();
        assert_eq!((3 - left, report.moved.checkpoints), (moved, 3 + moved as u64));
        if moved == 0 {
            assert!(report.skipped[0].why.contains(".retain"), "{report:?}");
            let rest = ["b/mnist/2"];
            before.without(&rest).assert_same(&store.picture().without(&rest));
        }
    }
}
