//! A look into a file that `torch.save` wrote, without unpickling it.
//!
//! Unpickling runs code. Such a file is a zip whose stored entry `NAME/data.pkl` is a pickle; the
//! raw bytes of that pickle show whether a key stands in it, and a small number that follows a key
//! can be read from its opcode. Whether the zip's directory, which is written last, is there shows
//! whether the file is whole.

use super::zip::{Directory, Local};
use crate::store::Blob;
use std::io;

/// How much of a pickle is searched.
const MAX_PICKLE: u64 = 16 << 20;
const HEAD: usize = 32 << 10;

/// What the file shows of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Torch {
    /// The zip's directory is there and lies within the file.
    pub whole: bool,
    /// The searched bytes of the pickle.
    pickle: Vec<u8>,
}

impl Torch {
    /// Looks at a file; `None` if it is no zip of `torch.save`.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn look(file: &dyn Blob) -> io::Result<Option<Torch>> {
        let head = file.read_at(0, HEAD)?;
        let Some(local) = Local::parse(&head) else { return Ok(None) };
        if let Some(directory) = Directory::find(file)? {
            let pickle = match directory.stored(file, is_pickle)? {
                Some(entry) => entry.read(file, MAX_PICKLE)?,
                None => return Ok(None),
            };
            return Ok(Some(Torch { whole: true, pickle }));
        }
        // Cut short: all there is to go by is the first entry, which torch makes the pickle.
        if !is_pickle(local.name) {
            return Ok(None);
        }
        let pickle = file.read_at(local.data, usize::try_from(MAX_PICKLE).unwrap_or(HEAD))?;
        Ok(Some(Torch { whole: false, pickle }))
    }

    /// Whether `key` stands in the pickle as a text.
    pub fn has_key(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// The whole number that follows the first occurrence of `key`, if it comes before `until`.
    pub fn number_before(&self, key: &str, until: &str) -> Option<u64> {
        let at = self.find(key)?;
        let end = self.find(until)?;
        if at > end {
            return None;
        }
        let rest = skip_memo(self.pickle.get(at..)?);
        let (op, rest) = rest.split_first()?;
        let bytes = match op {
            b'K' => rest.get(..1)?,
            b'M' => rest.get(..2)?,
            // Signed: the sign bit must be clear.
            b'J' => rest.get(..4).filter(|b| b[3] < 0x80)?,
            0x8a => {
                let len = usize::from(*rest.first()?);
                rest.get(1..1 + len)
                    .filter(|b| b.len() <= 8 && b.last().is_none_or(|b| *b < 0x80))?
            }
            _ => return None,
        };
        Some(bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)))
    }

    /// The offset after the text `key`, with its length in front as a pickle has it.
    fn find(&self, key: &str) -> Option<usize> {
        let len = u32::try_from(key.len()).ok()?;
        let mut long = vec![b'X'];
        long.extend_from_slice(&len.to_le_bytes());
        long.extend_from_slice(key.as_bytes());
        let mut short = vec![0x8c, u8::try_from(len).unwrap_or(0)];
        short.extend_from_slice(key.as_bytes());
        let after = |needle: &[u8]| position(&self.pickle, needle).map(|i| i + needle.len());
        match (after(&long), after(&short)) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}

/// Steps over the opcode that remembers the key.
fn skip_memo(pickle: &[u8]) -> &[u8] {
    match pickle {
        [b'q', _, rest @ ..] | [b'r', _, _, _, _, rest @ ..] | [0x94, rest @ ..] | rest => rest,
    }
}

/// Whether an entry's name is that of the pickle.
pub fn is_pickle(name: &[u8]) -> bool {
    name.strip_suffix(b"/data.pkl").is_some_and(|top| !top.contains(&b'/'))
}

