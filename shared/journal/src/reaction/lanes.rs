//! One look at a time for each aggregate, and what came for it meanwhile. Decides which deliveries stand for others.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Wake;
use crate::log::Delivery;

/// A delivery, and what it asks for.
#[derive(Debug)]
pub(super) struct Woken {
    pub(super) wake: Wake,
    pub(super) delivery: Delivery,
}

impl Woken {
    fn is_alarm(&self) -> bool {
        self.wake.is_alarm
    }
}

/// What one look at an aggregate answers: the newest of its wakes, and the newest of its alarms.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) commit: Option<Woken>,
    pub(super) alarm: Option<Woken>,
}

impl Batch {
    /// Takes in `woken`. Returns what needs no look of its own any more: an older message of the same kind.
    ///
    /// A message that was delivered again replaces its first delivery, which needs no answer.
    fn add(&mut self, woken: Woken) -> Option<Woken> {
        let place = if woken.is_alarm() {
            &mut self.alarm
        } else {
            &mut self.commit
        };
        let position = |woken: &Woken| woken.delivery.stored.position;
        match place {
            Some(waiting) if position(waiting) > position(&woken) => Some(woken),
            Some(waiting) => {
                let older = std::mem::replace(waiting, woken);
                (position(&older) < position(waiting)).then_some(older)
            }
            None => {
                *place = Some(woken);
                None
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.commit.is_none() && self.alarm.is_none()
    }
}

/// What becomes of a delivery.
pub(super) enum Admitted {
    /// Nobody looks at the aggregate: the caller does, and asks for what came meanwhile until there is nothing.
    Turn(Batch),
    /// Somebody does, and will look again. The delivery that is handed back, if any, can be acknowledged.
    Waits(Option<Woken>),
}

/// The aggregates that are looked at now. Not bounded here: there are as many as the pumps allow.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    waiting: Mutex<HashMap<String, Batch>>,
}

impl Lanes {
    pub(super) fn admit(&self, woken: Woken) -> Admitted {
        let mut waiting = self.lock();
        if let Some(batch) = waiting.get_mut(&woken.wake.subject) {
            return Admitted::Waits(batch.add(woken));
        }
        waiting.insert(woken.wake.subject.clone(), Batch::default());
        let mut batch = Batch::default();
        batch.add(woken);
        Admitted::Turn(batch)
    }

    /// What came for `subject` during the last look; if nothing did, the turn is over.
    pub(super) fn next(&self, subject: &str) -> Option<Batch> {
        let mut waiting = self.lock();
        let batch = waiting.get_mut(subject).map(std::mem::take);
        let batch = batch.filter(|batch| !batch.is_empty());
        if batch.is_none() {
            waiting.remove(subject);
        }
        batch
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Batch>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
