//! Real receivers on real sockets: a webhook and a mail server, each with its faults.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How a webhook answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Ok,
    Status(u16),
    /// Takes the request and says nothing for a long time.
    Hang,
    /// Answers well, after a while.
    Late(Duration),
    /// Sends them elsewhere.
    Redirect,
}

/// A chat's webhook.
pub struct Hook {
    pub url: String,
    answer: Arc<Mutex<Answer>>,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl Hook {
    pub fn new(answer: Answer) -> Hook {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hooks/s3cr3t", listener.local_addr().unwrap());
        let answer = Arc::new(Mutex::new(answer));
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let (how, got) = (Arc::clone(&answer), Arc::clone(&bodies));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (how, got) = (Arc::clone(&how), Arc::clone(&got));
                std::thread::spawn(move || serve(stream, &how, &got));
            }
        });
        Hook { url, answer, bodies }
    }

    pub fn answers(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    /// The texts that were posted and accepted, since the last call.
    pub fn texts(&self) -> Vec<String> {
        let bodies = std::mem::take(&mut *self.bodies.lock().unwrap());
        let text = |b: &String| {
            let json: serde_json::Value = serde_json::from_str(b).expect("JSON");
            assert_eq!(json.as_object().unwrap().len(), 1, "only what both chats know: {b}");
            json["text"].as_str().unwrap().to_owned()
        };
        bodies.iter().map(text).collect()
    }
}

fn serve(stream: TcpStream, answer: &Mutex<Answer>, bodies: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut length, mut line) = (0, String::new());
    let mut head = String::new();
    while reader.read_line(&mut line).is_ok_and(|n| n > 0) && line != "\r\n" {
        if let Some(n) = line.to_lowercase().strip_prefix("content-length:") {
            length = n.trim().parse().unwrap();
        }
        head += &std::mem::take(&mut line);
    }
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let answer = *answer.lock().unwrap();
    let mut stream = stream;
    let accept = |status: u16, more: &str| {
        format!("HTTP/1.1 {status} x\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n")
    };
    let reply = match answer {
        Answer::Hang => return std::thread::sleep(Duration::from_secs(120)),
        Answer::Status(status) => accept(status, ""),
        Answer::Redirect => accept(302, "Location: /elsewhere\r\n"),
        Answer::Late(pause) => {
            std::thread::sleep(pause);
            accept(200, "")
        }
        Answer::Ok => accept(200, ""),
    };
    if matches!(answer, Answer::Ok | Answer::Late(_)) {
        assert!(head.starts_with("POST /hooks/s3cr3t HTTP/1.1\r\n"), "{head}");
        bodies.lock().unwrap().push(String::from_utf8(body).unwrap());
    }
    let _ = stream.write_all(reply.as_bytes());
}

/// A mail as it arrived.
#[derive(Clone, Debug)]
pub struct Arrived {
    pub from: String,
    pub to: Vec<String>,
    /// Headers and body as sent.
    pub data: String,
    /// What was said before it, commands in order.
    pub commands: Vec<String>,
}

/// What a mail server does.
#[derive(Clone, Debug)]
pub enum Post {
    /// Offers STARTTLS, and takes a mail only after it and a login.
    Encrypted(Arc<rustls::ServerConfig>),
    Accepts,
    /// Refuses this recipient.
    Refuses(&'static str),
    /// Never says a word.
    Silent,
}

/// A mail server without encryption.
pub struct Mails {
    pub address: String,
    arrived: Arc<Mutex<Vec<Arrived>>>,
}

impl Mails {
    pub fn new(post: Post) -> Mails {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let arrived = Arc::new(Mutex::new(Vec::new()));
        let got = Arc::clone(&arrived);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (got, post) = (Arc::clone(&got), post.clone());
                std::thread::spawn(move || {
                    if matches!(post, Post::Silent) {
                        std::thread::sleep(Duration::from_secs(120));
                    }
                    let _ = serve_mail(stream, &post, &got);
                });
            }
        });
        Mails { address, arrived }
    }

    pub fn arrived(&self) -> Vec<Arrived> {
        std::mem::take(&mut *self.arrived.lock().unwrap())
    }
}

/// A certificate for `localhost`, as PEM, and what a server needs to use it.
pub fn certificate() -> (String, Arc<rustls::ServerConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (made.cert.pem(), Arc::new(config))
}

fn serve_mail(stream: TcpStream, post: &Post, got: &Mutex<Vec<Arrived>>) -> std::io::Result<()> {
    let mut mail =
        Arrived { from: String::new(), to: vec![], data: String::new(), commands: vec![] };
    let mut plain = BufReader::new(stream);
    plain.get_mut().write_all(b"220 test\r\n")?;
    let Post::Encrypted(config) = post else {
        return talk(&mut plain, post, &mut mail, false, got);
    };
    talk(&mut plain, post, &mut mail, false, got)?;
    if mail.commands.last().is_some_and(|c| c == "STARTTLS") {
        let session = rustls::ServerConnection::new(Arc::clone(config)).unwrap();
        let stream = rustls::StreamOwned::new(session, plain.into_inner());
        talk(&mut BufReader::new(stream), post, &mut mail, true, got)?;
    }
    Ok(())
}

/// Until the end, or STARTTLS.
fn talk<S: std::io::Read + std::io::Write>(
    reader: &mut BufReader<S>,
    post: &Post,
    mail: &mut Arrived,
    safe: bool,
    got: &Mutex<Vec<Arrived>>,
) -> std::io::Result<()> {
    let encrypts = matches!(post, Post::Encrypted(_));
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        let command = std::mem::take(&mut line).trim_end().to_owned();
        mail.commands.push(command.clone());
        let upper = command.to_uppercase();
        let reply = if upper.starts_with("EHLO") && encrypts && !safe {
            "250-test\r\n250 STARTTLS\r\n"
        } else if upper.starts_with("EHLO") && encrypts {
            "250-test\r\n250-8BITMIME\r\n250 AUTH PLAIN\r\n"
        } else if upper.starts_with("EHLO") {
            "250-test\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"
        } else if upper == "STARTTLS" && encrypts {
            return reader.get_mut().write_all(b"220 go\r\n");
        } else if upper.starts_with("AUTH ") {
            "235 welcome\r\n"
        } else if upper.starts_with("MAIL FROM:") {
            assert!(safe || !encrypts, "nothing is said in the clear: {:?}", mail.commands);
            mail.from = command[10..].to_owned();
            "250 ok\r\n"
        } else if upper.starts_with("RCPT TO:") {
            let to = command[8..].to_owned();
            if matches!(post, Post::Refuses(who) if to.contains(who)) {
                "550 no such user here\r\n"
            } else {
                mail.to.push(to);
                "250 ok\r\n"
            }
        } else if upper == "DATA" {
            reader.get_mut().write_all(b"354 go\r\n")?;
            while reader.read_line(&mut line)? > 0 && line != ".\r\n" {
                mail.data += &std::mem::take(&mut line);
            }
            line.clear();
            got.lock().unwrap().push(mail.clone());
            "250 ok\r\n"
        } else if upper == "QUIT" {
            return reader.get_mut().write_all(b"221 bye\r\n");
        } else {
            "250 ok\r\n"
        };
        reader.get_mut().write_all(reply.as_bytes())?;
        reader.get_mut().flush()?;
    }
    Ok(())
}
