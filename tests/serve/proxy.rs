//! Behind nginx and Caddy, with the lines that docs/serve.md shows.

use crate::nsml::{self, SESSION};
use crate::server::Server;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const DOCUMENT: &str = include_str!("../../docs/serve.md");

struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The document's location, in as little as nginx needs around it to run as this user.
fn nginx(place: &Path, port: u16, socket: &Path) -> Proxy {
    let shown = DOCUMENT.split("```nginx\n").nth(1).unwrap().split("```").next().unwrap();
    let location = shown.replace("/run/retain.sock", socket.to_str().unwrap());
    assert_ne!(location, shown);
    let at = place.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {at}/{kind};\n"))
        .collect();
    // Its workers are of the user whose socket it is.
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    let text = format!(
        "{user}daemon off;\nmaster_process off;\npid {at}/nginx.pid;\nerror_log {at}/error.log;\nevents {{}}\n\
         http {{\naccess_log off;\n{temporary}server {{\nlisten 127.0.0.1:{port};\n{location}}}\n}}\n"
    );
    let file = place.join("nginx.conf");
    std::fs::write(&file, text).unwrap();
    let program = if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
    let mut command = Command::new(program);
    command.arg("-p").arg(place).arg("-c").arg(&file).arg("-e").arg(place.join("error.log"));
    Proxy::listening(&mut command, port, &place.join("error.log"))
}

impl Proxy {
    fn listening(command: &mut Command, port: u16, log: &Path) -> Proxy {
        let mut proxy = Proxy(command.spawn().expect("the proxy starts"));
        for _ in 0..600 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return proxy;
            }
            let ended = proxy.0.try_wait().unwrap();
            let log = || std::fs::read_to_string(log).unwrap_or_default();
            assert!(ended.is_none(), "{ended:?}: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the proxy never listened");
    }
}

fn free_port() -> u16 {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    free.local_addr().unwrap().port()
}

/// The document's site with a certificate of Caddy's own making, in as little as Caddy needs around
/// it to leave this machine alone.
fn caddy(place: &Path, port: u16, socket: &Path) -> Proxy {
    let shown = DOCUMENT.split("```caddyfile\n").nth(1).unwrap().split("```").next().unwrap();
    let site = shown
        .replace("lab.example {", &format!("https://127.0.0.1:{port} {{\n    tls internal"))
        .replace("//run/retain.sock", &format!("/{}", socket.display()));
    assert!(site.contains("tls internal") && !site.contains("/run/retain.sock"), "{site}");
    let text = format!(
        "{{\nadmin off\nskip_install_trust\nauto_https disable_redirects\n\
         storage file_system {}\n}}\n{site}",
        place.join("storage").display()
    );
    let file = place.join("Caddyfile");
    std::fs::write(&file, text).unwrap();
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/usr/bin/caddy");
    let program = if ours.exists() { ours } else { "caddy".into() };
    let log = place.join("caddy.log");
    let mut command = Command::new(program);
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&file);
    command.env("HOME", place).env("XDG_DATA_HOME", place).env("XDG_CONFIG_HOME", place);
    command.stdout(Stdio::null()).stderr(File::create(&log).unwrap());
    Proxy::listening(&mut command, port, &log)
}

#[test]
fn a_page_is_read_and_changed_through_the_proxy_of_the_document_needs_nginx() {
    let tree = nsml::storage();
    let place = tempfile::tempdir().unwrap();
    let socket = place.path().join("s");
    let port = free_port();
    let _nginx = nginx(place.path(), port, &socket);
    let host = format!("127.0.0.1:{port}");
    let listen = socket.to_str().unwrap();
    let more = ["--allow-delete", "--listen", listen, "--prefix", "/retain", "--host", &host];
    // Its link leads to the proxy, and so does everything that is asked here.
    let server = Server::with(&tree, &more);
    assert_eq!((server.address.port(), &*server.prefix), (port, "/retain"));
    server.send("GET", &server.root, &[], "").is(401);
    let browser = server.browser();
    let page = browser.session(SESSION).is(200);
    assert!(page.body.contains("href=\"/retain/assets/app.css"), "{}", page.body);
    browser.get("/assets/app.css").is(200);
    // A form comes back with the host that the browser sent, or it would be refused.
    let pairs = [("name", SESSION), ("id", "0")];
    let review = browser.post(&format!("{}/session", server.root), &pairs).is(200);
    assert!(!review.field("digest").is_empty());
    // Another name is not this page's.
    let token = server.token("administrator");
    let bearer = format!("Bearer {token}");
    let odd = [("Host", "lab.example"), ("Authorization", &*bearer)];
    assert_ne!(server.send("GET", &server.root, &odd, "").status, 200);
}

#[test]
fn a_page_is_read_and_changed_through_caddy_over_tls_as_the_document_says_needs_caddy() {
    let tree = nsml::storage();
    let place = tempfile::tempdir().unwrap();
    let (socket, port) = (place.path().join("s"), free_port());
    let _caddy = caddy(place.path(), port, &socket);
    let (site, host) = (format!("https://127.0.0.1:{port}"), format!("127.0.0.1:{port}"));
    let listen = socket.to_str().unwrap();
    let more =
        ["--allow-delete", "--listen", listen, "--prefix", "/retain", "--host", &host, "--https"];
    let server = Server::with(&tree, &more);
    let jar = place.path().join("jar");
    let curl = |arguments: &[&str]| {
        let mut curl = Command::new("curl");
        // The certificate is nobody's but this Caddy's.
        curl.args(["--silent", "--insecure", "--include", "--max-time", "20"]);
        curl.arg("--cookie").arg(&jar).arg("--cookie-jar").arg(&jar).args(arguments);
        let output = curl.output().expect("curl runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let page = |path: &str| format!("{site}/retain{path}");
    // The first handshake may come before the certificate.
    let first = || curl(&[&page(&server.root)]);
    let answered = (0..100).map(|_| first()).find(|answer| {
        std::thread::sleep(Duration::from_millis(100));
        !answer.is_empty()
    });
    let refused = answered.expect("an answer");
    assert!(refused.starts_with("HTTP/2 401"), "{refused}");
    assert_eq!(server.links[0].1.split("/login").next(), Some(page("").as_str()));
    let entered = curl(&[&server.links[0].1]);
    assert!(entered.starts_with("HTTP/2 303") && entered.contains("; Secure"), "{entered}");
    let session = format!("{}/session?name={SESSION}", page(&server.root));
    // Until the first scan is done.
    let shown = (0..200).map(|_| curl(&[&session])).find(|answer| {
        std::thread::sleep(Duration::from_millis(50));
        answer.starts_with("HTTP/2 200")
    });
    let shown = shown.expect("the session's page");
    assert!(shown.contains("href=\"/retain/assets/app.css"), "{shown}");
    let csrf = shown.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let fields = format!("csrf={csrf}&name={SESSION}&id=0&action=review");
    let origin = format!("Origin: {site}");
    let review = |origin: &str| {
        curl(&["--header", origin, "--data", &fields, &format!("{}/session", page(&server.root))])
    };
    let reviewed = review(&origin);
    assert!(reviewed.starts_with("HTTP/2 200") && reviewed.contains("digest"), "{reviewed}");
    let foreign = review("Origin: https://elsewhere.example");
    assert!(foreign.starts_with("HTTP/2 403"), "{foreign}");
    // Progress comes while the answer goes on.
    let slug = &server.root["/r/".len()..];
    let events = page(&format!("/api/v1/roots/{slug}/events"));
    assert!(curl(&["--no-buffer", "--max-time", "3", &events]).contains("retain-scan/1"));
}
