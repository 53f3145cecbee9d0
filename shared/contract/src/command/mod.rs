//! The commands: what changes something.
//!
//! Every command may carry a `command_id`; those on a versioned aggregate may carry a `vid`, those that lead to work a `wait`.

mod parked;
mod registry;
mod repo;

pub use parked::{ParkedDone, RetryParked, SkipParked};
pub use registry::{InitRegistry, InitRoot, RegistryAccepted, RootReady};
pub use repo::{
    CancelRequest, ClearError, ErrorCleared, InitRepo, RepoAccepted, RequestCancelled, Stat,
    StatAccepted,
};
