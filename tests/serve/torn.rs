//! A policy that cannot be read as TOML, at the start or later on.

use crate::flows::{apply, review};
use crate::nsml::{self, IDS, SESSION, left};
use crate::server::Server;

/// A policy that is no TOML: its page says so beside the line, also if it comes to be so while it is
/// served, all else is shown as it is, and nothing goes.
#[test]
fn a_policy_that_is_no_toml_is_shown_with_its_fault() {
    const TORN: &str = "version = 1\n[[policy]\nname = \"p\"\n";
    let tree = nsml::storage();
    tree.file("policy.toml", TORN);
    let server = Server::with(&tree, &["--allow-delete", "--policy", "policy.toml"]);
    let browser = server.browser();
    let check = || {
        let page = browser.get(&format!("{}/policy", server.root)).is(200).body;
        assert!(page.contains("is not a valid policy"), "{page}");
        assert!(page.contains("E0001-syntax") && page.contains("not TOML"), "{page}");
        assert!(!page.contains("declares layouts"), "{page}");
        let listed = browser.get(&format!("{}/sessions", server.root)).is(200).body;
        assert!(listed.contains(SESSION), "{listed}");
        let digest = review(&browser, &["0"]);
        let answer = apply(&browser, &["0"], &digest).is(200);
        assert!(answer.body.contains("data-phase=\"failed\""), "{}", answer.body);
        assert_eq!(left(&tree, SESSION), IDS);
    };
    check();
    // Another scan may have begun before the file was written: of a job, for one.
    let scan = |is_faulty: bool| {
        browser.post(&format!("{}/scan", server.root), &[]);
        for _ in 0..600 {
            let page = browser.get(&format!("{}/policy", server.root)).is(200).body;
            if page.contains("is not a valid policy") == is_faulty {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("no scan");
    };
    tree.file("policy.toml", "version = 1\n[[policy]]\nname = \"p\"\nkeep = [{ last = 2 }]\n");
    scan(false);
    tree.file("policy.toml", "version = 1\nversion = 1\n[[policy]\n");
    scan(true);
    check();
}
