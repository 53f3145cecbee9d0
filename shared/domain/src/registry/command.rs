//! What a registry can be asked to do.

use nogfso_ids::{Author, GlobalPath, Host, HostPath, RegistryName, RepoId};
use nogfso_kernel::EventId;

use super::{GitlabNamespace, Permit};

/// A command on a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryCommand {
    /// Begins the registry; harmless when repeated with the same name.
    Init {
        /// Its name.
        name: RegistryName,
    },
    /// Adds a root; harmless when it is there with the same parameters.
    InitRoot {
        /// The global path.
        global_root: GlobalPath,
        /// The file host.
        host: Host,
        /// The directory on that host.
        host_root: HostPath,
        /// Where GitLab projects of its repos are to be made.
        gitlab_namespace: Option<GitlabNamespace>,
    },
    /// Accepts a repo; harmless when its creator has it at the same path.
    InitRepo {
        /// Its id, used only if there is no repo at the path.
        id: NewRepoId,
        /// Where it is.
        global_path: GlobalPath,
        /// Who asks.
        creator: Author,
        /// What the file host was asked and agreed to; `None` before it was asked.
        permit: Option<Permit>,
    },
    /// Says that the repo's own history has begun; harmless when repeated.
    ConfirmRepo {
        /// The repo.
        repo_id: RepoId,
        /// The first event of its history.
        repo_event_id: EventId,
    },
}

/// The id for a repo that is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewRepoId {
    /// Made for this command. A repeat comes with another one and means the same.
    Fresh(RepoId),
    /// Chosen by the caller. A repo that is at the path under another id contradicts.
    Chosen(RepoId),
}

impl NewRepoId {
    /// The id.
    #[must_use]
    pub const fn id(self) -> RepoId {
        match self {
            Self::Fresh(id) | Self::Chosen(id) => id,
        }
    }
}
