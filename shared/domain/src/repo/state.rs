//! What the history of a repo amounts to.

use std::collections::BTreeMap;
use std::sync::Arc;

use nogfso_ids::{
    Author, GlobalPath, Host, HostPath, RegistryName, RequestId, SubdirTracking, UnixMillis,
};
use nogfso_kernel::EventId;

use crate::operation::{ErrorCode, ErrorText, Operation, Problems};
use crate::tier::StorageTier;

/// What the history of a repo amounts to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Repo {
    /// Nothing has happened yet.
    #[default]
    Absent,
    /// The repo exists.
    Known(Arc<KnownRepo>),
}

/// A repo that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownRepo {
    /// The registry that accepted it.
    pub registry: RegistryName,
    /// Where it is.
    pub global_path: GlobalPath,
    /// Who asked for it.
    pub creator: Author,
    /// The file host.
    pub file_host: Host,
    /// The directory on that host.
    pub host_path: HostPath,
    /// What it records of its subdirectories.
    pub subdir_tracking: SubdirTracking,
    /// The event by which its registry accepted it.
    pub accepted_by: EventId,
    /// Whether there is a shadow.
    pub shadow: Shadow,
    pub(super) errors: BTreeMap<Operation, RepoError>,
    /// The request whose error was last carried here, kept when the error is cleared.
    pub(super) carried: BTreeMap<Operation, RequestId>,
    /// The highest number of a result that changed something here. A lane counts its results, and an operation belongs to one
    /// lane; a repo that comes to another host begins anew.
    pub(super) newest_results: BTreeMap<Operation, u64>,
}

/// The shadow repo, which records what is in the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shadow {
    /// There is none yet.
    Missing {
        /// The event that asks for one: the first of the repo, or the last that cleared a failed attempt.
        asked_by: EventId,
    },
    /// It was made.
    Created {
        /// Its directory on the file host.
        path: HostPath,
        /// Where the files of the repo are.
        tier: StorageTier,
    },
}

/// Why an operation failed. One is kept for each operation, the newest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoError {
    /// What kind of error.
    pub code: ErrorCode,
    /// What happened, for a person.
    pub message: ErrorText,
    /// When it happened.
    pub time: UnixMillis,
    /// The request that failed.
    pub request: RequestId,
    /// The paths that could not be worked on.
    pub problems: Problems,
}

impl Repo {
    /// The repo, if it exists.
    #[must_use]
    pub fn known(&self) -> Option<&KnownRepo> {
        match self {
            Self::Absent => None,
            Self::Known(repo) => Some(repo),
        }
    }

    /// As [`KnownRepo::init_request`]; none if the repo does not exist.
    #[must_use]
    pub fn init_request(&self) -> Option<RequestId> {
        self.known()?.init_request()
    }
}

impl KnownRepo {
    /// Where the files are: `host:path`.
    #[must_use]
    pub fn file_location(&self) -> String {
        format!("{}:{}", self.file_host, self.host_path)
    }

    /// Where the shadow is: `host:path`; none if there is none.
    #[must_use]
    pub fn shadow_location(&self) -> Option<String> {
        self.shadow_path()
            .map(|path| format!("{}:{path}", self.file_host))
    }

    /// The directory of the shadow on the file host; none if there is none.
    #[must_use]
    pub fn shadow_path(&self) -> Option<&HostPath> {
        match &self.shadow {
            Shadow::Missing { .. } => None,
            Shadow::Created { path, .. } => Some(path),
        }
    }

    /// Where the files are kept; unspecified until there is a shadow.
    #[must_use]
    pub fn tier(&self) -> StorageTier {
        match &self.shadow {
            Shadow::Missing { .. } => StorageTier::Unspecified,
            Shadow::Created { tier, .. } => *tier,
        }
    }

    /// The stored errors, in the order of operations.
    pub fn errors(&self) -> impl Iterator<Item = (Operation, &RepoError)> {
        self.errors
            .iter()
            .map(|(operation, error)| (*operation, error))
    }

    /// The stored error of `operation`.
    #[must_use]
    pub fn error(&self, operation: Operation) -> Option<&RepoError> {
        self.errors.get(&operation)
    }

    /// The request of `operation` whose error was last carried here, whether or not the error was cleared since.
    #[must_use]
    pub fn carried(&self, operation: Operation) -> Option<RequestId> {
        self.carried.get(&operation).copied()
    }

    /// The highest number of a result of `operation` that was carried here and changed something; 0 if there is none.
    #[must_use]
    pub fn newest_result(&self, operation: Operation) -> u64 {
        self.newest_results
            .get(&operation)
            .copied()
            .unwrap_or_default()
    }

    /// The request for a shadow that should exist: none if there is a shadow, or if making it failed.
    ///
    /// Always the same until the failure is cleared; then another one, so that it is tried anew.
    #[must_use]
    pub fn init_request(&self) -> Option<RequestId> {
        match &self.shadow {
            Shadow::Missing { asked_by } if self.error(Operation::Init).is_none() => {
                Some(RequestId::derived_from(&asked_by.to_string()))
            }
            Shadow::Missing { .. } | Shadow::Created { .. } => None,
        }
    }
}
