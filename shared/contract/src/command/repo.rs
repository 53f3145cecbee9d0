//! Commands on repos.

use nogfso_domain::operation::Operation;
use nogfso_domain::work::MtimeRange;
use nogfso_ids::{Author, CommandId, GlobalPath, RegistryName, RepoId, RequestId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::query::RequestInfo;
use crate::{VidArg, Wait, call};

/// Adopts a directory as a repo. Harmless when repeated by the same author.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InitRepo {
    /// The registry.
    pub registry: RegistryName,
    /// Where the repo is to be; below a root.
    pub global_path: GlobalPath,
    /// Who is named as its creator: `Name <email>`.
    pub author: Author,
    /// The id it is to have; made by the server if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<RepoId>,
    /// The version that the registry must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vid: Option<VidArg>,
    /// Names this command, so that its outcome can be asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
    /// How long to wait for the shadow repo; not at all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Wait>,
}

/// The repo was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RepoAccepted {
    /// The registry.
    pub registry: RegistryName,
    /// Its version.
    pub registry_vid: String,
    /// The repo.
    pub repo: RepoId,
    /// Its shadow repo, `host:path`, once it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<String>,
}

call!(
    InitRepo,
    "fso.cmd.repo.init",
    "Adopts a directory as a repo.",
    RepoAccepted
);

/// Clears stored errors of a repo: that of one operation, or those with exactly the given text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClearError {
    /// The repo.
    pub repo: RepoId,
    /// The operation whose error is to go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// The exact text of the error that is to go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// The version that the repo must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vid: Option<VidArg>,
    /// Names this command, so that its outcome can be asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
}

/// The error is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorCleared {
    /// The repo.
    pub repo: RepoId,
    /// Its version.
    pub repo_vid: String,
}

call!(
    ClearError,
    "fso.cmd.repo.clear-error",
    "Clears a stored error of a repo.",
    ErrorCleared
);

/// Records the present names, sizes and times of a repo's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stat {
    /// The repo.
    pub repo: RepoId,
    /// Who is named as the author of the commit; the caller if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<Author>,
    /// How the toplevel record is to be treated.
    #[serde(default)]
    pub mtime_range: MtimeRange,
    /// Confirms that the directory was emptied, or lies on another device, on purpose.
    #[serde(default)]
    pub confirm_emptied: bool,
    /// Names this command; a repeat with the same id is the same request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
    /// How long to wait for the result; not at all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Wait>,
}

/// The request was made, or an equal one waits already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StatAccepted {
    /// The repo.
    pub repo: RepoId,
    /// The request.
    pub request: RequestId,
    /// What became of it, if the caller waited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<RequestInfo>,
}

call!(
    Stat,
    "fso.cmd.repo.stat",
    "Records names, sizes and times of a repo's files.",
    StatAccepted
);

/// Takes a request back; one that runs ends at the next directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelRequest {
    /// The repo.
    pub repo: RepoId,
    /// The request.
    pub request: RequestId,
    /// Names this command, so that its outcome can be asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
}

/// The request is, or will be, taken back; one that had ended stays ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RequestCancelled {
    /// Where it stands.
    pub request: RequestInfo,
}

call!(
    CancelRequest,
    "fso.cmd.request.cancel",
    "Takes a request for work back.",
    RequestCancelled
);
