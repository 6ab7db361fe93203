//! A zip from its two ends: the first entry's header, and the directory, which is written last.
//!
//! That is all that tells whether a file is of a kind and whole; nothing is decompressed.

use crate::store::Blob;
use std::io;

/// How much of a zip's directory is searched for an entry; what is meant comes first there.
const MAX_DIRECTORY: u64 = 1 << 20;
/// A local header with its name; both lengths in it have 16 bits, and nobody writes that much.
const MAX_HEADER: usize = 32 << 10;
const END_LEN: usize = 22;

/// The two ends of a zip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The name of the entry that the file starts with.
    pub first: Box<[u8]>,
    /// The zip's directory is there and lies within the file.
    pub whole: bool,
}

impl Ends {
    /// Looks at a file; `None` if it does not start as a zip does.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn look(file: &dyn Blob) -> io::Result<Option<Ends>> {
        let head = file.read_at(0, 1 << 10)?;
        let Some(local) = Local::parse(&head) else { return Ok(None) };
        Ok(Some(Ends { first: local.name.into(), whole: Directory::find(file)?.is_some() }))
    }
}

/// A local header: what precedes an entry's data.
pub struct Local<'a> {
    pub name: &'a [u8],
    /// Offset of the data from the header.
    pub data: u64,
}

impl Local<'_> {
    pub fn parse(bytes: &[u8]) -> Option<Local<'_>> {
        if !bytes.starts_with(b"PK\x03\x04") {
            return None;
        }
        let (name, extra) = (u16_at(bytes, 26)?, u16_at(bytes, 28)?);
        let data = 30 + u64::from(name) + u64::from(extra);
        Some(Local { name: bytes.get(30..30 + usize::from(name))?, data })
    }
}

/// Where a zip's directory lies.
pub struct Directory {
    offset: u64,
    size: u64,
}

impl Directory {
    /// # Errors
    /// The file cannot be read.
    pub fn find(file: &dyn Blob) -> io::Result<Option<Directory>> {
        // A comment of up to 64 KiB may follow the end record; torch writes none.
        for tail in [4 << 10, (64 << 10) + END_LEN] {
            let len = file.len();
            let start = len.saturating_sub(tail as u64);
            let bytes = file.read_at(start, tail)?;
            let found = (0..bytes.len().saturating_sub(END_LEN - 1)).rev().find(|&i| {
                bytes[i..].starts_with(b"PK\x05\x06")
                    && u16_at(&bytes, i + 20)
                        .is_some_and(|comment| i + END_LEN + usize::from(comment) == bytes.len())
            });
            if let Some(i) = found {
                return Self::at(file, &bytes[i..], start + i as u64);
            }
        }
        Ok(None)
    }

    /// `end`: the end record, at offset `at`. `None` if what it says cannot be.
    fn at(file: &dyn Blob, end: &[u8], at: u64) -> io::Result<Option<Directory>> {
        let mut size = u32_at(end, 12).map(u64::from);
        let mut offset = u32_at(end, 16).map(u64::from);
        if size == Some(0xffff_ffff) || offset == Some(0xffff_ffff) {
            let locator = file.read_at(at.saturating_sub(20), 20)?;
            let far = u64_at(&locator, 8).filter(|_| locator.starts_with(b"PK\x06\x07"));
            let Some(far) = far else { return Ok(None) };
            let record = file.read_at(far, 56)?;
            if !record.starts_with(b"PK\x06\x06") {
                return Ok(None);
            }
            (size, offset) = (u64_at(&record, 40), u64_at(&record, 48));
        }
        let (Some(size), Some(offset)) = (size, offset) else { return Ok(None) };
        let fits = offset.checked_add(size).is_some_and(|end| end <= at);
        let first = file.read_at(offset, 4)?;
        Ok((fits && first == b"PK\x01\x02").then_some(Directory { offset, size }))
    }

    /// The first entry whose name `is_meant`; `None` if there is none, or if it is compressed.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn stored(
        &self,
        file: &dyn Blob,
        is_meant: fn(&[u8]) -> bool,
    ) -> io::Result<Option<Stored>> {
        let max = usize::try_from(self.size.min(MAX_DIRECTORY)).unwrap_or(0);
        let bytes = file.read_at(self.offset, max)?;
        let mut rest = &bytes[..];
        while rest.starts_with(b"PK\x01\x02") {
            let lens = [28, 30, 32].map(|at| u16_at(rest, at).map_or(0, usize::from));
            let Some(name) = rest.get(46..46 + lens[0]) else { break };
            if is_meant(name) {
                let method = u16_at(rest, 10);
                let (Some(size), Some(offset)) = (u32_at(rest, 24), u32_at(rest, 42)) else {
                    break;
                };
                // Farther than four bytes reach it cannot be the first entry.
                let stored = method == Some(0) && offset != 0xffff_ffff;
                return Ok(stored.then_some(Stored { offset: offset.into(), size: size.into() }));
            }
            rest = rest.get(46 + lens.iter().sum::<usize>()..).unwrap_or_default();
        }
        Ok(None)
    }
}

/// Where an entry lies that is not compressed.
pub struct Stored {
    offset: u64,
    size: u64,
}

impl Stored {
    /// The first bytes of the entry.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(&self, file: &dyn Blob, most: u64) -> io::Result<Vec<u8>> {
        let header = file.read_at(self.offset, MAX_HEADER)?;
        let Some(local) = Local::parse(&header) else { return Ok(Vec::new()) };
        let max = usize::try_from(self.size.min(most)).unwrap_or(0);
        file.read_at(self.offset.saturating_add(local.data), max)
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes)
}
