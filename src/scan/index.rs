//! What the last scan saw of sessions at rest, so that the next one need not look at each file.
//!
//! A session is remembered together with everything that was looked at to learn about it: each
//! directory that was listed, each file that was read, each single-file checkpoint, each log. If all
//! that has the same inode, size, mtime and ctime again, the session is what it was. An entry that
//! was added, removed or renamed changes its directory. What cannot be seen this way is a file inside
//! a checkpoint that was rewritten in place: apply notices, for it fingerprints everything afresh.
//!
//! Only what is whole and at rest is remembered: every checkpoint complete, nothing tainted, nothing
//! written for a day, nothing so young that the storage's clock could miss a further change.

use super::walk::Tree;
use crate::core::model::{Session, Status, Time};
use crate::store::{Entry, Fact, Identity, Observation};
use std::collections::HashMap;
use std::io::{self, Write};
use std::ops::Range;

mod bytes;
mod record;

pub(super) use bytes::{Reader, Writer};

/// The first bytes of every index; another number for another way to write it.
const MAGIC: &[u8; 16] = b"retain index 003";
const DAY: i64 = 86_400 * Time::NANOS_PER_SEC;
const DIGEST: usize = 32;

/// What makes an index another scan's: the program, the layouts, the settings, the root.
pub type Key = [u8; DIGEST];

/// An index to use, and how.
#[derive(Debug)]
pub struct Index {
    pub key: Key,
    /// When this scan began, by the machine's clock.
    pub started: Time,
    /// Nanoseconds by which a change must precede that, so that a later one has another time.
    pub grain: i64,
    bytes: Vec<u8>,
    places: HashMap<Vec<u8>, Range<usize>>,
}

/// Two seconds: no storage's clock is coarser.
pub const GRAIN: i64 = 2 * Time::NANOS_PER_SEC;

impl Index {
    /// One that knows nothing yet.
    pub fn new(key: Key, started: Time, grain: i64) -> Index {
        Index { key, started, grain, bytes: Vec::new(), places: HashMap::new() }
    }

    /// The same with what an earlier scan wrote; with nothing, if there is the least doubt about it.
    #[must_use]
    pub fn with(self, bytes: Vec<u8>) -> Index {
        match places(&bytes, &self.key) {
            Some(places) => Index { bytes, places, ..self },
            None => self,
        }
    }

    /// How many places it knows.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// What a directory was, and its listing then.
    pub(super) fn listing(&self, path: &[u8]) -> Option<(Identity, Vec<Entry>)> {
        let mut reader = Reader::new(self.bytes.get(self.places.get(path)?.clone())?);
        let mut reader = Reader::new(reader.bytes()?);
        let Fact::Is(identity) = record::observation(&mut reader)?.fact else { return None };
        Some((identity, reader.list(record::entry)?))
    }

    /// What was found at a path below the root, if `is_still` holds for all that it rests on; the
    /// paths of what is asked are below the directory that holds it.
    pub(super) fn recall(
        &self,
        path: &[u8],
        is_still: impl Fn(&Observation) -> bool,
    ) -> Option<Tree> {
        let range = self.places.get(path)?;
        let mut reader = Reader::new(self.bytes.get(range.clone())?);
        reader.bytes()?;
        let observations = reader.u64()?;
        for _ in 0..observations {
            if !is_still(&record::observation(&mut reader)?) {
                return None;
            }
        }
        let mut tree = record::tree(&mut reader)?;
        reader.is_at_end().then_some(())?;
        tree.kept.push(Kept { path: path.to_vec(), body: Body::Old(range.clone()) });
        Some(tree)
    }

