//! Questions about what happened.

use nogfso_ids::{RegistryName, RepoId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::EventLine;
use crate::{Page, Wait, call};

/// Asks for the events of a registry or of a repo, from the first or after a known one.
///
/// With `wait`, the answer is held back until there is at least one event, so that one who asks again and again misses
/// nothing and asks no more often than something happens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetEvents {
    /// The registry; or else `repo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<RegistryName>,
    /// The repo; or else `registry`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<RepoId>,
    /// Only those after the event with this id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// How many at most. A commit is never cut, so there may be some more.
    #[serde(default)]
    pub limit: Page,
    /// How long to wait for the first one if there is none; not at all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Wait>,
}

/// A page of events in the order in which they happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventPage {
    /// The events.
    pub events: Vec<EventLine>,
    /// Where to go on: the id of the last event known to the asker after this page; absent if nothing ever happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Whether there was nothing more at that moment.
    pub caught_up: bool,
}

call!(
    GetEvents,
    "fso.get.events",
    "Lists the events of a registry or a repo.",
    EventPage
);
