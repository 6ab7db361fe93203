//! What a unit's fingerprints are digests of, and how.
//!
//! Everything but ctimes is hashed once, and the ctimes in two ways; these are combined at the end.
//! Room for it is kept from one unit to the next: a scan measures thousands.

use super::file_type;
use super::past::Stamp;
use crate::core::model::Fingerprint;
use rustix::fs::{FileType, Statx};

/// More is not held back.
const MAX_PENDING: usize = 64 << 10;
/// What a checkpoint of ten files needs.
const FIRST_PENDING: usize = 1 << 10;

/// The digests of one unit, while its entries are folded in.
#[derive(Default)]
pub struct Digests {
    facts: Digest,
    ctimes: Digest,
    kept_ctimes: Digest,
}

/// The parts of [`super::Unit`] of the same names.
pub struct Fingerprints {
    pub fingerprint: Fingerprint,
    pub identity: Fingerprint,
    pub lasting: Fingerprint,
}

impl Digests {
    /// Folds in one entry; `top`: it is a named one.
    pub fn fold(&mut self, stat: &Statx, ctime: Stamp, path: &[u8], top: bool) {
        // A directory's own size and times follow from its entries on some file systems only.
        let is_dir = file_type(stat) == FileType::Directory;
        let size = if is_dir { 0 } else { stat.stx_size };
        let mut numbers = [0; 32];
        numbers[..8].copy_from_slice(&stat.stx_ino.to_le_bytes());
        numbers[8..12].copy_from_slice(&(u32::from(stat.stx_mode) & 0o170_000).to_le_bytes());
        numbers[12..20].copy_from_slice(&size.to_le_bytes());
        numbers[20..28].copy_from_slice(&stat.stx_mtime.tv_sec.to_le_bytes());
        numbers[28..].copy_from_slice(&stat.stx_mtime.tv_nsec.to_le_bytes());
        self.facts.put(&(path.len() as u64).to_le_bytes());
        self.facts.put(path);
        self.facts.put(&numbers);
        self.facts.settle();
        let (seconds, nanos) = ctime;
        let mut ctime = [0; 12];
        ctime[..8].copy_from_slice(&seconds.to_le_bytes());
        ctime[8..].copy_from_slice(&nanos.to_le_bytes());
        self.ctimes.put(&ctime);
        self.ctimes.settle();
        if !(top || (!is_dir && stat.stx_nlink > 1)) {
            self.kept_ctimes.put(&ctime);
            self.kept_ctimes.settle();
        }
    }

    /// What was folded in; nothing is left of it.
    pub fn finish(&mut self) -> Fingerprints {
        let lasting = self.facts.finish();
        let with = |ctimes: &mut Digest| {
            let mut both = [0; 64];
            both[..32].copy_from_slice(lasting.as_bytes());
            both[32..].copy_from_slice(ctimes.finish().as_bytes());
            short(blake3::hash(&both))
        };
        Fingerprints {
            fingerprint: with(&mut self.ctimes),
            identity: with(&mut self.kept_ctimes),
            lasting: short(lasting),
        }
    }
}

/// A hash of what is told it piece by piece: many small pieces are hashed at once.
#[derive(Default)]
struct Digest {
    pending: Vec<u8>,
    /// Of what came before, if there was so much.
    hasher: Option<Box<blake3::Hasher>>,
}

impl Digest {
    #[inline]
    fn put(&mut self, piece: &[u8]) {
        if self.pending.capacity() == 0 {
            self.pending.reserve(FIRST_PENDING);
        }
        self.pending.extend_from_slice(piece);
    }

    #[inline]
    fn settle(&mut self) {
        if self.pending.len() >= MAX_PENDING {
            self.hasher.get_or_insert_default().update(&self.pending);
            self.pending.clear();
        }
    }

    fn finish(&mut self) -> blake3::Hash {
        let hash = match self.hasher.take() {
            None => blake3::hash(&self.pending),
            Some(mut hasher) => hasher.update(&self.pending).finalize(),
        };
        self.pending.clear();
        hash
    }
}

fn short(hash: blake3::Hash) -> Fingerprint {
    let mut out = [0; 16];
    out.copy_from_slice(&hash.as_bytes()[..16]);
    out
}
