//! Behind nginx, with the lines that docs/serve.md shows.

use crate::nsml::{self, SESSION};
use crate::server::Server;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

const DOCUMENT: &str = include_str!("../../docs/serve.md");

struct Nginx(Child);

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The document's location, in as little as nginx needs around it to run as this user.
fn nginx(place: &Path, port: u16, socket: &Path) -> Nginx {
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
    let mut nginx = Nginx(command.spawn().expect("nginx starts"));
    for _ in 0..600 {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return nginx;
        }
        let ended = nginx.0.try_wait().unwrap();
        let log = || std::fs::read_to_string(place.join("error.log")).unwrap_or_default();
        assert!(ended.is_none(), "{ended:?}: {}", log());
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("nginx never listened");
}

#[test]
fn a_page_is_read_and_changed_through_the_proxy_of_the_document_needs_nginx() {
    let tree = nsml::storage();
    let place = tempfile::tempdir().unwrap();
    let socket = place.path().join("s");
    let port = {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        free.local_addr().unwrap().port()
    };
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
