//! One hold from claim to release: the work, the lease and the silence of the server beside it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use nogfso_journal::LoadError;
use nogfso_journal::store::Loaded;
use nogfso_kernel::Position;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::course::{Course, Do, Facts, Failure, Seen, Worked};
use crate::held::{Held, HoldError, Standing};
use crate::host::{Host, Locks, try_lock};
use crate::table::{Lease, Paused};

/// How often a holder looks for news of its aggregate, such as a cancellation.
const NEWS_PAUSE: Duration = Duration::from_secs(1);
/// How often a holder that paused looks whether the server is back.
const RESUME_PAUSE: Duration = Duration::from_millis(250);

/// A claim in hand and what it hangs on.
pub(crate) struct Hold<H: Host> {
    pub(crate) held: Held<H>,
    pub(crate) lease: Arc<Lease>,
    pub(crate) locks: Arc<dyn Locks>,
    pub(crate) instance: String,
    pub(crate) ack_wait: Duration,
    pub(crate) stop: CancellationToken,
}

impl<H: Host> Hold<H> {
    /// Does what `course` names, from `first` on, until the hold is over; the lock is free then. Returns what comes next.
    pub(crate) async fn run(&self, course: &mut Course, first: Do) -> Do {
        let beside = async {
            let never: (Infallible, Infallible, Infallible, Infallible) = tokio::join!(
                biased;
                self.watch_stop(),
                self.keep_lease(),
                self.watch_silence(),
                self.watch_news()
            );
            never
        };
        tokio::select! {
            biased;
            (never, ..) = beside => match never {},
            next = self.follow(course, first) => next,
        }
    }

    async fn follow(&self, course: &mut Course, first: Do) -> Do {
        let mut step = first;
        loop {
            let seen = match step {
                Do::Work => {
                    let before = self.moment();
                    let done = self.held.host.work(&self.held).await;
                    self.worked(before, done)
                }
                Do::Release => {
                    let before = self.moment();
                    let release = self.held.host.release(self.held.epoch());
                    let done = self.held.append(&release).await;
                    self.worked(before, done.map(drop))
                }
                Do::Unlock => {
                    if course.ended().is_none() {
                        tracing::warn!(
                            subject = self.held.subject(),
                            "the server is silent; pauses"
                        );
                    }
                    self.lease.pause(Paused::Yes);
                    self.held.set_lock(None);
                    Seen::Done
                }
                Do::Rest => self.rest().await,
                Do::Confirm => match self.confirm_lease().await {
                    true => Seen::Done,
                    false => Seen::Failed(Failure::Transient),
                },
                Do::LoadAtLeader => self.load_at_leader().await,
                Do::TryLock => self.lock_again().await,
                Do::Resume => {
                    tracing::info!(subject = self.held.subject(), "goes on");
                    self.lease.pause(Paused::No);
                    self.held.stand(|standing| standing.silent = false);
                    Seen::Facts(self.facts())
                }
                // Only a planted mistake comes here before the end.
                Do::Ack if course.ended().is_none() => {
                    self.acknowledge().await;
                    Seen::Facts(self.facts())
                }
                Do::Load
                | Do::Claim { .. }
                | Do::Mark { .. }
                | Do::Serve { .. }
                | Do::Ring
                | Do::Answer(_)
                | Do::Leave
                | Do::Ack
                | Do::End => return step,
            };
            step = course.next(&self.instance, seen);
        }
    }

    /// What is otherwise once something has happened.
    fn moment(&self) -> (Position, Standing) {
        (self.held.position(), *self.held.standing.borrow())
    }

