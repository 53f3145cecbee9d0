//! Why an aggregate was not loaded, or a command not carried out.

use nogfso_kernel::{Aggregate, Position, Vid};

use crate::envelope::EnvelopeError;
use crate::log::ReadFault;

/// Why an aggregate cannot be loaded.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoadError {
    /// The journal did not answer; a later try may succeed.
    #[error(transparent)]
    Read(#[from] ReadFault),
    /// Reads stay behind a position that is known to exist; a later try may succeed.
    #[error("reads of {subject} stay behind position {wanted}")]
    Behind {
        /// The aggregate.
        subject: String,
        /// The position that the state must contain.
        wanted: Position,
    },
    /// A newer build wrote a commit; a later build can read it.
    #[error("{subject} at {position}: {source}")]
    Newer {
        /// The aggregate.
        subject: String,
        /// The commit.
        position: Position,
        /// What is unknown here.
        source: EnvelopeError,
    },
    /// A commit is damaged, or an event cannot follow the state before it. An operator must look.
    #[error("the history of {subject} is broken at {position}: {reason}")]
    Broken {
        /// The aggregate.
        subject: String,
        /// The commit.
        position: Position,
        /// What is wrong.
        reason: String,
    },
    /// The history is not the one that was read before, or its chain has a gap. An operator must look.
    #[error("the history of {subject} changed: {reason}")]
    HistoryChanged {
        /// The aggregate.
        subject: String,
        /// What was expected and what was found.
        reason: String,
    },
}

impl LoadError {
    /// Whether a later try may succeed without anybody's doing.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Read(ReadFault::Unavailable { .. }) | Self::Behind { .. } => true,
            Self::Read(ReadFault::Refused { .. })
            | Self::Newer { .. }
            | Self::Broken { .. }
            | Self::HistoryChanged { .. } => false,
        }
    }
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError<A: Aggregate> {
    /// The aggregate refuses it. Checked against the leader.
    #[error(transparent)]
    Refused(A::Refusal),
    /// The aggregate has another version than the one expected.
    #[error("version conflict: stored VID {stored} != expected VID {expected}")]
    VersionConflict {
        /// The version that it has.
        stored: Vid,
        /// The version that was expected.
        expected: Vid,
    },
    /// Others kept appending first, or too many commands wait. Try again later.
    #[error("the aggregate is busy")]
    Busy,
    /// The journal cannot store at this moment; nothing was stored.
    #[error("the journal cannot store at this moment: {reason}")]
    Unavailable {
        /// What was seen.
        reason: String,
    },
    /// Whether it was carried out is unknown. Ask again with the command id.
    #[error("the outcome is unknown: {reason}")]
    Unknown {
        /// What was seen.
        reason: String,
    },
    /// The journal will not store it: too large, not permitted.
    #[error("the journal refused the commit: {reason}")]
    Rejected {
        /// What was seen.
        reason: String,
    },
    /// The aggregate cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
}

impl<A: Aggregate> ExecuteError<A> {
    /// Whether a later try may succeed without anybody's doing.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Busy | Self::Unavailable { .. } | Self::Unknown { .. } => true,
            Self::Load(error) => error.is_transient(),
            Self::Refused(_) | Self::VersionConflict { .. } | Self::Rejected { .. } => false,
        }
    }
}
