//! Tells everybody what is news to them, once.
//!
//! Each target (a chat, one address of a mail) has a memory of its own, so that a failure of one
//! neither repeats nor swallows what another was told. Nothing goes out that could not be
//! remembered: it would go out again at every run.

use super::monitor::{self, Watch};
use super::past;
use crate::apply::Root;
use crate::core::model::{Session, Time};
use crate::core::monitor::{Finding, Level, Occasion, due};
use crate::core::plan;
use crate::history::Sent;
use crate::notify::settings::{Email, SecretFrom, Sink, SinkKind};
use crate::notify::{self, Mail, NotDelivered, Secret};
use crate::report::message::Door;
use crate::report::{human, monitor as render, sanitize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// What became of one message.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// `sink`, or `sink, address`.
    pub target: String,
    /// `2 notices`.
    pub items: String,
    pub error: Option<String>,
}

impl Delivery {
    fn new(target: &str, items: usize, done: Result<(), String>) -> Delivery {
        let items = human::count(items as u64, "notice");
        Delivery { target: target.to_owned(), items, error: done.err() }
    }

    pub fn json(&self) -> Value {
        json!({ "target": self.target, "items": self.items, "error": self.error })
    }
}

/// What a finding is remembered by: its quota and its owner (empty: the root).
pub fn key(finding: &Finding) -> (&str, &str) {
    (&finding.quota.name, finding.quota.owner.as_deref().unwrap_or(""))
}

/// Somebody with a memory.
struct Target<'a> {
    sink: &'a Sink,
    /// Of a mail.
    address: Option<String>,
    /// Findings it may be told of.
    findings: Vec<usize>,
}

/// News for a target: findings and why they are news, and the level each is remembered with.
type News = Vec<(usize, Occasion, Level)>;

impl Target<'_> {
    fn name(&self) -> String {
        match &self.address {
            Some(address) => format!("{}, {address}", self.sink.name),
            None => self.sink.name.clone(),
        }
    }

    fn news(&self, watch: &Watch<'_>, told: &Told) -> News {
        let name = self.name();
        let mut news = Vec::new();
        for &i in &self.findings {
            let finding = &watch.findings[i];
            // A level that the sink is not told of is none of its business.
            let heard = self.sink.levels.contains(&finding.level);
            let level = if heard { finding.level } else { Level::Ok };
            let (quota, owner) = key(finding);
            let last = told.get(&(name.clone(), quota.to_owned(), owner.to_owned())).copied();
            let remind = watch.settings.remind_after_secs;
            if let Some(occasion) = due(level, last, remind, watch.context.now) {
                news.push((i, occasion, level));
            }
        }
        news
    }
}

/// By target, quota and owner.
type Told = HashMap<(String, String, String), (Level, Time)>;

/// What everybody would be told if nobody had been told anything.
pub fn preview(watch: &Watch<'_>) -> Vec<Delivery> {
    let of = |t: &Target<'_>| (t.name(), t.news(watch, &Told::new()).len());
    let news = targets(watch).iter().map(of).filter(|(_, n)| *n > 0).collect::<Vec<_>>();
    news.into_iter().map(|(name, n)| Delivery::new(&name, n, Ok(()))).collect()
}

/// Tells everybody; `sent`: what they were told before, `None` if that cannot be remembered here.
pub fn everybody(watch: &Watch<'_>, root: &Root, sent: Option<Vec<Sent>>) -> Vec<Delivery> {
    let remembers = sent.is_some();
    let told: Told = sent
        .unwrap_or_default()
        .into_iter()
        .filter_map(|s| Some(((s.sink, s.quota, s.owner), (Level::parse(&s.level)?, s.at))))
        .collect();
    let mut deliveries: Vec<Delivery> =
        watch.settings.sinks.iter().filter_map(|sink| report(watch, sink)).collect();
    // Time that was lost on a sink that does not answer.
    let mut lost: HashMap<&str, Duration> = HashMap::new();
    let targets = targets(watch);
    let outward = |t: &Target<'_>| matches!(t.sink.kind, SinkKind::Webhook(_) | SinkKind::Email(_));
    if !remembers && targets.iter().any(outward) {
        watch.context.ui.warn(
            "nothing was sent: what was sent could not be remembered in .retain/history.sqlite, and \
             would be sent at every run",
        );
    }
    for target in targets.iter().filter(|t| remembers || !outward(t)) {
        let news = target.news(watch, &told);
        if news.is_empty() {
            continue;
        }
        let spent = lost.entry(&target.sink.name).or_default();
        let done = if *spent >= target.sink.timeout {
            Err("given up for this run, because it did not answer before".to_owned())
        } else {
            let start = Instant::now();
            let done = deliver(watch, target, &news);
            if done.is_err() {
                *spent += start.elapsed();
            }
            done
        };
        if done.is_ok() && remembers {
            remember(watch, root, target, &news);
        }
        deliveries.push(Delivery::new(&target.name(), news.len(), done));
    }
    deliveries
}

fn targets<'a>(watch: &Watch<'a>) -> Vec<Target<'a>> {
    let settings = watch.settings;
    let mut targets = Vec::new();
    for sink in &settings.sinks {
        let mine = |i: &usize| {
            let owner = watch.findings[*i].quota.owner.as_deref();
            sink.owners.as_ref().is_none_or(|globs| owner.is_some_and(|o| globs.is_match(o)))
        };
        let findings: Vec<usize> = (0..watch.findings.len()).filter(mine).collect();
        match &sink.kind {
            SinkKind::Markdown(_) | SinkKind::Json(_) => {}
            // Text has no place beside JSON, and who got none was not told.
            SinkKind::Stdout if watch.context.ui.json => {}
            SinkKind::Stdout | SinkKind::Webhook(_) => {
                targets.push(Target { sink, address: None, findings });
            }
            SinkKind::Files(_) => targets.push(Target { sink, address: None, findings }),
            SinkKind::Email(email) => {
                for (address, findings) in addresses(watch, email, &findings) {
                    targets.push(Target { sink, address: Some(address), findings });
                }
            }
        }
    }
    targets
}

