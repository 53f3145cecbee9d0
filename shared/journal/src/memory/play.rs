//! What a test has the in-memory journal play, and what was played.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::consumer::{ConsumerState, millis};
use super::stream::Stream;
use super::{ChecksFirst, MemoryLog, Odds, PublishOddity, ReadOddity, State};
use crate::log::{ConsumerProgress, Stored};

/// How often each fault was played, by its name; those that never were are absent.
pub type Played = BTreeMap<&'static str, u64>;

/// The name of a search that found nothing because it lagged.
pub const STALE_FIND: &str = "stale find";

/// Sees every message at the moment at which it is stored. Must not call the journal.
pub type Witness = Arc<dyn Fn(&Stored) + Send + Sync>;

impl MemoryLog {
    /// Answers the next publish on a subject that matches `filter` oddly. Several are played in the order of their scripting.
    pub fn script_publish(&self, filter: &str, oddity: PublishOddity) {
        self.lock().oddities.script_publish(filter, oddity);
    }

    /// Answers the next read or find on a subject or filter that matches `filter` oddly.
    pub fn script_read(&self, filter: &str, oddity: ReadOddity) {
        self.lock().oddities.script_read(filter, oddity);
    }

    /// Answers oddly by chance from now on; the same seed and calls give the same answers.
    pub fn play_by_chance(&self, seed: u64, odds: Odds) {
        self.lock().oddities.play_by_chance(seed, odds);
    }

    /// Plays nothing odd any more.
    pub fn stop_playing(&self) {
        self.lock().oddities.stop();
    }

    /// Changes which check comes first when a message is repeated.
    pub fn check_first(&self, checks_first: ChecksFirst) {
        self.lock().checks_first = checks_first;
    }

    /// Takes the server down: nothing is stored or answered until [`MemoryLog::bring_up`].
    pub fn take_down(&self) {
        let mut state = self.lock();
        state.is_down = true;
        state.note_played("server down");
    }

    /// Brings the server up again, with everything that it had.
    pub fn bring_up(&self) {
        self.lock().is_down = false;
        self.look();
    }

    /// Restarts the server: what is held is delivered again at once, and so are the last `acks_count` messages that
    /// were acknowledged at each consumer, as if for the first time.
    pub fn restart_forgetting_acks(&self, acks_count: usize) {
        let now_ms = self.shared.clock.now_ms();
        let mut state = self.lock();
        state.note_played("server restart");
        let mut forgotten_count = 0;
        for consumer in state.consumers.values_mut() {
            forgotten_count += consumer.restart(acks_count, now_ms);
        }
        for _ in 0..forgotten_count {
            state.note_played("forgotten ack");
        }
        drop(state);
        self.look();
    }

    /// Loses the last `count` messages of a stream, though they were acknowledged; their positions are given again. Its
    /// consumers have seen nothing of them.
    pub fn truncate(&self, stream: &str, count: usize) {
        let mut state = self.lock();
        let Some(truncated) = state.streams.get_mut(stream) else {
            return;
        };
        truncated.truncate(count);
        let last = truncated.last();
        let consumers = state.consumers.iter_mut();
        for (_, consumer) in consumers.filter(|((of, _), _)| *of == stream) {
            consumer.truncate(last);
        }
    }

    /// Delivers one of the messages that somebody has and did not answer once more, to anybody: the `nth`, counted over all
    /// consumers and on from the first again. Says whether there is one.
    pub fn deliver_twice(&self, nth: usize) -> bool {
        let now_ms = self.shared.clock.now_ms();
        let mut state = self.lock();
        let held_count: usize = state
            .consumers
            .values()
            .map(ConsumerState::held_count)
            .sum();
        let Some(mut nth) = nth.checked_rem(held_count) else {
            return false;
        };
        let mut consumers = state.consumers.iter_mut();
        let stream = consumers.find_map(|((stream, _), consumer)| {
            let count = consumer.held_count();
            if nth < count {
                consumer.hold_nth_until(nth, now_ms);
                return Some(*stream);
            }
            nth -= count;
            None
        });
        state.note_played("delivered twice");
        drop(state);
        if let Some(stream) = stream {
            self.look_at(stream);
        }
        true
    }

    /// Has a consumer lose one of the messages that somebody has and did not answer: the `nth`, counted on from the first again.
    /// It is not delivered again. Says whether there is one.
    pub fn lose_delivery(&self, durable: &str, nth: usize) -> bool {
        let mut state = self.lock();
        let mut consumers = state.consumers.iter_mut();
        let consumer = consumers.find(|((_, name), _)| name == durable);
        let is_lost = consumer.is_some_and(|(_, consumer)| consumer.lose_nth(nth));
        if is_lost {
            state.note_played("lost delivery");
        }
        is_lost
    }

    /// Moves an alarm that is set to `delay` from now, be that early or late: the `nth`, counted on from the first again. Says
    /// whether there is one.
    pub fn move_alarm(&self, nth: usize, delay: Duration) -> bool {
        let at_ms = self.shared.clock.now_ms() + millis(delay);
        let mut state = self.lock();
        let moved = state
            .streams
            .values_mut()
            .find_map(|stream| stream.move_alarm(nth, at_ms));
        let Some(was_ms) = moved else {
            return false;
        };
        let is_early = at_ms < was_ms;
        state.note_played(if is_early {
            "early alarm"
        } else {
            "late alarm"
        });
        drop(state);
        self.look();
        true
    }

    /// Shows every message to `witness` when it is stored.
    pub fn show(&self, witness: Witness) {
        let mut state = self.lock();
        for stream in state.streams.values_mut() {
            stream.keep_unseen();
        }
        state.witness = Some(witness);
    }

    /// What was played so far.
    #[must_use]
    pub fn played(&self) -> Played {
        self.lock().played.clone()
    }

    /// How far each consumer has come, by its name.
    #[must_use]
    pub fn all_progress(&self) -> Vec<(String, ConsumerProgress)> {
        let state = self.lock();
        let progress =
            |((stream, durable), consumer): (&(&'static str, String), &ConsumerState)| {
                let stream = state.streams.get(stream)?;
                Some((durable.clone(), consumer.progress(stream)))
            };
        state.consumers.iter().filter_map(progress).collect()
    }
}

impl State {
    pub(super) fn note_played(&mut self, name: &'static str) {
        *self.played.entry(name).or_default() += 1;
    }

    pub(super) fn show_witness(&mut self) {
        if let Some(witness) = &self.witness {
            for stored in self.streams.values_mut().flat_map(Stream::take_unseen) {
                witness(&stored);
            }
        }
    }
}

impl PublishOddity {
    /// The name by which it is counted.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::InFlight => "in flight",
            Self::LostRequest => "lost publish",
            Self::LostAnswer => "lost answer",
            Self::Late(_) => "late publish",
            Self::DuplicateAtZero => "duplicate at zero",
            Self::OwnConflict => "own conflict",
            Self::Unavailable => "no room",
        }
    }
}
