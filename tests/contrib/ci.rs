//! What a policy repository runs: the composite action, the GitLab jobs, the server's hook.

use crate::nsml::{IDS, SESSION};
use crate::shell::{Place, contrib, ended, text};
use std::collections::HashMap;
use std::process::{Command, Output};
use yaml_rust2::{Yaml, YamlLoader};

fn yaml(path: &str) -> Yaml {
    YamlLoader::load_from_str(&text(path)).unwrap().remove(0)
}

const BROKEN: &str = "version = 1\n[[policy]]\nname = \"a\"\nkeep = [{ lst = 2 }]\n";
const TESTED: &str = "[[test]]\nname = \"two\"\ndelete = [\"1\"]\n\
    checkpoints = [{ id = \"1\", step = 1 }, { id = \"2\", step = 2 }, { id = \"3\", step = 3 }]\n";

/// The action with some inputs set, in a job of this kind.
struct Action<'a> {
    place: &'a Place,
    event: &'a str,
    inputs: HashMap<String, String>,
}

impl Action<'_> {
    fn new<'a>(place: &'a Place, event: &'a str, inputs: &[(&str, &str)]) -> Action<'a> {
        let action = yaml("github-action/action.yml");
        let mut all = HashMap::new();
        for (name, input) in action["inputs"].as_hash().unwrap() {
            let default = input["default"].as_str().unwrap_or_default();
            all.insert(name.as_str().unwrap().to_owned(), default.to_owned());
        }
        for (name, value) in inputs {
            assert!(all.insert((*name).to_owned(), (*value).to_owned()).is_some(), "{name}");
        }
        Action { place, event, inputs: all }
    }

    /// `${{ inputs.x }}` and the like, as the runner replaces them.
    fn value(&self, text: &str) -> String {
        match text.strip_prefix("${{ ").and_then(|t| t.strip_suffix(" }}")) {
            Some("github.event_name") => self.event.to_owned(),
            Some(name) => {
                let name = name.strip_prefix("inputs.").unwrap_or_else(|| panic!("{name}"));
                self.inputs.get(name).unwrap_or_else(|| panic!("no input {name}")).clone()
            }
            None => text.to_owned(),
        }
    }

    /// Runs the step as the runner does, whatever its `if` says.
    fn step(&self, name: &str) -> Output {
        let action = yaml("github-action/action.yml");
        let steps = action["runs"]["steps"].as_vec().unwrap();
        let step = steps.iter().find(|s| s["name"].as_str() == Some(name)).unwrap();
        assert_eq!(step["shell"].as_str(), Some("bash"));
        let script = step["run"].as_str().unwrap();
        assert!(!script.contains("${{"), "an input would become part of the script: {script}");
        self.place.tree.file("step.sh", script);
        let mut bash: Command = self.place.command("bash");
        bash.args(["--noprofile", "--norc", "-eo", "pipefail", "step.sh"])
            .env("GITHUB_STEP_SUMMARY", self.place.at("summary.md"));
        for (name, value) in step["env"].as_hash().unwrap() {
            bash.env(name.as_str().unwrap(), self.value(value.as_str().unwrap()));
        }
        bash.output().unwrap()
    }
}

#[test]
fn the_action_annotates_faults() {
    let place = Place::new();
    let action = Action::new(&place, "pull_request", &[("policy", "policies\n\n")]);
    ended(&action.step("Check policies"), 0);
    assert!(place.tree.read("summary.md").contains("No faults."));
    place.tree.file("policies/an odd name.toml", BROKEN);
    let said = ended(&action.step("Check policies"), 2);
    assert!(said.contains("::error file=policies/an odd name.toml,line=4"), "{said}");
    assert!(place.tree.read("summary.md").contains("**Faults were found**"));
}

