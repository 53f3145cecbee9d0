//! The errors that a job can report, and why it is told to stop.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The most bytes of an error's message that are kept; the rest is cut off.
pub const MESSAGE_BYTES_MAX: usize = 8 * 1024;

/// An error as data: the same before and after a restart (spec 1.14, Q11).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorView {
    /// What programs tell it by.
    pub code: String,
    /// What a person reads.
    pub message: String,
    /// More for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<serde_json::Value>,
}

impl ErrorView {
    /// An error without details. A message beyond [`MESSAGE_BYTES_MAX`] is cut, and says how long it was.
    #[must_use]
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.len() > MESSAGE_BYTES_MAX {
            let bytes = message.len();
            let end = message.floor_char_boundary(MESSAGE_BYTES_MAX);
            message.truncate(end);
            message.push_str(&format!("… ({bytes} bytes in all)"));
        }
        Self {
            code: code.into(),
            message,
            details: None,
        }
    }

    /// The same with details.
    #[must_use]
    pub fn with_details(self, details: serde_json::Value) -> Self {
        Self {
            details: Some(details),
            ..self
        }
    }

    /// The view of any error, its causes included.
    #[must_use]
    pub fn of(error: &dyn std::error::Error) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            message.push_str(&format!(": {error}"));
            cause = error.source();
        }
        Self::new("error", message)
    }
}

impl std::fmt::Display for ErrorView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl From<&str> for ErrorView {
    fn from(message: &str) -> Self {
        Self::new("error", message)
    }
}

impl From<String> for ErrorView {
    fn from(message: String) -> Self {
        Self::new("error", message)
    }
}

/// What an error asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    Retry {
        after: Option<Duration>,
    },
    Terminal,
    TerminalNoEffect,
    /// A stored value does not decode: the deployment is parked and never rolled back by itself (spec 2.1, I9).
    Park(Unloadable),
}

/// What is wrong with a stored value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unloadable {
    /// It was written under another schema, and no upcaster leads to that of the code.
    SchemaMismatch,
    /// It lies outside the journal and is not there.
    PayloadMissing,
    /// Its bytes are not what they should be.
    PayloadUndecodable,
}

/// Where within a job something failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In the hook of this number before execute, counted from 0 in the order in which they run.
    PreHook(u32),
    /// In execute.
    Execute,
    /// In the hook of this number after execute.
    PostHook(u32),
    /// In the undo.
    Rollback,
}

/// Why a job did not do what it should.
///
/// Not a `std::error::Error`, so that `?` turns any error into one; such an error is retried as the policy says.
#[derive(Debug, Clone, PartialEq)]
pub struct JobError {
    pub(crate) view: ErrorView,
    pub(crate) wish: Wish,
    pub(crate) place: Option<Place>,
}

/// What a job returns.
pub type JobResult<T> = Result<T, JobError>;

impl JobError {
    /// Roll back now, this job included.
    #[must_use]
    pub fn terminal(error: impl Into<ErrorView>) -> Self {
        Self::new(error, Wish::Terminal)
    }

    /// Roll back now, this job excluded: no attempt has left an effect. Not believed after a lost or timed-out attempt.
    #[must_use]
    pub fn terminal_no_effect(error: impl Into<ErrorView>) -> Self {
        Self::new(error, Wish::TerminalNoEffect)
    }

    /// Try again as the policy says.
    #[must_use]
    pub fn retry(error: impl Into<ErrorView>) -> Self {
        Self::new(error, Wish::Retry { after: None })
    }

    /// Try again after `delay`, however long the policy would wait.
    #[must_use]
    pub fn retry_after(error: impl Into<ErrorView>, delay: Duration) -> Self {
        Self::new(error, Wish::Retry { after: Some(delay) })
    }

    /// The error as data.
    #[must_use]
    pub fn view(&self) -> &ErrorView {
        &self.view
    }

    pub(crate) fn new(error: impl Into<ErrorView>, wish: Wish) -> Self {
        Self {
            view: error.into(),
            wish,
            place: None,
        }
    }

    /// The same, having failed at `place` unless it is known to have failed further in.
    pub(crate) fn at(self, place: Place) -> Self {
        Self {
            place: self.place.or(Some(place)),
            ..self
        }
    }
}

impl<E: std::error::Error> From<E> for JobError {
    fn from(error: E) -> Self {
        Self::retry(ErrorView::of(&error))
    }
}

/// Why an attempt is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// The deployment was cancelled.
    Cancelled,
    /// It was paused, and the attempt is to be interrupted.
    Paused,
    /// Its deadline has passed.
    Deadline,
    /// The attempt has taken too long.
    AttemptTimeout,
    /// Somebody else works on the deployment, or may soon: touch nothing more.
    LeaseLost,
    /// The process is about to end.
    Draining,
}
