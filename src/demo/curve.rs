//! Loss curves that look like training: they fall, they jitter, and some turn up again.

/// A small seeded generator (SplitMix64, <https://prng.di.unimi.it/splitmix64.c>).
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// At least -1 and below 1.
    pub fn jitter(&mut self) -> f64 {
        let [a, b, c, d, ..] = self.bits().to_le_bytes();
        f64::from(u32::from_le_bytes([a, b, c, d])) / f64::from(1u32 << 31) - 1.0
    }

    pub fn fill(&mut self, len: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(len + 8);
        while out.len() < len {
            out.extend_from_slice(&self.bits().to_le_bytes());
        }
        out.truncate(len);
        out
    }
}

/// A loss as a function of how far the run is, 0 to 1.
#[derive(Clone, Copy)]
pub struct Curve {
    pub start: f64,
    pub floor: f64,
    /// Where the best value lies, 0 to 1; after it the run overfits. 1: it never does.
    pub turn: f64,
}

impl Curve {
    /// Positive, rounded to six decimals.
    pub fn at(self, progress: f64, rng: &mut Rng) -> f64 {
        let fall = (self.start - self.floor) * (-4.0 * progress / self.turn).exp();
        let past = (progress - self.turn).max(0.0);
        let rise = (self.start - self.floor) * 0.5 * past;
        let clean = self.floor + fall + rise;
        let noisy = clean * (1.0 + 0.02 * rng.jitter());
        (noisy * 1e6).round() / 1e6
    }
}
