//! Questions about who works and what is stuck.

use nogfso_ids::Host;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::call;
use crate::presence::Presence;

/// Asks which workers are there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetWorkers {
    /// Only those of this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
}

/// The workers, ordered by host and instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkerList {
    /// The workers.
    pub workers: Vec<WorkerInfo>,
}

/// A worker that was heard of lately.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkerInfo {
    /// What it said about itself.
    #[serde(flatten)]
    pub presence: Presence,
    /// How long ago that was, in milliseconds.
    pub seen_ms_ago: u64,
}

call!(
    GetWorkers,
    "fso.get.workers",
    "Lists the workers that are there.",
    WorkerList
);

/// Asks what could not be processed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetParked {}

/// What could not be processed, ordered by reaction and aggregate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ParkedList {
    /// The entries.
    pub entries: Vec<ParkedInfo>,
}

/// Something that could not be processed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ParkedInfo {
    /// The reaction that could not go on.
    pub reaction: String,
    /// The journal subject of the aggregate.
    pub subject: String,
    /// The part of it that is concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// Why.
    pub reason: String,
    /// When, as RFC 3339 in UTC.
    pub time: String,
    /// Whether it is being tried again.
    pub retrying: bool,
}

call!(
    GetParked,
    "fso.get.parked",
    "Lists what could not be processed.",
    ParkedList
);
