//! What people do: look, choose, see what would be freed, delete, undo, pin; and what is refused.

use crate::http::form;
use crate::nsml::{self, IDS, SESSION, left};
use crate::server::Server;
use crate::support::{Snapshot, Tree};

/// Reviews a choice, and gives its digest.
pub fn review(browser: &crate::server::Browser<'_>, ids: &[&str]) -> String {
    let mut pairs = vec![("name", SESSION)];
    pairs.extend(ids.iter().map(|id| ("id", *id)));
    browser.post(&format!("{}/session", browser.server.root), &pairs).is(200).field("digest")
}

/// The same by the API, where a page has no form to carry it out.
fn digest_of(server: &Server, id: &str) -> String {
    let choice = serde_json::json!({ "session": SESSION, "checkpoint": [id] });
    let token = server.token("administrator");
    let plan = server.post_as(&token, &server.of_root("choice"), &choice).is(200);
    plan.header("x-retain-digest").unwrap().to_owned()
}

pub fn apply(
    browser: &crate::server::Browser<'_>,
    ids: &[&str],
    digest: &str,
) -> crate::http::Answer {
    let count = ids.len().to_string();
    let mut pairs =
        vec![("recipe", "choice"), ("digest", digest), ("name", SESSION), ("confirm", &count)];
    pairs.extend(ids.iter().map(|id| ("id", *id)));
    browser.post(&format!("{}/apply", browser.server.root), &pairs)
}

#[test]
fn the_manuals_session_stands_in_its_columns() {
    let tree = Tree::new();
    nsml::write_full_size(&tree);
    nsml::world(&tree).run(["init"]).ok();
    let server = Server::at(&tree, nsml::MANUAL_NOW, &[]);
    let page = server.browser().session(SESSION).is(200).body;
    for column in ["Checkpoint", "Last Modified", "Elapsed", "Summary", "Size"] {
        assert!(page.contains(column), "{column}");
    }
    let row = page.split("data-id=\"0\"").nth(1).unwrap().split("</tr>").next().unwrap();
    for cell in ["32 minutes ago", "epoch=0, loss=7.0152...", "366.74 MB"] {
        assert!(row.contains(cell), "{cell}: {row}");
    }
    let order: Vec<&str> =
        page.split("data-id=\"").skip(1).filter_map(|r| r.split('"').next()).collect();
    assert_eq!(order, IDS);
}

#[test]
fn delete_one_see_eight_undo_see_nine() {
    let tree = nsml::storage();
    let dirs = ["", "nsmlteam/mnist/4/nsml_model"];
    let look = || Snapshot::of(tree.path()).without(".retain").without_times_of(&dirs);
    let before = look();
    let server = Server::start(&tree);
    let browser = server.browser();
    let rows = || browser.session(SESSION).is(200).body.matches("data-id=\"").count();
    assert_eq!(rows(), 9);
    let digest = review(&browser, &["0"]);
    assert_eq!(left(&tree, SESSION), IDS, "looking deletes nothing");
    let done = apply(&browser, &["0"], &digest).is(200);
    assert!(done.body.contains("Moved 1 checkpoint"), "{}", done.body);
    assert_eq!(left(&tree, SESSION).len(), 8);
    settled(&server, 8);
    assert_eq!(rows(), 8);
    let run = done.field("run");
    let undone = browser.post(&format!("{}/undo", server.root), &[("run", &run)]).is(200);
    assert!(undone.body.contains("Restored 1 checkpoint"), "{}", undone.body);
    settled(&server, 9);
    assert_eq!(rows(), 9);
    before.assert_same(&look());
    let audit = server.audit();
    for line in ["\"apply\"", "\"undo\"", "asked for", &run] {
        assert!(audit.contains(line), "{line}: {audit}");
    }
}

