//! All chance of a run: one seed decides every draw, in the order in which they are made.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nogfso_journal::{Clock, Ids};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use ulid::Ulid;

/// The draws of one run.
pub(super) struct Chance(Mutex<StdRng>);

impl Chance {
    pub(super) fn of(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }

    fn with<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        draw(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A number below `end`, which must not be zero.
    pub(super) fn below(&self, end: u32) -> u32 {
        self.with(|random| random.random_range(0..end))
    }

    /// Whether something that happens so often in a thousand happens now.
    pub(super) fn per_mille(&self, odds: u32) -> bool {
        odds > 0 && self.below(1_000) < odds
    }

    pub(super) fn ms(&self, min: u32, max: u32) -> Duration {
        Duration::from_millis(u64::from(min + self.below(max - min + 1)))
    }

    pub(super) fn number(&self) -> u64 {
        self.with(RngExt::random)
    }

    pub(super) fn one_of<T: Copy>(&self, choices: &[T]) -> T {
        let count = u32::try_from(choices.len()).expect("a list that was written by hand");
        choices[self.below(count) as usize]
    }
}

/// Ids of a run.
pub(super) struct SeededIds(pub(super) Chance);

impl Ids for SeededIds {
    fn fresh(&self, now_ms: u64) -> Ulid {
        Ulid::from_parts(now_ms, self.0.with(RngExt::random))
    }
}

/// The clock of a machine, which is a little wrong.
pub(super) struct WrongClock {
    pub(super) right: Arc<dyn Clock>,
    pub(super) ahead_ms: u64,
    pub(super) behind_ms: u64,
}

impl Clock for WrongClock {
    fn now_ms(&self) -> u64 {
        self.right.now_ms() + self.ahead_ms - self.behind_ms
    }
}
