//! A running `retain serve`, and people who talk to it.

use crate::http::{Answer, form, raw};
use crate::support::{NOW, Tree, World};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// Names and links that work once.
    pub links: Vec<(String, String)>,
    pub state: tempfile::TempDir,
    pub prefix: String,
    /// Below the prefix: where the root's pages are.
    pub root: String,
    _world: World,
}

impl Server {
    /// Serves the tree, with deletion allowed.
    pub fn start(tree: &Tree) -> Server {
        Server::with(tree, &["--allow-delete"])
    }

    pub fn with(tree: &Tree, more: &[&str]) -> Server {
        Server::at(tree, NOW, more)
    }

    pub fn at(tree: &Tree, now: &str, more: &[&str]) -> Server {
        Server::beside(tree, now, more, tempfile::tempdir().unwrap())
    }

    /// With its tokens and its audit in `state`.
    pub fn beside(tree: &Tree, now: &str, more: &[&str], state: tempfile::TempDir) -> Server {
        let world = World::within(tree.path()).at_time(now);
        let mut command = world.command(["serve", "--allow-root", "--refresh", "86400"]);
        command.arg("--tokens").arg(state.path().join("tokens.toml")).args(more);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let expected = 1 + more.iter().filter(|a| **a == "--owner").count();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let links: Vec<(String, String)> = (0..expected)
            .map(|_| lines.next().expect("a link").unwrap())
            .map(|l| l.split_once(": ").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap())
            .collect();
        let rest = links[0].1.trim_start_matches("http://").trim_start_matches("https://");
        let (host, path) = rest.split_once('/').unwrap();
        let path = format!("/{path}");
        let prefix = path.split("/login").next().unwrap().to_owned();
        let name = tree.path().file_name().unwrap().to_string_lossy().into_owned();
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '-' };
        let slug: String = name.chars().map(plain).collect();
        let server = Server {
            child,
            address: host.parse().unwrap(),
            links,
            state,
            root: format!("/r/{slug}"),
            prefix,
            _world: world,
        };
        // Who speaks TLS waits for it in their own way.
        if server.links[0].1.starts_with("http://") {
            server.wait();
        }
        server
    }

    /// Until the first scan is done.
    fn wait(&self) {
        for _ in 0..600 {
            let roots = self.api("/roots");
            if !roots["roots"][0]["scanned_at"].is_null() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("no scan");
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn slug(&self) -> &str {
        self.root.trim_start_matches("/r/")
    }

    pub fn tokens(&self) -> PathBuf {
        self.state.path().join("tokens.toml")
    }

    pub fn audit(&self) -> String {
        std::fs::read_to_string(self.state.path().join("tokens.audit.jsonl")).unwrap()
    }

    /// The secret of an owner, or of the administrator.
    pub fn token(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.tokens()).unwrap();
        let value: toml::Table = text.parse().unwrap();
        let list = value["token"].as_array().unwrap();
        let entry = list.iter().find(|t| t["name"].as_str() == Some(name)).unwrap();
        entry["secret"].as_str().unwrap().to_owned()
    }

    /// A request with any headers; `Host` and the end of the connection are added.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut text = format!("{method} {}{path} HTTP/1.1\r\n", self.prefix);
        if !headers.iter().any(|(n, _)| *n == "Host") {
            let _ = write!(text, "Host: {}\r\n", self.address);
        }
        for (name, value) in headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        if !body.is_empty() || method == "POST" {
            let _ = write!(text, "Content-Length: {}\r\n", body.len());
        }
        text += "Connection: close\r\n\r\n";
        raw(self.address, (text + body).as_bytes()).expect("an answer")
    }

    pub fn get_as(&self, token: &str, path: &str) -> Answer {
        self.send("GET", path, &[("Authorization", &format!("Bearer {token}"))], "")
    }

    pub fn post_as(&self, token: &str, path: &str, body: &serde_json::Value) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        self.send("POST", path, &headers, &body.to_string())
    }

    /// The administrator's reading of the API.
    #[track_caller]
    pub fn api(&self, path: &str) -> serde_json::Value {
        self.get_as(&self.token("administrator"), &format!("/api/v1{path}")).is(200).json()
    }

    /// Of the API's paths about the root.
    pub fn of_root(&self, path: &str) -> String {
        format!("/api/v1/roots/{}/{path}", self.slug())
    }

    /// Somebody who opened the administrator's link in a browser.
    pub fn browser(&self) -> Browser<'_> {
        self.browser_of(0)
    }

    pub fn browser_of(&self, link: usize) -> Browser<'_> {
        let path = self.links[link].1.split_once("/login").unwrap().1;
        let answer = self.send("GET", &format!("/login{path}"), &[], "").is(303);
        assert_eq!(answer.header("location"), Some(&*format!("{}/", self.prefix)));
        let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        Browser { server: self, cookie }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A browser with a cookie; it sends what browsers send, and follows redirects.
pub struct Browser<'a> {
    pub server: &'a Server,
    pub cookie: String,
}

impl Browser<'_> {
    pub fn get(&self, path: &str) -> Answer {
        let answer = self.server.send("GET", path, &[("Cookie", &self.cookie)], "");
        self.follow(answer)
    }

    /// A form, with the proof that its page had.
    pub fn post(&self, path: &str, pairs: &[(&str, &str)]) -> Answer {
        let csrf = self.csrf();
        let mut all = vec![("csrf", csrf.as_str())];
        all.extend(pairs);
        self.post_raw(path, &form(&all))
    }

    pub fn post_raw(&self, path: &str, body: &str) -> Answer {
        let origin = format!("http://{}", self.server.address);
        let headers = [
            ("Cookie", self.cookie.as_str()),
            ("Origin", origin.as_str()),
            ("Sec-Fetch-Site", "same-origin"),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ];
        let answer = self.server.send("POST", path, &headers, body);
        self.follow(answer)
    }

    fn follow(&self, answer: Answer) -> Answer {
        match answer.header("location") {
            Some(to) if answer.status == 303 => {
                let to = to.strip_prefix(&self.server.prefix).unwrap().to_owned();
                self.get(&to)
            }
            _ => answer,
        }
    }

    pub fn csrf(&self) -> String {
        self.get(&format!("{}/sessions", self.server.root)).is(200).field("csrf")
    }

    pub fn session(&self, name: &str) -> Answer {
        let name = crate::http::escape(name);
        self.get(&format!("{}/session?name={name}", self.server.root))
    }
}
