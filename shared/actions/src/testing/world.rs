//! The other side, as far as a test needs one: effects, counted by the key under which they were asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A place where jobs have effects, and undos take them back.
///
/// It may be the resources of an action or a part of them. By default it does what spec 2.9 (D6) asks of the other side:
/// a key that was cancelled refuses every later call. [`FakeWorld::deleting_only`] only forgets; [`FakeWorld::fencing`]
/// only refuses workers that were replaced.
///
/// ```
/// use nogfso_actions::testing::FakeWorld;
///
/// let world = FakeWorld::new();
/// world.effect("disk-1").unwrap();
/// world.effect("disk-1").unwrap();
/// assert_eq!(world.count("disk-1"), 1);
/// world.cancel("disk-1");
/// assert!(world.effect("disk-1").is_err());
/// assert!(world.remaining().is_empty());
/// ```
#[derive(Debug, Default)]
pub struct FakeWorld {
    mode: Mode,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Tombstones,
    DeletesOnly,
    Fences,
}

#[derive(Debug, Default)]
struct State {
    effects: BTreeMap<String, u32>,
    cancelled: BTreeSet<String>,
    fences: BTreeMap<String, u64>,
    refused: u32,
}

/// Why the world did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorldRefusal {
    /// The key was cancelled.
    #[error("the key {key} was cancelled")]
    Cancelled {
        /// The key.
        key: String,
    },
    /// A worker with a higher fence has called under that key.
    #[error("the fence {given} is below {highest} for the key {key}")]
    Fenced {
        /// The key.
        key: String,
        /// What the caller passed.
        given: u64,
        /// The highest one seen.
        highest: u64,
    },
}

impl FakeWorld {
    /// One where a cancelled key stays cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One that keeps no word of what was cancelled.
    #[must_use]
    pub fn deleting_only() -> Self {
        Self::of(Mode::DeletesOnly)
    }

    /// One that keeps no word either, but refuses callers with a fence below the highest that the key has seen.
    #[must_use]
    pub fn fencing() -> Self {
        Self::of(Mode::Fences)
    }

    fn of(mode: Mode) -> Self {
        Self {
            mode,
            ..Self::default()
        }
    }

    /// Makes the effect of `key`, unless it is there.
    ///
    /// # Errors
    ///
    /// Fails if the key was cancelled.
    pub fn effect(&self, key: impl Display) -> Result<(), WorldRefusal> {
        self.make(&key.to_string(), None, |count| *count = 1)
    }

    /// Makes an effect of `key`, whether or not there is one: what a side does that knows no keys.
    ///
    /// # Errors
    ///
    /// Fails if the key was cancelled.
    pub fn effect_anew(&self, key: impl Display) -> Result<(), WorldRefusal> {
        self.make(&key.to_string(), None, |count| *count += 1)
    }

    /// Makes the effect of `key` for a worker with that [`fence`](crate::JobCx::fence).
    ///
    /// # Errors
    ///
    /// Fails if the key was cancelled, or if the world fences and has seen a higher fence.
    pub fn effect_fenced(&self, key: impl Display, fence: u64) -> Result<(), WorldRefusal> {
        self.make(&key.to_string(), Some(fence), |count| *count = 1)
    }

    /// Takes all effects of `key` back and, by default, keeps in mind that it was cancelled.
    pub fn cancel(&self, key: impl Display) {
        let key = key.to_string();
        let mut state = self.state();
        state.effects.remove(&key);
        if self.mode == Mode::Tombstones {
            state.cancelled.insert(key);
        }
    }

    /// The same for a worker with that fence.
    ///
    /// # Errors
    ///
    /// Fails if the world fences and has seen a higher fence.
    pub fn cancel_fenced(&self, key: impl Display, fence: u64) -> Result<(), WorldRefusal> {
        let key = key.to_string();
        self.pass(&mut self.state(), &key, Some(fence))?;
        self.cancel(key);
        Ok(())
    }

    /// How many effects `key` has.
    #[must_use]
    pub fn count(&self, key: impl Display) -> u32 {
        let key = key.to_string();
        self.state().effects.get(&key).copied().unwrap_or_default()
    }

    /// The keys that have effects, each with their number.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<String, u32> {
        self.state().effects.clone()
    }

    /// The keys that have effects.
    #[must_use]
    pub fn remaining(&self) -> Vec<String> {
        self.state().effects.keys().cloned().collect()
    }

    /// How many calls were refused.
    #[must_use]
    pub fn refused(&self) -> u32 {
        self.state().refused
    }

    fn make(
        &self,
        key: &str,
        fence: Option<u64>,
        change: impl FnOnce(&mut u32),
    ) -> Result<(), WorldRefusal> {
        let mut state = self.state();
        self.pass(&mut state, key, fence)?;
        if state.cancelled.contains(key) {
            state.refused += 1;
            let key = key.to_owned();
            return Err(WorldRefusal::Cancelled { key });
        }
        change(state.effects.entry(key.to_owned()).or_default());
        Ok(())
    }

    fn pass(&self, state: &mut State, key: &str, fence: Option<u64>) -> Result<(), WorldRefusal> {
        let Some(given) = fence.filter(|_| self.mode == Mode::Fences) else {
            return Ok(());
        };
        let highest = state.fences.entry(key.to_owned()).or_default();
        if given < *highest {
            let refusal = WorldRefusal::Fenced {
                key: key.to_owned(),
                given,
                highest: *highest,
            };
            state.refused += 1;
            return Err(refusal);
        }
        *highest = given;
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
