//! What the history of one lane of one repo amounts to.

use std::collections::{BTreeMap, VecDeque};

use nogfso_ids::{Author, Instance, RequestId, UnixMillis};
use nogfso_kernel::Position;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answered, Order, WorkResult};
use crate::is_zero;
use crate::operation::{ErrorText, Operation};

/// How many requests of one lane of one repo may wait.
pub const WAITING_REQUESTS_MAX: usize = 64;
/// How many ids of finished requests are remembered.
pub const FINISHED_REQUESTS_MAX: usize = 1024;
/// For how long the id of a finished request is remembered, in ms: one day.
pub const FINISHED_KEPT_MS: u64 = 24 * 60 * 60 * 1000;
/// How many instances may die with a request in their hands before it is given up.
pub const DEATHS_MAX: u32 = 3;

/// The work of one lane of one repo on one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Work {
    /// The highest epoch that was ever claimed; 0 before the first.
    pub epoch: u64,
    /// Who works, if anybody.
    pub claim: Option<Claim>,
    /// What waits, and what is remembered of what does not.
    pub backlog: Backlog,
    /// Where the newest commit lies that asks a worker to look.
    pub newest_trigger: Position,
}

/// The right to touch the shadow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// One higher each time.
    pub epoch: u64,
    /// The process that holds it.
    pub instance: Instance,
    /// The message whose acknowledgement is owed for as long as the claim lasts.
    pub lease: Position,
}

/// All that outlives a claim; a release carries it whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Backlog {
    /// What was requested and is not finished, in the order of arrival.
    #[serde(default)]
    pub requests: Vec<Request>,
    /// The last result of each operation; one that was cancelled leaves none.
    #[serde(default)]
    pub last: BTreeMap<Operation, Answered>,
    /// The requests that finished lately, the oldest first.
    #[serde(default)]
    pub finished: VecDeque<Finished>,
    /// How many results the lane had so far.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub results_count: u64,
}

/// A request that is not finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Request {
    /// Its id.
    pub request: RequestId,
    /// What it asks for.
    pub order: Order,
    /// Who is named in the commits that it leads to.
    pub author: Author,
    /// When it was made.
    pub at: UnixMillis,
    /// Where it stands.
    pub phase: Phase,
    /// How often it was started.
    #[serde(default)]
    pub starts: u32,
    /// How many instances died with it in their hands.
    #[serde(default)]
    pub deaths: u32,
}

/// Where a request stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Phase {
    /// Its turn has not come, or has come and was broken off.
    Waiting {},
    /// Its turn is not to come before it is woken, at a point in time.
    Deferred {
        /// That point, in ms since the Unix epoch.
        until_ms: u64,
        /// Why, for a person.
        reason: ErrorText,
    },
    /// A holder works on it.
    Started {
        /// The epoch of the holder.
        epoch: u64,
    },
    /// A holder works on it and is to break off.
    Cancelling {
        /// The epoch of the holder.
        epoch: u64,
    },
}

/// What is remembered of a finished request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finished {
    /// Its id.
    pub request: RequestId,
    /// The operation.
    pub operation: Operation,
    /// How it ended, in short.
    pub end: End,
    /// The epoch in which it ended; absent if no worker had a part in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// When, in ms since the Unix epoch.
    pub at_ms: u64,
}

/// How a request ended, in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// It was done.
    Done,
    /// It failed.
    Failed,
    /// It was taken back.
    Cancelled,
}

impl Work {
    /// The unfinished request of that id.
    #[must_use]
    pub fn request(&self, request: RequestId) -> Option<&Request> {
        self.backlog
            .requests
            .iter()
            .find(|known| known.request == request)
    }

    /// What is remembered of the finished request of that id.
    #[must_use]
    pub fn finished(&self, request: RequestId) -> Option<&Finished> {
        self.backlog
            .finished
            .iter()
            .find(|known| known.request == request)
    }

    /// The last result of an operation that was not taken back.
    #[must_use]
    pub fn last(&self, operation: Operation) -> Option<&Answered> {
        self.backlog.last.get(&operation)
    }

    /// The request with an equal order that nobody has begun yet: a new one would be the same.
    #[must_use]
    pub fn equal_waiting(&self, order: &Order) -> Option<RequestId> {
        self.backlog
            .requests
            .iter()
            .find(|known| known.starts == 0 && known.is_idle() && known.order == *order)
            .map(|known| known.request)
    }

