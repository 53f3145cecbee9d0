//! Every rule of a lane.

use nogfso_ids::RequestId;

use super::state::Ended;
use super::{
    DEATHS_MAX, FailureCode, Order, Phase, Request, WAITING_REQUESTS_MAX, Work, WorkCommand,
    WorkEvent, WorkRefusal, WorkResult,
};
use crate::operation::{ErrorText, Problems};

/// Answers `command`, given at `now_ms` (milliseconds since the Unix epoch), with the events to append.
///
/// No events means that the lane is already as the command asks, so a repeated command is harmless.
///
/// # Errors
///
/// Returns the [`WorkRefusal`] of the first rule that forbids the command.
pub fn decide(
    work: &Work,
    command: &WorkCommand,
    now_ms: u64,
) -> Result<Vec<WorkEvent>, WorkRefusal> {
    match command {
        WorkCommand::Request {
            request,
            order,
            author,
            at,
        } => accept(work, *request, order).map(|new| {
            let event = WorkEvent::Requested {
                request_id: *request,
                order: order.clone(),
                author: author.clone(),
                at_ms: *at,
            };
            if new { vec![event] } else { vec![] }
        }),
        WorkCommand::Cancel { request } => cancel(work, *request),
        WorkCommand::Claim {
            instance,
            lease,
            above,
        } => match work.due().next() {
            None if work.claim.is_none() => Err(WorkRefusal::NothingDue),
            // A claim that its holder left behind is taken over even if nothing is due under it, to be given back.
            None | Some(_) => Ok(vec![WorkEvent::Claimed {
                epoch: work.epoch.max(*above) + 1,
                instance: instance.clone(),
                lease: *lease,
            }]),
        },
        WorkCommand::Start { request, epoch } => start(work, *request, *epoch, now_ms),
        WorkCommand::Defer {
            request,
            epoch,
            until_ms,
            reason,
        } => defer(work, (*request, *epoch), (*until_ms, reason), now_ms),
        WorkCommand::Finish {
            request,
            epoch,
            result,
        } => finish(work, (*request, *epoch), result, now_ms),
        WorkCommand::Release { epoch } => {
            held_by(work, *epoch)?;
            Ok(vec![released(work, *epoch, now_ms)])
        }
        WorkCommand::Revoke { epoch } => match held_by(work, *epoch) {
            Ok(()) => Ok(vec![WorkEvent::Revoked { epoch: *epoch }]),
            Err(_) if *epoch <= work.epoch => Ok(vec![]),
            Err(refusal) => Err(refusal),
        },
        WorkCommand::Wake { request } => wake(work, *request),
    }
}

/// Whether the order is to be appended.
fn accept(work: &Work, request: RequestId, order: &Order) -> Result<bool, WorkRefusal> {
    match work.request(request) {
        Some(known) if known.order == *order => return Ok(false),
        Some(_) => return Err(WorkRefusal::RequestIdTaken(request)),
        None => {}
    }
    if work.finished(request).is_some() || work.equal_waiting(order).is_some() {
        Ok(false)
    } else if work.waiting_count() >= WAITING_REQUESTS_MAX {
        Err(WorkRefusal::Busy)
    } else {
        Ok(true)
    }
}

fn cancel(work: &Work, request: RequestId) -> Result<Vec<WorkEvent>, WorkRefusal> {
    let cancelled = WorkEvent::Cancelled {
        request_id: request,
    };
    match work.request(request).map(|known| &known.phase) {
        Some(Phase::Waiting {} | Phase::Deferred { .. }) => Ok(vec![
            cancelled,
            WorkEvent::Finished {
                request_id: request,
                epoch: None,
                result: WorkResult::Cancelled {},
                releases: false,
            },
        ]),
        Some(Phase::Started { .. }) => Ok(vec![cancelled]),
        Some(Phase::Cancelling { .. }) => Ok(vec![]),
        None if work.finished(request).is_some() => Ok(vec![]),
        None => Err(WorkRefusal::UnknownRequest(request)),
    }
}

fn start(
    work: &Work,
    request: RequestId,
    epoch: u64,
    now_ms: u64,
) -> Result<Vec<WorkEvent>, WorkRefusal> {
    held_by(work, epoch)?;
    let Some(known) = work.request(request) else {
        return not_there(work, request, epoch).ok_or(WorkRefusal::NotDue(request));
    };
    if let Some(other) = in_hand(work, epoch).filter(|other| other.request != request) {
        return Err(WorkRefusal::OtherInHand(other.request));
    }
    match known.phase {
        Phase::Started { epoch: by } | Phase::Cancelling { epoch: by } if by == epoch => Ok(vec![]),
        Phase::Deferred { .. } => Err(WorkRefusal::NotDue(request)),
        Phase::Cancelling { .. } => Ok(finished(
            work,
            (request, epoch),
            WorkResult::Cancelled {},
            now_ms,
        )),
        Phase::Waiting {} | Phase::Started { .. } if known.deaths >= DEATHS_MAX => {
            Ok(finished(work, (request, epoch), crash_loop(known), now_ms))
        }
        Phase::Waiting {} | Phase::Started { .. } => Ok(vec![WorkEvent::Started {
            request_id: request,
            epoch,
        }]),
    }
}

