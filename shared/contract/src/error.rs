//! The errors that callers see: a closed list of codes, a sentence, and details.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What kind of error it is. Closed: a new one is a change of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The payload could not be decoded.
    Malformed,
    /// A field is missing, unknown, of the wrong type or outside what is allowed.
    InvalidField,
    /// The payload is larger than the limit.
    TooLarge,
    /// The content type or version is not one that is spoken here.
    Unsupported,
    /// The caller may not do this.
    Denied,
    /// There is no such thing.
    NotFound,
    /// It contradicts what is there; a repeat will be refused again.
    Conflict,
    /// It needs something that is not there yet.
    Precondition,
    /// The aggregate has another version than the one named.
    VersionConflict,
    /// The file host said no.
    InitDenied,
    /// A limit is reached.
    LimitReached,
    /// The work was carried out and failed.
    WorkFailed,
    /// The request was cancelled.
    Cancelled,
    /// Too much at once; try again after `retry_after_ms`.
    Busy,
    /// No worker of the file host is there.
    HostUnavailable,
    /// The journal or a service does not answer; nothing was stored. Try again.
    Unavailable,
    /// It was accepted and goes on, but did not finish within the wait.
    TimedOut,
    /// It may have been carried out; ask with the command id.
    OutcomeUnknown,
    /// A defect of this system.
    Internal,
}

impl Code {
    /// All codes.
    pub const ALL: [Self; 19] = [
        Self::Malformed,
        Self::InvalidField,
        Self::TooLarge,
        Self::Unsupported,
        Self::Denied,
        Self::NotFound,
        Self::Conflict,
        Self::Precondition,
        Self::VersionConflict,
        Self::InitDenied,
        Self::LimitReached,
        Self::WorkFailed,
        Self::Cancelled,
        Self::Busy,
        Self::HostUnavailable,
        Self::Unavailable,
        Self::TimedOut,
        Self::OutcomeUnknown,
        Self::Internal,
    ];

    /// The status that HTTP has for it; also in the services protocol's error header.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed | Self::InvalidField => 400,
            Self::Denied | Self::InitDenied => 403,
            Self::NotFound => 404,
            Self::Conflict | Self::Precondition | Self::VersionConflict | Self::Cancelled => 409,
            Self::TooLarge => 413,
            Self::Unsupported => 415,
            Self::WorkFailed => 422,
            Self::Busy | Self::LimitReached => 429,
            Self::Internal | Self::OutcomeUnknown => 500,
            Self::HostUnavailable | Self::Unavailable => 503,
            Self::TimedOut => 504,
        }
    }
}

/// An error as a caller sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What kind.
    pub code: Code,
    /// What is wrong and what to do, in a sentence.
    pub message: String,
    /// What a program may want to know.
    #[serde(default, skip_serializing_if = "Details::is_empty")]
    pub details: Details,
}

/// What a program may want to know about an error; only what applies is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Details {
    /// The field that is wrong, as a path like `repo.author`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The version that the aggregate has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_vid: Option<String>,
    /// The request that was made, for asking again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// The repo that was made or found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    /// The code of the work that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_code: Option<String>,
    /// When to try again, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl Details {
    /// Whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Failure {
    /// A failure without details.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Details::default(),
        }
    }

    /// A failure of one field.
    #[must_use]
    pub fn field(field: impl Into<String>, message: impl std::fmt::Display) -> Self {
        let field = field.into();
        Self {
            code: Code::InvalidField,
            message: format!("{field}: {message}"),
            details: Details {
                field: Some(field),
                ..Details::default()
            },
        }
    }
}
