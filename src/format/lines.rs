//! Logs that grow with a run, read line by line.
//!
//! A log may be larger than any metadata file and must not be held in memory whole. What is
//! bounded instead is a line, and, generously, the log.

use crate::store::Blob;
use std::io;

/// A longer line is refused.
pub const MAX_LINE: usize = 16 << 20;
/// A larger log is refused: no run writes it, and reading it would take minutes.
pub const MAX_LOG: u64 = 1 << 30;
const CHUNK: usize = 256 << 10;

/// Why a log cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("larger than the 1 GiB that a log may have")]
    TooLarge,
    #[error("line {0} is longer than 16 MiB")]
    LongLine(usize),
    /// No text holds any. A crash leaves them at the end of a file, and UTF-16 is full of them.
    #[error("line {0} holds NUL bytes: it is damaged, or UTF-16")]
    Nul(usize),
}

/// The lines of a file, from its start.
pub struct Lines<'b> {
    file: &'b dyn Blob,
    /// Bytes read and not yet handed out begin at `start`.
    buffer: Vec<u8>,
    start: usize,
    offset: u64,
    number: usize,
    at_end: bool,
}

/// One line without its line feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Counted from 1.
    pub number: usize,
    pub bytes: &'a [u8],
    /// False for a last line that has no line feed: it may still be being written.
    pub ended: bool,
}

impl<'b> Lines<'b> {
    pub fn new(file: &'b dyn Blob) -> Lines<'b> {
        Lines { file, buffer: Vec::new(), start: 0, offset: 0, number: 0, at_end: false }
    }

    /// The next line; a byte order mark before the first is left out.
    ///
    /// # Errors
    /// The file cannot be read, or breaks a bound.
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>, LogError> {
        if self.file.len() > MAX_LOG {
            return Err(LogError::TooLarge);
        }
        let mut searched = self.start;
        let feed = loop {
            let found = self.buffer[searched..].iter().position(|b| *b == b'\n');
            if let Some(at) = found {
                break Some(searched + at);
            }
            if self.at_end {
                break None;
            }
            if self.buffer.len() - self.start > MAX_LINE {
                return Err(LogError::LongLine(self.number + 1));
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            searched = self.buffer.len();
            self.fill()?;
        };
        let end = feed.unwrap_or(self.buffer.len());
        if feed.is_none() && end == self.start {
            return Ok(None);
        }
        let mut bytes = &self.buffer[self.start..end];
        self.start = end + usize::from(feed.is_some());
        self.number += 1;
        if self.number == 1 {
            bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        }
        if bytes.contains(&0) {
            return Err(LogError::Nul(self.number));
        }
        Ok(Some(Line { number: self.number, bytes, ended: feed.is_some() }))
    }

    fn fill(&mut self) -> Result<(), LogError> {
        let chunk = self.file.read_at(self.offset, CHUNK)?;
        self.at_end = chunk.len() < CHUNK;
        self.offset += chunk.len() as u64;
        // A file may grow while it is read.
        if self.offset > MAX_LOG {
            return Err(LogError::TooLarge);
        }
        self.buffer.extend_from_slice(&chunk);
        Ok(())
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A file in memory.
    pub struct Memory(pub Vec<u8>);

    impl Blob for Memory {
        fn len(&self) -> u64 {
            self.0.len() as u64
        }

        fn read_at(&self, offset: u64, max: usize) -> io::Result<Vec<u8>> {
            let rest = self.0.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
            Ok(rest[..rest.len().min(max)].to_vec())
        }
    }

    fn all(bytes: &[u8]) -> Vec<(usize, Vec<u8>, bool)> {
        let file = Memory(bytes.to_vec());
        let mut lines = Lines::new(&file);
        let mut out = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            out.push((line.number, line.bytes.to_vec(), line.ended));
        }
        out
    }

    #[test]
    fn lines_longer_than_a_chunk() {
        let long = vec![b'x'; 3 * CHUNK + 7];
        let text = [b"\xef\xbb\xbfa\n\n", &long[..], b"\nend"].concat();
        assert_eq!(
            all(&text),
            [
                (1, b"a".to_vec(), true),
                (2, Vec::new(), true),
                (3, long, true),
                (4, b"end".to_vec(), false)
            ]
        );
    }

    #[test]
    fn nul_bytes_are_no_text() {
        for (bytes, line) in [(&b"a\0b\nc\n"[..], 1), (b"a\nb\n\0\0\0", 3), (b"\xff\xfea\0\n\0", 1)]
        {
            let file = Memory(bytes.to_vec());
            let mut lines = Lines::new(&file);
            let fault =
                std::iter::repeat_with(|| lines.next_line().map(|_| ())).find_map(Result::err);
            assert!(matches!(fault, Some(LogError::Nul(n)) if n == line), "{bytes:?} {fault:?}");
        }
    }

    #[test]
    fn bounds() {
        struct Endless(u64);
        impl Blob for Endless {
            fn len(&self) -> u64 {
                self.0
            }
            fn read_at(&self, _: u64, max: usize) -> io::Result<Vec<u8>> {
                Ok(vec![0; max])
            }
        }
        let large = Endless(MAX_LOG + 1);
        assert!(matches!(Lines::new(&large).next_line(), Err(LogError::TooLarge)));
        let zeros = Endless(1 << 29);
        assert!(matches!(Lines::new(&zeros).next_line(), Err(LogError::LongLine(1))));
    }

    proptest! {
        #[test]
        fn as_a_split_of_the_whole(text in "[a\n]{0,40}") {
            let lines = all(text.as_bytes());
            let want: Vec<&str> = text.split_terminator('\n').collect();
            let got: Vec<_> =
                lines.iter().map(|l| std::str::from_utf8(&l.1).unwrap()).collect();
            prop_assert_eq!(got, want);
            let torn = lines.last().is_some_and(|l| !l.2);
            prop_assert_eq!(torn, !text.is_empty() && !text.ends_with('\n'));
        }
    }
}
