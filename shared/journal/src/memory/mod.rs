//! The in-memory journal: it stores as a server does, and plays every odd answer that a server may give.
//!
//! For tests and simulation only. It decides nothing that the port leaves to those above it. Waiting runs on tokio's time,
//! which tests may pause; what time it is, a [`Clock`] says. Every call yields once, so that concurrent tasks interleave.

mod clock;
mod consumer;
mod follow;
mod oddity;
mod play;
mod stream;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use nogfso_kernel::{Keep, Position, StreamSpec};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::Clock;
use crate::log::{
    Consumer, ConsumerProgress, ConsumerSpec, Following, From, Log, PublishFault, Published,
    READ_MESSAGES_MAX, ReadFault, Record, Stored,
};

pub use clock::TokioClock;
pub use oddity::{Odds, PublishOddity, ReadOddity};
pub use play::{Played, STALE_FIND, Witness};
pub use stream::ChecksFirst;

use consumer::{ConsumerState, millis};
use follow::{ConsumerKey, Handle, following};
use oddity::Oddities;
use stream::Stream;

/// A journal in memory. A clone is the same journal.
#[derive(Clone)]
pub struct MemoryLog {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    changed: Changes,
}

/// Wakes those who wait at a stream, and nobody else: with many consumers, most wait elsewhere.
#[derive(Default)]
struct Changes(Mutex<BTreeMap<&'static str, Arc<Notify>>>);

impl Changes {
    fn of(&self, stream: &'static str) -> Arc<Notify> {
        let mut changes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(changes.entry(stream).or_default())
    }

    fn all(&self) -> Vec<Arc<Notify>> {
        let changes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        changes.values().cloned().collect()
    }
}

#[derive(Default)]
struct State {
    streams: BTreeMap<&'static str, Stream>,
    consumers: BTreeMap<(&'static str, String), ConsumerState>,
    oddities: Oddities,
    late: Vec<(u64, Record)>,
    checks_first: ChecksFirst,
    is_down: bool,
    played: Played,
    witness: Option<Witness>,
}

impl std::fmt::Debug for MemoryLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemoryLog")
    }
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new(Arc::new(TokioClock::default()))
    }
}

impl MemoryLog {
    /// An empty journal without streams. `clock` dates what is stored, and says when alarms and leases are due.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let state = Mutex::default();
        Self {
            shared: Arc::new(Shared {
                clock,
                state,
                changed: Changes::default(),
            }),
        }
    }

    /// The journal's clock.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.shared.clock)
    }

    /// Lets everybody who waits look at the clock, after one that does not go with tokio's time was moved.
    pub fn look(&self) {
        for changed in self.shared.changed.all() {
            changed.notify_waiters();
        }
    }

    fn look_at(&self, stream: &'static str) {
        self.shared.changed.of(stream).notify_waiters();
    }

    /// The state with everything done that is due by now.
    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self
            .shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for stream in state.catch_up(self.shared.clock.now_ms()) {
            self.look_at(stream);
        }
        state
    }

    /// The state, if the server is up.
    fn lock_up(&self) -> Result<MutexGuard<'_, State>, ReadFault> {
        let state = self.lock();
        if state.is_down {
            Err(down())
        } else {
            Ok(state)
        }
    }

    /// Waits until `look` finds something at `stream`, or until `patience` ends.
    async fn wait<T>(
        &self,
        (stream, consumer): (&'static str, Option<&ConsumerKey>),
        patience: Option<Duration>,
        mut look: impl FnMut(&mut State, u64) -> Option<T>,
    ) -> Option<T> {
        let deadline_ms =
            patience.map(|patience| self.shared.clock.now_ms().saturating_add(millis(patience)));
        let changes = self.shared.changed.of(stream);
        loop {
            let changed = changes.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let now_ms = self.shared.clock.now_ms();
            let wake_ms = {
                let mut state = self.lock();
                if let Some(found) = look(&mut state, now_ms) {
                    return Some(found);
                }
                state.next_due_ms(stream, consumer, now_ms)
            };
            if deadline_ms.is_some_and(|deadline_ms| deadline_ms <= now_ms) {
                return None;
            }
            match wake_ms.into_iter().chain(deadline_ms).min() {
                Some(wake_ms) => {
                    let pause = Duration::from_millis(wake_ms.saturating_sub(now_ms).max(1));
                    tokio::select! { biased; () = changed => {}, () = sleep(pause) => {} }
                }
                None => changed.await,
            }
        }
    }
}

