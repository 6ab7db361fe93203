//! Mail, by SMTP or by the machine's own `sendmail`.

use super::settings::{Email, Smtp, Tls, Transport};
use super::{NotDelivered, Secret};
use lettre::message::{Mailbox, header::ContentType};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls as TlsUse, TlsParameters};
use lettre::{Message, SmtpTransport, Transport as _};
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// One mail to one address or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    pub to: Vec<String>,
    pub subject: String,
    pub body: String,
}

/// Sends one mail.
///
/// # Errors
/// An address that is none, no connection, or a refusal.
pub fn send(
    settings: &Email,
    password: Option<&Secret>,
    mail: &Mail,
    limit: Duration,
) -> Result<(), NotDelivered> {
    let message = compose(&settings.from, mail)?;
    match &settings.transport {
        Transport::Smtp(smtp) => by_smtp(smtp, password, &message, limit),
        Transport::Sendmail(program) => by_sendmail(program, &message, limit),
    }
}

fn compose(from: &str, mail: &Mail) -> Result<Message, NotDelivered> {
    let address = |text: &str| -> Result<Mailbox, NotDelivered> {
        text.parse().map_err(|e| NotDelivered(format!("`{text}` is no address: {e}")))
    };
    let mut builder = Message::builder()
        .from(address(from)?)
        .subject(&mail.subject)
        // So that no vacation note answers, and no list loops.
        .header(AutoSubmitted)
        .header(ContentType::TEXT_PLAIN);
    for to in &mail.to {
        builder = builder.to(address(to)?);
    }
    builder.body(mail.body.clone()).map_err(|e| NotDelivered(format!("cannot write the mail: {e}")))
}

/// RFC 3834.
#[derive(Clone, Copy)]
struct AutoSubmitted;

impl lettre::message::header::Header for AutoSubmitted {
    fn name() -> lettre::message::header::HeaderName {
        lettre::message::header::HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(AutoSubmitted)
    }

    fn display(&self) -> lettre::message::header::HeaderValue {
        let value = "auto-generated".to_owned();
        lettre::message::header::HeaderValue::new(Self::name(), value)
    }
}

fn by_smtp(
    smtp: &Smtp,
    password: Option<&Secret>,
    message: &Message,
    limit: Duration,
) -> Result<(), NotDelivered> {
    let failed = |e: lettre::transport::smtp::Error| {
        // The source says why; the first line only that something is wrong.
        let mut text = e.to_string();
        let mut source = std::error::Error::source(&e);
        while let Some(e) = source {
            let more = e.to_string();
            if !text.contains(&more) {
                text = format!("{text}: {more}");
            }
            source = e.source();
        }
        let text = format!("{}:{}: {text}", smtp.host, smtp.port);
        NotDelivered(password.map_or_else(|| text.clone(), |p| p.redact(&text)))
    };
    let parameters = || TlsParameters::new(smtp.host.clone()).map_err(failed);
    let tls = match smtp.tls {
        Tls::Starttls => TlsUse::Required(parameters()?),
        Tls::Implicit => TlsUse::Wrapper(parameters()?),
        Tls::None => TlsUse::None,
    };
    let mut builder =
        SmtpTransport::builder_dangerous(&smtp.host).port(smtp.port).tls(tls).timeout(Some(limit));
    if let (Some(user), Some(password)) = (&smtp.user, password) {
        let password = password.reveal().to_owned();
        builder = builder.credentials(Credentials::new(user.clone(), password));
    }
    builder.build().send(message).map(drop).map_err(failed)
}

/// No shell is involved; addresses are arguments after `--`.
fn by_sendmail(
    program: &std::path::Path,
    message: &Message,
    limit: Duration,
) -> Result<(), NotDelivered> {
    let shown = program.display();
    let failed = |e: std::io::Error| NotDelivered(format!("{shown}: {e}"));
    let envelope = message.envelope();
    let mut command = Command::new(program);
    command.arg("-i");
    if let Some(from) = envelope.from() {
        command.arg("-f").arg(from);
    }
    command.arg("--").args(envelope.to().iter().map(ToString::to_string));
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    let start = Instant::now();
    let written =
        child.stdin.take().map_or(Ok(()), |mut pipe| pipe.write_all(&message.formatted()));
    // A program that has seen enough may close its input; its answer counts.
    let status = loop {
        match child.try_wait().map_err(failed)? {
            Some(status) => break status,
            None if start.elapsed() >= limit => {
                // Our own child, by its handle.
                let _ = child.kill();
                let _ = child.wait();
                return Err(NotDelivered(format!(
                    "{shown}: no answer within {} s",
                    limit.as_secs()
                )));
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    if status.success() {
        return written.map_err(failed);
    }
    let mut said = String::new();
    if let Some(stderr) = child.stderr.take() {
        let _ = stderr.take(500).read_to_string(&mut said);
    }
    Err(NotDelivered(format!("{shown}: {status} {}", said.trim())))
}
