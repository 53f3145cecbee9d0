//! What can be asked of a worker, and how it can end.

use nogfso_ids::RequestId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::is_zero;
use crate::operation::{ErrorText, Operation, Problems};

/// What a request asks for.
///
/// Adjacent details stand in the variant, so that equal orders compare equal. Variants are added, never changed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "operation", rename_all = "kebab-case")]
pub enum Order {
    /// Create the shadow of a repo and take its first stat.
    Init {},
    /// Record sizes, times and names of what changed.
    Stat {
        /// Whether the record of the top level's range of times is computed.
        #[serde(default)]
        mtime_range: MtimeRange,
        /// Whether an empty or exchanged real directory is accepted as the new truth.
        #[serde(default)]
        confirm_emptied: bool,
    },
}

/// Whether a stat computes the range of modification times of the whole tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MtimeRange {
    /// Only when the record is rewritten anyway.
    #[default]
    No,
    /// The record is rewritten beside all others.
    Also,
    /// Only that record is looked at.
    Only,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "end", rename_all = "kebab-case")]
pub enum WorkResult {
    /// The operation ran to its end; it may have left paths aside.
    Done(Report),
    /// The operation changed nothing, or less than it was to.
    Failed {
        /// What kind of failure it is.
        code: FailureCode,
        /// One sentence for a person.
        message: ErrorText,
        /// The paths that are to blame, the first few by name.
        #[serde(default)]
        problems: Problems,
    },
    /// Somebody took the request back before it was done.
    Cancelled {},
}

/// What an operation did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// What became of the recorded state.
    pub outcome: Outcome,
    /// Where the shadow is on the host; told by an init.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow_path: Option<String>,
    /// The branch's commit before, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_ref: Option<String>,
    /// The branch's commit after, in hex; equal to `old_ref` if nothing changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_ref: Option<String>,
    /// How much changed and how much there is.
    #[serde(flatten)]
    pub counts: Counts,
    /// The paths that were left aside, with their old records kept.
    #[serde(default)]
    pub problems: Problems,
}

/// Counts of one run: entries changed, entries seen by kind, and the bytes in regular files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Counts {
    /// Entries that are new.
    pub added: u64,
    /// Entries whose record changed.
    pub modified: u64,
    /// Entries that are gone.
    pub removed: u64,
    /// Regular files seen.
    pub files: u64,
    /// Directories seen.
    pub dirs: u64,
    /// Symbolic links seen.
    pub links: u64,
    /// Other entries seen.
    pub others: u64,
    /// Bytes in distinct regular files.
    pub bytes: u64,
}

/// What became of the recorded state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The real directory is as it was recorded.
    Unchanged,
    /// The real directory is frozen, so that it was not looked at.
    Immutable,
    /// The change was recorded.
    Committed,
}

/// Why an operation failed: a closed list that callers may match on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FailureCode {
    /// Some paths could not be read; what could be was recorded.
    UnreadablePaths,
    /// The real directory is not there, or is no directory.
    RealdirMissing,
    /// The real directory lies on another device than it did.
    RealdirMoved,
    /// The real directory is empty though its record is not.
    RealdirEmptied,
    /// The real directory may not become a repo, or lies where none may lie.
    Denied,
    /// The shadow is missing, damaged, or that of another repo.
    ShadowBroken,
    /// The mode of tracking, or the order, is not supported by this build.
    Unsupported,
    /// No file could be read or written for a reason of the file system's own.
    Io,
    /// The process ended each time while it worked on the request.
    CrashLoop,
    /// The repo, as it is known now, does not belong to this host or has no shadow.
    NotReady,
    /// A fault of the program.
    Internal,
}

/// A failure as a repo remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure<'a> {
    /// Its kind.
    pub code: FailureCode,
    /// One sentence for a person.
    pub message: ErrorText,
    /// The paths that are to blame.
    pub problems: &'a Problems,
}

/// The last result of an operation, with the request that it answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Answered {
    /// The request.
    pub request: RequestId,
    /// What was asked.
    pub order: Order,
    /// How it ended.
    pub result: WorkResult,
    /// When, in ms since the Unix epoch.
    pub at_ms: u64,
    /// The how-manieth result of the lane, from 1, so that results that are carried late can be told from newer ones; 0 if
    /// it was not counted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub number: u64,
    /// The number of the newest earlier result of the operation that left a failure to remember; 0 if there is none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed_before: u64,
}

impl Order {
    /// The operation that the order asks for.
    #[must_use]
    pub fn operation(&self) -> Operation {
        match self {
            Self::Init {} => Operation::Init,
            Self::Stat { .. } => Operation::Stat,
        }
    }
}

impl Answered {
    /// The number of the newest result up to this one that left a failure to remember; 0 if there is none.
    #[must_use]
    pub fn newest_failure(&self) -> u64 {
        match self.result.failure() {
            Some(_) => self.number,
            None => self.failed_before,
        }
    }
}

impl WorkResult {
    /// The failure that a repo is to remember: that of a failed operation, or of one that left paths aside.
    #[must_use]
    pub fn failure(&self) -> Option<Failure<'_>> {
        match self {
            Self::Done(report) if !report.problems.is_empty() => Some(Failure {
                code: FailureCode::UnreadablePaths,
                message: ErrorText::new(&format!(
                    "{} paths could not be read; their old records were kept",
                    report.problems.path_count()
                )),
                problems: &report.problems,
            }),
            Self::Done(_) | Self::Cancelled {} => None,
            Self::Failed {
                code,
                message,
                problems,
            } => Some(Failure {
                code: *code,
                message: message.clone(),
                problems,
            }),
        }
    }
}

impl FailureCode {
    /// The code as it stands in events and replies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnreadablePaths => "unreadable-paths",
            Self::RealdirMissing => "realdir-missing",
            Self::RealdirMoved => "realdir-moved",
            Self::RealdirEmptied => "realdir-emptied",
            Self::Denied => "denied",
            Self::ShadowBroken => "shadow-broken",
            Self::Unsupported => "unsupported",
            Self::Io => "io",
            Self::CrashLoop => "crash-loop",
            Self::NotReady => "not-ready",
            Self::Internal => "internal",
        }
    }
}

impl std::fmt::Display for FailureCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
