//! The decisions: of workers here, of persons in `operate`.

use std::num::NonZeroU32;
use std::sync::Arc;

use nogfso_faults::{Mutant, is_planted};

use super::command::{Claiming, DeploymentCommand, Failed, Report, WorkerView};
use super::error::DeploymentRefusal as Refusal;
use super::event::DeploymentEvent as Event;
use super::evolve::{check_plan, evolve_in_place, is_passed_on};
use super::fact::{AfterFailure, Asked, AttemptRef, Class, ParkReason, SkipReason, Stored};
use super::next::{Next, next};
use super::retry::{after_failure, after_undo_failure, granted};
use super::state::{DATA_PER_JOB_MAX, Deployment, Stage};
use crate::attempt::Phase;
use crate::error::{ErrorView, Place};
use crate::plan::Manifest;

type Decided = Result<Vec<Event>, Refusal>;

/// Answers `command` with the events to append. What a worker reports and what follows from it are one commit: a job's end and
/// the next one's start, a failure and the rollback with its first undo (spec 2.7).
///
/// # Errors
///
/// Returns the refusal of the first rule that forbids the command.
pub(super) fn decide(
    state: Option<&Deployment>,
    command: &DeploymentCommand,
    now_ms: u64,
) -> Decided {
    if let DeploymentCommand::Request(asked) = command {
        return request(state, asked);
    }
    let deployment = state.ok_or(Refusal::Absent)?;
    match command {
        DeploymentCommand::Request(asked) => request(state, asked),
        DeploymentCommand::Claim(claiming) => claim(deployment, claiming, now_ms),
        DeploymentCommand::Report { by, report } => reported(deployment, by, report, now_ms),
        DeploymentCommand::Release { by, alarm_ms } => release(deployment, by, *alarm_ms, now_ms),
        DeploymentCommand::Due => Ok(match deployment.deferred_until_ms {
            Some(_) => vec![Event::DeploymentDue {}],
            None => vec![],
        }),
        DeploymentCommand::Operate { by, operation } => {
            super::operate::operate(deployment, by, operation, now_ms)
        }
    }
}

fn request(state: Option<&Deployment>, asked: &Arc<Asked>) -> Decided {
    match state {
        None => {
            check_plan(&asked.plan).map_err(|problem| invalid("plan", problem))?;
            let copied = asked
                .forked
                .as_ref()
                .map_or(0, |forked| forked.outputs.len());
            if copied > asked.plan.jobs.len() {
                return Err(invalid("forked", "has more outputs than the plan has jobs"));
            }
            Ok(vec![Event::DeploymentRequested(Arc::clone(asked))])
        }
        Some(known) if known.asked.request_digest == asked.request_digest => Ok(vec![]),
        Some(_) => Err(Refusal::AlreadyExists {
            id: asked.id,
            same_request: false,
        }),
    }
}

fn claim(deployment: &Deployment, claiming: &Claiming, now_ms: u64) -> Decided {
    if !deployment.stage.is_live() {
        return Err(Refusal::NothingDue {
            stage: deployment.stage.word(),
        });
    }
    let highest = deployment.epoch.max(claiming.above);
    let epoch = claiming.epoch.unwrap_or(highest.saturating_add(1));
    if epoch <= highest {
        return Err(Refusal::MovedOn { epoch });
    }
    let mut frame = Frame::new(deployment, now_ms);
    frame.push(Event::DeploymentClaimed {
        worker: claiming.worker.clone(),
        epoch,
        lease: claiming.lease,
    });
    if let Some(open) = deployment.open {
        frame.push(Event::JobAttemptLost {
            at: open.at,
            epoch: open.epoch,
            quiet_until_ms: (claiming.quiet_ms > 0)
                .then(|| now_ms.saturating_add(claiming.quiet_ms)),
        });
    }
    frame.advance(&claiming.manifest);
    Ok(frame.events)
}

