//! The jobs, hooks and handlers of the tests.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fake::World;
use crate::{
    ErrorView, Handled, Hook, Job, JobCx, JobError, JobResult, JobState, NotNeeded, Recover,
    Rollback, RollbackCause, RollbackFn,
};

/// Counts what has passed; each part of a job counts in a field of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) pre: u32,
    pub(super) execute: u32,
    pub(super) post: u32,
}

/// Adds one, and tells what it undoes.
pub(super) struct Count;

impl Job<World> for Count {
    type Input = Counts;
    type Output = Counts;
    type Undo = Handled;
    const NAME: &'static str = "count";

    async fn execute(&self, cx: &JobCx<'_, World>, input: Counts) -> JobResult<Counts> {
        cx.resources().tell(format!("execute {}", cx.job()));
        let execute = input.execute + 1;
        cx.put_data("made", &execute).await?;
        Ok(Counts { execute, ..input })
    }
}

impl Rollback<World> for Count {
    async fn rollback(
        &self,
        cx: &JobCx<'_, World>,
        why: &RollbackCause,
        state: JobState<Counts, Counts>,
    ) -> JobResult<()> {
        let made: Option<u32> = cx.get_data("made").await?;
        let what = match state {
            JobState::Completed { input, output } => {
                format!("{} to {}", input.execute, output.execute)
            }
            JobState::Interrupted { input } => format!("{}, interrupted", input.execute),
        };
        let (job, why) = (cx.job(), &why.error.code);
        let line = format!("undo {job}: {what}, made {made:?}, {why}");
        cx.resources().tell(line);
        Ok(())
    }
}

/// A hook that tells its name, and counts before or after execute.
pub(super) struct Tell(pub(super) &'static str);

impl Hook<World, Counts, Counts> for Tell {
    async fn call(&self, cx: &JobCx<'_, World>, mut value: Counts) -> JobResult<Counts> {
        cx.resources().tell(self.0);
        match self.0.starts_with("pre") {
            true => value.pre += 1,
            false => value.post += 1,
        }
        Ok(value)
    }
}

/// Fails each time, retryably, with this text: as a job, a hook, a handler.
#[derive(Clone)]
pub(super) struct Fail(pub(super) &'static str);

impl Job<World> for Fail {
    type Input = u32;
    type Output = u32;
    type Undo = NotNeeded;
    const NAME: &'static str = "fail";

    async fn execute(&self, _: &JobCx<'_, World>, _: u32) -> JobResult<u32> {
        Err(JobError::retry(self.0))
    }
}

impl<A: Send + 'static, B: Send + 'static> Hook<World, A, B> for Fail {
    async fn call(&self, _: &JobCx<'_, World>, _: A) -> JobResult<B> {
        Err(JobError::retry(self.0))
    }
}

impl<I: Send + 'static, O: Send + 'static> Recover<World, I, O> for Fail {
    async fn recover(&self, _: &JobCx<'_, World>, _: I, _: &ErrorView) -> JobResult<O> {
        Err(JobError::retry(self.0))
    }
}

/// A handler that passes on its input and 100.
pub(super) struct Add100;

impl Recover<World, u32, u32> for Add100 {
    async fn recover(&self, cx: &JobCx<'_, World>, input: u32, _: &ErrorView) -> JobResult<u32> {
        cx.resources().tell("recovered");
        Ok(input + 100)
    }
}

/// A job on raw JSON that passes on what it holds.
pub(super) struct Raw(pub(super) Value);

impl Job<World> for Raw {
    type Input = Value;
    type Output = Value;
    type Undo = NotNeeded;
    const NAME: &'static str = "raw";

    async fn execute(&self, _: &JobCx<'_, World>, _: Value) -> JobResult<Value> {
        Ok(self.0.clone())
    }
}

/// Doubles a number.
pub(super) struct Double;

impl Job<World> for Double {
    type Input = u32;
    type Output = u32;
    type Undo = NotNeeded;
    const NAME: &'static str = "double";

    async fn execute(&self, _: &JobCx<'_, World>, input: u32) -> JobResult<u32> {
        Ok(input * 2)
    }
}

/// Reads a number and makes nothing.
pub(super) struct Look;

impl Job<World> for Look {
    type Input = u32;
    type Output = ();
    type Undo = Handled;
    const NAME: &'static str = "look";

    async fn execute(&self, cx: &JobCx<'_, World>, input: u32) -> JobResult<()> {
        cx.resources().tell(format!("look at {input}"));
        Ok(())
    }
}

impl Rollback<World> for Look {
    async fn rollback(
        &self,
        cx: &JobCx<'_, World>,
        _: &RollbackCause,
        state: JobState<u32, ()>,
    ) -> JobResult<()> {
        cx.resources().tell(format!("undo: {state:?}"));
        Ok(())
    }
}

/// Needs nothing and makes nothing.
pub(super) struct Ring;

impl Job<World> for Ring {
    type Input = ();
    type Output = ();
    type Undo = Handled;
    const NAME: &'static str = "ring";

    async fn execute(&self, cx: &JobCx<'_, World>, (): ()) -> JobResult<()> {
        cx.resources().tell("ring");
        Ok(())
    }
}

impl Rollback<World> for Ring {
    async fn rollback(
        &self,
        cx: &JobCx<'_, World>,
        _: &RollbackCause,
        state: JobState<(), ()>,
    ) -> JobResult<()> {
        cx.resources().tell(format!("undo: {state:?}"));
        Ok(())
    }
}

/// An undo that an application brings; tells what it gets.
pub(super) struct OtherUndo;

impl<I, O> RollbackFn<World, I, O> for OtherUndo
where
    I: std::fmt::Debug + Send + 'static,
    O: std::fmt::Debug + Send + 'static,
{
    async fn rollback(
        &self,
        cx: &JobCx<'_, World>,
        _: &RollbackCause,
        state: JobState<I, O>,
    ) -> JobResult<()> {
        cx.resources().tell(format!("other undo: {state:?}"));
        Ok(())
    }
}
