//! The runner: follows one deployment from step to step for as long as its lease lasts.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nogfso_faults::{Mutant, is_planted};
use nogfso_journal::Environment;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::lease::{Lease, LeaseError};
use super::reports::failed;
use super::serving::{Serving, tagged, written};
use super::supervise::{Bounds, supervise};
use super::values::Values;
use crate::attempt::Phase;
use crate::context::JobCx;
use crate::deployment::{
    AttemptRef, Class, Deployment, DeploymentCommand, Failed, Next, Open, Report, RollbackCause,
    WorkerView, next,
};
use crate::error::{ErrorView, JobError, JobResult, StopReason, Unloadable, Wish};
use crate::job::Resources;
use crate::plan::{Manifest, PlannedJob};
use crate::registry::Registry;
use crate::step::ErasedStep;
use crate::value::{Reader, Tagged};

/// From which wait on the slot is freed and a timer brings the deployment back.
pub const WAIT_IN_SLOT_MAX: Duration = Duration::from_secs(60);

/// What became of a deployment in a runner's hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driven {
    /// It ended, is paused or parked: nothing is left for a worker.
    Ended,
    /// Nothing is to be done before this time, in ms since the Unix epoch; the lease is to be given back until then.
    Deferred(u64),
    /// The runner was told to stop; the lease is to be given back.
    Stopped,
    /// This runner does not know all jobs of the plan; another one may.
    NotRunnable,
}

/// Runs deployments of the actions of one registry.
pub struct Runner<R> {
    registry: Arc<Registry<R>>,
    manifest: Arc<Manifest>,
    resources: Arc<R>,
    values: Values,
    environment: Environment,
    /// The attempt that each deployment in hand began last: one that is open and begun was interrupted.
    begun: Mutex<HashMap<u128, (u64, AttemptRef)>>,
}

impl<R: Resources> Runner<R> {
    pub(crate) fn new(
        registry: Arc<Registry<R>>,
        resources: Arc<R>,
        values: Values,
        environment: Environment,
    ) -> Self {
        let manifest = Arc::new(registry.runnable());
        Self {
            registry,
            manifest,
            resources,
            values,
            environment,
            begun: Mutex::default(),
        }
    }

    /// What this runner can run.
    #[must_use]
    pub fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// A number drawn afresh, for delays.
    #[must_use]
    pub fn draw(&self) -> u32 {
        let random = self.environment.fresh().random();
        u32::try_from(random & u128::from(u32::MAX)).unwrap_or_default()
    }

    /// Works on the deployment of `lease` until nothing is left, or it has to stop.
    ///
    /// The claim must be stored already. What is begun is recorded before its code runs; what it came to and what follows
    /// are one commit.
    ///
    /// # Errors
    ///
    /// Returns what an append returned.
    pub async fn drive(&self, lease: &dyn Lease) -> Result<Driven, LeaseError> {
        let Some(deployment) = lease.deployment() else {
            return Ok(Driven::Ended);
        };
        let id = deployment.asked.id.0.as_u128();
        let driven = self.follow(lease, deployment).await;
        // Whoever is told to stop may come back to what it left open.
        let may_return = matches!(driven, Ok(Driven::Stopped) | Err(LeaseError::Stopped));
        if !may_return {
            self.begun().remove(&id);
        }
        driven
    }

