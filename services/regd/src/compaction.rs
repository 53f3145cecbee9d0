//! Compaction of the histories of lanes: what lies before a commit with the whole state, is old enough and has been carried
//! on is purged (design 2). Only regd purges; that two instances do is harmless.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use nogfso_contract::subjects::{WORK_ALL, WORK_STREAM};
use nogfso_domain::work::{WorkEvent, WorkLane};
use nogfso_faults::{Mutant, Rule, is_planted, met};
use nogfso_journal::Commit;
use nogfso_journal::log::{From, ReadFault, Stored};
use nogfso_kernel::{Aggregate, Position};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::results;
use crate::stores::Carry;

/// How many lanes one round takes note of; those that come later in the stream wait until others are done.
const ROUND_LANES_MAX: usize = 1_000_000;
/// How many lanes one round purges.
const ROUND_PURGES_MAX: usize = 10_000;
/// Between two purges, each of which costs as much as some appends.
const PURGE_PAUSE: Duration = Duration::from_millis(10);
/// How long the next message of the stream is waited for before it counts as the last one.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// The old part of one lane's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Old {
    first: Position,
    /// The newest commit with the whole state.
    whole: Option<Position>,
}

pub(crate) struct Compaction {
    carry: Carry,
    settings: Settings,
}

impl Compaction {
    pub(crate) fn new(carry: Carry, settings: Settings) -> Self {
        Self { carry, settings }
    }

    /// Compacts now and then until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let pause = Duration::from_millis(self.settings.purge_every_ms);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = sleep(pause) => {}
            }
            let round = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                round = self.round() => round,
            };
            match round {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "compacted the histories of lanes"),
                Err(fault) => tracing::warn!(%fault, "cannot compact"),
            }
        }
    }

    /// Purges what may go; tells of how many lanes.
    pub(crate) async fn round(&self) -> Result<usize, ReadFault> {
        let old = self.old_parts().await?;
        let log = self.carry.stores.work.log();
        let carried = log.consumer_progress(WORK_STREAM, results::NAME).await?;
        let carried = carried.map_or(Position::START, |progress| progress.ack_floor);
        let mut count = 0;
        for (subject, keep_from) in old
            .iter()
            .filter_map(|(subject, old)| Some((subject, keep_from(*old, carried)?)))
            .take(ROUND_PURGES_MAX)
        {
            log.purge(subject, Some(keep_from)).await?;
            met(Rule::Purged);
            count += 1;
            sleep(PURGE_PAUSE).await;
        }
        Ok(count)
    }

    /// What the stream holds that is old enough, lane by lane. Reads the beginning of the stream, which compaction keeps short.
    async fn old_parts(&self) -> Result<BTreeMap<String, Old>, ReadFault> {
        let work = &self.carry.stores.work;
        let until_ms = work
            .environment()
            .now_ms()
            .saturating_sub(self.settings.purge_after_ms);
        let begin = From::After(Position::START);
        let mut following = work.log().follow(WORK_STREAM, WORK_ALL, begin).await?;
        let mut old = BTreeMap::new();
        while let Ok(Some(stored)) = timeout(END_PATIENCE, following.next()).await {
            let stored = stored?;
            if stored.stored_ms > until_ms {
                break;
            }
            note(&mut old, &stored);
        }
        Ok(old)
    }
}

fn note(old: &mut BTreeMap<String, Old>, stored: &Stored) {
    if old.len() >= ROUND_LANES_MAX && !old.contains_key(&stored.subject) {
        return;
    }
    let lane = old.entry(stored.subject.clone()).or_insert(Old {
        first: stored.position,
        whole: None,
    });
    if carries_whole_state(stored) {
        lane.whole = Some(stored.position);
    }
}

fn carries_whole_state(stored: &Stored) -> bool {
    Commit::<WorkEvent>::decode(&stored.payload, stored.position).is_ok_and(|commit| {
        let first = commit.envelope.events.first();
        first.is_some_and(|first| WorkLane::starts_fold(&first.fact))
    })
}

/// From where a lane's history is kept, if something may go. `carried` is how far results were carried.
fn keep_from(old: Old, carried: Position) -> Option<Position> {
    let whole = old.whole?;
    if is_planted(Mutant::PurgeBeforeCarrying) {
        return Some(Position(whole.0 + 1));
    }
    (whole > old.first && whole <= carried).then_some(whole)
}
