//! Whether a file is of a known kind and whole, seen from its two ends.
//!
//! Most frameworks write weights straight to their final name, so a killed save leaves a file that
//! starts well and breaks off. The formats tell: a zip has its directory at its end, an HDF5 file
//! says where it ends, a table of TensorFlow's ends with a magic number. Nothing else is read.

use super::torch::is_pickle;
use super::zip::Ends;
use crate::store::Blob;
use std::io;

/// What a file looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Of the kind, to its end.
    Whole,
    /// Of the kind, and it breaks off.
    CutShort,
    /// Of the kind; it does not tell whether it is whole.
    Unknown,
    /// No bytes at all.
    Empty,
    /// Of another kind.
    Other,
}

/// The pickle of a number that `torch.save` put first before it wrote zips (PyTorch 1.5).
const TORCH_LEGACY: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";
const HDF5: &[u8] = b"\x89HDF\r\n\x1a\n";
/// The last eight bytes of a sorted table.
const SSTABLE_END: &[u8] = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb";
const ZIP: &[u8] = b"PK\x03\x04";
/// What an entry of a `.keras` file may be called if it comes first.
const KERAS_ENTRIES: [&[u8]; 4] =
    [b"metadata.json", b"config.json", b"model.weights.h5", b"assets/"];

/// A file of `torch.save`.
///
/// # Errors
/// The file cannot be read.
pub fn torch(file: &dyn Blob) -> io::Result<Shape> {
    zip(file, |ends| is_pickle(&ends.first), TORCH_LEGACY)
}

/// A `.keras` file.
///
/// # Errors
/// The file cannot be read.
pub fn keras(file: &dyn Blob) -> io::Result<Shape> {
    zip(file, |ends| KERAS_ENTRIES.contains(&&*ends.first), b"")
}

fn zip(file: &dyn Blob, is_kind: fn(&Ends) -> bool, other_magic: &[u8]) -> io::Result<Shape> {
    if let Some(ends) = Ends::look(file)? {
        return Ok(match (is_kind(&ends), ends.whole) {
            (false, _) => Shape::Other,
            (true, true) => Shape::Whole,
            (true, false) => Shape::CutShort,
        });
    }
    let head = file.read_at(0, 64)?;
    Ok(if head.is_empty() {
        Shape::Empty
    } else if !other_magic.is_empty() && head.starts_with(other_magic) {
        Shape::Unknown
    } else if head.len() < 64 && (head.starts_with(ZIP) || ZIP.starts_with(&head)) {
        // It breaks off within the first entry's name.
        Shape::CutShort
    } else {
        Shape::Other
    })
}

/// An HDF5 file: its superblock says where it ends.
///
/// # Errors
/// The file cannot be read.
pub fn hdf5(file: &dyn Blob) -> io::Result<Shape> {
    let head = file.read_at(0, 96)?;
    if head.is_empty() {
        return Ok(Shape::Empty);
    }
    if !head.starts_with(HDF5) {
        return Ok(if HDF5.starts_with(&head) { Shape::CutShort } else { Shape::Other });
    }
    // Offsets of eight bytes are all that h5py writes.
    let end = match (head.get(8), head.get(13), head.get(9)) {
        (Some(0 | 1), Some(8), _) => head.get(40 + usize::from(head[8]) * 4..),
        (Some(2 | 3), _, Some(8)) => head.get(28..),
        (None | Some(0..=3), ..) if head.len() < 48 => return Ok(Shape::CutShort),
        _ => return Ok(Shape::Unknown),
    };
    let end = end.and_then(|b| b.get(..8)?.try_into().ok()).map(u64::from_le_bytes);
    Ok(match end {
        Some(end) if end <= file.len() => Shape::Whole,
        _ => Shape::CutShort,
    })
}

