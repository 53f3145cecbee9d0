//! Seeing one attempt through: time-outs, signs of life, and everything that tells it to stop (spec 2.11).

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, sleep_until};

use super::serving::Serving;
use crate::attempt::Phase;
use crate::deployment::{Deployment, Stage};
use crate::error::{JobResult, StopReason};

/// How long an attempt that was told to stop may go on.
pub const STOP_GRACE: Duration = Duration::from_secs(10);
/// How long one may whose lease is lost.
const LOST_GRACE: Duration = Duration::from_millis(200);

/// How an attempt ended, as far as its code is concerned.
pub(crate) enum Ended<T> {
    /// It returned; the reason to stop, if it had been given one.
    Returned(JobResult<T>, Option<StopReason>),
    /// It panicked, with that message.
    Panicked(String),
    /// It did not listen and was dropped.
    Aborted(StopReason),
}

/// What an attempt is bounded by.
pub(crate) struct Bounds {
    /// When it is told to stop.
    pub(crate) timeout: Option<Instant>,
    /// How long it may go without a sign of life.
    pub(crate) heartbeat: Option<Duration>,
}

/// Runs `code` until it returns or, told to stop, has not returned in time.
pub(crate) async fn supervise<T>(
    serving: &Serving<'_>,
    bounds: &Bounds,
    code: impl Future<Output = JobResult<T>>,
) -> Ended<T> {
    let mut code = std::pin::pin!(AssertUnwindSafe(code).catch_unwind());
    let mut news = serving.lease.news();
    let mut told: Option<(StopReason, Instant)> = None;
    loop {
        let reason = why_stop(serving, bounds);
        if told.map(|(told, _)| told) != reason
            && let Some(reason) = reason
            && told.is_none_or(|(told, _)| told != StopReason::LeaseLost)
        {
            let grace = match reason {
                StopReason::LeaseLost => LOST_GRACE,
                StopReason::Cancelled
                | StopReason::Paused
                | StopReason::Deadline
                | StopReason::AttemptTimeout
                | StopReason::Draining => STOP_GRACE,
            };
            // A second reason does not lengthen what the first one left.
            let until = Instant::now() + grace;
            let until = told.map_or(until, |(_, before)| until.min(before));
            told = Some((reason, until));
            serving.stop.send_replace(Some(reason));
        }
        let wake = match told {
            Some((reason, until)) if Instant::now() >= until => return Ended::Aborted(reason),
            Some((_, until)) => Some(until),
            None => next_look(serving, bounds),
        };
        let sleep = async {
            match wake {
                Some(wake) => sleep_until(wake).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            returned = &mut code => {
                let told = told.map(|(reason, _)| reason);
                return match returned {
                    Ok(result) => Ended::Returned(result, told),
                    Err(panic) => Ended::Panicked(panic_message(panic.as_ref())),
                };
            }
            () = news.changed() => {}
            () = sleep => {}
        }
    }
}

/// Why the attempt is to stop now, if it is.
fn why_stop(serving: &Serving<'_>, bounds: &Bounds) -> Option<StopReason> {
    if let Some(reason) = serving.lease.must_stop() {
        return Some(reason);
    }
    let said = *serving.stop.borrow();
    if said == Some(StopReason::LeaseLost) {
        return said;
    }
    let now = Instant::now();
    let is_over = |limit: Option<Instant>| limit.is_some_and(|limit| limit <= now);
    if is_over(bounds.timeout) || is_over(silent_from(serving, bounds)) {
        return Some(StopReason::AttemptTimeout);
    }
    let Some(deployment) = serving.lease.deployment() else {
        return Some(StopReason::LeaseLost);
    };
    wanted_stop(serving, &deployment).or(said)
}

fn wanted_stop(serving: &Serving<'_>, deployment: &Deployment) -> Option<StopReason> {
    if !deployment.stage.is_live() {
        return Some(StopReason::LeaseLost);
    }
    if deployment
        .pause
        .as_ref()
        .is_some_and(|pause| pause.interrupt)
    {
        return Some(StopReason::Paused);
    }
    // Undo is never cancelled, and nothing is past the point of no return (spec 2.1, I10).
    let can_be_cancelled =
        serving.at.phase == Phase::Execute && !deployment.is_past_pivot() && is_forward(deployment);
    if !can_be_cancelled {
        return None;
    }
    if deployment.cancel.is_some() {
        return Some(StopReason::Cancelled);
    }
    let now_ms = serving.lease.now_ms();
    let is_late = deployment
        .deadline_ms
        .is_some_and(|deadline| deadline <= now_ms);
    is_late.then_some(StopReason::Deadline)
}

fn is_forward(deployment: &Deployment) -> bool {
    matches!(deployment.stage, Stage::Requested | Stage::Running)
}

/// When the attempt has been silent for too long.
fn silent_from(serving: &Serving<'_>, bounds: &Bounds) -> Option<Instant> {
    bounds
        .heartbeat
        .map(|heartbeat| *serving.alive.borrow() + heartbeat)
}

/// When to look again without news.
fn next_look(serving: &Serving<'_>, bounds: &Bounds) -> Option<Instant> {
    let deadline = serving
        .lease
        .deployment()
        .and_then(|state| state.deadline_ms);
    let deadline = deadline
        .filter(|_| serving.at.phase == Phase::Execute)
        .map(|deadline| deadline.saturating_sub(serving.lease.now_ms()))
        // A deadline that cannot be met any more, past the point of no return, wakes nobody.
        .filter(|left_ms| *left_ms > 0)
        .map(|left_ms| Instant::now() + Duration::from_millis(left_ms));
    [bounds.timeout, silent_from(serving, bounds), deadline]
        .into_iter()
        .flatten()
        .min()
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without a message".to_owned())
}
