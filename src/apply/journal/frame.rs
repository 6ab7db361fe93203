//! Records in a file: found again when its end is torn, its middle flipped, its tail all zeros.
//!
//! `retain-journal/1\n`, then for each record: `rJ`, the payload's length and checksum, and the
//! payload. The checksum covers the file's name and the record's offset too, so that an old block
//! of another file never passes for a record of this one.

use super::record::Record;

/// Version of the journals written here; newer ones are refused.
pub const VERSION: u32 = 1;
const MAGIC: &str = "retain-journal/";
const MARK: &[u8; 2] = b"rJ";
const FRAME: usize = 2 + 4 + 8;
/// No record is longer; a length above this is garbage.
const MAX_RECORD: usize = 64 << 20;

pub(super) fn header() -> Vec<u8> {
    format!("{MAGIC}{VERSION}\n").into_bytes()
}

/// Appends a record that will stand at offset `at` of the file called `name`.
pub(super) fn encode(out: &mut Vec<u8>, record: &Record, name: &str, at: u64) {
    // Records are plain data without maps or floats: writing them to memory cannot fail.
    let payload = serde_json::to_vec(record).unwrap_or_default();
    let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(MARK);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&checksum(&payload, name, at));
    out.extend_from_slice(&payload);
}

fn checksum(payload: &[u8], name: &str, at: u64) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(name.as_bytes());
    hasher.update(&at.to_le_bytes());
    hasher.update(payload);
    let mut out = [0; 8];
    out.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    out
}

/// What a journal file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    pub records: Vec<Record>,
    /// Valid records follow invalid bytes: the disk lost something that was once written.
    pub damaged: bool,
    /// The file is of a version that this one does not know, or holds a record of one.
    pub newer: bool,
}

/// Reads the journal file called `name`. A torn end is no fault: nothing had relied on it.
pub fn decode(bytes: &[u8], name: &str) -> Decoded {
    let mut out = Decoded::default();
    let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    let version =
        std::str::from_utf8(line).ok().and_then(|l| l.strip_prefix(MAGIC)?.parse::<u32>().ok());
    if version.is_some_and(|v| v > VERSION) {
        out.newer = true;
        return out;
    }
    let mut at = if version.is_some() { line.len() + 1 } else { 0 };
    let mut lost = version.is_none();
    while at < bytes.len() {
        if let Some((payload, next)) = record(bytes, at, name) {
            out.damaged |= lost;
            lost = false;
            match parse(payload) {
                Ok(record) => out.records.push(record),
                // It passed its checksum, so somebody meant it.
                Err(_) => out.newer = true,
            }
            at = next;
        } else {
            lost = true;
            let rest = &bytes[at + 1..];
            // What was reserved and never written is long and empty.
            match memchr::memmem::find(rest, MARK) {
                Some(skip) => at += 1 + skip,
                None => break,
            }
        }
    }
    out
}

/// How [`encode`] begins an intent; nearly all records are, and read at once they take a third of the
/// time.
const INTENT: &[u8] = br#"{"k":"intent","#;

fn parse(payload: &[u8]) -> serde_json::Result<Record> {
    if payload.starts_with(INTENT) {
        return serde_json::from_slice(payload).map(Record::Intent);
    }
    serde_json::from_slice(payload)
}

/// The payload of a whole record at `at`, and where the next one begins.
fn record<'a>(bytes: &'a [u8], at: usize, name: &str) -> Option<(&'a [u8], usize)> {
    let frame = bytes.get(at..at + FRAME)?;
    if &frame[..2] != MARK {
        return None;
    }
    let len = u32::from_le_bytes(frame[2..6].try_into().ok()?) as usize;
    let end = (at + FRAME).checked_add(len).filter(|_| len <= MAX_RECORD)?;
    let payload = bytes.get(at + FRAME..end)?;
    (frame[6..] == checksum(payload, name, at as u64)).then_some((payload, end))
}

