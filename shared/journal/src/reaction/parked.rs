//! What could not be processed, one entry for each reaction, aggregate and item.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use nogfso_kernel::Position;
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{JOURNAL_PREFIX, ReactError};
use crate::log::{From, Log, PublishFault, ReadFault, Record, Stored};
use crate::{Environment, again};

/// The stream of parked entries.
pub const PARKED_STREAM: &str = "FSO_PARKED";
const PARKED_PREFIX: &str = "fso.parked.";
const PARKED_ALL: &str = "fso.parked.>";
/// How long the next entry is waited for before it is asked anew which one is the last.
const CATCH_UP_PATIENCE: Duration = Duration::from_secs(1);
/// The longest reason that is kept, in characters.
const REASON_CHARS_MAX: usize = 1_000;
const FOLLOW_AGAIN_PAUSE: Duration = Duration::from_secs(1);

/// One parked entry, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedEntry {
    /// The reaction that could not go on.
    pub reaction: String,
    /// The aggregate.
    pub subject: String,
    /// The part of the aggregate that is concerned, if not all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// The position that was to be processed.
    pub position: u64,
    /// Why.
    pub reason: String,
    /// When, in milliseconds since the Unix epoch.
    pub parked_ms: u64,
    /// Set by the operator: try again. The entry goes when a try has succeeded.
    #[serde(default)]
    pub retry: bool,
}

/// The subject of an entry. Items must be subject tokens.
#[must_use]
pub fn parked_subject(reaction: &str, subject: &str, item: Option<&str>) -> String {
    let aggregate = subject.strip_prefix(JOURNAL_PREFIX).unwrap_or(subject);
    match item {
        Some(item) => format!("{PARKED_PREFIX}{reaction}.{aggregate}.item.{item}"),
        None => format!("{PARKED_PREFIX}{reaction}.{aggregate}"),
    }
}

/// The parked entries, kept up to date from the stream.
#[derive(Clone)]
pub struct Parked {
    log: Arc<dyn Log>,
    environment: Environment,
    entries: Arc<Mutex<BTreeMap<String, ParkedEntry>>>,
}

impl Parked {
    /// A table that is empty until [`Parked::catch_up`] or [`Parked::keep_up`] runs.
    #[must_use]
    pub fn new(log: Arc<dyn Log>, environment: Environment) -> Self {
        Self {
            log,
            environment,
            entries: Arc::default(),
        }
    }

    /// Takes in all entries that are stored at this moment. Who reacts before knows nothing of what is parked: it would try
    /// again what fails for good, and leave the entry of what succeeds. Waits for as long as the journal does not answer.
    ///
    /// # Errors
    ///
    /// Fails if the journal refuses.
    pub async fn catch_up(&self) -> Result<(), ReadFault> {
        again("read what is parked", ReadFault::is_transient, async || {
            // What is removed meanwhile never comes; then there may be another that is the last.
            while !self.take_in_all().await? {}
            Ok(())
        })
        .await
    }

