//! The layers between a step's values and the job's.
//!
//! Each knows how many post-hooks run further in, and hands in how many pre-hooks ran further out: hooks are counted over the
//! whole step, in the order in which they run.

use std::sync::Arc;

use async_trait::async_trait;

use super::hook::DynHook;
use crate::attempt::Reached;
use crate::context::JobCx;
use crate::error::{JobResult, Place};
use crate::job::{Job, Payload, Resources};
use crate::value::{decode, encode};

/// A part of a step, from its job outwards.
#[async_trait]
pub(super) trait Layer<R: Resources, I: Payload, O: Payload>: Send + Sync {
    async fn run(&self, cx: JobCx<'_, R>, input: I) -> JobResult<O>;

    /// How many post-hooks run in it.
    fn post_hooks(&self) -> u32;
}

/// The job itself.
pub(super) struct Base<J>(pub(super) Arc<J>);

#[async_trait]
impl<R: Resources, J: Job<R>> Layer<R, J::Input, J::Output> for Base<J> {
    async fn run(&self, cx: JobCx<'_, R>, input: J::Input) -> JobResult<J::Output> {
        let cx = cx.at(Place::Execute);
        let failed = |error: crate::JobError| error.at(Place::Execute);
        let prepared = encode(&input).map_err(failed)?;
        cx.served().prepared(prepared).await.map_err(failed)?;
        let before = Reached::Before(Place::Execute);
        cx.reach(before).await.map_err(failed)?;
        let output = self.0.execute(&cx, input).await.map_err(failed)?;
        cx.reach(Reached::AfterExecute).await.map_err(failed)?;
        cx.served().returned(&encode(&output).map_err(failed)?);
        Ok(output)
    }

    fn post_hooks(&self) -> u32 {
        0
    }
}

/// Hooks that keep the types.
pub(super) struct Hooked<R, I, O> {
    pub(super) pre: Vec<Arc<dyn DynHook<R, I, I>>>,
    pub(super) inner: Arc<dyn Layer<R, I, O>>,
    pub(super) post: Vec<Arc<dyn DynHook<R, O, O>>>,
}

#[async_trait]
impl<R: Resources, I: Payload, O: Payload> Layer<R, I, O> for Hooked<R, I, O> {
    async fn run(&self, cx: JobCx<'_, R>, input: I) -> JobResult<O> {
        let (cx, input) = run_pre(cx, &self.pre, input).await?;
        let output = self.inner.run(cx, input).await?;
        run_post(cx, &self.post, self.inner.post_hooks(), output).await
    }

    fn post_hooks(&self) -> u32 {
        self.inner.post_hooks() + count(&self.post)
    }
}

/// A hook that makes the input.
pub(super) struct Before<R, A, I, O> {
    pub(super) hook: Arc<dyn DynHook<R, A, I>>,
    pub(super) pre: Vec<Arc<dyn DynHook<R, I, I>>>,
    pub(super) inner: Arc<dyn Layer<R, I, O>>,
}

#[async_trait]
impl<R: Resources, A: Payload, I: Payload, O: Payload> Layer<R, A, O> for Before<R, A, I, O> {
    async fn run(&self, cx: JobCx<'_, R>, input: A) -> JobResult<O> {
        let (cx, input) = pre(cx, self.hook.as_ref(), input).await?;
        let (cx, input) = run_pre(cx, &self.pre, input).await?;
        self.inner.run(cx, input).await
    }

    fn post_hooks(&self) -> u32 {
        self.inner.post_hooks()
    }
}

/// A hook that makes the output.
pub(super) struct After<R, I, O, B> {
    pub(super) inner: Arc<dyn Layer<R, I, O>>,
    pub(super) post: Vec<Arc<dyn DynHook<R, O, O>>>,
    pub(super) hook: Arc<dyn DynHook<R, O, B>>,
}

#[async_trait]
impl<R: Resources, I: Payload, O: Payload, B: Payload> Layer<R, I, B> for After<R, I, O, B> {
    async fn run(&self, cx: JobCx<'_, R>, input: I) -> JobResult<B> {
        let output = self.inner.run(cx, input).await?;
        let before = self.inner.post_hooks();
        let output = run_post(cx, &self.post, before, output).await?;
        post(cx, self.hook.as_ref(), before + count(&self.post), output).await
    }