#[cfg(test)]
mod tests {
    use super::super::record::{Intent, Part};
    use super::*;
    use proptest::prelude::*;

    const NAME: &str = "r.0000";

    fn sample(n: u32) -> (Vec<u8>, Vec<Record>, Vec<usize>) {
        let mut bytes = header();
        let mut records = Vec::new();
        let mut ends = vec![bytes.len()];
        for i in 0..n {
            let record = if i % 2 == 0 {
                Record::Moved { items: (0..i).collect() }
            } else {
                Record::Skipped { session: "rJ".repeat(3), why: format!("{i}\n\u{1b}") }
            };
            let at = bytes.len() as u64;
            encode(&mut bytes, &record, NAME, at);
            ends.push(bytes.len());
            records.push(record);
        }
        (bytes, records, ends)
    }

    #[test]
    fn an_intent_is_read_at_once_as_it_is_read_as_one_record_of_many_kinds() {
        let part = Part { dir: "a/\"b".into(), name: "\\xff".into(), ..Part::default() };
        let intent =
            Intent { item: 7, session: "s".into(), parts: vec![part], ..Intent::default() };
        for intent in [intent.clone(), Intent { why: "k".into(), ..intent }] {
            let record = Record::Intent(intent);
            let payload = serde_json::to_vec(&record).unwrap();
            assert!(payload.starts_with(INTENT), "{}", String::from_utf8_lossy(&payload));
            assert_eq!(parse(&payload).unwrap(), record);
            assert_eq!(serde_json::from_slice::<Record>(&payload).unwrap(), record);
        }
        // A field that a later version adds is passed over, one that is missing is not.
        let more = r#"{"k":"intent","item":1,"session":"","id":"","bytes":0,"files":0,"identity":"","parts":[],"more":[1]}"#;
        assert!(matches!(parse(more.as_bytes()), Ok(Record::Intent(_))));
        assert!(parse(br#"{"k":"intent","item":1}"#).is_err());
    }

    #[test]
    fn every_torn_length_gives_the_whole_records_before_it() {
        let (bytes, records, ends) = sample(7);
        for len in 0..=bytes.len() {
            let whole = ends.iter().filter(|e| **e <= len).count().saturating_sub(1);
            let mut torn = bytes[..len].to_vec();
            for tail in [0, 1, 5000] {
                torn.resize(len + tail, 0);
                let read = decode(&torn, NAME);
                assert_eq!(read.records, records[..whole], "cut at {len}, {tail} zeros");
                assert!(!read.newer && !read.damaged, "cut at {len}, {tail} zeros");
            }
        }
    }

    #[test]
    fn a_flipped_bit_loses_one_record_and_is_noticed() {
        let (bytes, records, ends) = sample(5);
        for at in ends[0]..ends[4] {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            let read = decode(&flipped, NAME);
            assert!(read.damaged, "byte {at}");
            let hit = ends.iter().filter(|e| **e <= at).count() - 1;
            let mut left = records.clone();
            left.remove(hit);
            assert_eq!(read.records, left, "byte {at}");
        }
    }

    #[test]
    fn records_of_another_file_or_place_do_not_count() {
        let (bytes, _, ends) = sample(3);
        assert!(decode(&bytes, "r.0001").records.is_empty());
        let mut moved = bytes[..ends[0]].to_vec();
        moved.extend_from_slice(&bytes[ends[1]..]);
        assert!(decode(&moved, NAME).records.is_empty());
    }

    #[test]
    fn a_newer_version_is_refused() {
        assert!(decode(b"retain-journal/2\nrJ", NAME).newer);
        let mut bytes = header();
        let at = bytes.len() as u64;
        let payload = br#"{"k":"teleported"}"#;
        bytes.extend_from_slice(MARK);
        bytes.extend_from_slice(&u32::try_from(payload.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(&checksum(payload, NAME, at));
        bytes.extend_from_slice(payload);
        assert!(decode(&bytes, NAME).newer);
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(decode(&bytes, NAME).records.is_empty());
        }
    }
}