/// Waits for the scan after a change.
fn settled(server: &Server, checkpoints: u64) {
    for _ in 0..200 {
        if server.api("/roots")["roots"][0]["totals"]["checkpoints"] == checkpoints {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("never {checkpoints} checkpoints");
}

#[test]
fn by_glob_and_range_and_a_typing_mistake() {
    let tree = nsml::storage();
    let server = Server::start(&tree);
    let browser = server.browser();
    let path = format!("{}/session", server.root);
    let page = browser.post(&path, &[("name", SESSION), ("pattern", "?1 {2..3}")]).is(200);
    assert_eq!(page.body.matches("name=\"id\" value=").count(), 6);
    let page = browser.post(&path, &[("name", SESSION), ("pattern", "51")]).is(422);
    assert!(page.body.contains("nearest names are"), "{}", page.body);
    browser.post(&path, &[("name", SESSION)]).is(422);
    assert_eq!(left(&tree, SESSION), IDS);
}

#[test]
fn a_stale_choice_is_refused_and_shown_again() {
    let tree = nsml::storage();
    let server = Server::start(&tree);
    let browser = server.browser();
    let digest = review(&browser, &["0", "1"]);
    // Somebody pins one of them on the command line meanwhile: the server has not seen it.
    nsml::world(&tree).run(["pin", SESSION, "0"]).ok();
    let answer = apply(&browser, &["0", "1"], &digest).is(200);
    assert!(answer.body.contains("data-phase=\"stale\""), "{}", answer.body);
    assert_eq!(left(&tree, SESSION), IDS, "nothing was deleted");
    // Now it has, and refuses at once with the new plan below.
    let answer = apply(&browser, &["0", "1"], &digest).is(409);
    assert!(answer.body.contains("Nothing was deleted") && answer.body.contains("id=\"stays\""));
    let new = answer.field("digest");
    assert_ne!(new, digest);
    assert_eq!(left(&tree, SESSION), IDS);
    // The pin holds, whatever is asked for.
    let pairs = [
        ("recipe", "choice"),
        ("digest", new.as_str()),
        ("name", SESSION),
        ("confirm", "1"),
        ("id", "0"),
        ("id", "1"),
    ];
    browser.post(&format!("{}/apply", server.root), &pairs).is(200);
    assert_eq!(left(&tree, SESSION).len(), 8);
    assert!(left(&tree, SESSION).contains(&"0".to_owned()));
}

#[test]
fn a_wrong_number_deletes_nothing() {
    let tree = nsml::storage();
    let server = Server::start(&tree);
    let browser = server.browser();
    let digest = review(&browser, &["0"]);
    for typed in ["", "2", "yes", "0"] {
        let pairs = [
            ("recipe", "choice"),
            ("digest", &digest),
            ("name", SESSION),
            ("id", "0"),
            ("confirm", typed),
        ];
        browser.post(&format!("{}/apply", server.root), &pairs).is(422);
    }
    apply(&browser, &["0"], &"0".repeat(64)).is(409);
    // The digest is of these ids and no others.
    apply(&browser, &["1"], &digest).is(409);
    assert_eq!(left(&tree, SESSION), IDS);
}

#[test]
fn without_allow_delete_nothing_changes() {
    let tree = nsml::storage();
    let before = Snapshot::of(tree.path());
    let server = Server::with(&tree, &[]);
    let browser = server.browser();
    let page = browser.session(SESSION).is(200).body;
    assert!(page.contains("Read-only") && !page.contains("value=\"pin\""));
    let digest = digest_of(&server, "0");
    apply(&browser, &["0"], &digest).is(403);
    let session = format!("{}/session", server.root);
    browser.post(&session, &[("name", SESSION), ("id", "0"), ("action", "pin")]).is(403);
    browser.post(&format!("{}/undo", server.root), &[("run", "x")]).is(403);
    browser.post(&format!("{}/purge", server.root), &[("run", "x"), ("confirm", "1")]).is(403);
    before.assert_same(&Snapshot::of(tree.path()));
}

#[test]
fn pins_and_tags_are_those_of_the_command_line() {
    let tree = nsml::storage();
    let server = Server::start(&tree);
    let browser = server.browser();
    let path = format!("{}/session", server.root);
    let pairs = [("name", SESSION), ("id", "3"), ("action", "pin"), ("why", "the <best>")];
    let page = browser.post(&path, &pairs).is(200).body;
    assert!(page.contains("pinned"), "{page}");
    let tag = [("name", SESSION), ("id", "4"), ("action", "tag"), ("tag", "paper")];
    assert!(browser.post(&path, &tag).is(200).body.contains("#paper"));
    browser.post(&path, &[("name", SESSION), ("id", "4"), ("action", "tag")]).is(422);
    let late = [("name", SESSION), ("id", "4"), ("action", "pin"), ("until", "2001-01-01")];
    browser.post(&path, &late).is(422);
    let run = nsml::world(&tree).run(["ls", SESSION, "-l"]).ok();
    assert!(run.stdout.contains("pinned") && run.stdout.contains("#paper"), "{run}");
    let refused = browser.post(&path, &[("name", SESSION), ("id", "3")]).is(200).body;
    assert!(refused.contains("id=\"stays\"") && !refused.contains("id=\"apply\""), "{refused}");
    let digest = digest_of(&server, "3");
    apply(&browser, &["3"], &digest).is(422);
    assert_eq!(left(&tree, SESSION), IDS);
}

#[test]
fn the_policys_plan_is_shown_and_carried_out() {
    let tree = nsml::storage();
    tree.file(
        "policy.toml",
        "version = 1\nmin-age = \"0s\"\n[[policy]]\nname = \"p\"\nkeep = [{ last = 2 }]\n",
    );
    let args = ["--allow-delete", "--policy", "policy.toml"];
    // A file's ctime is today's: only later than that is anything old enough.
    let server = Server::at(&tree, crate::support::NOW, &args);
    let browser = server.browser();
    let plan = browser.get(&format!("{}/plan", server.root)).is(200);
    assert_eq!(plan.body.matches("data-standing=\"delete\"").count(), 7, "{}", plan.body);
    let digest = plan.field("digest");
    let kept = browser.get(&format!("{}/plan?verdict=protected", server.root)).is(200);
    assert!(kept.body.contains("min-keep") || kept.body.contains("last 1/2"), "{}", kept.body);
    let pairs =
        |n: &'static str| [("recipe", "policy"), ("digest", digest.as_str()), ("confirm", n)];
    browser.post(&format!("{}/apply", server.root), &pairs("6")).is(422);
    assert_eq!(left(&tree, SESSION), IDS);
    let done = browser.post(&format!("{}/apply", server.root), &pairs("7")).is(200);
    assert!(done.body.contains("Moved 7 checkpoints"), "{}", done.body);
    assert_eq!(left(&tree, SESSION).len(), 2);
    let file = browser.get(&format!("{}/plan.json", server.root)).is(200);
    assert_eq!(file.json()["format"], "retain-plan/1");
}

#[test]
fn a_faulty_policy_deletes_nothing_not_even_by_choice() {
    let tree = nsml::storage();
    tree.file("policy.toml", "version = 1\n[[policy]]\nname = \"p\"\nkeep = [{ lost = 2 }]\n");
    let server = Server::with(&tree, &["--allow-delete", "--policy", "policy.toml"]);
    let browser = server.browser();
    let plan = browser.get(&format!("{}/plan", server.root)).is(200);
    assert!(plan.body.contains("is not a valid policy"), "{}", plan.body);
    let digest = review(&browser, &["0"]);
    let answer = apply(&browser, &["0"], &digest).is(200);
    assert!(answer.body.contains("data-phase=\"failed\""), "{}", answer.body);
    assert_eq!(left(&tree, SESSION), IDS);
}

#[test]
fn both_languages() {
    let tree = nsml::storage();
    let server = Server::start(&tree);
    let browser = server.browser();
    let headers = [("Cookie", browser.cookie.as_str()), ("Accept-Language", "ko-KR,en;q=0.5")];
    let path = format!("{}/sessions", server.root);
    let page = server.send("GET", &path, &headers, "").is(200).body;
    assert!(page.contains("<html lang=\"ko\">") && page.contains("저장소 관리"), "{page}");
    let back = format!("/lang?to=en&back={}", crate::http::escape(&path));
    let answer = server.send("GET", &back, &headers, "").is(303);
    assert_eq!(answer.header("location"), Some(path.as_str()));
    assert!(answer.header("set-cookie").unwrap().starts_with("retain-lang=en"));
    let asked = format!("{path}?q=a%2Fb&sort=size");
    let to = format!("/lang?to=en&back={}", crate::http::escape(&asked));
    let answer = server.send("GET", &to, &headers, "").is(303);
    assert_eq!(answer.header("location"), Some(asked.as_str()));
    // Browsers leave out tabs and line ends, wherever they stand.
    for away in [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "/\t/evil.example/",
        "\t//evil.example",
        "/\n/evil.example",
        "/\r/evil.example",
        "/ /evil.example",
        "/sessions?q=\ta",
        "/../evil",
        "/세션",
    ] {
        let to = format!("/lang?to=en&back={}", crate::http::escape(away));
        let answer = server.send("GET", &to, &headers, "").is(303);
        assert_eq!(answer.header("location"), Some("/"), "{away}");
    }
}

#[test]
fn several_roots_in_one_process() {
    let (a, b) = (nsml::storage(), Tree::new());
    nsml::write_as(&b, "other/mnist/9");
    nsml::world(&b).run(["init"]).ok();
    let (one, two) = (a.path().to_str().unwrap(), b.path().to_str().unwrap());
    let server = Server::with(&a, &[one, two, "--allow-delete"]);
    let roots = server.api("/roots");
    assert_eq!(roots["roots"].as_array().unwrap().len(), 2);
    let second = roots["roots"][1]["root"].as_str().unwrap().to_owned();
    let browser = server.browser();
    for _ in 0..100 {
        let page = browser.get(&format!("/r/{second}/sessions"));
        if page.status == 200 {
            assert!(page.body.contains("other/mnist/9") && !page.body.contains(SESSION));
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("the second root was never scanned: {}", form(&[("root", &second)]));
}

#[test]
fn the_overview_says_what_takes_the_space_and_what_could_go() {
    let tree = Tree::new();
    nsml::write_as(&tree, SESSION);
    nsml::write_as(&tree, "other/cifar/1");
    nsml::world(&tree).run(["init"]).ok();
    tree.file(
        "policy.toml",
        "version = 1\nmin-age = \"0s\"\n[[policy]]\nname = \"p\"\nkeep = [{ last = 2 }]\n\
         [[quota]]\nname = \"small\"\nper = \"owner\"\nmax-bytes = \"1KiB\"\non-exceed = \"report\"\n",
    );
    let server = Server::with(&tree, &["--policy", "policy.toml"]);
    let browser = server.browser();
    let page = browser.get("/").is(200).body;
    for text in ["nsmlteam", "other", "exceeded", "no rule", "14 checkpoints", "id=\"map-wide\""] {
        assert!(page.contains(text), "{text}: {page}");
    }
    // Each cell of the map leads to its list.
    let link = page.split("<a href=\"").find(|l| l.contains("session?name=other")).unwrap();
    let link = link.split('"').next().unwrap().replace("&#38;", "&");
    assert!(browser.get(&link).is(200).body.contains("other/cifar/1"));
}

#[test]
fn the_trash_restores_and_purges() {
    let tree = nsml::storage();
    let server = Server::start(&tree);
    let browser = server.browser();
    let trash = || browser.get(&format!("{}/trash", server.root)).is(200).body;
    assert!(trash().contains("Nothing was ever deleted here"));
    let ids = ["0", "1", "2"];
    let digest = review(&browser, &ids);
    let run = apply(&browser, &ids, &digest).is(200).field("run");
    assert!(trash().contains(&run) && trash().contains("3 checkpoints"));
    let page = browser.get(&format!("{}/run?run={run}", server.root)).is(200).body;
    assert!(page.contains("chosen by hand") && page.contains("id=\"purge\""), "{page}");
    let one = [("run", run.as_str()), ("session", SESSION), ("id", "1")];
    browser.post(&format!("{}/undo", server.root), &one).is(200);
    assert_eq!(left(&tree, SESSION).len(), 7);
    let purge = |n: &str| {
        let pairs = [("run", run.as_str()), ("confirm", n)];
        browser.post(&format!("{}/purge", server.root), &pairs)
    };
    purge("3").is(422);
    assert!(purge("2").is(200).body.contains("Purged 2 checkpoints"));
    assert!(trash().contains("The trash is empty"));
    browser.get(&format!("{}/run?run=nothing", server.root)).is(404);
    browser.post(&format!("{}/undo", server.root), &[("run", "nothing")]).is(404);
}

#[test]
fn the_scratch_sheet_tells_and_saves_nothing() {
    let tree = nsml::storage();
    let text = "version = 1\nmin-age = \"0s\"\n[[policy]]\nname = \"p\"\nkeep = [{ last = 5 }]\n";
    tree.file("policy.toml", text);
    let before = Snapshot::of(tree.path());
    let server = Server::with(&tree, &["--policy", "policy.toml"]);
    let browser = server.browser();
    let path = format!("{}/policy", server.root);
    let page = browser.get(&path).is(200).body;
    assert!(page.contains("last = 5") && page.contains("min-keep"), "{page}");
    let new = text.replace("last = 5", "last = 2").replace('\n', "\r\n");
    let tried = browser.post(&path, &[("text", &new), ("action", "try")]).is(200).body;
    assert!(tried.contains("newly deleted 3 checkpoints"), "{tried}");
    assert_eq!(tried.matches("newly deleted</span>").count(), 3);
    let wrong = text.replace("last = 5", "lost = 5");
    let faulty = browser.post(&path, &[("text", &wrong), ("action", "try")]).is(200).body;
    assert!(faulty.contains("not a valid policy yet") && faulty.contains("<li value=\"5\">"));
    // Other layouts would recognise what this scan did not.
    let layout = format!("{new}[[layout]]\nname = \"mine\"\nregex = 'net-(?<step>\\d+)'\n");
    let other = browser.post(&path, &[("text", &layout), ("action", "try")]).is(200).body;
    assert!(
        other.contains("declares other layouts") && !other.contains("newly deleted"),
        "{other}"
    );
    let file = browser.post(&path, &[("text", &new), ("action", "download")]).is(200);
    assert_eq!(file.body, text.replace("last = 5", "last = 2"));
    assert!(file.header("content-disposition").unwrap().contains("policy.toml"));
    before.assert_same(&Snapshot::of(tree.path()));
}

#[test]
fn an_empty_root_says_what_to_do() {
    let tree = Tree::new();
    nsml::world(&tree).run(["init"]).ok();
    let server = Server::start(&tree);
    let browser = server.browser();
    for page in ["", "/sessions", "/plan", "/trash", "/policy"] {
        let body = browser.get(&format!("{}{page}", server.root)).is(200).body;
        assert!(body.contains("</html>"), "{page}");
    }
    let body = browser.get(&server.root).body;
    assert!(body.contains("no sessions here yet") && body.contains("retain ls --unrecognised"));
}

#[test]
fn usage_over_time_grows_by_a_point_with_each_run_of_the_policy() {
    let tree = nsml::storage();
    tree.file(
        "policy.toml",
        "version = 1\nmin-age = \"0s\"\n[[policy]]\nname = \"p\"\nkeep = [{ last = 2 }]\n",
    );
    let args = ["--allow-delete", "--policy", "policy.toml"];
    let server = Server::with(&tree, &args);
    let browser = server.browser();
    assert!(browser.get("/").is(200).body.contains("no history yet"));
    let digest = browser.get(&format!("{}/plan", server.root)).is(200).field("digest");
    let pairs = [("recipe", "policy"), ("digest", digest.as_str()), ("confirm", "7")];
    browser.post(&format!("{}/apply", server.root), &pairs).is(200);
    settled(&server, 2);
    let path = format!("/roots/{}/usage", server.slug());
    for _ in 0..200 {
        // The point is there after the scan that follows the run.
        if server.api(&path)["timeline"].as_array().unwrap().len() == 1 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let page = browser.get("/").is(200).body;
    assert!(page.contains("id=\"history\"") && page.contains("id=\"timeline\""), "{page}");
    let usage = server.api(&path);
    assert_eq!(usage["timeline"].as_array().unwrap().len(), 1, "{usage}");
    let cli = nsml::world(&tree)
        .run(["usage", "--by", "owner,outcome", "--policy", "policy.toml", "--json"])
        .json();
    for key in ["format", "total", "trash", "groups", "quotas", "timeline", "now"] {
        assert_eq!(usage[key], cli[key], "{key}");
    }
}

#[test]
fn the_demo_opens_with_a_year_and_a_run_to_undo() {
    use std::io::BufRead as _;
    let world = crate::support::World::new().in_real_time();
    let dir = world.home().join("sample");
    let mut command = world.command(["demo", dir.to_str().unwrap(), "--serve"]);
    let mut child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    let link = lines.map(Result::unwrap).find(|l| l.starts_with("administrator: ")).unwrap();
    let link = link.trim_start_matches("administrator: http://").to_owned();
    let (host, path) = link.split_once('/').unwrap();
    let ask = |path: &str, cookie: &str| {
        let text = format!(
            "GET /{path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
        );
        crate::http::raw(host.parse().unwrap(), text.as_bytes()).unwrap()
    };
    let cookie = ask(path, "x=y").is(303).header("set-cookie").unwrap().to_owned();
    let cookie = cookie.split(';').next().unwrap();
    let page = (0..200)
        .map(|_| ask("r/storage", cookie))
        .inspect(|_| std::thread::sleep(std::time::Duration::from_millis(50)))
        .find(|a| a.status == 200)
        .expect("a page")
        .body;
    let trash = ask("r/storage/trash", cookie).is(200).body;
    let _ = child.kill();
    let _ = child.wait();
    assert!(page.matches("<tr><th scope=\"row\"><time").count() > 50, "a year: {page}");
    for text in ["team storage", "full in", "Reclaimable now", "nsmlteam"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(trash.contains("3 checkpoints") && trash.contains("Restore"), "{trash}");
}

#[test]
fn an_odd_name_is_restored_as_its_page_shows_it() {
    let (tree, session) = (Tree::new(), "team/a\u{3000}b/1");
    nsml::write_as(&tree, session);
    let world = nsml::world(&tree);
    world.run(["init"]).ok();
    let run = world.run(["rm", session, "0", "1", "--yes", "--json"]).ok().json();
    let run = run["run"].as_str().unwrap();
    let server = Server::start(&tree);
    let browser = server.browser();
    let page = browser.get(&format!("{}/run?run={run}", server.root)).is(200).body;
    let printed = "team/a\\u{3000}b/1";
    assert!(page.contains(printed), "{page}");
    let undo = |id: &'static str| [("run", run), ("session", printed), ("id", id)].to_vec();
    browser.post(&format!("{}/undo", server.root), &undo("1")).is(200);
    assert_eq!(left(&tree, session).len(), 8);
    browser.post(&format!("{}/undo", server.root), &undo("0")[..2]).is(200);
    assert_eq!(left(&tree, session), IDS);
}
