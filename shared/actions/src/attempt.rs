//! What an attempt of a job may ask of whoever runs it.

use std::num::NonZeroU32;

use async_trait::async_trait;
use serde_json::Value;

use crate::error::{ErrorView, JobError, JobResult, Place, StopReason};
use crate::name::{DeploymentId, JobName};
use crate::value::Tagged;

/// Execute or undo.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The job is being done.
    Execute,
    /// It is being undone.
    Rollback,
}

/// One attempt, as the runner serves it.
#[async_trait]
pub(crate) trait Attempt: Send + Sync {
    fn deployment(&self) -> DeploymentId;
    fn job(&self) -> &JobName;
    fn phase(&self) -> Phase;
    fn number(&self) -> NonZeroU32;
    /// Whether an earlier attempt of this phase has no recorded end.
    fn maybe_ran_before(&self) -> bool;
    fn epoch(&self) -> u64;

    /// Records what the pre-hooks made, if the plan asks for it; lasting on return.
    async fn prepared(&self, input: Value) -> JobResult<()>;
    /// Notes what execute returned, before the post-hooks.
    fn returned(&self, output: &Value);
    /// Stores a value for later attempts and for the undo; lasting on return.
    async fn put_data(&self, key: &str, value: Value) -> JobResult<()>;
    async fn data(&self, key: &str) -> JobResult<Option<Tagged>>;
    /// The output of an earlier job that is done; an error if there is none.
    async fn output_of(&self, job: &JobName) -> JobResult<Tagged>;
    /// Whether `error` would end the job's attempts; false where no handler may have it: when it asks to park, and once the
    /// attempt is told to stop.
    fn gives_up(&self, error: &JobError) -> bool;
    /// Records an error that was handed to a handler; what that failed with, if it did, is the attempt's own failure.
    async fn handled(&self, place: Place, error: &ErrorView) -> JobResult<()>;
    /// Tells that the attempt lives.
    fn heartbeat(&self) -> Result<(), StopReason>;
    /// Waits until the attempt is to end.
    async fn stopped(&self) -> StopReason;

    /// Lets the test kit step in where the code of the step has come to.
    #[cfg(any(test, feature = "testing"))]
    async fn reached(&self, _step: Reached) -> JobResult<()> {
        Ok(())
    }
}

/// How far the code of a step has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reached {
    /// The code at that place runs next.
    Before(Place),
    /// Execute has returned.
    AfterExecute,
}
