//! The facts of a repo.

use nogfso_ids::{GlobalPath, Host, HostPath, RegistryName, RequestId, SubdirTracking, UnixMillis};
use nogfso_kernel::{Event, EventId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::is_zero;
use crate::operation::{ErrorCode, ErrorText, Operation, PathProblem};

/// A fact about a repo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub enum RepoEvent {
    /// The repo was begun; a shadow is to be made.
    #[serde(rename = "EV_FSO_REPO_INIT_STARTED")]
    InitStarted {
        /// The repo.
        repo_init_info: RepoInitInfo,
        /// The event by which its registry accepted it.
        #[schemars(with = "String")]
        registry_event_id: EventId,
    },
    /// The shadow was made.
    #[serde(rename = "EV_FSO_SHADOW_REPO_CREATED")]
    ShadowCreated {
        /// The shadow.
        shadow_repo_info: ShadowRepoInfo,
        /// The request that made it.
        request_id: RequestId,
        /// The number of the result in its lane; absent if it was not counted.
        #[serde(default, skip_serializing_if = "is_zero")]
        result_number: u64,
    },
    /// An operation failed.
    #[serde(rename = "EV_FSO_REPO_ERROR_SET")]
    ErrorSet {
        /// What failed.
        operation: Operation,
        /// What kind of error.
        error_code: ErrorCode,
        /// What happened, for a person.
        error_message: ErrorText,
        /// When it happened, in ms since the Unix epoch.
        time_ms: UnixMillis,
        /// The request that failed.
        request_id: RequestId,
        /// The first of the paths that could not be worked on, at most 10.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(max = 10))]
        paths: Vec<PathProblem>,
        /// How many paths could not be worked on.
        #[serde(default, skip_serializing_if = "is_zero")]
        path_count: u64,
        /// The number of the result in its lane; absent if it was not counted.
        #[serde(default, skip_serializing_if = "is_zero")]
        result_number: u64,
    },
    /// The error of an operation no longer stands, or will not: a counted success may come here before an older failure.
    #[serde(rename = "EV_FSO_REPO_ERROR_CLEARED")]
    ErrorCleared {
        /// The operation.
        operation: Operation,
        /// Why.
        cleared_by: ClearedBy,
        /// The request that succeeded, if one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request_id: Option<RequestId>,
        /// The number in its lane of the result that succeeded; absent if none did.
        #[serde(default, skip_serializing_if = "is_zero")]
        result_number: u64,
    },
}

/// A repo at its beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RepoInitInfo {
    /// The registry that accepted it.
    pub registry: RegistryName,
    /// Where it is.
    pub global_path: GlobalPath,
    /// The name of who asked for it.
    pub creator_name: String,
    /// The e-mail address of who asked for it.
    pub creator_email: String,
    /// The file host.
    pub file_host: Host,
    /// The directory on that host.
    pub host_path: HostPath,
    /// What it records of its subdirectories.
    pub subdir_tracking: SubdirTracking,
}

/// A shadow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShadowRepoInfo {
    /// Its directory on the file host.
    pub shadow_path: HostPath,
}

/// Why an error no longer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClearedBy {
    /// The operation has succeeded since.
    Success,
    /// An operator has seen to it.
    Operator,
}

impl Event for RepoEvent {
    const NAMES: &'static [&'static str] = &[
        "EV_FSO_REPO_INIT_STARTED",
        "EV_FSO_SHADOW_REPO_CREATED",
        "EV_FSO_REPO_ERROR_SET",
        "EV_FSO_REPO_ERROR_CLEARED",
    ];

    fn name(&self) -> &'static str {
        match self {
            Self::InitStarted { .. } => "EV_FSO_REPO_INIT_STARTED",
            Self::ShadowCreated { .. } => "EV_FSO_SHADOW_REPO_CREATED",
            Self::ErrorSet { .. } => "EV_FSO_REPO_ERROR_SET",
            Self::ErrorCleared { .. } => "EV_FSO_REPO_ERROR_CLEARED",
        }
    }
}
