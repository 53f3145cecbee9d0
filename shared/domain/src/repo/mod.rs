//! A repo: a directory on a file host, the shadow that records it, and the errors that stand against it.
//!
//! What is to be done for it is asked of workers elsewhere, and regd carries their results here. What was carried is
//! remembered, so that it is carried once; the state says which request for a shadow should exist.

mod command;
mod decide;
mod error;
mod event;
mod evolve;
mod state;

pub use command::{Carried, ClearBy, RepoCommand};
pub use decide::decide;
pub use error::{BrokenRepo, RepoRefusal};
pub use event::{ClearedBy, RepoEvent, RepoInitInfo, ShadowRepoInfo};
pub use evolve::evolve;
pub use state::{KnownRepo, Repo, RepoError, Shadow};

use nogfso_kernel::{Aggregate, Recorded};

impl Aggregate for Repo {
    const KIND: &'static str = "repo";

    type State = Self;
    type Event = RepoEvent;
    type Command = RepoCommand;
    type Refusal = RepoRefusal;
    type Broken = BrokenRepo;

    fn decide(
        state: &Self,
        command: &RepoCommand,
        _now_ms: u64,
    ) -> Result<Vec<RepoEvent>, RepoRefusal> {
        decide(state, command)
    }

    fn evolve(state: Self, recorded: &Recorded<RepoEvent>) -> Result<Self, BrokenRepo> {
        evolve(state, recorded)
    }
}

#[cfg(test)]
mod tests;
