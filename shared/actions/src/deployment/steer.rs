//! The part of the fold that is about what persons do.

use std::sync::Arc;

use super::event::DeploymentEvent as Event;
use super::evolve::{Evolved, check_plan, end, ensure, is_passed_on, stop, undone};
use super::fact::{Direction, Forced, SkipReason, Stored};
use super::state::{Deployment, Intent, Owed, Parked, PauseIntent, Stage, Undone};
use crate::cause::{CauseKind, RollbackCause};
use crate::error::ErrorView;
use crate::plan::{Plan, Undo};

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the fold names every event and hands over only these"
)]
pub(super) fn apply(deployment: &mut Deployment, event: &Event) -> Evolved {
    match event {
        Event::CancelRequested { by, reason } => {
            deployment.deferred_until_ms = None;
            deployment.cancel.get_or_insert_with(|| intent(by, reason));
            if !deployment.stage.is_live() {
                deployment.owed = Some(Owed::Resumption);
            }
            Ok(())
        }
        Event::PauseRequested {
            by,
            reason,
            interrupt,
        } => {
            ensure(deployment.stage.is_live(), "it does not run")?;
            deployment.pause = Some(PauseIntent {
                intent: intent(by, reason),
                interrupt: *interrupt,
            });
            Ok(())
        }
        Event::DeploymentPaused { direction } => {
            stopped(deployment, *direction, Stage::Paused(*direction))
        }
        Event::DeploymentParked {
            direction,
            index,
            reason,
            error,
        } => {
            let parked = Parked {
                direction: *direction,
                index: *index,
                reason: *reason,
                error: error.clone(),
            };
            stopped(deployment, *direction, Stage::Parked(parked))
        }
        Event::DeploymentResumed { reset_attempts, .. } => resumed(deployment, *reset_attempts),
        Event::OutcomeForced { index, outcome, .. } => forced(deployment, *index, outcome),
        Event::PlanRebound { plan, .. } => rebound(deployment, plan),
        Event::RetryForced { .. } => {
            ensure(deployment.stage.is_live(), "it does not run")?;
            deployment.not_before_ms = None;
            deployment.deferred_until_ms = None;
            Ok(())
        }
        Event::DeadlineChanged { deadline_ms, .. } => {
            deployment.deadline_ms = *deadline_ms;
            deployment.deferred_until_ms = None;
            Ok(())
        }
        Event::NoteAdded { .. } => Ok(()),
        Event::DeploymentAbandoned {
            by,
            reason,
            residue,
        } => {
            deployment.open = None;
            let stage = Stage::Abandoned {
                by: by.clone(),
                reason: reason.clone(),
                residue: residue.clone(),
            };
            end(deployment, stage)
        }
        _ => Err("no person does that"),
    }
}

fn stopped(deployment: &mut Deployment, direction: Direction, stage: Stage) -> Evolved {
    ensure(deployment.open.is_none(), "an attempt is under way")?;
    ensure(deployment.stage.is_live(), "it does not run")?;
    let is_same = deployment.stage.direction() == Some(direction);
    ensure(is_same, "it goes in the other direction")?;
    stop(deployment, stage);
    Ok(())
}

fn resumed(deployment: &mut Deployment, reset_attempts: bool) -> Evolved {
    let direction = standing(deployment)?;
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
            if job.undone == Some(Undone::Skipped(SkipReason::FailedContinue)) {
                Arc::make_mut(job).undone = None;
            }
        }
    }
    if reset_attempts {
        // Undos that were passed over, too.
        for job in deployment.jobs.iter_mut() {
            Arc::make_mut(job).undo.reset();
        }
    }
    let current = deployment.current();
    if let Some(job) = current.and_then(|index| deployment.record_mut(index)) {
        // A person has looked: whatever crashed before, it is not in a row any more.
        job.execute.lost_in_a_row = 0;
        job.undo.lost_in_a_row = 0;
        if reset_attempts {
            job.execute.reset();
        }
    }
    Ok(())
}

fn forced(deployment: &mut Deployment, index: usize, outcome: &Forced) -> Evolved {
    let direction = standing(deployment)?;
    match (outcome, direction) {
        (Forced::Succeeded { output }, Direction::Forward) => {
            ensure(index == deployment.cursor, "it is not that job's turn")?;
            forced_success(deployment, index, output)
        }
        (Forced::Failed { error }, Direction::Forward) => {
            ensure(index == deployment.cursor, "it is not that job's turn")?;
            forced_failure(deployment, index, error)
        }
        (Forced::Undone, Direction::Backward) => {
            let is_current = deployment.undo_to_decide() == Some(index);
            ensure(is_current, "the job is not the next to undo")?;
            undone(deployment, index, Undone::Forced)
        }
        (Forced::Succeeded { .. } | Forced::Failed { .. }, Direction::Backward) => {
            Err("that is no outcome of an undo")
        }
        (Forced::Undone, Direction::Forward) => Err("it is not being undone"),
    }
}

fn forced_success(deployment: &mut Deployment, index: usize, output: &Stored) -> Evolved {
    let (planned, _) = deployment.job(index).ok_or("there is no such job")?;
    let may_pass_on = planned.passes_on || !is_passed_on(output);
    ensure(may_pass_on, "the job does not pass its input on")?;
    if planned.undo == Undo::Impossible {
        // Whoever says that it is done says that its effect is there.
        deployment.pivot = Some(index);
    }
    let job = deployment.record_mut(index);
    let job = job.ok_or("there is no such job")?;
    job.output = Some(output.clone());
    job.declared_no_effect = false;
    deployment.cursor = index + 1;
    Ok(())
}

fn forced_failure(deployment: &mut Deployment, index: usize, error: &ErrorView) -> Evolved {
    let (planned, _) = deployment.job(index).ok_or("there is no such job")?;
    deployment.cause = Some(Arc::new(RollbackCause {
        kind: CauseKind::Operator,
        job: Some(planned.job.clone()),
        error: error.clone(),
    }));
    deployment.cursor = index + 1;
    match &mut deployment.stage {
        Stage::Paused(direction) => *direction = Direction::Backward,
        Stage::Parked(parked) => parked.direction = Direction::Backward,
        Stage::Requested
        | Stage::Running
        | Stage::RollingBack
        | Stage::Succeeded
        | Stage::RolledBack { .. }
        | Stage::Abandoned { .. } => return Err("it is neither paused nor parked"),
    }
    Ok(())
}

/// Where it will go on.
fn standing(deployment: &Deployment) -> Result<Direction, &'static str> {
    match &deployment.stage {
        Stage::Paused(direction) => Ok(*direction),
        Stage::Parked(parked) => Ok(parked.direction),
        Stage::Requested
        | Stage::Running
        | Stage::RollingBack
        | Stage::Succeeded
        | Stage::RolledBack { .. }
        | Stage::Abandoned { .. } => Err("it is neither paused nor parked"),
    }
}

fn rebound(deployment: &mut Deployment, plan: &Plan) -> Evolved {
    standing(deployment)?;
    check_plan(plan)?;
    let misfit = deployment.first_misfit(plan);
    ensure(misfit.is_none(), "the plan differs in what was done")?;
    deployment.jobs.truncate(plan.jobs.len());
    while deployment.jobs.len() < plan.jobs.len() {
        deployment.jobs.push_back(Arc::default());
    }
    deployment.plan = Arc::new(plan.clone());
    Ok(())
}

fn intent(by: &str, reason: &str) -> Intent {
    Intent {
        by: by.to_owned(),
        reason: reason.to_owned(),
    }
}
