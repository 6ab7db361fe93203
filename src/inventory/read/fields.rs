//! Values of one line, checked. The error of each names the field and what it should have been.

use crate::core::model::{
    Checkpoint, Extra, Fingerprint, Guard, Marks, MetricId, Metrics, Names, Pin, Pointer,
    SharedFile, Status, Step, Time,
};
use crate::format::json::Value;
use crate::inventory::VERSION;

/// The members of an object. Missing and `null` are the same; unknown members are ignored.
pub struct Fields<'a>(pub &'a Value);

impl<'a> Fields<'a> {
    fn get(&self, key: &str) -> Option<&'a Value> {
        self.0.get(key).filter(|v| !v.is_null())
    }

    pub fn text(&self, key: &str) -> Result<Option<&'a str>, String> {
        let text = |v: &'a Value| v.as_str().ok_or_else(|| format!("{key} is not a text"));
        self.get(key).map(text).transpose()
    }

    /// A text that must be there and say something.
    pub fn name(&self, key: &str) -> Result<String, String> {
        match self.text(key)? {
            Some(name) if !name.is_empty() => Ok(name.to_owned()),
            Some(_) => Err(format!("{key} is empty")),
            None => Err(format!("{key} is missing")),
        }
    }

    pub fn time(&self, key: &str) -> Result<Option<Time>, String> {
        let parse = |text: &str| {
            Time::parse(text)
                .ok_or_else(|| format!("{key} `{text}` is not a time such as 2026-01-31T10:00:00Z"))
        };
        self.text(key)?.map(parse).transpose()
    }

    pub fn count(&self, key: &str) -> Result<Option<u64>, String> {
        let whole = |v: &Value| v.as_u64().ok_or_else(|| format!("{key} is not a whole number"));
        self.get(key).map(whole).transpose()
    }

    pub fn required(&self, key: &str) -> Result<u64, String> {
        self.count(key)?.ok_or_else(|| format!("{key} is missing"))
    }

    fn small(&self, key: &str) -> Result<Option<u32>, String> {
        let fits = |n| u32::try_from(n).map_err(|_| format!("{key} is too large"));
        self.count(key)?.map(fits).transpose()
    }

    fn bool(&self, key: &str) -> Result<Option<bool>, String> {
        let bool =
            |v: &Value| v.as_bool().ok_or_else(|| format!("{key} is neither true nor false"));
        self.get(key).map(bool).transpose()
    }

    fn list(&self, key: &str) -> Result<&'a [Value], String> {
        match self.get(key) {
            None => Ok(&[]),
            Some(v) => v.as_list().ok_or_else(|| format!("{key} is not a list")),
        }
    }

    pub fn texts(&self, key: &str) -> Result<Vec<Box<str>>, String> {
        let text = |v: &Value| {
            v.as_str()
                .map(Into::into)
                .ok_or_else(|| format!("{key} holds something else than texts"))
        };
        self.list(key)?.iter().map(text).collect()
    }

    fn object(&self, key: &str) -> Result<&'a [(String, Value)], String> {
        match self.get(key) {
            None => Ok(&[]),
            Some(v) => v.as_object().ok_or_else(|| format!("{key} is not an object")),
        }
    }

    fn step(&self, key: &str) -> Result<Option<Step>, String> {
        let step = |v: &Value| {
            match v {
                Value::Whole(n) => Some(Step::Whole(*n)),
                other => other.as_f64().and_then(Step::from_f64),
            }
            .ok_or_else(|| format!("{key} is neither null nor a number from 0 up"))
        };
        self.get(key).map(step).transpose()
    }
}

pub fn status(text: Option<&str>) -> Result<Status, String> {
    match text {
        None | Some("unknown") => Ok(Status::Unknown),
        Some("running") => Ok(Status::Running),
        Some("exited") => Ok(Status::Exited),
        Some(other) => Err(format!("status `{other}` is none of running, exited, unknown")),
    }
}

pub fn checkpoint(fields: &Fields<'_>, names: &mut Names) -> Result<Checkpoint, String> {
    if fields.count("v")?.is_some_and(|v| v != VERSION) {
        return Err(format!("v is not {VERSION}; use the version of retain that made this file"));
    }
    let (marks, unfinished) = marks(fields)?;
    let extra = Extra {
        summary: fields.text("summary")?.map(Into::into),
        elapsed: fields.get("elapsed").map(|v| number("elapsed", v)).transpose()?,
        tags: fields.texts("tags")?,
        needs: fields.texts("needs")?,
        pointers: fields.list("pointers")?.iter().map(pointer).collect::<Result<_, _>>()?,
        pin: fields.get("pin").map(pin).transpose()?,
        conflicts: fields.texts("conflicts")?,
        shared: fields.list("shared")?.iter().map(shared).collect::<Result<_, _>>()?,
        paths: fields.texts("paths")?,
        apparent: fields.count("apparent")?.unwrap_or(0),
        sources: sources(fields, names)?,
    };
    Ok(Checkpoint {
        id: fields.name("id")?.into(),
        step: fields.step("step")?,
        epoch: fields.step("epoch")?,
        saved_at: fields.time("saved_at")?,
        last_write: fields.time("last_write")?,
        bytes: fields.count("bytes")?.unwrap_or(0),
        files: fields.small("files")?.unwrap_or(0),
        metrics: metrics(fields, names)?,
        marks,
        complete: fields.bool("complete")?.unwrap_or(true) && !unfinished,
        fingerprint: fields.text("fingerprint")?.map(fingerprint).transpose()?,
        extra: (!is_empty(&extra)).then(|| Box::new(extra)),
    })
}

