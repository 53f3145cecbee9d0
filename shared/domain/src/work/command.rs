//! What a lane can be asked.

use nogfso_ids::{Author, Instance, RequestId, UnixMillis};
use nogfso_kernel::Position;

use super::{Order, WorkResult};
use crate::operation::ErrorText;

/// A command on the work of one lane of one repo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkCommand {
    /// Something is to be done.
    Request {
        /// The id of the request, derived from what caused it.
        request: RequestId,
        /// What is to be done.
        order: Order,
        /// Who is named in the commits that it leads to.
        author: Author,
        /// When it was asked.
        at: UnixMillis,
    },
    /// A request is no longer wanted.
    Cancel {
        /// The request.
        request: RequestId,
    },
    /// A worker that has the lock takes the claim.
    Claim {
        /// The worker.
        instance: Instance,
        /// The message that the worker holds.
        lease: Position,
        /// The epoch found in the lock file, which the new one must exceed; 0 for none.
        above: u64,
    },
    /// The holder begins a request.
    Start {
        /// The request.
        request: RequestId,
        /// The epoch of the holder.
        epoch: u64,
    },
    /// The holder puts a request off.
    Defer {
        /// The request.
        request: RequestId,
        /// The epoch of the holder.
        epoch: u64,
        /// Until when, in ms since the Unix epoch.
        until_ms: u64,
        /// Why, for a person.
        reason: ErrorText,
    },
    /// The holder ends a request.
    Finish {
        /// The request.
        request: RequestId,
        /// The epoch of the holder.
        epoch: u64,
        /// How it ended.
        result: WorkResult,
    },
    /// The holder gives the claim back, whether or not anything is left to do.
    Release {
        /// The epoch of the holder.
        epoch: u64,
    },
    /// The claim of an epoch is void.
    Revoke {
        /// That epoch.
        epoch: u64,
    },
    /// A deferred request is due now, or a worker is to look again.
    Wake {
        /// The deferred request; none to have a worker look again where something is due and nobody works.
        request: Option<RequestId>,
    },
}
