//! Errors that are handled: by whom, when, and what is recorded of them (spec 2.11, D1 to D5).

use std::sync::Arc;

use async_trait::async_trait;

use super::hook::Recover;
use super::layer::Layer;
use crate::context::JobCx;
use crate::error::{ErrorView, JobError, JobResult, Wish};
use crate::job::{Payload, Resources};
use crate::value::{decode, encode};

/// A step with a handler for the errors of all that lies further in.
pub(super) struct Recovering<R, I, O, H> {
    pub(super) inner: Arc<dyn Layer<R, I, O>>,
    pub(super) handler: H,
}

#[async_trait]
impl<R: Resources, I: Payload, O: Payload, H: Recover<R, I, O>> Layer<R, I, O>
    for Recovering<R, I, O, H>
{
    async fn run(&self, cx: JobCx<'_, R>, input: I) -> JobResult<O> {
        // By way of JSON, as a payload need not be `Clone`.
        let kept = encode(&input)?;
        match self.inner.run(cx, input).await {
            Err(error) if is_offered(&cx, &error) => {
                let own = match decode(kept) {
                    Ok(kept) => self.handler.recover(&cx, kept, &error.view).await,
                    Err(error) => Err(error.into()),
                };
                settled(&cx, error, own).await
            }
            other => other,
        }
    }

    fn post_hooks(&self) -> u32 {
        self.inner.post_hooks()
    }
}

/// Whether a handler may have the error. A value that cannot be read is never the job's to deal with.
pub(super) fn is_offered<R: Resources>(cx: &JobCx<'_, R>, error: &JobError) -> bool {
    !matches!(error.wish, Wish::Park(_)) && cx.served().gives_up(error)
}

/// What it comes to that a handler made `own` of `error`.
///
/// The error is recorded, unless the handler only passed it on: then it is recorded as the failure.
pub(super) async fn settled<R: Resources, O>(
    cx: &JobCx<'_, R>,
    error: JobError,
    own: JobResult<O>,
) -> JobResult<O> {
    let place = error.place.unwrap_or(cx.place());
    let is_passed_on = match &own {
        Ok(_) => false,
        Err(own) => own.view.code == error.view.code && own.view.message == error.view.message,
    };
    if !is_passed_on {
        cx.served().handled(place, &error.view).await?;
    }
    own.map_err(|own| without_retry(own).at(place))
}

fn without_retry(error: JobError) -> JobError {
    match error.wish {
        Wish::Retry { .. } => JobError {
            wish: Wish::Terminal,
            ..error
        },
        Wish::Terminal | Wish::TerminalNoEffect | Wish::Park(_) => error,
    }
}

/// Passes on a value chosen beforehand.
pub(super) struct Fallback<O>(pub(super) O);

impl<R: Resources, I: Payload, O: Payload + Clone> Recover<R, I, O> for Fallback<O> {
    async fn recover(&self, _: &JobCx<'_, R>, _: I, _: &ErrorView) -> JobResult<O> {
        Ok(self.0.clone())
    }
}

/// Passes on the input.
pub(super) struct KeepInput;

impl<R: Resources, T: Payload> Recover<R, T, T> for KeepInput {
    async fn recover(&self, _: &JobCx<'_, R>, input: T, _: &ErrorView) -> JobResult<T> {
        Ok(input)
    }
}
