//! A claim in hand: what the host works with.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nogfso_faults::{Rule, met};
use nogfso_journal::store::{By, ExecuteError, Loaded, Outcome, Store};
use nogfso_kernel::{Aggregate, Expected, Position};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::course::Facts;
use crate::host::{Host, Lock};
use crate::rules::{self, Pressure, View};

const RETRY_PAUSE_MIN: Duration = Duration::from_millis(50);
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(2);

/// Why a holder has to stop what it is doing, if it has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// The process is to end.
    pub draining: bool,
    /// The server has not answered for two thirds of the ack wait.
    pub silent: bool,
    /// The claim belongs to somebody else, or is void.
    pub moved_on: bool,
}

impl Standing {
    pub(crate) fn pressure(self) -> Pressure {
        Pressure {
            draining: self.draining,
            silent: self.silent,
        }
    }
}

/// Why work on a claim did not go on.
#[derive(Debug, thiserror::Error)]
pub enum HoldError<A: Aggregate> {
    /// The claim belongs to somebody else, or is void: nothing more may be touched.
    #[error("the claim moved on")]
    MovedOn,
    /// The holder was told to stop; the claim may still be its own.
    #[error("stopped")]
    Stopped,
    /// The aggregate refused a command for another reason.
    #[error(transparent)]
    Refused(A::Refusal),
    /// The journal will not answer, however often it is asked.
    #[error("the journal failed: {reason}")]
    Failed {
        /// What was seen.
        reason: String,
    },
}

/// A claim in hand, its lock taken.
pub struct Held<H: Host> {
    pub(crate) store: Arc<Store<H::Aggregate>>,
    pub(crate) host: Arc<H>,
    pub(crate) actor: String,
    pub(crate) subject: String,
    pub(crate) epoch: u64,
    pub(crate) loaded: watch::Sender<Loaded<H::Aggregate>>,
    pub(crate) standing: watch::Sender<Standing>,
    pub(crate) answered: watch::Sender<Instant>,
    pub(crate) released: watch::Sender<bool>,
    pub(crate) lock: Mutex<Option<Arc<dyn Lock>>>,
}

/// Waits for news of a claim in hand. Nothing that comes between two waits is missed.
pub struct News<A: Aggregate> {
    loaded: watch::Receiver<Loaded<A>>,
    standing: watch::Receiver<Standing>,
}

impl<A: Aggregate> News<A> {
    /// Waits until the state or the reasons to stop have changed since the last wait. For ever once the claim is gone.
    pub async fn changed(&mut self) {
        let ended = tokio::select! {
            biased;
            changed = self.standing.changed() => changed.is_err(),
            changed = self.loaded.changed() => changed.is_err(),
        };
        if ended {
            std::future::pending::<()>().await;
        }
    }
}

impl<H: Host> Held<H> {
    /// The aggregate.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The epoch of the claim.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The newest known state.
    #[must_use]
    pub fn state(&self) -> <H::Aggregate as Aggregate>::State {
        self.loaded.borrow().state.clone()
    }

    /// The lock, to be held by every thread that touches what it guards: it is free when the last one has let go.
    ///
    /// So the lock outlives a task that ends before a thread that it started. `None` only while the holder pauses.
    #[must_use]
    pub fn lock(&self) -> Option<Arc<dyn Lock>> {
        self.lock
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.store.environment().now_ms()
    }

    /// Why the work is to be broken off, if it is.
    #[must_use]
    pub fn standing(&self) -> Standing {
        *self.standing.borrow()
    }

    /// Whether the work is to be broken off, for whatever reason.
    #[must_use]
    pub fn must_stop(&self) -> bool {
        *self.standing.borrow() != Standing::default()
    }

    /// News of the state and of reasons to stop, from now on.
    #[must_use]
    pub fn news(&self) -> News<H::Aggregate> {
        News {
            loaded: self.loaded.subscribe(),
            standing: self.standing.subscribe(),
        }
    }

