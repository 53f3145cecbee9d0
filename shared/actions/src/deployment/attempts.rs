//! The part of the fold that is about attempts.

use std::num::NonZeroU32;

use nogfso_faults::{Mutant, is_planted};

use super::event::DeploymentEvent as Event;
use super::evolve::{ensure, is_passed_on, undone};
use super::fact::{AfterFailure, AttemptRef, Class, Stored};
use super::state::{Attempts, Deployment, JobRecord, Open, Owed, Stage, Undone};
use crate::attempt::Phase;
use crate::plan::Undo;

type Evolved = Result<(), &'static str>;

impl Attempts {
    pub(super) fn reset(&mut self) {
        self.before_reset = self.started.saturating_sub(self.stopped);
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

/// What a start event says.
struct Begins {
    at: AttemptRef,
    up_to: Option<NonZeroU32>,
    timeout_ms: Option<u64>,
    epoch: u64,
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the fold names every event and hands over only these"
)]
pub(super) fn apply(deployment: &mut Deployment, event: &Event, at_ms: u64) -> Evolved {
    match event {
        Event::JobStarted {
            at,
            up_to,
            timeout_ms,
            epoch,
        }
        | Event::JobRollbackStarted {
            at,
            up_to,
            timeout_ms,
            epoch,
        } => {
            let begins = Begins {
                at: *at,
                up_to: *up_to,
                timeout_ms: *timeout_ms,
                epoch: *epoch,
            };
            match matches!(event, Event::JobStarted { .. }) {
                true => job_started(deployment, &begins, at_ms),
                false => undo_started(deployment, &begins, at_ms),
            }
        }
        Event::JobPrepared { at, input } => prepared(deployment, at, input),
        Event::JobDataPut { at, key, value } => {
            is_open(deployment, at)?;
            let data = &mut record(deployment, at)?.data;
            data.insert(key.clone(), value.clone());
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
        } => job_failed(deployment, at, (*class, *next), raw_output.as_ref()),
        Event::JobRollbackAttemptFailed {
            at, class, next, ..
        } => {
            ensure(at.phase == Phase::Rollback, "a job failed as an undo")?;
            ensure(*next != AfterFailure::Rollback, "it rolls back already")?;
            failed(deployment, at, *class, *next)
        }
        Event::JobAttemptLost {
            at,
            epoch,
            quiet_until_ms,
        } => lost(deployment, at, *epoch, *quiet_until_ms),
        Event::JobRollbackSucceeded { at, .. } => {
            ensure(at.phase == Phase::Rollback, "a job succeeded as an undo")?;
            close(deployment, at)?;
            undone(deployment, at.index, Undone::Done)
        }
        _ => Err("it is about no attempt"),
    }
}

fn job_started(deployment: &mut Deployment, begins: &Begins, at_ms: u64) -> Evolved {
    let at = begins.at;
    ensure(at.phase == Phase::Execute, "an undo was started as a job")?;
    ensure(deployment.stage == Stage::Running, "it does not run")?;
    ensure(at.index == deployment.cursor, "it is not that job's turn")?;
    start(deployment, begins, at_ms)?;
    let (planned, _) = deployment.job(at.index).ok_or("there is no such job")?;
    let is_prepared_first = planned.has_pre_hooks && planned.undo == Undo::Handled;
    if planned.undo == Undo::Impossible {
        deployment.pivot = Some(at.index);
    }
    let job = record(deployment, &at)?;
    job.reached_execute |= !is_prepared_first;
    // Whatever an earlier attempt promised, this one may break.
    job.declared_no_effect = false;
    Ok(())
}

fn undo_started(deployment: &mut Deployment, begins: &Begins, at_ms: u64) -> Evolved {
    let is_undo = begins.at.phase == Phase::Rollback;
    ensure(is_undo, "a job was started as an undo")?;
    let is_backward = deployment.stage == Stage::RollingBack;
    ensure(is_backward, "it does not roll back")?;
    let is_current = deployment.current() == Some(begins.at.index);
    ensure(is_current, "it is not that job's turn")?;
    start(deployment, begins, at_ms)
}

fn prepared(deployment: &mut Deployment, at: &AttemptRef, input: &Stored) -> Evolved {
    ensure(at.phase == Phase::Execute, "an undo has no hooks")?;
    is_open(deployment, at)?;
    if let Some(open) = &mut deployment.open {
        ensure(open.prepared < at.attempt.get(), "it was prepared before")?;
        open.prepared = at.attempt.get();
    }
    let job = record(deployment, at)?;
    job.prepared = Some(input.clone());
    job.reached_execute = true;
    Ok(())
}

fn start(deployment: &mut Deployment, begins: &Begins, at_ms: u64) -> Evolved {
    let Begins {
        at,
        up_to,
        timeout_ms,
        epoch,
    } = *begins;
    ensure(deployment.open.is_none(), "an attempt is under way")?;
    ensure(
        epoch == deployment.epoch && deployment.claim.is_some(),
        "the epoch is void",
    )?;
    let up_to = up_to.unwrap_or(at.attempt).get();
    ensure(up_to >= at.attempt.get(), "it ends before it begins")?;
    let job = record(deployment, &at)?;
    let attempts = job.attempts_mut(at.phase);
    ensure(
        attempts.started.checked_add(1) == Some(at.attempt.get()),
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
        prepared: 0,
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

fn job_failed(
    deployment: &mut Deployment,
    at: &AttemptRef,
    (class, next): (Class, AfterFailure),
    raw_output: Option<&Stored>,
) -> Evolved {
    ensure(at.phase == Phase::Execute, "an undo failed as a job")?;
    ensure(next != AfterFailure::Continue, "jobs are not passed over")?;
    failed(deployment, at, class, next)?;
    if let Some(output) = raw_output {
        record(deployment, at)?.raw_output = Some(output.clone());
    }
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
            deployment.pivot = deployment.pivot_below(at.index);
        }
    }
    match next {
        AfterFailure::RetryAt(at_ms) => deployment.not_before_ms = Some(at_ms),
        AfterFailure::Rollback => deployment.owed = Some(Owed::Rollback),
        AfterFailure::Park => deployment.owed = Some(Owed::Parking),
        AfterFailure::Continue => deployment.owed = Some(Owed::Skip),
    }
    Ok(())
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
    let attempts = record(deployment, at)?.attempts_mut(at.phase);
    // Of what was granted, the rest was not used.
    attempts.started = at.attempt.get();
    attempts.lost_in_a_row = 0;
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
        && ((open.at.attempt.get()..=open.up_to).contains(&at.attempt.get())
            || is_planted(Mutant::ActionNotFenced))
}

fn record<'a>(
    deployment: &'a mut Deployment,
    at: &AttemptRef,
) -> Result<&'a mut JobRecord, &'static str> {
    deployment
        .record_mut(at.index)
        .ok_or("there is no such job")
}
