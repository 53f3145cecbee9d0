//! The bus on NATS.

mod message;
mod service;
mod statistics;

use std::time::Duration;

use async_nats::{Client, PublishErrorKind, Request, RequestErrorKind, SubscribeErrorKind};
use async_trait::async_trait;
use futures_util::StreamExt;
use nogfso_bus::{Bus, BusError, Message, Messages, RequestError, Requests, ServiceSpec};

use crate::connection::Connection;
use crate::subject::{is_filter, is_literal};

use message::{headers_of, message_of};

/// The bus on a NATS server or cluster. A clone is the same bus.
///
/// Of a subscription that is read too slowly the newest messages are lost, with a warning in the log.
#[derive(Debug, Clone)]
pub struct JetStreamBus {
    connection: Connection,
}

impl JetStreamBus {
    /// The bus behind `connection`.
    #[must_use]
    pub fn new(connection: Connection) -> Self {
        Self { connection }
    }

    fn client(&self) -> Result<&Client, BusError> {
        if self.is_connected() {
            Ok(self.connection.client())
        } else {
            Err(BusError::Disconnected)
        }
    }
}

#[async_trait]
impl Bus for JetStreamBus {
    async fn publish(&self, message: Message) -> Result<(), BusError> {
        publish(self.client()?, message).await
    }

    async fn request(&self, message: Message, patience: Duration) -> Result<Message, RequestError> {
        check_subject(&message.subject)?;
        check_headers(&message)?;
        let client = self.client()?;
        let request = Request::new()
            .headers(headers_of(&message.headers))
            .payload(message.payload)
            .timeout(Some(patience));
        let subject = message.subject;
        client
            .send_request(subject.clone(), request)
            .await
            .map(message_of)
            .map_err(|error| match error.kind() {
                RequestErrorKind::NoResponders => RequestError::NoResponder { subject },
                RequestErrorKind::TimedOut => {
                    let waited_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
                    RequestError::TimedOut { subject, waited_ms }
                }
                RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded => {
                    BusError::Refused {
                        reason: error.to_string(),
                    }
                    .into()
                }
                RequestErrorKind::Other => BusError::Disconnected.into(),
            })
    }

    async fn subscribe(&self, filter: &str) -> Result<Messages, BusError> {
        check_filter(filter)?;
        let subscriber = self
            .client()?
            .subscribe(filter.to_owned())
            .await
            .map_err(|error| subscribe_fault(&error))?;
        Ok(subscriber.map(message_of).boxed())
    }

    async fn serve(&self, service: ServiceSpec) -> Result<Requests, BusError> {
        service::serve(self.client()?, service).await
    }

    fn is_connected(&self) -> bool {
        self.connection.is_connected()
    }

    async fn flush(&self) {
        if let Err(error) = self.connection.client().flush().await {
            tracing::debug!(%error, "nothing is flushed");
        }
    }
}

async fn publish(client: &Client, message: Message) -> Result<(), BusError> {
    check_subject(&message.subject)?;
    check_headers(&message)?;
    let headers = headers_of(&message.headers);
    let sent = match message.reply {
        Some(reply) => {
            client
                .publish_with_reply_and_headers(message.subject, reply, headers, message.payload)
                .await
        }
        None => {
            client
                .publish_with_headers(message.subject, headers, message.payload)
                .await
        }
    };
    sent.map_err(|error| match error.kind() {
        PublishErrorKind::MaxPayloadExceeded | PublishErrorKind::InvalidSubject => {
            BusError::Refused {
                reason: error.to_string(),
            }
        }
        PublishErrorKind::Send => BusError::Disconnected,
    })
}

fn subscribe_fault(error: &async_nats::SubscribeError) -> BusError {
    match error.kind() {
        SubscribeErrorKind::InvalidSubject | SubscribeErrorKind::InvalidQueueName => {
            BusError::Refused {
                reason: error.to_string(),
            }
        }
        SubscribeErrorKind::Other => BusError::Disconnected,
    }
}

fn check_subject(subject: &str) -> Result<(), BusError> {
    if is_literal(subject) {
        Ok(())
    } else {
        Err(BusError::Refused {
            reason: format!("not a subject: {subject:?}"),
        })
    }
}

fn check_filter(filter: &str) -> Result<(), BusError> {
    if is_filter(filter) {
        Ok(())
    } else {
        Err(BusError::Refused {
            reason: format!("not a subject filter: {filter:?}"),
        })
    }
}

/// A line break in a header would end it, and let its rest pass for another.
fn check_headers(message: &Message) -> Result<(), BusError> {
    match message
        .headers
        .iter()
        .find(|(name, value)| name.contains([':', '\r', '\n']) || value.contains(['\r', '\n']))
    {
        None => Ok(()),
        Some((name, _)) => Err(BusError::Refused {
            reason: format!("the header {name:?} cannot be sent"),
        }),
    }
}
