//! Getting in, and what is said to those who do not (W4, W5, W10, W11, W12, W14).

use crate::http::{form, raw};
use crate::nsml::{self, SESSION};
use crate::server::Server;
use crate::support::{Tree, World};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;

#[test]
fn every_route_needs_a_token() {
    let tree = nsml::storage();
    let server = Server::start(&tree);
    let paths = [
        "/",
        "/lang",
        "/assets/app.css",
        "/jobs/x",
        "/nothing",
        "/api/v1/openapi.json",
        "/api/v1/roots",
        "/api/v1/jobs/x/events",
        "/api/nothing",
    ];
    for path in paths {
        server.send("GET", path, &[], "").is(401);
    }
    for page in ["sessions", "session?name=x", "plan", "plan.json"] {
        server.send("GET", &format!("{}/{page}", server.root), &[], "").is(401);
    }
    for path in ["apply", "undo", "purge", "scan", "session"] {
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        server.send("POST", &format!("{}/{path}", server.root), &headers, "a=b").is(401);
    }
    server.send("GET", "/login", &[], "").is(200);
    assert_eq!(nsml::left(&tree, SESSION), nsml::IDS);
}

#[test]
fn w4_wrong_tokens_are_refused_and_slowed() {
    let tree = nsml::storage();
    let (server, other) = (Server::start(&tree), Server::start(&tree));
    let token = server.token("administrator");
    server.get_as(&token, "/api/v1/roots").is(200);
    let foreign = other.token("administrator");
    let wrong = [
        "",
        &token[..63],
        &format!("{token}0"),
        &token.to_uppercase(),
        &foreign,
        &"a".repeat(9000),
    ];
    for token in wrong {
        server.get_as(token, "/api/v1/roots").is(401);
    }
    let too_many = (0..60).map(|_| server.get_as("wrong", "/api/v1/roots").status);
    assert!(too_many.collect::<Vec<_>>().contains(&429));
    // Whoever has the right one is not locked out by those who guess.
    server.get_as(&token, "/api/v1/roots").is(200);
}

#[test]
fn a_link_works_once_and_leaves_no_secret_in_the_address() {
    let tree = nsml::storage();
    let server = Server::start(&tree);
    let browser = server.browser();
    browser.get("/").is(200);
    let path = server.links[0].1.split_once("/login").unwrap().1;
    let again = server.send("GET", &format!("/login{path}"), &[], "").is(401);
    assert!(again.header("set-cookie").is_none());
    // The link is no token, and the cookie is none.
    let secret = path.split_once('=').unwrap().1;
    server.get_as(secret, "/api/v1/roots").is(401);
    server.get_as(browser.cookie.split_once('=').unwrap().1, "/api/v1/roots").is(401);
}

#[test]
fn w14_the_cookie_is_ours_alone_and_closed_to_scripts() {
    let tree = nsml::storage();
    let (server, other) = (Server::start(&tree), Server::start(&tree));
    let path = server.links[0].1.split_once("/login").unwrap().1;
    let answer = server.send("GET", &format!("/login{path}"), &[], "").is(303);
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let (name, theirs) = (cookie.split('=').next().unwrap(), other.browser().cookie);
    assert_ne!(name, theirs.split('=').next().unwrap(), "two servers, two names");
    // Another service on this host set a cookie of our name: ours still counts.
    let both = format!("{name}=planted; {theirs}; {}", cookie.split(';').next().unwrap());
    server.send("GET", "/", &[("Cookie", &both)], "").is(303);
    server.send("GET", "/", &[("Cookie", &theirs)], "").is(401);
}

#[test]
fn a_token_signs_in_and_out() {
    let tree = nsml::storage();
    let server = Server::start(&tree);
    let token = server.token("administrator");
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let answer = server.send("POST", "/login", &headers, &form(&[("token", &token)])).is(303);
    let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    server.send("POST", "/login", &headers, &form(&[("token", "wrong")])).is(401);
    let browser = crate::server::Browser { server: &server, cookie };
    browser.get("/").is(200);
    browser.post("/logout", &[]).is(200);
    server.send("GET", "/", &[("Cookie", &browser.cookie)], "").is(401);
}

