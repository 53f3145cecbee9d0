//! What the facts of a deployment are made of.

use std::num::NonZeroU32;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::attempt::Phase;
use crate::error::ErrorView;
use crate::name::{ActionRef, DeploymentId};
use crate::plan::Plan;

/// A value that crossed a job boundary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stored {
    /// It stands here, written under the schema that the plan names.
    Inline(Arc<Value>),
    /// It stands here, written by code that is newer than the plan.
    Versioned {
        /// The version of the schema.
        version: u16,
        /// The value.
        value: Arc<Value>,
    },
    /// It lies outside the journal.
    Blob(BlobRef),
    /// It is what the job was given.
    SameAsInput,
}

impl Stored {
    /// The version of the schema under which it was written, if another than the plan names.
    #[must_use]
    pub fn version(&self) -> Option<u16> {
        match self {
            Self::Inline(_) | Self::SameAsInput => None,
            Self::Versioned { version, .. } => Some(*version),
            Self::Blob(blob) => blob.version,
        }
    }
}

/// A value outside the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobRef {
    /// The SHA-256 of its JSON, hexadecimal.
    pub sha256: String,
    /// The length of its JSON.
    pub bytes: u64,
    /// The version of the schema, if another than the plan names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u16>,
}

/// All that is asked for by starting a deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// The deployment.
    pub id: DeploymentId,
    /// Which action runs.
    pub action: ActionRef,
    /// Its jobs.
    pub plan: Plan,
    /// What the first job is given.
    pub input: Stored,
    /// A label that deployments may share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// More labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<(String, String)>,
    /// When the first job may start, in ms since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before_ms: Option<u64>,
    /// When it is rolled back unless it is done, in ms since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// The digest of the request, by which a repeat is told from another one with the same id.
    pub request_digest: String,
    /// Where the results of the first jobs were copied from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked: Option<Forked>,
}

/// What a fork has from its source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forked {
    /// The deployment that the results are of.
    pub from: DeploymentId,
    /// The outputs of its first jobs, one each.
    pub outputs: Vec<Stored>,
    /// Who forked.
    pub by: String,
}

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Another attempt may succeed.
    Retryable,
    /// None will.
    Terminal,
    /// None will, and none has left an effect.
    TerminalNoEffect,
    /// It took too long; its effect is unknown.
    TimedOut,
    /// It panicked.
    Panicked,
    /// It returned nothing where something was due.
    NullOutput,
    /// It was told to stop.
    Stopped,
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterFailure {
    /// Another attempt, not before this time in ms since the Unix epoch.
    RetryAt(u64),
    /// The rollback; it begins in the same commit.
    Rollback,
    /// Parked, in the same commit.
    Park,
    /// The jobs before it are undone all the same.
    Continue,
}

/// Why a deployment is parked (spec 2.13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParkReason {
    /// A job's retries are used up and its policy, or a job that cannot be undone, forbids rolling back.
    RetriesExhausted,
    /// An undo failed for good.
    UndoFailed,
    /// Attempt after attempt was lost.
    CrashLoop,
    /// A stored value has another schema than the code.
    SchemaMismatch,
    /// A stored value is not there.
    PayloadMissing,
    /// A stored value cannot be read.
    PayloadUndecodable,
    /// A job that cannot be undone failed, and its effect is unknown.
    IrreversibleUncertain,
    /// The journal reached its limit.
    JournalTooLong,
    /// An operator took it as the truth after its end was lost.
    HistoryAccepted,
}

/// Why an undo did not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// No attempt reached execute.
    NeverStarted,
    /// The job leaves nothing behind.
    UndoNotNeeded,
    /// The job said that no attempt left an effect.
    DeclaredNoEffect,
    /// The job cannot be undone.
    UndoImpossible,
    /// It failed for good, and the policy goes on.
    FailedContinue,
    /// Its result was copied from another deployment, to which the effect belongs.
    Copied,
    /// An operator skipped it.
    Operator {
        /// Who.
        by: String,
        /// Why.
        note: String,
    },
}

impl SkipReason {
    /// Whether an effect may be left behind.
    #[must_use]
    pub fn leaves_residue(&self) -> bool {
        match self {
            Self::NeverStarted | Self::UndoNotNeeded | Self::DeclaredNoEffect => false,
            Self::UndoImpossible | Self::FailedContinue | Self::Copied | Self::Operator { .. } => {
                true
            }
        }
    }
}

/// What an operator declares an attempt to have come to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forced {
    /// The job is done, with this output.
    Succeeded {
        /// What the next job is given.
        output: Stored,
    },
    /// The job failed: roll back, over jobs that cannot be undone too.
    Failed {
        /// As what the rollback is to name.
        error: ErrorView,
    },
    /// The job is undone.
    Undone,
}

/// Forward or back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Jobs are done.
    Forward,
    /// They are undone.
    Backward,
}

/// One attempt: of which job, which phase, the how many-th.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AttemptRef {
    /// The job, counted from 0.
    pub index: usize,
    /// Execute or undo.
    pub phase: Phase,
    /// From 1.
    pub attempt: NonZeroU32,
}