    /// A tree, and the listing of its directory, as they are to be remembered; `above` is the length
    /// of the path of the directory that holds it. `None` if it is not at rest.
    pub(super) fn keep(
        &self,
        tree: &Tree,
        listing: &[Entry],
        now: Option<Time>,
        path: &[u8],
        above: usize,
    ) -> Option<Kept> {
        let observations = tree.seen.as_ref()?;
        let at_rest = tree.faults.is_empty() && tree.other_mounts.is_empty();
        let rests = |s: &Session| is_at_rest(s, now.unwrap_or(self.started));
        let whole = tree.drafts.iter().all(|d| d.faults.is_empty() && rests(&d.session));
        if !at_rest || !whole || !observations.iter().all(|o| self.is_settled(o)) {
            return None;
        }
        let mut own = Writer::default();
        record::put_observation(&mut own, observations.iter().find(|o| o.path == path)?, above);
        own.list(listing.iter(), record::put_entry);
        let mut out = Writer::default();
        out.bytes(&Vec::from(own));
        out.u64(observations.len() as u64);
        for observation in observations {
            record::put_observation(&mut out, observation, above);
        }
        record::put_tree(&mut out, tree);
        Some(Kept { path: path.to_vec(), body: Body::New(out.into()) })
    }

    /// Whether a change after it was seen would show.
    fn is_settled(&self, observation: &Observation) -> bool {
        let Fact::Is(identity) = observation.fact else { return true };
        let before = |(secs, nanos): (i64, u32)| {
            Time::from_secs_nanos(secs, nanos).is_some_and(|t| self.started.since(t) >= self.grain)
        };
        before(identity.changed) && before(identity.modified)
    }
}

fn is_at_rest(session: &Session, now: Time) -> bool {
    let complete = session.checkpoints.iter().all(|c| c.complete && c.fingerprint.is_some());
    let old = session.last_write.is_some_and(|w| now.since(w) >= DAY);
    complete && old && session.tainted.is_empty() && session.status != Status::Running
}

/// One place to remember.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    path: Vec<u8>,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    /// In the index that was used.
    Old(Range<usize>),
    New(Vec<u8>),
}

/// What a scan found worth remembering.
#[derive(Clone, Debug, Default)]
pub struct Memory(Vec<Kept>);

impl Memory {
    pub(super) fn new(mut kept: Vec<Kept>) -> Memory {
        kept.sort_by(|a, b| a.path.cmp(&b.path));
        Memory(kept)
    }

    /// Whether `index`, which the scan used, says all this and nothing else.
    pub fn is_known_to(&self, index: &Index) -> bool {
        self.0.len() == index.places.len() && self.0.iter().all(|k| matches!(k.body, Body::Old(_)))
    }

    /// Writes an index; `used` is the one that the scan used.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write(&self, used: &Index, out: &mut dyn Write) -> io::Result<()> {
        let mut hasher = blake3::Hasher::new();
        let mut put = |part: &[u8]| {
            hasher.update(part);
            out.write_all(part)
        };
        put(MAGIC)?;
        put(&used.key)?;
        for kept in &self.0 {
            let body = match &kept.body {
                Body::Old(range) => used.bytes.get(range.clone()).unwrap_or_default(),
                Body::New(body) => body,
            };
            put(&(kept.path.len() as u64).to_le_bytes())?;
            put(&(body.len() as u64).to_le_bytes())?;
            put(&kept.path)?;
            put(body)?;
        }
        out.write_all(hasher.finalize().as_bytes())
    }
}

/// Where each path's record lies; `None` for anything that is not wholly as it was written.
fn places(bytes: &[u8], key: &Key) -> Option<HashMap<Vec<u8>, Range<usize>>> {
    let end = bytes.len().checked_sub(DIGEST)?;
    let (content, digest) = bytes.split_at(end);
    let start = MAGIC.len() + DIGEST;
    if !content.starts_with(MAGIC)
        || content.get(MAGIC.len()..start)? != key
        || blake3::hash(content).as_bytes() != digest
    {
        return None;
    }
    let number = |at: usize| {
        let bytes: [u8; 8] = content.get(at..at.checked_add(8)?)?.try_into().ok()?;
        usize::try_from(u64::from_le_bytes(bytes)).ok()
    };
    let mut places = HashMap::new();
    let mut at = start;
    while at < end {
        let (path, body) = (number(at)?, number(at + 8)?);
        let path_end = (at + 16).checked_add(path)?;
        let body_end = path_end.checked_add(body)?;
        places.insert(content.get(at + 16..path_end)?.to_vec(), path_end..body_end);
        content.get(path_end..body_end)?;
        at = body_end;
    }
    Some(places)
}
