//! The folds that a store keeps, and the queues before them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use nogfso_kernel::Aggregate;
use tokio::sync::Semaphore;

use super::{Loaded, WAITING_COMMANDS_MAX};

/// One aggregate: commands on it are decided one after the other.
pub(super) struct Slot<A: Aggregate> {
    /// How many commands may still queue up.
    pub(super) queue: Semaphore,
    /// The newest known fold; absent until it is first loaded, and after a doubt.
    pub(super) loaded: tokio::sync::Mutex<Option<Loaded<A>>>,
}

pub(super) struct Cache<A: Aggregate> {
    slots: Mutex<HashMap<String, Arc<Slot<A>>>>,
    slots_max: usize,
}

impl<A: Aggregate> Cache<A> {
    pub(super) fn new(slots_max: usize) -> Self {
        Self {
            slots: Mutex::new(HashMap::new()),
            slots_max,
        }
    }

    pub(super) fn slot(&self, subject: &str) -> Arc<Slot<A>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(subject) {
            return Arc::clone(slot);
        }
        if slots.len() >= self.slots_max {
            // Halving keeps the cost of an insertion constant on average; what is in use stays.
            let mut keep = slots.len() / 2;
            slots.retain(|_, slot| {
                let kept = Arc::strong_count(slot) > 1 || keep > 0;
                keep = keep.saturating_sub(1);
                kept
            });
        }
        let slot = Arc::new(Slot {
            queue: Semaphore::new(WAITING_COMMANDS_MAX),
            loaded: tokio::sync::Mutex::new(None),
        });
        slots.insert(subject.to_owned(), Arc::clone(&slot));
        slot
    }
}