/// What a change made a symlink shows nothing of the runner.
#[test]
fn the_action_keeps_within_the_repository() {
    let place = Place::new();
    let within = |policy: &str| {
        let inputs = [("policy", policy), ("new-policy", "policies/two.toml")];
        Action::new(&place, "pull_request_target", &inputs).step("Keep within the repository")
    };
    place.tree.symlink("etc", "/etc").symlink("one.toml", "policies/two.toml");
    place.tree.symlink("passwd.toml", "/etc/passwd");
    let absolute = format!("policies\n{}", place.at("policies"));
    for policy in ["policies", "one.toml\n", "/etc/hosts", "missing.toml", &absolute] {
        ended(&within(policy), 0);
    }
    let absolute = place.at("passwd.toml");
    for policy in ["etc", "policies\npasswd.toml", "etc/passwd", &absolute] {
        let said = ended(&within(policy), 2);
        assert!(said.contains("leads out of the repository"), "{said}");
    }
    // Nor is anything written elsewhere.
    place.tree.symlink("retain-junit.xml", "../elsewhere.xml");
    let said = ended(&within("policies"), 2);
    assert!(said.contains("retain-junit.xml leads out of the repository"), "{said}");
}

#[test]
fn the_action_tests_policies() {
    let place = Place::new();
    let policy = place.tree.read("policies/two.toml");
    place.tree.file("policies/two.toml", format!("{policy}{TESTED}"));
    let action = Action::new(&place, "pull_request", &[("policy", "policies")]);
    ended(&action.step("Test policies"), 0);
    let results = place.tree.read("retain-junit.xml");
    assert!(results.contains("tests=\"1\" failures=\"0\""), "{results}");
    let wrong = TESTED.replace("delete = [\"1\"]", "delete = [\"2\"]");
    place.tree.file("policies/two.toml", format!("{policy}{wrong}"));
    ended(&action.step("Test policies"), 2);
    assert!(place.tree.read("retain-junit.xml").contains("failures=\"1\""));
    assert!(place.tree.read("summary.md").contains("### Their own tests\n\n    "));
}

#[test]
fn the_action_shows_what_a_change_deletes() {
    let place = Place::new();
    let one = place.tree.read("policies/two.toml").replace("last = 2", "last = 1");
    place.tree.file("policies/one.toml", one);
    let mut inventory = place.command("retain");
    inventory.args(["inventory", "--root", "runs", "-o", "inventory.jsonl"]);
    ended(&inventory.output().unwrap(), 0);
    let inputs = [
        ("base-policy", "policies/two.toml"),
        ("new-policy", "policies/one.toml"),
        ("inventory", "inventory.jsonl"),
    ];
    ended(&Action::new(&place, "push", &inputs).step("Show what a change does"), 0);
    let summary = place.tree.read("summary.md");
    assert!(summary.contains(&format!("| delete | {SESSION} | 31 |")), "{summary}");
}

const SUBMISSION: [(&str, &str); 6] = [
    ("root", "runs"),
    ("session", SESSION),
    ("checkpoint", "3"),
    ("score", "-97.2"),
    ("apply", "true"),
    ("apply-policy", "policies/kept.toml"),
];

fn submission() -> Place {
    let place = Place::new();
    let policy = place.tree.read("policies/two.toml");
    let hard = policy.replace("{ last = 2 }", "{ submitted = true, hard = true }, { last = 2 }");
    place.tree.file("policies/kept.toml", hard);
    place
}

#[test]
fn the_action_tidies_up_after_a_submission() {
    let place = submission();
    let action = Action::new(&place, "push", &SUBMISSION);
    ended(&action.step("Note a submission"), 0);
    assert_eq!(place.left(), ["3", "31", "41"]);
    assert!(place.tree.read("summary.md").contains("Moved 6 to the trash"));
    ended(&action.step("Note a submission"), 0);
    assert_eq!(place.left(), ["3", "31", "41"], "a job that is run again");
    let without = Action::new(&place, "push", &[("session", SESSION)]);
    assert!(ended(&without.step("Note a submission"), 2).contains("::error::"));
}

