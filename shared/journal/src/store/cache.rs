//! The folds that a store keeps, and the queues before them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use nogfso_kernel::Aggregate;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::execute::LOOK_AGAIN_AFTER;
use super::{Loaded, WAITING_COMMANDS_MAX};

/// One aggregate: commands on it are decided one after the other.
pub(super) struct Slot<A: Aggregate> {
    /// How many commands may still queue up.
    pub(super) queue: Semaphore,
    /// What is known of it.
    pub(super) kept: tokio::sync::Mutex<Kept<A>>,
    /// Tells who watches it what became known.
    pub(super) known: watch::Sender<Loaded<A>>,
}

impl<A: Aggregate> Slot<A> {
    /// Keeps a fold that was just seen to be part of the journal's history.
    pub(super) fn keep(&self, kept: &mut Kept<A>, loaded: Loaded<A>) {
        if self.known.receiver_count() > 0 {
            self.known.send_replace(loaded.clone());
        }
        *kept = Kept::now(loaded);
    }
}

/// The newest known fold. It stays when a call fails or is cancelled: at worst it is stale, and it is what a history that
/// changed behind its back is noticed by.
pub(super) struct Kept<A: Aggregate> {
    /// The fold; of nothing until it is first loaded.
    pub(super) loaded: Loaded<A>,
    /// When it was last seen to be part of the journal's history; absent after an error or a cancelled call.
    pub(super) seen: Option<Instant>,
}

impl<A: Aggregate> Kept<A> {
    fn now(loaded: Loaded<A>) -> Self {
        Self {
            loaded,
            seen: Some(Instant::now()),
        }
    }

    /// Whether it was lately seen to be part of the journal's history.
    pub(super) fn is_fresh(&self) -> bool {
        self.seen
            .is_some_and(|seen| seen.elapsed() < LOOK_AGAIN_AFTER)
    }
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

    /// The slot of an aggregate that was used lately.
    pub(super) fn known(&self, subject: &str) -> Option<Arc<Slot<A>>> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.get(subject).map(Arc::clone)
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
            kept: tokio::sync::Mutex::new(Kept {
                loaded: Loaded::default(),
                seen: None,
            }),
            known: watch::Sender::new(Loaded::default()),
        });
        slots.insert(subject.to_owned(), Arc::clone(&slot));
        slot
    }
}
