//! What an author writes: the job, what undoing it means, and the undo.

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cause::RollbackCause;
use crate::context::JobCx;
use crate::error::JobResult;
use crate::plan::{JobPolicy, Undo};
use crate::step::{Extension, Step};

/// Anything that may cross a job boundary. `Option<T>` and `()` are ordinary values.
pub trait Payload: Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Payload for T {}

/// What the jobs of an application share: clients, pools, settings. Built anew at each start, never stored.
pub trait Resources: Send + Sync + 'static {}

impl<R: Send + Sync + 'static> Resources for R {}

/// One operation with at most one effect, given the resources `R`.
///
/// Execute runs at least once and perhaps again after a crash: [`JobCx::idempotency_key`] is the same for all attempts, and
/// [`JobCx::maybe_ran_before`] tells when an effect may exist. `?` on any error means "try again".
pub trait Job<R: Resources>: Sized + Send + Sync + 'static {
    /// What it is given.
    type Input: Payload;
    /// What the next job is given.
    type Output: Payload;
    /// What undoing it means: [`Handled`], [`NotNeeded`] or [`Impossible`].
    type Undo: UndoFor<R, Self>;

    /// Its name in actions that do not rename it, and the name under which its values are stored.
    const NAME: &'static str;
    /// The version of its stored types, from 1; raised when one of them changes.
    const SCHEMA: u16 = 1;

    /// Does it.
    fn execute(
        &self,
        cx: &JobCx<'_, R>,
        input: Self::Input,
    ) -> impl Future<Output = JobResult<Self::Output>> + Send;

    /// How it is retried and for how long it may run, unless its step says otherwise.
    fn policy(&self) -> JobPolicy {
        JobPolicy::default()
    }
}

/// A job that can be undone.
pub trait Rollback<R: Resources>: Job<R> {
    /// Undoes it. It may find nothing done, half of it, or execute still at work; and it may run twice.
    fn rollback(
        &self,
        cx: &JobCx<'_, R>,
        why: &RollbackCause,
        state: JobState<Self::Input, Self::Output>,
    ) -> impl Future<Output = JobResult<()>> + Send;
}

/// How far the job to be undone came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobState<I, O> {
    /// Execute returned.
    Completed {
        /// What it was given.
        input: I,
        /// What it returned.
        output: O,
    },
    /// Execute may have begun; nothing more is known.
    Interrupted {
        /// What it was given.
        input: I,
    },
}

impl<I, O> JobState<I, O> {
    /// What execute was given.
    pub fn into_input(self) -> I {
        match self {
            Self::Completed { input, .. } | Self::Interrupted { input } => input,
        }
    }
}

/// Declares that the job implements [`Rollback`].
#[derive(Debug)]
pub struct Handled;

/// Declares that the job leaves nothing behind.
#[derive(Debug)]
pub struct NotNeeded;

/// Declares that the job cannot be undone: from its start on there is no way back. Such jobs go last.
#[derive(Debug)]
pub struct Impossible;

/// The declarations that a job may make. Sealed: there are the three.
pub trait UndoFor<R: Resources, J: Job<R>>: sealed::Sealed + 'static {
    #[doc(hidden)]
    const UNDO: Undo;

    #[doc(hidden)]
    fn undo(
        job: &J,
        cx: &JobCx<'_, R>,
        why: &RollbackCause,
        state: JobState<J::Input, J::Output>,
    ) -> impl Future<Output = JobResult<()>> + Send;
}

impl<R: Resources, J: Rollback<R>> UndoFor<R, J> for Handled {
    const UNDO: Undo = Undo::Handled;

    fn undo(
        job: &J,
        cx: &JobCx<'_, R>,
        why: &RollbackCause,
        state: JobState<J::Input, J::Output>,
    ) -> impl Future<Output = JobResult<()>> + Send {
        job.rollback(cx, why, state)
    }
}

impl<R: Resources, J: Job<R>> UndoFor<R, J> for NotNeeded {
    const UNDO: Undo = Undo::NotNeeded;

    async fn undo(
        _: &J,
        _: &JobCx<'_, R>,
        _: &RollbackCause,
        _: JobState<J::Input, J::Output>,
    ) -> JobResult<()> {
        Ok(())
    }
}

impl<R: Resources, J: Job<R>> UndoFor<R, J> for Impossible {
    const UNDO: Undo = Undo::Impossible;

    async fn undo(
        _: &J,
        _: &JobCx<'_, R>,
        _: &RollbackCause,
        _: JobState<J::Input, J::Output>,
    ) -> JobResult<()> {
        Ok(())
    }
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for super::Handled {}
    impl Sealed for super::NotNeeded {}
    impl Sealed for super::Impossible {}
}

/// From a job to a step of an action.
pub trait JobExt<R: Resources>: Job<R> {
    /// The step that is just this job.
    fn step(self) -> Step<R, Self::Input, Self::Output> {
        Step::of(self)
    }

    /// The step under another name, so that an action can hold the job twice.
    fn renamed(self, name: impl Into<Cow<'static, str>>) -> Step<R, Self::Input, Self::Output> {
        self.step().renamed(name)
    }

    /// The step with what an application adds.
    fn extend(
        self,
        extension: Extension<R, Self::Input, Self::Output>,
    ) -> Step<R, Self::Input, Self::Output> {
        self.step().extend(&extension)
    }
}

impl<R: Resources, J: Job<R>> JobExt<R> for J {}
