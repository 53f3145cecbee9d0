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
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::Gateway;

const LOOK_ANYWAY_EVERY: Duration = Duration::from_secs(2);
const FOLLOW_AGAIN_PAUSE: Duration = Duration::from_millis(500);
/// How many aggregates can be waited for at a time.
const WATCHED_AGGREGATES_MAX: usize = 100_000;

/// What is known of one aggregate that somebody waits for. Those who wait are woken in the order in which they came, so that
/// a simulation can be repeated.
#[derive(Default)]
struct Changes {
    /// How often it changed, and where the last commit lies.
    newest: Mutex<(u64, Position)>,
    bell: Notify,
}

impl Changes {
    fn newest(&self) -> (u64, Position) {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, position: Position) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        *newest = (newest.0 + 1, position);
        drop(newest);
        self.bell.notify_waiters();
    }

    /// Waits until it has changed more often than `seen`.
    async fn beyond(&self, seen: u64) {
        loop {
            let mut rings = std::pin::pin!(self.bell.notified());
            rings.as_mut().enable();
            if self.newest().0 > seen {
                return;
            }
            rings.await;
        }
    }
}

/// Who waits for what.
pub(crate) struct Watch {
    stop: CancellationToken,
    waiting: Mutex<HashMap<String, Weak<Changes>>>,
}

impl Watch {
    /// Nobody waits; all waits end when `stop` is cancelled.
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Self {
            stop,
            waiting: Mutex::default(),
        }
    }

    fn changes(&self, subject: &str) -> Result<Arc<Changes>, Failure> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(changes) = waiting.get(subject).and_then(Weak::upgrade) {
            return Ok(changes);
        }
        if waiting.len() >= WATCHED_AGGREGATES_MAX {
            waiting.retain(|_, changes| changes.strong_count() > 0);
            if waiting.len() >= WATCHED_AGGREGATES_MAX {
                return Err(Failure::new(Code::Busy, "too many callers wait"));
            }
        }
        let changes = Arc::new(Changes::default());
        waiting.insert(subject.to_owned(), Arc::downgrade(&changes));
        Ok(changes)
    }

    fn wake(&self, subject: &str, position: Position) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting.get(subject).map(Weak::upgrade) {
            Some(Some(changes)) => changes.note(position),
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
        let changes = self.changes(subject)?;
        Ok(Waiting {
            seen: changes.newest().0,
            changes,
            deadline: Instant::now() + patience,
            stop: self.stop.clone(),
        })
    }
}

/// One who waits. To be used in a loop: look at the state that contains [`Waiting::least`], then [`Waiting::next`].
pub(crate) struct Waiting {
    changes: Arc<Changes>,
    seen: u64,
    deadline: Instant,
    stop: CancellationToken,
}

impl Waiting {
    /// The least position that the next look must see.
    pub(crate) fn least(&mut self) -> Position {
        let (seen, position) = self.changes.newest();
        self.seen = seen;
        position
    }

    /// Waits for the next reason to look; false when the time is over, or when the gateway stops: a long wait must not hold
    /// up the stop, and another gateway can go on with it.
    pub(crate) async fn next(&mut self) -> bool {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || self.stop.is_cancelled() {
            return false;
        }
        tokio::select! {
            biased;
            () = self.stop.cancelled() => return false,
            _changed_or_not = timeout(left.min(LOOK_ANYWAY_EVERY), self.changes.beyond(self.seen)) => {}
        }
        self.seen = self.changes.newest().0;
        true
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
