//! Streams that take nothing though their server answers.
//!
//! A server (2.15) whose disk was full when it wrote to a stream leaves every later publish there unanswered, until it is
//! started again, whatever room there is by then. Callers must not wait for that each time anew: such a stream is known after a
//! few attempts, and from then on only one attempt every few seconds goes out to see whether it is over.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nogfso_journal::log::PublishFault;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::api::ATTEMPT_PATIENCE;
use crate::connection::Connection;

/// How many attempts in a row must stay unanswered by a server that answers before and after each of them.
const SILENCES_MAX: u32 = 2;
const TRY_EVERY: Duration = Duration::from_secs(3);

/// What is known of each stream.
#[derive(Debug)]
pub(super) struct Stalls {
    connects: watch::Receiver<u64>,
    streams: Mutex<BTreeMap<String, Stall>>,
}

#[derive(Debug)]
struct Stall {
    /// A server that is connected anew is another one.
    connect: u64,
    silences: u32,
    /// When the server was last seen to answer.
    alive_at: Instant,
    /// When the next attempt goes out; absent while it is not known to take nothing.
    next_try: Option<Instant>,
}

impl Stalls {
    pub(super) fn new(connection: &Connection) -> Self {
        Self {
            connects: connection.connects(),
            streams: Mutex::default(),
        }
    }

    /// Whether an attempt may go out now.
    ///
    /// # Errors
    ///
    /// Says that the stream takes nothing.
    pub(super) fn may_try(&self, stream: &str) -> Result<(), PublishFault> {
        let connect = *self.connects.borrow();
        let mut streams = self.lock();
        let Some(stall) = streams.get_mut(stream) else {
            return Ok(());
        };
        if stall.connect != connect {
            streams.remove(stream);
            return Ok(());
        }
        let now = Instant::now();
        match &mut stall.next_try {
            Some(next_try) if *next_try > now => Err(PublishFault::Stalled {
                reason: format!(
                    "the NATS server answers and stores nothing in {stream}, as after its disk was full: free some space, then \
                     restart the NATS server"
                ),
            }),
            Some(next_try) => {
                *next_try = now + TRY_EVERY;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Takes down that something was stored.
    pub(super) fn stored(&self, stream: &str) {
        let stall = self.lock().remove(stream);
        if stall.is_some_and(|stall| stall.next_try.is_some()) {
            tracing::info!(stream, "the NATS server stores again");
        }
    }

    /// Takes down that an attempt that began at `began` was not answered.
    pub(super) async fn unanswered(&self, connection: &Connection, stream: &str, began: Instant) {
        let connect = *self.connects.borrow();
        let verb = format!("STREAM.INFO.{stream}");
        let info = connection.api(&verb, &Value::Null, ATTEMPT_PATIENCE).await;
        if info.is_err() {
            return;
        }
        let now = Instant::now();
        let mut streams = self.lock();
        let stall = streams.entry(stream.to_owned()).or_insert(Stall {
            connect,
            silences: 0,
            alive_at: now,
            next_try: None,
        });
        // One that began before the server was seen may have met a server that stood still.
        if stall.connect == connect && stall.alive_at <= began {
            stall.silences += 1;
        }
        stall.alive_at = now;
        if stall.silences >= SILENCES_MAX && stall.next_try.is_none() {
            stall.next_try = Some(now + TRY_EVERY);
            tracing::error!(
                stream,
                "the NATS server answers and stores nothing: is its disk full? it must be restarted when there is room"
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Stall>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
