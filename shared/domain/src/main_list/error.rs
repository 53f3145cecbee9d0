//! Why commands on the main list are refused, and how its history can be broken.

use super::REGISTRIES_MAX;

/// Why a command on the main list was refused. The caller's to handle; never retried as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MainListRefusal {
    /// The list exists under another name.
    #[error("init conflict")]
    InitConflict,
    /// The command needs a list.
    #[error("uninitialized")]
    Uninitialized,
    /// The registry was never accepted.
    #[error("unknown registry")]
    UnknownRegistry,
    /// There are as many registries as may be.
    #[error("too many registries: at most {REGISTRIES_MAX}")]
    TooManyRegistries,
}

/// An event that cannot follow what happened before; the history must not be used further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{event} cannot follow: {why}")]
pub struct BrokenMainList {
    /// The wire name of the event.
    pub event: &'static str,
    /// What stands against it.
    pub why: &'static str,
}
