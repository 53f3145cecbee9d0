//! The port: what a store of commits must be able to do.
//!
//! The port reports what a server answers to one attempt, nothing more; what to do about it is decided in
//! [`append`](crate::append) and [`store`](crate::store), alike for every implementation.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use nogfso_kernel::{Position, StreamSpec};
use tokio_util::sync::CancellationToken;

use crate::again;

/// The most messages that one call to [`Log::read`] returns.
pub const READ_MESSAGES_MAX: usize = 1_000;

/// A message to be stored.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its subject; decides the stream.
    pub subject: String,
    /// Its content.
    pub payload: Bytes,
    /// Headers for tools and routing, never the only copy of anything.
    pub headers: Vec<(&'static str, String)>,
    /// The id by which the server notices a repeat within its duplicate window.
    pub message_id: Option<String>,
    /// The position that the last message of exactly this subject must have; zero for none; absent for no guard.
    pub guard: Option<Position>,
    /// If set, the server stores this as an alarm and publishes it to another subject at its time.
    pub schedule: Option<Schedule>,
}

/// When and where an alarm is to be published. The alarm replaces an earlier one on the same subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The time, in milliseconds since the Unix epoch; resolution one second.
    pub at_ms: u64,
    /// A subject of the same stream.
    pub target: String,
}

/// The answer to a publish that was stored, now or by an earlier attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The position; not to be believed if `duplicate`.
    pub position: Position,
    /// Whether the server says that it knew the message id.
    pub duplicate: bool,
}

/// Why one attempt to publish did not give a position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishFault {
    /// Another message is the last of the subject (10071). It may be our own of an earlier attempt.
    #[error("the subject has moved on")]
    Conflict,
    /// A write on this subject is in flight (10164, 10158): the same bytes again in some milliseconds.
    #[error("another write on this subject is in flight")]
    InFlight,
    /// No answer: it may be stored, or be stored yet.
    #[error("no answer from the server: {reason}")]
    Unknown {
        /// What was seen.
        reason: String,
    },
    /// The server has no room or no resources at this moment; nothing was stored.
    #[error("the server cannot store now: {reason}")]
    Unavailable {
        /// What the server said.
        reason: String,
    },
    /// The server stores nothing until somebody has seen to it; this attempt was not even made.
    #[error("the server stores nothing: {reason}")]
    Stalled {
        /// What is to be done.
        reason: String,
    },
    /// The server will not store this, however often it is asked.
    #[error("the server refused: {reason}")]
    Refused {
        /// What the server said.
        reason: String,
    },
}

/// A stored message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its subject.
    pub subject: String,
    /// Its position in its stream.
    pub position: Position,
    /// Its content.
    pub payload: Bytes,
    /// When the server stored it, in milliseconds since the Unix epoch.
    pub stored_ms: u64,
}

/// Why nothing could be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadFault {
    /// No answer in time, or no connection. A later try may succeed.
    #[error("the journal does not answer: {reason}")]
    Unavailable {
        /// What was seen.
        reason: String,
    },
    /// The server will not answer this, however often it is asked.
    #[error("the journal refused: {reason}")]
    Refused {
        /// What the server said.
        reason: String,
    },
}

impl ReadFault {
    /// Whether a later try may succeed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable { .. } => true,
            Self::Refused { .. } => false,
        }
    }
}

/// Where following a stream begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// At the first message after this position.
    After(Position),
    /// At what is stored from now on.
    Now,
    /// At the last message of each subject, then everything new.
    LastOfEachSubject,
}

/// A durable consumer: its name is its identity, its position outlives every process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerSpec {
    /// The stream.
    pub stream: &'static str,
    /// The name.
    pub durable: String,
    /// The subjects, with wildcards.
    pub filters: Vec<String>,
    /// How long a delivery may stay unanswered before it is delivered again.
    pub ack_wait: Duration,
    /// How many deliveries may be unanswered at a time.
    pub pending_max: u32,
}

/// How far a durable consumer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsumerProgress {
    /// Everything up to here has been acknowledged.
    pub ack_floor: Position,
    /// Everything up to here was delivered at least once.
    pub delivered: Position,
    /// Messages that were not delivered yet.
    pub waiting: u64,
    /// Messages that were delivered and not acknowledged.
    pub unacknowledged: u64,
}

/// One delivered message and the means to answer it.
pub struct Delivery {
    /// The message.
    pub stored: Stored,
    /// How often it was delivered, this time included. Proves nothing: a server that restarts forgets.
    pub delivered: u64,
    /// The way to answer. May be kept and used later.
    pub acker: Arc<dyn Acker>,
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery")
            .field("stored", &self.stored)
            .field("delivered", &self.delivered)
            .finish_non_exhaustive()
    }
}

