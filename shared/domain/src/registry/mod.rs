//! A registry: which directories of which hosts appear under which global paths, and which of them are repos.
//!
//! A repo is accepted here first and confirmed once its own history has begun; regd does what lies between. Whether a
//! directory may become a repo is asked of its host beforehand; here it is only checked that what was asked still holds.

mod command;
mod decide;
mod error;
mod event;
mod evolve;
mod gitlab;
mod path_key;
mod queries;
mod state;

pub use command::{NewRepoId, RegistryCommand};
pub use decide::decide;
pub use error::{BrokenRegistry, RegistryRefusal, RootDifferences};
pub use event::{AcceptedRepoInfo, RegistryEvent, RepoInfo, RootInfo};
pub use evolve::evolve;
pub use gitlab::{GITLAB_NAMESPACE_BYTES_MAX, GitlabNamespace, GitlabNamespaceMalformed};
pub use state::{KnownRegistry, Permit, REPOS_MAX, ROOTS_MAX, RegisteredRepo, Registry, Root};

use nogfso_kernel::{Aggregate, Recorded};

impl Aggregate for Registry {
    const KIND: &'static str = "registry";

    type State = Self;
    type Event = RegistryEvent;
    type Command = RegistryCommand;
    type Refusal = RegistryRefusal;
    type Broken = BrokenRegistry;

    fn decide(
        state: &Self,
        command: &RegistryCommand,
        _now_ms: u64,
    ) -> Result<Vec<RegistryEvent>, RegistryRefusal> {
        decide(state, command)
    }

    fn evolve(state: Self, recorded: &Recorded<RegistryEvent>) -> Result<Self, BrokenRegistry> {
        evolve(state, recorded)
    }
}

#[cfg(test)]
mod tests;
