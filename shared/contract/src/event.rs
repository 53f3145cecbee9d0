//! Events as callers see them, in lists and in the feed (spec operator 4.2).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One event: `event`, `id`, `parent`, `etime`, then what the event says, by the names of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventLine {
    /// The wire name of its type.
    pub event: String,
    /// Its id.
    pub id: String,
    /// The id of the event before it in the same history; 26 zeros for the first. Absent only in the feed, where the first
    /// event of a commit does not know it: there `previous` names the commit before.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub parent: String,
    /// When it was decided, as RFC 3339 in UTC with milliseconds.
    pub etime: String,
    /// What it says.
    #[serde(flatten)]
    pub data: Map<String, Value>,
}

/// One commit in the feed. At most once; what must be complete is asked for with `fso.get.events`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FeedCommit {
    /// The journal subject of the aggregate.
    pub aggregate: String,
    /// The position of the commit in its stream.
    pub position: u64,
    /// The id of the commit.
    pub commit: String,
    /// The id of the commit before it in the same history; absent for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// Who acted.
    pub actor: String,
    /// When it was decided, as RFC 3339 in UTC with milliseconds.
    pub time: String,
    /// The command id, if the command carried one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<String>,
    /// Its events.
    pub events: Vec<EventLine>,
}

/// Takes a fact as the journal stores it, `{"type", "data"}`, apart into its name and what it says.
#[must_use]
pub fn split_fact(fact: Value) -> (String, Map<String, Value>) {
    let Value::Object(mut fact) = fact else {
        return (String::new(), Map::new());
    };
    let name = match fact.remove("type") {
        Some(Value::String(name)) => name,
        Some(_) | None => String::new(),
    };
    match fact.remove("data") {
        Some(Value::Object(data)) => (name, data),
        Some(_) | None => (name, Map::new()),
    }
}
