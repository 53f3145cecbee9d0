//! A list of deployments that is kept up to date from the journal, and can be dropped and made again at any time (spec 2.6, 7).
//!
//! What has not ended is held as a whole state, what has ended as a view. Nothing is decided upon it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use nogfso_journal::log::{From, Stored};
use nogfso_journal::{Commit, Log};
use nogfso_journal::{EnvelopeError, Previous};
use nogfso_kernel::{Aggregate, Position, StreamSpec};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::deployment::{Deployment, DeploymentEvent, Deployments};
use crate::view::DeploymentView;

const FOLLOW_AGAIN_PAUSE: Duration = Duration::from_millis(500);

/// A deployment in the list.
#[derive(Debug, Clone)]
enum Entry {
    /// It may change.
    Unfinished {
        deployment: Arc<Deployment>,
        last: Previous,
    },
    /// It has ended.
    Finished(Box<DeploymentView>),
    /// Its journal cannot be trusted, or was written by a newer build: nobody works on it (spec 2.13).
    Held {
        known: Option<Box<DeploymentView>>,
        reason: String,
    },
}

/// A line of the list.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// Where the deployment lies.
    pub subject: String,
    /// What is known of it; absent if not even its first commit can be read.
    pub view: Option<DeploymentView>,
    /// Why its journal is not trusted, if it is not.
    pub held: Option<String>,
}

/// All deployments on some streams, by subject.
#[derive(Debug, Default)]
pub struct Listing {
    entries: BTreeMap<String, Entry>,
}

impl Listing {
    /// Takes the next commit of a stream; each stream's commits come in order. One that was taken before changes nothing.
    pub fn take(&mut self, stored: &Stored) {
        let before = self.entries.remove(&stored.subject);
        let after = match before {
            Some(finished @ Entry::Finished(_)) => finished,
            Some(held @ Entry::Held { .. }) => held,
            Some(Entry::Unfinished { deployment, last }) => {
                if stored.position <= last.position {
                    Entry::Unfinished { deployment, last }
                } else {
                    folded(Some((deployment, last)), stored)
                }
            }
            None => folded(None, stored),
        };
        self.entries.insert(stored.subject.clone(), after);
    }

    /// The line of one deployment.
    #[must_use]
    pub fn one(&self, subject: &str) -> Option<Listed> {
        self.entries
            .get(subject)
            .map(|entry| listed(subject, entry))
    }

    /// The lines of all deployments whose subject comes after `after`, in the order of subjects.
    pub fn after<'a>(&'a self, after: &'a str) -> impl Iterator<Item = Listed> + 'a {
        self.entries
            .range::<str, _>((std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded))
            .map(|(subject, entry)| listed(subject, entry))
    }

    /// The deployments whose time had come at `now_ms` while nobody was told, given `grace_ms` for their alarm to ring.
    #[must_use]
    pub fn overdue(&self, now_ms: u64, grace_ms: u64) -> Vec<String> {
        let is_overdue = |entry: &Entry| match entry {
            Entry::Unfinished { deployment, .. } => deployment
                .deferred_until_ms
                .is_some_and(|until| until.saturating_add(grace_ms) <= now_ms),
            Entry::Finished(_) | Entry::Held { .. } => false,
        };
        let overdue = self.entries.iter().filter(|(_, entry)| is_overdue(entry));
        overdue.map(|(subject, _)| subject.clone()).collect()
    }
}