    fn post_hooks(&self) -> u32 {
        self.inner.post_hooks() + count(&self.post) + 1
    }
}

/// Passes on its input.
pub(super) struct Tapped<R, I>(pub(super) Arc<dyn Layer<R, I, ()>>);

#[async_trait]
impl<R: Resources, I: Payload> Layer<R, I, I> for Tapped<R, I> {
    async fn run(&self, cx: JobCx<'_, R>, input: I) -> JobResult<I> {
        // By way of JSON, as a payload need not be `Clone`.
        let kept = encode(&input)?;
        self.0.run(cx, input).await?;
        Ok(decode(kept)?)
    }

    fn post_hooks(&self) -> u32 {
        self.0.post_hooks()
    }
}

/// Passes on its input and looks at nothing.
pub(super) struct Passing<R>(pub(super) Arc<dyn Layer<R, (), ()>>);

#[async_trait]
impl<R: Resources, T: Payload> Layer<R, T, T> for Passing<R> {
    async fn run(&self, cx: JobCx<'_, R>, input: T) -> JobResult<T> {
        self.0.run(cx, ()).await?;
        Ok(input)
    }

    fn post_hooks(&self) -> u32 {
        self.0.post_hooks()
    }
}

/// Passes on the second part of a pair.
pub(super) struct Carrying<R, I, O>(pub(super) Arc<dyn Layer<R, I, O>>);

#[async_trait]
impl<R: Resources, I: Payload, O: Payload, C: Payload> Layer<R, (I, C), (O, C)>
    for Carrying<R, I, O>
{
    async fn run(&self, cx: JobCx<'_, R>, (input, carried): (I, C)) -> JobResult<(O, C)> {
        let output = self.0.run(cx, input).await?;
        Ok((output, carried))
    }

    fn post_hooks(&self) -> u32 {
        self.0.post_hooks()
    }
}

/// Runs pre-hooks in order; what runs next counts on from the context returned.
pub(super) async fn run_pre<'a, R: Resources, I: Payload>(
    mut cx: JobCx<'a, R>,
    hooks: &[Arc<dyn DynHook<R, I, I>>],
    mut input: I,
) -> JobResult<(JobCx<'a, R>, I)> {
    for hook in hooks {
        (cx, input) = pre(cx, hook.as_ref(), input).await?;
    }
    Ok((cx, input))
}

async fn pre<'a, R: Resources, A: Payload, B: Payload>(
    cx: JobCx<'a, R>,
    hook: &dyn DynHook<R, A, B>,
    input: A,
) -> JobResult<(JobCx<'a, R>, B)> {
    let at = cx.at_pre_hook();
    let failed = |error: crate::JobError| error.at(at.place());
    let before = Reached::Before(at.place());
    at.reach(before).await.map_err(failed)?;
    let made = hook.run(&at, input).await.map_err(failed)?;
    Ok((cx.past_pre_hook(), made))
}

/// Runs post-hooks in order, of which the first is number `first`.
pub(super) async fn run_post<R: Resources, O: Payload>(
    cx: JobCx<'_, R>,
    hooks: &[Arc<dyn DynHook<R, O, O>>],
    first: u32,
    mut output: O,
) -> JobResult<O> {
    for (number, hook) in (first..).zip(hooks) {
        output = post(cx, hook.as_ref(), number, output).await?;
    }
    Ok(output)
}

async fn post<R: Resources, A: Payload, B: Payload>(
    cx: JobCx<'_, R>,
    hook: &dyn DynHook<R, A, B>,
    number: u32,
    output: A,
) -> JobResult<B> {
    let place = Place::PostHook(number);
    let failed = |error: crate::JobError| error.at(place);
    let before = Reached::Before(place);
    cx.reach(before).await.map_err(failed)?;
    hook.run(&cx.at(place), output).await.map_err(failed)
}

fn count<T>(hooks: &[T]) -> u32 {
    u32::try_from(hooks.len()).unwrap_or(u32::MAX)
}