#[test]
fn the_action_deletes_nothing_for_a_pull_request() {
    let action = yaml("github-action/action.yml");
    let steps = action["runs"]["steps"].as_vec().unwrap();
    let step = steps.iter().find(|s| s["name"].as_str() == Some("Note a submission")).unwrap();
    assert!(
        step["if"].as_str().unwrap().contains("!startsWith(github.event_name, 'pull_request')")
    );
    let place = submission();
    for event in ["pull_request", "pull_request_target", "pull_request_review"] {
        ended(&Action::new(&place, event, &SUBMISSION).step("Note a submission"), 0);
    }
    assert_eq!(place.left(), IDS);
    let marks = format!("runs/{SESSION}/nsml_model/.retain");
    assert!(!place.tree.exists(marks), "nothing is marked either");
}

/// Inputs are values, whatever is in them.
#[test]
fn no_input_is_a_command() {
    let place = submission();
    let evil = "$(touch owned); `touch owned` --yes";
    for name in ["policy", "session", "checkpoint", "score", "root", "apply-policy"] {
        let mut inputs: Vec<_> = SUBMISSION.iter().filter(|i| i.0 != name).copied().collect();
        inputs.push((name, evil));
        let action = Action::new(&place, "push", &inputs);
        let step = if name == "policy" { "Check policies" } else { "Note a submission" };
        let output = action.step(step);
        assert!(!output.status.success(), "{name}");
        assert!(!place.tree.exists("owned"), "{name}");
    }
    assert_eq!(place.left(), IDS);
}

#[test]
fn the_gitlab_jobs_work() {
    let jobs = yaml("gitlab/.gitlab-ci.yml");
    let place = submission();
    let run = |job: &str, code: i32| {
        let mut said = String::new();
        for line in jobs[job]["script"].as_vec().unwrap() {
            let mut bash = place.command("bash");
            bash.args(["-eo", "pipefail", "-c", line.as_str().unwrap()]);
            for (name, value) in jobs["variables"].as_hash().unwrap() {
                bash.env(name.as_str().unwrap(), value.as_str().unwrap());
            }
            bash.env("RETAIN_ROOT", place.at("runs"))
                .env("RETAIN_POLICY", "policies/kept.toml")
                .env("RETAIN_SESSION", SESSION)
                .env("RETAIN_CHECKPOINT", "3");
            let output = bash.output().unwrap();
            let last = if output.status.success() { 0 } else { code };
            said += &ended(&output, last);
            if last != 0 {
                return said;
            }
        }
        assert_eq!(code, 0, "{said}");
        said
    };
    run("retain policies", 0);
    assert!(place.tree.exists("retain-junit.xml"));
    assert_eq!(place.left(), IDS);
    run("retain submitted", 0);
    assert_eq!(place.left(), ["3", "31", "41"]);
    assert!(place.tree.read("retain-summary.md").contains("Moved 6 to the trash"));
    let rules = jobs["retain submitted"]["rules"].as_vec().unwrap();
    assert!(rules[0]["if"].as_str().unwrap().contains("merge_request_event"));
    assert_eq!(rules[0]["when"].as_str(), Some("never"));
    // A merge request that makes the folder a symlink sees nothing of the runner.
    std::fs::remove_dir_all(place.at("policies")).unwrap();
    place.tree.symlink("policies", "/etc");
    assert_eq!(run("retain policies", 2), "policies leads out of the repository\n");
}

/// A bare repository `server` with the hook, and `work` to push from: how to run git there.
fn server(place: &Place) -> impl Fn(&[&str]) -> Output {
    let git = |args: &[&str]| {
        let mut git = place.command("git");
        git.args(["-c", "user.name=a", "-c", "user.email=a@example.org"]);
        git.args(["-c", "init.defaultBranch=main", "-c", "safe.directory=*"]);
        git.args(args).output().unwrap()
    };
    ended(&git(&["init", "--bare", "server"]), 0);
    place.tree.symlink("server/hooks/pre-receive", contrib("git/pre-receive"));
    ended(&git(&["init", "work"]), 0);
    git
}

