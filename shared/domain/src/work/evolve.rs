//! The fold of a lane.

use nogfso_ids::RequestId;
use nogfso_kernel::{Event as _, Recorded};

use super::state::Ended;
use super::{BrokenWork, Claim, Phase, Request, Work, WorkEvent};

/// Applies one stored event to `work`. Holds no rules: what happened, happened.
///
/// # Errors
///
/// Returns [`BrokenWork`] if the event cannot follow; the history must not be used further.
pub fn evolve(work: Work, recorded: &Recorded<WorkEvent>) -> Result<Work, BrokenWork> {
    apply(work, recorded).map_err(|why| BrokenWork {
        event: recorded.event.name(),
        why,
    })
}

fn apply(mut work: Work, recorded: &Recorded<WorkEvent>) -> Result<Work, &'static str> {
    match &recorded.event {
        event @ WorkEvent::Requested { .. } => request(&mut work, event)?,
        WorkEvent::Cancelled { request_id } => {
            let request = find(&mut work, *request_id)?;
            if let Phase::Started { epoch } = request.phase {
                request.phase = Phase::Cancelling { epoch };
            }
        }
        WorkEvent::Claimed {
            epoch,
            instance,
            lease,
        } => {
            if *epoch <= work.epoch {
                return Err("its epoch is not above all before");
            }
            lose_hands(&mut work);
            work.epoch = *epoch;
            work.claim = Some(Claim {
                epoch: *epoch,
                instance: instance.clone(),
                lease: *lease,
            });
        }
        WorkEvent::Started { request_id, epoch } => {
            held_by(&work, *epoch)?;
            let request = find(&mut work, *request_id)?;
            request.phase = Phase::Started { epoch: *epoch };
            request.starts += 1;
        }
        WorkEvent::Deferred {
            request_id,
            epoch,
            until_ms,
            reason,
        } => {
            held_by(&work, *epoch)?;
            find(&mut work, *request_id)?.phase = Phase::Deferred {
                until_ms: *until_ms,
                reason: reason.clone(),
            };
        }
        WorkEvent::Finished { .. } => finish(&mut work, recorded)?,
        event @ WorkEvent::Released { .. } => release(&mut work, event)?,
        WorkEvent::Revoked { epoch } => {
            held_by(&work, *epoch)?;
            work.claim = None;
        }
        WorkEvent::Woken { request_id: None } => {}
        WorkEvent::Woken {
            request_id: Some(request_id),
        } => {
            let request = find(&mut work, *request_id)?;
            if let Phase::Deferred { .. } = request.phase {
                request.phase = Phase::Waiting {};
            }
        }
    }
    Ok(work)
}

fn request(work: &mut Work, event: &WorkEvent) -> Result<(), &'static str> {
    let WorkEvent::Requested {
        request_id,
        order,
        author,
        at_ms,
    } = event
    else {
        return Ok(());
    };
    if work.request(*request_id).is_some() {
        return Err("the request is there already");
    }
    work.backlog.requests.push(Request {
        request: *request_id,
        order: order.clone(),
        author: author.clone(),
        at: *at_ms,
        phase: Phase::Waiting {},
        starts: 0,
        deaths: 0,
    });
    Ok(())
}

fn release(work: &mut Work, event: &WorkEvent) -> Result<(), &'static str> {
    let WorkEvent::Released {
        epoch,
        backlog,
        newest_trigger,
    } = event
    else {
        return Ok(());
    };
    if *work != Work::default() {
        held_by(work, *epoch)?;
    }
    *work = Work {
        epoch: *epoch,
        claim: None,
        backlog: backlog.clone(),
        newest_trigger: *newest_trigger,
    };
    Ok(())
}

/// What a claim finds started was dropped by a holder that died.
fn lose_hands(work: &mut Work) {
    for request in &mut work.backlog.requests {
        match request.phase {
            Phase::Started { .. } => {
                request.phase = Phase::Waiting {};
                request.deaths += 1;
            }
            Phase::Cancelling { .. } => request.deaths += 1,
            Phase::Waiting {} | Phase::Deferred { .. } => {}
        }
    }
}

fn finish(work: &mut Work, recorded: &Recorded<WorkEvent>) -> Result<(), &'static str> {
    let WorkEvent::Finished {
        request_id,
        epoch,
        result,
        releases,
    } = &recorded.event
    else {
        return Ok(());
    };
    // A fold that starts here finds the whole state in the release that follows.
    if *releases && *work == Work::default() {
        return Ok(());
    }
    if let Some(epoch) = epoch {
        held_by(work, *epoch)?;
    }
    let was_there = work.backlog.finish(Ended {
        request: *request_id,
        epoch: *epoch,
        result,
        at_ms: recorded.id.time_ms(),
    });
    was_there.then_some(()).ok_or("the request is not there")
}

fn held_by(work: &Work, epoch: u64) -> Result<(), &'static str> {
    match &work.claim {
        Some(claim) if claim.epoch == epoch => Ok(()),
        Some(_) | None => Err("its epoch is not that of the claim"),
    }
}

fn find(work: &mut Work, request_id: RequestId) -> Result<&mut Request, &'static str> {
    work.backlog
        .requests
        .iter_mut()
        .find(|known| known.request == request_id)
        .ok_or("the request is not there")
}