fn defer(
    work: &Work,
    (request, epoch): (RequestId, u64),
    (until_ms, reason): (u64, &ErrorText),
    now_ms: u64,
) -> Result<Vec<WorkEvent>, WorkRefusal> {
    held_by(work, epoch)?;
    let Some(known) = work.request(request) else {
        return not_there(work, request, epoch).ok_or(WorkRefusal::NotStarted(request));
    };
    match &known.phase {
        Phase::Started { epoch: by } if *by == epoch => Ok(vec![WorkEvent::Deferred {
            request_id: request,
            epoch,
            until_ms,
            reason: reason.clone(),
        }]),
        Phase::Cancelling { epoch: by } if *by == epoch => Ok(finished(
            work,
            (request, epoch),
            WorkResult::Cancelled {},
            now_ms,
        )),
        Phase::Deferred { until_ms: set, .. } if *set == until_ms => Ok(vec![]),
        Phase::Waiting {}
        | Phase::Deferred { .. }
        | Phase::Started { .. }
        | Phase::Cancelling { .. } => Err(WorkRefusal::NotStarted(request)),
    }
}

fn finish(
    work: &Work,
    (request, epoch): (RequestId, u64),
    result: &WorkResult,
    now_ms: u64,
) -> Result<Vec<WorkEvent>, WorkRefusal> {
    if work
        .finished(request)
        .is_some_and(|known| known.epoch == Some(epoch))
    {
        return Ok(vec![]);
    }
    held_by(work, epoch)?;
    match work.request(request).map(Request::started_by) {
        Some(Some(by)) if by == epoch => {
            Ok(finished(work, (request, epoch), result.clone(), now_ms))
        }
        Some(_) | None => Err(WorkRefusal::NotStarted(request)),
    }
}

fn wake(work: &Work, request: Option<RequestId>) -> Result<Vec<WorkEvent>, WorkRefusal> {
    let woken = WorkEvent::Woken {
        request_id: request,
    };
    let Some(request) = request else {
        let left_alone = work.claim.is_none() && work.due().next().is_some();
        return Ok(if left_alone { vec![woken] } else { vec![] });
    };
    match work.request(request).map(|known| &known.phase) {
        Some(Phase::Deferred { .. }) => Ok(vec![woken]),
        Some(Phase::Waiting {} | Phase::Started { .. } | Phase::Cancelling { .. }) => Ok(vec![]),
        None if work.finished(request).is_some() => Ok(vec![]),
        None => Err(WorkRefusal::UnknownRequest(request)),
    }
}

/// Every write of a holder passes here: a claim that moved on ends its holder.
fn held_by(work: &Work, epoch: u64) -> Result<(), WorkRefusal> {
    match &work.claim {
        Some(claim) if claim.epoch == epoch => Ok(()),
        Some(_) | None => Err(WorkRefusal::EpochMoved {
            asked: epoch,
            newest: work.epoch,
        }),
    }
}

/// The answer about a request that the epoch itself has ended.
fn not_there(work: &Work, request: RequestId, epoch: u64) -> Option<Vec<WorkEvent>> {
    work.finished(request)
        .filter(|known| known.epoch == Some(epoch))
        .map(|_| vec![])
}

fn in_hand(work: &Work, epoch: u64) -> Option<&Request> {
    work.backlog
        .requests
        .iter()
        .find(|known| known.started_by() == Some(epoch))
}

/// The end of a request, and the release with it if nothing else is due (design 5, rule 6).
fn finished(
    work: &Work,
    (request, epoch): (RequestId, u64),
    result: WorkResult,
    now_ms: u64,
) -> Vec<WorkEvent> {
    let mut after = work.clone();
    after.backlog.finish(Ended {
        request,
        epoch: Some(epoch),
        result: &result,
        at_ms: now_ms,
    });
    let releases = after.due().next().is_none();
    let end = WorkEvent::Finished {
        request_id: request,
        epoch: Some(epoch),
        result,
        releases,
    };
    if releases {
        vec![end, released(&after, epoch, now_ms)]
    } else {
        vec![end]
    }
}

fn released(work: &Work, epoch: u64, now_ms: u64) -> WorkEvent {
    WorkEvent::Released {
        epoch,
        backlog: work.backlog.clone().handed_back(now_ms),
        newest_trigger: work.newest_trigger,
    }
}

fn crash_loop(request: &Request) -> WorkResult {
    WorkResult::Failed {
        code: FailureCode::CrashLoop,
        message: ErrorText::new(&format!(
            "{} processes ended while they worked on it",
            request.deaths
        )),
        problems: Problems::default(),
    }
}
