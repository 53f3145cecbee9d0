//! What follows a failed attempt (the table of spec 2.11), and how many attempts one start stands for (2.14).

use std::num::NonZeroU32;

use super::command::Failed;
use super::fact::{AfterFailure, Class, Direction, ParkReason};
use super::next::wants_rollback;
use super::state::{Attempts, Deployment};
use crate::cause::{CauseKind, RollbackCause};
use crate::plan::{JobPolicy, OnExhausted, RetryPolicy, RollbackPolicy, Undo};

/// From which attempt on one start stands for several.
const ATTEMPTS_WRITTEN_SINGLY: u32 = 20;

/// What follows a failure.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct After {
    pub(super) next: AfterFailure,
    pub(super) cause: Option<RollbackCause>,
    pub(super) park: Option<ParkReason>,
}

impl After {
    fn retry(at_ms: u64) -> Self {
        Self {
            next: AfterFailure::RetryAt(at_ms),
            cause: None,
            park: None,
        }
    }

    fn park(reason: ParkReason) -> Self {
        Self {
            next: AfterFailure::Park,
            cause: None,
            park: Some(reason),
        }
    }
}

/// What follows a failed attempt of a job.
pub(super) fn after_failure(
    deployment: &Deployment,
    failed: &Failed,
    now_ms: u64,
    draw: u32,
) -> After {
    let index = failed.at.index;
    let (planned, job) = deployment
        .job(index)
        .expect("an open attempt is of a job of the plan");
    let attempts = &used(&job.execute, failed);
    if failed.class == Class::Stopped {
        return After::retry(now_ms);
    }
    let policy = &planned.policy;
    let may_retry = matches!(failed.class, Class::Retryable | Class::TimedOut);
    if may_retry && wants_rollback(deployment, Direction::Forward, now_ms).is_some() {
        // The rollback that somebody wants follows in the same commit, for that cause, whatever the budget says.
        return After::retry(now_ms);
    }
    if may_retry && has_budget(&policy.execute, attempts, now_ms) {
        let delay = failed.after_ms;
        let delay = delay.unwrap_or_else(|| drawn_delay_ms(&policy.execute, attempts, draw));
        return After::retry(now_ms.saturating_add(delay));
    }
    let is_clean = failed.class == Class::TerminalNoEffect && !attempts.may_have_acted();
    if planned.undo == Undo::Impossible && !is_clean {
        return After::park(ParkReason::IrreversibleUncertain);
    }
    let is_past_pivot = deployment.pivot_below(index).is_some();
    if is_past_pivot || (may_retry && policy.on_exhausted == OnExhausted::Park) {
        return After::park(ParkReason::RetriesExhausted);
    }
    After {
        next: AfterFailure::Rollback,
        cause: Some(RollbackCause {
            kind: cause_kind(failed.class),
            job: Some(planned.job.clone()),
            error: failed.error.clone(),
        }),
        park: None,
    }
}

/// The attempts as they stand with this failure: of a granted range, the rest is not used.
fn used(attempts: &Attempts, failed: &Failed) -> Attempts {
    Attempts {
        started: failed.at.attempt.get(),
        ..attempts.clone()
    }
}

fn cause_kind(class: Class) -> CauseKind {
    match class {
        Class::Retryable => CauseKind::RetriesExhausted,
        Class::TimedOut => CauseKind::TimedOut,
        Class::Panicked => CauseKind::Panicked,
        Class::Terminal | Class::TerminalNoEffect | Class::NullOutput | Class::Stopped => {
            CauseKind::JobFailed
        }
    }
}

/// What follows a failed undo: another try whatever the error, unless the handler says that none will help.
pub(super) fn after_undo_failure(
    deployment: &Deployment,
    failed: &Failed,
    now_ms: u64,
    draw: u32,
) -> After {
    let (planned, job) = deployment
        .job(failed.at.index)
        .expect("an open attempt is of a job of the plan");
    if failed.class == Class::Stopped {
        return After::retry(now_ms);
    }
    let policy = &planned.policy.rollback;
    let attempts = &used(&job.undo, failed);
    let may_retry = !matches!(failed.class, Class::Terminal | Class::TerminalNoEffect);
    if may_retry && has_budget(policy, attempts, now_ms) {
        let delay = failed.after_ms;
        let delay = delay.unwrap_or_else(|| drawn_delay_ms(policy, attempts, draw));
        return After::retry(now_ms.saturating_add(delay));
    }
    match deployment.plan.rollback {
        RollbackPolicy::StopAndPark => After::park(ParkReason::UndoFailed),
        RollbackPolicy::ContinueThenPark => After {
            next: AfterFailure::Continue,
            cause: None,
            park: None,
        },
    }
}

/// Whether another attempt may begin.
pub(super) fn has_budget(policy: &RetryPolicy, attempts: &Attempts, now_ms: u64) -> bool {
    let has_attempts = policy
        .attempts_max
        .is_none_or(|max| attempts.counted() < max.get());
    let has_time = policy.elapsed_max_ms.is_none_or(|max| {
        let first = attempts.first_started_ms.unwrap_or(now_ms);
        now_ms.saturating_sub(first) < max
    });
    has_attempts && has_time
}

/// Whether a failure at `now_ms` that could be retried would end the attempts of a job with `policy`.
#[must_use]
pub fn is_last_attempt(policy: &JobPolicy, attempts: &Attempts, now_ms: u64) -> bool {
    !has_budget(&policy.execute, attempts, now_ms)
}

/// A random delay below the bound of the attempt ("full jitter").
pub(super) fn drawn_delay_ms(policy: &RetryPolicy, attempts: &Attempts, draw: u32) -> u64 {
    let bound = policy.delay_bound_ms(attempts.counted());
    // The draw as a fraction of its range; the bound is far below 2^32 times the range of u64.
    let delay = u128::from(bound) * u128::from(draw) / u128::from(u32::MAX);
    u64::try_from(delay).unwrap_or(bound)
}

/// The last attempt that the next start stands for, if for more than one.
pub(super) fn granted(policy: &RetryPolicy, attempts: &Attempts) -> Option<NonZeroU32> {
    let next = attempts.started.saturating_add(1);
    if attempts.counted() < ATTEMPTS_WRITTEN_SINGLY {
        return None;
    }
    let left = policy
        .attempts_max
        .map_or(u32::MAX, |max| max.get().saturating_sub(attempts.counted()));
    let up_to = attempts.started.saturating_add(left.min(next)).max(next);
    NonZeroU32::new(up_to).filter(|up_to| up_to.get() > next)
}