/// A table of TensorFlow's, as an `.index` file is one.
///
/// # Errors
/// The file cannot be read.
pub fn sstable(file: &dyn Blob) -> io::Result<Shape> {
    if file.is_empty() {
        return Ok(Shape::Empty);
    }
    let len = SSTABLE_END.len();
    let tail = file.read_at(file.len().saturating_sub(len as u64), len)?;
    // It has no magic at its start: a cut one cannot be told from another file.
    Ok(if tail == SSTABLE_END { Shape::Whole } else { Shape::Other })
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

    type Look = fn(&dyn Blob) -> io::Result<Shape>;

    /// A zip of one empty entry.
    fn zip_of(name: &str) -> Vec<u8> {
        let len = u8::try_from(name.len()).unwrap();
        let mut out = b"PK\x03\x04".to_vec();
        out.extend([0; 22]);
        out.extend([len, 0, 0, 0]);
        out.extend(name.bytes());
        let directory = out.len();
        out.extend(b"PK\x01\x02");
        out.extend([0; 24]);
        out.extend([len, 0]);
        out.extend([0; 16]);
        out.extend(name.bytes());
        let size = out.len() - directory;
        out.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
        out.extend(u32::try_from(size).unwrap().to_le_bytes());
        out.extend(u32::try_from(directory).unwrap().to_le_bytes());
        out.extend([0, 0]);
        out
    }

    /// A superblock of this version, of a file that ends at `end`.
    fn superblock(version: u8, end: u64) -> Vec<u8> {
        let mut out = HDF5.to_vec();
        out.push(version);
        out.extend(if version < 2 { [0, 0, 0, 0, 8, 8, 0] } else { [8, 8, 0, 0, 0, 0, 0] });
        out.resize(
            match version {
                0 => 40,
                1 => 44,
                _ => 28,
            },
            0,
        );
        out.extend(end.to_le_bytes());
        out.resize(96, 0);
        out
    }

    #[test]
    fn shapes_from_both_ends() {
        let torch_zip = zip_of("archive/data.pkl");
        let keras_zip = zip_of("metadata.json");
        let cut = |bytes: &[u8], len: usize| bytes[..len].to_vec();
        let table: Vec<(&str, Look, Vec<u8>, Shape)> = vec![
            ("torch", torch, torch_zip.clone(), Shape::Whole),
            ("torch", torch, cut(&torch_zip, 60), Shape::CutShort),
            ("torch", torch, cut(&torch_zip, 20), Shape::CutShort),
            ("torch", torch, cut(&torch_zip, 2), Shape::CutShort),
            ("torch", torch, keras_zip.clone(), Shape::Other),
            ("torch", torch, TORCH_LEGACY.to_vec(), Shape::Unknown),
            ("torch", torch, b"\x80\x04any pickle".to_vec(), Shape::Other),
            ("torch", torch, Vec::new(), Shape::Empty),
            ("torch", torch, vec![0; 4096], Shape::Other),
            ("keras", keras, keras_zip.clone(), Shape::Whole),
            ("keras", keras, cut(&keras_zip, 50), Shape::CutShort),
            ("keras", keras, torch_zip.clone(), Shape::Other),
            ("keras", keras, TORCH_LEGACY.to_vec(), Shape::Other),
            ("hdf5", hdf5, superblock(0, 96), Shape::Whole),
            ("hdf5", hdf5, superblock(0, 97), Shape::CutShort),
            ("hdf5", hdf5, superblock(1, 97), Shape::CutShort),
            ("hdf5", hdf5, superblock(2, 96), Shape::Whole),
            ("hdf5", hdf5, superblock(3, 97), Shape::CutShort),
            ("hdf5", hdf5, superblock(9, 96), Shape::Unknown),
            ("hdf5", hdf5, cut(HDF5, 3), Shape::CutShort),
            ("hdf5", hdf5, cut(&superblock(0, 96), 30), Shape::CutShort),
            ("hdf5", hdf5, b"text".to_vec(), Shape::Other),
            ("hdf5", hdf5, Vec::new(), Shape::Empty),
            ("sstable", sstable, [b"x", SSTABLE_END].concat(), Shape::Whole),
            ("sstable", sstable, SSTABLE_END[..7].to_vec(), Shape::Other),
            ("sstable", sstable, Vec::new(), Shape::Empty),
        ];
        for (kind, look, bytes, shape) in table {
            assert_eq!(look(&Bytes(bytes.clone())).unwrap(), shape, "{kind} {bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(
            magic in proptest::sample::select(vec![HDF5, ZIP, TORCH_LEGACY, b""]),
            rest in proptest::collection::vec(any::<u8>(), 0..120),
        ) {
            let bytes = Bytes([magic, &rest].concat());
            for look in [torch, keras, hdf5, sstable] {
                look(&bytes).unwrap();
            }
        }
    }
}
