//! How far long work has come; sent while it runs, kept by nobody.

use nogfso_domain::operation::Operation;
use nogfso_ids::{Instance, RepoId, RequestId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The least time between two messages about one request, in milliseconds.
pub const PROGRESS_EVERY_MS: u64 = 500;

/// How far one request has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    /// The repo.
    pub repo: RepoId,
    /// The request.
    pub request: RequestId,
    /// What is being done.
    pub operation: Operation,
    /// Who does it.
    pub instance: Instance,
    /// Where it stands.
    pub phase: ProgressPhase,
    /// Entries seen so far.
    pub files: u64,
    /// Bytes of the files seen so far.
    pub bytes: u64,
    /// Entries a second, over the whole time.
    pub files_per_s: u64,
    /// Time since the start, in milliseconds.
    pub elapsed_ms: u64,
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProgressPhase {
    /// It runs.
    Running,
    /// It ended; how, the journal says.
    Ended,
}
