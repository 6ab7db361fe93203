use crate::tree::{Tree, brief};
use retain::core::model::Space;
use retain::scan::{ScanOptions, scan};
use retain::store::local::LocalStore;
use retain::store::{Dir, Store};
use std::fs::File;
use std::io;
use std::num::NonZero;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

#[test]
fn symlinks_protect_what_they_lead_to() {
    let tree = Tree::new();
    tree.hf("a/run/checkpoint-1", 1).hf("a/run/checkpoint-2", 2).hf("a/run/checkpoint-3", 3);
    let absolute = tree.at("a/run/checkpoint-3").canonicalize().unwrap();
    tree.link("a/run/best", "checkpoint-1")
        .link("a/run/logs/last", "../checkpoint-2/model.safetensors")
        .link("release", "a/run/checkpoint-2/")
        .link("by-path", absolute.to_str().unwrap())
        .link("through", "door/./run/../run/checkpoint-1")
        .link("door", "a")
        .link("elsewhere", "/etc/hostname")
        .link("dangling", "nowhere");
    assert_eq!(
        brief(&tree.scan()),
        "a/run\n  \
        checkpoint-1 best <- best <- through (external)\n  \
        checkpoint-2 latest <- logs/last <- release (external)\n  \
        checkpoint-3 <- by-path (external)\n"
    );
}

/// Scratch space is often reached by a link, and its users link by that name.
#[test]
fn a_link_by_another_way_into_the_root_protects_what_lies_there() {
    let tree = Tree::new();
    for step in 1..=4 {
        tree.hf(&format!("runs/r/checkpoint-{step}"), step);
    }
    tree.dir("serve").link("alias", ".").link("other", "runs");
    let alias = tree.at("alias");
    // The root is `runs`: all these leave it.
    tree.link("runs/file", alias.join("runs/r/checkpoint-1/model.safetensors").to_str().unwrap())
        .link("runs/deep/dir", alias.join("runs/r/checkpoint-2").to_str().unwrap())
        .link("runs/deep/back", "../../runs/r/checkpoint-3/model.safetensors")
        .link("runs/deep/round", "../../other/r/checkpoint-4")
        .link("runs/out", "../serve")
        .link("runs/gone", "../nowhere/r/checkpoint-1");
    let store = LocalStore::new(File::open(tree.at("runs")).unwrap().into());
    assert_eq!(
        brief(&scan(&store, &ScanOptions::default(), &|_| {})),
        "r\n  \
        checkpoint-1 <- file (external)\n  \
        checkpoint-2 <- deep/dir (external)\n  \
        checkpoint-3 <- deep/back (external)\n  \
        checkpoint-4 <- deep/round (external)\n"
    );
}

#[test]
fn links_from_another_machine_are_read_by_name() {
    let tree = Tree::new();
    tree.hf("run/checkpoint-1", 1)
        .hf("run/checkpoint-2", 2)
        .link("run/latest", "/gone/run/checkpoint-2")
        .link("run/data", "/gone/dataset");
    assert_eq!(brief(&tree.scan()), "run\n  checkpoint-1\n  checkpoint-2 latest <- latest\n");
}

#[test]
fn links_from_another_machine_lead_however_deep_into_a_checkpoint() {
    let table = [
        ("/gone/run/checkpoint-1/model.pt", true, false),
        ("/gone/run/checkpoint-1/global_step1/model.pt", true, false),
        ("/gone/run/checkpoint-1/a/b/c/d/model.pt", true, false),
        // Or to what was once saved in one that is called so.
        ("/gone/old/checkpoint-1/a/model.pt", true, true),
        ("/gone/old/checkpoint-1/dpo/checkpoint-7/model.pt", false, true),
        // Of one that is not here.
        ("/gone/run/checkpoint-7/global_step1/model.pt", false, true),
        ("/gone/data/7/train", false, false),
    ];
    for (target, is_found, tainted) in table {
        let tree = Tree::new();
        tree.hf("run/checkpoint-1", 1).hf("run/checkpoint-2", 2).link("run/serving", target);
        let scan = tree.scan();
        let session = &scan.inventory.sessions[0];
        let found = session.checkpoints[0].pointers().len();
        assert_eq!((found, session.tainted.len()), (is_found.into(), tainted.into()), "{target}");
    }
}

/// A date is no checkpoint, wherever checkpoints are numbers.
#[test]
fn digits_further_up_a_path_are_no_checkpoint() {
    for (target, tainted) in [("/gone/2024/data/train", false), ("/gone/data/2024", true)] {
        let tree = Tree::new();
        tree.file("run/11/model.pt", "w").link("run/data", target);
        let layout = "[[layout]]\nname = \"n\"\nregex = '(?<step>[0-9]+)'\nunit = \"directory\"\n";
        let layouts = retain::layout::with(&retain::core::policy::layouts(layout).0).unwrap();
        let scan = tree.scan_with(&ScanOptions { layouts, ..ScanOptions::default() });
        assert_eq!(!scan.inventory.sessions[0].tainted.is_empty(), tainted, "{target}");
    }
}

