//! The facts of a registry.

use nogfso_ids::{GlobalPath, Host, HostPath, RegistryName, RepoId, SubdirTracking};
use nogfso_kernel::{Event, EventId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::GitlabNamespace;

/// A fact about a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub enum RegistryEvent {
    /// The registry was begun.
    #[serde(rename = "EV_FSO_REGISTRY_ADDED")]
    Added {
        /// Its name.
        name: RegistryName,
    },
    /// A root was added.
    #[serde(rename = "EV_FSO_ROOT_ADDED")]
    RootAdded {
        /// The root.
        root_info: RootInfo,
    },
    /// A repo is to be.
    #[serde(rename = "EV_FSO_REPO_ACCEPTED")]
    RepoAccepted {
        /// The repo.
        repo_info: AcceptedRepoInfo,
        /// The file host.
        file_host: Host,
        /// The directory on that host.
        host_path: HostPath,
        /// What the repo is to record of its subdirectories.
        subdir_tracking: SubdirTracking,
    },
    /// A repo has begun a history of its own.
    #[serde(rename = "EV_FSO_REPO_ADDED")]
    RepoAdded {
        /// The repo.
        repo_info: RepoInfo,
        /// The first event of its history.
        #[schemars(with = "String")]
        repo_event_id: EventId,
    },
}

/// A root in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RootInfo {
    /// The global path.
    pub global_root: GlobalPath,
    /// The file host.
    pub host: Host,
    /// The directory on that host.
    pub host_root: HostPath,
    /// Where GitLab projects of its repos are to be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gitlab_namespace: Option<GitlabNamespace>,
}

/// A repo at its acceptance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AcceptedRepoInfo {
    /// The repo.
    pub id: RepoId,
    /// Where it is.
    pub global_path: GlobalPath,
    /// The name of who asked for it.
    pub creator_name: String,
    /// The e-mail address of who asked for it.
    pub creator_email: String,
}

/// A repo that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RepoInfo {
    /// The repo.
    pub id: RepoId,
    /// Where it is.
    pub global_path: GlobalPath,
}

impl Event for RegistryEvent {
    const NAMES: &'static [&'static str] = &[
        "EV_FSO_REGISTRY_ADDED",
        "EV_FSO_ROOT_ADDED",
        "EV_FSO_REPO_ACCEPTED",
        "EV_FSO_REPO_ADDED",
    ];

    fn name(&self) -> &'static str {
        match self {
            Self::Added { .. } => "EV_FSO_REGISTRY_ADDED",
            Self::RootAdded { .. } => "EV_FSO_ROOT_ADDED",
            Self::RepoAccepted { .. } => "EV_FSO_REPO_ACCEPTED",
            Self::RepoAdded { .. } => "EV_FSO_REPO_ADDED",
        }
    }
}
