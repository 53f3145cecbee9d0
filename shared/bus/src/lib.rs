//! The port for what is not kept: request and reply, services, presence, progress.
//!
//! What must not be lost belongs in the journal. Two implementations pass one contract: NATS (crate `jetstream`) and
//! [`MemoryBus`], which is for tests and simulation only.

#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod memory;
mod message;

use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;

pub use memory::MemoryBus;
pub use message::{
    Endpoint, Headers, Message, Reply, Request, Responder, ServiceFault, ServiceSpec,
};

#[cfg(test)]
mod tests;

/// The messages that arrive on a subscription, until the bus closes.
pub type Messages = BoxStream<'static, Message>;

/// The requests that arrive at a service, until it is dropped or the bus closes.
pub type Requests = BoxStream<'static, Request>;

/// How many messages a subscription holds for a slow reader before some are lost.
pub const SUBSCRIPTION_MESSAGES_MAX: usize = 4_096;

/// Why nothing was sent or subscribed.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// Nobody is connected, or the connection is closing.
    #[error("the bus is not connected")]
    Disconnected,
    /// The subject is not one, or the payload is larger than the bus takes.
    #[error("the bus refused: {reason}")]
    Refused {
        /// What the bus said.
        reason: String,
    },
}

impl BusError {
    /// Whether a later try may succeed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Disconnected => true,
            Self::Refused { .. } => false,
        }
    }
}

/// Why a request has no reply.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Nobody serves the subject. Known at once.
    #[error("nobody serves {subject}")]
    NoResponder {
        /// The subject.
        subject: String,
    },
    /// No reply within the time. The request may have been carried out.
    #[error("no reply on {subject} within {waited_ms} ms")]
    TimedOut {
        /// The subject.
        subject: String,
        /// How long was waited, in milliseconds.
        waited_ms: u64,
    },
    /// It could not be sent.
    #[error(transparent)]
    Bus(#[from] BusError),
}

/// Sends and receives what is not kept. At most once; order is kept between one sender and one subscription.
#[async_trait]
pub trait Bus: Send + Sync + 'static {
    /// Sends to whoever listens now.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be handed to the connection; success does not mean that anybody heard it.
    async fn publish(&self, message: Message) -> Result<(), BusError>;

    /// Sends and waits for one reply, at most `patience`.
    ///
    /// # Errors
    ///
    /// See [`RequestError`].
    async fn request(&self, message: Message, patience: Duration) -> Result<Message, RequestError>;

    /// Receives everything that is sent to `filter` (`*` one token, `>` the rest) from now on.
    ///
    /// # Errors
    ///
    /// Fails if the subscription cannot be made.
    async fn subscribe(&self, filter: &str) -> Result<Messages, BusError>;

    /// Serves the endpoints of a service; instances of one queue group share the requests.
    ///
    /// # Errors
    ///
    /// Fails if the service cannot be announced.
    async fn serve(&self, service: ServiceSpec) -> Result<Requests, BusError>;

    /// Whether the bus is connected at this moment.
    fn is_connected(&self) -> bool;

    /// Sends what is still in hand.
    async fn flush(&self);
}
