//! Reads an inventory, and finds all of its faults at once.
//!
//! A line that does not parse is never skipped: what it was about would be missing, and a rule
//! such as "the newest three" would choose others.

use super::{InventoryFile, MAX_LINE, ReadErrors, VERSION};
use crate::core::model::{Checkpoint, Inventory, Session, Space};
use crate::core::name::natural_cmp;
use crate::format::json::{self, Value};
use fields::{Fields, checkpoint, guards, status};
use quick::Quick;
use std::collections::HashMap;
use std::io::BufRead;

mod fields;
mod quick;

/// Reads JSON Lines as [`super::write()`] writes them, or as other tools do: without header and
/// trailer, and with as few fields as `session` and `id`.
///
/// # Errors
/// Every line that is wrong, with its number.
pub fn read(input: &mut dyn BufRead) -> Result<InventoryFile, ReadErrors> {
    let mut reader = Reader::default();
    let mut buffer = Vec::new();
    let mut number = 0;
    loop {
        buffer.clear();
        number += 1;
        match read_line(input, &mut buffer) {
            Ok(0) => break,
            Ok(_) if buffer.len() > MAX_LINE => {
                // The rest of it was not read: what follows cannot be told apart from it.
                reader.errors.push(number, "longer than 16 MiB");
                break;
            }
            Ok(_) => reader.line(number, buffer.trim_ascii()),
            Err(e) => {
                reader.errors.push(number, format!("cannot be read: {e}"));
                break;
            }
        }
    }
    reader.finish(number)
}

fn read_line(mut input: &mut dyn BufRead, buffer: &mut Vec<u8>) -> std::io::Result<usize> {
    use std::io::Read as _;
    let limit = MAX_LINE as u64 + 1;
    (&mut input).take(limit).read_until(b'\n', buffer)
}

#[derive(Default)]
struct Reader {
    inventory: Inventory,
    index: HashMap<Box<str>, usize>,
    /// Of the session that was found last.
    last: usize,
    /// The line of each session's own record, and of each of its checkpoints.
    lines: Vec<(Option<u64>, Vec<u64>)>,
    has_header: bool,
    /// Sessions and checkpoints as the trailer counts them.
    trailer: Option<(u64, u64)>,
    session_lines: u64,
    checkpoint_lines: u64,
    errors: ReadErrors,
}

impl Reader {
    fn line(&mut self, number: u64, line: &[u8]) {
        if line.is_empty() {
            return;
        }
        if self.trailer.is_some() {
            self.errors.push(number, "more lines after the trailer");
            return;
        }
        if let Some(Quick { session, checkpoint }) =
            quick::checkpoint(line, &mut self.inventory.names)
        {
            return self.push(number, &session, checkpoint);
        }
        let value = match json::parse(line) {
            Ok(value) if value.as_object().is_some() => value,
            Ok(_) => return self.errors.push(number, "not an object"),
            Err(e) => return self.errors.push(number, e.to_string()),
        };
        let done = if value.get("retain-inventory").is_some() {
            self.header(number, &value)
        } else if value.get("end").is_some() {
            self.end(&value)
        } else if value.get("id").is_some() {
            self.checkpoint(number, &value)
        } else {
            self.session(number, &value)
        };
        if let Err(text) = done {
            self.errors.push(number, text);
        }
    }

    fn header(&mut self, number: u64, value: &Value) -> Result<(), String> {
        if number != 1 {
            return Err(
                "a header that is not the first line; use `retain inventory --merge` to put \
                        files together"
                    .to_owned(),
            );
        }
        self.has_header = true;
        let version = value.get("retain-inventory").and_then(Value::as_u64);
        if version != Some(VERSION) {
            return Err(format!(
                "an inventory of another format than {VERSION}; use the version of retain that made it"
            ));
        }
        let fields = Fields(value);
        self.inventory.root = fields.text("root")?.map(Into::into);
        self.inventory.now = fields.time("now")?;
        if let Some(space) = fields.0.get("space").filter(|s| !s.is_null()) {
            let space = Fields(space);
            self.inventory.space = Some(Space {
                total: space.required("total")?,
                free: space.required("free")?,
                trash: space.count("trash")?.unwrap_or_default(),
            });
        }
        Ok(())
    }

    fn end(&mut self, value: &Value) -> Result<(), String> {
        if !self.has_header {
            return Err("a trailer without a header".to_owned());
        }
        let fields = Fields(value);
        self.trailer = Some((fields.required("sessions")?, fields.required("checkpoints")?));
        Ok(())
    }