fn reported(deployment: &Deployment, by: &WorkerView, report: &Report, now_ms: u64) -> Decided {
    ensure_held(deployment, by.epoch)?;
    let mut frame = Frame::new(deployment, now_ms);
    frame.is_ending = by.is_ending;
    match report {
        Report::Go => {}
        Report::Prepared { at, input } => return prepared(deployment, at, input),
        Report::Data { at, key, value } => return data(deployment, at, key, value),
        Report::Handled {
            at,
            place,
            error,
            left_out,
        } => {
            ensure_open(deployment, at)?;
            return Ok(vec![Event::JobErrorLogged {
                at: *at,
                place: *place,
                error: error.clone(),
                left_out: *left_out,
            }]);
        }
        Report::Succeeded {
            at,
            output,
            raw_output,
            took_ms,
        } => {
            ensure_open_in(deployment, at, Phase::Execute)?;
            ensure_output(deployment, at.index, output)?;
            frame.push(Event::JobSucceeded {
                at: *at,
                output: output.clone(),
                raw_output: raw_output.clone(),
                took_ms: *took_ms,
            });
        }
        Report::Undone { at, took_ms } => {
            ensure_open_in(deployment, at, Phase::Rollback)?;
            frame.push(Event::JobRollbackSucceeded {
                at: *at,
                took_ms: *took_ms,
            });
        }
        Report::Failed(failed) => {
            ensure_open(deployment, &failed.at)?;
            frame.fail(failed, by.draw);
        }
        Report::Unloadable { at, reason, error } => {
            ensure_open(deployment, at)?;
            frame.stop_attempt(*at, error, AfterFailure::Park);
            frame.park(Some(at.index), *reason, Some(error.clone()));
        }
    }
    frame.advance(&by.manifest);
    Ok(frame.events)
}

fn prepared(deployment: &Deployment, at: &AttemptRef, input: &Stored) -> Decided {
    ensure_open_in(deployment, at, Phase::Execute)?;
    let prepared = deployment.open.map_or(0, |open| open.prepared);
    if prepared >= at.attempt.get() {
        return Ok(vec![]);
    }
    Ok(vec![Event::JobPrepared {
        at: *at,
        input: input.clone(),
    }])
}

fn data(deployment: &Deployment, at: &AttemptRef, key: &str, value: &Stored) -> Decided {
    ensure_open(deployment, at)?;
    if deployment.is_full() {
        return Err(invalid("data", "the journal is full"));
    }
    let kept = deployment.jobs.get(at.index).map(|job| &job.data);
    if kept.is_some_and(|kept| kept.get(key) == Some(value)) {
        return Ok(vec![]);
    }
    let is_full =
        kept.is_some_and(|kept| kept.len() >= DATA_PER_JOB_MAX && !kept.contains_key(key));
    if is_full {
        let problem = format!("the job keeps {DATA_PER_JOB_MAX} values, and no more are allowed");
        return Err(invalid("key", problem));
    }
    Ok(vec![Event::JobDataPut {
        at: *at,
        key: key.to_owned(),
        value: value.clone(),
    }])
}

fn release(
    deployment: &Deployment,
    by: &WorkerView,
    alarm_ms: Option<u64>,
    now_ms: u64,
) -> Decided {
    ensure_held(deployment, by.epoch)?;
    let mut frame = Frame::new(deployment, now_ms);
    // Whoever releases has ended what it did, and no death is counted.
    if let Some(open) = deployment.open.filter(|open| open.epoch == by.epoch) {
        let error = ErrorView::new("stopped", "the worker gave the deployment back");
        frame.stop_attempt(open.at, &error, AfterFailure::RetryAt(now_ms));
    }
    frame.lose_open();
    let until_ms = match next(&frame.state, now_ms, &by.manifest) {
        // An alarm that comes too early asks again; one that comes too late is none.
        Next::Wait(until_ms) => alarm_ms
            .is_some_and(|alarm_ms| alarm_ms <= until_ms)
            .then_some(until_ms),
        Next::Nothing
        | Next::Await
        | Next::MarkLost
        | Next::Park { .. }
        | Next::NotRunnable
        | Next::Pause(_)
        | Next::BeginRollback(_)
        | Next::Start(_)
        | Next::Undo(_)
        | Next::Skip(..)
        | Next::Succeed
        | Next::FinishRollback => None,
    };
    frame.push(Event::DeploymentReleased {
        epoch: by.epoch,
        until_ms,
    });
    Ok(frame.events)
}

