//! The lanes that are not at rest: those whose last commit left something to do, or a claim.
//!
//! Kept from the stream, so that the sweep looks at what is open and never at all that exists.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use nogfso_contract::subjects::{WORK_ALL, WORK_STREAM};
use nogfso_domain::work::WorkEvent;
use nogfso_journal::log::{From, Stored};
use nogfso_journal::{Commit, Log};
use nogfso_kernel::Position;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How many open lanes are known at a time. What is beyond is noticed at its next commit after others came to rest.
const OPEN_LANES_MAX: usize = 1_000_000;
const FOLLOW_AGAIN_PAUSE: Duration = Duration::from_secs(1);

/// The last commit of a lane that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastCommit {
    pub(crate) position: Position,
    /// When the server stored it, in ms since the Unix epoch.
    pub(crate) stored_ms: u64,
}

#[derive(Debug, Default)]
pub(crate) struct OpenLanes {
    lanes: Mutex<BTreeMap<String, LastCommit>>,
}

impl OpenLanes {
    /// Follows the stream until `stop`.
    pub(crate) async fn keep_up(&self, log: Arc<dyn Log>, stop: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.follow(log.as_ref()) => {}
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = sleep(FOLLOW_AGAIN_PAUSE) => {}
            }
        }
    }

    async fn follow(&self, log: &dyn Log) {
        let following = log
            .follow(WORK_STREAM, WORK_ALL, From::LastOfEachSubject)
            .await;
        match following {
            Ok(mut following) => {
                while let Some(Ok(stored)) = following.next().await {
                    self.take_in(&stored);
                }
            }
            Err(fault) => tracing::warn!(%fault, "cannot follow the lanes"),
        }
    }

    /// Up to `count` lanes whose last commit was stored by `until_ms`, in the order of their subjects, behind `after`.
    pub(crate) fn unchanged(
        &self,
        until_ms: u64,
        after: Option<&str>,
        count: usize,
    ) -> Vec<(String, LastCommit)> {
        let begin = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.lock()
            .range::<str, _>((begin, Bound::Unbounded))
            .filter(|(_, last)| last.stored_ms <= until_ms)
            .take(count)
            .map(|(subject, last)| (subject.clone(), *last))
            .collect()
    }

    fn take_in(&self, stored: &Stored) {
        let mut lanes = self.lock();
        if is_at_rest(stored) {
            lanes.remove(&stored.subject);
            return;
        }
        if lanes.len() >= OPEN_LANES_MAX && !lanes.contains_key(&stored.subject) {
            tracing::warn!(
                subject = stored.subject,
                "too many open lanes; this one is not swept"
            );
            return;
        }
        let last = LastCommit {
            position: stored.position,
            stored_ms: stored.stored_ms,
        };
        lanes.insert(stored.subject.clone(), last);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, LastCommit>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the commit leaves nothing to do. What is unreadable does not; whoever loads it tells why.
fn is_at_rest(stored: &Stored) -> bool {
    let Ok(commit) = Commit::<WorkEvent>::decode(&stored.payload, stored.position) else {
        return false;
    };
    match commit.envelope.events.last().map(|last| &last.fact) {
        Some(WorkEvent::Released { backlog, .. }) => backlog.requests.is_empty(),
        Some(_) | None => false,
    }
}
