//! Reactions: durable, level-triggered, never blocking one another, never losing anything.
//!
//! A delivery only says "look at this aggregate again". The reaction loads the state, does what it asks for, and the
//! delivery is acknowledged after the resulting commits are stored. What fails for the moment comes back with growing
//! delay, then by an alarm; what cannot be processed is parked for the operator and passed over until it is retried.

mod lanes;
mod parked;
mod runner;

use async_trait::async_trait;
use nogfso_kernel::Position;

use crate::store::LoadError;

pub use parked::{PARKED_STREAM, Parked, ParkedEntry, parked_subject};
pub use runner::{
    ALARM_PREFIX, Settings, TIMER_STREAM, alarm_record, alarmed, done, run, wake_record,
};

#[cfg(test)]
mod tests;

/// The prefix of all journal subjects; what follows it names the aggregate in other subjects.
pub const JOURNAL_PREFIX: &str = "fso.ev.";

/// Tells a reaction to look at an aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wake {
    /// The aggregate.
    pub subject: String,
    /// What its state must at least contain: the commit that was delivered, or after an alarm whatever the leader has.
    pub position: Position,
    /// Whether an alarm rang, or somebody woke the reaction by hand; maybe beside a commit.
    pub is_alarm: bool,
}

/// Why a reaction did not finish.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReactError {
    /// A later try may succeed.
    #[error("{reason}")]
    Transient {
        /// What was seen.
        reason: String,
    },
    /// A newer build wrote something that this one must understand first.
    #[error("{reason}")]
    Newer {
        /// What is unknown here.
        reason: String,
    },
    /// No later try will succeed without an operator.
    #[error("{reason}")]
    Permanent {
        /// What is wrong.
        reason: String,
    },
}

impl ReactError {
    /// A failure that passes.
    #[must_use]
    pub fn transient(reason: impl std::fmt::Display) -> Self {
        Self::Transient {
            reason: reason.to_string(),
        }
    }

    /// Whether a later try may succeed without an upgrade or an operator.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Transient { .. } => true,
            Self::Newer { .. } | Self::Permanent { .. } => false,
        }
    }

    /// A failure that stays.
    #[must_use]
    pub fn permanent(reason: impl std::fmt::Display) -> Self {
        Self::Permanent {
            reason: reason.to_string(),
        }
    }
}

impl From<LoadError> for ReactError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Newer { .. } => Self::Newer {
                reason: error.to_string(),
            },
            LoadError::Read(_)
            | LoadError::Behind { .. }
            | LoadError::Broken { .. }
            | LoadError::HistoryChanged { .. } => {
                if error.is_transient() {
                    Self::transient(error)
                } else {
                    Self::permanent(error)
                }
            }
        }
    }
}

/// What a service does about an aggregate.
#[async_trait]
pub trait Reaction: Send + Sync + 'static {
    /// The name; also that of its durable consumer, and the first token of what it parks.
    fn name(&self) -> &'static str;

    /// Does what the state of the aggregate asks for, and nothing if it asks for nothing.
    ///
    /// Returns the position of the state that it acted upon, never one of a commit that it made itself: others may have come
    /// between. Wakes up to there need no further look.
    ///
    /// # Errors
    ///
    /// See [`ReactError`]. Items that fail for good while others of the same aggregate succeed are parked by the reaction
    /// itself, through [`Parked`].
    async fn react(&self, wake: &Wake) -> Result<Position, ReactError>;
}
