//! Reads of single subjects, without a consumer.
//!
//! A page is one Direct Get request that any replica answers with many messages; each names the one before it, so that a
//! lost one is noticed. What must not lag is asked from the leader.

use std::time::Duration;

use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::RawMessage;
use async_nats::{HeaderMap, Message, StatusCode};
use futures_util::StreamExt;
use nogfso_journal::log::{READ_MESSAGES_MAX, ReadFault, Stored};
use nogfso_kernel::Position;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::delivery::unix_ms;
use super::{refused, unavailable};
use crate::api::{ATTEMPT_PATIENCE, ApiFault, MESSAGE_NOT_FOUND};
use crate::connection::Connection;

/// How long the next message of a page may take.
const PAGE_PATIENCE: Duration = ATTEMPT_PATIENCE;
const END_OF_BATCH: u16 = 204;
const NOT_FOUND: u16 = 404;

/// Up to [`READ_MESSAGES_MAX`] messages of `subject` after `after`; fewer only if there are no more.
pub(super) async fn page(
    connection: &Connection,
    stream: &str,
    subject: &str,
    after: Position,
) -> Result<Vec<Stored>, ReadFault> {
    let mut page = Vec::new();
    let mut from = after;
    // The server ends a batch early when it becomes large in bytes.
    loop {
        let more = batch(connection, stream, subject, from, &mut page).await?;
        match page.last() {
            Some(last) if more && page.len() < READ_MESSAGES_MAX && last.position > from => {
                from = last.position;
            }
            Some(_) | None => return Ok(page),
        }
    }
}

/// Adds one batch to `page`, and says whether the server has more.
async fn batch(
    connection: &Connection,
    stream: &str,
    subject: &str,
    after: Position,
    page: &mut Vec<Stored>,
) -> Result<bool, ReadFault> {
    if !connection.is_connected() {
        return Err(ApiFault::Disconnected.into());
    }
    let client = connection.client();
    let inbox = client.new_inbox();
    let mut replies = client
        .subscribe(inbox.clone())
        .await
        .map_err(|error| unavailable(error.to_string()))?;
    let count = READ_MESSAGES_MAX - page.len();
    let request =
        json!({ "seq": after.0 + 1, "batch": count, "next_by_subj": subject }).to_string();
    client
        .publish_with_reply(
            format!("$JS.API.DIRECT.GET.{stream}"),
            inbox,
            request.into(),
        )
        .await
        .map_err(|error| unavailable(error.to_string()))?;

    let mut previous = None;
    loop {
        let reply = match timeout(PAGE_PATIENCE, replies.next()).await {
            Ok(Some(reply)) => reply,
            Ok(None) => return Err(unavailable("the connection is closed")),
            Err(_) => {
                return Err(unavailable(format!(
                    "no answer within {} ms",
                    PAGE_PATIENCE.as_millis()
                )));
            }
        };
        let headers = reply.headers.clone().unwrap_or_default();
        let before = number(&headers, "Nats-Last-Sequence");
        if previous.is_some() && before != previous {
            return Err(unavailable("a message of the page was lost on its way"));
        }
        match reply.status.as_ref().map(StatusCode::as_u16) {
            None => {
                let stored = stored(reply)?;
                previous = Some(stored.position.0);
                page.push(stored);
            }
            Some(END_OF_BATCH) => {
                return Ok(number(&headers, "Nats-Num-Pending").is_some_and(|more| more > 0));
            }
            Some(NOT_FOUND) => return Ok(false),
            Some(status) => return Err(status_fault(status, reply.description.as_deref())),
        }
    }
}

/// The last message on a subject that matches `filter`, from any replica.
pub(super) async fn find_last(
    connection: &Connection,
    stream: &str,
    filter: &str,
) -> Result<Option<Stored>, ReadFault> {
    let request = json!({ "last_by_subj": filter }).to_string();
    let subject = format!("$JS.API.DIRECT.GET.{stream}");
    let reply = connection
        .ask(subject, None, request.into(), ATTEMPT_PATIENCE)
        .await?;
    match reply.status.as_ref().map(StatusCode::as_u16) {
        None => stored(reply).map(Some),
        Some(NOT_FOUND) => Ok(None),
        Some(status) => Err(status_fault(status, reply.description.as_deref())),
    }
}

/// The last message on a subject that matches `filter`, from the leader.
pub(super) async fn leader_last(
    connection: &Connection,
    stream: &str,
    filter: &str,
) -> Result<Option<Stored>, ReadFault> {
    from_leader(connection, stream, &json!({ "last_by_subj": filter })).await
}

/// The message that `wanted` describes, from the leader.
pub(super) async fn from_leader(
    connection: &Connection,
    stream: &str,
    wanted: &Value,
) -> Result<Option<Stored>, ReadFault> {
    let verb = format!("STREAM.MSG.GET.{stream}");
    let answer = match connection.api(&verb, wanted, ATTEMPT_PATIENCE).await {
        Err(fault) if fault.has_code(MESSAGE_NOT_FOUND) => return Ok(None),
        answer => answer?,
    };
    let unreadable = || {
        unavailable(format!(
            "an answer that is not understood: {}",
            answer["message"]
        ))
    };
    let stored_ms = answer["message"]["time"]
        .as_str()
        .and_then(unix_ms)
        .ok_or_else(unreadable)?;
    let raw: RawMessage =
        serde_json::from_value(answer["message"].clone()).map_err(|_error| unreadable())?;
    let message = StreamMessage::try_from(raw).map_err(|_error| unreadable())?;
    Ok(Some(Stored {
        subject: message.subject.to_string(),
        position: Position(message.sequence),
        payload: message.payload,
        stored_ms,
    }))
}

fn stored(reply: Message) -> Result<Stored, ReadFault> {
    let headers = reply.headers.unwrap_or_default();
    let subject = headers.get("Nats-Subject").map(ToString::to_string);
    let stored_ms = headers
        .get("Nats-Time-Stamp")
        .and_then(|time| unix_ms(time.as_str()));
    match (subject, number(&headers, "Nats-Sequence"), stored_ms) {
        (Some(subject), Some(position), Some(stored_ms)) => Ok(Stored {
            subject,
            position: Position(position),
            payload: reply.payload,
            stored_ms,
        }),
        (_, _, _) => Err(unavailable("a message without subject, sequence or time")),
    }
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.as_str().parse().ok()
}

fn status_fault(status: u16, description: Option<&str>) -> ReadFault {
    let reason = format!(
        "{} ({status})",
        description.unwrap_or("a status without description")
    );
    if status >= 500 || status == 429 {
        unavailable(reason)
    } else {
        refused(reason)
    }
}