pub fn is_empty(e: &Extra) -> bool {
    e.summary.is_none()
        && e.elapsed.is_none()
        && e.pin.is_none()
        && e.apparent == 0
        && [e.tags.len(), e.needs.len(), e.pointers.len(), e.conflicts.len()] == [0; 4]
        && [e.shared.len(), e.paths.len(), e.sources.len()] == [0; 3]
}

/// The marks, and whether `incomplete` was among them.
fn marks(fields: &Fields<'_>) -> Result<(Marks, bool), String> {
    let mut marks = Marks::default();
    let mut unfinished = false;
    for name in fields.texts("marks")? {
        match Marks::parse(&name) {
            Some(mark) => marks.set(mark),
            None if &*name == "incomplete" => unfinished = true,
            // It may protect: dropping it could delete.
            None => {
                return Err(format!(
                    "mark `{name}` is none of pinned, submitted, latest, best, ambiguous, incomplete"
                ));
            }
        }
    }
    Ok((marks, unfinished))
}

fn number(key: &str, value: &Value) -> Result<f64, String> {
    match value {
        Value::Text(text) => Ok(match text.as_str() {
            "Infinity" => f64::INFINITY,
            "-Infinity" => f64::NEG_INFINITY,
            // Present, and no number.
            _ => f64::NAN,
        }),
        Value::Null => Ok(f64::NAN),
        other => other.as_f64().ok_or_else(|| format!("{key} is not a number")),
    }
}

fn metrics(fields: &Fields<'_>, names: &mut Names) -> Result<Metrics, String> {
    let mut metrics: Vec<(MetricId, f64)> = Vec::new();
    for (key, value) in fields.object("metrics")? {
        let id = names.intern(key);
        if metrics.iter().any(|m| m.0 == id) {
            return Err(format!("metric {key} stands here twice"));
        }
        metrics.push((id, number(key, value)?));
    }
    Ok(metrics.into())
}

fn sources(fields: &Fields<'_>, names: &mut Names) -> Result<Vec<(MetricId, Box<str>)>, String> {
    let mut sources: Vec<(MetricId, Box<str>)> = Vec::new();
    for (key, value) in fields.object("sources")? {
        let source = value.as_str().ok_or_else(|| format!("source of {key} is not a text"))?;
        sources.push((names.intern(key), source.into()));
    }
    sources.sort_by_key(|s| s.0);
    sources.dedup_by_key(|s| s.0);
    Ok(sources)
}

fn pointer(value: &Value) -> Result<Pointer, String> {
    let fields = Fields(value);
    let external = fields.bool("external")?.unwrap_or(false);
    Ok(Pointer { name: fields.name("name")?.into(), external })
}

fn pin(value: &Value) -> Result<Pin, String> {
    if value.as_object().is_none() {
        return Err("pin is not an object".to_owned());
    }
    let fields = Fields(value);
    Ok(Pin { until: fields.time("until")?, why: fields.text("why")?.map(Into::into) })
}

fn shared(value: &Value) -> Result<SharedFile, String> {
    let fields = Fields(value);
    let links = fields.small("links")?.ok_or("links is missing")?;
    let (inode, bytes) = (fields.required("inode")?, fields.required("bytes")?);
    // Files of before it was written down are no longer or shorter than what they occupy.
    let apparent = fields.count("apparent")?.unwrap_or(bytes);
    Ok(SharedFile { inode, bytes, apparent, links })
}

/// The `guards` of a session.
pub fn guards(fields: &Fields<'_>) -> Result<Vec<Guard>, String> {
    let guard = |value: &Value| {
        let fields = Fields(value);
        Ok(Guard {
            path: fields.text("path")?.ok_or("a guard has no path")?.into(),
            fingerprint: fields.text("fingerprint")?.map(fingerprint).transpose()?,
        })
    };
    fields.list("guards")?.iter().map(guard).collect()
}

pub fn fingerprint(text: &str) -> Result<Fingerprint, String> {
    let wrong = || format!("fingerprint `{text}` is not 32 hexadecimal digits");
    let mut out = Fingerprint::default();
    let digits = text.as_bytes();
    if digits.len() != 2 * out.len() {
        return Err(wrong());
    }
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let (high, low) = (digit(pair[0]).ok_or_else(wrong)?, digit(pair[1]).ok_or_else(wrong)?);
        *byte = high << 4 | low;
    }
    Ok(out)
}
