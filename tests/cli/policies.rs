//! `policy`: about policy files, without a root.

use crate::support::{Snapshot, Tree, World};

const PASSES: &str = "version = 1\n[[policy]]\nname = \"p\"\nkeep = [{ last = 1 }]\n\
                      [[test]]\nname = \"one\"\ncheckpoints = [{ id = \"1\", step = 1 }, { id = \"2\", step = 2 }]\n\
                      delete = [\"1\"]\n";

#[test]
fn a_directory_stands_for_its_policy_files() {
    let tree = Tree::new();
    tree.file("p/b10.toml", PASSES).file("p/b9.toml", PASSES).file("p/sub/a.toml", PASSES);
    // Settings are no policy, and neither is what is called otherwise.
    tree.file("p/retain.toml", "roots = [\"x\"]").file("p/notes.md", "x");
    let world = World::within(tree.path());
    let run = world.run(["policy", "test", "p"]).ok().says("3 tests, 0 failed");
    let files: Vec<_> = run.stdout.lines().filter_map(|l| l.strip_prefix("ok   ")).collect();
    assert!(files[0].starts_with("p/b9.toml:5 one") && files[1].starts_with("p/b10.toml"), "{run}");
    world.run(["policy", "check", "p"]).ok();
    tree.file("p/sub/bad.toml", "version = 1\nkeeep = 3\n");
    world.run(["policy", "check", "p"]).code(2).warns("p/sub/bad.toml");
    tree.file("empty/x", "");
    world.run(["policy", "test", "empty"]).code(2).warns("no policy files");
    // A policy in force is one file.
    world.run(["plan", "--policy", "p"]).code(2).warns("cannot read p");
}

/// A folder that somebody else has sent shows nothing of this machine, and passes nothing unread.
#[test]
fn a_symlink_that_leads_out_of_a_directory_is_not_read() {
    let tree = Tree::new();
    tree.file("secret.toml", "password = \"hunter2\"\n").file("p/a.toml", PASSES);
    tree.symlink("p/out.toml", "../secret.toml").symlink("p/in.toml", "a.toml");
    tree.symlink("p/zero.toml", "missing.toml").symlink("dirs/p", "../p");
    tree.file("good/a.toml", PASSES).symlink("good/in.toml", "a.toml").symlink("q", "good");
    let before = Snapshot::of(tree.path());
    let world = World::within(tree.path());
    for args in [
        &["policy", "check", "p"][..],
        &["policy", "check", "--format", "github", "p"],
        &["policy", "check", "--json", "p"],
        &["policy", "test", "p"],
    ] {
        let run = world.run(args).code(2);
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(!said.contains("hunter2") && !said.contains("password"), "{run}");
        assert!(said.contains("p/out.toml"), "{run}");
    }
    let run = world.run(["policy", "check", "p"]).code(2);
    let run = run.warns("p/out.toml is a symlink that leads out of p; it was not read");
    run.warns("p/in.toml: no faults").warns("cannot read p/zero.toml");
    // No directory is entered by a symlink that is found, and what is named itself is followed.
    world.run(["policy", "check", "dirs"]).code(2).warns("no policy files in dirs");
    world.run(["policy", "check", "p/in.toml"]).ok();
    world.run(["policy", "check", "p/out.toml"]).code(2).warns("hunter2");
    world.run(["policy", "check", "q"]).ok().warns("q/in.toml: no faults");
    before.assert_same(&Snapshot::of(tree.path()));
}

#[test]
fn the_policies_for_users_pass_as_the_readme_says() {
    let world = World::within(env!("CARGO_MANIFEST_DIR"));
    let json = world.run(["policy", "test", "policies", "--json"]).ok().json();
    let tests = json["tests"].as_array().unwrap();
    assert!(tests.len() >= 20 && tests.iter().all(|t| t["passed"] == true), "{json}");
}

