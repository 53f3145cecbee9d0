//! How events, commits, positions and versions are told apart.

use serde::{Deserialize, Serialize};
use ulid::Ulid;

/// Identifies one event. Its ULID carries the time of the event in milliseconds; order within a history is the order
/// of commits, never that of ids (spec aggregates 1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(pub Ulid);

/// Identifies one decision, and so the message that carries its events. Fresh for each decision, the same for each
/// attempt to store it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommitId(pub Ulid);

/// The version of an aggregate: the id of its last event. Compared for equality only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Vid(pub Ulid);

/// The sequence of a message in its stream. Never crosses the journal's border except as a place to read on from.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Position(pub u64);

/// The version that a command is to be decided upon.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Expected {
    /// The aggregate must have this version, even if the command would change nothing.
    Exactly(Vid),
    /// Any version; a lost race is answered as a conflict.
    NoVc,
    /// Any version; after a lost race the command is decided again, a bounded number of times.
    #[default]
    RetryNoVc,
}

impl Vid {
    /// The version of an aggregate without events.
    pub const EPOCH: Self = Self(Ulid::nil());
}

impl Position {
    /// Before the first message.
    pub const START: Self = Self(0);
}

impl From<EventId> for Vid {
    fn from(id: EventId) -> Self {
        Self(id.0)
    }
}

impl EventId {
    /// The time of the event, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn time_ms(self) -> u64 {
        self.0.timestamp_ms()
    }
}

macro_rules! prints_as_its_inside {
    ($($type:ident),*) => {$(
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

prints_as_its_inside!(EventId, CommitId, Vid, Position);