    async fn follow(
        &self,
        lease: &dyn Lease,
        mut deployment: Arc<Deployment>,
    ) -> Result<Driven, LeaseError> {
        loop {
            match lease.must_stop() {
                Some(StopReason::LeaseLost) => return Err(LeaseError::Stopped),
                Some(_) => return Ok(Driven::Stopped),
                None => {}
            }
            let now_ms = lease.now_ms();
            deployment = match next(&deployment, now_ms, &self.manifest) {
                Next::Nothing => return Ok(Driven::Ended),
                Next::NotRunnable => return Ok(Driven::NotRunnable),
                Next::Wait(until_ms) => {
                    let wait = Duration::from_millis(until_ms.saturating_sub(now_ms));
                    if wait > WAIT_IN_SLOT_MAX {
                        return Ok(Driven::Deferred(until_ms));
                    }
                    self.wait(lease, &deployment, wait).await
                }
                Next::Await => {
                    let open = deployment.open.expect("an attempt is awaited");
                    self.see_through(lease, &deployment, open).await?
                }
                Next::MarkLost
                | Next::Park { .. }
                | Next::Pause(_)
                | Next::BeginRollback(_)
                | Next::Start(_)
                | Next::Undo(_)
                | Next::Skip(..)
                | Next::Succeed
                | Next::FinishRollback => lease.append(&self.report(lease, Report::Go)).await?,
            };
        }
    }

    /// Waits, unless something new comes.
    async fn wait(
        &self,
        lease: &dyn Lease,
        deployment: &Arc<Deployment>,
        wait: Duration,
    ) -> Arc<Deployment> {
        let mut news = lease.news();
        let is_news = lease.must_stop().is_some()
            || lease
                .deployment()
                .is_some_and(|newest| newest.events_count > deployment.events_count);
        if !is_news {
            tokio::select! {
                biased;
                () = news.changed() => {}
                () = sleep(wait) => {}
            }
        }
        lease.deployment().unwrap_or_else(|| Arc::clone(deployment))
    }

    /// Runs the open attempt and records what it came to.
    async fn see_through(
        &self,
        lease: &dyn Lease,
        deployment: &Deployment,
        open: Open,
    ) -> Result<Arc<Deployment>, LeaseError> {
        let id = deployment.asked.id.0.as_u128();
        let begun = (lease.epoch(), open.at);
        if self.begun().insert(id, begun) == Some(begun) {
            let error = ErrorView::new("stopped", "the worker paused in the middle of it");
            let stopped = failed(open.at, Class::Stopped, error);
            let report = Report::Failed(stopped);
            return lease.append(&self.report(lease, report)).await;
        }
        let planned = &deployment.plan.jobs[open.at.index];
        let action = &deployment.asked.action;
        let revision = deployment.plan.revision;
        let step = self.registry.step(action, revision, &planned.job);
        let today = self.registry.planned(action, revision, &planned.job);
        let reader = self.registry.reader(action, revision);
        let (Some(step), Some(today), Some(reader)) = (step, today, reader) else {
            // The manifest said that it is known.
            return Err(LeaseError::Failed {
                reason: format!("the registry has no job {}", planned.job),
            });
        };
        let mut number = open.at.attempt;
        let mut left_out = 0;
        let mut last = None;
        loop {
            let at = AttemptRef {
                attempt: number,
                ..open.at
            };
            let is_first = number == open.at.attempt;
            let attempt = OneAttempt {
                reader,
                deployment,
                planned,
                today,
                at,
                may_have_begun: !is_first,
                timeout_ms: open.timeout_ms.filter(|_| is_first),
            };
            let mut report = self.attempt(lease, step.as_ref(), &attempt).await?;
            if let Report::Failed(failed) = &mut report {
                if let Some(delay) = repeat_after(lease, deployment, open, failed) {
                    // The start stands for this one and the next: what is not written is counted.
                    left_out += 1;
                    last = Some(failed.clone());
                    number = NonZeroU32::MIN.saturating_add(number.get());
                    pause_within(lease, delay).await;
                    continue;
                }
                failed.left_out = left_out;
            } else if let Some(last) = &last {
                // The last one of those that were not written is, as they are counted with it.
                let dealt_with = dealt_with(last, left_out - 1);
                lease.append(&self.report(lease, dealt_with)).await?;
            }
            return lease.append(&self.report(lease, report)).await;
        }
    }

