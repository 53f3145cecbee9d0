//! Why commands on a lane are refused, and how a history can be broken.

use nogfso_ids::RequestId;

/// Why a command on a lane was refused. The caller's to handle; never retried as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WorkRefusal {
    /// As many requests wait as may.
    #[error("busy: 64 requests wait already")]
    Busy,
    /// The id belongs to another order.
    #[error("the request id {0} is taken by another order")]
    RequestIdTaken(RequestId),
    /// No such request is remembered.
    #[error("the request {0} is not known")]
    UnknownRequest(RequestId),
    /// The request is not to be begun: it is finished or put off.
    #[error("the request {0} is not due")]
    NotDue(RequestId),
    /// The request was not started in this epoch.
    #[error("the request {0} was not started in this epoch")]
    NotStarted(RequestId),
    /// The holder has another request in hand.
    #[error("the request {0} is in hand")]
    OtherInHand(RequestId),
    /// There is nothing to claim for.
    #[error("nothing is due")]
    NothingDue,
    /// The epoch is no longer, or not yet, that of the claim: the caller must stop and touch nothing more.
    #[error("the claim moved on: epoch {asked} was used, the newest is {newest}")]
    EpochMoved {
        /// The epoch that the command named.
        asked: u64,
        /// The highest epoch so far.
        newest: u64,
    },
}

/// An event that cannot follow what happened before; the history must not be used further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{event} cannot follow: {why}")]
pub struct BrokenWork {
    /// The wire name of the event.
    pub event: &'static str,
    /// What stands against it.
    pub why: &'static str,
}
