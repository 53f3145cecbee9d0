//! Those who wait at the in-memory journal: followers of a stream and handles on consumers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::unfold;
use nogfso_kernel::Position;

use super::consumer::{ConsumerState, millis};
use super::{MemoryLog, State, refused};
use crate::log::{Acker, Consumer, ConsumerProgress, Delivery, Following, From, ReadFault, Stored};

/// Follows `stream`; waits silently while the server is down.
pub(super) fn following(
    log: &MemoryLog,
    stream: &'static str,
    filter: &str,
    from: From,
) -> Result<Following, ReadFault> {
    let state = log.lock_up()?;
    let known = state.stream(stream)?;
    let (backlog, cursor) = match from {
        From::After(position) => (VecDeque::new(), position.0),
        From::Now => (VecDeque::new(), known.last()),
        From::LastOfEachSubject => (known.last_of_each(filter), known.last()),
    };
    drop(state);
    let follower = Follower {
        log: log.clone(),
        stream,
        filters: [filter.to_owned()],
        backlog,
        cursor,
    };
    Ok(unfold(follower, |mut follower| async move {
        let stored = follower.next().await?;
        Some((Ok(stored), follower))
    })
    .boxed())
}

struct Follower {
    log: MemoryLog,
    stream: &'static str,
    filters: [String; 1],
    backlog: VecDeque<Stored>,
    cursor: u64,
}

impl Follower {
    async fn next(&mut self) -> Option<Stored> {
        tokio::task::yield_now().await;
        if let Some(stored) = self.backlog.pop_front() {
            return Some(stored);
        }
        let (stream, cursor, filters) = (self.stream, self.cursor, &self.filters);
        let look = |state: &mut State, _now_ms| {
            let known = state.streams.get(stream).filter(|_| !state.is_down)?;
            known.next_matching(cursor, filters).cloned()
        };
        let stored = self.log.wait((stream, None), None, look).await?;
        self.cursor = stored.position.0;
        Some(stored)
    }
}

pub(super) type ConsumerKey = (&'static str, String);

/// A handle on a durable consumer.
pub(super) struct Handle {
    pub(super) log: MemoryLog,
    pub(super) key: ConsumerKey,
}

#[async_trait]
impl Consumer for Handle {
    async fn pull(&self, count: usize, patience: Duration) -> Result<Vec<Delivery>, ReadFault> {
        tokio::task::yield_now().await;
        drop(self.log.lock_up()?);
        let delivered = self
            .log
            .wait(
                (self.key.0, Some(&self.key)),
                Some(patience),
                |state, now_ms| {
                    let State {
                        streams,
                        consumers,
                        is_down,
                        ..
                    } = state;
                    let consumer = consumers.get_mut(&self.key).filter(|_| !*is_down)?;
                    let delivered = consumer.deliver(streams.get(self.key.0)?, count, now_ms);
                    Some(delivered).filter(|delivered| !delivered.is_empty())
                },
            )
            .await;
        let delivery = |(stored, delivered): (Stored, u64)| {
            let answer = Answer {
                log: self.log.clone(),
                key: self.key.clone(),
                position: stored.position,
                delivered,
            };
            Delivery {
                stored,
                delivered,
                acker: Arc::new(answer),
            }
        };
        Ok(delivered
            .unwrap_or_default()
            .into_iter()
            .map(delivery)
            .collect())
    }

    async fn progress(&self) -> Result<ConsumerProgress, ReadFault> {
        tokio::task::yield_now().await;
        let state = self.log.lock_up()?;
        let consumer = state
            .consumers
            .get(&self.key)
            .ok_or_else(|| refused("the consumer is gone".to_owned()))?;
        Ok(consumer.progress(state.stream(self.key.0)?))
    }
}

struct Answer {
    log: MemoryLog,
    key: ConsumerKey,
    position: Position,
    delivered: u64,
}

impl Answer {
    /// Gives an answer, which may be one that comes too late.
    async fn give(
        &self,
        answer: impl FnOnce(&mut ConsumerState, u64) -> Option<&'static str> + Send,
    ) -> Result<(), ReadFault> {
        tokio::task::yield_now().await;
        let now_ms = self.log.shared.clock.now_ms();
        let mut state = self.log.lock_up()?;
        let Some(consumer) = state.consumers.get_mut(&self.key) else {
            return Ok(());
        };
        // Those who wait need not look for less work, nor for what comes later than they know.
        let (was_full, was_due_ms) = (consumer.is_full(), consumer.next_due_ms());
        let played = answer(consumer, now_ms);
        let is_earlier = match (consumer.next_due_ms(), was_due_ms) {
            (Some(due_ms), Some(was_due_ms)) => due_ms < was_due_ms,
            (due_ms, _) => due_ms.is_some(),
        };
        if let Some(played) = played {
            state.note_played(played);
        }
        drop(state);
        if was_full || is_earlier {
            self.log.look_at(self.key.0);
        }
        Ok(())
    }
}

#[async_trait]
impl Acker for Answer {
    async fn ack(&self) -> Result<(), ReadFault> {
        self.give(|consumer, _now_ms| {
            let is_stale = consumer.ack(self.position, self.delivered);
            is_stale.then_some("stale ack")
        })
        .await
    }

    async fn nak(&self, delay: Duration) -> Result<(), ReadFault> {
        self.give(|consumer, now_ms| {
            consumer.hold_until(self.position, now_ms + millis(delay));
            None
        })
        .await
    }

    async fn progress(&self) -> Result<(), ReadFault> {
        self.give(|consumer, now_ms| {
            let due_ms = now_ms + millis(consumer.spec.ack_wait);
            consumer.hold_until(self.position, due_ms);
            None
        })
        .await
    }
}
