//! What a repo can be asked to do.

use nogfso_ids::{Author, GlobalPath, Host, HostPath, RegistryName, RequestId, SubdirTracking};
use nogfso_kernel::EventId;

use super::RepoError;
use crate::operation::Operation;

/// A command on a repo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepoCommand {
    /// Begins the repo; harmless when repeated with the same values.
    Init {
        /// The registry that accepted it.
        registry: RegistryName,
        /// Where it is.
        global_path: GlobalPath,
        /// Who asked for it.
        creator: Author,
        /// The file host.
        file_host: Host,
        /// The directory on that host.
        host_path: HostPath,
        /// What it records of its subdirectories.
        subdir_tracking: SubdirTracking,
        /// The event by which the registry accepted it.
        cause: EventId,
    },
    /// Says that the shadow was made; harmless when repeated with the same path, or when a newer result was carried.
    ConfirmShadow {
        /// Its directory on the file host.
        shadow_path: HostPath,
        /// The result that tells of it.
        result: Carried,
    },
    /// Stores why an operation failed, in place of an older failure of the same; harmless for a request that was
    /// carried last, even if its error was cleared, and for a result that is not newer than the one carried last.
    SetError {
        /// What failed.
        operation: Operation,
        /// Why.
        error: RepoError,
        /// The number of the result in its lane, from 1; 0 if it was not counted.
        result_number: u64,
    },
    /// Clears stored errors.
    ClearError {
        /// Which, and why.
        by: ClearBy,
    },
}

/// Which errors are to be cleared, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClearBy {
    /// An operator clears the error of an operation; harmless if there is none.
    Operation(Operation),
    /// An operator clears the errors with exactly this text; there must be one.
    Text(String),
    /// The operation has succeeded since; harmless if there is no error, or if it is of a newer result. If a failure before
    /// the success was not carried here yet, it is remembered that it no longer counts.
    Success {
        /// The operation.
        operation: Operation,
        /// The result that tells of it.
        result: Carried,
        /// The number of the newest failure before it; 0 if there is none.
        failed_before: u64,
    },
}

/// A result of work that is carried to the repo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Carried {
    /// The request that it answers.
    pub request: RequestId,
    /// Its number in its lane, from 1; 0 if it was not counted.
    pub number: u64,
}