    /// Appends what follows from `command`, which must be refused by the aggregate unless the epoch is that of the claim.
    ///
    /// A server that does not answer is asked again until the holder must let go.
    ///
    /// # Errors
    ///
    /// See [`HoldError`].
    pub async fn append(
        &self,
        command: &<H::Aggregate as Aggregate>::Command,
    ) -> Result<Outcome<H::Aggregate>, HoldError<H::Aggregate>> {
        let mut pause = RETRY_PAUSE_MIN;
        loop {
            let by = By {
                expected: Expected::RetryNoVc,
                at_least: self.position(),
                epoch: Some(self.epoch),
                ..By::actor(self.actor.clone())
            };
            let would_release = self.would_release(command);
            let answer = tokio::select! {
                biased;
                () = self.must_let_go() => return Err(HoldError::Stopped),
                answer = self.store.execute(&self.subject, command, &by) => answer,
            };
            let reason = match answer {
                Ok(outcome) => {
                    self.note(&outcome);
                    if would_release && !self.released() {
                        met(Rule::ReleaseRefused);
                        tracing::debug!(subject = self.subject, "more came; keeps its claim");
                    }
                    return Ok(outcome);
                }
                Err(ExecuteError::Refused(refusal)) if self.host.has_moved_on(&refusal) => {
                    self.stand(|standing| standing.moved_on = true);
                    return Err(HoldError::MovedOn);
                }
                Err(ExecuteError::Refused(refusal)) => {
                    self.learn_why().await;
                    return Err(HoldError::Refused(refusal));
                }
                Err(error) if error.is_transient() => error.to_string(),
                Err(error) => {
                    return Err(HoldError::Failed {
                        reason: error.to_string(),
                    });
                }
            };
            tracing::warn!(subject = self.subject, reason, "cannot append yet");
            tokio::select! {
                biased;
                () = self.must_let_go() => return Err(HoldError::Stopped),
                () = sleep(pause) => {}
            }
            pause = (pause * 2).min(RETRY_PAUSE_MAX);
        }
    }

    pub(crate) fn set_lock(&self, lock: Option<Arc<dyn Lock>>) {
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = lock;
    }

    pub(crate) fn view(&self) -> View {
        self.host.view(&self.loaded.borrow().state, self.now_ms())
    }

    pub(crate) fn facts(&self) -> Facts {
        Facts {
            view: self.view(),
            standing: *self.standing.borrow(),
            is_released: self.released(),
        }
    }

    pub(crate) fn position(&self) -> Position {
        self.loaded.borrow().position()
    }

    pub(crate) fn stand(&self, change: impl FnOnce(&mut Standing)) {
        self.standing.send_if_modified(|standing| {
            let before = *standing;
            change(standing);
            *standing != before
        });
    }

    /// Takes a state that was read, unless a newer one is known.
    pub(crate) fn learn(&self, newer: Loaded<H::Aggregate>) {
        self.loaded.send_if_modified(|known| {
            let is_newer = newer.position() > known.position();
            if is_newer {
                *known = newer;
            }
            is_newer
        });
        if !self.released() && !rules::is_held(&self.view(), self.epoch) {
            self.stand(|standing| standing.moved_on = true);
        }
    }

    /// Whether a commit of this holder released the claim.
    pub(crate) fn released(&self) -> bool {
        *self.released.borrow()
    }

    /// Reads what a command was refused upon, such as a request that was taken back.
    async fn learn_why(&self) {
        tokio::select! {
            biased;
            () = self.must_let_go() => {}
            loaded = self.store.load(&self.subject, self.position()) => {
                if let Ok(newer) = loaded {
                    self.learn(newer);
                }
            }
        }
    }

    fn note(&self, outcome: &Outcome<H::Aggregate>) {
        self.answered.send_replace(Instant::now());
        let view = self.host.view(&outcome.after.state, self.now_ms());
        if rules::gives_back(!outcome.appended.is_empty(), &view, self.epoch) {
            self.released.send_replace(true);
        }
        self.learn(outcome.after.clone());
    }

    /// Whether `command` gives the claim back as far as is known: nothing else is due.
    fn would_release(&self, command: &<H::Aggregate as Aggregate>::Command) -> bool {
        let loaded = self.loaded.borrow();
        self.host
            .would_release(&loaded.state, command, self.now_ms())
    }

    /// Waits until the lock has to be given up at once.
    async fn must_let_go(&self) {
        let mut standing = self.standing.subscribe();
        let wanted = standing.wait_for(|standing| standing.silent || standing.moved_on);
        // The sender lives in `self`, so that this cannot fail.
        drop(wanted.await);
    }
}
