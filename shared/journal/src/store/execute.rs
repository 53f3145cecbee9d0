//! Carrying out a command: decide, append, and decide again when others were first.

use std::sync::Arc;
use std::time::Duration;

use nogfso_faults::{Mutant, Rule, is_planted, met};
use nogfso_kernel::{Aggregate, CommitId, EventId, Expected, Position, Vid};
use tokio::time::Instant;

use super::cache::Slot;
use super::load::applied;
use super::{By, ExecuteError, LoadError, Loaded, Outcome, Store};
use crate::append::{AppendError, append};
use crate::envelope::{Commit, ENVELOPE_VERSION, Envelope, StoredEvent};
use crate::log::Record;

/// How often a command is decided in all before the caller hears that the aggregate is busy.
pub(super) const DECISIONS_MAX: u32 = 16;

/// How long a fold is decided upon without asking whether the journal still has its last commit. A server that was set up
/// from an old copy gives positions again, so that the guard alone would let a commit through that continues what is lost;
/// nothing restores a server and fills it up to the same position within this time.
pub(super) const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The header that names the decision, for tools.
const COMMIT_HEADER: &str = "Nogfso-Commit";
/// The header that names the event types, for tools.
const EVENTS_HEADER: &str = "Nogfso-Events";
/// The header that names the actor, for tools.
const ACTOR_HEADER: &str = "Nogfso-Actor";

/// What one try came to.
enum Tried<A: Aggregate> {
    /// The answer.
    Done(Outcome<A>),
    /// Something newer is known: decide again.
    Again(Loaded<A>),
}

impl<A: Aggregate> Store<A> {
    /// Carries out `command` on the aggregate on `subject`.
    ///
    /// What is answered without an append was checked against the leader. After a conflict the command is decided again if
    /// `by` allows it. Harmless to repeat as far as the aggregate's rules make it so.
    ///
    /// # Errors
    ///
    /// See [`ExecuteError`].
    pub async fn execute(
        &self,
        subject: &str,
        command: &A::Command,
        by: &By,
    ) -> Result<Outcome<A>, ExecuteError<A>> {
        let slot: Arc<Slot<A>> = self.cache.slot(subject);
        let _place = slot.queue.try_acquire().map_err(|_| ExecuteError::Busy)?;
        let mut kept = slot.kept.lock().await;
        // Until this call ends well the next one starts by looking at the leader.
        let seen = kept.seen.take();
        let mut loaded = self.start(subject, kept.loaded.clone(), seen, by).await?;
        for _ in 0..DECISIONS_MAX {
            let decided_on = loaded.clone();
            match self.try_once(subject, command, by, loaded).await {
                Ok(Tried::Done(outcome)) => {
                    slot.keep(&mut kept, outcome.after.clone());
                    return Ok(outcome);
                }
                Ok(Tried::Again(newer)) => loaded = newer,
                Err(refused @ ExecuteError::Refused(_)) => {
                    // What is refused was decided on what the leader has.
                    slot.keep(&mut kept, decided_on);
                    return Err(refused);
                }
                Err(error) => return Err(error),
            }
        }
        Err(ExecuteError::Busy)
    }

    /// The fold to decide upon first. One that was lately seen in the journal is taken as it is: if it is stale, that shows
    /// when the events are appended or the answer is checked.
    async fn start(
        &self,
        subject: &str,
        loaded: Loaded<A>,
        seen: Option<Instant>,
        by: &By,
    ) -> Result<Loaded<A>, LoadError> {
        let is_fresh = seen.is_some_and(|seen| seen.elapsed() < LOOK_AGAIN_AFTER);
        let loaded = if by.expected == Expected::NoVc {
            // Only what is appended from now on is a lost race.
            self.newer_at_leader(subject, &loaded)
                .await?
                .unwrap_or(loaded)
        } else if is_fresh || is_new(&loaded, by) {
            loaded
        } else if loaded.last.is_none() {
            return self.refreshed(subject, loaded, by.at_least).await;
        } else {
            self.newer_at_leader(subject, &loaded)
                .await?
                .unwrap_or(loaded)
        };
        if loaded.position() >= by.at_least {
            Ok(loaded)
        } else {
            self.refreshed(subject, loaded, by.at_least).await
        }
    }

    async fn try_once(
        &self,
        subject: &str,
        command: &A::Command,
        by: &By,
        loaded: Loaded<A>,
    ) -> Result<Tried<A>, ExecuteError<A>> {
        if let Expected::Exactly(expected) = by.expected
            && expected != loaded.vid
        {
            return match self.newer_at_leader(subject, &loaded).await? {
                Some(newer) if newer.vid == expected => Ok(Tried::Again(newer)),
                Some(newer) => Err(conflict(newer.vid, expected)),
                None => Err(conflict(loaded.vid, expected)),
            };
        }
        match A::decide(&loaded.state, command, self.environment.now_ms()) {
            Ok(events) if !events.is_empty() => self.store(subject, events, by, loaded).await,
            Err(refusal) if is_planted(Mutant::RefusalWithoutLeader) => {
                Err(ExecuteError::Refused(refusal))
            }
            without => match self.newer_at_leader(subject, &loaded).await? {
                Some(newer) => {
                    if without.is_err() {
                        met(Rule::StaleRefusal);
                    }
                    Ok(Tried::Again(newer))
                }
                None => match without {
                    Ok(_) => Ok(Tried::Done(Outcome {
                        after: loaded,
                        appended: vec![],
                    })),
                    Err(refusal) => Err(ExecuteError::Refused(refusal)),
                },
            },
        }
    }

