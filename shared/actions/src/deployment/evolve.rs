//! The fold: total, and strict about what can follow (spec 2.5, M1).

use std::sync::Arc;

use imbl::Vector;
use nogfso_kernel::{Position, Recorded};

use super::error::BrokenDeployment;
use super::event::DeploymentEvent as Event;
use super::fact::{Asked, Direction, Forced, Stored};
use super::state::{Claim, Deployment, Intent, JobRecord, Parked, PauseIntent, Stage, Undone};
use super::{attempts, log};
use crate::plan::{JOBS_MAX, Plan};

type Evolved = Result<(), &'static str>;

/// Applies one event that happened at `at_ms`.
///
/// # Errors
///
/// Fails if the event cannot follow.
pub(super) fn evolve(
    state: Option<Deployment>,
    event: &Event,
    at_ms: u64,
) -> Result<Option<Deployment>, BrokenDeployment> {
    let broken = |reason| broken(event, reason);
    match (state, event) {
        (None, Event::DeploymentRequested(asked)) => {
            requested(asked, at_ms).map(Some).map_err(broken)
        }
        (None, _) => Err(broken("nothing was requested")),
        (Some(mut deployment), _) => {
            evolve_in_place(&mut deployment, event, at_ms)?;
            Ok(Some(deployment))
        }
    }
}

/// Applies one event to a deployment that exists; after an error it must not be used further.
///
/// # Errors
///
/// Fails if the event cannot follow.
pub(super) fn evolve_in_place(
    deployment: &mut Deployment,
    event: &Event,
    at_ms: u64,
) -> Result<(), BrokenDeployment> {
    if deployment.stage.is_terminal() && !matches!(event, Event::NoteAdded { .. }) {
        return Err(broken(event, "it has ended"));
    }
    apply(deployment, event, at_ms).map_err(|reason| broken(event, reason))?;
    deployment.events_count = deployment.events_count.saturating_add(1);
    deployment.changed_ms = at_ms;
    Ok(())
}

fn broken(event: &Event, reason: &'static str) -> BrokenDeployment {
    BrokenDeployment {
        event: nogfso_kernel::Event::name(event),
        reason,
    }
}

/// Notes where the commit with `events` lies.
pub(super) fn committed(deployment: &mut Deployment, events: &[Recorded<Event>], at: Position) {
    if events.iter().any(super::is_trigger) {
        deployment.newest_trigger = at;
    }
}

fn requested(asked: &Arc<Asked>, at_ms: u64) -> Result<Deployment, &'static str> {
    let jobs_count = asked.plan.jobs.len();
    if jobs_count == 0 || jobs_count > JOBS_MAX {
        return Err("its plan has no jobs, or too many");
    }
    let copied = asked
        .forked
        .as_ref()
        .map_or(&[][..], |forked| &forked.outputs);
    if copied.len() > jobs_count {
        return Err("more was copied than the plan has");
    }
    let mut jobs: Vector<JobRecord> = copied
        .iter()
        .map(|output| JobRecord {
            output: Some(output.clone()),
            is_copied: true,
            ..JobRecord::default()
        })
        .collect();
    jobs.extend((copied.len()..jobs_count).map(|_| JobRecord::default()));
    Ok(Deployment {
        asked: Arc::clone(asked),
        plan: Arc::new(asked.plan.clone()),
        stage: Stage::Requested,
        claim: None,
        epoch: 0,
        newest_trigger: Position::START,
        deferred_until_ms: None,
        cursor: copied.len(),
        open: None,
        jobs,
        cause: None,
        pivot: None,
        cancel: None,
        pause: None,
        not_before_ms: asked.not_before_ms,
        deadline_ms: asked.deadline_ms,
        errors_count: 0,
        errors: Vector::new(),
        events_count: 1,
        asked_ms: at_ms,
        changed_ms: at_ms,
    })
}