/// Answers one delivery.
#[async_trait]
pub trait Acker: Send + Sync {
    /// Done: it is not delivered again. Waits until the server has confirmed it.
    async fn ack(&self) -> Result<(), ReadFault>;
    /// Done, and nobody waits for the server to confirm it: what got lost on the way is delivered again. For what costs
    /// nothing to see twice.
    async fn ack_soon(&self) -> Result<(), ReadFault> {
        self.ack().await
    }
    /// Not done: deliver it again after `delay`.
    async fn nak(&self, delay: Duration) -> Result<(), ReadFault>;
    /// Still at it: the ack wait begins anew. Waits until the server has confirmed it.
    async fn progress(&self) -> Result<(), ReadFault>;
}

/// A handle on a durable consumer.
#[async_trait]
pub trait Consumer: Send + Sync {
    /// Takes up to `count` messages; waits at most `patience` for the first one, so the result may be empty.
    async fn pull(&self, count: usize, patience: Duration) -> Result<Vec<Delivery>, ReadFault>;
    /// Asks how far the consumer has come.
    async fn progress(&self) -> Result<ConsumerProgress, ReadFault>;
}

/// The messages of a stream in order, then those that are stored later.
pub type Following = BoxStream<'static, Result<Stored, ReadFault>>;

/// A store of commits.
#[async_trait]
pub trait Log: Send + Sync + 'static {
    /// Makes sure that the streams exist as described.
    ///
    /// # Errors
    ///
    /// Refuses a server that is too old or a stream that is configured otherwise, and says what to change.
    async fn ensure_streams(&self, streams: &[StreamSpec]) -> Result<(), ReadFault>;

    /// Makes one attempt to store a message. Atomic with its guard.
    ///
    /// # Errors
    ///
    /// See [`PublishFault`].
    async fn publish(&self, record: &Record) -> Result<Published, PublishFault>;

    /// The messages of exactly `subject` after `after`, oldest first, at most [`READ_MESSAGES_MAX`].
    ///
    /// May lag behind what was acknowledged, but never shows a message without all earlier ones of its subject.
    ///
    /// # Errors
    ///
    /// See [`ReadFault`].
    async fn read(&self, subject: &str, after: Position) -> Result<Vec<Stored>, ReadFault>;

    /// The last message of exactly `subject`, as the leader knows it: never behind an acknowledged publish.
    ///
    /// # Errors
    ///
    /// See [`ReadFault`].
    async fn leader_last(&self, subject: &str) -> Result<Option<Stored>, ReadFault>;

    /// The last message on any subject of `stream` that matches `filter`. May lag.
    ///
    /// # Errors
    ///
    /// See [`ReadFault`].
    async fn find_last(
        &self,
        stream: &'static str,
        filter: &str,
    ) -> Result<Option<Stored>, ReadFault>;

    /// Everything on subjects of `stream` that match `filter`, in order, and what comes.
    ///
    /// # Errors
    ///
    /// See [`ReadFault`].
    async fn follow(
        &self,
        stream: &'static str,
        filter: &str,
        from: From,
    ) -> Result<Following, ReadFault>;

    /// Opens a durable consumer, made if it does not exist.
    ///
    /// # Errors
    ///
    /// Refuses a consumer of that name that is configured otherwise.
    async fn consumer(&self, spec: &ConsumerSpec) -> Result<Arc<dyn Consumer>, ReadFault>;

    /// How far the durable consumer of that name has come, whoever pulls from it; `None` if there is none.
    ///
    /// # Errors
    ///
    /// See [`ReadFault`].
    async fn consumer_progress(
        &self,
        stream: &'static str,
        durable: &str,
    ) -> Result<Option<ConsumerProgress>, ReadFault>;

    /// Removes the messages of exactly `subject` that lie before `keep_from`; all of them if it is absent.
    ///
    /// # Errors
    ///
    /// See [`ReadFault`]; refused on streams that are kept for ever.
    async fn purge(&self, subject: &str, keep_from: Option<Position>) -> Result<(), ReadFault>;
}

/// Opens a durable consumer, however long the journal does not answer. `None` if `stop` was cancelled first, which is noticed
/// at once.
///
/// # Errors
///
/// Refuses, as [`Log::consumer`] does, one that is configured otherwise.
pub async fn open_consumer(
    log: &dyn Log,
    spec: &ConsumerSpec,
    stop: &CancellationToken,
) -> Result<Option<Arc<dyn Consumer>>, ReadFault> {
    let what = format!("open the consumer {}", spec.durable);
    let opening = again(&what, ReadFault::is_transient, || log.consumer(spec));
    stop.run_until_cancelled(opening).await.transpose()
}
