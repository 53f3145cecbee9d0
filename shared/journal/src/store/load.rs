//! Loading: what is new since the last look, verified link by link.

use std::time::Duration;

use nogfso_faults::{Mutant, Rule, is_planted, met};
use nogfso_kernel::{Aggregate, Folded, Position, Recorded, fold_events};
use tokio::sync::watch;
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
        let at_least = if is_planted(Mutant::NoLeastPosition) {
            Position::START
        } else {
            at_least
        };
        let slot = self.cache.slot(subject);
        let mut kept = slot.kept.lock().await;
        kept.seen = None;
        let loaded = self
            .refreshed(subject, kept.loaded.clone(), at_least)
            .await?;
        slot.keep(&mut kept, loaded.clone());
        Ok(loaded)
    }

    /// What this process learns of the aggregate from now on, beginning with what it knows. Others' commits show only when
    /// something of this process loads them; nothing is missed that this process appends.
    pub async fn watch(&self, subject: &str) -> watch::Receiver<Loaded<A>> {
        let slot = self.cache.slot(subject);
        let kept = slot.kept.lock().await;
        let receiver = slot.known.subscribe();
        slot.known.send_replace(kept.loaded.clone());
        receiver
    }

    /// Whether anybody in this process watches the aggregate.
    #[must_use]
    pub fn is_watched(&self, subject: &str) -> bool {
        let slot = self.cache.known(subject);
        slot.is_some_and(|slot| slot.known.receiver_count() > 0)
    }

    /// The aggregate of a delivered commit, with at least that commit.
    ///
    /// A commit that continues what is known is folded as it is: the server has just shown it, and it names the commit before
    /// it by hash. Everything else is read.
    ///
    /// # Errors
    ///
    /// See [`LoadError`].
    pub async fn load_delivered(&self, delivered: &Stored) -> Result<Loaded<A>, LoadError> {
        let subject = &delivered.subject;
        let slot = self.cache.slot(subject);
        {
            let mut kept = slot.kept.lock().await;
            let known = kept.loaded.position();
            if kept.is_fresh() && known >= delivered.position {
                return Ok(kept.loaded.clone());
            }
            if known < delivered.position {
                let commit = decode::<A>(subject, delivered)?;
                if commit.envelope.previous == kept.loaded.last {
                    let loaded = extended::<A>(subject, kept.loaded.clone(), &commit)?;
                    slot.keep(&mut kept, loaded.clone());
                    return Ok(loaded);
                }
            }
        }
        self.load(subject, delivered.position).await
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

    /// Brings a fold up to date, after making sure that the journal still has the last commit of it.
    pub(super) async fn refreshed(
        &self,
        subject: &str,
        mut loaded: Loaded<A>,
        at_least: Position,
    ) -> Result<Loaded<A>, LoadError> {
        let deadline = Instant::now() + BEHIND_PATIENCE;
        loop {
            // The known commit is read again: that costs no round trip, and shows whether its place was given to another.
            let overlap = Position(loaded.position().0.saturating_sub(1));
            let page = self.log.read(subject, overlap).await?;
            for stored in &page {
                let commit = decode::<A>(subject, stored)?;
                if commit.position == loaded.position() {
                    same_commit(subject, &loaded, &commit)?;
                } else {
                    loaded = extended::<A>(subject, loaded, &commit)?;
                }
            }
            if page.len() >= READ_MESSAGES_MAX {
                continue;
            }
            let is_lagging = page.is_empty()
                && loaded.last.is_some()
                && self.leader_ahead(subject, &loaded).await?.is_some();
            if loaded.position() >= at_least && !is_lagging {
                return Ok(loaded);
            }
            if Instant::now() >= deadline {
                return Err(LoadError::Behind {
                    subject: subject.to_owned(),
                    wanted: at_least.max(loaded.position()),
                });
            }
            met(Rule::StaleRead);
            sleep(BEHIND_PAUSE).await;
        }
    }

    /// The leader's last position, if it has something newer than `loaded`.
    ///
    /// # Errors
    ///
    /// Fails if the leader does not have the last commit of `loaded` any more.
    async fn leader_ahead(
        &self,
        subject: &str,
        loaded: &Loaded<A>,
    ) -> Result<Option<Position>, LoadError> {
        let Some(stored) = self.log.leader_last(subject).await? else {
            return match loaded.last {
                Some(_) => Err(changed(subject, loaded.last, "the leader has nothing")),
                None => Ok(None),
            };
        };
        if stored.position < loaded.position() {
            let found = format!("the leader's last commit is {}", stored.position);
            return Err(changed(subject, loaded.last, &found));
        }
        if stored.position == loaded.position() {
            same_commit(subject, loaded, &decode::<A>(subject, &stored)?)?;
            return Ok(None);
        }
        Ok(Some(stored.position))
    }

    /// A fold with everything that the leader has, if it has more than `loaded`.
    ///
    /// # Errors
    ///
    /// Fails if the leader's history is not the one that was folded.
    pub(super) async fn newer_at_leader(
        &self,
        subject: &str,
        loaded: &Loaded<A>,
    ) -> Result<Option<Loaded<A>>, LoadError> {
        match self.leader_ahead(subject, loaded).await? {
            None => Ok(None),
            Some(position) => self
                .refreshed(subject, loaded.clone(), position)
                .await
                .map(Some),
        }
    }
}

/// Makes sure that `commit` is the last one of `loaded`.
fn same_commit<A: Aggregate>(
    subject: &str,
    loaded: &Loaded<A>,
    commit: &Commit<A::Event>,
) -> Result<(), LoadError> {
    if loaded.last == Some(commit.as_previous()) {
        Ok(())
    } else {
        let found = format!("{} is there", commit.envelope.commit);
        Err(changed(subject, loaded.last, &found))
    }
}

/// `loaded` and the commit that follows it.
pub(super) fn extended<A: Aggregate>(
    subject: &str,
    loaded: Loaded<A>,
    commit: &Commit<A::Event>,
) -> Result<Loaded<A>, LoadError> {
    let events = commit.recorded();
    let folded = applied(subject, loaded, commit, &events)?;
    Ok(Loaded {
        state: folded.state,
        vid: folded.vid,
        last: Some(commit.as_previous()),
    })
}

/// `loaded` with the events of the commit that follows it.
pub(super) fn applied<A: Aggregate>(
    subject: &str,
    loaded: Loaded<A>,
    commit: &Commit<A::Event>,
    events: &[Recorded<A::Event>],
) -> Result<Folded<A>, LoadError> {
    let base = if commit.envelope.previous == loaded.last {
        loaded
    } else if restarts::<A>(&loaded, commit) {
        met(Rule::WholeStateStart);
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
    fold_events(base.folded(), events, commit.position).map_err(|broken| LoadError::Broken {
        subject: subject.to_owned(),
        position: commit.position,
        reason: broken.to_string(),
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