fn ensure_held(deployment: &Deployment, epoch: u64) -> Result<(), Refusal> {
    let held = deployment.claim.as_ref().map(|claim| claim.epoch);
    match held == Some(epoch) || is_planted(Mutant::ActionNotFenced) {
        true => Ok(()),
        false => Err(Refusal::MovedOn { epoch }),
    }
}

fn ensure_open(deployment: &Deployment, at: &AttemptRef) -> Result<(), Refusal> {
    let is_open = deployment.open.is_some_and(|open| {
        open.epoch == deployment.epoch
            && open.at.index == at.index
            && open.at.phase == at.phase
            && ((open.at.attempt.get()..=open.up_to).contains(&at.attempt.get())
                || is_planted(Mutant::ActionNotFenced))
    });
    match is_open {
        true => Ok(()),
        false => Err(Refusal::NoSuchAttempt),
    }
}

fn ensure_open_in(deployment: &Deployment, at: &AttemptRef, phase: Phase) -> Result<(), Refusal> {
    match at.phase == phase {
        true => ensure_open(deployment, at),
        false => Err(Refusal::NoSuchAttempt),
    }
}

/// Whether the job may hand that on: only what passes its input on may say so instead of giving a value.
pub(super) fn ensure_output(
    deployment: &Deployment,
    index: usize,
    output: &Stored,
) -> Result<(), Refusal> {
    let passes_on = deployment
        .job(index)
        .is_some_and(|(planned, _)| planned.passes_on);
    match passes_on || !is_passed_on(output) {
        true => Ok(()),
        false => Err(invalid("output", "the job does not pass its input on")),
    }
}

pub(super) fn invalid(field: &'static str, problem: impl Into<String>) -> Refusal {
    Refusal::Invalid {
        field,
        problem: problem.into(),
    }
}

/// One commit in the making: what was decided so far, and the state after it.
pub(super) struct Frame {
    pub(super) state: Deployment,
    pub(super) events: Vec<Event>,
    now_ms: u64,
    /// No attempt begins any more.
    is_ending: bool,
}

impl Frame {
    pub(super) fn new(deployment: &Deployment, now_ms: u64) -> Self {
        Self {
            state: deployment.clone(),
            events: vec![],
            now_ms,
            is_ending: false,
        }
    }

    pub(super) fn push(&mut self, event: Event) {
        evolve_in_place(&mut self.state, &event, self.now_ms)
            .expect("what is decided can be folded");
        self.events.push(event);
    }

    /// Marks an attempt that is under way lost; whoever ran it has ended or must.
    pub(super) fn lose_open(&mut self) {
        if let Some(open) = self.state.open {
            self.push(Event::JobAttemptLost {
                at: open.at,
                epoch: open.epoch,
                // Nobody can say whether it has ended; at its time-out it does.
                quiet_until_ms: open.timeout_ms,
            });
        }
    }

    /// Adds all that follows without anybody's doing, up to the start of an attempt.
    pub(super) fn advance(&mut self, manifest: &Manifest) {
        loop {
            match next(&self.state, self.now_ms, manifest) {
                Next::Nothing | Next::Await | Next::NotRunnable | Next::Wait(_) => return,
                Next::MarkLost => self.lose_open(),
                Next::Park { index, reason } => self.park(index, reason, None),
                Next::Pause(direction) => self.push(Event::DeploymentPaused { direction }),
                Next::BeginRollback(cause) => {
                    let last = self.state.plan.jobs.len() - 1;
                    self.push(Event::RollbackStarted {
                        cause,
                        from_index: self.state.cursor.min(last),
                    });
                }
                Next::Start(_) | Next::Undo(_) if self.is_ending => return,
                Next::Start(index) => return self.start(index, Phase::Execute),
                Next::Undo(index) => return self.start(index, Phase::Rollback),
                Next::Skip(index, why) => self.push(Event::JobRollbackSkipped { index, why }),
                Next::Succeed => self.push(Event::DeploymentSucceeded {}),
                Next::FinishRollback => {
                    let residue = self.state.residue();
                    self.push(Event::DeploymentRolledBack { residue });
                }
            }
        }
    }