    /// Whether the entry was seen that was the last one at the beginning.
    async fn take_in_all(&self) -> Result<bool, ReadFault> {
        let Some(last) = self.log.find_last(PARKED_STREAM, PARKED_ALL).await? else {
            return Ok(true);
        };
        let from = From::LastOfEachSubject;
        let mut following = self.log.follow(PARKED_STREAM, PARKED_ALL, from).await?;
        while let Ok(Some(stored)) = timeout(CATCH_UP_PATIENCE, following.next()).await {
            let stored = stored?;
            self.take_in(&stored);
            if stored.position >= last.position {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Follows the stream until `stop`. Entries that another process removed are noticed when they are next looked up by
    /// [`Parked::is_passed_over`].
    pub async fn keep_up(&self, stop: CancellationToken) {
        loop {
            let following = self
                .log
                .follow(PARKED_STREAM, PARKED_ALL, From::LastOfEachSubject)
                .await;
            if let Ok(mut following) = following {
                while let Some(Ok(stored)) = tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    next = following.next() => next,
                } {
                    self.take_in(&stored);
                }
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = sleep(FOLLOW_AGAIN_PAUSE) => {}
            }
        }
    }

    /// All entries that are known, ordered by subject.
    #[must_use]
    pub fn entries(&self) -> Vec<ParkedEntry> {
        self.lock().values().cloned().collect()
    }

    /// Whether the aggregate or item is parked and no operator asked for a retry.
    ///
    /// # Errors
    ///
    /// Fails if a known entry cannot be checked.
    pub async fn is_passed_over(
        &self,
        reaction: &str,
        subject: &str,
        item: Option<&str>,
    ) -> Result<bool, ReactError> {
        let key = parked_subject(reaction, subject, item);
        if !self.lock().contains_key(&key) {
            return Ok(false);
        }
        match self
            .log
            .leader_last(&key)
            .await
            .map_err(ReactError::transient)?
        {
            Some(stored) => {
                self.take_in(&stored);
                Ok(!self.lock().get(&key).is_some_and(|entry| entry.retry))
            }
            None => {
                self.lock().remove(&key);
                Ok(false)
            }
        }
    }

    /// Parks an aggregate or an item of it; replaces an earlier entry.
    ///
    /// # Errors
    ///
    /// Fails if the entry could not be stored; the delivery must then not be acknowledged.
    pub async fn park(
        &self,
        reaction: &str,
        subject: &str,
        item: Option<&str>,
        position: u64,
        reason: &str,
    ) -> Result<(), ReactError> {
        tracing::error!(reaction, subject, item, reason, "parked");
        let entry = ParkedEntry {
            reaction: reaction.to_owned(),
            subject: subject.to_owned(),
            item: item.map(str::to_owned),
            position,
            reason: reason.chars().take(REASON_CHARS_MAX).collect(),
            parked_ms: self.environment.now_ms(),
            retry: false,
        };
        self.put(entry).await.map_err(ReactError::transient)
    }

    /// Marks an entry for another try. The caller wakes the aggregate afterwards.
    ///
    /// # Errors
    ///
    /// Fails if the mark could not be stored.
    pub async fn mark_retry(&self, entry: &ParkedEntry) -> Result<(), PublishFault> {
        self.put(ParkedEntry {
            retry: true,
            ..entry.clone()
        })
        .await
    }

    /// Removes the entry of an aggregate after a look at its state at `position`. One that another instance made during that
    /// look at a later state stays, since that state was acknowledged without having been processed.
    pub(super) async fn remove_up_to(
        &self,
        reaction: &str,
        subject: &str,
        position: Position,
    ) -> Result<(), ReactError> {
        let key = parked_subject(reaction, subject, None);
        if !self.lock().contains_key(&key) {
            return Ok(());
        }
        let last = self.log.leader_last(&key).await;
        if let Some(stored) = last.map_err(ReactError::transient)? {
            self.take_in(&stored);
            let is_later = |entry: &ParkedEntry| !entry.retry && entry.position > position.0;
            if self.lock().get(&key).is_some_and(is_later) {
                return Ok(());
            }
            let keep_from = Position(stored.position.0 + 1);
            self.log
                .purge(&key, Some(keep_from))
                .await
                .map_err(ReactError::transient)?;
        }
        self.lock().remove(&key);
        Ok(())
    }

    /// Removes an entry, because a try succeeded or the operator skips it. Harmless if there is none; one that this table
    /// does not know of yet stays.
    ///
    /// # Errors
    ///
    /// Fails if the journal does not answer.
    pub async fn remove(
        &self,
        reaction: &str,
        subject: &str,
        item: Option<&str>,
    ) -> Result<(), ReactError> {
        let key = parked_subject(reaction, subject, item);
        if self.lock().contains_key(&key) {
            self.log
                .purge(&key, None)
                .await
                .map_err(ReactError::transient)?;
            self.lock().remove(&key);
        }
        Ok(())
    }

    async fn put(&self, entry: ParkedEntry) -> Result<(), PublishFault> {
        let key = parked_subject(&entry.reaction, &entry.subject, entry.item.as_deref());
        let payload = serde_json::to_vec(&entry).map_err(|error| PublishFault::Refused {
            reason: error.to_string(),
        })?;
        let record = Record {
            subject: key.clone(),
            payload: Bytes::from(payload),
            headers: vec![],
            message_id: None,
            guard: None,
            schedule: None,
        };
        self.log.publish(&record).await?;
        self.lock().insert(key, entry);
        Ok(())
    }

    fn take_in(&self, stored: &Stored) {
        match serde_json::from_slice::<ParkedEntry>(&stored.payload) {
            Ok(entry) => {
                self.lock().insert(stored.subject.clone(), entry);
            }
            Err(error) => {
                tracing::warn!(subject = stored.subject, %error, "a parked entry is unreadable")
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, ParkedEntry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
