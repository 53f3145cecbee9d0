//! Why commands on a registry are refused, and how its history can be broken.

use nogfso_ids::{GlobalPath, RepoId};

use super::{Permit, REPOS_MAX, ROOTS_MAX};

/// Why a command on a registry was refused. The caller's to handle; never retried as it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryRefusal {
    /// The command needs a registry.
    #[error("uninitialized registry")]
    Uninitialized,
    /// The registry exists under another name.
    #[error("init conflict")]
    InitConflict,
    /// The root exists with other parameters.
    #[error("init conflict: root {global_root} exists with another {differs}")]
    RootConflict {
        /// The root.
        global_root: GlobalPath,
        /// What differs.
        differs: RootDifferences,
    },
    /// There are as many roots as may be.
    #[error("too many roots: at most {ROOTS_MAX}")]
    TooManyRoots,
    /// No root is equal to the path or above it.
    #[error("unknown root")]
    UnknownRoot,
    /// There is no repo of that id.
    #[error("unknown repo")]
    UnknownRepo,
    /// There is a repo at the path, of another creator or under another id than the chosen one.
    #[error("repo already initialized at path")]
    RepoConflict {
        /// The repo that is there.
        existing: RepoId,
    },
    /// The id is that of a repo at another path.
    #[error("repo id already in use")]
    RepoIdInUse,
    /// There are as many repos as may be.
    #[error("too many repos: at most {REPOS_MAX}")]
    TooManyRepos,
    /// The nearest repo above the path is not online.
    #[error("parent repo immutable")]
    ParentRepoImmutable,
    /// The path on the file host would be longer than paths can be.
    #[error("host path too long")]
    HostPathTooLong,
    /// The file host was not asked, or about something else than what is to be now: it must be asked about `wanted`.
    #[error("init repo permit outdated")]
    PermitOutdated {
        /// What to ask about.
        wanted: Permit,
    },
}

/// In which parameters two roots at one path differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootDifferences {
    /// Another file host.
    pub host: bool,
    /// Another directory on it.
    pub host_root: bool,
    /// Another GitLab namespace.
    pub gitlab_namespace: bool,
}

impl std::fmt::Display for RootDifferences {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let named = [
            (self.host, "host"),
            (self.host_root, "host_root"),
            (self.gitlab_namespace, "gitlab_namespace"),
        ];
        let names: Vec<_> = named
            .into_iter()
            .filter_map(|(differs, name)| differs.then_some(name))
            .collect();
        f.write_str(&names.join(", "))
    }
}

/// An event that cannot follow what happened before; the history must not be used further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{event} cannot follow: {why}")]
pub struct BrokenRegistry {
    /// The wire name of the event.
    pub event: &'static str,
    /// What stands against it.
    pub why: &'static str,
}
