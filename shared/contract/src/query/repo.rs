//! Questions about one repo and the work on it.

use nogfso_domain::operation::{Operation, PathProblem};
use nogfso_domain::work::{Order, WorkResult};
use nogfso_ids::{GlobalPath, Instance, RegistryName, RepoId, RequestId, SubdirTracking};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Wait, call};

/// Asks about one repo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetRepo {
    /// The repo.
    pub repo: RepoId,
}

/// A repo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RepoInfo {
    /// The repo.
    pub repo: RepoId,
    /// Its version.
    pub vid: String,
    /// The registry.
    pub registry: RegistryName,
    /// Where it is.
    pub global_path: GlobalPath,
    /// Its directory: `host:path`.
    pub file: String,
    /// Its shadow repo: `host:path`; absent until there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<String>,
    /// Where its files are kept.
    pub storage_tier: String,
    /// What it records of its subdirectories.
    pub subdir_tracking: SubdirTracking,
    /// The first stored error, as a sentence; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The stored errors, one for each operation at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<RepoErrorInfo>,
    /// The work on it.
    pub work: WorkInfo,
}

/// A stored error of a repo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RepoErrorInfo {
    /// The operation that failed.
    pub operation: Operation,
    /// What kind of error.
    pub code: String,
    /// What happened; the text by which it can be cleared.
    pub message: String,
    /// When, as RFC 3339 in UTC.
    pub time: String,
    /// The request that failed.
    pub request: RequestId,
    /// The first paths that could not be worked on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<PathProblem>,
    /// How many there were in all.
    pub path_count: u64,
}

/// What is, was and will be done for a repo.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkInfo {
    /// Who holds the repo at this moment, by a claim or by its lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_by: Option<Instance>,
    /// What waits or runs, in order.
    pub requests: Vec<RequestInfo>,
    /// The last result of each operation.
    pub last: Vec<RequestInfo>,
}

/// A request for work and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RequestInfo {
    /// The request.
    pub request: RequestId,
    /// The operation.
    pub operation: Operation,
    /// What exactly was asked; absent for one that ended a while ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// Where it stands.
    pub state: RequestState,
    /// What it waits for, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who works on it, or keeps others from it by its lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_by: Option<Instance>,
    /// When it was made or ended, as RFC 3339 in UTC.
    pub time: String,
    /// How it ended; absent while it has not, and for one that ended a while ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<WorkResult>,
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RequestState {
    /// It waits for a worker.
    Waiting,
    /// It waits for a point in time.
    Deferred,
    /// A worker is at it.
    Running,
    /// It was done.
    Done,
    /// It failed.
    Failed,
    /// It was taken back.
    Cancelled,
}

impl RequestState {
    /// Whether nothing more will happen.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Waiting | Self::Deferred | Self::Running => false,
            Self::Done | Self::Failed | Self::Cancelled => true,
        }
    }
}

call!(
    GetRepo,
    "fso.get.repo",
    "Tells about a repo and the work on it.",
    RepoInfo
);

/// Asks where a request stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetRequest {
    /// The repo.
    pub repo: RepoId,
    /// The request.
    pub request: RequestId,
    /// How long to wait for its end; not at all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Wait>,
}

call!(
    GetRequest,
    "fso.get.request",
    "Tells where a request for work stands.",
    RequestInfo
);