fn apply(deployment: &mut Deployment, event: &Event, at_ms: u64) -> Evolved {
    log::note(deployment, event, at_ms);
    match event {
        Event::DeploymentRequested(_) => Err("it was requested before"),
        Event::DeploymentClaimed {
            worker,
            epoch,
            lease,
        } => claimed(deployment, worker, *epoch, *lease),
        Event::DeploymentReleased { epoch, until_ms } => released(deployment, *epoch, *until_ms),
        Event::DeploymentDue {} => {
            deployment.deferred_until_ms = None;
            Ok(())
        }
        Event::JobStarted { .. }
        | Event::JobPrepared { .. }
        | Event::JobDataPut { .. }
        | Event::JobErrorLogged { .. }
        | Event::JobSucceeded { .. }
        | Event::JobAttemptFailed { .. }
        | Event::JobAttemptLost { .. }
        | Event::JobRollbackStarted { .. }
        | Event::JobRollbackSucceeded { .. }
        | Event::JobRollbackAttemptFailed { .. } => attempts::apply(deployment, event, at_ms),
        Event::RollbackStarted { cause, from_index } => {
            let is_forward = matches!(deployment.stage, Stage::Requested | Stage::Running);
            ensure(is_forward, "it does not go forward")?;
            ensure(deployment.open.is_none(), "an attempt is under way")?;
            ensure(
                *from_index < deployment.plan.jobs.len(),
                "there is no such job",
            )?;
            deployment.stage = Stage::RollingBack;
            deployment.cause = Some(Arc::new(cause.clone()));
            deployment.cursor = from_index + 1;
            deployment.not_before_ms = None;
            Ok(())
        }
        Event::JobRollbackSkipped { index, why } => {
            let is_current = deployment.current() == Some(*index);
            let is_backward = deployment.stage.direction() == Some(Direction::Backward);
            ensure(is_backward && is_current, "the job is not the next to undo")?;
            ensure(deployment.open.is_none(), "an attempt is under way")?;
            deployment.not_before_ms = None;
            undone(deployment, *index, Undone::Skipped(why.clone()))
        }
        Event::DeploymentSucceeded {} => {
            let is_done = deployment.cursor == deployment.plan.jobs.len();
            ensure(
                deployment.stage == Stage::Running && is_done,
                "jobs are left",
            )?;
            end(deployment, Stage::Succeeded)
        }
        Event::DeploymentRolledBack { residue } => {
            let is_done = deployment.highest_left().is_none();
            ensure(
                deployment.stage == Stage::RollingBack && is_done,
                "jobs are left",
            )?;
            end(
                deployment,
                Stage::RolledBack {
                    residue: residue.clone(),
                },
            )
        }
        Event::CancelRequested { .. }
        | Event::PauseRequested { .. }
        | Event::DeploymentPaused { .. }
        | Event::DeploymentResumed { .. }
        | Event::DeploymentParked { .. }
        | Event::OutcomeForced { .. }
        | Event::PlanRebound { .. }
        | Event::RetryForced { .. }
        | Event::DeadlineChanged { .. }
        | Event::NoteAdded { .. }
        | Event::DeploymentAbandoned { .. } => commanded(deployment, event),
    }
}

fn claimed(
    deployment: &mut Deployment,
    worker: &str,
    epoch: u64,
    lease: Option<Position>,
) -> Evolved {
    ensure(deployment.stage.is_live(), "nothing is to be worked on")?;
    ensure(epoch > deployment.epoch, "the epoch does not grow")?;
    if deployment.stage == Stage::Requested {
        deployment.stage = Stage::Running;
    }
    deployment.epoch = epoch;
    deployment.claim = Some(Claim {
        epoch,
        worker: worker.to_owned(),
        lease,
    });
    deployment.deferred_until_ms = None;
    Ok(())
}

fn released(deployment: &mut Deployment, epoch: u64, until_ms: Option<u64>) -> Evolved {
    let is_held = deployment
        .claim
        .as_ref()
        .is_some_and(|claim| claim.epoch == epoch);
    ensure(is_held, "the claim is not the worker's")?;
    deployment.claim = None;
    deployment.deferred_until_ms = until_ms;
    Ok(())
}

