//! `TFRecord` files: records of any bytes, each with its length and two checksums.
//!
//! A record is its length (64 bits, little-endian), a masked CRC-32C of the length, the data, and
//! a masked CRC-32C of the data. Writers append, so the last record may be torn; a checksum that is
//! wrong is damage, and nothing after it can be trusted.

use super::lines::MAX_LOG;
use crate::store::Blob;
use crc::{CRC_32_ISCSI, Crc, Table};
use std::io;

/// A longer record is refused.
pub const MAX_RECORD: usize = 16 << 20;
const CHUNK: usize = 256 << 10;
const LENGTH: usize = 8;
const CHECKSUM: usize = 4;
const HEAD: usize = LENGTH + CHECKSUM;
/// CRC-32C: polynomial 0x1EDC6F41, reflected.
static CRC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// Why a file cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("larger than the 1 GiB that a log may have")]
    TooLarge,
    #[error("record {0} is longer than 16 MiB")]
    LongRecord(usize),
    #[error("the checksum of record {0} is wrong")]
    Checksum(usize),
    #[error("record {0} is no event")]
    NoEvent(usize),
}

/// The records of a file, from its start.
pub struct Records<'b> {
    file: &'b dyn Blob,
    /// Bytes read and not yet handed out begin at `start`.
    buffer: Vec<u8>,
    start: usize,
    offset: u64,
    number: usize,
    at_end: bool,
}

impl<'b> Records<'b> {
    pub fn new(file: &'b dyn Blob) -> Records<'b> {
        Records { file, buffer: Vec::new(), start: 0, offset: 0, number: 0, at_end: false }
    }

    /// The next record and its number, counted from 1; `None` at the end, which is also before a
    /// record that breaks off: it is still being written, or its writer was killed.
    ///
    /// # Errors
    /// The file cannot be read, breaks a bound, or is damaged.
    pub fn next_record(&mut self) -> Result<Option<(usize, &[u8])>, RecordError> {
        if self.file.len() > MAX_LOG {
            return Err(RecordError::TooLarge);
        }
        if !self.has(HEAD)? {
            return Ok(None);
        }
        let number = self.number + 1;
        let head = &self.buffer[self.start..self.start + HEAD];
        let (length, sum) = head.split_at(LENGTH);
        if masked(length) != little_endian(sum) {
            return Err(RecordError::Checksum(number));
        }
        let length = usize::try_from(little_endian(length)).ok().filter(|l| *l <= MAX_RECORD);
        let length = length.ok_or(RecordError::LongRecord(number))?;
        if !self.has(HEAD + length + CHECKSUM)? {
            return Ok(None);
        }
        let data = self.start + HEAD..self.start + HEAD + length;
        let sum = &self.buffer[data.end..data.end + CHECKSUM];
        if masked(&self.buffer[data.clone()]) != little_endian(sum) {
            return Err(RecordError::Checksum(number));
        }
        self.start = data.end + CHECKSUM;
        self.number = number;
        Ok(Some((number, &self.buffer[data])))
    }

    /// Reads on until there are so many bytes; false if the file has no more.
    fn has(&mut self, bytes: usize) -> Result<bool, RecordError> {
        while self.buffer.len() - self.start < bytes {
            if self.at_end {
                return Ok(false);
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            let chunk = self.file.read_at(self.offset, CHUNK)?;
            self.at_end = chunk.len() < CHUNK;
            self.offset += chunk.len() as u64;
            // A file may grow while it is read.
            if self.offset > MAX_LOG {
                return Err(RecordError::TooLarge);
            }
            self.buffer.extend_from_slice(&chunk);
        }
        Ok(true)
    }
}

/// A checksum as it is stored: rotated, so that data which holds checksums has no trivial one.
fn masked(data: &[u8]) -> u64 {
    u64::from(CRC.checksum(data).rotate_right(15).wrapping_add(0xa282_ead8))
}

/// Of at most eight bytes.
fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |n, b| (n << 8) | u64::from(*b))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::format::lines::tests::Memory;
    use proptest::prelude::*;

    /// A record as a writer makes it.
    pub fn record(data: &[u8]) -> Vec<u8> {
        let length = (data.len() as u64).to_le_bytes();
        let sum = |bytes: &[u8]| u32::try_from(masked(bytes)).unwrap().to_le_bytes();
        [&length[..], &sum(&length), data, &sum(data)].concat()
    }

    fn all(bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
        let file = Memory(bytes.to_vec());
        let mut records = Records::new(&file);
        let mut out = Vec::new();
        while let Some((_, data)) = records.next_record().map_err(|e| e.to_string())? {
            out.push(data.to_vec());
        }
        Ok(out)
    }

    /// The first record of every event file that TensorFlow has written since 2016, less the time.
    #[test]
    fn the_checksum_of_the_standard() {
        assert_eq!(CRC.checksum(b"123456789"), 0xe306_9283);
        let length = 24_u64.to_le_bytes();
        assert_eq!(masked(&length), 0x224b_7fa3, "as in the files of the trees in tests/data");
    }

    #[test]
    fn damage_is_said_and_a_torn_end_is_not() {
        let whole = [record(b"first"), record(b""), record(&vec![7; 600_000])].concat();
        assert_eq!(all(&whole).unwrap().len(), 3, "longer than a chunk");
        assert_eq!(all(b"").unwrap().len(), 0);
        for cut in [1, 11, 12, 20, whole.len() - 1] {
            let records = all(&whole[..cut]).unwrap();
            assert_eq!(records.len(), if cut > 21 { 2 } else { 0 }, "{cut}");
        }
        let mut wrong = whole.clone();
        wrong[14] ^= 1;
        assert_eq!(all(&wrong).unwrap_err(), "the checksum of record 1 is wrong");
        let mut wrong = whole.clone();
        wrong[21] ^= 1;
        assert_eq!(all(&wrong).unwrap_err(), "the checksum of record 2 is wrong");
        let zeros = [whole, vec![0; 4096]].concat();
        assert_eq!(all(&zeros).unwrap_err(), "the checksum of record 4 is wrong");
    }

    #[test]
    fn bounds() {
        struct Endless(u64);
        impl Blob for Endless {
            fn len(&self) -> u64 {
                self.0
            }
            fn read_at(&self, _: u64, max: usize) -> io::Result<Vec<u8>> {
                let length = (MAX_RECORD as u64 + 1).to_le_bytes();
                let sum = u32::try_from(masked(&length)).unwrap().to_le_bytes();
                Ok([&length[..], &sum, &vec![0; max]].concat()[..max].to_vec())
            }
        }
        let next = |file: &Endless| Records::new(file).next_record().unwrap_err().to_string();
        assert_eq!(next(&Endless(MAX_LOG + 1)), "larger than the 1 GiB that a log may have");
        assert_eq!(next(&Endless(MAX_LOG)), "record 1 is longer than 16 MiB");
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(data in proptest::collection::vec(any::<Vec<u8>>(), 0..8)) {
            let bytes: Vec<u8> = data.iter().flat_map(|d| record(d)).collect();
            prop_assert_eq!(all(&bytes).unwrap(), data);
        }

        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>()) {
            let _ = all(&bytes);
        }
    }
}
