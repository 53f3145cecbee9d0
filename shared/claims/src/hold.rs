//! One hold from claim to release: the work, the lease and the silence of the server beside it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use nogfso_journal::LoadError;
use nogfso_journal::store::Loaded;
use nogfso_kernel::Position;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::held::{Held, HoldError};
use crate::host::{Host, Lock, Locked, Locks};
use crate::rules::{self, Ended, Mark, Next};
use crate::table::Lease;

/// How often a holder looks for news of its aggregate, such as a cancellation.
const NEWS_PAUSE: Duration = Duration::from_secs(1);
/// How often a holder that paused looks whether the server is back.
const RESUME_PAUSE: Duration = Duration::from_millis(250);

/// A claim in hand and what it hangs on.
pub(crate) struct Hold<H: Host> {
    pub(crate) held: Held<H>,
    pub(crate) lease: Arc<Lease>,
    pub(crate) locks: Arc<dyn Locks>,
    pub(crate) mine: Mark,
    pub(crate) ack_wait: Duration,
    pub(crate) stop: CancellationToken,
}

impl<H: Host> Hold<H> {
    /// Works until the claim is given back or lost. The lock is free when this returns.
    pub(crate) async fn run(self) -> Ended {
        let beside = async {
            let never: (Infallible, Infallible, Infallible, Infallible) = tokio::join!(
                self.keep_lease(),
                self.watch_news(),
                self.watch_silence(),
                self.watch_stop()
            );
            never
        };
        tokio::select! {
            ended = self.serve() => ended,
            (never, ..) = beside => match never {},
        }
    }

    async fn serve(&self) -> Ended {
        loop {
            if self.held.released() {
                return Ended::Released;
            }
            // A refused commit tells that the claim moved on before the state that says so was read.
            if self.held.standing.borrow().moved_on {
                return Ended::MovedOn;
            }
            let before = (self.held.position(), *self.held.standing.borrow());
            let done = match rules::next(&self.held.view(), self.held.epoch(), self.pressure()) {
                Next::Stop => return Ended::MovedOn,
                Next::Pause => {
                    self.held.set_lock(None);
                    tracing::warn!(
                        subject = self.held.subject(),
                        "the server is silent; paused"
                    );
                    match self.resume().await {
                        Some(lock) => self.held.set_lock(Some(lock)),
                        None => return Ended::GaveUp,
                    }
                    self.held.stand(|standing| standing.silent = false);
                    continue;
                }
                Next::Work => self.held.host.work(&self.held).await,
                Next::Release => {
                    let release = self.held.host.release(self.held.epoch());
                    self.held.append(&release).await.map(drop)
                }
            };
            match done {
                Err(error @ (HoldError::Refused(_) | HoldError::Failed { .. })) => {
                    tracing::error!(subject = self.held.subject(), %error, "gives up its claim");
                    return Ended::GaveUp;
                }
                Ok(()) | Err(HoldError::MovedOn | HoldError::Stopped) => {
                    let after = (self.held.position(), *self.held.standing.borrow());
                    // What was told to stop before it began cannot have moved anything.
                    if before == after && !self.held.must_stop() {
                        tracing::error!(subject = self.held.subject(), "work made no progress");
                        return Ended::GaveUp;
                    }
                }
            }
        }
    }

    fn pressure(&self) -> rules::Pressure {
        if self.stop.is_cancelled() {
            self.held.stand(|standing| standing.draining = true);
        }
        self.held.pressure()
    }

    /// Waits until the server is back; the lock again if the claim is still its own (rule 7).
    async fn resume(&self) -> Option<Arc<dyn Lock>> {
        loop {
            tokio::select! {
                () = sleep(RESUME_PAUSE) => {}
                () = self.stop.cancelled() => return None,
            }
            if !self.confirm_lease().await {
                continue;
            }
            match self.load_at_leader().await {
                Ok(loaded) => self.held.learn(loaded),
                Err(_) => continue,
            }
            if !rules::is_held(&self.held.view(), self.mine.epoch) {
                return None;
            }
            let Ok(Locked::Taken(lock)) = self.locks.try_lock(self.held.subject()).await else {
                continue;
            };
            if !rules::may_resume(&self.held.view(), lock.found(), &self.mine) {
                return None;
            }
            tracing::info!(subject = self.held.subject(), "goes on");
            return Some(lock.into());
        }
    }

    async fn load_at_leader(&self) -> Result<Loaded<H::Aggregate>, LoadError> {
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
                () = sleep(pause) => {}
                () = self.lease.news.notified() => {}
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
