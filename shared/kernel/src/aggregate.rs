//! What every aggregate is: a fold over its events and a decision on its state.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{EventId, Position};

/// A fact of one aggregate.
///
/// Its serde form is adjacently tagged: `{"type": <wire name>, "data": {…}}`. A published event changes by addition only.
pub trait Event:
    Clone + std::fmt::Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// The wire names that this build can read. A name outside this list was written by a newer build.
    const NAMES: &'static [&'static str];

    /// The wire name of this event.
    fn name(&self) -> &'static str;

    /// The version of the event's data, from 1.
    fn schema(&self) -> u16 {
        1
    }
}

/// An event with the id under which it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded<E> {
    /// Its id.
    pub id: EventId,
    /// The fact.
    pub event: E,
}

/// A kind of aggregate: synchronous, without side effects, the same on every machine for ever.
pub trait Aggregate: Send + Sync + 'static {
    /// The kind as it stands in subjects.
    const KIND: &'static str;

    /// What a history amounts to. Cloning is cheap: large states are persistent maps.
    type State: Clone + Default + std::fmt::Debug + Send + Sync + 'static;
    /// Its facts.
    type Event: Event;
    /// What it can be asked to do.
    type Command: Send + Sync;
    /// Why a command is refused.
    type Refusal: std::error::Error + Send + Sync + 'static;
    /// Why an event cannot follow a state.
    type Broken: std::error::Error + Send + Sync + 'static;

    /// Answers `command`, given at `now_ms` (milliseconds since the Unix epoch), with the events to append.
    ///
    /// No events means that `state` is already as the command asks.
    ///
    /// # Errors
    ///
    /// Returns the refusal of the first rule that forbids the command.
    fn decide(
        state: &Self::State,
        command: &Self::Command,
        now_ms: u64,
    ) -> Result<Vec<Self::Event>, Self::Refusal>;

    /// Applies one stored event. Holds no rules: what happened, happened.
    ///
    /// # Errors
    ///
    /// Fails if the event cannot follow the state; the history must not be used further.
    fn evolve(
        state: Self::State,
        recorded: &Recorded<Self::Event>,
    ) -> Result<Self::State, Self::Broken>;

    /// Notes the position of the commit whose events `events` were just applied. Most kinds need none. Noting another position
    /// of the same commit replaces the first.
    #[must_use]
    fn committed(
        state: Self::State,
        _events: &[Recorded<Self::Event>],
        _at: Position,
    ) -> Self::State {
        state
    }

    /// Whether a fold may start at a commit whose first event is this one, without what lay before it.
    #[must_use]
    fn starts_fold(_first: &Self::Event) -> bool {
        false
    }
}
