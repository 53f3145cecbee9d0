//! One attempt as its job sees it: the runner's side of [`Attempt`].

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use super::lease::{Lease, LeaseError};
use super::values::Values;
use crate::attempt::{Attempt, Phase};
use crate::deployment::{
    AttemptRef, Attempts, Deployment, DeploymentCommand, Report, Stored, WorkerView,
    is_last_attempt,
};
use crate::error::{ErrorView, JobError, JobResult, Place, StopReason, Wish};
use crate::name::{DeploymentId, JobName};
use crate::plan::{PlannedJob, Schema, Undo};
use crate::value::Tagged;

/// The most bytes of the name of a kept value.
const KEY_BYTES_MAX: usize = 128;

/// One attempt under way.
pub(crate) struct Serving<'a> {
    pub(crate) lease: &'a dyn Lease,
    pub(crate) values: &'a Values,
    pub(crate) by: WorkerView,
    pub(crate) id: DeploymentId,
    /// The job as the plan has it: name, policy, what is owed to the undo.
    pub(crate) planned: &'a PlannedJob,
    /// The same as today's code has it: hooks, undo, schema.
    pub(crate) today: &'a PlannedJob,
    pub(crate) at: AttemptRef,
    pub(crate) maybe_ran_before: bool,
    /// Why the attempt is to stop.
    pub(crate) stop: watch::Sender<Option<StopReason>>,
    /// When the attempt last gave a sign of life.
    pub(crate) alive: watch::Sender<Instant>,
    /// What execute returned, before the post-hooks.
    pub(crate) returned: Mutex<Option<Value>>,
    /// Why the lease cannot be written under any more.
    pub(crate) failed: Mutex<Option<LeaseError>>,
}

impl Serving<'_> {
    /// The version of the schema that the code writes, if another than the plan names.
    pub(crate) fn version(&self) -> Option<u16> {
        let (today, planned) = (self.today.schema.version, self.planned.schema.version);
        (today != planned).then_some(today)
    }

    /// Whether an undo may want to know.
    fn has_undo(&self) -> bool {
        self.planned.undo == Undo::Handled || self.today.undo == Undo::Handled
    }

    /// The value that execute returned, if the plan asks for it to be recorded.
    pub(crate) fn raw_output(&self) -> Option<Value> {
        self.returned
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    pub(crate) async fn report(&self, report: Report) -> Result<Arc<Deployment>, LeaseError> {
        let command = DeploymentCommand::Report {
            by: self.by.clone(),
            report,
        };
        self.lease.append(&command).await
    }

    /// Reports from within the job. An error of the lease ends the attempt, whatever the job makes of it.
    async fn report_within(&self, report: Report) -> JobResult<()> {
        let Err(error) = self.report(report).await else {
            return Ok(());
        };
        let told = JobError::terminal(ErrorView::new("not_recorded", error.to_string()));
        if !matches!(error, LeaseError::Refused(_)) {
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            *failed = Some(error);
            self.stop.send_replace(Some(StopReason::LeaseLost));
        }
        Err(told)
    }

    fn state(&self) -> JobResult<Arc<Deployment>> {
        let gone = || JobError::terminal(ErrorView::new("absent", "the deployment is not there"));
        self.lease.deployment().ok_or_else(gone)
    }
}

/// A value with the tag of what wrote it: the job of that number, or the request.
pub(crate) fn tagged(
    deployment: &Deployment,
    writer: Option<usize>,
    stored: &Stored,
    value: Value,
) -> Tagged {
    match writer {
        Some(writer) => {
            let schema = written(&deployment.plan.jobs[writer].schema, stored);
            Tagged::output(&schema, value)
        }
        None => {
            let version = stored.version().unwrap_or(deployment.plan.input_schema);
            Tagged::start(&deployment.asked.action, version, value)
        }
    }
}

/// The schema under which a value of the job with `planned` was written.
pub(crate) fn written(planned: &Schema, stored: &Stored) -> Schema {
    Schema {
        version: stored.version().unwrap_or(planned.version),
        ..planned.clone()
    }
}

