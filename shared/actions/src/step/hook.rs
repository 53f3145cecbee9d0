//! What may be put round a job: hooks, handlers of errors, another undo.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::recover::{is_offered, settled};
use crate::cause::RollbackCause;
use crate::context::JobCx;
use crate::error::{ErrorView, JobResult};
use crate::job::{Job, JobState, Payload, Resources, UndoFor};

/// Reads, checks or converts a value before or after execute. It must not write: it runs in every attempt.
pub trait Hook<R: Resources, A, B>: Send + Sync + 'static {
    /// Makes a `B` of an `A`.
    fn call(&self, cx: &JobCx<'_, R>, value: A) -> impl Future<Output = JobResult<B>> + Send;
}

/// Deals with an error for which a job or a hook would give up.
pub trait Recover<R: Resources, I, O>: Send + Sync + 'static {
    /// Returns what is passed on instead; an error of its own is final. `input` is what the failed part was given.
    fn recover(
        &self,
        cx: &JobCx<'_, R>,
        input: I,
        error: &ErrorView,
    ) -> impl Future<Output = JobResult<O>> + Send;
}

/// An undo that an application gives to a job of others.
pub trait RollbackFn<R: Resources, I, O>: Send + Sync + 'static {
    /// Undoes the job, under the rules of [`Rollback::rollback`](crate::Rollback::rollback).
    fn rollback(
        &self,
        cx: &JobCx<'_, R>,
        why: &RollbackCause,
        state: JobState<I, O>,
    ) -> impl Future<Output = JobResult<()>> + Send;
}

/// The hook that is `convert`, which neither waits nor looks at the world.
#[must_use]
pub fn convert<F>(convert: F) -> Convert<F> {
    Convert(convert)
}

/// See [`convert`].
pub struct Convert<F>(F);

impl<F> fmt::Debug for Convert<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Convert")
    }
}

impl<R, A, B, F> Hook<R, A, B> for Convert<F>
where
    R: Resources,
    A: Send,
    F: Fn(A) -> JobResult<B> + Send + Sync + 'static,
{
    async fn call(&self, _: &JobCx<'_, R>, value: A) -> JobResult<B> {
        (self.0)(value)
    }
}

/// A hook with a handler for its errors; see [`HookExt::recover`].
#[derive(Debug)]
pub struct Recovered<H, F> {
    hook: H,
    handler: F,
}

/// From a hook to one that handles its errors.
pub trait HookExt<R: Resources, A: Clone + Send + Sync, B: Send>: Hook<R, A, B> + Sized {
    /// The hook with a handler for errors that would end the attempts of its job. They are recorded all the same.
    fn recover<F: Recover<R, A, B>>(self, handler: F) -> Recovered<Self, F> {
        Recovered {
            hook: self,
            handler,
        }
    }
}

impl<R: Resources, A: Clone + Send + Sync, B: Send, H: Hook<R, A, B>> HookExt<R, A, B> for H {}

impl<R, A, B, H, F> Hook<R, A, B> for Recovered<H, F>
where
    R: Resources,
    A: Clone + Send + Sync,
    B: Send,
    H: Hook<R, A, B>,
    F: Recover<R, A, B>,
{
    async fn call(&self, cx: &JobCx<'_, R>, value: A) -> JobResult<B> {
        match self.hook.call(cx, value.clone()).await {
            Err(error) if is_offered(cx, &error) => {
                let own = self.handler.recover(cx, value, &error.view).await;
                settled(cx, error, own).await
            }
            other => other,
        }
    }
}

/// A hook of any type.
#[async_trait]
pub(super) trait DynHook<R: Resources, A: Payload, B: Payload>: Send + Sync {
    async fn run(&self, cx: &JobCx<'_, R>, value: A) -> JobResult<B>;
}

#[async_trait]
impl<R: Resources, A: Payload, B: Payload, H: Hook<R, A, B>> DynHook<R, A, B> for H {
    async fn run(&self, cx: &JobCx<'_, R>, value: A) -> JobResult<B> {
        self.call(cx, value).await
    }
}

/// An undo of any type.
#[async_trait]
pub(super) trait DynUndo<R: Resources, I: Payload, O: Payload>: Send + Sync {
    async fn run(
        &self,
        cx: &JobCx<'_, R>,
        why: &RollbackCause,
        state: JobState<I, O>,
    ) -> JobResult<()>;
}

/// The undo of the job itself.
pub(super) struct JobUndo<J>(pub(super) Arc<J>);

#[async_trait]
impl<R: Resources, J: Job<R>> DynUndo<R, J::Input, J::Output> for JobUndo<J> {
    async fn run(
        &self,
        cx: &JobCx<'_, R>,
        why: &RollbackCause,
        state: JobState<J::Input, J::Output>,
    ) -> JobResult<()> {
        <J::Undo as UndoFor<R, J>>::undo(&self.0, cx, why, state).await
    }
}

/// The undo of an extension.
pub(super) struct OtherUndo<H>(pub(super) H);

#[async_trait]
impl<R: Resources, I: Payload, O: Payload, H: RollbackFn<R, I, O>> DynUndo<R, I, O>
    for OtherUndo<H>
{
    async fn run(
        &self,
        cx: &JobCx<'_, R>,
        why: &RollbackCause,
        state: JobState<I, O>,
    ) -> JobResult<()> {
        self.0.rollback(cx, why, state).await
    }
}
