//! The steps of an action with the explorer round them.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use serde_json::Value;

use super::fault::At;
use super::gate::Gate;
use super::injector::{Injector, happen};
use crate::attempt::{Attempt, Phase, Reached};
use crate::cause::RollbackCause;
use crate::context::JobCx;
use crate::error::{ErrorView, JobError, JobResult, Place, StopReason};
use crate::job::Resources;
use crate::name::{DeploymentId, InvalidName, JobName};
use crate::plan::PlannedJob;
use crate::step::ErasedStep;
use crate::value::Tagged;

/// A step that the explorer watches, in one process.
pub(super) struct Watched<R> {
    pub(super) inner: Arc<dyn ErasedStep<R>>,
    pub(super) index: usize,
    pub(super) injector: Arc<Injector>,
    pub(super) gate: Arc<Gate>,
}

impl<R> Watched<R> {
    async fn pass(&self, at: At) -> JobResult<()> {
        match self.injector.pass(self.index, at) {
            Some(fault) => happen(fault, &self.gate).await,
            None => Ok(()),
        }
    }
}

#[async_trait]
impl<R: Resources> ErasedStep<R> for Watched<R> {
    fn planned(&self) -> Result<PlannedJob, InvalidName> {
        self.inner.planned()
    }

    async fn run(&self, cx: &JobCx<'_, R>, input: Value) -> JobResult<Value> {
        self.injector.called(self.index, Phase::Execute);
        self.pass(At::Loading).await?;
        let attempt = Watching {
            inner: cx.served(),
            index: self.index,
            injector: &self.injector,
            gate: &self.gate,
            is_repeat: AtomicBool::new(false),
        };
        let cx = cx.served_by(&attempt);
        let mut output = self.inner.run(&cx, input.clone()).await?;
        if self.injector.runs_twice(self.index, At::InExecute) {
            attempt.is_repeat.store(true, Ordering::SeqCst);
            output = self.inner.run(&cx, input).await?;
        }
        match self.injector.fails(self.index) {
            true => Err(JobError::terminal(ErrorView::new(
                "made_to_fail",
                "the explorer has the last job fail after its effect",
            ))),
            false => Ok(output),
        }
    }

    async fn undo(
        &self,
        cx: &JobCx<'_, R>,
        why: &RollbackCause,
        input: Value,
        output: Option<Value>,
    ) -> JobResult<()> {
        self.injector.called(self.index, Phase::Rollback);
        self.pass(At::LoadingRollback).await?;
        self.pass(At::InRollback).await?;
        let undo = || self.inner.undo(cx, why, input.clone(), output.clone());
        undo().await?;
        if self.injector.runs_twice(self.index, At::InRollback) {
            undo().await?;
        }
        self.pass(At::AfterRollback).await
    }

    fn check_output(&self, output: &Value) -> Result<(), serde_json::Error> {
        self.inner.check_output(output)
    }
}

/// An attempt that tells the explorer how far its code has come.
struct Watching<'a> {
    inner: &'a dyn Attempt,
    index: usize,
    injector: &'a Injector,
    gate: &'a Gate,
    /// The code runs for the second time; its input is recorded already.
    is_repeat: AtomicBool,
}

#[async_trait]
impl Attempt for Watching<'_> {
    fn deployment(&self) -> DeploymentId {
        self.inner.deployment()
    }

    fn job(&self) -> &JobName {
        self.inner.job()
    }

    fn phase(&self) -> Phase {
        self.inner.phase()
    }

    fn number(&self) -> NonZeroU32 {
        self.inner.number()
    }

    fn maybe_ran_before(&self) -> bool {
        self.inner.maybe_ran_before() || self.is_repeat.load(Ordering::SeqCst)
    }

    fn epoch(&self) -> u64 {
        self.inner.epoch()
    }

    async fn prepared(&self, input: Value) -> JobResult<()> {
        match self.is_repeat.load(Ordering::SeqCst) {
            true => Ok(()),
            false => self.inner.prepared(input).await,
        }
    }

    fn returned(&self, output: &Value) {
        self.inner.returned(output);
    }

    async fn put_data(&self, key: &str, value: Value) -> JobResult<()> {
        self.inner.put_data(key, value).await
    }

    async fn data(&self, key: &str) -> JobResult<Option<Tagged>> {
        self.inner.data(key).await
    }

    async fn output_of(&self, job: &JobName) -> JobResult<Tagged> {
        self.inner.output_of(job).await
    }

    fn gives_up(&self, error: &JobError) -> bool {
        self.inner.gives_up(error)
    }

    async fn handled(&self, place: Place, error: &ErrorView) -> JobResult<()> {
        self.inner.handled(place, error).await
    }

    fn heartbeat(&self) -> Result<(), StopReason> {
        self.inner.heartbeat()
    }

    async fn stopped(&self) -> StopReason {
        self.inner.stopped().await
    }

    async fn reached(&self, step: Reached) -> JobResult<()> {
        let at = match step {
            Reached::Before(Place::PreHook(number)) => At::InPreHook(number),
            Reached::Before(Place::Execute) => At::InExecute,
            Reached::Before(Place::PostHook(number)) => At::InPostHook(number),
            Reached::Before(Place::Rollback) => return Ok(()),
            Reached::AfterExecute => At::AfterExecute,
        };
        match self.injector.pass(self.index, at) {
            Some(fault) => happen(fault, self.gate).await,
            None => Ok(()),
        }
    }
}