fn position(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Bytes(Vec<u8>);

    impl Blob for Bytes {
        fn len(&self) -> u64 {
            self.0.len() as u64
        }
        fn read_at(&self, offset: u64, max: usize) -> io::Result<Vec<u8>> {
            let from = usize::try_from(offset).unwrap().min(self.0.len());
            Ok(self.0[from..(from + max).min(self.0.len())].to_vec())
        }
    }

    /// A zip of one stored entry, as torch lays it out.
    fn zip(name: &str, data: &[u8]) -> Vec<u8> {
        let name_len = u16::try_from(name.len()).unwrap().to_le_bytes();
        let size = u32::try_from(data.len()).unwrap().to_le_bytes();
        let mut out = b"PK\x03\x04".to_vec();
        out.extend([0; 22]);
        out.extend(name_len);
        out.extend([4, 0]);
        out.extend(name.as_bytes());
        out.extend(b"ZZZZ");
        out.extend(data);
        let offset = u32::try_from(out.len()).unwrap().to_le_bytes();
        let start = out.len();
        out.extend(b"PK\x01\x02");
        out.extend([0; 16]);
        out.extend(size);
        out.extend(size);
        out.extend(name_len);
        out.extend([0; 16]);
        out.extend(name.as_bytes());
        let len = u32::try_from(out.len() - start).unwrap().to_le_bytes();
        out.extend(b"PK\x05\x06");
        out.extend([0; 8]);
        out.extend(len);
        out.extend(offset);
        out.extend([0; 2]);
        out
    }

    fn pickle(step: &[u8]) -> Vec<u8> {
        let mut out =
            b"\x80\x02}q\0(X\x05\0\0\0epochq\x01K\x04X\x0b\0\0\0global_stepq\x02".to_vec();
        out.extend(step);
        out.extend(b"X\x07\0\0\0versionq\x03X\x05\0\0\x002.6.6q\x04");
        out
    }

    fn look(bytes: Vec<u8>) -> Option<Torch> {
        Torch::look(&Bytes(bytes)).unwrap()
    }

    #[test]
    fn numbers_are_read_from_their_opcodes() {
        let table: &[(&[u8], Option<u64>)] = &[
            (b"K\x14", Some(20)),
            (b"M\x10\x27", Some(10_000)),
            (b"J\x40\x42\x0f\0", Some(1_000_000)),
            (b"J\xff\xff\xff\xff", None),
            (b"\x8a\x05\0\0\0\0\x01", Some(1 << 32)),
            (b"\x8a\x09\0\0\0\0\0\0\0\0\x01", None),
            (b"G\x40\x14\0\0\0\0\0\0", None),
        ];
        for (op, want) in table {
            let torch = look(zip("archive/data.pkl", &pickle(op))).unwrap();
            assert!(torch.whole && torch.has_key("version"));
            assert_eq!(torch.number_before("global_step", "version"), *want, "{op:?}");
            assert_eq!(torch.number_before("epoch", "version"), Some(4));
            assert_eq!(torch.number_before("version", "epoch"), None, "the wrong order");
        }
    }

    #[test]
    fn every_cut_is_noticed() {
        let whole = zip("x/data.pkl", &pickle(b"K\x14"));
        for len in 0..whole.len() {
            if let Some(torch) = look(whole[..len].to_vec()) {
                assert!(!torch.whole, "cut at {len}");
            }
        }
        let cut = look(whole[..whole.len() - 1].to_vec()).unwrap();
        assert_eq!(cut.number_before("epoch", "version"), Some(4));
    }

    #[test]
    fn other_files_are_not_torch() {
        assert_eq!(look(Vec::new()), None);
        assert_eq!(look(b"\x80\x02}q\0.".to_vec()), None);
        assert_eq!(look(zip("a.txt", b"text")), None);
        assert_eq!(look(zip("data.pkl", b"text")), None);
        assert_eq!(look(zip("a/b/data.pkl", b"text")), None);
        assert!(!look(zip("a/data.pkl", b"text version")).unwrap().has_key("version"));
    }

    proptest! {
        #[test]
        fn never_panics(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..80),
            at in 0_usize..250,
        ) {
            let _ = look(bytes.clone());
            let mut broken = zip("x/data.pkl", &pickle(b"K\x14"));
            let end = (at + bytes.len()).min(broken.len());
            if at < end {
                bytes.truncate(end - at);
                broken.splice(at..end, bytes);
            }
            if let Some(torch) = look(broken) {
                let _ = torch.number_before("epoch", "version");
            }
        }
    }
}
