//! The list of all registries of an installation.
//!
//! A registry is accepted here first and confirmed once its own history has begun; regd does what lies between.
//! Names are never removed.

mod command;
mod decide;
mod error;
mod event;
mod evolve;
mod state;

pub use command::MainListCommand;
pub use decide::decide;
pub use error::{BrokenMainList, MainListRefusal};
pub use event::MainListEvent;
pub use evolve::evolve;
pub use state::{KnownMainList, ListedRegistry, MainList, REGISTRIES_MAX};

use nogfso_kernel::{Aggregate, Recorded};

impl Aggregate for MainList {
    const KIND: &'static str = "main";

    type State = Self;
    type Event = MainListEvent;
    type Command = MainListCommand;
    type Refusal = MainListRefusal;
    type Broken = BrokenMainList;

    fn decide(
        state: &Self,
        command: &MainListCommand,
        _now_ms: u64,
    ) -> Result<Vec<MainListEvent>, MainListRefusal> {
        decide(state, command)
    }

    fn evolve(state: Self, recorded: &Recorded<MainListEvent>) -> Result<Self, BrokenMainList> {
        evolve(state, recorded)
    }
}

#[cfg(test)]
mod tests;