#[test]
fn all_faults_are_said_before_anything_is_read() {
    let tree = Tree::new();
    let five = "version = 1\nmin-age = \"1 fortnight\"\n[[policy]]\nname = \"a\"\n\
                keep = [{ best = 3 }, { lst = 2 }, { daily = -1 }]\n[[quota]]\nname = \"q\"\nper = \"root\"\nmax-bytes = \"5\"\n";
    tree.file("five.toml", five);
    let world = World::within(tree.path());
    // No such root: it is not even looked for.
    let run = world.run(["plan", "-C", "/nonexistent", "--policy", "five.toml"]).code(2);
    let codes = run.stderr.matches("error[E").count();
    assert_eq!(codes, 5, "{run}");
    assert!(run.stdout.is_empty() && !run.stderr.contains("does not exist"), "{run}");
}

/// One that cannot be read is a fault of that file, and hides none of another's.
#[test]
fn a_file_that_cannot_be_read_is_one_fault_among_others() {
    let tree = Tree::new();
    tree.file("a.toml", "version = 1\nkeeep = 3\n").file("b.toml", b"version = 1 # \xff\n");
    tree.file("c.toml", "version = 1\nlst = 3\n").dir("empty").file("good.toml", PASSES);
    let before = Snapshot::of(tree.path());
    let world = World::within(tree.path());
    let args =
        ["policy", "check", "a.toml", "b.toml", "missing.toml", "empty", "c.toml", "good.toml"];
    let run = world.run(args).code(2).warns("keeep").warns("lst").warns("good.toml: no faults");
    let run = run.warns("cannot read b.toml: ").warns("UTF-8").warns("cannot read missing.toml");
    run.warns("no policy files in empty");
    let json = world.run([&args[..], &["--json"]].concat()).code(2).json();
    let files = json["files"].as_array().unwrap();
    let said: Vec<_> = files
        .iter()
        .map(|f| {
            let faults = f["diagnostics"].as_array().unwrap().len();
            (f["file"].as_str().unwrap(), f["valid"] == true, faults > 0, f["error"].is_string())
        })
        .collect();
    assert_eq!(
        said,
        [
            ("a.toml", false, true, false),
            ("b.toml", false, false, true),
            ("missing.toml", false, false, true),
            ("empty", false, false, true),
            ("c.toml", false, true, false),
            ("good.toml", true, false, false),
        ]
    );
    let run = world.run([&args[..], &["--format", "github"]].concat()).code(2);
    let run = run.says("::error file=a.toml,line=2").says("::error file=c.toml,line=2");
    run.says("::error file=b.toml::cannot read b.toml: ");
    world.run(["policy", "check", "good.toml", "b.toml"]).code(2);
    before.assert_same(&Snapshot::of(tree.path()));
}

/// What the template tells to run is about the template.
#[test]
fn the_templates_own_instructions_work() {
    let tree = Tree::new();
    crate::nsml::write_as(&tree, crate::nsml::SESSION);
    let world = World::within(tree.path());
    let before = Snapshot::of(tree.path());
    let file = world.home().join("mine.toml");
    let name = file.to_str().unwrap();
    world.run(["policy", "new", name]).ok();
    let text = std::fs::read_to_string(&file).unwrap();
    let commands: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("#   retain ")).collect();
    assert_eq!(commands.len(), 4, "{text}");
    for command in commands {
        let words = command.split("    ").next().unwrap().split(' ').filter(|w| !w.is_empty());
        let words = words.take_while(|w| *w != "the").map(|w| if w == "FILE" { name } else { w });
        let mut words: Vec<&str> = words.collect();
        if words.contains(&"apply") {
            words.push("--dry-run");
        }
        let run = world.run(&words).ok();
        let is_of_it = words[0] == "--policy" || (run.stdout.clone() + &run.stderr).contains(name);
        assert!(is_of_it && !run.stderr.contains("embedded default"), "{run}");
    }
    assert!(text.starts_with("#:schema ./policy.schema.json\n"));
    assert!(text.contains("`retain policy schema > policy.schema.json`"), "{text}");
    before.assert_same(&Snapshot::of(tree.path()));
}

/// No `chown` makes it one, least of all a device of the system.
#[test]
fn a_device_is_no_policy() {
    let tree = Tree::new();
    tree.fifo("fifo");
    let world = World::within(tree.path());
    for policy in ["/dev/null", tree.at("fifo").to_str().unwrap()] {
        let run = world.run(["plan", "--policy", policy]).code(2).warns("not a regular file");
        assert!(!run.stderr.contains("chown"), "{run}");
    }
}
