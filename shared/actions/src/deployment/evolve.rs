//! The fold: total, and strict about what can follow (spec 2.5, M1).

use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::Vector;
use nogfso_kernel::{Position, Recorded};

use super::error::BrokenDeployment;
use super::event::DeploymentEvent as Event;
use super::fact::{Asked, Direction, SkipReason, Stored};
use super::state::{Claim, Deployment, JobRecord, Owed, Stage, Undone};
use super::{attempts, log, steer};
use crate::cause::RollbackCause;
use crate::name::JobName;
use crate::plan::{JOBS_MAX, Plan};

pub(super) type Evolved = Result<(), &'static str>;

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
    if !deployment.owed.take().is_none_or(|owed| pays(owed, event)) {
        return Err(broken(event, "something else had to follow"));
    }
    apply(deployment, event, at_ms).map_err(|reason| broken(event, reason))?;
    deployment.events_count = deployment.events_count.saturating_add(1);
    deployment.changed_ms = at_ms;
    Ok(())
}

/// Whether `event` is what had to follow.
fn pays(owed: Owed, event: &Event) -> bool {
    match owed {
        Owed::Rollback => matches!(event, Event::RollbackStarted { .. }),
        Owed::Parking => matches!(event, Event::DeploymentParked { .. }),
        Owed::Skip => matches!(
            event,
            Event::JobRollbackSkipped {
                why: SkipReason::FailedContinue,
                ..
            }
        ),
        Owed::Resumption => matches!(event, Event::DeploymentResumed { .. }),
    }
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
    check_plan(&asked.plan)?;
    let jobs_count = asked.plan.jobs.len();
    let copied = asked
        .forked
        .as_ref()
        .map_or(&[][..], |forked| &forked.outputs);
    if copied.len() > jobs_count {
        return Err("more was copied than the plan has");
    }
    let mut jobs: Vector<Arc<JobRecord>> = copied
        .iter()
        .map(|output| {
            Arc::new(JobRecord {
                output: Some(output.clone()),
                is_copied: true,
                ..JobRecord::default()
            })
        })
        .collect();
    jobs.extend((copied.len()..jobs_count).map(|_| Arc::default()));
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
        owed: None,
    })
}

/// Says what is wrong with the jobs of a plan.
pub(super) fn check_plan(plan: &Plan) -> Evolved {
    ensure(!plan.jobs.is_empty(), "the plan has no jobs")?;
    ensure(plan.jobs.len() <= JOBS_MAX, "the plan has too many jobs")?;
    let names: BTreeSet<&JobName> = plan.jobs.iter().map(|planned| &planned.job).collect();
    ensure(
        names.len() == plan.jobs.len(),
        "two jobs of the plan have one name",
    )
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
            let is_deferred = deployment.deferred_until_ms.take().is_some();
            ensure(is_deferred, "it waits for nothing")
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
            rollback_started(deployment, cause, *from_index)
        }
        Event::JobRollbackSkipped { index, why } => skipped(deployment, *index, why),
        Event::DeploymentSucceeded {} => {
            let is_done = deployment.cursor == deployment.plan.jobs.len();
            let is_running = deployment.stage == Stage::Running;
            ensure(is_running && is_done, "jobs are left")?;
            end(deployment, Stage::Succeeded)
        }
        Event::DeploymentRolledBack { residue } => {
            let is_done = deployment.highest_left().is_none();
            let is_backward = deployment.stage == Stage::RollingBack;
            ensure(is_backward && is_done, "jobs are left")?;
            let residue = residue.clone();
            end(deployment, Stage::RolledBack { residue })
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
        | Event::DeploymentAbandoned { .. } => steer::apply(deployment, event),
    }
}

fn rollback_started(
    deployment: &mut Deployment,
    cause: &RollbackCause,
    from_index: usize,
) -> Evolved {
    ensure(deployment.stage == Stage::Running, "it does not run")?;
    ensure(deployment.open.is_none(), "an attempt is under way")?;
    ensure(deployment.pivot.is_none(), "there is no way back")?;
    let last = deployment.plan.jobs.len() - 1;
    ensure(
        from_index == deployment.cursor.min(last),
        "it does not begin where it stands",
    )?;
    deployment.stage = Stage::RollingBack;
    deployment.cause = Some(Arc::new(cause.clone()));
    deployment.cursor = from_index + 1;
    deployment.not_before_ms = None;
    Ok(())
}

fn skipped(deployment: &mut Deployment, index: usize, why: &SkipReason) -> Evolved {
    let is_backward = deployment.stage.direction() == Some(Direction::Backward);
    let is_current = deployment.undo_to_decide() == Some(index);
    ensure(is_backward && is_current, "the job is not the next to undo")?;
    ensure(deployment.open.is_none(), "an attempt is under way")?;
    deployment.not_before_ms = None;
    undone(deployment, index, Undone::Skipped(why.clone()))
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
    ensure(deployment.open.is_none(), "an attempt is under way")?;
    deployment.claim = None;
    deployment.deferred_until_ms = until_ms;
    Ok(())
}

pub(super) fn undone(deployment: &mut Deployment, index: usize, how: Undone) -> Evolved {
    let job = deployment.record_mut(index);
    job.ok_or("there is no such job")?.undone = Some(how);
    Ok(())
}

pub(super) fn ensure(holds: bool, reason: &'static str) -> Evolved {
    match holds {
        true => Ok(()),
        false => Err(reason),
    }
}

/// It runs no more: nobody holds it.
pub(super) fn stop(deployment: &mut Deployment, stage: Stage) {
    deployment.stage = stage;
    deployment.claim = None;
    deployment.deferred_until_ms = None;
    deployment.pause = None;
}

pub(super) fn end(deployment: &mut Deployment, stage: Stage) -> Evolved {
    ensure(deployment.open.is_none(), "an attempt is under way")?;
    stop(deployment, stage);
    Ok(())
}

/// Whether a value stands for the input.
pub(super) fn is_passed_on(stored: &Stored) -> bool {
    *stored == Stored::SameAsInput
}
