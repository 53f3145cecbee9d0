//! Requests to JetStream, and what no answer or an error code means.

use std::time::Duration;

use async_nats::{HeaderMap, Request, RequestErrorKind};
use bytes::Bytes;
use nogfso_journal::log::ReadFault;
use serde_json::Value;

use crate::connection::Connection;

/// How long one request to store, read or acknowledge waits for its answer.
pub(crate) const ATTEMPT_PATIENCE: Duration = Duration::from_millis(1_500);
/// How long a request to make or describe a stream or consumer waits.
pub(crate) const ADMIN_PATIENCE: Duration = Duration::from_secs(5);

pub(crate) const STREAM_NOT_FOUND: u64 = 10_059;
pub(crate) const CONSUMER_NOT_FOUND: u64 = 10_014;
pub(crate) const MESSAGE_NOT_FOUND: u64 = 10_037;

/// Codes of a server that cannot do it now: no leader or peers (10004-10009), no resources (10002, 10023, 10028, 10047),
/// JetStream not running (10076), the store refused (10077), stream or consumer offline (10118, 10119, 10194, 10195),
/// leader not caught up (10163), too many requests (10167).
const UNAVAILABLE: [u64; 18] = [
    10_002, 10_004, 10_005, 10_006, 10_007, 10_008, 10_009, 10_023, 10_028, 10_047, 10_076, 10_077,
    10_118, 10_119, 10_163, 10_167, 10_194, 10_195,
];

/// Why a request gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ApiFault {
    /// It was not sent.
    #[error("not connected")]
    Disconnected,
    /// It was sent, and nobody answered.
    #[error("{0}")]
    Silent(String),
    /// It was sent, somebody was there to take it, and no answer came in time.
    #[error("no answer within {} ms", .0.as_millis())]
    Unanswered(Duration),
    /// It was answered with an error.
    #[error("{text} ({code})")]
    Error {
        /// The server's code; zero if it gave none.
        code: u64,
        /// The server's words.
        text: String,
    },
    /// It cannot be sent at all.
    #[error("{0}")]
    Unsendable(String),
}

impl ApiFault {
    pub(crate) fn has_code(&self, wanted: u64) -> bool {
        matches!(self, Self::Error { code, .. } if *code == wanted)
    }
}

/// Whether the server may do later what it answered with `code` now.
pub(crate) fn is_unavailable(code: u64) -> bool {
    UNAVAILABLE.contains(&code)
}

impl From<ApiFault> for ReadFault {
    fn from(fault: ApiFault) -> Self {
        let reason = fault.to_string();
        match fault {
            ApiFault::Disconnected | ApiFault::Silent(_) | ApiFault::Unanswered(_) => {
                Self::Unavailable { reason }
            }
            ApiFault::Error { code, .. } if is_unavailable(code) => Self::Unavailable { reason },
            ApiFault::Error { .. } | ApiFault::Unsendable(_) => Self::Refused { reason },
        }
    }
}

impl Connection {
    /// Sends a request and waits for one answer, of whatever content.
    pub(crate) async fn ask(
        &self,
        subject: String,
        headers: Option<HeaderMap>,
        payload: Bytes,
        patience: Duration,
    ) -> Result<async_nats::Message, ApiFault> {
        if !self.is_connected() {
            return Err(ApiFault::Disconnected);
        }
        let mut request = Request::new().payload(payload).timeout(Some(patience));
        if let Some(headers) = headers {
            request = request.headers(headers);
        }
        self.client()
            .send_request(subject, request)
            .await
            .map_err(|error| {
                let reason = error.to_string();
                match error.kind() {
                    RequestErrorKind::TimedOut => ApiFault::Unanswered(patience),
                    RequestErrorKind::NoResponders => ApiFault::Silent(
                        "JetStream or the stream is not there at this moment".to_owned(),
                    ),
                    RequestErrorKind::Other => ApiFault::Silent(reason),
                    RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded => {
                        ApiFault::Unsendable(reason)
                    }
                }
            })
    }

    /// Sends a request of the JetStream API; `verb` is the part of the subject after `$JS.API`.
    pub(crate) async fn api(
        &self,
        verb: &str,
        body: &Value,
        patience: Duration,
    ) -> Result<Value, ApiFault> {
        let payload = if body.is_null() {
            Bytes::new()
        } else {
            body.to_string().into()
        };
        let answer = self
            .ask(format!("$JS.API.{verb}"), None, payload, patience)
            .await?;
        content(&answer.payload)
    }
}

/// The content of an answer in JSON, unless it is an error.
pub(crate) fn content(payload: &[u8]) -> Result<Value, ApiFault> {
    let value: Value = serde_json::from_slice(payload)
        .map_err(|error| ApiFault::Silent(format!("an answer that is not understood: {error}")))?;
    match value.get("error") {
        None => Ok(value),
        Some(error) => Err(ApiFault::Error {
            code: error["err_code"].as_u64().unwrap_or_default(),
            text: error["description"]
                .as_str()
                .unwrap_or("an error without description")
                .to_owned(),
        }),
    }
}
