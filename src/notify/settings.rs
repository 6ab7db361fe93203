//! `monitor.toml`: from when on, in which language, and to whom.
//!
//! It is apart from the policy on purpose: a policy says what is deleted and is reviewed as such,
//! and no secret and no address has a place in it.

use crate::core::calendar::Span;
use crate::core::monitor::{Level, Near};
use crate::core::select::{Globs, Scope};
use crate::report::message::Lang;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// How a monitor judges and whom it tells.
#[derive(Clone, Debug)]
pub struct Settings {
    pub lang: Lang,
    pub near: Near,
    /// `None`: never again.
    pub remind_after_secs: Option<u64>,
    /// So many sessions are named in a message.
    pub top: usize,
    /// A file with words of one's own, relative to the settings.
    pub words: Option<PathBuf>,
    pub sinks: Vec<Sink>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            lang: Lang::En,
            near: Near { percent: 90, days: 7 },
            remind_after_secs: Some(7 * 86_400),
            top: 10,
            words: None,
            sinks: Vec::new(),
        }
    }
}

/// Somebody to tell.
#[derive(Clone, Debug)]
pub struct Sink {
    pub name: String,
    pub kind: SinkKind,
    /// Owners it is about; the root's own quotas are left out where there are any.
    pub owners: Option<Globs>,
    /// Levels it is told of; that all is well again is told to whoever was told that it was not.
    pub levels: Vec<Level>,
    pub timeout: Duration,
}

#[derive(Clone, Debug)]
pub enum SinkKind {
    Stdout,
    /// The whole state, replaced at each run.
    Markdown(PathBuf),
    Json(PathBuf),
    Webhook(SecretFrom),
    Email(Email),
    /// A text and a plan for each owner.
    Files(PathBuf),
}

/// Where a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretFrom {
    File(PathBuf),
    Environment(String),
}

#[derive(Clone, Debug)]
pub struct Email {
    pub transport: Transport,
    pub from: String,
    /// Told of everything.
    pub to: Vec<String>,
    /// Told of what is theirs; `{owner}` is filled in.
    pub owner_address: Option<String>,
    /// Owners whose address is another.
    pub addresses: BTreeMap<String, String>,
    pub password: Option<SecretFrom>,
}

#[derive(Clone, Debug)]
pub enum Transport {
    Smtp(Smtp),
    Sendmail(PathBuf),
}

#[derive(Clone, Debug)]
pub struct Smtp {
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    pub user: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// Refused by a server without it: never a password in the clear.
    #[default]
    Starttls,
    /// From the first byte on, port 465.
    Implicit,
    None,
}

impl Email {
    /// The address of an owner; `None` if there is none, or the owner's name cannot be part of one.
    pub fn address_of(&self, owner: &str) -> Option<String> {
        if let Some(address) = self.addresses.get(owner) {
            return Some(address.clone());
        }
        // A name from a disk: nothing in it may end the address or begin another.
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let fits = !owner.is_empty()
            && owner.len() <= 64
            && owner.chars().all(plain)
            && !owner.starts_with(['.', '-'])
            && !owner.ends_with('.')
            && !owner.contains("..");
        let template = self.owner_address.as_ref()?;
        fits.then(|| template.replace("{owner}", owner))
    }
}

