//! A look at a `MessagePack` file: what its top is, and whether it is whole.
//!
//! Flax writes a state as one value. Headers tell how long everything is, so the file is walked by
//! reading headers and stepping over tensors; the walk ends at the end of a whole file.

use crate::store::Blob;
use std::io;

/// A file with more values is not walked to its end.
const MAX_VALUES: u64 = 4_000_000;
const WINDOW: usize = 4 << 10;

/// What a file shows of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MsgPack {
    /// The top is a map of which the first key is a text, or an empty map.
    pub is_map: bool,
    /// It holds an extension value, as Flax writes arrays.
    pub has_arrays: bool,
    /// The value ends where the file ends.
    pub whole: bool,
}

impl MsgPack {
    /// Looks at a file; `None` if it is no `MessagePack`, or goes on after its value.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn look(file: &dyn Blob) -> io::Result<Option<MsgPack>> {
        let mut walk = Walk { file, window: Vec::new(), start: 0, at: 0 };
        let mut seen = MsgPack::default();
        let mut pending: u64 = 1;
        let mut values = 0;
        while pending > 0 {
            let Some(head) = walk.head()? else { return Ok(Some(seen)) };
            let Some(item) = Item::parse(&head) else {
                // A header that the end of the file cuts off.
                let cut = file.len().saturating_sub(walk.at) < 9 && head[0] != 0xc1;
                return Ok(cut.then_some(seen));
            };
            match values {
                0 => seen.is_map = item.is_map,
                1 => seen.is_map &= item.is_text,
                _ => {}
            }
            seen.has_arrays |= item.is_extension;
            walk.at = walk.at.saturating_add(item.len);
            pending = (pending - 1).saturating_add(item.children);
            values += 1;
            if values > MAX_VALUES {
                return Ok(None);
            }
        }
        seen.whole = walk.at == file.len();
        // Behind the end: the last value is cut off.
        Ok((walk.at >= file.len()).then_some(seen))
    }
}

struct Walk<'b> {
    file: &'b dyn Blob,
    window: Vec<u8>,
    start: u64,
    at: u64,
}

impl Walk<'_> {
    /// Up to nine bytes from here; `None` at or behind the end.
    fn head(&mut self) -> io::Result<Option<Vec<u8>>> {
        let cached = self.at.checked_sub(self.start).and_then(|o| usize::try_from(o).ok());
        let near = cached.filter(|o| o + 9 <= self.window.len());
        let offset = if let Some(offset) = near {
            offset
        } else {
            self.window = self.file.read_at(self.at, WINDOW)?;
            self.start = self.at;
            0
        };
        let end = (offset + 9).min(self.window.len());
        let head = self.window[offset..end].to_vec();
        Ok((!head.is_empty()).then_some(head))
    }
}

/// One value's header.
#[derive(Default)]
struct Item {
    /// Of the header and of what follows it, but for children.
    len: u64,
    children: u64,
    is_map: bool,
    is_text: bool,
    is_extension: bool,
}

impl Item {
    fn parse(head: &[u8]) -> Option<Item> {
        let number = |bytes: usize| {
            let digits = head.get(1..=bytes)?;
            Some(digits.iter().fold(0, |n, b| n << 8 | u64::from(*b)))
        };
        let plain = |len: u64| Item { len, ..Item::default() };
        let text = |header: u64, len: u64| Item { is_text: true, ..plain(header + len) };
        let extension = |header: u64, len: u64| Item { is_extension: true, ..plain(header + len) };
        let map = |header, pairs: u64| Item { children: 2 * pairs, is_map: true, ..plain(header) };
        let list = |header, children| Item { children, ..plain(header) };
        let op = *head.first()?;
        let low = |mask: u8| u64::from(op & mask);
        Some(match op {
            0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => plain(1),
            0x80..=0x8f => map(1, low(0x0f)),
            0x90..=0x9f => list(1, low(0x0f)),
            0xa0..=0xbf => text(1, low(0x1f)),
            0xc1 => return None,
            0xc4 => plain(2 + number(1)?),
            0xc5 => plain(3 + number(2)?),
            0xc6 => plain(5 + number(4)?),
            0xc7 => extension(3, number(1)?),
            0xc8 => extension(4, number(2)?),
            0xc9 => extension(6, number(4)?),
            0xcc | 0xd0 => plain(2),
            0xcd | 0xd1 => plain(3),
            0xca | 0xce | 0xd2 => plain(5),
            0xcb | 0xcf | 0xd3 => plain(9),
            0xd4..=0xd8 => extension(2, 1 << (op - 0xd4)),
            0xd9 => text(2, number(1)?),
            0xda => text(3, number(2)?),
            0xdb => text(5, number(4)?),
            0xdc => list(3, number(2)?),
            0xdd => list(5, number(4)?),
            0xde => map(3, number(2)?),
            0xdf => map(5, number(4)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::lines::tests::Memory;
    use proptest::prelude::*;

    fn look(bytes: &[u8]) -> Option<MsgPack> {
        MsgPack::look(&Memory(bytes.to_vec())).unwrap()
    }

    const STATE: &[u8] = b"\x82\xa1w\xc7\x04\x01abcd\xa4step\xcd\x01\x00";

    #[test]
    fn a_state_is_whole_and_every_cut_is_noticed() {
        let whole = MsgPack { is_map: true, has_arrays: true, whole: true };
        assert_eq!(look(STATE), Some(whole));
        for len in 0..STATE.len() {
            let cut = look(&STATE[..len]).unwrap();
            assert!(!cut.whole, "{len}");
            assert_eq!(cut.is_map, len > 0, "{len}");
        }
        assert_eq!(look(&[STATE, b"x"].concat()), None, "more after the end");
    }

    #[test]
    fn other_tops() {
        let top = |bytes| look(bytes).map(|m| (m.is_map, m.whole));
        assert_eq!(top(b"\x80"), Some((true, true)));
        assert_eq!(top(b"\x81\x01\x02"), Some((false, true)), "a number is no key of a state");
        assert_eq!(top(b"\x05"), Some((false, true)));
        assert_eq!(top(b"\xc1"), None);
        assert_eq!(top(b"text of some kind\n"), None);
        let long = [&b"\x81\xa1w\xc6\0\x10\0\0"[..], &vec![0; 1 << 20]].concat();
        assert_eq!(top(&long), Some((true, true)));
        assert_eq!(top(&long[..5000]), Some((true, false)));
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = look(&bytes);
        }
    }
}
