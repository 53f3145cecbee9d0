//! What a stat tells: while it runs, and when it is done.

use std::path::PathBuf;

use crate::{Oid, Sample, Totals};

/// Listens to a walk. Called from many threads, once or more for each directory.
pub trait Progress: Sync {
    /// Takes how many more files (of any type but directories) were seen, and how many more bytes they have.
    fn seen(&self, files: u64, bytes: u64);
}

impl Progress for () {
    fn seen(&self, _files: u64, _bytes: u64) {}
}

/// How a stat ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was recorded already.
    Unchanged,
    /// The realdir is frozen, recorded as such, and so was not looked at.
    Immutable,
    /// There is a new commit.
    Committed,
}

/// What a stat did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatReport {
    /// The head of the stat branch before.
    pub old: Oid,
    /// The head of the stat branch now; equal to `old` unless committed.
    pub new: Oid,
    /// How it ended.
    pub outcome: Outcome,
    /// Files and links that were not recorded before.
    pub added: u64,
    /// Files and links whose record changed.
    pub modified: u64,
    /// Files and links whose record was removed.
    pub removed: u64,
    /// What the walk saw on disk; zero if it did not take place. Parts that could not be read are missing.
    pub totals: Totals,
    /// Paths that keep their old records because they could not be read.
    pub problems: Sample<Problem>,
    /// Paths whose last component is stored under an escape.
    pub escaped: Sample<PathBuf>,
}

impl StatReport {
    pub(super) fn without_changes(outcome: Outcome, head: Oid) -> Self {
        Self {
            old: head,
            new: head,
            outcome,
            added: 0,
            modified: 0,
            removed: 0,
            totals: Totals::default(),
            problems: Sample::default(),
            escaped: Sample::default(),
        }
    }
}

/// A path that could not be recorded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The path relative to the realdir.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: Reason,
}

/// Why a path could not be recorded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Reason {
    /// The file system refused, with this message.
    #[error("{0}")]
    Unreadable(String),
    /// Another file system is mounted there.
    #[error("it is on another file system")]
    OtherDevice,
    /// It is a git repo inside the realdir.
    #[error("it is a git repository, which is not supported yet")]
    GitRepo,
    /// It lies too deep.
    #[error("it lies more than 2000 directories deep")]
    TooDeep,
}
