//! A step without its types, as the runner has it: JSON in, JSON out.

use std::any::TypeId;

use async_trait::async_trait;
use serde_json::Value;

use super::Step;
use super::layer::{run_post, run_pre};
use crate::cause::RollbackCause;
use crate::context::JobCx;
use crate::error::{ErrorView, JobError, JobResult, Place};
use crate::job::{JobState, Payload, Resources};
use crate::name::{InvalidName, JobName};
use crate::plan::{PlannedJob, Schema};
use crate::value::{decode, decode_stored, encode};

/// The code of the error of a job on raw JSON that was given something and returned `null`.
pub const NULL_OUTPUT: &str = "null_output";

/// One step of an action, whatever its types.
#[async_trait]
pub(crate) trait ErasedStep<R>: Send + Sync {
    /// What a plan says of it today.
    fn planned(&self) -> Result<PlannedJob, InvalidName>;

    /// Runs pre-hooks, execute, post-hooks, and handlers of their errors.
    async fn run(&self, cx: &JobCx<'_, R>, input: Value) -> JobResult<Value>;

    /// Runs the undo on what execute was given and what it returned, if it did.
    async fn undo(
        &self,
        cx: &JobCx<'_, R>,
        why: &RollbackCause,
        input: Value,
        output: Option<Value>,
    ) -> JobResult<()>;

    /// Whether the next step could be given `output`.
    fn check_output(&self, output: &Value) -> Result<(), serde_json::Error>;
}

#[async_trait]
impl<R: Resources, I: Payload, O: Payload, Own: Payload, Raw: Payload> ErasedStep<R>
    for Step<R, I, O, Own, Raw>
{
    fn planned(&self) -> Result<PlannedJob, InvalidName> {
        let shape = self.shape();
        Ok(PlannedJob {
            job: JobName::parse(self.name.clone())?,
            schema: Schema {
                job: JobName::parse(self.job)?,
                version: self.version,
            },
            undo: self.undo,
            has_pre_hooks: shape.makes_input,
            has_post_hooks: shape.changes_output,
            passes_on: shape.passes_on,
            policy: self.policy.clone(),
        })
    }

    async fn run(&self, cx: &JobCx<'_, R>, input: Value) -> JobResult<Value> {
        let was_given = !input.is_null();
        let input = decode_stored(input)?;
        let (within, input) = run_pre(*cx, &self.pre, input).await?;
        let output = self.inner.run(within, input).await?;
        let output = run_post(*cx, &self.post, self.inner.post_hooks(), output).await?;
        let output = encode(&output).map_err(|error| error.at(Place::Execute))?;
        if was_given && output.is_null() && is_dynamic::<I>() && is_dynamic::<O>() {
            let message = "the job was given a value and returned null";
            let error = JobError::terminal(ErrorView::new(NULL_OUTPUT, message));
            return Err(error.at(Place::Execute));
        }
        Ok(output)
    }

    async fn undo(
        &self,
        cx: &JobCx<'_, R>,
        why: &RollbackCause,
        input: Value,
        output: Option<Value>,
    ) -> JobResult<()> {
        let input = decode_stored(input)?;
        let state = match output {
            Some(output) => JobState::Completed {
                input,
                output: decode_stored(output)?,
            },
            None => JobState::Interrupted { input },
        };
        let undone = self.undoing.run(cx, why, state).await;
        undone.map_err(|error| error.at(Place::Rollback))
    }

    fn check_output(&self, output: &Value) -> Result<(), serde_json::Error> {
        decode::<O>(output.clone()).map(drop)
    }
}

/// Whether a value of that type may be anything: then `null` is more likely a slip than a value.
fn is_dynamic<T: 'static>() -> bool {
    TypeId::of::<T>() == TypeId::of::<Value>()
}
