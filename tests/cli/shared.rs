//! Sessions whose checkpoints share files: what an eviction gives back, and when it stops.

use crate::nsml::{self, left, world};
use crate::support::Tree;

const SESSION: &str = "team/data/1";

/// Eight checkpoints of some 100 KiB; 1 and 2 share another mebibyte.
fn storage() -> Tree {
    let tree = Tree::new();
    for id in 1..=8 {
        let dir = format!("{SESSION}/nsml_model/{id}");
        let metadata = format!(
            "{{\"checkpoint\":\"{id}\",\"saved_at\":\"2019-07-0{id}T00:00:00Z\",\"summary\":{{\"epoch\":{id}}}}}"
        );
        tree.sized(format!("{dir}/model/own"), 100_000)
            .file(format!("{dir}/metadata.json"), metadata);
    }
    let shared = |id| format!("{SESSION}/nsml_model/{id}/model/shared");
    tree.sized(shared(1), 1 << 20).hard_link(shared(2), tree.at(shared(1)));
    tree.file(format!("{SESSION}/session.json"), r#"{"status":"exited"}"#);
    world(&tree).run(["init"]).ok();
    tree
}

const SEVEN: &str = "min-age = \"0s\"\n[[policy]]\nname = \"seven\"\nkeep = [{ last = 7 }]\n";

#[test]
fn a_file_that_two_share_is_gone_when_both_are() {
    let all = ["1", "2", "3", "4", "5", "6", "7", "8"];
    for (name, bound) in [
        ("limit", "limit = { max-bytes = \"900KiB\" }\n"),
        ("quota", "[[quota]]\nname = \"q\"\nper = \"owner\"\nmax-bytes = \"900KiB\"\n"),
    ] {
        // Both at once, and the second when the first lies in the trash.
        for nights in [&[true][..], &[false, true]] {
            let tree = storage();
            let world = world(&tree);
            for bounded in nights {
                let policy =
                    nsml::policy(&world, &format!("{SEVEN}{}", if *bounded { bound } else { "" }));
                world.run(["apply", "--yes", "--policy", &policy]).ok();
                let gone = if *bounded { 2 } else { 1 };
                assert_eq!(left(&tree, SESSION), all[gone..], "{name} {nights:?}");
            }
            let policy = nsml::policy(&world, &format!("{SEVEN}{bound}"));
            world.run(["plan", "--policy", &policy, "--detailed-exitcode"]).ok();
        }
    }
}
