//! What the history of a registry amounts to.

use std::sync::Arc;

use imbl::OrdMap;
use nogfso_ids::{Author, GlobalPath, Host, HostPath, RegistryName, RepoId, SubdirTracking};
use nogfso_kernel::EventId;

use super::GitlabNamespace;
use super::path_key::PathKey;
use crate::tier::StorageTier;

/// How many roots a registry can have.
pub const ROOTS_MAX: usize = 1_000;
/// How many repos a registry can have.
pub const REPOS_MAX: usize = 1_000_000;

/// What the history of a registry amounts to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Registry {
    /// Nothing has happened yet.
    #[default]
    Absent,
    /// The registry exists.
    Known(KnownRegistry),
}

/// A registry that exists. Cloning is cheap whatever its size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownRegistry {
    pub(super) name: RegistryName,
    pub(super) roots: OrdMap<PathKey, Arc<Root>>,
    pub(super) repos: OrdMap<PathKey, Arc<RegisteredRepo>>,
    pub(super) path_by_id: OrdMap<RepoId, PathKey>,
    /// The repos that were accepted and are not confirmed.
    pub(super) pending: OrdMap<RepoId, PathKey>,
}

/// A directory on a host that appears, with all below it, under a global path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// The global path.
    pub global_root: GlobalPath,
    /// The file host.
    pub host: Host,
    /// The directory on that host.
    pub host_root: HostPath,
    /// Where GitLab projects of its repos are to be made; none if there are to be none.
    pub gitlab_namespace: Option<GitlabNamespace>,
}

/// A repo as its registry knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredRepo {
    /// The repo.
    pub id: RepoId,
    /// Where it is.
    pub global_path: GlobalPath,
    /// Who asked for it.
    pub creator: Author,
    /// The file host, as it was when the repo was accepted.
    pub file_host: Host,
    /// The directory on that host, as it was when the repo was accepted.
    pub host_path: HostPath,
    /// What it records of its subdirectories.
    pub subdir_tracking: SubdirTracking,
    /// The event by which it was accepted; the cause of its own history.
    pub accepted_by: EventId,
    /// Where its files are; unspecified until the repo is confirmed.
    pub tier: StorageTier,
}

/// What a file host is asked before a repo is accepted, and what its answer is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    /// The file host.
    pub file_host: Host,
    /// The directory on that host.
    pub host_path: HostPath,
    /// What the repo would record of its subdirectories.
    pub subdir_tracking: SubdirTracking,
}

impl Registry {
    /// The registry, if it exists.
    #[must_use]
    pub fn known(&self) -> Option<&KnownRegistry> {
        match self {
            Self::Absent => None,
            Self::Known(registry) => Some(registry),
        }
    }
}

impl RegisteredRepo {
    /// Whether the repo's own history has begun.
    #[must_use]
    pub fn confirmed(&self) -> bool {
        self.tier != StorageTier::Unspecified
    }
}
