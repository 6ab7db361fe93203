//! `monitor` by mail: servers that refuse, are silent, or cannot be known.

use crate::monitor::{mail, monitor, quota, settings, storage, used};
use crate::nsml::world;
use crate::servers::{Mails, Post, certificate};
use crate::support::Run;
use std::fs;

#[test]
fn owners_get_mail_about_what_is_theirs() {
    let tree = storage();
    let server = Mails::new(Post::Accepts);
    let world = world(&tree);
    let policy = quota(&world, used(&world, "small") / 2);
    let more = "to = [\"admin@example.org\"]\nowner-address = \"{owner}@example.org\"\n\
                addresses = { small = \"boss@example.org\" }";
    let file = settings(&world, &mail(&server, more));
    monitor(&world, &policy, &file, None, &[]).ok();
    let mut mails = server.arrived();
    mails.sort_by(|a, b| a.to.cmp(&b.to));
    let to: Vec<&str> = mails.iter().map(|m| &*m.to[0]).collect();
    assert_eq!(to, ["<admin@example.org>", "<big@example.org>", "<boss@example.org>"]);
    let [admin, big, boss] = &mails[..] else { panic!("{mails:?}") };
    assert!(admin.data.contains("Subject: 2 notices about the storage"), "{}", admin.data);
    assert!(big.data.contains("Subject: Storage of big is over its quota"), "{}", big.data);
    assert!(big.data.contains("Auto-Submitted: auto-generated"), "{}", big.data);
    assert!(big.from.contains("<retain@example.org>"), "{big:?}");
    assert!(!boss.data.contains("big"), "{}", boss.data);
    monitor(&world, &policy, &file, None, &[]).ok();
    assert!(server.arrived().is_empty(), "told once");
}

#[test]
fn an_address_that_is_refused_stops_no_other() {
    let tree = storage();
    let server = Mails::new(Post::Refuses("big@"));
    let world = world(&tree);
    let policy = quota(&world, used(&world, "small") / 2);
    let file = settings(&world, &mail(&server, "owner-address = \"{owner}@example.org\""));
    let run = monitor(&world, &policy, &file, None, &[]).code(3);
    run.warns("mail, big@example.org: not delivered: ").warns("no such user here");
    assert_eq!(server.arrived().len(), 1);
    monitor(&world, &policy, &file, None, &[]).code(3);
    assert!(server.arrived().is_empty(), "small was told already");
}

#[test]
fn a_mail_server_that_is_down_or_silent_is_tried_again() {
    let tree = storage();
    let world = world(&tree);
    let policy = quota(&world, used(&world, "small") / 2);
    let silent = Mails::new(Post::Silent);
    let to = "to = [\"a@example.org\", \"b@example.org\", \"c@example.org\"]";
    let file = settings(&world, &mail(&silent, to));
    let run = monitor(&world, &policy, &file, None, &[]).code(3);
    assert_eq!(run.stderr.matches("did not answer before").count(), 2, "{run}");
    let down = mail(&silent, to).replace(&silent.address, "127.0.0.1:1");
    monitor(&world, &policy, &settings(&world, &down), None, &[]).code(3).warns("not delivered");
    let server = Mails::new(Post::Accepts);
    monitor(&world, &policy, &settings(&world, &mail(&server, to)), None, &[]).ok();
    assert_eq!(server.arrived().len(), 3);
}

/// A password is never sent in the clear: a server that offers no encryption gets no word of it.
#[test]
fn without_starttls_there_is_no_mail_and_no_password() {
    let tree = storage();
    let server = Mails::new(Post::Accepts);
    let world = world(&tree);
    let policy = quota(&world, used(&world, "big") - 1);
    fs::write(world.home().join("password"), "hunter2\n").unwrap();
    let body =
        mail(&server, "to = [\"a@example.org\"]\nuser = \"u\"\npassword-file = \"password\"");
    let file = settings(&world, &body.replace("tls = \"none\"\n", ""));
    let run = monitor(&world, &policy, &file, None, &["-vvv"]).code(3).warns("not delivered");
    assert!(!run.stderr.contains("hunter2") && server.arrived().is_empty(), "{run}");
}

/// STARTTLS against a server whose certificate this machine trusts, and against one it does not.
#[test]
fn mail_is_encrypted_and_the_server_is_known() {
    let tree = storage();
    let (pem, config) = certificate();
    let server = Mails::new(Post::Encrypted(config));
    let world = world(&tree);
    let policy = quota(&world, used(&world, "big") - 1);
    let body = mail(&server, "to = [\"a@example.org\"]\nuser = \"u\"\npassword-env = \"PASSWORD\"")
        .replace("tls = \"none\"\n", "")
        .replace("127.0.0.1", "localhost");
    let file = settings(&world, &body);
    let trusted = world.home().join("ca.pem");
    fs::write(&trusted, pem).unwrap();
    let (other, _) = certificate();
    let stranger = world.home().join("other.pem");
    fs::write(&stranger, other).unwrap();
    let run = |ca: &std::path::Path| {
        let mut command =
            world.command(["monitor", "--policy", &policy, "--settings", &file, "-vvv"]);
        command.env("PASSWORD", "hunter2").env("SSL_CERT_FILE", ca);
        let output = command.output().unwrap();
        Run::new(&command, &output)
    };
    let refused = run(&stranger).code(3).warns("not delivered");
    assert!(server.arrived().is_empty() && !refused.stderr.contains("hunter2"), "{refused}");
    let sent = run(&trusted).ok();
    let mails = server.arrived();
    assert_eq!(mails.len(), 1, "{sent}");
    let commands = &mails[0].commands;
    // u and hunter2, as RFC 4616 has it; only after STARTTLS.
    let login = commands.iter().position(|c| c.contains("AHUAaHVudGVyMg==")).unwrap();
    assert!(commands.iter().position(|c| c == "STARTTLS").unwrap() < login, "{commands:?}");
    assert!(!sent.stderr.contains("hunter2"), "{sent}");
}

#[test]
fn the_machines_own_sendmail() {
    use std::os::unix::fs::PermissionsExt as _;
    let tree = storage();
    let world = world(&tree);
    let policy = quota(&world, used(&world, "big") - 1);
    let program = world.home().join("sendmail");
    let body = |script: &str| {
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let lines = format!(
            "lang = \"ko\"\n[[sink]]\nname = \"mail\"\nkind = \"email\"\nsendmail = \"{}\"\ntimeout = \"1s\"\n\
             from = \"retain@example.org\"\nto = [\"admin@example.org\"]\n",
            program.display()
        );
        settings(&world, &lines)
    };
    let file = body("echo \"I am full\" >&2; exit 75");
    monitor(&world, &policy, &file, None, &[]).code(3).warns("I am full");
    let file = body("exec sleep 60");
    monitor(&world, &policy, &file, None, &[]).code(3).warns("no answer within 1 s");
    let file = body("echo \"$@\" > \"$HOME/args\"; cat > \"$HOME/mail\"");
    monitor(&world, &policy, &file, None, &[]).ok();
    let args = fs::read_to_string(world.home().join("args")).unwrap();
    assert_eq!(args, "-i -f retain@example.org -- admin@example.org\n");
    let text = fs::read_to_string(world.home().join("mail")).unwrap();
    assert!(text.contains("Subject: =?utf-8?b?"), "{text}");
    assert!(text.contains("Content-Type: text/plain; charset=utf-8"), "{text}");
}