#[test]
fn w10_the_token_is_in_no_list_log_or_environment() {
    let tree = nsml::storage();
    let server = Server::start(&tree);
    let token = server.token("administrator");
    let mode = std::fs::metadata(server.tokens()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for file in ["cmdline", "environ"] {
        let Ok(text) = std::fs::read(format!("/proc/{}/{file}", server.pid())) else { continue };
        assert!(!String::from_utf8_lossy(&text).contains(&token), "{file}");
    }
    let browser = server.browser();
    let body = &[("name", SESSION), ("id", "0"), ("action", "pin"), ("why", "x")];
    browser.post(&format!("{}/session", server.root), body).is(200);
    let audit = server.audit();
    assert!(audit.contains("pin") && !audit.contains(&token), "{audit}");
    assert!(!audit.contains(browser.cookie.split_once('=').unwrap().1));
    let page = browser.session(SESSION).is(200);
    assert_eq!(page.header("referrer-policy"), Some("same-origin"));
    assert!(!page.body.contains(&token));
    // No core file: the process is not dumpable, which Linux shows by who owns its files.
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    assert!(status.contains("retain"), "{status}");
}

#[test]
fn w5_a_token_file_that_others_can_read_is_refused() {
    let tree = nsml::storage();
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("tokens.toml");
    std::fs::write(&file, "").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let shown = file.to_str().unwrap();
    let run = nsml::world(&tree).run(["serve", "--allow-root", "--tokens", shown]).code(6);
    assert!(run.stderr.contains("read by others"), "{run}");
}

#[test]
fn w11_root_is_refused_unless_said() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let tree = nsml::storage();
    nsml::world(&tree).run(["serve"]).code(6).warns("--allow-root");
}

#[test]
fn w12_an_address_that_is_taken_gives_no_link() {
    let tree = nsml::storage();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let run = nsml::world(&tree).run(["serve", "--allow-root", "--listen", &address]).code(1);
    assert!(!run.stdout.contains("once="), "{run}");
    let run = nsml::world(&tree).run(["serve", "--allow-root", "--listen", "0.0.0.0:0"]).code(2);
    assert!(run.stderr.contains("other machines"), "{run}");
}

#[test]
fn a_socket_is_its_owners_and_is_cleared_away() {
    let tree = nsml::storage();
    let state = tempfile::tempdir().unwrap();
    let (socket, tokens) = (state.path().join("s"), state.path().join("t"));
    let args = |world: &World| {
        let mut command = world.command(["serve", "--allow-root"]);
        command.arg("--listen").arg(&socket).arg("--tokens").arg(&tokens);
        command
    };
    let world = nsml::world(&tree);
    let mut child = args(&world).stdout(std::process::Stdio::null()).spawn().unwrap();
    for _ in 0..200 {
        if socket.exists() && std::os::unix::net::UnixStream::connect(&socket).is_ok() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let second = args(&world).output().unwrap();
    assert_eq!(second.status.code(), Some(1), "another server listens there");
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&child),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    assert!(child.wait().unwrap().success());
    assert!(!socket.exists());
}

/// A proxy that cannot send the rest of a request makes an answer of its own.
#[test]
fn a_refusal_comes_although_the_form_was_long() {
    let tree = nsml::storage();
    let state = tempfile::tempdir().unwrap();
    let (socket, tokens) = (state.path().join("s"), state.path().join("t"));
    let mut command = nsml::world(&tree).command(["serve", "--allow-root", "--host", "lab"]);
    command.arg("--listen").arg(&socket).arg("--tokens").arg(&tokens);
    let mut child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
    let mut stream = (0..200).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        UnixStream::connect(&socket).ok()
    });
    let stream = stream.as_mut().expect("it listens");
    // More than a socket holds by itself.
    let form = "x=".to_owned() + &"a".repeat(900_000);
    let head = format!(
        "POST /login HTTP/1.1\r\nHost: lab\r\nOrigin: https://elsewhere.example\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n",
        form.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(form.as_bytes()).expect("nobody hangs up");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn it_works_below_a_prefix_behind_a_proxy() {
    let tree = nsml::storage();
    let server = Server::with(&tree, &["--prefix", "/tools/retain", "--host", "Lab.example"]);
    let browser = server.browser();
    let page = browser.session(SESSION).is(200);
    for link in page.body.split("href=\"").skip(1).filter_map(|l| l.split('"').next()) {
        assert!(link.starts_with("/tools/retain/") || link.starts_with('#'), "{link}");
    }
    browser.get("/assets/app.css").is(200);
    let headers = [("Host", "lab.example"), ("Cookie", browser.cookie.as_str())];
    server.send("GET", "/api/v1/roots", &headers, "").is(200);
    let outside = format!(
        "GET /api/v1/roots HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        server.address
    );
    raw(server.address, outside.as_bytes()).unwrap().is(404);
    let _: &Tree = &tree;
}