/// What persons do.
fn commanded(deployment: &mut Deployment, event: &Event) -> Evolved {
    match event {
        Event::CancelRequested { by, reason } => {
            deployment.deferred_until_ms = None;
            deployment.cancel.get_or_insert_with(|| intent(by, reason));
        }
        Event::PauseRequested {
            by,
            reason,
            interrupt,
        } => {
            deployment.pause = Some(PauseIntent {
                intent: intent(by, reason),
                interrupt: *interrupt,
            });
        }
        Event::DeploymentPaused { direction } => {
            ensure(deployment.open.is_none(), "an attempt is under way")?;
            ensure(deployment.stage.is_live(), "it does not run")?;
            stop(deployment, Stage::Paused(*direction));
        }
        Event::DeploymentParked {
            direction,
            index,
            reason,
            error,
        } => {
            ensure(deployment.open.is_none(), "an attempt is under way")?;
            ensure(deployment.stage.is_live(), "it does not run")?;
            let parked = Parked {
                direction: *direction,
                index: *index,
                reason: *reason,
                error: error.clone(),
            };
            stop(deployment, Stage::Parked(parked));
        }
        Event::DeploymentResumed { reset_attempts, .. } => resumed(deployment, *reset_attempts)?,
        Event::OutcomeForced { index, outcome, .. } => forced(deployment, *index, outcome)?,
        Event::PlanRebound { plan, .. } => rebound(deployment, plan)?,
        Event::RetryForced { .. } => {
            deployment.not_before_ms = None;
            deployment.deferred_until_ms = None;
        }
        Event::DeadlineChanged { deadline_ms, .. } => {
            deployment.deadline_ms = *deadline_ms;
            deployment.deferred_until_ms = None;
        }
        Event::NoteAdded { .. } => {}
        Event::DeploymentAbandoned {
            by,
            reason,
            residue,
        } => {
            deployment.open = None;
            end(
                deployment,
                Stage::Abandoned {
                    by: by.clone(),
                    reason: reason.clone(),
                    residue: residue.clone(),
                },
            )?;
        }
        Event::DeploymentRequested(_)
        | Event::DeploymentClaimed { .. }
        | Event::DeploymentReleased { .. }
        | Event::DeploymentDue {}
        | Event::JobStarted { .. }
        | Event::JobPrepared { .. }
        | Event::JobDataPut { .. }
        | Event::JobErrorLogged { .. }
        | Event::JobSucceeded { .. }
        | Event::JobAttemptFailed { .. }
        | Event::JobAttemptLost { .. }
        | Event::RollbackStarted { .. }
        | Event::JobRollbackStarted { .. }
        | Event::JobRollbackSucceeded { .. }
        | Event::JobRollbackAttemptFailed { .. }
        | Event::JobRollbackSkipped { .. }
        | Event::DeploymentSucceeded {}
        | Event::DeploymentRolledBack { .. } => return Err("no person does that"),
    }
    Ok(())
}

fn resumed(deployment: &mut Deployment, reset_attempts: bool) -> Evolved {
    let direction = match &deployment.stage {
        Stage::Paused(direction) => *direction,
        Stage::Parked(parked) => parked.direction,
        Stage::Requested
        | Stage::Running
        | Stage::RollingBack
        | Stage::Succeeded
        | Stage::RolledBack { .. }
        | Stage::Abandoned { .. } => return Err("it is neither paused nor parked"),
    };
    deployment.stage = match direction {
        Direction::Forward => Stage::Running,
        Direction::Backward => Stage::RollingBack,
    };
    deployment.pause = None;
    deployment.not_before_ms = None;
    deployment.deferred_until_ms = None;
    if direction == Direction::Backward && deployment.highest_left().is_none() {
        // What was passed over is tried again.
        for job in deployment.jobs.iter_mut() {
            let passed_over = super::fact::SkipReason::FailedContinue;
            if job.undone == Some(Undone::Skipped(passed_over)) {
                job.undone = None;
            }
        }
    }
    if reset_attempts {
        // Undos that were passed over, too.
        for job in deployment.jobs.iter_mut() {
            job.undo.reset();
        }
        if let Some(job) = deployment
            .current()
            .and_then(|index| deployment.jobs.get_mut(index))
        {
            job.execute.reset();
        }
    }
    Ok(())
}

