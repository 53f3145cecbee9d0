//! One client's way of asking: again with the same words while the outcome is open.

use std::time::{Duration, Instant};

use async_nats::{Client, Request};
use serde_json::Value;

use super::chance::Chance;

/// How long one try waits.
const TRY_PATIENCE: Duration = Duration::from_secs(6);
/// How long a client asks again in all.
const PATIENCE: Duration = Duration::from_secs(60);
const AGAIN_PAUSE_MS: (u64, u64) = (50, 400);

/// What came of a command.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// It was carried out.
    Done(Value),
    /// It was accepted, and its work failed, was taken back, or did not end within the wait.
    Accepted { code: String, details: Value },
    /// It was refused with this code. For certain, if no try before was left in the dark.
    Refused { code: String, is_certain: bool },
    /// Nobody ever said.
    Unknown,
}

impl Outcome {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Done(_) => "done",
            Self::Accepted { code, .. } | Self::Refused { code, .. } => code,
            Self::Unknown => "unknown",
        }
    }
}

/// Asks until there is an answer that stays.
pub(crate) async fn ask(
    client: &Client,
    chance: &mut Chance,
    subject: &str,
    payload: &[u8],
) -> Outcome {
    let deadline = Instant::now() + PATIENCE;
    let mut is_certain = true;
    while Instant::now() < deadline {
        match one_try(client, subject, payload).await {
            Some(Ok(reply)) => return Outcome::Done(reply),
            Some(Err(error)) => {
                let code = error["code"].as_str().unwrap_or_default().to_owned();
                match code.as_str() {
                    "timed-out" | "work-failed" | "cancelled" => {
                        let details = error["details"].clone();
                        return Outcome::Accepted { code, details };
                    }
                    // Nothing was stored by this try.
                    "busy" | "unavailable" | "host-unavailable" => {}
                    "outcome-unknown" | "internal" => is_certain = false,
                    _ => return Outcome::Refused { code, is_certain },
                }
            }
            None => is_certain = false,
        }
        let pause = chance.between(AGAIN_PAUSE_MS.0, AGAIN_PAUSE_MS.1);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    Outcome::Unknown
}

/// The answer to one try; none if there was none.
pub(crate) async fn one_try(
    client: &Client,
    subject: &str,
    payload: &[u8],
) -> Option<Result<Value, Value>> {
    let request = Request::new()
        .payload(payload.to_vec().into())
        .timeout(Some(TRY_PATIENCE));
    let reply = client
        .send_request(subject.to_owned(), request)
        .await
        .ok()?;
    let mut reply: Value = serde_json::from_slice(&reply.payload).ok()?;
    if reply["error"].is_null() {
        Some(Ok(reply["ok"].take()))
    } else {
        Some(Err(reply["error"].take()))
    }
}
