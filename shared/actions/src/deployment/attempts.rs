//! The part of the fold that is about attempts.

use super::event::DeploymentEvent as Event;
use super::evolve::{ensure, is_passed_on, undone};
use super::fact::{AfterFailure, AttemptRef, Class, Stored};
use super::state::{Attempts, Deployment, JobRecord, Open, Stage, Undone};
use crate::attempt::Phase;
use crate::plan::Undo;

type Evolved = Result<(), &'static str>;

impl Attempts {
    pub(super) fn reset(&mut self) {
        self.before_reset = self.started - self.stopped;
        self.lost_in_a_row = 0;
        self.first_started_ms = None;
    }
}

impl JobRecord {
    /// The attempts of one phase.
    #[must_use]
    pub fn attempts(&self, phase: Phase) -> &Attempts {
        match phase {
            Phase::Execute => &self.execute,
            Phase::Rollback => &self.undo,
        }
    }

    fn attempts_mut(&mut self, phase: Phase) -> &mut Attempts {
        match phase {
            Phase::Execute => &mut self.execute,
            Phase::Rollback => &mut self.undo,
        }
    }
}

pub(super) fn apply(deployment: &mut Deployment, event: &Event, at_ms: u64) -> Evolved {
    match event {
        Event::JobStarted {
            at,
            up_to,
            timeout_ms,
            epoch,
        } => {
            ensure(at.phase == Phase::Execute, "an undo was started as a job")?;
            ensure(deployment.stage == Stage::Running, "it does not run")?;
            ensure(at.index == deployment.cursor, "it is not that job's turn")?;
            start(
                deployment,
                (*at, up_to.map(std::num::NonZero::get)),
                (*timeout_ms, *epoch),
                at_ms,
            )?;
            let planned = deployment
                .plan
                .jobs
                .get(at.index)
                .ok_or("there is no such job")?;
            if planned.undo == Undo::Impossible {
                deployment.pivot = Some(at.index);
            }
            Ok(())
        }
        Event::JobRollbackStarted {
            at,
            up_to,
            timeout_ms,
            epoch,
        } => {
            ensure(at.phase == Phase::Rollback, "a job was started as an undo")?;
            ensure(
                deployment.stage == Stage::RollingBack,
                "it does not roll back",
            )?;
            ensure(
                deployment.current() == Some(at.index),
                "it is not that job's turn",
            )?;
            start(
                deployment,
                (*at, up_to.map(std::num::NonZero::get)),
                (*timeout_ms, *epoch),
                at_ms,
            )
        }
        Event::JobPrepared { at, input } => {
            is_open(deployment, at)?;
            record(deployment, at)?.prepared = Some(input.clone());
            Ok(())
        }
        Event::JobDataPut { at, key, value } => {
            is_open(deployment, at)?;
            record(deployment, at)?
                .data
                .insert(key.clone(), value.clone());
            Ok(())
        }
        Event::JobErrorLogged { at, .. } => is_open(deployment, at),
        Event::JobSucceeded {
            at,
            output,
            raw_output,
            ..
        } => succeeded(deployment, at, (output, raw_output.as_ref()), at_ms),
        Event::JobAttemptFailed {
            at,
            class,
            next,
            raw_output,
            ..
        } => {
            let job = record(deployment, at)?;
            if raw_output.is_some() {
                job.raw_output.clone_from(raw_output);
            }
            failed(deployment, at, *class, *next)
        }
        Event::JobRollbackAttemptFailed {
            at, class, next, ..
        } => failed(deployment, at, *class, *next),
        Event::JobAttemptLost {
            at,
            epoch,
            quiet_until_ms,
        } => lost(deployment, at, *epoch, *quiet_until_ms),
        Event::JobRollbackSucceeded { at, .. } => {
            close(deployment, at)?;
            undone(deployment, at.index, Undone::Done)
        }
        Event::DeploymentRequested(_)
        | Event::DeploymentClaimed { .. }
        | Event::DeploymentReleased { .. }
        | Event::DeploymentDue {}
        | Event::RollbackStarted { .. }
        | Event::JobRollbackSkipped { .. }
        | Event::CancelRequested { .. }
        | Event::PauseRequested { .. }
        | Event::DeploymentPaused { .. }
        | Event::DeploymentResumed { .. }
        | Event::DeploymentParked { .. }
        | Event::OutcomeForced { .. }
        | Event::PlanRebound { .. }
        | Event::RetryForced { .. }
        | Event::DeadlineChanged { .. }
        | Event::NoteAdded { .. }
        | Event::DeploymentSucceeded {}
        | Event::DeploymentRolledBack { .. }
        | Event::DeploymentAbandoned { .. } => Err("it is about no attempt"),
    }
}