fn folded(before: Option<(Arc<Deployment>, Previous)>, stored: &Stored) -> Entry {
    let known = before
        .as_ref()
        .map(|(deployment, _)| Box::new(DeploymentView::of(deployment)));
    let held = |reason: String| Entry::Held {
        known: known.clone(),
        reason,
    };
    let commit = match Commit::<DeploymentEvent>::decode(&stored.payload, stored.position) {
        Ok(commit) => commit,
        Err(error @ EnvelopeError::Newer { .. }) => {
            return held(format!("needs a newer build: {error}"));
        }
        Err(error) => return held(format!("journal_corrupt: {error}")),
    };
    let last = before.as_ref().map(|(_, last)| *last);
    if commit.envelope.previous != last {
        return held("journal_corrupt: a commit does not follow the one before it".to_owned());
    }
    let events = commit.recorded();
    let mut state = before.map(|(deployment, _)| deployment);
    for event in &events {
        state = match Deployments::evolve(state, event) {
            Ok(state) => state,
            Err(broken) => return held(format!("journal_corrupt: {broken}")),
        };
    }
    match Deployments::committed(state, &events, stored.position) {
        Some(deployment) if deployment.stage.is_terminal() => {
            Entry::Finished(Box::new(DeploymentView::of(&deployment)))
        }
        Some(deployment) => Entry::Unfinished {
            deployment,
            last: commit.as_previous(),
        },
        None => held("journal_corrupt: a commit without events".to_owned()),
    }
}

fn listed(subject: &str, entry: &Entry) -> Listed {
    let (view, held) = match entry {
        Entry::Unfinished { deployment, .. } => (Some(DeploymentView::of(deployment)), None),
        Entry::Finished(view) => (Some((**view).clone()), None),
        Entry::Held { known, reason } => (known.as_deref().cloned(), Some(reason.clone())),
    };
    Listed {
        subject: subject.to_owned(),
        view,
        held,
    }
}

/// A list that follows the journal.
pub struct Projection {
    listing: Arc<Mutex<Listing>>,
    changes: watch::Sender<u64>,
    /// How many streams are not read up to where they were; absent until reading began.
    behind: watch::Sender<Option<usize>>,
}

impl Projection {
    /// A list of nothing yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            listing: Arc::default(),
            changes: watch::Sender::new(0),
            behind: watch::Sender::new(None),
        })
    }

    /// Follows `streams`, as far as `filter` reaches, until `stop`.
    pub async fn run(
        self: Arc<Self>,
        log: Arc<dyn Log>,
        streams: Vec<StreamSpec>,
        filter: String,
        stop: CancellationToken,
    ) {
        self.behind.send_replace(Some(streams.len()));
        let mut following = JoinSet::new();
        for stream in streams {
            let (log, filter) = (Arc::clone(&log), filter.clone());
            let projection = Arc::clone(&self);
            following.spawn(async move { projection.follow(log, stream.name, &filter).await });
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => following.shutdown().await,
            _ = following.join_next() => {}
        }
    }

    /// Waits until [`Projection::run`] has listed everything that was stored when it began.
    pub async fn caught_up(&self) {
        let mut behind = self.behind.subscribe();
        // The sender lives in `self`, so that this cannot fail.
        drop(behind.wait_for(|behind| *behind == Some(0)).await);
    }

    /// Looks at the list.
    pub fn read<T>(&self, look: impl FnOnce(&Listing) -> T) -> T {
        look(&self.listing.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes whenever the list has.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    async fn follow(&self, log: Arc<dyn Log>, stream: &'static str, filter: &str) {
        let mut target = None;
        let mut position = Position::START;
        let mut is_behind = true;
        loop {
            if target.is_none() {
                target = log
                    .find_last(stream, filter)
                    .await
                    .ok()
                    .map(|last| last.map_or(Position::START, |last| last.position));
            }
            let following = log.follow(stream, filter, From::After(position)).await;
            let (Some(target), Ok(mut following)) = (target, following) else {
                sleep(FOLLOW_AGAIN_PAUSE).await;
                continue;
            };
            loop {
                if is_behind && position >= target {
                    is_behind = false;
                    self.behind.send_modify(|behind| {
                        *behind = behind.map(|count| count.saturating_sub(1));
                    });
                }
                match following.next().await {
                    Some(Ok(stored)) => {
                        position = stored.position;
                        let mut listing =
                            self.listing.lock().unwrap_or_else(PoisonError::into_inner);
                        listing.take(&stored);
                        drop(listing);
                        self.changes.send_modify(|count| *count += 1);
                    }
                    Some(Err(fault)) => {
                        tracing::debug!(stream, %fault, "the list of deployments pauses");
                        break;
                    }
                    None => break,
                }
            }
            sleep(FOLLOW_AGAIN_PAUSE).await;
        }
    }
}
