//! One attempt to store a message, and what the server's codes say about it.

use async_nats::HeaderMap;
use nogfso_journal::log::{PublishFault, Published, Record};
use nogfso_kernel::Position;
use tokio::time::Instant;

use super::delivery::timestamp;
use super::stalls::Stalls;
use crate::api::{ATTEMPT_PATIENCE, ApiFault, content, is_unavailable};
use crate::connection::Connection;

/// Another message is the last of the subject.
const WRONG_LAST_SEQUENCE: u64 = 10_071;
/// A write on the subject, or with the same message id, is in flight.
const IN_FLIGHT: [u64; 2] = [10_164, 10_158];

pub(super) async fn publish(
    connection: &Connection,
    stalls: &Stalls,
    stream: &str,
    record: &Record,
) -> Result<Published, PublishFault> {
    let headers = headers(stream, record)?;
    stalls.may_try(stream)?;
    let began = Instant::now();
    let answer = connection
        .ask(
            record.subject.clone(),
            Some(headers),
            record.payload.clone(),
            ATTEMPT_PATIENCE,
        )
        .await
        .and_then(|answer| content(&answer.payload));
    if let Err(ApiFault::Unanswered(_)) = answer {
        stalls.unanswered(connection, stream, began).await;
    }
    let answer = answer.map_err(fault)?;
    let Some(position) = answer["seq"].as_u64() else {
        return Err(PublishFault::Unknown {
            reason: format!("an answer without a sequence: {answer}"),
        });
    };
    let duplicate = answer["duplicate"].as_bool().unwrap_or_default();
    if !duplicate {
        stalls.stored(stream);
    }
    Ok(Published {
        position: Position(position),
        duplicate,
    })
}

fn headers(stream: &str, record: &Record) -> Result<HeaderMap, PublishFault> {
    let mut headers = HeaderMap::new();
    let mut add = |name: &str, value: &str| {
        if value.contains(['\r', '\n']) {
            let reason = format!("the header {name} has a line break in it");
            return Err(PublishFault::Refused { reason });
        }
        headers.insert(name, value);
        Ok(())
    };
    for (name, value) in &record.headers {
        add(name, value)?;
    }
    add("Nats-Expected-Stream", stream)?;
    if let Some(id) = &record.message_id {
        add("Nats-Msg-Id", id)?;
    }
    if let Some(guard) = record.guard {
        add("Nats-Expected-Last-Subject-Sequence", &guard.to_string())?;
    }
    if let Some(schedule) = &record.schedule {
        let at = timestamp(schedule.at_ms).ok_or_else(|| {
            let reason = format!("{} ms is no time that a schedule can have", schedule.at_ms);
            PublishFault::Refused { reason }
        })?;
        add("Nats-Schedule", &format!("@at {at}"))?;
        add("Nats-Schedule-Target", &schedule.target)?;
    }
    Ok(headers)
}

fn fault(fault: ApiFault) -> PublishFault {
    let reason = fault.to_string();
    match fault {
        ApiFault::Error {
            code: WRONG_LAST_SEQUENCE,
            ..
        } => PublishFault::Conflict,
        ApiFault::Error { code, .. } if IN_FLIGHT.contains(&code) => PublishFault::InFlight,
        ApiFault::Error { code, .. } if is_unavailable(code) => {
            PublishFault::Unavailable { reason }
        }
        ApiFault::Error { .. } | ApiFault::Unsendable(_) => PublishFault::Refused { reason },
        ApiFault::Disconnected => PublishFault::Unavailable { reason },
        ApiFault::Silent(_) | ApiFault::Unanswered(_) => PublishFault::Unknown { reason },
    }
}

#[cfg(test)]
mod tests {
    use nogfso_journal::log::PublishFault;

    use super::fault;
    use crate::api::{ApiFault, content};

    fn of_code(code: u64) -> PublishFault {
        let answer = format!(
            r#"{{"error": {{"code": 400, "err_code": {code}, "description": "why"}}, "seq": 0}}"#
        );
        fault(content(answer.as_bytes()).unwrap_err())
    }

    #[test]
    fn codes_tell_a_conflict_from_a_write_in_flight() {
        assert_eq!(of_code(10_071), PublishFault::Conflict);
        assert_eq!(of_code(10_164), PublishFault::InFlight);
        assert_eq!(of_code(10_158), PublishFault::InFlight);
    }

    #[test]
    fn a_lack_of_resources_is_no_refusal() {
        for code in [10_077, 10_023, 10_047, 10_008, 10_167] {
            assert_eq!(
                of_code(code),
                PublishFault::Unavailable {
                    reason: format!("why ({code})")
                }
            );
        }
        for code in [10_054, 10_060, 10_188, 0] {
            assert_eq!(
                of_code(code),
                PublishFault::Refused {
                    reason: format!("why ({code})")
                }
            );
        }
    }

    #[test]
    fn silence_is_unknown_and_not_sent_is_not() {
        assert!(matches!(
            fault(ApiFault::Silent("t".to_owned())),
            PublishFault::Unknown { .. }
        ));
        assert!(matches!(
            fault(ApiFault::Disconnected),
            PublishFault::Unavailable { .. }
        ));
        assert!(matches!(
            fault(content(b"not json").unwrap_err()),
            PublishFault::Unknown { .. }
        ));
    }
}