    fn start(&mut self, index: usize, phase: Phase) {
        let (planned, job) = self
            .state
            .job(index)
            .expect("the next job is one of the plan");
        let policy = match phase {
            Phase::Execute => &planned.policy.execute,
            Phase::Rollback => &planned.policy.rollback,
        };
        let attempts = job.attempts(phase);
        let number = NonZeroU32::MIN.saturating_add(attempts.started);
        let at = AttemptRef {
            index,
            phase,
            attempt: number,
        };
        let up_to = granted(policy, attempts);
        let timeout_ms = policy
            .attempt_timeout_ms
            .map(|limit| self.now_ms.saturating_add(limit));
        let epoch = self.state.epoch;
        self.push(match phase {
            Phase::Execute => Event::JobStarted {
                at,
                up_to,
                timeout_ms,
                epoch,
            },
            Phase::Rollback => Event::JobRollbackStarted {
                at,
                up_to,
                timeout_ms,
                epoch,
            },
        });
    }

    /// Records a failure and what must follow it in the same commit.
    fn fail(&mut self, failed: &Failed, draw: u32) {
        match failed.at.phase {
            Phase::Execute => self.fail_job(failed, draw),
            Phase::Rollback => self.fail_undo(failed, draw),
        }
    }

    fn fail_job(&mut self, failed: &Failed, draw: u32) {
        let after = after_failure(&self.state, failed, self.now_ms, draw);
        self.push(Event::JobAttemptFailed {
            at: failed.at,
            place: failed.place,
            error: failed.error.clone(),
            class: failed.class,
            next: after.next,
            raw_output: failed.raw_output.clone(),
            left_out: failed.left_out,
        });
        let index = failed.at.index;
        if let Some(cause) = after.cause {
            self.push(Event::RollbackStarted {
                cause,
                from_index: index,
            });
        }
        if let Some(reason) = after.park {
            self.park(Some(index), reason, Some(failed.error.clone()));
        }
    }

    fn fail_undo(&mut self, failed: &Failed, draw: u32) {
        let after = after_undo_failure(&self.state, failed, self.now_ms, draw);
        self.push(Event::JobRollbackAttemptFailed {
            at: failed.at,
            error: failed.error.clone(),
            class: failed.class,
            next: after.next,
            left_out: failed.left_out,
        });
        let index = failed.at.index;
        if after.next == AfterFailure::Continue {
            let why = SkipReason::FailedContinue;
            self.push(Event::JobRollbackSkipped { index, why });
        }
        if let Some(reason) = after.park {
            self.park(Some(index), reason, Some(failed.error.clone()));
        }
    }

    /// Ends an attempt that does not count.
    fn stop_attempt(&mut self, at: AttemptRef, error: &ErrorView, next: AfterFailure) {
        self.push(match at.phase {
            Phase::Execute => Event::JobAttemptFailed {
                at,
                place: Place::Execute,
                error: error.clone(),
                class: Class::Stopped,
                next,
                raw_output: None,
                left_out: 0,
            },
            Phase::Rollback => Event::JobRollbackAttemptFailed {
                at,
                error: error.clone(),
                class: Class::Stopped,
                next,
                left_out: 0,
            },
        });
    }

    pub(super) fn park(
        &mut self,
        index: Option<usize>,
        reason: ParkReason,
        error: Option<ErrorView>,
    ) {
        if let Some(direction) = self.state.stage.direction() {
            let error = error.or_else(|| self.state.errors.back().map(|last| last.error.clone()));
            self.push(Event::DeploymentParked {
                direction,
                index,
                reason,
                error,
            });
        }
        debug_assert!(matches!(self.state.stage, Stage::Parked(_)), "just parked");
    }
}
