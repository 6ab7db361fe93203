//! Longer sequences with several mishaps, from seeds.

use crate::act::{Mishap, Op, play};
use crate::disk::Fault;
use crate::exhaustive::ALPHABET;
use crate::outside::Deed;
use crate::world::UNITS;
use rayon::prelude::*;
use rustix::io::Errno;

/// In all, what fits into three minutes of two slow cores.
const SEEDS: u64 = 2_000;
const PARTS: u64 = 6;

/// SplitMix64: the same numbers everywhere, for ever.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn deed(&mut self) -> Deed {
        let n = self.below(UNITS.len());
        self.of(&[
            Deed::Change(n),
            Deed::Add(n),
            Deed::RemovePart(n),
            Deed::Remove(n),
            Deed::Replace(n),
            Deed::Replace(n),
            Deed::Stray,
            Deed::Pin,
        ])
    }

    fn fault(&mut self) -> Fault {
        let errors = [Errno::IO, Errno::NOSPC, Errno::INVAL, Errno::NOENT, Errno::PERM];
        let (error, keep) = (self.of(&errors), self.below(64));
        self.of(&[
            Fault::CrashBefore,
            Fault::CrashAfter,
            Fault::PowerCut { keep },
            Fault::PowerCut { keep },
            Fault::Fail(error),
            Fault::DoneButFailed(error),
            Fault::Lie,
        ])
    }

    fn op(&mut self) -> Op {
        let (deed, hours) = (self.deed(), self.below(30));
        let hours = i64::try_from(hours).unwrap() - 4;
        match self.below(12) {
            0 | 1 => Op::Plan,
            2 | 3 => Op::Apply { purge: self.below(4) == 0 },
            4 => Op::Recover,
            5 => Op::PurgeRun,
            6 => Op::Clock(hours * 3600),
            7 | 8 => Op::Outside(deed),
            _ => self.of(&ALPHABET),
        }
    }

    fn steps(&mut self) -> Vec<(Op, Mishap)> {
        let len = 2 + self.below(7);
        let step = |_| {
            let at = self.below(90);
            let mishap = match self.below(5) {
                0 | 1 => Mishap::Fault(at, self.fault()),
                2 => Mishap::Meanwhile(at, self.deed()),
                _ => Mishap::None,
            };
            (self.op(), mishap)
        };
        (0..len).map(step).collect()
    }
}

/// `SIM_SEED=17` runs that one alone, `SIM_SEEDS=100000` more than usual.
fn seeds(part: u64) {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let each = number("SIM_SEEDS").map_or(SEEDS, |all| all.div_ceil(PARTS));
    let seeds = match number("SIM_SEED") {
        Some(one) if part == 0 => one..one + 1,
        Some(_) => 0..0,
        None => part * each..(part + 1) * each,
    };
    let mut failed: Vec<(u64, String)> = seeds
        .into_par_iter()
        .filter_map(|seed| Some((seed, play(&Draw(seed).steps(), None).err()?)))
        .collect();
    failed.sort();
    let shown: Vec<String> =
        failed.iter().take(5).map(|(seed, why)| format!("SIM_SEED={seed}: {why}")).collect();
    assert!(failed.is_empty(), "{} seeds fail:\n{}", failed.len(), shown.join("\n\n"));
}

#[test]
fn seeds_1_of_6() {
    seeds(0);
}

#[test]
fn seeds_2_of_6() {
    seeds(1);
}

#[test]
fn seeds_3_of_6() {
    seeds(2);
}

#[test]
fn seeds_4_of_6() {
    seeds(3);
}

#[test]
fn seeds_5_of_6() {
    seeds(4);
}

#[test]
fn seeds_6_of_6() {
    seeds(5);
}
