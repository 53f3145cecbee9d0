//! From a delivery to its answer, or to a claim: rules 1 to 4.

use nogfso_faults::{Rule, met};
use nogfso_kernel::Position;

use super::holding::Holding;
use super::{Answer, Content, Delay, Do, Failure, Seen, Stage, misled};
use crate::rules::{self, Fence, Look, View};

/// How often a lost race for a claim is run again before the delivery is put off.
const CLAIM_TRIES_MAX: u32 = 8;

/// What a delivery waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Taking {
    /// The state.
    Loading { tries: u32 },
    /// The lock, to claim on what was seen.
    Locking { tries: u32, saw: Saw },
    /// The claim.
    Claiming {
        tries: u32,
        saw: Saw,
        fence: Option<Fence>,
    },
    /// The mark in the lock file.
    Marking { epoch: u64 },
    /// The place in the table.
    Entering { epoch: u64 },
    /// The lock is given up, since the race was lost.
    LosingRace { tries: u32 },
    /// The lock is given up, since there will be no claim.
    Unlocking { answer: Answer },
    /// The task that serves the aggregate is told.
    Ringing { answer: Answer },
    /// The answer.
    Answering,
}

/// What is remembered of the state on which is claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Saw {
    pub(crate) epoch: u64,
    pub(crate) is_claimed: bool,
}

type Step = (Stage, Do);

impl Taking {
    pub(super) fn begin(content: Content) -> (Self, Do) {
        match content {
            Content::Trigger => (Self::Loading { tries: 0 }, Do::Load),
            Content::Other => {
                let answer = Answer::Ack;
                (Self::Ringing { answer }, Do::Ring)
            }
            Content::Unreadable => {
                let answer = Answer::Later(Delay::Unreadable);
                (Self::Answering, Do::Answer(answer))
            }
        }
    }

    pub(super) fn next(self, delivered: Position, instance: &str, seen: Seen) -> Step {
        match (self, seen) {
            (
                Self::Loading { tries },
                Seen::Loaded {
                    view,
                    served,
                    is_draining,
                },
            ) => {
                if is_draining {
                    return answer(Answer::Later(Delay::None));
                }
                match rules::look(&view, delivered, served) {
                    Look::Ack if !rules::is_left_over(&view, delivered) => answer(Answer::Ack),
                    Look::Keep => {
                        met(Rule::LeaseKept);
                        answer(Answer::Keep)
                    }
                    Look::HeldHere => {
                        let answer = Answer::Later(Delay::AckWait);
                        go(Self::Ringing { answer }, Do::Ring)
                    }
                    Look::TryLock | Look::Ack => {
                        let saw = Saw::of(&view);
                        go(Self::Locking { tries, saw }, Do::TryLock)
                    }
                }
            }
            (Self::Loading { .. }, Seen::Failed(failure)) => answer(Answer::Later(failure.delay())),
            (Self::Locking { tries, saw }, Seen::Locked { found }) => {
                let fence = Fence::of(found.as_ref(), instance);
                let above = fence.map_or(0, |fence| fence.epoch);
                go(Self::Claiming { tries, saw, fence }, Do::Claim { above })
            }
            (Self::Locking { .. }, Seen::Busy) => {
                met(Rule::LockBusy);
                answer(Answer::Later(Delay::AckWait))
            }
            (Self::Locking { .. }, Seen::Failed(_)) => answer(Answer::Later(Delay::AckWait)),
            (Self::Claiming { saw, fence, .. }, Seen::Claimed { view }) => {
                claimed(saw, fence, &view)
            }
            (Self::Claiming { tries, .. }, Seen::Outrun) => {
                go(Self::LosingRace { tries }, Do::Unlock)
            }
            (Self::Claiming { .. }, Seen::Failed(_)) => unlock(Answer::Later(Delay::Transient)),
            (Self::Marking { epoch }, Seen::Done) => {
                go(Self::Entering { epoch }, Do::Serve { epoch })
            }
            (Self::Marking { .. }, Seen::Failed(_)) => unlock(Answer::Later(Delay::AckWait)),
            (Self::Entering { epoch }, Seen::Facts(facts)) => Holding::begin(epoch, &facts),
            (Self::LosingRace { tries }, Seen::Done) if tries + 1 < CLAIM_TRIES_MAX => {
                go(Self::Loading { tries: tries + 1 }, Do::Load)
            }
            (Self::LosingRace { .. }, Seen::Done) => answer(Answer::Later(Delay::Transient)),
            (Self::Unlocking { answer: given } | Self::Ringing { answer: given }, Seen::Done) => {
                answer(given)
            }
            (Self::Answering, Seen::Done) => (Stage::Over, Do::End),
            (stage, seen) => misled(stage, &seen),
        }
    }
}

impl Saw {
    fn of(view: &View) -> Self {
        Self {
            epoch: view.epoch,
            is_claimed: view.claim.is_some(),
        }
    }
}

impl Failure {
    fn delay(self) -> Delay {
        match self {
            Self::Transient => Delay::Transient,
            Self::Lasting => Delay::Unreadable,
            Self::NotHere => Delay::Elsewhere,
        }
    }
}

/// A stored claim still has to pass the mark in the lock file (rule 4).
fn claimed(saw: Saw, fence: Option<Fence>, view: &View) -> Step {
    let Some(claim) = &view.claim else {
        return unlock(Answer::Later(Delay::Transient));
    };
    if saw.is_claimed {
        met(Rule::TakeOver);
    }
    if !Fence::lets(fence, claim.epoch) {
        met(Rule::Fenced);
        // A claim that nobody serves is claimed anew, so that giving up here loses nothing.
        return unlock(Answer::Later(Delay::Transient));
    }
    if claim.epoch > saw.epoch + 1 {
        met(Rule::ClaimedAboveMark);
    }
    let epoch = claim.epoch;
    go(Taking::Marking { epoch }, Do::Mark { epoch })
}

fn go(taking: Taking, step: Do) -> Step {
    (Stage::Taking(taking), step)
}

fn answer(answer: Answer) -> Step {
    go(Taking::Answering, Do::Answer(answer))
}

fn unlock(answer: Answer) -> Step {
    go(Taking::Unlocking { answer }, Do::Unlock)
}
