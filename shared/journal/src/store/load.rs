//! Loading: what is new since the last look, verified link by link.

use std::time::Duration;

use nogfso_kernel::{Aggregate, Position, fold_events};
use tokio::time::{Instant, sleep};

use super::{LoadError, Loaded, Store};
use crate::envelope::{Commit, EnvelopeError, Previous};
use crate::log::{READ_MESSAGES_MAX, Stored};

/// How long reads may stay behind a known position.
const BEHIND_PATIENCE: Duration = Duration::from_secs(5);
const BEHIND_PAUSE: Duration = Duration::from_millis(2);

impl<A: Aggregate> Store<A> {
    /// The aggregate on `subject`, with at least what is stored up to `at_least`.
    ///
    /// What is newer may be missing for some milliseconds; pass the position of what must be seen.
    ///
    /// # Errors
    ///
    /// See [`LoadError`].
    pub async fn load(&self, subject: &str, at_least: Position) -> Result<Loaded<A>, LoadError> {
        let slot = self.cache.slot(subject);
        let mut cached = slot.loaded.lock().await;
        let refreshed = self.refreshed(subject, cached.take(), at_least).await?;
        *cached = Some(refreshed.clone());
        Ok(refreshed)
    }

    /// The commits of `subject` after `after`, oldest first; at most [`READ_MESSAGES_MAX`], of which each is verified alone.
    ///
    /// # Errors
    ///
    /// See [`LoadError`].
    pub async fn history(
        &self,
        subject: &str,
        after: Position,
    ) -> Result<Vec<Commit<A::Event>>, LoadError> {
        let stored = self.log.read(subject, after).await?;
        stored
            .iter()
            .map(|stored| decode::<A>(subject, stored))
            .collect()
    }

    /// Brings a fold up to date. A fold that turns out to contradict the journal is not returned.
    pub(super) async fn refreshed(
        &self,
        subject: &str,
        cached: Option<Loaded<A>>,
        at_least: Position,
    ) -> Result<Loaded<A>, LoadError> {
        let mut loaded = cached.unwrap_or_default();
        let deadline = Instant::now() + BEHIND_PATIENCE;
        loop {
            let page = self.log.read(subject, loaded.position()).await?;
            let full = page.len() >= READ_MESSAGES_MAX;
            for stored in &page {
                loaded = extended::<A>(subject, loaded, decode::<A>(subject, stored)?)?;
            }
            if full {
                continue;
            }
            if loaded.position() >= at_least {
                return Ok(loaded);
            }
            if Instant::now() >= deadline {
                return Err(LoadError::Behind {
                    subject: subject.to_owned(),
                    wanted: at_least,
                });
            }
            sleep(BEHIND_PAUSE).await;
        }
    }

    /// Whether the leader knows of nothing newer than `loaded`; if it does, a fold that contains it.
    ///
    /// # Errors
    ///
    /// Fails if the leader's history is not the one that was folded.
    pub(super) async fn newer_at_leader(
        &self,
        subject: &str,
        loaded: &Loaded<A>,
    ) -> Result<Option<Loaded<A>>, LoadError> {
        let last = self.log.leader_last(subject).await?;
        let position = last.as_ref().map_or(Position::START, |last| last.position);
        if position < loaded.position() {
            return Err(changed(
                subject,
                loaded.last,
                &format!("the leader's last commit is {position}"),
            ));
        }
        if position == loaded.position() {
            if let (Some(stored), Some(known)) = (&last, &loaded.last) {
                let found = decode::<A>(subject, stored)?.as_previous();
                if found != *known {
                    return Err(changed(
                        subject,
                        loaded.last,
                        &format!("the leader has {}", found.commit),
                    ));
                }
            }
            return Ok(None);
        }
        self.refreshed(subject, Some(loaded.clone()), position)
            .await
            .map(Some)
    }
}

/// `loaded` and the commit that follows it.
pub(super) fn extended<A: Aggregate>(
    subject: &str,
    loaded: Loaded<A>,
    commit: Commit<A::Event>,
) -> Result<Loaded<A>, LoadError> {
    let events = commit.recorded();
    let base = if commit.envelope.previous == loaded.last {
        loaded
    } else if restarts::<A>(&loaded, &commit) {
        Loaded::default()
    } else {
        let found = match &commit.envelope.previous {
            Some(previous) => format!(
                "{} follows {} at {}",
                commit.position, previous.commit, previous.position
            ),
            None => format!("{} follows nothing", commit.position),
        };
        return Err(changed(subject, loaded.last, &found));
    };
    let folded = fold_events(base.folded(), &events, commit.position).map_err(|broken| {
        LoadError::Broken {
            subject: subject.to_owned(),
            position: commit.position,
            reason: broken.to_string(),
        }
    })?;
    Ok(Loaded {
        state: folded.state,
        vid: folded.vid,
        last: Some(commit.as_previous()),
    })
}

/// Whether the fold may begin at this commit: it carries the whole state, and what lies between was purged.
fn restarts<A: Aggregate>(loaded: &Loaded<A>, commit: &Commit<A::Event>) -> bool {
    let later = commit
        .envelope
        .previous
        .is_some_and(|previous| previous.position > loaded.position());
    let whole = commit
        .envelope
        .events
        .first()
        .is_some_and(|first| A::starts_fold(&first.fact));
    later && whole
}

pub(super) fn decode<A: Aggregate>(
    subject: &str,
    stored: &Stored,
) -> Result<Commit<A::Event>, LoadError> {
    let commit = Commit::<A::Event>::decode(&stored.payload, stored.position).map_err(
        |source| match source {
            EnvelopeError::Newer { .. } => LoadError::Newer {
                subject: subject.to_owned(),
                position: stored.position,
                source,
            },
            EnvelopeError::Malformed { .. }
            | EnvelopeError::HashMismatch
            | EnvelopeError::TooLarge { .. } => LoadError::Broken {
                subject: subject.to_owned(),
                position: stored.position,
                reason: source.to_string(),
            },
        },
    )?;
    if commit.envelope.aggregate == subject {
        Ok(commit)
    } else {
        Err(LoadError::Broken {
            subject: subject.to_owned(),
            position: stored.position,
            reason: format!("the commit belongs to {}", commit.envelope.aggregate),
        })
    }
}

fn changed(subject: &str, known: Option<Previous>, found: &str) -> LoadError {
    let known = match known {
        Some(known) => format!("{} at {} was read before", known.commit, known.position),
        None => "nothing was read before".to_owned(),
    };
    let reason = format!("{known}, now {found}");
    tracing::error!(subject, reason, "history changed behind its back");
    LoadError::HistoryChanged {
        subject: subject.to_owned(),
        reason,
    }
}
