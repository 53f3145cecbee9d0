//! The append: a guarded publish brought to a certain end, whatever single attempts answer.
//!
//! The rows of the error table are in `nats.md` A.2: a conflict may be our own lost attempt, "in flight" and "unknown" are
//! answered with the same bytes again, and the answer to a repeat is never taken at face value.

use std::ops::RangeInclusive;
use std::time::Duration;

use nogfso_faults::{Rule, met};
use nogfso_kernel::{CommitId, Position};
use tokio::time::{Instant, sleep};

use crate::envelope::commit_id;
use crate::log::{Log, PublishFault, ReadFault, Record};

/// How long an append is tried in all; longer than an election of the server takes.
pub const APPEND_PATIENCE: Duration = Duration::from_secs(15);
const IN_FLIGHT_PAUSE_MS: RangeInclusive<u64> = 1..=4;
const RETRY_PAUSE_MS_MIN: u64 = 20;
const RETRY_PAUSE_MS_MAX: u64 = 500;
/// How often a read may lag behind the leader before the attempt counts as failed.
const STALE_PAGES_MAX: u32 = 200;

/// Why a commit is not known to be stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The subject is not where the guard says, and this commit is not stored. Look at the leader and decide again.
    #[error("another commit was stored first")]
    Conflict,
    /// The server took nothing for the whole time; this commit is not stored.
    #[error("the journal cannot store at this moment: {reason}")]
    Unavailable {
        /// What the last attempt answered.
        reason: String,
    },
    /// It may be stored, now or in a moment.
    #[error("the outcome is unknown: {reason}")]
    Unknown {
        /// What the last attempt answered.
        reason: String,
    },
    /// The server will not store it.
    #[error("the journal refused the commit: {reason}")]
    Refused {
        /// What the server said.
        reason: String,
    },
}

/// Stores `record`, which holds the commit `commit` and must be guarded. Returns its position.
///
/// Repeats the same bytes while the outcome is open, at most [`APPEND_PATIENCE`] in all.
///
/// # Errors
///
/// See [`AppendError`].
pub async fn append(
    log: &dyn Log,
    record: &Record,
    commit: CommitId,
) -> Result<Position, AppendError> {
    let guard = record.guard.unwrap_or(Position::START);
    let deadline = Instant::now() + APPEND_PATIENCE;
    let mut doubtful = false;
    let mut pause_ms = RETRY_PAUSE_MS_MIN;
    let mut pauses = Pauses::of(commit);
    loop {
        let reason = match log.publish(record).await {
            Ok(published) if !published.duplicate && published.position > guard => {
                return Ok(published.position);
            }
            Ok(_) | Err(PublishFault::Conflict) => {
                let was_doubtful = doubtful;
                // Until the commit is found or known to be impossible: a duplicate is stored somewhere.
                doubtful = true;
                match find(log, &record.subject, guard, commit).await {
                    Ok(Found::Ours(position)) => {
                        met(Rule::DoubtStored);
                        return Ok(position);
                    }
                    Ok(Found::Others) => {
                        if was_doubtful {
                            met(Rule::DoubtNotStored);
                        }
                        return Err(AppendError::Conflict);
                    }
                    Ok(Found::Nothing) => {
                        "the server knows the message but does not show it".to_owned()
                    }
                    Err(fault) => fault.to_string(),
                }
            }
            Err(PublishFault::InFlight) => {
                sleep(pauses.within(IN_FLIGHT_PAUSE_MS)).await;
                if Instant::now() < deadline {
                    continue;
                }
                "another write stayed in flight".to_owned()
            }
            Err(PublishFault::Unknown { reason }) => {
                doubtful = true;
                reason
            }
            Err(PublishFault::Unavailable { reason }) => reason,
            // No wait helps: the caller is to hear of it soon.
            Err(PublishFault::Stalled { reason }) => {
                return last_look(log, record, commit, doubtful, reason).await;
            }
            Err(PublishFault::Refused { reason }) if !doubtful => {
                return Err(AppendError::Refused { reason });
            }
            Err(PublishFault::Refused { reason }) => reason,
        };
        if Instant::now() + Duration::from_millis(pause_ms) >= deadline {
            return last_look(log, record, commit, doubtful, reason).await;
        }
        sleep(pauses.within(pause_ms / 2..=pause_ms)).await;
        pause_ms = (pause_ms * 2).min(RETRY_PAUSE_MS_MAX);
    }
}

async fn last_look(
    log: &dyn Log,
    record: &Record,
    commit: CommitId,
    doubtful: bool,
    reason: String,
) -> Result<Position, AppendError> {
    let guard = record.guard.unwrap_or(Position::START);
    match find(log, &record.subject, guard, commit).await {
        Ok(Found::Ours(position)) => Ok(position),
        Ok(Found::Others) => Err(AppendError::Conflict),
        Ok(Found::Nothing) | Err(_) if doubtful => Err(AppendError::Unknown { reason }),
        Ok(Found::Nothing) | Err(_) => Err(AppendError::Unavailable { reason }),
    }
}

/// Pauses that differ from writer to writer, so that they do not stay in step. They follow from the id of the commit, which is
/// random: an append brings no chance of its own, and a simulation that makes the ids decides them too.
struct Pauses(u64);

impl Pauses {
    fn of(commit: CommitId) -> Self {
        let id = commit.0.0;
        Self(u64::try_from((id ^ (id >> 64)) & u128::from(u64::MAX)).unwrap_or_default())
    }

    fn within(&mut self, range_ms: RangeInclusive<u64>) -> Duration {
        // One step of SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let count = range_ms.end() - range_ms.start() + 1;
        Duration::from_millis(range_ms.start() + mixed % count)
    }
}

enum Found {
    /// Our commit is stored here.
    Ours(Position),
    /// The subject has moved beyond the guard without our commit, which can therefore never be stored any more; or it lost
    /// the message of the guard.
    Others,
    /// The subject is where the guard says.
    Nothing,
}

async fn find(
    log: &dyn Log,
    subject: &str,
    guard: Position,
    commit: CommitId,
) -> Result<Found, ReadFault> {
    let last = log.leader_last(subject).await?;
    let position = last.as_ref().map_or(Position::START, |last| last.position);
    let Some(last) = last.filter(|_| position > guard) else {
        return Ok(if position == guard {
            Found::Nothing
        } else {
            Found::Others
        });
    };
    let ours = |payload: &[u8]| commit_id(payload).is_ok_and(|id| id == commit);
    if ours(&last.payload) {
        return Ok(Found::Ours(last.position));
    }
    let mut after = guard;
    let mut empty_pages = 0;
    let mut pauses = Pauses::of(commit);
    while after < last.position {
        let page = log.read(subject, after).await?;
        if let Some(stored) = page.iter().find(|stored| ours(&stored.payload)) {
            return Ok(Found::Ours(stored.position));
        }
        match page.last() {
            Some(stored) => after = stored.position,
            None if empty_pages >= STALE_PAGES_MAX => {
                return Err(ReadFault::Unavailable {
                    reason: "reads stay behind the leader".to_owned(),
                });
            }
            None => {
                empty_pages += 1;
                sleep(pauses.within(IN_FLIGHT_PAUSE_MS)).await;
            }
        }
    }
    Ok(Found::Others)
}

#[cfg(test)]
mod tests;
