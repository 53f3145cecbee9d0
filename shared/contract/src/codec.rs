//! Payloads: JSON for people, MessagePack for programs, told apart by `Content-Type`; the reply in kind.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use crate::{Code, Failure};

/// The header that names the encoding of a payload.
pub const CONTENT_TYPE: &str = "Content-Type";
/// The largest request, in bytes.
pub const REQUEST_BYTES_MAX: usize = 256 * 1024;
/// How much of a decoder's words an error repeats, in characters.
const REASON_CHARS_MAX: usize = 300;

/// An encoding of payloads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Encoding {
    /// JSON; the default.
    #[default]
    Json,
    /// MessagePack with named fields.
    MessagePack,
}

/// What every reply is: `{"ok": …}` or `{"error": …}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer<T> {
    /// What was asked for.
    Ok(T),
    /// Why not.
    Error(Failure),
}

impl Encoding {
    /// The encoding that a content type names.
    ///
    /// # Errors
    ///
    /// Refuses a content type that is not spoken here.
    pub fn named(content_type: Option<&str>) -> Result<Self, Failure> {
        let Some(content_type) = content_type else {
            return Ok(Self::Json);
        };
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        match essence {
            "" | "application/json" => Ok(Self::Json),
            "application/msgpack" | "application/vnd.msgpack" | "application/x-msgpack" => {
                Ok(Self::MessagePack)
            }
            _ => Err(Failure::new(
                Code::Unsupported,
                "Content-Type: allowed are application/json and application/msgpack",
            )),
        }
    }

    /// The content type of this encoding.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::MessagePack => "application/msgpack",
        }
    }

    /// Reads a request. An empty payload is a request without fields.
    ///
    /// # Errors
    ///
    /// Says which field is wrong and what is allowed.
    pub fn decode<T: DeserializeOwned>(self, payload: &[u8]) -> Result<T, Failure> {
        if payload.len() > REQUEST_BYTES_MAX {
            let found = payload.len();
            let message = format!("the payload has {found} bytes; allowed are {REQUEST_BYTES_MAX}");
            return Err(Failure::new(Code::TooLarge, message));
        }
        match self {
            Self::Json if payload.iter().all(u8::is_ascii_whitespace) => Self::Json.decode(b"{}"),
            Self::Json if !payload.trim_ascii_start().starts_with(b"{") => {
                Err(not_an_object("not a JSON object"))
            }
            Self::Json => decode_json(payload),
            Self::MessagePack if !matches!(payload.first(), Some(0x80..=0x8f | 0xde | 0xdf)) => {
                Err(not_an_object("not a MessagePack map"))
            }
            Self::MessagePack => {
                let mut decoder = rmp_serde::Deserializer::new(payload);
                let value = serde_path_to_error::deserialize(&mut decoder).map_err(|error| {
                    refused(&error.path().to_string(), &error.inner().to_string())
                })?;
                if decoder.get_ref().is_empty() {
                    Ok(value)
                } else {
                    Err(not_an_object("something follows the MessagePack map"))
                }
            }
        }
    }

    /// Writes an answer.
    ///
    /// # Errors
    ///
    /// Fails only for values that cannot be written at all, which is a defect.
    pub fn encode<T: Serialize>(self, value: &T) -> Result<Vec<u8>, Failure> {
        let written = match self {
            Self::Json => serde_json::to_vec(value).map_err(|error| error.to_string()),
            Self::MessagePack => rmp_serde::to_vec_named(value).map_err(|error| error.to_string()),
        };
        written.map_err(|reason| Failure::new(Code::Internal, reason))
    }
}

fn decode_json<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Failure> {
    let mut decoder = serde_json::Deserializer::from_slice(payload);
    let value = serde_path_to_error::deserialize(&mut decoder).map_err(|error| {
        let inner = error.inner();
        // A decoder that expects another type may call that a syntax error.
        let is_json = serde_json::from_slice::<IgnoredAny>(payload).is_ok();
        if !is_json && (inner.is_syntax() || inner.is_eof()) {
            Failure::new(Code::Malformed, format!("the payload is not JSON: {inner}"))
        } else {
            refused(&error.path().to_string(), &inner.to_string())
        }
    })?;
    decoder.end().map_err(|error| {
        Failure::new(Code::Malformed, format!("the payload is not JSON: {error}"))
    })?;
    Ok(value)
}

fn refused(path: &str, reason: &str) -> Failure {
    let reason: String = reason.chars().take(REASON_CHARS_MAX).collect();
    // A missing field is reported at its parent; the decoder's words name it between back-quotes.
    let missing = reason
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split('`').next());
    let named = missing.map(|name| {
        if path == "." {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    });
    match (named, path) {
        (Some(field), _) => Failure::field(field, reason),
        (None, ".") => Failure::new(
            Code::Malformed,
            format!("the payload is not an object of fields: {reason}"),
        ),
        (None, path) => Failure::field(path, reason),
    }
}

fn not_an_object(reason: &str) -> Failure {
    Failure::new(
        Code::Malformed,
        format!("the payload must be an object of fields: {reason}"),
    )
}