    fn session(&mut self, number: u64, value: &Value) -> Result<(), String> {
        let fields = Fields(value);
        // What only a checkpoint has tells one that lost its id from a session.
        let of_checkpoint = ["v", "step", "epoch", "saved_at", "bytes", "metrics", "complete"];
        if of_checkpoint.iter().any(|key| value.get(key).is_some()) {
            return Err("a checkpoint without an id".to_owned());
        }
        self.session_lines += 1;
        let i = self.find(&fields.name("session")?);
        if let Some(first) = self.lines[i].0.replace(number) {
            return Err(format!("this session stands in line {first} already"));
        }
        let session = &mut self.inventory.sessions[i];
        if let Some(owner) = fields.text("owner")? {
            session.owner = owner.into();
        }
        session.layout = fields.text("layout")?.map(Into::into);
        session.status = status(fields.text("status")?)?;
        session.last_write = fields.time("last_write")?;
        session.tainted = fields.texts("tainted")?;
        session.tags = fields.texts("tags")?;
        session.guards = guards(&fields)?;
        Ok(())
    }

    fn checkpoint(&mut self, number: u64, value: &Value) -> Result<(), String> {
        let fields = Fields(value);
        self.checkpoint_lines += 1;
        let i = self.find(&fields.name("session")?);
        let checkpoint = checkpoint(&fields, &mut self.inventory.names)?;
        self.inventory.sessions[i].checkpoints.push(checkpoint);
        self.lines[i].1.push(number);
        Ok(())
    }

    fn push(&mut self, number: u64, session: &str, checkpoint: Checkpoint) {
        self.checkpoint_lines += 1;
        let i = self.find(session);
        self.inventory.sessions[i].checkpoints.push(checkpoint);
        self.lines[i].1.push(number);
    }

    /// The index of a session; made if it was not met before.
    fn find(&mut self, name: &str) -> usize {
        // Mostly it is the session of the line before.
        if self.inventory.sessions.get(self.last).is_some_and(|s| *s.name == *name) {
            return self.last;
        }
        if let Some(&i) = self.index.get(name) {
            self.last = i;
            return i;
        }
        let i = self.inventory.sessions.len();
        let owner = name.split('/').next().unwrap_or(name).into();
        let session = Session { name: name.into(), owner, ..Session::default() };
        self.inventory.sessions.push(session);
        self.lines.push((None, Vec::new()));
        self.index.insert(name.into(), i);
        self.last = i;
        i
    }

    /// `last`: the number of the line after the last one.
    fn finish(mut self, last: u64) -> Result<InventoryFile, ReadErrors> {
        let complete = self.errors.is_empty();
        match self.trailer {
            // Lines that are wrong would be counted as missing as well.
            Some(counts) if complete => {
                let read = (self.session_lines, self.checkpoint_lines);
                // Records of sessions are optional: then the sessions themselves are counted.
                let met = self.inventory.sessions.len() as u64;
                if counts != read && counts != (met, self.checkpoint_lines) {
                    self.errors.push(
                        last - 1,
                        format!(
                            "the trailer counts {} sessions and {} checkpoints, the file has {} and {}",
                            counts.0, counts.1, read.0, read.1
                        ),
                    );
                }
            }
            None if self.has_header => {
                self.errors.push(last, "the trailer is missing: the file was cut short");
            }
            _ => {}
        }
        self.duplicates();
        if !self.errors.is_empty() {
            self.errors.faults.sort_by_key(|f| f.line);
            return Err(self.errors);
        }
        self.inventory.sessions.sort_by(|a, b| natural_cmp(&a.name, &b.name));
        for session in &mut self.inventory.sessions {
            if !in_order(session) {
                session.checkpoints.sort_by(|a, b| natural_cmp(&a.id, &b.id));
            }
        }
        Ok(InventoryFile { inventory: self.inventory, applicable: self.has_header })
    }

    fn duplicates(&mut self) {
        for (session, (_, lines)) in self.inventory.sessions.iter().zip(&self.lines) {
            if in_order(session) {
                continue;
            }
            let id = |i: usize| &*session.checkpoints[i].id;
            let mut order: Vec<usize> = (0..lines.len()).collect();
            order.sort_by_key(|&i| (id(i), lines[i]));
            for pair in order.windows(2).filter(|p| id(p[0]) == id(p[1])) {
                let text = format!(
                    "checkpoint {} of session {} stands in line {} already",
                    id(pair[1]),
                    session.name,
                    lines[pair[0]]
                );
                self.errors.push(lines[pair[1]], text);
            }
        }
    }
}

/// Natural order, in which no id stands twice.
fn in_order(session: &Session) -> bool {
    session.checkpoints.is_sorted_by(|a, b| natural_cmp(&a.id, &b.id).is_lt())
}