fn forced(deployment: &mut Deployment, index: usize, outcome: &Forced) -> Evolved {
    let stopped = match &mut deployment.stage {
        Stage::Paused(direction) => direction,
        Stage::Parked(parked) => &mut parked.direction,
        Stage::Requested
        | Stage::Running
        | Stage::RollingBack
        | Stage::Succeeded
        | Stage::RolledBack { .. }
        | Stage::Abandoned { .. } => return Err("it is neither paused nor parked"),
    };
    match (outcome, *stopped) {
        (Forced::Succeeded { output }, Direction::Forward) if index == deployment.cursor => {
            let job = deployment
                .jobs
                .get_mut(index)
                .ok_or("there is no such job")?;
            job.output = Some(output.clone());
            deployment.cursor = index + 1;
            Ok(())
        }
        (Forced::Failed { error }, Direction::Forward) => {
            *stopped = Direction::Backward;
            deployment.cause = Some(Arc::new(super::fact::RollbackCause {
                kind: super::fact::CauseKind::Operator,
                job: deployment
                    .plan
                    .jobs
                    .get(index)
                    .map(|planned| planned.job.clone()),
                error: error.clone(),
            }));
            deployment.cursor = (index + 1).min(deployment.plan.jobs.len());
            Ok(())
        }
        (Forced::Undone, Direction::Backward) => undone(deployment, index, Undone::Forced),
        (Forced::Succeeded { .. } | Forced::Failed { .. }, _) => {
            Err("that is no outcome of the job")
        }
        (Forced::Undone, Direction::Forward) => Err("it is not being undone"),
    }
}

fn rebound(deployment: &mut Deployment, plan: &Plan) -> Evolved {
    let is_stopped = matches!(deployment.stage, Stage::Paused(_) | Stage::Parked(_));
    ensure(is_stopped, "it is neither paused nor parked")?;
    ensure(
        !plan.jobs.is_empty() && plan.jobs.len() <= JOBS_MAX,
        "the plan has no jobs, or too many",
    )?;
    ensure(
        plan.jobs.len() >= deployment.cursor,
        "the plan is shorter than what was done",
    )?;
    deployment.jobs.truncate(plan.jobs.len());
    while deployment.jobs.len() < plan.jobs.len() {
        deployment.jobs.push_back(JobRecord::default());
    }
    deployment.plan = Arc::new(plan.clone());
    Ok(())
}

pub(super) fn undone(deployment: &mut Deployment, index: usize, how: Undone) -> Evolved {
    let job = deployment
        .jobs
        .get_mut(index)
        .ok_or("there is no such job")?;
    job.undone = Some(how);
    Ok(())
}

pub(super) fn ensure(holds: bool, reason: &'static str) -> Evolved {
    match holds {
        true => Ok(()),
        false => Err(reason),
    }
}

/// It runs no more: nobody holds it.
fn stop(deployment: &mut Deployment, stage: Stage) {
    deployment.stage = stage;
    deployment.claim = None;
    deployment.deferred_until_ms = None;
    deployment.pause = None;
}

fn end(deployment: &mut Deployment, stage: Stage) -> Evolved {
    ensure(deployment.open.is_none(), "an attempt is under way")?;
    stop(deployment, stage);
    Ok(())
}

fn intent(by: &str, reason: &str) -> Intent {
    Intent {
        by: by.to_owned(),
        reason: reason.to_owned(),
    }
}

/// Whether a value stands for the input.
pub(super) fn is_passed_on(stored: &Stored) -> bool {
    *stored == Stored::SameAsInput
}
