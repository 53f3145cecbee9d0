//! Why commands on a repo are refused, and how its history can be broken.

/// Why a command on a repo was refused. The caller's to handle; never retried as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RepoRefusal {
    /// The command needs a repo.
    #[error("uninitialized repo")]
    Uninitialized,
    /// The repo, or its shadow, exists with other values.
    #[error("init conflict")]
    InitConflict,
    /// The text of the error to clear is empty.
    #[error("empty clear message")]
    ClearMessageEmpty,
    /// No stored error has the text.
    #[error("clear message mismatch")]
    ClearMessageMismatch,
}

/// An event that cannot follow what happened before; the history must not be used further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{event} cannot follow: {why}")]
pub struct BrokenRepo {
    /// The wire name of the event.
    pub event: &'static str,
    /// What stands against it.
    pub why: &'static str,
}
