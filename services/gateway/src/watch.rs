//! Waiting for something to happen to an aggregate.
//!
//! One reader a stream wakes all who wait, however many they are. A wake-up that is missed costs a look every two seconds,
//! never the answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use nogfso_contract::{Code, Failure, subjects};
use nogfso_host::Tasks;
use nogfso_journal::log::From;
use nogfso_kernel::Position;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::Gateway;

const LOOK_ANYWAY_EVERY: Duration = Duration::from_secs(2);
const FOLLOW_AGAIN_PAUSE: Duration = Duration::from_millis(500);
/// How many aggregates can be waited for at a time.
const WATCHED_AGGREGATES_MAX: usize = 100_000;

/// Who waits for what.
pub(crate) struct Watch {
    stop: CancellationToken,
    waiting: Mutex<HashMap<String, Weak<watch::Sender<Position>>>>,
}

impl Watch {
    /// Nobody waits; all waits end when `stop` is cancelled.
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Self {
            stop,
            waiting: Mutex::default(),
        }
    }

    fn sender(&self, subject: &str) -> Result<Arc<watch::Sender<Position>>, Failure> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = waiting.get(subject).and_then(Weak::upgrade) {
            return Ok(sender);
        }
        if waiting.len() >= WATCHED_AGGREGATES_MAX {
            waiting.retain(|_, sender| sender.strong_count() > 0);
            if waiting.len() >= WATCHED_AGGREGATES_MAX {
                return Err(Failure::new(Code::Busy, "too many callers wait"));
            }
        }
        let sender = Arc::new(watch::Sender::new(Position::START));
        waiting.insert(subject.to_owned(), Arc::downgrade(&sender));
        Ok(sender)
    }

    fn wake(&self, subject: &str, position: Position) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting.get(subject).map(Weak::upgrade) {
            Some(Some(sender)) => {
                sender.send_replace(position);
            }
            Some(None) => {
                waiting.remove(subject);
            }
            None => {}
        }
    }

    /// Begins to wait for changes of the aggregate on `subject`, at most `patience`.
    ///
    /// # Errors
    ///
    /// Refuses when too many wait.
    pub(crate) fn wait(&self, subject: &str, patience: Duration) -> Result<Waiting, Failure> {
        let sender = self.sender(subject)?;
        let changes = sender.subscribe();
        Ok(Waiting {
            changes,
            deadline: Instant::now() + patience,
            stop: self.stop.clone(),
            _wakes: sender,
        })
    }
}

/// One who waits. To be used in a loop: look at the state that contains [`Waiting::least`], then [`Waiting::next`].
pub(crate) struct Waiting {
    changes: watch::Receiver<Position>,
    deadline: Instant,
    stop: CancellationToken,
    _wakes: Arc<watch::Sender<Position>>,
}

impl Waiting {
    /// The least position that the next look must see.
    pub(crate) fn least(&mut self) -> Position {
        *self.changes.borrow_and_update()
    }

    /// Waits for the next reason to look; false when the time is over, or when the gateway stops: a long wait must not hold
    /// up the stop, and another gateway can go on with it.
    pub(crate) async fn next(&mut self) -> bool {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || self.stop.is_cancelled() {
            return false;
        }
        // The sender lives in this value, so the only other end of the wait is a change.
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            _changed_or_not = timeout(left.min(LOOK_ANYWAY_EVERY), self.changes.changed()) => true,
        }
    }
}

/// What was looked for, or nothing yet; a failure that may pass counts as nothing yet.
pub(crate) fn unless_passing<T>(looked: Result<Option<T>, Failure>) -> Result<Option<T>, Failure> {
    match looked {
        Err(failure) if failure.code == Code::Unavailable => Ok(None),
        looked => looked,
    }
}

/// Follows the streams and wakes those who wait, until `tasks` are stopped.
pub(crate) fn follow(gateway: &Arc<Gateway>, tasks: &Tasks) {
    for stream in [
        subjects::REGISTRY_STREAM,
        subjects::REPO_STREAM,
        subjects::WORK_STREAM,
    ] {
        let gateway = Arc::clone(gateway);
        let stop = tasks.stop().clone();
        tasks.spawn("watch", async move {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = follow_stream(&gateway, stream) => {}
            }
        });
    }
}

async fn follow_stream(gateway: &Gateway, stream: &'static str) {
    loop {
        match gateway.log.follow(stream, "fso.ev.>", From::Now).await {
            Ok(mut following) => {
                while let Some(Ok(stored)) = following.next().await {
                    gateway.watch.wake(&stored.subject, stored.position);
                }
            }
            Err(fault) => tracing::warn!(stream, %fault, "cannot follow"),
        }
        sleep(FOLLOW_AGAIN_PAUSE).await;
    }
}
