//! Questions about what became of a command.

use nogfso_ids::{CommandId, RegistryName, RepoId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::call;
use crate::event::EventLine;

/// Asks what became of a command that carried a `command_id`.
///
/// Command ids count per aggregate: name the repo or the registry that the command was about, or neither for one on main. The
/// work that a command on a repo requested is looked through too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetOutcome {
    /// The id that the command carried.
    pub command_id: CommandId,
    /// The registry that the command was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<RegistryName>,
    /// The repo that the command was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<RepoId>,
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutcomeFound {
    /// Whether a commit carries the command's id. If not, the command changed nothing: it was refused, never arrived, or found
    /// everything as it asked for.
    pub stored: bool,
    /// That commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<FoundCommit>,
}

/// A commit that answers a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FoundCommit {
    /// Its id.
    pub commit: String,
    /// The journal subject of the aggregate.
    pub aggregate: String,
    /// Who gave the command.
    pub actor: String,
    /// The version that the aggregate had after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vid: Option<String>,
    /// Its events.
    pub events: Vec<EventLine>,
}

call!(
    GetOutcome,
    "fso.get.outcome",
    "Tells what became of a command.",
    OutcomeFound
);
