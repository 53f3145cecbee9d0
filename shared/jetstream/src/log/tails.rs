//! What a server must still have when it comes back.
//!
//! A server that lost the tail of a stream, or whose folder was restored from an old copy, gives positions again. Whoever knows
//! a single aggregate notices it there; here it is noticed for each stream as a whole, by the newest message that this
//! process has seen of it, whenever the server was away for a moment. Such a stream is then left alone, neither read nor
//! written, until an operator has looked and has started the process again: to one that knows nothing of what was lost, what
//! is left is the history.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use nogfso_journal::log::{ReadFault, Stored};
use nogfso_kernel::Position;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Replicas, read, unavailable};
use crate::api::ATTEMPT_PATIENCE;
use crate::connection::Connection;

/// How long the new leader of a cluster may take to apply what the old one had acknowledged.
const CATCH_UP_PATIENCE: Duration = Duration::from_secs(10);

/// The newest known message of each stream that must not lose any.
#[derive(Debug)]
pub(super) struct Tails {
    connects: watch::Receiver<u64>,
    catch_up: Duration,
    tails: Mutex<BTreeMap<&'static str, Tail>>,
}

#[derive(Debug, Default)]
struct Tail {
    newest: Option<(Position, Bytes)>,
    /// The connect at which the server was last seen to have it.
    verified_at: u64,
    /// Since when it ends too early.
    behind_since: Option<Instant>,
    /// Why the stream is left alone.
    lost: Option<String>,
}

/// What a server has at the place of the newest known message.
enum Found {
    /// The same, or nothing but what was purged.
    Same,
    /// The stream ends before it.
    Shorter(u64),
    /// Another message.
    Other,
}

impl Tails {
    pub(super) fn new(connection: &Connection, replicas: Replicas) -> Self {
        Self {
            connects: connection.connects(),
            catch_up: if replicas.0 > 1 {
                CATCH_UP_PATIENCE
            } else {
                Duration::ZERO
            },
            tails: Mutex::default(),
        }
    }

    /// Minds `stream` from now on.
    pub(super) fn mind(&self, stream: &'static str) {
        self.lock().entry(stream).or_default();
    }

    /// Takes down a message that the server has for certain.
    pub(super) fn note(&self, stream: &str, position: Position, payload: &Bytes) {
        if let Some(tail) = self.lock().get_mut(stream)
            && tail
                .newest
                .as_ref()
                .is_none_or(|(newest, _)| *newest < position)
        {
            tail.newest = Some((position, payload.clone()));
        }
    }

    /// As [`Tails::note`], of what was read.
    pub(super) fn note_last(&self, stream: &str, page: &[Stored]) {
        if let Some(last) = page.last() {
            self.note(stream, last.position, &last.payload);
        }
    }

    /// Makes sure that the server has not lost what was seen of `stream`. Asks it only after the connection was made anew.
    ///
    /// # Errors
    ///
    /// Fails if it has, from then on always, or if it does not answer.
    pub(super) async fn check(
        &self,
        connection: &Connection,
        stream: &str,
    ) -> Result<(), ReadFault> {
        let connect = *self.connects.borrow();
        let (position, payload) = {
            let mut tails = self.lock();
            let Some(tail) = tails.get_mut(stream) else {
                return Ok(());
            };
            if let Some(reason) = &tail.lost {
                return Err(unavailable(reason.clone()));
            }
            match &tail.newest {
                Some(newest) if tail.verified_at != connect => newest.clone(),
                Some(_) => return Ok(()),
                None => {
                    tail.verified_at = connect;
                    return Ok(());
                }
            }
        };
        let found = look(connection, stream, (position, &payload)).await?;
        match self.lock().get_mut(stream) {
            Some(tail) => tail.judge(stream, (position, connect), &found, self.catch_up),
            None => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Tail>> {
        self.tails.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tail {
    fn judge(
        &mut self,
        stream: &str,
        (position, connect): (Position, u64),
        found: &Found,
        catch_up: Duration,
    ) -> Result<(), ReadFault> {
        let what = match found {
            Found::Same => {
                self.verified_at = connect;
                self.behind_since = None;
                return Ok(());
            }
            Found::Shorter(last) => {
                let since = *self.behind_since.get_or_insert_with(Instant::now);
                let what = format!("{stream} ends at {last}, and {position} was seen before");
                if since.elapsed() < catch_up {
                    return Err(unavailable(what));
                }
                what
            }
            Found::Other => format!("{stream} has another message at {position} than before"),
        };
        let reason = format!(
            "the server lost messages: {what}; nothing is read or stored there until an operator has looked and has started this \
             service again"
        );
        if self.lost.is_none() {
            tracing::error!(stream, reason, "history changed behind its back");
        }
        self.lost = Some(reason.clone());
        Err(unavailable(reason))
    }
}

async fn look(
    connection: &Connection,
    stream: &str,
    (position, payload): (Position, &Bytes),
) -> Result<Found, ReadFault> {
    let at = json!({ "seq": position.0 });
    if let Some(stored) = read::from_leader(connection, stream, &at).await? {
        return Ok(if stored.payload == *payload {
            Found::Same
        } else {
            Found::Other
        });
    }
    let verb = format!("STREAM.INFO.{stream}");
    let info = connection
        .api(&verb, &Value::Null, ATTEMPT_PATIENCE)
        .await?;
    match info["state"]["last_seq"].as_u64() {
        Some(last) if last < position.0 => Ok(Found::Shorter(last)),
        Some(_) => Ok(Found::Same),
        None => Err(unavailable("an answer without a last sequence")),
    }
}
