//! NSML, the hackathon platform that `retain` comes from.
//!
//! Names of checkpoints are free text, so the folder around them has to prove what they are: the
//! server keeps them in `TEAM/DATASET/N/nsml_model/NAME/`, with the weights in `model/` and a
//! `metadata.json` written last. Pulled by a user they lie in `TEAM_DATASET_N/NAME/`; that name
//! proves little, so a directory there counts only with NSML's metadata in it, or if all its
//! neighbours have exactly NSML's shape, and then it is marked as ambiguous.

use super::folder::{Folder, Peek, cannot_read, read_json};
use super::metric::Source;
use super::{About, Claim, Layout, Notes, Parent, Series};
use crate::core::model::{Marks, Status, Step, Time};
use crate::core::name::encode;
use crate::format::json::Value;
use crate::store::{Dir, Entry, Kind};
use std::fmt::Write as _;

pub struct Nsml;

const BUCKET: &[u8] = b"nsml_model";
const METADATA: &[u8] = b"metadata.json";
const SESSION: &[u8] = b"session.json";

const ABOUT: About = About {
    unit: "directory",
    name: "any, in `nsml_model/` or `TEAM_DATASET_N/`",
    signature: "`model/` or `metadata.json` inside; in what a user pulled, NSML's own metadata, or nothing else in all neighbours",
    order: "summary",
    metrics: "summary",
    pointers: "a running fork's parent; submissions mark",
    unfinished: "no `metadata.json`",
    traps: "names are free text: order goes by the recorded time of saving. Pulled without metadata, or `checkpoint` in it another name: ambiguous",
};

impl Layout for Nsml {
    fn name(&self) -> &'static str {
        "nsml"
    }

    fn about(&self) -> About {
        ABOUT
    }

    fn recognise(&self, folder: &Folder<'_>, notes: &mut Notes) -> Vec<Series> {
        let server = folder.name() == BUCKET;
        if !server && !is_pulled_name(folder.name()) {
            return Vec::new();
        }
        let mut claims = Vec::new();
        let mut strangers = false;
        for entry in folder.dirs().filter(|e| &*e.name != b".retain") {
            let peek = match folder.peek(&entry.name) {
                Ok(peek) => peek,
                Err(e) => {
                    notes.fault(folder.join(&entry.name), cannot_read(&encode(&entry.name), &e));
                    strangers = true;
                    continue;
                }
            };
            let has_model = peek.entry(b"model").is_some_and(|e| e.kind == Kind::Dir);
            let fits = if server {
                has_model || peek.entry(METADATA).is_some()
            } else {
                has_model && (is_exact_shape(&peek) || proves_itself(&peek))
            };
            strangers |= !fits;
            if fits {
                let mut claim = Claim::of_entry(&entry.name);
                if !server && !proves_itself(&peek) {
                    claim.marks.set(Marks::AMBIGUOUS);
                }
                claims.push(claim);
            }
        }
        if strangers {
            // Beside other directories the shape alone proves nothing.
            claims.retain(|c| !c.marks.has(Marks::AMBIGUOUS));
        }
        if claims.is_empty() {
            return Vec::new();
        }
        vec![Series { claims, own_components: usize::from(server), ..Series::default() }]
    }

    fn holds_anything(&self) -> bool {
        true
    }

    fn explain(&self, folder: &Folder<'_>, entry: &Entry) -> Option<String> {
        if entry.kind != Kind::Dir {
            return None;
        }
        let peek = folder.peek(&entry.name).ok()?;
        let has_model = peek.entry(b"model").is_some_and(|e| e.kind == Kind::Dir);
        if folder.name() == BUCKET {
            return Some("neither model/ nor metadata.json in it".to_owned());
        }
        if is_pulled_name(folder.name()) && has_model {
            return Some(
                "no metadata.json of NSML in it, and not all beside it are of its shape".to_owned(),
            );
        }
        (has_model && proves_itself(&peek))
            .then(|| "not in nsml_model/ or TEAM_DATASET_N/".to_owned())
    }

    fn enrich(&self, folder: &Folder<'_>, series: &mut Series, notes: &mut Notes) {
        // Sources are told relative to the session, whose name the bucket is no part of.
        let below = if series.own_components == 0 { "" } else { "nsml_model/" };
        for claim in &mut series.claims {
            let source = Source::File(format!("{below}{}/metadata.json", claim.id));
            if let Err(text) = read_checkpoint(folder, claim, &source) {
                claim.complete = false;
                notes.fault(folder.join(claim.name()), text);
            }
        }
        let home = if series.own_components == 0 { Some(folder) } else { folder.parent() };
        if let Some(home) = home.filter(|h| h.entry(SESSION).is_some())
            && let Err(text) = read_session(&*home.dir, series)
        {
            notes.fault(home.join(SESSION), text);
        }
    }
}

