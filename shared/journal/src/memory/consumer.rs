//! Durable consumers of the in-memory journal: who holds which message until when. No waiting.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use nogfso_kernel::Position;

use super::stream::Stream;
use crate::log::{ConsumerProgress, ConsumerSpec, Stored};

/// How many acknowledgements a consumer remembers, so that a restart can forget them.
const ACKED_MESSAGES_MAX: usize = 1_024;

#[derive(Debug)]
pub(super) struct ConsumerState {
    pub(super) spec: ConsumerSpec,
    /// The last position that was delivered for the first time.
    cursor: u64,
    held: BTreeMap<u64, Held>,
    acked: VecDeque<u64>,
}

/// One unanswered message.
#[derive(Debug, Clone, Copy)]
struct Held {
    due_ms: u64,
    delivered: u64,
}

impl ConsumerState {
    pub(super) fn new(spec: ConsumerSpec) -> Self {
        Self {
            spec,
            cursor: 0,
            held: BTreeMap::new(),
            acked: VecDeque::new(),
        }
    }

    /// The messages to deliver now, each with the number of its deliveries.
    pub(super) fn deliver(
        &mut self,
        stream: &Stream,
        count: usize,
        now_ms: u64,
    ) -> Vec<(Stored, u64)> {
        self.held.retain(|&position, _| stream.holds(position));
        self.cursor = self.cursor.min(stream.last());
        let due_ms = now_ms + millis(self.spec.ack_wait);
        let mut deliveries = Vec::new();
        for (&position, held) in self
            .held
            .iter_mut()
            .filter(|(_, held)| held.due_ms <= now_ms)
            .take(count)
        {
            *held = Held {
                due_ms,
                delivered: held.delivered + 1,
            };
            deliveries.extend(
                stream
                    .message(position)
                    .map(|stored| (stored.clone(), held.delivered)),
            );
        }
        while deliveries.len() < count
            && self.held.len() < self.spec.pending_max as usize
            && let Some(stored) = stream.next_matching(self.cursor, &self.spec.filters)
        {
            self.cursor = stored.position.0;
            self.held.insert(
                self.cursor,
                Held {
                    due_ms,
                    delivered: 1,
                },
            );
            deliveries.push((stored.clone(), 1));
        }
        deliveries
    }

    /// When something that is held is to be delivered again.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.held.values().map(|held| held.due_ms).min()
    }

    pub(super) fn held_count(&self) -> usize {
        self.held.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.held.len() >= self.spec.pending_max as usize
    }

    pub(super) fn hold_nth_until(&mut self, nth: usize, due_ms: u64) {
        if let Some(held) = self.held.values_mut().nth(nth) {
            held.due_ms = due_ms;
        }
    }

    /// Forgets everything beyond `last`, which the stream has lost.
    pub(super) fn truncate(&mut self, last: u64) {
        self.cursor = self.cursor.min(last);
        self.held.retain(|&position, _| position <= last);
        self.acked.retain(|&position| position <= last);
    }

    pub(super) fn lose_nth(&mut self, nth: usize) -> bool {
        let nth = nth.checked_rem(self.held.len());
        let position = nth.and_then(|nth| self.held.keys().nth(nth).copied());
        position.is_some_and(|position| self.held.remove(&position).is_some())
    }

    /// Ends the message, whoever holds it now: a server does not tell a late answer from a timely one. Says whether it was the
    /// answer to another delivery than the last.
    pub(super) fn ack(&mut self, position: Position, delivered: u64) -> bool {
        let held = self.held.remove(&position.0);
        if held.is_some() {
            if self.acked.len() == ACKED_MESSAGES_MAX {
                self.acked.pop_front();
            }
            self.acked.push_back(position.0);
        }
        held.is_some_and(|held| held.delivered != delivered)
    }

    pub(super) fn hold_until(&mut self, position: Position, due_ms: u64) {
        if let Some(held) = self.held.get_mut(&position.0) {
            held.due_ms = due_ms;
        }
    }

    pub(super) fn progress(&self, stream: &Stream) -> ConsumerProgress {
        let floor = self
            .held
            .first_key_value()
            .map_or(self.cursor, |(&position, _)| position - 1);
        ConsumerProgress {
            ack_floor: Position(floor),
            delivered: Position(self.cursor),
            waiting: stream.all_matching(self.cursor, &self.spec.filters).count() as u64,
            unacknowledged: self.held.len() as u64,
        }
    }

    /// Forgets the last `acks_count` acknowledgements and that anything held was just delivered. Says how many it forgot.
    pub(super) fn restart(&mut self, acks_count: usize, now_ms: u64) -> usize {
        for held in self.held.values_mut() {
            *held = Held {
                due_ms: now_ms,
                delivered: held.delivered.saturating_sub(1),
            };
        }
        for forgotten_count in 0..acks_count {
            let Some(position) = self.acked.pop_back() else {
                return forgotten_count;
            };
            self.held.insert(
                position,
                Held {
                    due_ms: now_ms,
                    delivered: 0,
                },
            );
        }
        acks_count
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