/// Whom a mail goes to, each with what concerns them.
fn addresses(watch: &Watch<'_>, email: &Email, findings: &[usize]) -> BTreeMap<String, Vec<usize>> {
    let mut addresses: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for to in &email.to {
        addresses.insert(to.clone(), findings.to_vec());
    }
    for &i in findings {
        let Some(owner) = watch.findings[i].quota.owner.as_deref() else { continue };
        match email.address_of(owner) {
            Some(address) => {
                let list = addresses.entry(address).or_default();
                if !list.contains(&i) {
                    list.push(i);
                }
            }
            None if email.owner_address.is_some() => {
                watch.context.ui.detail(format!("{owner} has no address"));
            }
            None => {}
        }
    }
    addresses
}

/// Reports of the whole state, which need no memory.
fn report(watch: &Watch<'_>, sink: &Sink) -> Option<Delivery> {
    let count = watch.findings.len();
    let (root, now) = (&watch.seen.root_shown, watch.context.now);
    let (path, text) = match &sink.kind {
        SinkKind::Markdown(path) => {
            (path, render::markdown(root, now, watch.findings, watch.commands))
        }
        SinkKind::Json(path) => {
            let value = render::json(root, now, watch.findings, watch.commands, &[]);
            (path, format!("{value:#}\n"))
        }
        _ => return None,
    };
    let path = watch.beside.join(path);
    let done = notify::within(sink.timeout, move || notify::replace(&path, text.as_bytes()));
    Some(Delivery::new(&sink.name, count, done.map_err(|e| e.to_string())))
}

fn deliver(watch: &Watch<'_>, target: &Target<'_>, news: &News) -> Result<(), String> {
    let limit = target.sink.timeout;
    let text = |door| {
        let bodies = news.iter().map(|(i, o, _)| watch.writer().body(&watch.item(*i, *o), door));
        bodies.collect::<Vec<_>>().join("\n")
    };
    let done = match &target.sink.kind {
        SinkKind::Markdown(_) | SinkKind::Json(_) => Ok(()),
        SinkKind::Stdout => {
            let text = sanitize::terminal_lines(&text(Door::Plain)).into_owned();
            return watch
                .context
                .ui
                .out(&format!("{text}\n"))
                .map_err(|e| format!("{:#}", e.error));
        }
        SinkKind::Webhook(url) => {
            let url = monitor::secret(url, watch.beside)?;
            let text = text(Door::Chat);
            notify::within(limit, move || notify::post(&url, &text, limit))
        }
        SinkKind::Email(email) => {
            let read = |from: &SecretFrom| monitor::secret(from, watch.beside);
            let password: Option<Secret> = email.password.as_ref().map(read).transpose()?;
            let items: Vec<_> = news.iter().map(|(i, o, _)| watch.item(*i, *o)).collect();
            let mail = Mail {
                to: target.address.iter().cloned().collect(),
                subject: watch.writer().subject(&items),
                body: text(Door::Plain),
            };
            let email = email.clone();
            notify::within(limit, move || {
                notify::send_mail(&email, password.as_ref(), &mail, limit)
            })
        }
        SinkKind::Files(folder) => {
            let folder = watch.beside.join(folder);
            let mut files = Vec::new();
            for owner in news.iter().map(|(i, ..)| key(&watch.findings[*i]).1) {
                files.extend(owner_files(watch, target, owner)?);
            }
            notify::within(limit, move || {
                files.iter().try_for_each(|(name, text)| notify::replace(&folder.join(name), text))
            })
        }
    };
    done.map_err(|NotDelivered(text)| text)
}

/// A text about all of an owner's quotas, and the plan that would bring them under.
fn owner_files(
    watch: &Watch<'_>,
    target: &Target<'_>,
    owner: &str,
) -> Result<Vec<(String, Vec<u8>)>, String> {
    // No owner's file is called so.
    let name = if owner.is_empty() { "%all".to_owned() } else { notify::owner_file(owner) };
    let of_owner = |i: &&usize| key(&watch.findings[**i]).1 == owner;
    let mut text = String::new();
    for &i in target.findings.iter().filter(of_owner) {
        text += &watch.writer().body(&watch.item(i, Occasion::Changed), Door::Plain);
        text.push('\n');
    }
    let mut files = vec![(format!("{name}.txt"), text.into_bytes())];
    if let Some((policy, outcome)) = watch.pressed {
        let chosen = |s: &Session| owner.is_empty() || *s.owner == *owner;
        let plan = plan::build(&plan::Input {
            inventory: &watch.seen.inventory,
            policy,
            outcome,
            now: watch.context.now,
            policy_source: &watch.policy.source,
            policy_text: &watch.policy.text,
            root: watch.seen.root.clone(),
            select: Some(&chosen),
        });
        let json = serde_json::to_vec_pretty(&plan).map_err(|e| e.to_string())?;
        files.push((format!("{name}.plan.json"), json));
    }
    Ok(files)
}

fn remember(watch: &Watch<'_>, root: &Root, target: &Target<'_>, news: &News) {
    past::update(watch.context, root, |history| {
        for (i, _, level) in news {
            let (quota, owner) = key(&watch.findings[*i]);
            history.set_sent(&Sent {
                sink: target.name(),
                quota: quota.to_owned(),
                owner: owner.to_owned(),
                level: level.as_str().to_owned(),
                at: watch.context.now,
            })?;
        }
        Ok(())
    });
}