/// `TEAM_DATASET_N`; team and dataset may hold underscores themselves.
fn is_pulled_name(name: &[u8]) -> bool {
    let mut parts = name.rsplitn(3, |b| *b == b'_');
    let number = parts.next().unwrap_or_default();
    let digits = !number.is_empty() && number.iter().all(u8::is_ascii_digit);
    digits
        && parts.next().is_some_and(|p| !p.is_empty())
        && parts.next().is_some_and(|p| !p.is_empty())
}

fn is_exact_shape(peek: &Peek<'_>) -> bool {
    peek.entries().iter().all(|e| &*e.name == b"model" || &*e.name == METADATA)
}

/// Whether its metadata has the keys that NSML writes.
fn proves_itself(peek: &Peek<'_>) -> bool {
    peek.has_file(METADATA)
        && peek.read_json(METADATA).is_ok_and(|m| {
            m.get("checkpoint").is_some() && (m.get("saved_at").or(m.get("summary"))).is_some()
        })
}

fn read_checkpoint(folder: &Folder<'_>, claim: &mut Claim, source: &Source) -> Result<(), String> {
    let peek = folder.peek(claim.name()).map_err(|e| cannot_read("the checkpoint", &e))?;
    if peek.entry(METADATA).is_none() {
        claim.complete = false;
        return Ok(());
    }
    let metadata = peek.read_json(METADATA)?;
    if metadata.as_object().is_none() {
        return Err("metadata.json is damaged: not an object".to_owned());
    }
    if let Some(name) = metadata.get("checkpoint")
        && name.as_str() != Some(&claim.id)
    {
        claim.marks.set(Marks::AMBIGUOUS);
    }
    match metadata.get("saved_at") {
        None | Some(Value::Null) => {}
        Some(at) => {
            let time = at.as_str().and_then(Time::parse);
            claim.saved_at = Some(time.ok_or("saved_at in metadata.json is not an RFC 3339 time")?);
        }
    }
    claim.elapsed = metadata.get("elapsed").and_then(Value::as_f64).filter(|x| x.is_finite());
    match metadata.get("summary") {
        None | Some(Value::Null) => {}
        Some(Value::Text(text)) => claim.summary = Some(text.clone()),
        Some(Value::Object(members)) => summarise(claim, members, source),
        Some(_) => return Err("summary in metadata.json is neither text nor an object".to_owned()),
    }
    Ok(())
}

/// Numbers are metrics, but for the epoch and the step; all of it is the summary that NSML shows.
fn summarise(claim: &mut Claim, members: &[(String, Value)], source: &Source) {
    let mut summary = String::new();
    for (key, value) in members {
        let separator = if summary.is_empty() { "" } else { ", " };
        let _ = write!(summary, "{separator}{key}={}", plain(value));
        let number = value.as_f64();
        match (key.as_str(), number.and_then(Step::from_f64)) {
            ("epoch", Some(epoch)) => claim.epoch = Some(epoch),
            ("step", Some(step)) => claim.step = Some(step),
            _ => match value {
                Value::Bool(_) | Value::List(_) | Value::Object(_) => {}
                _ => claim.metrics.offer(key, number.unwrap_or(f64::NAN), source.clone()),
            },
        }
    }
    claim.summary = Some(summary);
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Whole(n) => n.to_string(),
        Value::Float(x) => x.to_string(),
        Value::Text(text) => text.clone(),
        Value::List(_) => "[..]".to_owned(),
        Value::Object(_) => "{..}".to_owned(),
    }
}

fn read_session(dir: &dyn Dir, series: &mut Series) -> Result<(), String> {
    let session = read_json(dir, SESSION)?;
    if session.as_object().is_none() {
        return Err("session.json is damaged: not an object".to_owned());
    }
    series.status = match session.get("status").and_then(Value::as_str) {
        Some("running") => Status::Running,
        Some("exited") => Status::Exited,
        _ => Status::Unknown,
    };
    let text = |value: &Value, key: &str| Some(value.get(key)?.as_str()?.to_owned());
    if let Some(parent) = session.get("parent").filter(|p| !p.is_null()) {
        let both = text(parent, "session").zip(text(parent, "checkpoint"));
        let (session, checkpoint) =
            both.ok_or("parent in session.json does not name a session and a checkpoint")?;
        series.parent = Some(Parent { session, checkpoint });
    }
    if let Some(submissions) = session.get("submissions").filter(|s| !s.is_null()) {
        let list = submissions.as_list().ok_or("submissions in session.json is not a list")?;
        for submission in list {
            let id = text(submission, "checkpoint")
                .ok_or("a submission in session.json does not name its checkpoint")?;
            for claim in series.claims.iter_mut().filter(|c| c.id == id) {
                claim.marks.set(Marks::SUBMITTED);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pulled_names() {
        for name in ["team_mnist_4", "my_team_data_set_12"] {
            assert!(is_pulled_name(name.as_bytes()), "{name}");
        }
        for name in ["team_4", "team_mnist_", "team_mnist_x", "_mnist_4", "team__4", "4", ""] {
            assert!(!is_pulled_name(name.as_bytes()), "{name}");
        }
    }
}
