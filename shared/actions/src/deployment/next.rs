//! What is to be done next: a pure function of the state, the time and what the worker can run (spec 2.5).

use nogfso_faults::{Mutant, is_planted};

use super::fact::{Direction, ParkReason, SkipReason};
use super::state::{Attempts, Deployment, JobRecord, Stage};
use crate::cause::{CauseKind, RollbackCause};
use crate::error::ErrorView;
use crate::plan::{Manifest, PlannedJob, Undo};

/// The code of the error of a rollback that somebody asked for.
pub const EXECUTION_STOPPED: &str = "execution_stopped";
/// The code of the error of a rollback because of the deadline.
pub const DEADLINE_EXCEEDED: &str = "deadline_exceeded";

/// What is to be done next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Nothing, until somebody commands something.
    Nothing,
    /// An attempt is under way in the present epoch: see it through.
    Await,
    /// An attempt of an older epoch has no end: mark it lost.
    MarkLost,
    /// Park.
    Park {
        /// The job that it is about.
        index: Option<usize>,
        /// Why.
        reason: ParkReason,
    },
    /// Give it back: this worker does not know all jobs of the plan.
    NotRunnable,
    /// Stop where it is.
    Pause(Direction),
    /// Begin to undo, for that cause.
    BeginRollback(RollbackCause),
    /// Nothing before this time, in ms since the Unix epoch.
    Wait(u64),
    /// Start an attempt of the job.
    Start(usize),
    /// Start an attempt of its undo.
    Undo(usize),
    /// Do not undo it.
    Skip(usize, SkipReason),
    /// All is done.
    Succeed,
    /// All is undone that can be.
    FinishRollback,
}

/// What is to be done next with `deployment` at `now_ms`, by a worker with `manifest` that holds the present epoch.
///
/// The order of the questions is that of spec 2.5.
#[must_use]
pub fn next(deployment: &Deployment, now_ms: u64, manifest: &Manifest) -> Next {
    let direction = match &deployment.stage {
        Stage::Requested | Stage::Running => Direction::Forward,
        Stage::RollingBack => Direction::Backward,
        Stage::Paused(_)
        | Stage::Parked(_)
        | Stage::Succeeded
        | Stage::RolledBack { .. }
        | Stage::Abandoned { .. } => return Next::Nothing,
    };
    if let Some(open) = deployment.open {
        return match open.epoch == deployment.epoch {
            true => Next::Await,
            false => Next::MarkLost,
        };
    }
    let current = deployment.current();
    if current.is_some_and(|index| is_crash_loop(deployment, direction, index)) {
        return Next::Park {
            index: current,
            reason: ParkReason::CrashLoop,
        };
    }
    if !manifest.can_run(&deployment.asked.action, &deployment.plan) {
        return Next::NotRunnable;
    }
    if deployment.pause.is_some() {
        return Next::Pause(direction);
    }
    if let Some(cause) = wants_rollback(deployment, direction, now_ms) {
        return Next::BeginRollback(cause);
    }
    if let Some(until) = deployment.not_before_ms.filter(|until| *until > now_ms) {
        // A deadline that comes first is not slept through.
        let deadline = deployment
            .deadline_ms
            .filter(|_| direction == Direction::Forward && !deployment.is_past_pivot());
        return Next::Wait(deadline.map_or(until, |deadline| until.min(deadline)));
    }
    match direction {
        Direction::Forward => match current.and_then(|index| Some((index, deployment.job(index)?)))
        {
            Some((index, (_, job))) => begin(deployment, index, &job.execute, Next::Start(index)),
            None => Next::Succeed,
        },
        Direction::Backward => back(deployment, current, now_ms),
    }
}

fn is_crash_loop(deployment: &Deployment, direction: Direction, index: usize) -> bool {
    deployment.job(index).is_some_and(|(planned, job)| {
        let attempts = match direction {
            Direction::Forward => &job.execute,
            Direction::Backward => &job.undo,
        };
        attempts.lost_in_a_row >= planned.policy.lost_attempts_max.get()
    })
}

/// The start of an attempt, unless there must not be any more.
fn begin(deployment: &Deployment, index: usize, attempts: &Attempts, begin: Next) -> Next {
    let reason = if deployment.is_full() {
        ParkReason::JournalTooLong
    } else if attempts.started == u32::MAX {
        // Attempts have no numbers beyond; whoever gets there has other worries.
        ParkReason::RetriesExhausted
    } else {
        return begin;
    };
    Next::Park {
        index: Some(index),
        reason,
    }
}

pub(super) fn wants_rollback(
    deployment: &Deployment,
    direction: Direction,
    now_ms: u64,
) -> Option<RollbackCause> {
    if direction == Direction::Backward || deployment.is_past_pivot() {
        return None;
    }
    if let Some(cancel) = &deployment.cancel {
        let message = format!("cancelled by {}: {}", cancel.by, cancel.reason);
        return Some(RollbackCause {
            kind: CauseKind::Cancelled,
            job: None,
            error: ErrorView::new(EXECUTION_STOPPED, message),
        });
    }
    let has_passed = deployment
        .deadline_ms
        .is_some_and(|deadline| deadline <= now_ms);
    has_passed.then(|| RollbackCause {
        kind: CauseKind::DeadlineExceeded,
        job: None,
        error: ErrorView::new(DEADLINE_EXCEEDED, "the deadline has passed"),
    })
}

fn back(deployment: &Deployment, current: Option<usize>, now_ms: u64) -> Next {
    let found = current.and_then(|index| Some((index, deployment.job(index)?)));
    let Some((index, (planned, job))) = found else {
        return match deployment.highest_passed_over() {
            Some(index) => Next::Park {
                index: Some(index),
                reason: ParkReason::UndoFailed,
            },
            None => Next::FinishRollback,
        };
    };
    if let Some(why) = skip_reason(planned, job) {
        return Next::Skip(index, why);
    }
    match job.execute.quiet_until_ms {
        Some(until) if until > now_ms => Next::Wait(until),
        _ => begin(deployment, index, &job.undo, Next::Undo(index)),
    }
}

/// Why a job is not undone, if it is not (spec 2.3, 2.8 R5).
pub(super) fn skip_reason(planned: &PlannedJob, job: &JobRecord) -> Option<SkipReason> {
    if is_planted(Mutant::ActionUndoSkipped) && job.output.is_none() {
        return Some(SkipReason::NeverStarted);
    }
    // What an operator declared done may well have been done by hand.
    if !job.reached_execute && job.output.is_none() {
        return Some(SkipReason::NeverStarted);
    }
    if job.declared_no_effect {
        return Some(SkipReason::DeclaredNoEffect);
    }
    match planned.undo {
        Undo::NotNeeded => Some(SkipReason::UndoNotNeeded),
        Undo::Handled | Undo::Impossible if job.is_copied => Some(SkipReason::Copied),
        Undo::Handled => None,
        Undo::Impossible => Some(SkipReason::UndoImpossible),
    }
}
