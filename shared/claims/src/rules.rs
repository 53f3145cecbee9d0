//! Rules 1 to 7 of design 5, as plain functions of what is known.

use nogfso_faults::{Mutant, is_planted};
use nogfso_kernel::Position;

/// An aggregate as far as claims are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The present claim.
    pub claim: Option<ClaimView>,
    /// Where the newest commit lies that asks a worker to look.
    pub newest_trigger: Position,
    /// Whether something is to be done now.
    pub due: bool,
    /// The highest epoch that was ever claimed; 0 before the first.
    pub epoch: u64,
}

/// A claim as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimView {
    /// One higher each time.
    pub epoch: u64,
    /// The process that took it.
    pub instance: String,
    /// The message whose acknowledgement it owes.
    pub lease: Position,
}

/// What the lock file says about the last one who touched the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The epoch.
    pub epoch: u64,
    /// The process.
    pub instance: String,
}

/// The claim that a task of this process serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServedHere {
    /// Its epoch.
    pub epoch: u64,
    /// The message whose acknowledgement it owes.
    pub lease: Position,
}

/// What is to be done with a delivered trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Acknowledge it: nobody needs it.
    Ack,
    /// It is the lease of a task of this process: the task keeps the newer handle.
    Keep,
    /// A task of this process holds the claim under another lease: later again.
    HeldHere,
    /// Try the lock, and claim if it is free.
    TryLock,
}

/// Answers a delivered trigger (rules 2, 3 and 5).
///
/// Who holds the claim, and whether it answers, plays no part: only the lock tells whether its holder lives.
#[must_use]
pub fn look(view: &View, delivered: Position, served: Option<ServedHere>) -> Look {
    if served.is_some_and(|served| served.lease == delivered) {
        return Look::Keep;
    }
    let is_lease = view
        .claim
        .as_ref()
        .is_some_and(|claim| claim.lease == delivered);
    let is_newest = delivered == view.newest_trigger || is_planted(Mutant::ClaimOnOlderTrigger);
    if !view.due || (!is_newest && !is_lease) {
        return Look::Ack;
    }
    let held_here = served
        .zip(view.claim.as_ref())
        .is_some_and(|(served, claim)| served.epoch == claim.epoch);
    if held_here {
        Look::HeldHere
    } else {
        Look::TryLock
    }
}

/// Whether a delivered trigger is the lease of a claim under which nothing is due.
///
/// Its holder is about to release it or has died. Only the end of a claim ends its lease: if it were acknowledged as needless,
/// a claim whose holder died would be left for ever, and what comes due under a claim that lasts would hang on a lease that is
/// gone. So the lock is tried, and whoever gets it takes the claim and gives it back.
#[must_use]
pub fn is_left_over(view: &View, delivered: Position) -> bool {
    let is_lease = |claim: &ClaimView| claim.lease == delivered;
    !view.due && view.claim.as_ref().is_some_and(is_lease)
}

/// Whether the holder `mine` may touch the disk, given the mark that it found in the lock file (rule 4).
///
/// A mark of one's own epoch by somebody else was made in a history that is gone: it counts as newer.
#[must_use]
pub fn may_touch(found: Option<&Mark>, mine: &Mark) -> bool {
    Fence::lets(Fence::of(found, &mine.instance), mine.epoch)
}

/// A mark as one process sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Fence {
    pub(crate) epoch: u64,
    pub(crate) is_own: bool,
}

impl Fence {
    /// The mark `found`, seen by `instance`.
    pub(crate) fn of(found: Option<&Mark>, instance: &str) -> Option<Self> {
        found
            .filter(|_| !is_planted(Mutant::NoFence))
            .map(|found| Self {
                epoch: found.epoch,
                is_own: found.instance == instance,
            })
    }

    /// Whether the holder of `epoch` may touch the disk.
    pub(crate) fn lets(fence: Option<Self>, epoch: u64) -> bool {
        fence.is_none_or(|fence| fence.epoch < epoch || (fence.epoch == epoch && fence.is_own))
    }
}

/// What a holder must heed beside its work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pressure {
    /// The process is to end.
    pub draining: bool,
    /// The server has not answered for two thirds of the ack wait.
    pub silent: bool,
}

/// What a holder does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The claim moved on: unlock, acknowledge nothing.
    Stop,
    /// Unlock, and go on when the server is back and the claim still its own (rule 7).
    Pause,
    /// Work on what is due.
    Work,
    /// Append the release, then unlock, then acknowledge (rule 6).
    Release,
}

/// Decides what the holder of `epoch` does next (rules 5, 6 and 7).
#[must_use]
pub fn next(view: &View, epoch: u64, pressure: Pressure) -> Next {
    if !is_held(view, epoch) {
        Next::Stop
    } else if pressure.silent {
        Next::Pause
    } else if pressure.draining || !view.due {
        Next::Release
    } else {
        Next::Work
    }
}

/// Whether a holder that paused may go on, given the state at the leader and the mark in the lock file (rule 7).
#[must_use]
pub fn may_resume(view: &View, found: Option<&Mark>, mine: &Mark) -> bool {
    is_held(view, mine.epoch) && may_touch(found, mine)
}

/// Whether the claim of `epoch` is the present one.
#[must_use]
pub fn is_held(view: &View, epoch: u64) -> bool {
    view.claim
        .as_ref()
        .is_some_and(|claim| claim.epoch == epoch)
}

/// Whether a commit of the holder of `epoch` gave the claim back, given the state after it.
///
/// A commit is decided on a state in which the claim was the holder's; if it is gone after it, it was given back by it.
#[must_use]
pub fn gives_back(has_appended: bool, after: &View, epoch: u64) -> bool {
    has_appended && !is_held(after, epoch)
}

/// How a hold ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ended {
    /// The release is stored.
    Released,
    /// The claim belongs to somebody else, or is void.
    MovedOn,
    /// The holder gave up, its claim as it was.
    GaveUp,
}

/// Whether the lease is acknowledged after the lock is gone (rules 5 and 6).
///
/// After a release only: the lease may be that of another by now, and an acknowledgement would delete it.
#[must_use]
pub fn acks_lease(ended: Ended) -> bool {
    match ended {
        Ended::Released => true,
        Ended::MovedOn => is_planted(Mutant::AckAfterEpochLoss),
        Ended::GaveUp => false,
    }
}
