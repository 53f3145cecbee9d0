//! Pull requests on one consumer: one inbox, numbered requests, and what arrives.

use async_nats::{Message, StatusCode, Subscriber};
use futures_util::StreamExt;
use nogfso_journal::log::ReadFault;
use serde_json::Value;

use super::unavailable;
use crate::api::ApiFault;
use crate::connection::Connection;

/// Nothing came for this long.
pub(super) const IDLE_HEARTBEAT: u16 = 100;
/// Nobody serves the consumer at this moment.
pub(super) const NO_RESPONDERS: u16 = 503;

/// Where what was pulled arrives. What arrives late is kept for the next to ask.
#[derive(Debug)]
pub(super) struct Inbox {
    connection: Connection,
    subscriber: Subscriber,
    prefix: String,
    ask_at: String,
    last_request: u64,
}

/// What arrives at an inbox.
#[derive(Debug)]
pub(super) enum Arrival {
    /// A message, of whichever request.
    Message(Message),
    /// The server says something about a request, mostly that it is over.
    Status {
        /// The request.
        request: u64,
        /// What it says.
        code: u16,
        /// The same in words.
        text: String,
    },
}

impl Inbox {
    pub(super) async fn open(
        connection: &Connection,
        stream: &str,
        consumer: &str,
    ) -> Result<Self, ReadFault> {
        let client = connection.client();
        let prefix = client.new_inbox();
        let subscriber = client
            .subscribe(format!("{prefix}.*"))
            .await
            .map_err(|error| unavailable(error.to_string()))?;
        let ask_at = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}");
        Ok(Self {
            connection: connection.clone(),
            subscriber,
            prefix,
            ask_at,
            last_request: 0,
        })
    }

    /// Asks for messages and returns the number of the request.
    pub(super) async fn ask(&mut self, request: &Value) -> Result<u64, ReadFault> {
        if !self.connection.is_connected() {
            return Err(ApiFault::Disconnected.into());
        }
        self.last_request += 1;
        let reply = format!("{}.{}", self.prefix, self.last_request);
        self.connection
            .client()
            .publish_with_reply(self.ask_at.clone(), reply, request.to_string().into())
            .await
            .map_err(|error| unavailable(error.to_string()))?;
        Ok(self.last_request)
    }

    /// Waits for what arrives next. Nothing is lost if the wait is dropped.
    pub(super) async fn next(&mut self) -> Result<Arrival, ReadFault> {
        let message = self
            .subscriber
            .next()
            .await
            .ok_or_else(|| unavailable("the connection is closed"))?;
        let Some(code) = message.status.as_ref().map(StatusCode::as_u16) else {
            return Ok(Arrival::Message(message));
        };
        let request = message
            .subject
            .rsplit('.')
            .next()
            .and_then(|number| number.parse().ok());
        let text = message.description.unwrap_or_default();
        Ok(Arrival::Status {
            request: request.unwrap_or_default(),
            code,
            text,
        })
    }
}
