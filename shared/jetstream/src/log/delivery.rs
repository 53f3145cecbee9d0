//! What a server tells about a message that it delivers, and the ways to answer.

use std::time::Duration;

use async_nats::Message;
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use nogfso_journal::log::{Acker, ReadFault, Stored};
use nogfso_kernel::Position;

use crate::api::ATTEMPT_PATIENCE;
use crate::connection::Connection;

/// A message from a consumer, with what its reply subject says.
pub(super) struct Delivered {
    pub(super) stored: Stored,
    /// How often it was delivered.
    pub(super) delivered: u64,
    /// Its number among the deliveries of its consumer, without gaps.
    pub(super) consumer_sequence: u64,
    pub(super) reply: String,
}

/// Reads a message from a consumer; none if its reply subject is not one of a delivery.
pub(super) fn delivered(message: Message) -> Option<Delivered> {
    let reply = message.reply?.to_string();
    let tokens: Vec<&str> = reply.strip_prefix("$JS.ACK.")?.split('.').collect();
    // Either stream, consumer and five numbers, or domain, account, the same, and perhaps more.
    let numbers = match tokens.len() {
        7 => &tokens[2..],
        9.. => &tokens[4..],
        _ => return None,
    };
    let number = |at: usize| numbers.get(at)?.parse::<u64>().ok();
    let stored = Stored {
        subject: message.subject.to_string(),
        position: Position(number(1)?),
        payload: message.payload,
        stored_ms: number(3)? / 1_000_000,
    };
    Some(Delivered {
        stored,
        delivered: number(0)?,
        consumer_sequence: number(2)?,
        reply,
    })
}

/// Answers a delivery; every answer is confirmed by the server, unless it is given without waiting.
pub(super) struct Answer {
    pub(super) connection: Connection,
    pub(super) reply: String,
}

impl Answer {
    async fn give(&self, answer: String) -> Result<(), ReadFault> {
        self.connection
            .ask(
                self.reply.clone(),
                None,
                Bytes::from(answer),
                ATTEMPT_PATIENCE,
            )
            .await?;
        Ok(())
    }
}

#[async_trait]
impl Acker for Answer {
    async fn ack(&self) -> Result<(), ReadFault> {
        self.give("+ACK".to_owned()).await
    }

    async fn ack_soon(&self) -> Result<(), ReadFault> {
        let reply = self.reply.clone();
        let sent = self.connection.client().publish(reply, "+ACK".into()).await;
        sent.map_err(|error| ReadFault::Unavailable {
            reason: error.to_string(),
        })
    }

    async fn nak(&self, delay: Duration) -> Result<(), ReadFault> {
        self.give(format!("-NAK {{\"delay\": {}}}", delay.as_nanos()))
            .await
    }

    async fn progress(&self) -> Result<(), ReadFault> {
        self.give("+WPI".to_owned()).await
    }
}

/// A time in milliseconds since the Unix epoch, as RFC 3339 has it.
pub(super) fn timestamp(unix_ms: u64) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(unix_ms).ok()?).ok()
}

/// Milliseconds since the Unix epoch of a time in RFC 3339.
pub(super) fn unix_ms(text: &str) -> Option<u64> {
    u64::try_from(text.parse::<Timestamp>().ok()?.as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use async_nats::Message;
    use nogfso_kernel::Position;

    use super::{delivered, timestamp, unix_ms};

    fn message(reply: &str) -> Message {
        Message {
            subject: "a.b".into(),
            reply: Some(reply.into()),
            payload: "x".into(),
            headers: None,
            status: None,
            description: None,
            length: 0,
        }
    }

    #[test]
    fn both_forms_of_reply_subjects_are_read() {
        for reply in [
            "$JS.ACK.STREAM.consumer.3.17.21.1700000000123456789.5",
            "$JS.ACK._.accounthash.STREAM.consumer.3.17.21.1700000000123456789.5",
            "$JS.ACK.hub.accounthash.STREAM.consumer.3.17.21.1700000000123456789.5.token",
        ] {
            let delivered = delivered(message(reply)).unwrap();
            assert_eq!(
                (delivered.delivered, delivered.consumer_sequence),
                (3, 21),
                "{reply}"
            );
            assert_eq!(delivered.stored.position, Position(17));
            assert_eq!(delivered.stored.stored_ms, 1_700_000_000_123);
        }
        assert!(delivered(message("_INBOX.1")).is_none());
    }

    #[test]
    fn times_are_read_and_written_as_rfc_3339() {
        assert_eq!(
            timestamp(1_700_000_000_123).unwrap().to_string(),
            "2023-11-14T22:13:20.123Z"
        );
        assert_eq!(
            unix_ms("2023-11-14T22:13:20.123456789Z"),
            Some(1_700_000_000_123)
        );
        assert_eq!(unix_ms("yesterday"), None);
    }
}