    /// What is to be worked on, in order. No clock changes it: see [`Request::is_due`].
    pub fn due(&self) -> impl Iterator<Item = &Request> {
        self.backlog.due()
    }

    /// When the first deferred request is to be woken, in ms since the Unix epoch.
    #[must_use]
    pub fn next_wake_ms(&self) -> Option<u64> {
        self.backlog
            .requests
            .iter()
            .filter_map(Request::wake_ms)
            .min()
    }

    /// How many requests wait, deferred ones too.
    #[must_use]
    pub fn waiting_count(&self) -> usize {
        self.backlog
            .requests
            .iter()
            .filter(|known| known.is_idle())
            .count()
    }
}

impl Backlog {
    /// What is to be worked on, in order.
    pub(super) fn due(&self) -> impl Iterator<Item = &Request> {
        self.requests.iter().filter(|known| known.is_due())
    }

    /// Takes out a request that ended at `at_ms`; whether it was there.
    pub(super) fn finish(&mut self, end: Ended<'_>) -> bool {
        let at = self
            .requests
            .iter()
            .position(|known| known.request == end.request);
        let Some(at) = at else {
            return false;
        };
        let request = self.requests.remove(at);
        let operation = request.order.operation();
        self.finished.push_back(Finished {
            request: request.request,
            operation,
            end: End::of(end.result),
            epoch: end.epoch,
            at_ms: end.at_ms,
        });
        if self.finished.len() > FINISHED_REQUESTS_MAX {
            self.finished.pop_front();
        }
        if End::of(end.result) != End::Cancelled {
            self.results_count += 1;
            let before = self.last.get(&operation);
            let answered = Answered {
                request: request.request,
                order: request.order,
                result: end.result.clone(),
                at_ms: end.at_ms,
                number: self.results_count,
                failed_before: before.map_or(0, Answered::newest_failure),
            };
            self.last.insert(operation, answered);
        }
        true
    }

    /// What a release at `now_ms` carries: nothing is in hand, and what finished long ago is forgotten.
    pub(super) fn handed_back(mut self, now_ms: u64) -> Self {
        for request in &mut self.requests {
            if let Phase::Started { .. } = request.phase {
                request.phase = Phase::Waiting {};
            }
        }
        self.finished
            .retain(|known| known.at_ms.saturating_add(FINISHED_KEPT_MS) > now_ms);
        self
    }
}

/// How a request ended, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended<'a> {
    pub(super) request: RequestId,
    pub(super) epoch: Option<u64>,
    pub(super) result: &'a WorkResult,
    pub(super) at_ms: u64,
}

impl End {
    fn of(result: &WorkResult) -> Self {
        match result {
            WorkResult::Done(_) => Self::Done,
            WorkResult::Failed { .. } => Self::Failed,
            WorkResult::Cancelled {} => Self::Cancelled,
        }
    }
}

impl Request {
    /// Whether the request is to be worked on; one that is being worked on is, one that was put off is when it was woken.
    ///
    /// If a clock could make something due, a worker might claim on a trigger that an earlier holder is about to acknowledge,
    /// and work on with a lease that is gone. A commit that makes something due is a trigger of its own.
    #[must_use]
    pub fn is_due(&self) -> bool {
        match self.phase {
            Phase::Waiting {} | Phase::Started { .. } | Phase::Cancelling { .. } => true,
            Phase::Deferred { .. } => false,
        }
    }

    /// When the request is to be woken, if it was put off, in ms since the Unix epoch.
    #[must_use]
    pub fn wake_ms(&self) -> Option<u64> {
        match self.phase {
            Phase::Deferred { until_ms, .. } => Some(until_ms),
            Phase::Waiting {} | Phase::Started { .. } | Phase::Cancelling { .. } => None,
        }
    }

    /// The epoch in which it was started last and from which it was not handed back.
    #[must_use]
    pub fn started_by(&self) -> Option<u64> {
        match self.phase {
            Phase::Started { epoch } | Phase::Cancelling { epoch } => Some(epoch),
            Phase::Waiting {} | Phase::Deferred { .. } => None,
        }
    }

    fn is_idle(&self) -> bool {
        self.started_by().is_none()
    }
}
