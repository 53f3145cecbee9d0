//! The claims that tasks of this process serve. One task per aggregate.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use nogfso_journal::log::Acker;
use nogfso_kernel::Position;
use tokio::sync::Notify;

use crate::rules::ServedHere;

/// How many aggregates the table remembers turns for before it forgets those that nobody waits for.
const TURNS_MAX: usize = 10_000;

/// A claim that a task of this process serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serving {
    /// The aggregate.
    pub subject: String,
    /// The epoch of the claim.
    pub epoch: u64,
}

/// Whether a holder works or waits for a silent server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paused {
    Yes,
    No,
}

/// The lease of a task: its newest handle, and a bell for news of the aggregate.
pub(crate) struct Lease {
    pub(crate) served: ServedHere,
    acker: Mutex<Arc<dyn Acker>>,
    news: Notify,
    /// The position of the newest commit of the aggregate that was delivered to this process.
    delivered: AtomicU64,
    /// The holder has let go of its lock until the server answers again (rule 7).
    is_paused: AtomicBool,
}

impl Lease {
    pub(crate) fn new(served: ServedHere, acker: Arc<dyn Acker>) -> Arc<Self> {
        Arc::new(Self {
            served,
            acker: Mutex::new(acker),
            news: Notify::new(),
            is_paused: AtomicBool::new(false),
            delivered: AtomicU64::new(0),
        })
    }

    pub(crate) fn pause(&self, is_paused: Paused) {
        self.is_paused
            .store(is_paused == Paused::Yes, Ordering::SeqCst);
    }

    pub(crate) fn acker(&self) -> Arc<dyn Acker> {
        Arc::clone(&self.acker.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells the task that a commit of its aggregate was delivered.
    pub(crate) fn ring(&self, delivered: Position) {
        self.delivered.fetch_max(delivered.0, Ordering::Relaxed);
        self.news.notify_one();
    }

    /// Waits until a commit was delivered that lies beyond what `known` says then: mostly it is one of the task itself.
    pub(crate) async fn rung_beyond(&self, known: impl Fn() -> Position) {
        loop {
            self.news.notified().await;
            if self.delivered.load(Ordering::Relaxed) > known().0 {
                return;
            }
        }
    }

    pub(crate) fn keep(&self, newer: Arc<dyn Acker>) {
        *self.acker.lock().unwrap_or_else(PoisonError::into_inner) = newer;
    }
}

/// All leases of this process, and the turns of those who look at an aggregate.
#[derive(Default)]
pub(crate) struct Table {
    leases: Mutex<HashMap<String, Arc<Lease>>>,
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

/// Keeps a lease in the table; dropping it, in a panic too, takes it out.
pub(crate) struct Entry<'a> {
    table: &'a Table,
    subject: String,
    lease: Arc<Lease>,
}

impl Table {
    pub(crate) fn enter(&self, subject: &str, lease: &Arc<Lease>) -> Entry<'_> {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        leases.insert(subject.to_owned(), Arc::clone(lease));
        Entry {
            table: self,
            subject: subject.to_owned(),
            lease: Arc::clone(lease),
        }
    }

    pub(crate) fn lease(&self, subject: &str) -> Option<Arc<Lease>> {
        let leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        leases.get(subject).cloned()
    }

    /// Whether a task of this process serves that claim at this moment. One that has paused does not: it has let go.
    pub(crate) fn serves(&self, serving: &Serving) -> bool {
        self.lease(&serving.subject).is_some_and(|lease| {
            lease.served.epoch == serving.epoch && !lease.is_paused.load(Ordering::SeqCst)
        })
    }

    pub(crate) fn serving(&self) -> Vec<Serving> {
        let leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        let mut serving: Vec<_> = leases
            .iter()
            .map(|(subject, lease)| Serving {
                subject: subject.clone(),
                epoch: lease.served.epoch,
            })
            .collect();
        serving.sort_by(|one, other| one.subject.cmp(&other.subject));
        serving
    }

    /// Deliveries of one aggregate are looked at one after the other, so that the newest meets what the others led to.
    pub(crate) fn turn(&self, subject: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.len() >= TURNS_MAX {
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        }
        Arc::clone(turns.entry(subject.to_owned()).or_default())
    }

    /// Whether somebody has the turn of the aggregate at this moment.
    pub(crate) fn is_turn_taken(&self, subject: &str) -> bool {
        let turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns
            .get(subject)
            .is_some_and(|turn| turn.try_lock().is_err())
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        let mut leases = self
            .table
            .leases
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // A holder that paused may find that another task of its process has claimed meanwhile.
        if leases
            .get(&self.subject)
            .is_some_and(|lease| Arc::ptr_eq(lease, &self.lease))
        {
            leases.remove(&self.subject);
        }
    }
}

#[cfg(test)]
mod tests {
    //! A place in the table belongs to the task that took it.

    use async_trait::async_trait;
    use nogfso_journal::log::ReadFault;
    use std::time::Duration;

    use super::*;

    struct Deaf;

    #[async_trait]
    impl Acker for Deaf {
        async fn ack(&self) -> Result<(), ReadFault> {
            Ok(())
        }

        async fn nak(&self, _delay: Duration) -> Result<(), ReadFault> {
            Ok(())
        }

        async fn progress(&self) -> Result<(), ReadFault> {
            Ok(())
        }
    }

    fn lease(epoch: u64) -> Arc<Lease> {
        let served = ServedHere {
            epoch,
            lease: Position(1),
        };
        Lease::new(served, Arc::new(Deaf))
    }

    #[test]
    fn a_task_that_lost_its_claim_does_not_take_the_next_one_of_its_process_out() {
        let table = Table::default();
        let paused = table.enter("a", &lease(1));
        let next = table.enter("a", &lease(2));
        drop(paused);
        let serving = Serving {
            subject: "a".to_owned(),
            epoch: 2,
        };
        assert_eq!(table.serving(), [serving]);
        drop(next);
        assert_eq!(table.serving(), []);
    }
}
