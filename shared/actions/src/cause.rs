//! Why a deployment is rolled back, as its undos are told.

use serde::{Deserialize, Serialize};

use crate::error::ErrorView;
use crate::name::JobName;

/// Why a rollback began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RollbackCause {
    /// In a word.
    pub kind: CauseKind,
    /// The job that was the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobName>,
    /// In full.
    pub error: ErrorView,
}

/// Why a rollback began, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CauseKind {
    /// A job failed for good.
    JobFailed,
    /// A job's retries are used up.
    RetriesExhausted,
    /// A job panicked.
    Panicked,
    /// A job's last attempt took too long.
    TimedOut,
    /// Somebody cancelled.
    Cancelled,
    /// The deadline passed.
    DeadlineExceeded,
    /// An operator decided so.
    Operator,
}