/// Why the settings are not valid.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("{0}")]
    Syntax(#[from] toml::de::Error),
    #[error("{0}")]
    Value(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Raw {
    version: u32,
    #[serde(default)]
    lang: Lang,
    near: Option<String>,
    near_days: Option<u64>,
    remind: Option<String>,
    top: Option<u32>,
    words: Option<PathBuf>,
    #[serde(default)]
    sink: Vec<RawSink>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawSink {
    name: String,
    kind: String,
    owners: Option<Vec<String>>,
    levels: Option<Vec<String>>,
    timeout: Option<String>,
    path: Option<PathBuf>,
    url_file: Option<PathBuf>,
    url_env: Option<String>,
    smtp: Option<String>,
    sendmail: Option<PathBuf>,
    tls: Option<Tls>,
    user: Option<String>,
    password_file: Option<PathBuf>,
    password_env: Option<String>,
    from: Option<String>,
    #[serde(default)]
    to: Vec<String>,
    owner_address: Option<String>,
    #[serde(default)]
    addresses: BTreeMap<String, String>,
}

fn wrong(text: impl Into<String>) -> SettingsError {
    SettingsError::Value(text.into())
}

impl Settings {
    /// Reads the settings.
    ///
    /// # Errors
    /// Not TOML, or a value that is none; it says which, and what to write.
    pub fn parse(text: &str) -> Result<Settings, SettingsError> {
        let raw: Raw = toml::from_str(text)?;
        if raw.version != 1 {
            return Err(wrong(format!("version = {} is not known; write 1", raw.version)));
        }
        let mut settings = Settings { lang: raw.lang, words: raw.words, ..Settings::default() };
        if let Some(near) = raw.near {
            let percent = near.strip_suffix('%').and_then(|n| n.trim().parse().ok());
            settings.near.percent = percent
                .filter(|n| (1..=100).contains(n))
                .ok_or_else(|| wrong(format!("near = \"{near}\" is no share; write \"90%\"")))?;
        }
        settings.near.days = raw.near_days.unwrap_or(settings.near.days);
        match raw.remind.as_deref() {
            None => {}
            Some("never") => settings.remind_after_secs = None,
            Some(text) => settings.remind_after_secs = Some(seconds("remind", text)?),
        }
        settings.top = raw.top.map_or(settings.top, |n| n as usize);
        for sink in raw.sink {
            let sink = sink.check()?;
            if settings.sinks.iter().any(|s| s.name == sink.name) {
                return Err(wrong(format!("sink \"{}\" is there twice", sink.name)));
            }
            settings.sinks.push(sink);
        }
        Ok(settings)
    }
}

/// At least a second.
fn seconds(key: &str, text: &str) -> Result<u64, SettingsError> {
    let span = Span::parse(text).map_err(|e| wrong(format!("{key} = \"{text}\": {e}")))?;
    span.fixed_seconds().filter(|s| *s > 0).ok_or_else(|| {
        wrong(format!("{key} = \"{text}\" has no fixed length; write it in s, min, h, d or w"))
    })
}

impl RawSink {
    fn check(self) -> Result<Sink, SettingsError> {
        let of = format!("sink \"{}\"", self.name);
        if self.name.is_empty() {
            return Err(wrong("a sink has an empty name"));
        }
        self.only_its_keys(&of)?;
        let levels = match &self.levels {
            None => vec![Level::Near, Level::Over],
            Some(list) => list
                .iter()
                .map(|l| {
                    Level::parse(l).filter(|l| *l != Level::Ok).ok_or_else(|| {
                        wrong(format!("{of}: levels knows \"near\" and \"over\", not \"{l}\""))
                    })
                })
                .collect::<Result<_, _>>()?,
        };
        let globs = |list: &Vec<String>| {
            Globs::new(list, Scope::Path).map_err(|e| wrong(format!("{of}: owners: {e}")))
        };
        let owners = self.owners.as_ref().map(globs).transpose()?;
        let timeout = match self.timeout.as_deref() {
            None => 10,
            Some(text) => seconds("timeout", text)?.min(600),
        };
        Ok(Sink {
            name: self.name.clone(),
            owners,
            levels,
            timeout: Duration::from_secs(timeout),
            kind: self.kind(&of)?,
        })
    }

    /// A key of another kind of sink is a mistake that would be silent.
    fn only_its_keys(&self, of: &str) -> Result<(), SettingsError> {
        let given = [
            ("path", self.path.is_some()),
            ("url-file", self.url_file.is_some()),
            ("url-env", self.url_env.is_some()),
            ("smtp", self.smtp.is_some()),
            ("sendmail", self.sendmail.is_some()),
            ("tls", self.tls.is_some()),
            ("user", self.user.is_some()),
            ("password-file", self.password_file.is_some()),
            ("password-env", self.password_env.is_some()),
            ("from", self.from.is_some()),
            ("to", !self.to.is_empty()),
            ("owner-address", self.owner_address.is_some()),
            ("addresses", !self.addresses.is_empty()),
        ];
        let allowed: &[&str] = match &*self.kind {
            "markdown" | "json" | "files" => &["path"],
            "webhook" => &["url-file", "url-env"],
            "email" => &[
                "smtp",
                "sendmail",
                "tls",
                "user",
                "password-file",
                "password-env",
                "from",
                "to",
                "owner-address",
                "addresses",
            ],
            _ => &[],
        };
        match given.iter().find(|(key, given)| *given && !allowed.contains(key)) {
            Some((key, _)) => {
                Err(wrong(format!("{of}: `{key}` means nothing for kind = \"{}\"", self.kind)))
            }
            None => Ok(()),
        }
    }

    fn kind(self, of: &str) -> Result<SinkKind, SettingsError> {
        let path =
            |path: Option<PathBuf>| path.ok_or_else(|| wrong(format!("{of}: path is missing")));
        Ok(match &*self.kind {
            "stdout" => SinkKind::Stdout,
            "markdown" => SinkKind::Markdown(path(self.path)?),
            "json" => SinkKind::Json(path(self.path)?),
            "files" => SinkKind::Files(path(self.path)?),
            "webhook" => {
                let url = secret_from(of, "url", self.url_file, self.url_env)?;
                SinkKind::Webhook(url.ok_or_else(|| {
                    wrong(format!(
                        "{of}: url-file or url-env is missing; who has the address can post there, \
                         so it is kept like a password"
                    ))
                })?)
            }
            "email" => SinkKind::Email(self.email(of)?),
            other => {
                return Err(wrong(format!(
                    "{of}: kind = \"{other}\" is none of stdout, markdown, json, webhook, email, files"
                )));
            }
        })
    }

    fn email(self, of: &str) -> Result<Email, SettingsError> {
        let password = secret_from(of, "password", self.password_file, self.password_env)?;
        let transport = match (self.smtp, self.sendmail) {
            (Some(server), None) => {
                let tls = self.tls.unwrap_or_default();
                let (host, port) = match server.rsplit_once(':') {
                    Some((host, port)) => (host, port.parse().ok()),
                    None => (&*server, Some(if tls == Tls::Implicit { 465 } else { 587 })),
                };
                let port = port.filter(|_| !host.is_empty()).ok_or_else(|| {
                    wrong(format!("{of}: smtp = \"{server}\" is no server; write \"host:587\""))
                })?;
                if tls == Tls::None && password.is_some() {
                    return Err(wrong(format!(
                        "{of}: a password is not sent without encryption; use tls = \"starttls\""
                    )));
                }
                if self.user.is_some() != password.is_some() {
                    return Err(wrong(format!("{of}: user and a password belong together")));
                }
                Transport::Smtp(Smtp { host: host.to_owned(), port, tls, user: self.user })
            }
            (None, Some(program)) if program.is_absolute() => Transport::Sendmail(program),
            (None, Some(_)) => {
                return Err(wrong(format!("{of}: sendmail needs the whole path of the program")));
            }
            _ => return Err(wrong(format!("{of}: write either smtp or sendmail"))),
        };
        let from = self.from.ok_or_else(|| wrong(format!("{of}: from is missing")))?;
        if self.to.is_empty() && self.owner_address.is_none() && self.addresses.is_empty() {
            return Err(wrong(format!("{of}: nobody is told; write to or owner-address")));
        }
        if self.owner_address.as_ref().is_some_and(|a| !a.contains("{owner}")) {
            return Err(wrong(format!("{of}: owner-address has no {{owner}} in it")));
        }
        Ok(Email {
            transport,
            from,
            to: self.to,
            owner_address: self.owner_address,
            addresses: self.addresses,
            password,
        })
    }
}

fn secret_from(
    of: &str,
    what: &str,
    file: Option<PathBuf>,
    environment: Option<String>,
) -> Result<Option<SecretFrom>, SettingsError> {
    match (file, environment) {
        (None, None) => Ok(None),
        (Some(file), None) => Ok(Some(SecretFrom::File(file))),
        (None, Some(name)) => Ok(Some(SecretFrom::Environment(name))),
        (Some(_), Some(_)) => {
            Err(wrong(format!("{of}: write either {what}-file or {what}-env, not both")))
        }
    }
}

#[cfg(test)]
mod tests;
