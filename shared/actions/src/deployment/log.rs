//! The error log: the entries that events amount to (spec 2.14).

use super::event::DeploymentEvent as Event;
use super::fact::AttemptRef;
use super::state::{Deployment, ERRORS_KEPT_MAX, ErrorEntry};
use crate::attempt::Phase;
use crate::error::{ErrorView, Place};
use crate::plan::Plan;

/// The entry that `event` at `at_ms` amounts to in a deployment with `plan`, if it is about an error.
#[must_use]
pub fn error_entry(plan: &Plan, event: &Event, at_ms: u64) -> Option<ErrorEntry> {
    let entry = |at: Option<&AttemptRef>, place, error: &ErrorView| {
        let planned = at.and_then(|at| plan.jobs.get(at.index));
        ErrorEntry {
            at_ms,
            job: planned.map(|planned| planned.job.clone()),
            phase: at.map_or(Phase::Execute, |at| at.phase),
            attempt: at.map(|at| at.attempt.get()),
            place,
            error: error.clone(),
            handled: false,
            left_out: 0,
        }
    };
    match event {
        Event::JobErrorLogged {
            at,
            place,
            error,
            left_out,
        } => Some(ErrorEntry {
            handled: true,
            left_out: *left_out,
            ..entry(Some(at), Some(*place), error)
        }),
        Event::JobAttemptFailed {
            at,
            place,
            error,
            left_out,
            ..
        } => Some(entry(Some(at), Some(*place), error).leaving_out(*left_out)),
        Event::JobRollbackAttemptFailed {
            at,
            error,
            left_out,
            ..
        } => Some(entry(Some(at), Some(Place::Rollback), error).leaving_out(*left_out)),
        Event::JobAttemptLost { at, epoch, .. } => Some(entry(Some(at), None, &lost(*epoch))),
        Event::RollbackStarted { cause, .. } if cause.job.is_none() => {
            Some(entry(None, None, &cause.error))
        }
        Event::RollbackStarted { .. }
        // A parking follows an end of an attempt that has an entry of its own.
        | Event::DeploymentParked { .. }
        | Event::DeploymentRequested(_)
        | Event::DeploymentClaimed { .. }
        | Event::DeploymentReleased { .. }
        | Event::DeploymentDue {}
        | Event::JobStarted { .. }
        | Event::JobPrepared { .. }
        | Event::JobDataPut { .. }
        | Event::JobSucceeded { .. }
        | Event::JobRollbackStarted { .. }
        | Event::JobRollbackSucceeded { .. }
        | Event::JobRollbackSkipped { .. }
        | Event::CancelRequested { .. }
        | Event::PauseRequested { .. }
        | Event::DeploymentPaused { .. }
        | Event::DeploymentResumed { .. }
        | Event::OutcomeForced { .. }
        | Event::PlanRebound { .. }
        | Event::RetryForced { .. }
        | Event::DeadlineChanged { .. }
        | Event::NoteAdded { .. }
        | Event::DeploymentSucceeded {}
        | Event::DeploymentRolledBack { .. }
        | Event::DeploymentAbandoned { .. } => None,
    }
}

impl ErrorEntry {
    fn leaving_out(self, left_out: u32) -> Self {
        Self { left_out, ..self }
    }
}

fn lost(epoch: u64) -> ErrorView {
    let message = format!("the worker of epoch {epoch} ended or was replaced in the middle of it");
    ErrorView::new("lost", message)
}

/// Notes the newest errors in the state.
pub(super) fn note(deployment: &mut Deployment, event: &Event, at_ms: u64) {
    if let Some(entry) = error_entry(&deployment.plan, event, at_ms) {
        deployment.errors_count += 1 + u64::from(entry.left_out);
        deployment.errors.push_back(entry);
        if deployment.errors.len() > ERRORS_KEPT_MAX {
            deployment.errors.pop_front();
        }
    }
}