impl State {
    /// Does what time brings: rings alarms, stores what comes late. Says in which streams anything happened.
    fn catch_up(&mut self, now_ms: u64) -> Vec<&'static str> {
        if self.is_down {
            return vec![];
        }
        let mut happened = vec![];
        for (_, record) in self.late.extract_if(.., |(due_ms, _)| *due_ms <= now_ms) {
            let mut streams = self.streams.values_mut();
            if let Some(stream) = streams.find(|stream| stream.spec.stores(&record.subject))
                && stream.store(&record, self.checks_first, now_ms).is_ok()
            {
                happened.push(stream.spec.name);
            }
        }
        for stream in self.streams.values_mut() {
            if stream.ring(now_ms) {
                happened.push(stream.spec.name);
            }
        }
        self.show_witness();
        happened
    }

    /// When something may happen at a stream, or at a consumer of it, that nobody does.
    fn next_due_ms(
        &self,
        stream: &'static str,
        consumer: Option<&ConsumerKey>,
        now_ms: u64,
    ) -> Option<u64> {
        let alarm = self.streams.get(stream).and_then(Stream::next_alarm_ms);
        let consumer = consumer.and_then(|key| self.consumers.get(key));
        let redelivery = consumer.and_then(ConsumerState::next_due_ms);
        let late = self.late.iter().map(|(due_ms, _)| *due_ms);
        alarm
            .into_iter()
            .chain(redelivery)
            .chain(late)
            .filter(|&due_ms| due_ms > now_ms)
            .min()
    }

    fn stream_of(&mut self, subject: &str) -> Result<&mut Stream, String> {
        if !is_literal(subject) {
            return Err(format!("not a subject: {subject:?}"));
        }
        self.streams
            .values_mut()
            .find(|stream| stream.spec.stores(subject))
            .ok_or_else(|| format!("no stream stores {subject:?}"))
    }

    fn stream(&self, name: &str) -> Result<&Stream, ReadFault> {
        self.streams
            .get(name)
            .ok_or_else(|| refused(format!("there is no stream {name}")))
    }

    fn publish(&mut self, record: &Record, now_ms: u64) -> Result<Published, PublishFault> {
        let lost = || PublishFault::Unknown {
            reason: "no answer".to_owned(),
        };
        let oddity = self.oddities.of_publish(&record.subject);
        if let Some(oddity) = oddity {
            self.note_played(oddity.name());
        }
        match oddity {
            Some(PublishOddity::InFlight) => return Err(PublishFault::InFlight),
            Some(PublishOddity::LostRequest) => return Err(lost()),
            Some(PublishOddity::Late(after)) => {
                self.late.push((now_ms + millis(after), record.clone()));
                return Err(lost());
            }
            Some(PublishOddity::Unavailable) => {
                return Err(PublishFault::Unavailable {
                    reason: "no space left".to_owned(),
                });
            }
            Some(
                PublishOddity::LostAnswer
                | PublishOddity::DuplicateAtZero
                | PublishOddity::OwnConflict,
            )
            | None => {}
        }
        let checks_first = self.checks_first;
        let stored = self
            .stream_of(&record.subject)
            .map_err(|reason| PublishFault::Refused { reason })?
            .store(record, checks_first, now_ms);
        self.show_witness();
        match oddity {
            Some(PublishOddity::LostAnswer) => Err(lost()),
            Some(PublishOddity::OwnConflict) => stored.and(Err(PublishFault::Conflict)),
            Some(PublishOddity::DuplicateAtZero) => stored.map(|_| Published {
                position: Position::START,
                duplicate: true,
            }),
            Some(_) | None => stored,
        }
    }

    /// How many of the last messages a read must not see, or that it gets no answer.
    fn missing(&mut self, subject: &str) -> Result<usize, ReadFault> {
        let (missing, played) = match self.oddities.of_read(subject) {
            Some(ReadOddity::Stale(missing)) => (Ok(missing), "stale read"),
            Some(ReadOddity::Unavailable) => (Err(down()), "unanswered read"),
            None => return Ok(0),
        };
        self.note_played(played);
        missing
    }
}

