//! Typed aggregates on the port: load, decide, append.
//!
//! A store keeps the folds of what was used lately. A state may be stale; that costs a repeat and never gives a wrong
//! answer, because every append is guarded and everything that is answered without an append is first checked against the
//! leader.

mod cache;
mod error;
mod execute;
mod load;

use std::sync::Arc;

use nogfso_kernel::{Aggregate, Expected, Folded, Position, Recorded, Vid};

use crate::envelope::{Cause, CommandStamp, Previous};
use crate::{Environment, Log};
use cache::Cache;

pub use error::{ExecuteError, LoadError};

#[cfg(test)]
mod tests;

/// How many aggregates of a kind a store keeps folded.
pub const CACHED_AGGREGATES_MAX: usize = 10_000;
/// How many commands on one aggregate may wait for their turn in one process.
pub const WAITING_COMMANDS_MAX: usize = 256;

/// The aggregates of one kind.
pub struct Store<A: Aggregate> {
    log: Arc<dyn Log>,
    environment: Environment,
    cache: Cache<A>,
}

/// An aggregate as it was loaded.
#[derive(Debug)]
pub struct Loaded<A: Aggregate> {
    /// The state.
    pub state: A::State,
    /// The id of the last event.
    pub vid: Vid,
    /// The last commit; absent if nothing was ever stored.
    pub last: Option<Previous>,
}

impl<A: Aggregate> Clone for Loaded<A> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            vid: self.vid,
            last: self.last,
        }
    }
}

impl<A: Aggregate> Default for Loaded<A> {
    fn default() -> Self {
        Self {
            state: A::State::default(),
            vid: Vid::EPOCH,
            last: None,
        }
    }
}

impl<A: Aggregate> Loaded<A> {
    /// The position of the last commit; zero if there is none.
    #[must_use]
    pub fn position(&self) -> Position {
        self.last.map_or(Position::START, |last| last.position)
    }

    fn folded(self) -> Folded<A> {
        Folded {
            state: self.state,
            vid: self.vid,
        }
    }
}

/// Who gives a command, and upon what it is to be decided.
#[derive(Debug, Clone)]
pub struct By {
    /// Who acts: `user:alice`, `svc:regd`.
    pub actor: String,
    /// The version that is expected.
    pub expected: Expected,
    /// The least position that the state must contain.
    pub at_least: Position,
    /// The caller's command id and the digest of its arguments.
    pub command: Option<CommandStamp>,
    /// What gave rise to the command.
    pub cause: Option<Cause>,
    /// The id of the first command in the chain of causes.
    pub correlation: Option<String>,
    /// The W3C trace context.
    pub traceparent: Option<String>,
    /// The epoch of the claim under which a worker writes.
    pub epoch: Option<u64>,
}

impl By {
    /// A command of `actor` on any version.
    #[must_use]
    pub fn actor(actor: impl Into<String>) -> Self {
        Self {
            actor: actor.into(),
            expected: Expected::RetryNoVc,
            at_least: Position::START,
            command: None,
            cause: None,
            correlation: None,
            traceparent: None,
            epoch: None,
        }
    }
}

/// The answer to a command that was not refused.
#[derive(Debug)]
pub struct Outcome<A: Aggregate> {
    /// The aggregate afterwards.
    pub after: Loaded<A>,
    /// What was appended; empty if the aggregate already was as the command asks.
    pub appended: Vec<Recorded<A::Event>>,
}

impl<A: Aggregate> Store<A> {
    /// A store on `log`.
    #[must_use]
    pub fn new(log: Arc<dyn Log>, environment: Environment) -> Self {
        Self {
            log,
            environment,
            cache: Cache::new(CACHED_AGGREGATES_MAX),
        }
    }

    /// The port below.
    #[must_use]
    pub fn log(&self) -> &Arc<dyn Log> {
        &self.log
    }

    /// Where time and ids come from.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.environment
    }
}