    fn worked(
        &self,
        before: (Position, Standing),
        done: Result<(), HoldError<H::Aggregate>>,
    ) -> Seen {
        let subject = self.held.subject();
        let has_moved = before != self.moment();
        let how = match done {
            Err(HoldError::Refused(refusal)) if has_moved => {
                tracing::debug!(subject, %refusal, "what was to be done is otherwise now");
                Worked::Moved
            }
            Err(error @ (HoldError::Refused(_) | HoldError::Failed { .. })) => {
                tracing::error!(subject, %error, "gives up its claim");
                Worked::Failed
            }
            Ok(()) | Err(HoldError::MovedOn | HoldError::Stopped) if has_moved => Worked::Moved,
            Ok(()) | Err(HoldError::MovedOn | HoldError::Stopped) => Worked::Idle,
        };
        if how == Worked::Idle && !self.held.must_stop() {
            tracing::error!(subject, "work made no progress");
        }
        let facts = self.facts();
        Seen::Worked { how, facts }
    }

    pub(crate) fn facts(&self) -> Facts {
        // The process may have been told to end since the tasks beside had their last turn.
        if self.stop.is_cancelled() {
            self.held.stand(|standing| standing.draining = true);
        }
        self.held.facts()
    }

    async fn rest(&self) -> Seen {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Seen::Stopped,
            () = sleep(RESUME_PAUSE) => Seen::Done,
        }
    }

    async fn load_at_leader(&self) -> Seen {
        match self.newest().await {
            Ok(loaded) => {
                self.held.learn(loaded);
                let view = self.held.view();
                Seen::AtLeader { view }
            }
            Err(_) => Seen::Failed(Failure::Transient),
        }
    }

    async fn lock_again(&self) -> Seen {
        let seen = try_lock(&*self.locks, self.held.subject()).await;
        match seen {
            Ok(lock) => {
                let found = lock.found().cloned();
                self.held.set_lock(Some(lock.into()));
                Seen::Locked { found }
            }
            Err(seen) => seen,
        }
    }

    async fn newest(&self) -> Result<Loaded<H::Aggregate>, LoadError> {
        let subject = self.held.subject();
        let last = self.held.store.log().leader_last(subject).await?;
        let least = last.map_or(Position::START, |last| last.position);
        self.held.store.load(subject, least).await
    }

    /// Asks the server to leave the message with this process; whether it answered in time.
    async fn confirm_lease(&self) -> bool {
        let asked = Instant::now();
        let confirmed = timeout(self.ack_wait / 3, self.lease.acker().progress()).await;
        let is_confirmed = matches!(confirmed, Ok(Ok(())));
        if is_confirmed {
            self.held.answered.send_replace(asked);
        }
        is_confirmed
    }

    /// Acknowledges the lease by its newest handle.
    pub(crate) async fn acknowledge(&self) {
        if let Err(fault) = self.lease.acker().ack().await {
            tracing::debug!(subject = self.held.subject(), %fault, "a lease was not acknowledged");
        }
    }

    async fn keep_lease(&self) -> Infallible {
        loop {
            sleep(self.ack_wait / 3).await;
            self.confirm_lease().await;
        }
    }

    async fn watch_news(&self) -> Infallible {
        let pause = NEWS_PAUSE.min(self.ack_wait / 3);
        loop {
            tokio::select! {
                biased;
                () = self.lease.rung_beyond(|| self.held.position()) => {}
                () = sleep(pause) => {}
            }
            let loading = self
                .held
                .store
                .load(self.held.subject(), self.held.position());
            if let Ok(Ok(newer)) = timeout(self.ack_wait / 3, loading).await {
                self.held.learn(newer);
            }
        }
    }

    async fn watch_silence(&self) -> Infallible {
        let mut answered = self.held.answered.subscribe();
        let patience = self.ack_wait * 2 / 3;
        loop {
            let last = *answered.borrow_and_update();
            sleep_until(last + patience).await;
            if *answered.borrow() == last {
                self.held.stand(|standing| standing.silent = true);
                // The sender lives in `self`, so that this cannot fail.
                drop(answered.changed().await);
            }
        }
    }

    async fn watch_stop(&self) -> Infallible {
        self.stop.cancelled().await;
        self.held.stand(|standing| standing.draining = true);
        std::future::pending().await
    }
}