/// A storage that answers where a link leads only when it was asked for two.
struct Slow {
    store: LocalStore,
    asked: (Mutex<u32>, Condvar),
}

impl Store for Slow {
    fn root(&self) -> io::Result<Box<dyn Dir>> {
        self.store.root()
    }

    fn space(&self) -> io::Result<Space> {
        self.store.space()
    }

    fn absolute(&self) -> Option<&[u8]> {
        self.store.absolute()
    }

    fn whereabouts(&self, path: &[u8]) -> Option<Vec<u8>> {
        let (asked, more) = &self.asked;
        let mut asked = asked.lock().unwrap();
        *asked += 1;
        more.notify_all();
        let enough = more.wait_timeout_while(asked, Duration::from_secs(60), |asked| *asked < 2);
        assert!(!enough.unwrap().1.timed_out(), "one after another");
        self.store.whereabouts(path)
    }
}

#[test]
fn where_links_lead_is_asked_at_once() {
    let tree = Tree::new();
    tree.hf("runs/r/checkpoint-1", 1).link("alias", ".");
    for n in 1..=64 {
        let target = tree.at("alias/runs/r/checkpoint-1");
        tree.link(&format!("runs/deep/{n}"), target.to_str().unwrap());
    }
    let store = LocalStore::new(File::open(tree.at("runs")).unwrap().into());
    let slow = Slow { store, asked: (Mutex::new(0), Condvar::new()) };
    let options = ScanOptions { threads: NonZero::new(4), ..ScanOptions::default() };
    let found = scan(&slow, &options, &|_| {});
    assert_eq!(found.inventory.sessions[0].checkpoints[0].pointers().len(), 64);
}

#[test]
fn a_pointer_that_leads_nowhere_keeps_the_session() {
    let table = [
        ("run/last", "checkpoint-9"),
        ("run/keep", "checkpoint-9"),
        ("run/keep", "/gone/checkpoint-9"),
        ("run/keep", "/gone/checkpoint-1/x/checkpoint-9"),
        ("run/best", "best"),
        ("run/latest", "/gone/elsewhere"),
        ("run/model_best", "/gone/elsewhere"),
        ("run/serving.latest", "/gone/elsewhere"),
        ("run/current_model", "/gone/elsewhere"),
        ("run/checkpoint-7", "../gone"),
    ];
    for (link, target) in table {
        let tree = Tree::new();
        tree.hf("run/checkpoint-1", 1).link(link, target);
        let scan = tree.scan();
        let text = format!("{link}: points at `{target}`, which is not here");
        assert_eq!(*scan.inventory.sessions[0].tainted, [text.into()], "{link} -> {target}");
    }
}

#[test]
fn a_checkpoint_that_is_a_symlink_is_no_candidate() {
    let tree = Tree::new();
    tree.hf("run/checkpoint-1", 1).hf("stash/x", 2).link("run/checkpoint-2", "../stash/x");
    assert_eq!(brief(&tree.scan()), "run\n  checkpoint-1\n");
}

#[test]
fn symlinked_directories_are_not_entered() {
    let tree = Tree::new();
    let other = Tree::new();
    other.hf("run/checkpoint-1", 1);
    tree.dir("a").link("a/out", other.path().to_str().unwrap()).link("a/loop", "..");
    assert_eq!(brief(&tree.scan()), "");
}

#[test]
fn text_pointers() {
    let table = [
        ("checkpoint-1", true),
        ("checkpoint-1\n", true),
        ("/gone/run/checkpoint-1", true),
        ("checkpoint-2", false),
        ("", false),
        ("checkpoint-1\ncheckpoint-2\n", false),
    ];
    for (content, found) in table {
        let tree = Tree::new();
        tree.hf("run/checkpoint-1", 1).file("run/latest", content);
        let scan = tree.scan();
        let session = &scan.inventory.sessions[0];
        assert_eq!(session.tainted.is_empty(), found, "{content:?}");
        assert_eq!(session.checkpoints[0].pointers().len(), usize::from(found), "{content:?}");
    }
}

#[test]
fn hard_links_are_told() {
    let tree = Tree::new();
    tree.hf("run/checkpoint-1", 1).hf("run/checkpoint-2", 2);
    let shard = tree.at("run/checkpoint-2/model.safetensors");
    std::fs::remove_file(&shard).unwrap();
    std::fs::hard_link(tree.at("run/checkpoint-1/model.safetensors"), &shard).unwrap();
    let scan = tree.scan();
    let found: Vec<_> =
        scan.inventory.sessions[0].checkpoints.iter().map(|c| c.shared().to_vec()).collect();
    assert_eq!(found[0].len(), 1);
    assert_eq!(found[0], found[1]);
    assert_eq!(found[0][0].links, 2);
}
