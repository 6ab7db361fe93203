//! What a page elsewhere, a program without manners or a hostile name may try (W1 to W3, W6 to W9,
//! W13).

use crate::http::{escape, form, raw, read};
use crate::nsml::{self, SESSION};
use crate::server::Server;
use crate::support::Tree;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

#[test]
fn w1_only_our_own_host_is_answered() {
    let tree = nsml::storage();
    let server = Server::start(&tree);
    let token = server.token("administrator");
    let ask = |target: &str, hosts: &[String]| {
        let hosts: String = hosts.iter().map(|h| format!("Host: {h}\r\n")).collect();
        let text = format!(
            "GET {target} HTTP/1.1\r\n{hosts}Authorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        raw(server.address, text.as_bytes()).unwrap().status
    };
    let own = server.address.to_string();
    let port = server.address.port();
    assert_eq!(ask("/api/v1/roots", std::slice::from_ref(&own)), 200);
    assert_eq!(ask("/api/v1/roots", &[format!("LOCALHOST:{port}")]), 200);
    for host in [
        "evil.example".to_owned(),
        "127.0.0.1:1".to_owned(),
        "127.0.0.1".to_owned(),
        format!("evil.example:{port}"),
        format!("{own}.evil.example"),
        String::new(),
    ] {
        assert_eq!(ask("/api/v1/roots", std::slice::from_ref(&host)), 403, "{host}");
    }
    assert_eq!(ask("/api/v1/roots", &[]), 400);
    assert_eq!(ask("/api/v1/roots", &[own.clone(), own.clone()]), 400);
    assert_eq!(ask(&format!("http://{own}/api/v1/roots"), std::slice::from_ref(&own)), 400);
    assert_eq!(ask("http://evil.example/api/v1/roots", &[own]), 400);
}

#[test]
fn w2_w3_a_page_elsewhere_changes_nothing() {
    let tree = nsml::storage();
    let server = Server::start(&tree);
    let browser = server.browser();
    let csrf = browser.csrf();
    let origin = format!("http://{}", server.address);
    let path = format!("{}/session", server.root);
    let pin = |more: &[(&str, &str)], csrf: &str| {
        let body = form(&[("csrf", csrf), ("name", SESSION), ("id", "0"), ("action", "pin")]);
        let mut headers = vec![("Cookie", browser.cookie.as_str())];
        headers.extend(more);
        if !more.iter().any(|(n, _)| *n == "Content-Type") {
            headers.push(("Content-Type", "application/x-www-form-urlencoded"));
        }
        server.send("POST", &path, &headers, &body).status
    };
    let mine = ("Origin", origin.as_str());
    assert_eq!(pin(&[("Origin", "http://evil.example")], &csrf), 403);
    assert_eq!(pin(&[("Origin", "null")], &csrf), 403);
    assert_eq!(pin(&[("Origin", "http://127.0.0.1:1")], &csrf), 403, "another port is elsewhere");
    assert_eq!(pin(&[("Sec-Fetch-Site", "cross-site")], &csrf), 403);
    assert_eq!(pin(&[("Sec-Fetch-Site", "same-site")], &csrf), 403);
    assert_eq!(pin(&[mine, ("Sec-Fetch-Site", "cross-site")], &csrf), 403);
    assert_eq!(pin(&[mine], ""), 403, "without the form's own proof");
    assert_eq!(pin(&[mine], &csrf.replace('a', "b")), 403);
    assert_eq!(pin(&[mine, ("Content-Type", "text/plain")], &csrf), 415);
    assert_eq!(pin(&[mine, ("Content-Type", "multipart/form-data; boundary=x")], &csrf), 415);
    assert!(!tree.exists("nsmlteam/mnist/4/nsml_model/.retain/marks.toml"), "nothing was marked");
    assert_eq!(pin(&[mine, ("Sec-Fetch-Site", "same-origin")], &csrf), 303);
    assert!(tree.exists("nsmlteam/mnist/4/nsml_model/.retain/marks.toml"));
}

#[test]
fn w2_w13_nothing_is_embedded_or_watched_from_elsewhere() {
    let tree = nsml::storage();
    let server = Server::start(&tree);
    let browser = server.browser();
    let get = |path: &str, more: &[(&str, &str)]| {
        let mut headers = vec![("Cookie", browser.cookie.as_str())];
        headers.extend(more);
        server.send("GET", path, &headers, "").status
    };
    let page = format!("{}/sessions", server.root);
    let image = [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Mode", "no-cors"),
        ("Sec-Fetch-Dest", "image"),
    ];
    assert_eq!(get(&page, &image), 403);
    let frame = [
        ("Sec-Fetch-Site", "same-site"),
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-Fetch-Dest", "iframe"),
    ];
    assert_eq!(get(&page, &frame), 403);
    let link = [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-Fetch-Dest", "document"),
    ];
    assert_eq!(get(&page, &link), 200, "a link from elsewhere may lead here");
    let events = server.of_root("events");
    assert_eq!(get(&events, &[("Origin", "http://evil.example")]), 403);
    assert_eq!(get(&events, &[("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "cors")]), 403);
    let upgrade = [
        ("Origin", "http://evil.example"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Key", "x"),
        ("Sec-WebSocket-Version", "13"),
    ];
    assert_eq!(get(&events, &upgrade), 403);
}

#[test]
fn w6_paths_lead_nowhere_else() {
    let tree = nsml::storage();
    let server = Server::start(&tree);
    let token = server.token("administrator");
    for path in [
        "/..%2fetc/passwd",
        "/assets/..%2f..%2fCargo.toml",
        "/assets/%252e%252e/x",
        "/assets/a\\b",
        "/assets/%00",
        "//etc/passwd",
        "/assets//etc/passwd",
        "/r/../../etc",
        "/r/%2e%2e/sessions",
        "/assets/./app.css",
        "/r/x/sessions",
    ] {
        let answer = server.get_as(&token, path);
        assert!([400, 404].contains(&answer.status), "{path}: {answer:?}");
        assert!(!answer.body.contains("root:"), "{path}");
    }
    for name in ["../../etc", "/etc", "nsmlteam/mnist/../mnist/4", "a\0b", "."] {
        let page = format!("{}/session?name={}", server.root, escape(name));
        server.get_as(&token, &page).is(404);
        let body = serde_json::json!({ "session": name, "checkpoint": ["*"] });
        server.post_as(&token, &server.of_root("choice"), &body).is(404);
    }
}

#[test]
fn w7_a_hostile_name_is_text() {
    let tree = Tree::new();
    let evil = "te<img src=x onerror=alert(1)>am/d'\"&{{7*7}}/1";
    nsml::write_as(&tree, evil);
    let odd = "t/</script><script>alert(1)</script>/2";
    nsml::write_as(&tree, odd);
    nsml::world(&tree).run(["init"]).ok();
    tree.file(
        "policy.toml",
        "version = 1\n[[policy]]\nname = \"<svg onload=alert(1)>\"\nkeep = [{ last = 1 }]\nmin-age=\"0s\"\n",
    );
    let server = Server::with(&tree, &["--allow-delete", "--policy", "policy.toml"]);
    let browser = server.browser();
    let error = browser
        .post(&format!("{}/session", server.root), &[("name", evil), ("pattern", "<b>x</b>")]);
    for page in [
        browser.get(&format!("{}/sessions?q=%3Cb%3E", server.root)),
        browser.get(&format!("{}/sessions", server.root)),
        browser.session(evil),
        browser.session(odd),
        browser.get(&format!("{}/plan", server.root)),
        browser.get(&format!("{}/session?name=%3Cb%3Ex", server.root)),
        error,
    ] {
        assert!(page.body.contains("</html>"), "{page:?}");
        for tag in ["<img", "<script>", "<svg onload", "<b>", "{{"] {
            let meant = tag == "{{" && page.body.contains("{{7*7}}");
            assert!(meant || !page.body.contains(tag), "{tag}: {}", page.body);
        }
    }
    let listed = browser.get(&format!("{}/sessions", server.root)).body;
    assert!(
        listed.contains("onerror=alert(1)&#62;am") || listed.contains("onerror=alert(1)&gt;am")
    );
    // And it can be deleted like any other.
    let page =
        browser.post(&format!("{}/session", server.root), &[("name", evil), ("id", "0")]).is(200);
    let digest = page.field("digest");
    let pairs =
        [("recipe", "choice"), ("digest", &digest), ("name", evil), ("id", "0"), ("confirm", "1")];
    browser.post(&format!("{}/apply", server.root), &pairs).is(200);
    assert_eq!(nsml::left(&tree, evil).len(), 8);
}

/// What turns text round, and what no form gives back as it was, is written out; what is chosen by
/// it is found all the same.
#[test]
fn w7_names_in_lists_to_choose_from_are_printed() {
    let tree = Tree::new();
    let odd = ["ev\u{202e}il", "li\nne", "es\u{1b}[31mc"];
    for owner in odd {
        nsml::write_as(&tree, &format!("{owner}/d/1"));
    }
    let metric = r#"{"checkpoint":"0","summary":{"loss":1,"ac\u202ec\n":2}}"#;
    let session = format!("{}/d/1", odd[0]);
    tree.file(format!("{session}/nsml_model/0/metadata.json"), metric);
    nsml::world(&tree).run(["init"]).ok();
    let server = Server::start(&tree);
    let browser = server.browser();
    let clean = |page: &str| {
        let found = ["\u{202e}", "\u{1b}", "li\nne", "ac\n"].iter().find(|c| page.contains(**c));
        assert_eq!(found, None, "{page}");
    };
    let printed = [r"ev\u{202e}il", r"li\nne", r"es\u{1b}[31mc"];
    for (raw, name) in odd.iter().zip(printed) {
        for asked in [raw, name] {
            let path = format!("{}/sessions?owner={}", server.root, escape(asked));
            let page = browser.get(&path).is(200).body;
            clean(&page);
            assert!(page.contains(&format!("<option value=\"{name}\" selected>{name}<")), "{page}");
            let others = printed.iter().filter(|p| page.contains(&format!("{p}/d/1")));
            assert_eq!(others.collect::<Vec<_>>(), [&name], "{page}");
        }
    }
    let page = browser.session(&session).is(200).body;
    clean(&page);
    assert!(page.contains(r#"<option value="loss" selected>"#), "{page}");
    let path = format!(
        "{}/session?name={}&metric={}",
        server.root,
        escape(&session),
        escape(r"ac\u{202e}c\n")
    );
    let page = browser.get(&path).is(200).body;
    assert!(page.contains(r#"<option value="ac\u{202e}c\n" selected>"#), "{page}");
    assert!(page.contains("metric=ac%E2%80%AEc%0A"), "the curve is asked for by its name: {page}");
}

#[test]
fn w8_every_answer_is_sealed() {
    let tree = nsml::storage();
    let server = Server::start(&tree);
    let token = server.token("administrator");
    let answers = [
        server.get_as(&token, &format!("{}/sessions", server.root)),
        server.get_as(&token, "/api/v1/roots"),
        server.get_as(&token, "/assets/app.js"),
        server.get_as(&token, "/nothing"),
        server.get_as("wrong", "/"),
        server.send("GET", "/login", &[], ""),
        server.send("DELETE", "/", &[], ""),
        server.send("GET", "/", &[("Host", "evil.example")], ""),
    ];
    for answer in answers {
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'")
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        // What the policy forbids is not in the pages either.
        let body = answer.body.replace("<script src=", "");
        if answer.header("content-type").is_some_and(|t| t.contains("html")) {
            for inline in ["<script", "<style", " style=", " onclick=", " onload=", "javascript:"] {
                assert!(!body.contains(inline), "{inline}: {body}");
            }
        }
    }
}

#[test]
fn w9_slow_long_and_many_are_bounded() {
    let tree = nsml::storage();
    let server = Server::start(&tree);
    let token = server.token("administrator");
    // A gibibyte is announced: the answer comes before it is sent.
    let head = format!(
        "POST /api/v1/roots/x/scan HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: 1073741824\r\n\r\n",
        server.address
    );
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let chunk = vec![b' '; 64 << 10];
    let mut sent = 0_usize;
    while sent < 1 << 30 {
        match stream.write(&chunk) {
            Ok(n) => sent += n,
            Err(_) => break,
        }
    }
    assert!(sent < 64 << 20, "{sent} bytes were taken in");
    // The end of the body, and of the request line, is the server's to choose.
    let long = format!("GET /{} HTTP/1.1\r\nHost: {}\r\n\r\n", "a".repeat(1 << 20), server.address);
    let status = raw(server.address, long.as_bytes()).map(|a| a.status);
    assert!(matches!(status, None | Some(400 | 414 | 431)), "{status:?}");
    // Headers that do not end are cut off.
    let mut slow = TcpStream::connect(server.address).unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-").unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    let mut rest = Vec::new();
    assert!(slow.read_to_end(&mut rest).is_ok(), "the server closed it");
    // Hundreds of idle connections, and it still answers.
    let many: Vec<_> = (0..300).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    server.get_as(&token, "/api/v1/roots").is(200);
    drop(many);
}

#[test]
fn w9_a_request_has_one_end() {
    let tree = nsml::storage();
    let server = Server::start(&tree);
    let token = server.token("administrator");
    let smuggled = "GET /api/v1/roots HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    for lengths in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Content-Length: 4\r\nContent-Length: 5\r\n",
        "Content-Length: +4\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
    ] {
        let text = format!(
            "POST /api/v1/roots/x/scan HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\n{lengths}Connection: close\r\n\r\n0\r\n\r\n{smuggled}",
            server.address
        );
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.matches("HTTP/1.1 ").count() <= 1, "{lengths}: {answer}");
        assert!(!answer.contains(" 202 "), "{lengths}: {answer}");
    }
    let chunk = format!(
        "POST /api/v1/roots/x/scan HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\nx\r\n0\r\n\r\n",
        server.address
    );
    let stream = TcpStream::connect(server.address).unwrap();
    (&stream).write_all(chunk.as_bytes()).unwrap();
    let answer = read(stream);
    assert!(answer.as_ref().is_none_or(|a| a.status == 400), "{answer:?}");
}
