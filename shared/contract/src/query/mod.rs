//! The queries: what changes nothing. Lists come in pages; `next` of one page is `after` of the following.

mod events;
mod outcome;
mod registry;
mod repo;
mod workers;

pub use events::{EventPage, GetEvents};
pub use outcome::{FoundCommit, GetOutcome, OutcomeFound};
pub use registry::{
    GetRegistries, GetRegistry, GetRepos, GetRoot, GetRoots, ListedRegistry, ListedRepo,
    Registries, RegistryInfo, RepoList, RootFound, RootInfo, RootList,
};
pub use repo::{GetRepo, GetRequest, RepoErrorInfo, RepoInfo, RequestInfo, RequestState, WorkInfo};
pub use workers::{GetParked, GetWorkers, ParkedInfo, ParkedList, WorkerInfo, WorkerList};