    /// Runs one attempt; returns what is to be recorded.
    async fn attempt(
        &self,
        lease: &dyn Lease,
        step: &dyn ErasedStep<R>,
        attempt: &OneAttempt<'_>,
    ) -> Result<Report, LeaseError> {
        let OneAttempt {
            reader,
            deployment,
            planned,
            today,
            at,
            ..
        } = *attempt;
        let job = &deployment.jobs[at.index];
        let serving = Serving {
            lease,
            values: &self.values,
            by: self.view(lease),
            id: deployment.asked.id,
            planned,
            today,
            at,
            maybe_ran_before: attempt.may_have_begun || job.attempts(at.phase).may_have_acted(),
            stop: watch::Sender::new(None),
            alive: watch::Sender::new(Instant::now()),
            returned: Mutex::default(),
            failed: Mutex::default(),
        };
        let began_ms = lease.now_ms();
        let timeout_ms = attempt
            .timeout_ms
            .map(|timeout_ms| timeout_ms.saturating_sub(began_ms))
            .or(policy_of(planned, at.phase).attempt_timeout_ms);
        let bounds = Bounds {
            timeout: timeout_ms.map(|limit| Instant::now() + Duration::from_millis(limit)),
            heartbeat: planned
                .policy
                .heartbeat_timeout_ms
                .map(Duration::from_millis),
        };
        let cx = JobCx::new(&*self.resources, &serving, reader);
        let ended = match at.phase {
            Phase::Execute => {
                let code = async {
                    let input = self.input(reader, deployment, at.index).await?;
                    step.run(&cx, input).await
                };
                supervise(&serving, &bounds, code).await
            }
            Phase::Rollback => {
                let why = deployment.cause.as_ref().expect("a rollback has a cause");
                let code = self.undo((reader, deployment), at.index, why, (step, &cx));
                supervise(&serving, &bounds, code).await
            }
        };
        if let Some(error) = serving
            .failed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            return Err(error);
        }
        let took_ms = lease.now_ms().saturating_sub(began_ms);
        serving.reported(ended, took_ms).await
    }

    /// What the step of a job is given.
    async fn input(
        &self,
        reader: Reader<'_>,
        deployment: &Deployment,
        index: usize,
    ) -> JobResult<Value> {
        let (stored, writer) = deployment.input_of(index).ok_or_else(no_input)?;
        let value = self.values.load(stored).await?;
        reader.load(tagged(deployment, writer, stored, value))
    }

    /// Undoes a job, given its own input and what its execute returned.
    async fn undo(
        &self,
        (reader, deployment): (Reader<'_>, &Deployment),
        index: usize,
        why: &RollbackCause,
        (step, cx): (&dyn ErasedStep<R>, &JobCx<'_, R>),
    ) -> JobResult<Value> {
        let (planned, job) = deployment.job(index).expect("the job is one of the plan");
        let schema = &planned.schema;
        let input = match &job.prepared {
            Some(prepared) => {
                let value = self.values.load(prepared).await?;
                reader.load(Tagged::input(&written(schema, prepared), value))?
            }
            None => self.input(reader, deployment, index).await?,
        };
        let output = match (&job.raw_output, planned.has_post_hooks) {
            (Some(raw), _) => {
                let value = self.values.load(raw).await?;
                Some(reader.load(Tagged::returned(&written(schema, raw), value))?)
            }
            (None, true) => None,
            (None, false) => match deployment.output_of(index) {
                Some((stored, writer)) => {
                    let value = self.values.load(stored).await?;
                    Some(reader.load(tagged(deployment, writer, stored, value))?)
                }
                None => None,
            },
        };
        step.undo(cx, why, input, output).await?;
        Ok(Value::Null)
    }

    fn report(&self, lease: &dyn Lease, report: Report) -> DeploymentCommand {
        let by = self.view(lease);
        DeploymentCommand::Report { by, report }
    }

    pub(crate) fn view(&self, lease: &dyn Lease) -> WorkerView {
        WorkerView {
            is_ending: lease.must_stop().is_some(),
            ..self.view_of(lease.epoch())
        }
    }

    pub(crate) fn view_of(&self, epoch: u64) -> WorkerView {
        WorkerView {
            epoch,
            manifest: Arc::clone(&self.manifest),
            draw: self.draw(),
            is_ending: false,
        }
    }

    fn begun(&self) -> std::sync::MutexGuard<'_, HashMap<u128, (u64, AttemptRef)>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the attempts that a start stands for.
#[derive(Clone, Copy)]
struct OneAttempt<'a> {
    reader: Reader<'a>,
    deployment: &'a Deployment,
    planned: &'a PlannedJob,
    today: &'a PlannedJob,
    at: AttemptRef,
    may_have_begun: bool,
    timeout_ms: Option<u64>,
}

fn policy_of(planned: &PlannedJob, phase: Phase) -> &crate::plan::RetryPolicy {
    match phase {
        Phase::Execute => &planned.policy.execute,
        Phase::Rollback => &planned.policy.rollback,
    }
}

/// How long after this failure another attempt follows for which the start of the open one stands, if one does.
fn repeat_after(
    lease: &dyn Lease,
    deployment: &Deployment,
    open: Open,
    failed: &Failed,
) -> Option<Duration> {
    let (planned, job) = deployment.job(failed.at.index)?;
    let policy = policy_of(planned, failed.at.phase);
    let first_ms = job.attempts(failed.at.phase).first_started_ms;
    let has_time = policy
        .elapsed_max_ms
        .zip(first_ms)
        .is_none_or(|(max, first_ms)| lease.now_ms().saturating_sub(first_ms) < max);
    let delay_ms = failed
        .after_ms
        .unwrap_or_else(|| policy.delay_bound_ms(failed.at.attempt.get()) / 2);
    let delay = Duration::from_millis(delay_ms);
    // A longer wait is recorded, and frees the slot.
    let is_soon = delay <= WAIT_IN_SLOT_MAX;
    let repeats = may_repeat(failed, open) && has_time && is_soon && !is_wanted_to_stop(lease);
    repeats.then_some(delay)
}

/// That another attempt made good for a failure.
fn dealt_with(failed: &Failed, left_out: u32) -> Report {
    Report::Handled {
        at: failed.at,
        place: failed.place,
        error: failed.error.clone(),
        left_out,
    }
}

/// Whether the start of the open attempt stands for another one after this failure.
fn may_repeat(failed: &Failed, open: Open) -> bool {
    let may_retry = match failed.at.phase {
        Phase::Execute => matches!(failed.class, Class::Retryable | Class::TimedOut),
        Phase::Rollback => !matches!(
            failed.class,
            Class::Terminal | Class::TerminalNoEffect | Class::Stopped
        ),
    };
    let is_granted = failed.at.attempt.get() < open.up_to;
    may_retry && (is_granted || is_planted(Mutant::ActionEffectFirst))
}

/// Whether a person, or the end of the lease, wants no further attempt now.
fn is_wanted_to_stop(lease: &dyn Lease) -> bool {
    let is_wanted = |state: Arc<Deployment>| {
        state.cancel.is_some() || state.pause.is_some() || !state.stage.is_live()
    };
    lease.must_stop().is_some() || lease.deployment().is_none_or(is_wanted)
}

/// Waits between two attempts of one start; not longer than anybody wants.
async fn pause_within(lease: &dyn Lease, delay: Duration) {
    let until = Instant::now() + delay;
    let mut news = lease.news();
    while !is_wanted_to_stop(lease) && Instant::now() < until {
        tokio::select! {
            biased;
            () = news.changed() => {}
            () = sleep_until(until) => {}
        }
    }
}

fn no_input() -> JobError {
    JobError::new(
        ErrorView::new("payload_missing", "the job before it has no output"),
        Wish::Park(Unloadable::PayloadMissing),
    )
}