    async fn store(
        &self,
        subject: &str,
        events: Vec<A::Event>,
        by: &By,
        loaded: Loaded<A>,
    ) -> Result<Tried<A>, ExecuteError<A>> {
        let envelope = self.envelope(subject, events, by, &loaded);
        let (payload, hash) = envelope.encode().map_err(|error| ExecuteError::Rejected {
            reason: error.to_string(),
        })?;
        let mut commit = Commit {
            envelope,
            position: loaded.position(),
            hash,
        };
        let appended = commit.recorded();
        // Folding first: what cannot be applied must never be stored.
        let folded =
            applied::<A>(subject, loaded.clone(), &commit, &appended).map_err(|error| {
                ExecuteError::Rejected {
                    reason: format!("the decision cannot be folded: {error}"),
                }
            })?;
        let record = record(subject, payload, &commit.envelope, loaded.position());
        match append(self.log.as_ref(), &record, commit.envelope.commit).await {
            Ok(position) => {
                commit.position = position;
                let after = Loaded {
                    state: A::committed(folded.state, &appended, position),
                    vid: folded.vid,
                    last: Some(commit.as_previous()),
                };
                Ok(Tried::Done(Outcome { after, appended }))
            }
            Err(AppendError::Conflict) => {
                met(Rule::Conflict);
                let newer = self.newer_at_leader(subject, &loaded).await?;
                let newer = newer.unwrap_or_else(|| loaded.clone());
                match by.expected {
                    // A commit without events moves the guard and leaves the version: nobody won a race.
                    _ if newer.vid == loaded.vid => Ok(Tried::Again(newer)),
                    Expected::RetryNoVc => Ok(Tried::Again(newer)),
                    Expected::NoVc => Err(conflict(newer.vid, loaded.vid)),
                    Expected::Exactly(expected) => Err(conflict(newer.vid, expected)),
                }
            }
            Err(AppendError::Unavailable { reason }) => Err(ExecuteError::Unavailable { reason }),
            Err(AppendError::Unknown { reason }) => Err(ExecuteError::Unknown { reason }),
            Err(AppendError::Refused { reason }) => Err(ExecuteError::Rejected { reason }),
        }
    }

    fn envelope(
        &self,
        subject: &str,
        events: Vec<A::Event>,
        by: &By,
        loaded: &Loaded<A>,
    ) -> Envelope<A::Event> {
        let now_ms = self.environment.now_ms();
        let stored = |fact: A::Event| {
            let schema = nogfso_kernel::Event::schema(&fact);
            StoredEvent {
                id: EventId(self.environment.ids.fresh(now_ms)),
                schema,
                fact,
            }
        };
        Envelope {
            v: ENVELOPE_VERSION,
            commit: CommitId(self.environment.ids.fresh(now_ms)),
            aggregate: subject.to_owned(),
            events: events.into_iter().map(stored).collect(),
            previous: loaded.last,
            command: by.command.clone(),
            cause: by.cause.clone(),
            correlation: by.correlation.clone(),
            traceparent: by.traceparent.clone(),
            actor: by.actor.clone(),
            at_ms: now_ms,
            epoch: by.epoch,
        }
    }
}

/// Whether the caller takes the aggregate for new, and nothing is known of it: the guard tells whether it is.
fn is_new<A: Aggregate>(loaded: &Loaded<A>, by: &By) -> bool {
    loaded.last.is_none()
        && by.expected == Expected::Exactly(Vid::EPOCH)
        && by.at_least == Position::START
}

fn record<E: nogfso_kernel::Event>(
    subject: &str,
    payload: bytes::Bytes,
    envelope: &Envelope<E>,
    guard: Position,
) -> Record {
    let names: Vec<&str> = envelope
        .events
        .iter()
        .map(|stored| stored.fact.name())
        .collect();
    Record {
        subject: subject.to_owned(),
        payload,
        headers: vec![
            (COMMIT_HEADER, envelope.commit.to_string()),
            (EVENTS_HEADER, names.join(",")),
            (ACTOR_HEADER, envelope.actor.clone()),
        ],
        message_id: Some(envelope.commit.to_string()),
        guard: Some(guard),
        schedule: None,
    }
}

fn conflict<A: Aggregate>(stored: Vid, expected: Vid) -> ExecuteError<A> {
    ExecuteError::VersionConflict { stored, expected }
}