#[async_trait]
impl Log for MemoryLog {
    async fn ensure_streams(&self, streams: &[StreamSpec]) -> Result<(), ReadFault> {
        let mut state = self.lock_up()?;
        for spec in streams {
            match state.streams.get(spec.name) {
                Some(known) if known.spec != *spec => {
                    return Err(refused(format!(
                        "stream {} is configured otherwise",
                        spec.name
                    )));
                }
                Some(_) => {}
                None => {
                    state.streams.insert(spec.name, Stream::new(*spec));
                }
            }
        }
        Ok(())
    }

    async fn publish(&self, record: &Record) -> Result<Published, PublishFault> {
        tokio::task::yield_now().await;
        let now_ms = self.shared.clock.now_ms();
        let mut state = self.lock();
        if state.is_down {
            return Err(PublishFault::Unknown {
                reason: "no connection".to_owned(),
            });
        }
        let published = state.publish(record, now_ms);
        let mut streams = state.streams.values();
        let stream = streams.find(|stream| stream.spec.stores(&record.subject));
        let stream = stream.map(|stream| stream.spec.name);
        drop(state);
        if let Some(stream) = stream {
            self.look_at(stream);
        }
        published
    }

    async fn read(&self, subject: &str, after: Position) -> Result<Vec<Stored>, ReadFault> {
        tokio::task::yield_now().await;
        let mut state = self.lock_up()?;
        let missing = state.missing(subject)?;
        let mut found = state
            .stream_of(subject)
            .map_err(refused)?
            .of_subject(subject, after);
        found.truncate(found.len().saturating_sub(missing).min(READ_MESSAGES_MAX));
        Ok(found)
    }

    async fn leader_last(&self, subject: &str) -> Result<Option<Stored>, ReadFault> {
        tokio::task::yield_now().await;
        let mut state = self.lock_up()?;
        Ok(state
            .stream_of(subject)
            .map_err(refused)?
            .last_of(subject)
            .cloned())
    }

    async fn find_last(
        &self,
        stream: &'static str,
        filter: &str,
    ) -> Result<Option<Stored>, ReadFault> {
        tokio::task::yield_now().await;
        let mut state = self.lock_up()?;
        let missing = state.missing(filter)?;
        if missing > 0 {
            state.note_played(STALE_FIND);
            return Ok(None);
        }
        Ok(state.stream(stream)?.last_matching(filter).cloned())
    }

    async fn follow(
        &self,
        stream: &'static str,
        filter: &str,
        from: From,
    ) -> Result<Following, ReadFault> {
        following(self, stream, filter, from)
    }

    async fn consumer(&self, spec: &ConsumerSpec) -> Result<Arc<dyn Consumer>, ReadFault> {
        let mut state = self.lock_up()?;
        state.stream(spec.stream)?;
        let key = (spec.stream, spec.durable.clone());
        let known = state
            .consumers
            .entry(key.clone())
            .or_insert_with(|| ConsumerState::new(spec.clone()));
        if known.spec != *spec {
            return Err(refused(format!(
                "consumer {} is configured otherwise: {:?}",
                spec.durable, known.spec
            )));
        }
        Ok(Arc::new(Handle {
            log: self.clone(),
            key,
        }))
    }

    async fn consumer_progress(
        &self,
        stream: &'static str,
        durable: &str,
    ) -> Result<Option<ConsumerProgress>, ReadFault> {
        tokio::task::yield_now().await;
        let state = self.lock_up()?;
        let known = state.stream(stream)?;
        let consumer = state.consumers.get(&(stream, durable.to_owned()));
        Ok(consumer.map(|consumer| consumer.progress(known)))
    }

    async fn purge(&self, subject: &str, keep_from: Option<Position>) -> Result<(), ReadFault> {
        tokio::task::yield_now().await;
        let mut state = self.lock_up()?;
        let stream = state.stream_of(subject).map_err(refused)?;
        if stream.spec.keep == Keep::Forever {
            return Err(refused(format!(
                "stream {} is kept for ever",
                stream.spec.name
            )));
        }
        stream.purge(subject, keep_from);
        Ok(())
    }
}

fn is_literal(subject: &str) -> bool {
    let is_token = |token: &str| {
        !token.is_empty()
            && token != "*"
            && token != ">"
            && !token.contains(|c: char| c.is_whitespace() || c.is_control())
    };
    subject.split('.').all(is_token)
}

fn down() -> ReadFault {
    ReadFault::Unavailable {
        reason: "the server is down".to_owned(),
    }
}

fn refused(reason: String) -> ReadFault {
    ReadFault::Refused { reason }
}
