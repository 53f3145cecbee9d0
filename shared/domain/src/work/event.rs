//! The facts of a lane.

use nogfso_ids::{Author, Instance, RequestId, UnixMillis};
use nogfso_kernel::{Event, Position, Recorded};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Backlog, Order, WorkResult};
use crate::operation::ErrorText;

/// A fact about the work of one lane of one repo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub enum WorkEvent {
    /// Something is to be done.
    #[serde(rename = "EV_FSO_WORK_REQUESTED")]
    Requested {
        /// The id of the request.
        request_id: RequestId,
        /// What is to be done.
        order: Order,
        /// Who is named in the commits that it leads to.
        author: Author,
        /// When it was asked, in ms since the Unix epoch.
        at_ms: UnixMillis,
    },
    /// A request is no longer wanted.
    #[serde(rename = "EV_FSO_WORK_CANCELLED")]
    Cancelled {
        /// The request.
        request_id: RequestId,
    },
    /// A worker took the claim.
    #[serde(rename = "EV_FSO_WORK_CLAIMED")]
    Claimed {
        /// Higher than every one before.
        epoch: u64,
        /// The worker.
        instance: Instance,
        /// The message that the worker holds for as long as the claim lasts.
        #[schemars(with = "u64")]
        lease: Position,
    },
    /// The holder began a request.
    #[serde(rename = "EV_FSO_WORK_STARTED")]
    Started {
        /// The request.
        request_id: RequestId,
        /// The epoch of the holder.
        epoch: u64,
    },
    /// The holder put a request off.
    #[serde(rename = "EV_FSO_WORK_DEFERRED")]
    Deferred {
        /// The request.
        request_id: RequestId,
        /// The epoch of the holder.
        epoch: u64,
        /// Until when, in ms since the Unix epoch.
        until_ms: u64,
        /// Why, for a person.
        reason: ErrorText,
    },
    /// A request ended.
    #[serde(rename = "EV_FSO_WORK_FINISHED")]
    Finished {
        /// The request.
        request_id: RequestId,
        /// The epoch of the holder; absent if it was taken back while it waited.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epoch: Option<u64>,
        /// How it ended.
        result: WorkResult,
        /// Whether the release follows in the same commit, so that a fold may start here.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        releases: bool,
    },
    /// The holder gave the claim back; the whole state that remains.
    #[serde(rename = "EV_FSO_WORK_RELEASED")]
    Released {
        /// The epoch of the holder, the highest so far.
        epoch: u64,
        /// All that outlives the claim.
        backlog: Backlog,
        /// Where the newest commit before this one lies that asked a worker to look.
        #[schemars(with = "u64")]
        newest_trigger: Position,
    },
    /// The claim of an epoch is void.
    #[serde(rename = "EV_FSO_WORK_REVOKED")]
    Revoked {
        /// That epoch.
        epoch: u64,
    },
    /// A worker is to look again.
    #[serde(rename = "EV_FSO_WORK_WOKEN")]
    Woken {
        /// The deferred request that is due now, if it is for one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request_id: Option<RequestId>,
    },
}

/// Whether the commit of `recorded` asks a worker to look (design 5, rule 1).
#[must_use]
pub fn is_trigger(recorded: &Recorded<WorkEvent>) -> bool {
    match &recorded.event {
        WorkEvent::Requested { .. } | WorkEvent::Revoked { .. } | WorkEvent::Woken { .. } => true,
        WorkEvent::Released { backlog, .. } => backlog.due().next().is_some(),
        WorkEvent::Cancelled { .. }
        | WorkEvent::Claimed { .. }
        | WorkEvent::Started { .. }
        | WorkEvent::Deferred { .. }
        | WorkEvent::Finished { .. } => false,
    }
}

impl Event for WorkEvent {
    const NAMES: &'static [&'static str] = &[
        "EV_FSO_WORK_REQUESTED",
        "EV_FSO_WORK_CANCELLED",
        "EV_FSO_WORK_CLAIMED",
        "EV_FSO_WORK_STARTED",
        "EV_FSO_WORK_DEFERRED",
        "EV_FSO_WORK_FINISHED",
        "EV_FSO_WORK_RELEASED",
        "EV_FSO_WORK_REVOKED",
        "EV_FSO_WORK_WOKEN",
    ];

    fn name(&self) -> &'static str {
        match self {
            Self::Requested { .. } => "EV_FSO_WORK_REQUESTED",
            Self::Cancelled { .. } => "EV_FSO_WORK_CANCELLED",
            Self::Claimed { .. } => "EV_FSO_WORK_CLAIMED",
            Self::Started { .. } => "EV_FSO_WORK_STARTED",
            Self::Deferred { .. } => "EV_FSO_WORK_DEFERRED",
            Self::Finished { .. } => "EV_FSO_WORK_FINISHED",
            Self::Released { .. } => "EV_FSO_WORK_RELEASED",
            Self::Revoked { .. } => "EV_FSO_WORK_REVOKED",
            Self::Woken { .. } => "EV_FSO_WORK_WOKEN",
        }
    }
}
