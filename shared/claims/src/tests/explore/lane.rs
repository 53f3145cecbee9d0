//! The lane of the model: two requests, one claim, with the decisions of the aggregate `work` and small numbers.

use nogfso_kernel::Position;

use crate::rules::{ClaimView, View};

pub(super) const REQUESTS_COUNT: usize = 2;

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Phase {
    Unasked,
    Waiting,
    Deferred,
    Started(u8),
    Cancelling(u8),
    Finished,
    FinishedTwice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Claim {
    pub(super) epoch: u8,
    pub(super) lease: u8,
}

/// The fold of the lane up to the commit at `at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Lane {
    pub(super) at: u8,
    pub(super) epoch: u8,
    pub(super) claim: Option<Claim>,
    pub(super) newest_trigger: u8,
    pub(super) requests: [Phase; REQUESTS_COUNT],
    /// Of which deferred requests the point in time has come, as the reader's clock tells.
    pub(super) rung: [bool; REQUESTS_COUNT],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Command {
    Ask(u8),
    Cancel(u8),
    Revoke,
    Wake(u8),
    Claim { lease: u8, above: u8 },
    Start { request: u8, epoch: u8 },
    Defer { request: u8, epoch: u8 },
    Finish { request: u8, epoch: u8 },
    Release { epoch: u8 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    EpochMoved,
    Other,
}

impl Lane {
    pub(super) fn new() -> Self {
        Self {
            at: 0,
            epoch: 0,
            claim: None,
            newest_trigger: 0,
            requests: [Phase::Unasked; REQUESTS_COUNT],
            rung: [false; REQUESTS_COUNT],
        }
    }

    pub(super) fn is_due(&self, request: usize) -> bool {
        match self.requests[request] {
            Phase::Waiting | Phase::Started(_) | Phase::Cancelling(_) => true,
            Phase::Deferred => self.rung[request],
            Phase::Unasked | Phase::Finished | Phase::FinishedTwice => false,
        }
    }

    pub(super) fn first_due(&self) -> Option<u8> {
        (0..REQUESTS_COUNT)
            .find(|&request| self.is_due(request))
            .map(|request| request as u8)
    }

    pub(super) fn is_held_by(&self, epoch: u8) -> bool {
        self.claim.is_some_and(|claim| claim.epoch == epoch)
    }

    pub(super) fn view(&self) -> View {
        View {
            claim: self.claim.map(|claim| ClaimView {
                epoch: claim.epoch.into(),
                // The rules never ask who holds a claim.
                instance: String::new(),
                lease: Position(claim.lease.into()),
            }),
            newest_trigger: Position(self.newest_trigger.into()),
            due: self.first_due().is_some(),
            epoch: self.epoch.into(),
        }
    }

    /// The lane after `command`; the same if there is nothing to append. Whether it is a trigger shows in `newest_trigger`.
    pub(super) fn after(&self, command: Command) -> Result<Self, Refused> {
        let mut next = Self {
            at: self.at + 1,
            ..*self
        };
        match command {
            Command::Ask(request) => {
                next.requests[usize::from(request)] = Phase::Waiting;
                next.newest_trigger = next.at;
            }
            Command::Cancel(request) => match self.requests[usize::from(request)] {
                Phase::Waiting | Phase::Deferred => next.finish(request),
                Phase::Started(epoch) => {
                    next.requests[usize::from(request)] = Phase::Cancelling(epoch);
                }
                Phase::Unasked | Phase::Cancelling(_) | Phase::Finished | Phase::FinishedTwice => {
                    return Ok(*self);
                }
            },
            Command::Revoke => {
                if self.claim.is_none() {
                    return Ok(*self);
                }
                next.claim = None;
                next.newest_trigger = next.at;
            }
            Command::Wake(request) => {
                if self.requests[usize::from(request)] != Phase::Deferred {
                    return Ok(*self);
                }
                next.requests[usize::from(request)] = Phase::Waiting;
                next.newest_trigger = next.at;
            }
            Command::Claim { lease, above } => {
                if self.first_due().is_none() && self.claim.is_none() {
                    return Err(Refused::Other);
                }
                next.epoch = self.epoch.max(above) + 1;
                next.claim = Some(Claim {
                    epoch: next.epoch,
                    lease,
                });
                next.lose_hands();
            }
            Command::Start { request, epoch } => return self.start(next, request, epoch),
            Command::Defer { request, epoch } => return self.defer(next, request, epoch),
            Command::Finish { request, epoch } => return self.end(next, request, epoch),
            Command::Release { epoch } => {
                if !self.is_held_by(epoch) {
                    return Err(Refused::EpochMoved);
                }
                next.release();
            }
        }
        Ok(next)
    }

    fn start(&self, mut next: Self, request: u8, epoch: u8) -> Result<Self, Refused> {
        if !self.is_held_by(epoch) {
            return Err(Refused::EpochMoved);
        }
        match self.requests[usize::from(request)] {
            Phase::Started(by) | Phase::Cancelling(by) if by == epoch => return Ok(*self),
            Phase::Cancelling(_) => {
                next.finish(request);
                next.release_if_done();
            }
            Phase::Waiting | Phase::Started(_) => {
                next.requests[usize::from(request)] = Phase::Started(epoch);
            }
            Phase::Deferred if self.rung[usize::from(request)] => {
                next.requests[usize::from(request)] = Phase::Started(epoch);
            }
            Phase::Deferred | Phase::Unasked | Phase::Finished | Phase::FinishedTwice => {
                return Err(Refused::Other);
            }
        }
        Ok(next)
    }

    fn defer(&self, mut next: Self, request: u8, epoch: u8) -> Result<Self, Refused> {
        if !self.is_held_by(epoch) {
            return Err(Refused::EpochMoved);
        }
        match self.requests[usize::from(request)] {
            Phase::Started(by) if by == epoch => {
                next.requests[usize::from(request)] = Phase::Deferred;
                next.rung[usize::from(request)] = false;
            }
            Phase::Cancelling(by) if by == epoch => {
                next.finish(request);
                next.release_if_done();
            }
            Phase::Deferred => return Ok(*self),
            Phase::Started(_)
            | Phase::Cancelling(_)
            | Phase::Waiting
            | Phase::Unasked
            | Phase::Finished
            | Phase::FinishedTwice => return Err(Refused::Other),
        }
        Ok(next)
    }

    fn end(&self, mut next: Self, request: u8, epoch: u8) -> Result<Self, Refused> {
        if !self.is_held_by(epoch) {
            return Err(Refused::EpochMoved);
        }
        match self.requests[usize::from(request)] {
            Phase::Started(by) | Phase::Cancelling(by) if by == epoch => {
                next.finish(request);
                next.release_if_done();
                Ok(next)
            }
            Phase::Finished => Ok(*self),
            Phase::Started(_)
            | Phase::Cancelling(_)
            | Phase::Unasked
            | Phase::Waiting
            | Phase::Deferred
            | Phase::FinishedTwice => Err(Refused::Other),
        }
    }

    fn finish(&mut self, request: u8) {
        let phase = &mut self.requests[usize::from(request)];
        *phase = match *phase {
            Phase::Finished | Phase::FinishedTwice => Phase::FinishedTwice,
            Phase::Unasked
            | Phase::Waiting
            | Phase::Deferred
            | Phase::Started(_)
            | Phase::Cancelling(_) => Phase::Finished,
        };
    }

    fn release_if_done(&mut self) {
        if self.first_due().is_none() {
            self.release();
        }
    }

    /// A release that leaves something due is a trigger.
    fn release(&mut self) {
        self.claim = None;
        for phase in &mut self.requests {
            if let Phase::Started(_) = phase {
                *phase = Phase::Waiting;
            }
        }
        if self.first_due().is_some() {
            self.newest_trigger = self.at;
        }
    }

    fn lose_hands(&mut self) {
        for phase in &mut self.requests {
            if let Phase::Started(_) = phase {
                *phase = Phase::Waiting;
            }
        }
    }
}