#[test]
fn a_server_takes_no_broken_policy() {
    let place = Place::new();
    let git = server(&place);
    let commit = |policy: &str| {
        place.tree.file("work/policies/a.toml", policy);
        ended(&git(&["-C", "work", "add", "."]), 0);
        ended(&git(&["-C", "work", "commit", "-m", "policy"]), 0);
        git(&["-C", "work", "push", "../server", "HEAD:main"])
    };
    let good = place.tree.read("policies/two.toml");
    ended(&commit(&good), 0);
    let said = ended(&commit(BROKEN), 1);
    assert!(said.contains("policies/a.toml:4"), "{said}");
    assert!(said.contains("refs/heads/main is refused"), "{said}");
    let wrong = TESTED.replace("delete = [\"1\"]", "delete = [\"2\"]");
    ended(&commit(&format!("{good}{wrong}")), 1);
    ended(&commit(&format!("{good}{TESTED}")), 0);
    // What an archive would leave out is checked.
    place.tree.file("work/.gitattributes", "a.toml export-ignore\n");
    place.tree.file("work/policies/.gitattributes", "a.toml export-ignore\n");
    place.tree.file("work/policies/b.toml", &good);
    let said = ended(&commit(BROKEN), 1);
    assert!(said.contains("policies/a.toml:4"), "{said}");
    ended(&commit(&good), 0);
    ended(&git(&["-C", "work", "push", "../server", ":main"]), 1);
    ended(&git(&["-C", "work", "push", "../server", "HEAD:other"]), 0);
    ended(&git(&["-C", "work", "push", "../server", ":other"]), 0);
}

/// Nothing is ever found where git knows no path: that is told, and lets nothing through.
#[test]
fn a_server_whose_folder_is_none_takes_nothing() {
    let place = Place::new();
    let git = server(&place);
    place.tree.file("work/policies/a.toml", BROKEN);
    ended(&git(&["-C", "work", "add", "."]), 0);
    ended(&git(&["-C", "work", "commit", "-m", "policy"]), 0);
    let push = || git(&["-C", "work", "push", "../server", "HEAD:main"]);
    for folder in [".", "./policies", "/policies", "", "../policies", "policies/.", "x//policies"] {
        ended(&git(&["-C", "server", "config", "retain.policies", folder]), 0);
        let said = ended(&push(), 1);
        assert!(said.contains(&format!("retain.policies is '{folder}': name a folder")), "{said}");
    }
    ended(&git(&["-C", "server", "config", "retain.policies", "elsewhere"]), 0);
    ended(&push(), 0);
}

/// What is pushed cannot make the server read, and show, a file of its own.
#[test]
fn a_server_follows_no_symlink_that_is_pushed() {
    let place = Place::new();
    let git = server(&place);
    let push = || {
        ended(&git(&["-C", "work", "add", "."]), 0);
        ended(&git(&["-C", "work", "commit", "-m", "policy"]), 0);
        git(&["-C", "work", "push", "../server", "HEAD:main"])
    };
    place.tree.file("secret.toml", "password = \"hunter2\"\n");
    let secret = place.at("secret.toml");
    let good = place.tree.read("policies/two.toml");
    place.tree.file("work/policies/a.toml", &good).file("work/elsewhere/policies/a.toml", &good);
    ended(&push(), 0);
    let refused = |what: &str| {
        let said = ended(&push(), 1);
        assert!(said.contains(what) && said.contains("refs/heads/main is refused"), "{said}");
        assert!(!said.contains("hunter2") && !said.contains("password"), "{said}");
    };
    place.tree.symlink("work/policies/x.toml", &secret);
    refused("a symlink is in policies");
    std::fs::remove_file(place.at("work/policies/x.toml")).unwrap();
    std::fs::remove_dir_all(place.at("work/policies")).unwrap();
    place.tree.symlink("work/policies", place.tree.path());
    refused("policies is a symlink");
    // Nor is the folder found elsewhere.
    ended(&git(&["-C", "server", "config", "retain.policies", "deep/policies/"]), 0);
    place.tree.symlink("work/deep", "elsewhere");
    refused("deep is a symlink");
    std::fs::remove_file(place.at("work/deep")).unwrap();
    place.tree.file("work/deep/policies/a.toml", &good);
    place.tree.file("work/deep/policies/an odd\nname/a.toml", &good);
    ended(&push(), 0);
    place.tree.file("work/deep/policies/an odd\nname/a.toml", BROKEN);
    refused("a.toml:4");
}
