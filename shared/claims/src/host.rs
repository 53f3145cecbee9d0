//! What a host brings along: its aggregate, its locks, its work.

use async_trait::async_trait;
use nogfso_faults::{Mutant, is_planted};
use nogfso_kernel::{Aggregate, Position, Recorded};

use crate::course::{Failure, Seen};
use crate::held::{Held, HoldError};
use crate::rules::{Mark, View};

/// The terms of a claim that is about to be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claiming {
    /// This process.
    pub instance: String,
    /// The message that it holds.
    pub lease: Position,
    /// The epoch in the lock file, which the new one must exceed; 0 if there is none.
    pub above: u64,
}

/// Shows an aggregate as something that can be claimed, and does its work.
#[async_trait]
pub trait Host: Send + Sync + Sized + 'static {
    /// What is claimed.
    type Aggregate: Aggregate;

    /// The state as far as claims are concerned, at `now_ms` (milliseconds since the Unix epoch).
    fn view(&self, state: &<Self::Aggregate as Aggregate>::State, now_ms: u64) -> View;

    /// Whether the commit with this event asks a worker to look (rule 1).
    fn is_trigger(&self, recorded: &Recorded<<Self::Aggregate as Aggregate>::Event>) -> bool;

    /// Is told what a commit says that is delivered for the first time, before it is looked at: for what a person is to hear once.
    /// Must not wait. What it makes nothing of is not told again.
    fn heard(
        &self,
        _subject: &str,
        _at: Position,
        _events: &[Recorded<<Self::Aggregate as Aggregate>::Event>],
    ) {
    }

    /// Whether this process can do the work at all. What it cannot is left, untouched, to one that can.
    fn can_take(&self, _state: &<Self::Aggregate as Aggregate>::State) -> bool {
        true
    }

    /// The command that claims. It must be accepted while something is due, and while there is a claim to be taken over.
    fn claim(&self, claiming: Claiming) -> <Self::Aggregate as Aggregate>::Command;

    /// The command that releases the claim of `epoch`, whatever is left to do.
    fn release(&self, epoch: u64) -> <Self::Aggregate as Aggregate>::Command;

    /// Whether `command` gives the claim back as far as `state` shows; only told to those who watch over the rules.
    fn would_release(
        &self,
        state: &<Self::Aggregate as Aggregate>::State,
        command: &<Self::Aggregate as Aggregate>::Command,
        now_ms: u64,
    ) -> bool {
        Self::Aggregate::decide(state, command, now_ms)
            .is_ok_and(|events| events.first().is_some_and(Self::Aggregate::starts_fold))
    }

    /// Whether a command was refused because the epoch moved on.
    fn has_moved_on(&self, refusal: &<Self::Aggregate as Aggregate>::Refusal) -> bool;

    /// Works on what is due first: begins it, does it, appends its end. Returns when that one is done or put off.
    ///
    /// Must break off soon once [`Held::must_stop`] is true, and touch nothing after it has returned.
    ///
    /// # Errors
    ///
    /// Returns what [`Held::append`] returned, or [`HoldError::Stopped`] after breaking off.
    async fn work(&self, held: &Held<Self>) -> Result<(), HoldError<Self::Aggregate>>;
}

/// Where every process that could touch the same things must come by.
#[async_trait]
pub trait Locks: Send + Sync + 'static {
    /// Tries the lock of the aggregate on `subject`; never waits for it.
    ///
    /// # Errors
    ///
    /// Fails if the place of the lock cannot be reached.
    async fn try_lock(&self, subject: &str) -> Result<Locked, LockFault>;
}

/// The answer to trying a lock.
pub enum Locked {
    /// Somebody has it, and so lives.
    Busy {
        /// The name in its mark.
        holder: String,
    },
    /// It is taken now; dropping it unlocks.
    Taken(Box<dyn Lock>),
}

/// A lock that is held until it is dropped.
#[async_trait]
pub trait Lock: Send + Sync {
    /// What the last holder that touched the disk left here.
    fn found(&self) -> Option<&Mark>;

    /// Leaves one's own mark; lasting before it returns.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be written.
    async fn mark(&mut self, mark: &Mark) -> Result<(), LockFault>;
}

/// Why a lock could not be tried or marked.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the lock {place}: {reason}")]
pub struct LockFault {
    /// Where it lies.
    pub place: String,
    /// What was seen.
    pub reason: String,
}

/// Tries the lock of `subject`, or says what was seen instead of a free one.
pub(crate) async fn try_lock(locks: &dyn Locks, subject: &str) -> Result<Box<dyn Lock>, Seen> {
    if is_planted(Mutant::NoLock) {
        return Ok(Box::new(NoLock));
    }
    match locks.try_lock(subject).await {
        Ok(Locked::Taken(lock)) => Ok(lock),
        Ok(Locked::Busy { holder }) => {
            tracing::info!(subject, "held by {holder}");
            Err(Seen::Busy)
        }
        Err(fault) => {
            tracing::error!(subject, %fault, "cannot lock");
            Err(Seen::Failed(Failure::Transient))
        }
    }
}

/// Planted: what is taken for a lock and locks nothing.
struct NoLock;

#[async_trait]
impl Lock for NoLock {
    fn found(&self) -> Option<&Mark> {
        None
    }

    async fn mark(&mut self, _mark: &Mark) -> Result<(), LockFault> {
        Ok(())
    }
}
