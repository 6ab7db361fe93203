//! Every fault of the settings is said, with what to write instead.

use super::*;

const MAIL: &str = "kind = \"email\"\nsmtp = \"mail:25\"\nfrom = \"r@x.org\"\nto = [\"a@x.org\"]\n";

fn sink(body: &str) -> Result<Settings, SettingsError> {
    Settings::parse(&format!("version = 1\n[[sink]]\nname = \"s\"\n{body}"))
}

#[test]
fn all_of_it() {
    let text = r#"
        version = 1
        lang = "ko"
        near = "85%"
        near-days = 3
        remind = "2w"
        top = 5
        [[sink]]
        name = "chat"
        kind = "webhook"
        url-env = "HOOK"
        levels = ["over"]
        owners = ["nlp*"]
        timeout = "3s"
        [[sink]]
        name = "mail"
        kind = "email"
        smtp = "mail.example.org"
        user = "u"
        password-file = "/etc/retain/password"
        from = "retain@example.org"
        owner-address = "{owner}@example.org"
        addresses = { "nlp" = "boss@example.org" }
    "#;
    let settings = Settings::parse(text).unwrap();
    assert_eq!((settings.lang, settings.top), (Lang::Ko, 5));
    assert_eq!(settings.near, Near { percent: 85, days: 3 });
    assert_eq!(settings.remind_after_secs, Some(14 * 86_400));
    let [chat, mail] = &settings.sinks[..] else { panic!("{settings:?}") };
    assert_eq!((chat.timeout, chat.levels.clone()), (Duration::from_secs(3), vec![Level::Over]));
    let SinkKind::Email(email) = &mail.kind else { panic!("{mail:?}") };
    let Transport::Smtp(smtp) = &email.transport else { panic!("{email:?}") };
    assert_eq!((&*smtp.host, smtp.port, smtp.tls), ("mail.example.org", 587, Tls::Starttls));
    for (owner, address) in [
        ("vision", Some("vision@example.org")),
        ("nlp", Some("boss@example.org")),
        ("a b", None),
        ("a@evil.org,b", None),
        ("x\nBcc: y", None),
        ("-oQ/tmp", None),
        ("..", None),
        ("", None),
    ] {
        assert_eq!(email.address_of(owner).as_deref(), address, "{owner}");
    }
}

#[test]
fn faults_are_said() {
    for (text, part) in [
        ("version = 2", "write 1"),
        ("version = 1\nnear = \"90\"", "write \"90%\""),
        ("version = 1\nnear = \"101%\"", "write \"90%\""),
        ("version = 1\nremind = \"5m\"", "remind"),
        ("version = 1\nremind = \"1mo\"", "no fixed length"),
        ("version = 1\nlang = \"fr\"", "unknown variant"),
        ("version = 1\ncolour = 1", "unknown field"),
        ("near = \"90%\"", "missing field `version`"),
    ] {
        let error = Settings::parse(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    for (body, part) in [
        ("kind = \"pigeon\"", "none of stdout"),
        ("kind = \"markdown\"", "path is missing"),
        ("kind = \"stdout\"\npath = \"x\"", "`path` means nothing"),
        ("kind = \"webhook\"", "url-file or url-env"),
        ("kind = \"webhook\"\nurl = \"https://x\"", "unknown field"),
        ("kind = \"webhook\"\nurl-env = \"A\"\nurl-file = \"b\"", "not both"),
        ("kind = \"stdout\"\nlevels = [\"ok\"]", "\"near\" and \"over\""),
        ("kind = \"stdout\"\n[[sink]]\nname = \"s\"\nkind = \"stdout\"", "twice"),
        ("kind = \"email\"\nsmtp = \"m\"\nto = [\"a@x\"]", "from is missing"),
        ("kind = \"email\"\nsmtp = \"m\"\nfrom = \"a@x\"", "nobody is told"),
        ("kind = \"email\"\nsmtp = \"m:x\"\nfrom = \"a@x\"\nto = [\"a@x\"]", "host:587"),
        ("kind = \"email\"\nsendmail = \"sendmail\"\nfrom = \"a@x\"\nto = [\"a@x\"]", "whole path"),
        ("kind = \"email\"\nfrom = \"a@x\"\nto = [\"a@x\"]", "either smtp or sendmail"),
    ] {
        let error = sink(body).unwrap_err().to_string();
        assert!(error.contains(part), "{body}: {error}");
    }
    for (more, part) in [
        ("password = \"x\"", "unknown field"),
        ("tls = \"none\"\nuser = \"u\"\npassword-env = \"P\"", "without encryption"),
        ("user = \"u\"", "belong together"),
        ("owner-address = \"all@x.org\"", "no {owner}"),
    ] {
        let error = sink(&format!("{MAIL}{more}")).unwrap_err().to_string();
        assert!(error.contains(part), "{more}: {error}");
    }
}
