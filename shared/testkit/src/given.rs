//! Given a history, when a command comes, then these events or this refusal.
//!
//! Events are stored under ids made by [`event_id`], so that a test can name them. Whatever a decision emits is
//! applied at once: a decision whose events do not fold fails the test.

use nogfso_kernel::{Aggregate, EventId, Recorded};
use ulid::Ulid;

/// The id of the event number `number` of a history, from 1; its time is as many milliseconds.
#[must_use]
pub fn event_id(number: u64) -> EventId {
    EventId(Ulid::from_parts(number, u128::from(number)))
}

/// An aggregate with a history.
#[derive(Debug, Clone)]
pub struct Given<A: Aggregate> {
    state: A::State,
    event_count: u64,
}

/// What a decision came to.
#[derive(Debug)]
pub struct When<A: Aggregate> {
    result: Result<Vec<A::Event>, A::Refusal>,
    after: Given<A>,
}

/// Folds `history`.
///
/// # Panics
///
/// If an event cannot follow.
#[must_use]
#[track_caller]
pub fn given<A: Aggregate>(history: impl IntoIterator<Item = A::Event>) -> Given<A> {
    Given {
        state: A::State::default(),
        event_count: 0,
    }
    .and(history)
}

impl<A: Aggregate> Given<A> {
    /// Folds more events.
    ///
    /// # Panics
    ///
    /// If an event cannot follow.
    #[must_use]
    #[track_caller]
    pub fn and(mut self, events: impl IntoIterator<Item = A::Event>) -> Self {
        for event in events {
            self.event_count += 1;
            let recorded = Recorded {
                id: event_id(self.event_count),
                event,
            };
            match A::evolve(self.state, &recorded) {
                Ok(state) => self.state = state,
                Err(broken) => panic!("{recorded:?} cannot follow: {broken:?}"),
            }
        }
        self
    }

    /// The state.
    pub fn state(&self) -> &A::State {
        &self.state
    }

    /// Asserts that `event` cannot follow.
    ///
    /// # Panics
    ///
    /// If it can.
    #[track_caller]
    pub fn cannot_be_followed_by(&self, event: A::Event) {
        let recorded = Recorded {
            id: event_id(self.event_count + 1),
            event,
        };
        let result = A::evolve(self.state.clone(), &recorded);
        assert!(result.is_err(), "{recorded:?} could follow: {result:?}");
    }

    /// Decides `command`, given at `now_ms`, and applies the events.
    ///
    /// # Panics
    ///
    /// If an event of the decision cannot follow.
    #[must_use]
    #[track_caller]
    pub fn when(&self, command: &A::Command, now_ms: u64) -> When<A> {
        let result = A::decide(&self.state, command, now_ms);
        let before = Self {
            state: self.state.clone(),
            event_count: self.event_count,
        };
        let events = result.as_ref().map_or(&[][..], Vec::as_slice);
        let after = before.and(events.iter().cloned());
        When { result, after }
    }
}

impl<A: Aggregate> When<A> {
    /// Asserts what was emitted; returns the aggregate as it is then.
    ///
    /// # Panics
    ///
    /// If it was something else, or a refusal.
    #[track_caller]
    pub fn then(self, expected: Vec<A::Event>) -> Given<A> {
        match self.result {
            Ok(events) => assert_eq!(events, expected),
            Err(refusal) => panic!("refused: {refusal:?}, expected {expected:?}"),
        }
        self.after
    }

    /// Asserts that nothing was to be done; returns the aggregate.
    ///
    /// # Panics
    ///
    /// If something was emitted, or the command was refused.
    #[track_caller]
    pub fn then_nothing(self) -> Given<A> {
        self.then(vec![])
    }

    /// Asserts a refusal that `expected` accepts; returns the aggregate.
    ///
    /// # Panics
    ///
    /// If the command was not refused, or for another reason.
    #[track_caller]
    pub fn then_refused(self, expected: impl FnOnce(&A::Refusal) -> bool) -> Given<A> {
        match &self.result {
            Ok(events) => panic!("not refused: {events:?}"),
            Err(refusal) => assert!(expected(refusal), "refused otherwise: {refusal:?}"),
        }
        self.after
    }

    /// The aggregate as it is after the decision.
    #[must_use]
    pub fn state(&self) -> &A::State {
        self.after.state()
    }
}