#[async_trait]
impl Attempt for Serving<'_> {
    fn deployment(&self) -> DeploymentId {
        self.id
    }

    fn job(&self) -> &JobName {
        &self.planned.job
    }

    fn phase(&self) -> Phase {
        self.at.phase
    }

    fn number(&self) -> NonZeroU32 {
        self.at.attempt
    }

    fn maybe_ran_before(&self) -> bool {
        self.maybe_ran_before
    }

    fn epoch(&self) -> u64 {
        self.by.epoch
    }

    async fn prepared(&self, input: Value) -> JobResult<()> {
        let has_hooks = self.planned.has_pre_hooks || self.today.has_pre_hooks;
        if !has_hooks || !self.has_undo() {
            return Ok(());
        }
        let input = self.values.store(input, self.version()).await?;
        let at = self.at;
        self.report_within(Report::Prepared { at, input }).await
    }

    fn returned(&self, output: &Value) {
        let has_hooks = self.planned.has_post_hooks || self.today.has_post_hooks;
        if has_hooks && self.has_undo() {
            let mut returned = self.returned.lock().unwrap_or_else(PoisonError::into_inner);
            *returned = Some(output.clone());
        }
    }

    async fn put_data(&self, key: &str, value: Value) -> JobResult<()> {
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            let message = format!("the key {key:?} has not 1 to {KEY_BYTES_MAX} bytes");
            return Err(JobError::terminal(ErrorView::new("invalid_key", message)));
        }
        let value = self.values.store(value, self.version()).await?;
        let report = Report::Data {
            at: self.at,
            key: key.to_owned(),
            value,
        };
        self.report_within(report).await
    }

    async fn data(&self, key: &str) -> JobResult<Option<Tagged>> {
        let state = self.state()?;
        let kept = state.jobs.get(self.at.index);
        match kept.and_then(|job| job.data.get(key)) {
            Some(stored) => {
                let value = self.values.load(stored).await?;
                let schema = written(&self.planned.schema, stored);
                Ok(Some(Tagged::data(&schema, key, value)))
            }
            None => Ok(None),
        }
    }

    async fn output_of(&self, job: &JobName) -> JobResult<Tagged> {
        let state = self.state()?;
        let found = state.plan.index_of(job);
        let found = found.and_then(|index| state.output_of(index));
        let Some((stored, writer)) = found else {
            let message = format!("the plan has no job {job} that is done");
            return Err(JobError::terminal(ErrorView::new("no_output", message)));
        };
        let value = self.values.load(stored).await?;
        Ok(tagged(&state, writer, stored, value))
    }

    fn gives_up(&self, error: &JobError) -> bool {
        match error.wish {
            Wish::Park(_) => false,
            // Handlers have no say in the end of an attempt that was told to stop.
            _ if self.stop.borrow().is_some() => false,
            Wish::Terminal | Wish::TerminalNoEffect => true,
            Wish::Retry { .. } => {
                let state = self.lease.deployment();
                let job = state
                    .as_ref()
                    .and_then(|state| state.jobs.get(self.at.index));
                let now_ms = self.lease.now_ms();
                job.is_some_and(|job| {
                    // A start may stand for more attempts than have been made.
                    let made = Attempts {
                        started: self.at.attempt.get(),
                        ..job.execute.clone()
                    };
                    is_last_attempt(&self.planned.policy, &made, now_ms)
                })
            }
        }
    }

    async fn handled(&self, place: Place, error: &ErrorView) -> JobResult<()> {
        let report = Report::Handled {
            at: self.at,
            place,
            error: error.clone(),
            left_out: 0,
        };
        self.report_within(report).await
    }

    fn heartbeat(&self) -> Result<(), StopReason> {
        self.alive.send_replace(Instant::now());
        let stop = *self.stop.borrow();
        stop.map_or(Ok(()), Err)
    }

    async fn stopped(&self) -> StopReason {
        let mut stop = self.stop.subscribe();
        loop {
            if let Some(reason) = *stop.borrow_and_update() {
                return reason;
            }
            // The sender lives in `self`, so that this cannot fail.
            drop(stop.changed().await);
        }
    }
}
