//! Chance from a seed: the same each time.

use std::sync::Mutex;
use std::sync::PoisonError;

use nogfso_journal::Ids;
use ulid::Ulid;

/// Numbers drawn from a seed (SplitMix64).
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `count`, which is not 0.
    pub(super) fn below(&mut self, count: usize) -> usize {
        let count = u64::try_from(count).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.roll() % count).unwrap_or(0)
    }

    /// At most `count` of `all`, drawn evenly, in their order.
    pub(super) fn sample<T>(&mut self, all: Vec<T>, count: usize) -> Vec<T> {
        let total = all.len();
        if total <= count {
            return all;
        }
        let mut drawn: Vec<usize> = (0..total).collect();
        for place in 0..count {
            let other = place + self.below(total - place);
            drawn.swap(place, other);
        }
        drawn.truncate(count);
        let drawn: std::collections::BTreeSet<usize> = drawn.into_iter().collect();
        let kept = all.into_iter().enumerate();
        kept.filter(|(place, _)| drawn.contains(place))
            .map(|(_, one)| one)
            .collect()
    }
}

/// Ids drawn from a seed.
#[derive(Debug)]
pub(super) struct SeededIds(Mutex<Dice>);

impl SeededIds {
    pub(super) fn new(seed: u64) -> Self {
        Self(Mutex::new(Dice::new(seed)))
    }
}

impl Ids for SeededIds {
    fn fresh(&self, now_ms: u64) -> Ulid {
        let mut dice = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let random = (u128::from(dice.roll()) << 64) | u128::from(dice.roll());
        Ulid::from_parts(now_ms, random)
    }
}