fn start(
    deployment: &mut Deployment,
    (at, up_to): (AttemptRef, Option<u32>),
    (timeout_ms, epoch): (Option<u64>, u64),
    at_ms: u64,
) -> Evolved {
    ensure(deployment.open.is_none(), "an attempt is under way")?;
    ensure(
        epoch == deployment.epoch && deployment.claim.is_some(),
        "the epoch is void",
    )?;
    let up_to = up_to.unwrap_or(at.attempt.get());
    ensure(up_to >= at.attempt.get(), "it ends before it begins")?;
    let job = record(deployment, &at)?;
    let attempts = job.attempts_mut(at.phase);
    ensure(
        at.attempt.get() == attempts.started + 1,
        "attempts are counted one by one",
    )?;
    attempts.started = up_to;
    attempts.first_started_ms.get_or_insert(at_ms);
    job.started_ms.get_or_insert(at_ms);
    deployment.open = Some(Open {
        at,
        up_to,
        epoch,
        timeout_ms,
    });
    deployment.not_before_ms = None;
    Ok(())
}

fn succeeded(
    deployment: &mut Deployment,
    at: &AttemptRef,
    (output, raw_output): (&Stored, Option<&Stored>),
    at_ms: u64,
) -> Evolved {
    ensure(at.phase == Phase::Execute, "an undo has no output")?;
    close(deployment, at)?;
    let passes_on = deployment
        .plan
        .jobs
        .get(at.index)
        .is_some_and(|planned| planned.passes_on);
    ensure(
        passes_on || !is_passed_on(output),
        "the job does not pass its input on",
    )?;
    let job = record(deployment, at)?;
    job.output = Some(output.clone());
    job.raw_output = raw_output.cloned();
    job.ended_ms = Some(at_ms);
    deployment.cursor = at.index + 1;
    Ok(())
}

fn failed(
    deployment: &mut Deployment,
    at: &AttemptRef,
    class: Class,
    next: AfterFailure,
) -> Evolved {
    close(deployment, at)?;
    let job = record(deployment, at)?;
    let attempts = job.attempts_mut(at.phase);
    match class {
        Class::Stopped => attempts.stopped += 1,
        Class::TimedOut => attempts.timed_out += 1,
        Class::Retryable
        | Class::Terminal
        | Class::TerminalNoEffect
        | Class::Panicked
        | Class::NullOutput => {}
    }
    let may_have_acted = attempts.may_have_acted();
    if class == Class::TerminalNoEffect && at.phase == Phase::Execute && !may_have_acted {
        job.declared_no_effect = true;
        if deployment.pivot == Some(at.index) {
            deployment.pivot = earlier_pivot(deployment, at.index);
        }
    }
    if let AfterFailure::RetryAt(at_ms) = next {
        deployment.not_before_ms = Some(at_ms);
    }
    Ok(())
}

fn earlier_pivot(deployment: &Deployment, below: usize) -> Option<usize> {
    deployment.plan.jobs[..below]
        .iter()
        .rposition(|planned| planned.undo == Undo::Impossible)
}

fn lost(
    deployment: &mut Deployment,
    at: &AttemptRef,
    epoch: u64,
    quiet_until_ms: Option<u64>,
) -> Evolved {
    let is_open = deployment
        .open
        .is_some_and(|open| same_attempt(&open, at) && open.epoch == epoch);
    ensure(is_open, "no such attempt is under way")?;
    deployment.open = None;
    let attempts = record(deployment, at)?.attempts_mut(at.phase);
    attempts.lost += 1;
    attempts.lost_in_a_row += 1;
    attempts.quiet_until_ms = attempts.quiet_until_ms.max(quiet_until_ms);
    Ok(())
}

/// Ends the open attempt with a known end.
fn close(deployment: &mut Deployment, at: &AttemptRef) -> Evolved {
    is_open(deployment, at)?;
    deployment.open = None;
    record(deployment, at)?.attempts_mut(at.phase).lost_in_a_row = 0;
    Ok(())
}

fn is_open(deployment: &Deployment, at: &AttemptRef) -> Evolved {
    let is_open = deployment
        .open
        .is_some_and(|open| same_attempt(&open, at) && open.epoch == deployment.epoch);
    ensure(is_open, "no such attempt is under way")
}

/// An open attempt that stands for several ends as any of them.
fn same_attempt(open: &Open, at: &AttemptRef) -> bool {
    open.at.index == at.index
        && open.at.phase == at.phase
        && (open.at.attempt.get()..=open.up_to).contains(&at.attempt.get())
}

fn record<'a>(
    deployment: &'a mut Deployment,
    at: &AttemptRef,
) -> Result<&'a mut JobRecord, &'static str> {
    deployment
        .jobs
        .get_mut(at.index)
        .ok_or("there is no such job")
}
