//! From a claim to the end of its hold: rules 5 to 7.

use nogfso_faults::{Mutant, Rule, is_planted, met};

use super::{Do, Facts, Seen, Stage, Worked, misled};
use crate::rules::{self, Ended, Fence, Next};

/// A hold and what it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Holding {
    pub(crate) epoch: u64,
    pub(crate) doing: Doing,
}

/// What a hold waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Doing {
    /// A turn of work.
    Working,
    /// The release.
    Releasing { is_handed_back: bool },
    /// The lock is given up for as long as the server is silent.
    Pausing,
    /// A moment without the lock.
    Resting,
    /// A sign of life from the server.
    Confirming,
    /// The state that the leader has.
    Loading,
    /// The lock again.
    Relocking,
    /// The end of the pause.
    Resuming,
    /// The lock is given up for good.
    Unlocking { ended: Ended },
    /// The place in the table is given up.
    Leaving { ended: Ended },
    /// The acknowledgement.
    Acking,
    /// Planted: an acknowledgement that comes before the release.
    AckingTooSoon,
    /// Planted: the lock is given up before the release.
    UnlockingTooSoon { is_handed_back: bool },
}

type Step = (Stage, Do);

impl Holding {
    pub(super) fn begin(epoch: u64, facts: &Facts) -> Step {
        let holding = Self {
            epoch,
            doing: Doing::Working,
        };
        if is_planted(Mutant::AckBeforeRelease) {
            return holding.go(Doing::AckingTooSoon, Do::Ack);
        }
        holding.decide(facts)
    }

    pub(super) fn ended(self) -> Option<Ended> {
        match self.doing {
            Doing::Unlocking { ended } | Doing::Leaving { ended } => Some(ended),
            Doing::Acking => Some(Ended::Released),
            Doing::Working
            | Doing::Releasing { .. }
            | Doing::Pausing
            | Doing::Resting
            | Doing::Confirming
            | Doing::Loading
            | Doing::Relocking
            | Doing::Resuming
            | Doing::AckingTooSoon
            | Doing::UnlockingTooSoon { .. } => None,
        }
    }

    pub(super) fn next(self, instance: &str, seen: Seen) -> Step {
        match (self.doing, seen) {
            (Doing::Working, Seen::Worked { how, facts }) => self.after_work(how, &facts),
            (Doing::Releasing { is_handed_back }, Seen::Worked { how, facts }) => {
                if is_handed_back && facts.is_released {
                    met(Rule::HandedBack);
                }
                self.after_work(how, &facts)
            }
            (Doing::Pausing, Seen::Done) => self.go(Doing::Resting, Do::Rest),
            (Doing::Resting, Seen::Done) => self.go(Doing::Confirming, Do::Confirm),
            (Doing::Resting, Seen::Stopped) => self.leave(Ended::GaveUp),
            (Doing::Confirming, Seen::Done) => self.go(Doing::Loading, Do::LoadAtLeader),
            (Doing::Loading, Seen::AtLeader { view }) => {
                if rules::is_held(&view, self.epoch) {
                    self.go(Doing::Relocking, Do::TryLock)
                } else {
                    met(Rule::MovedOn);
                    self.leave(Ended::MovedOn)
                }
            }
            (Doing::Relocking, Seen::Locked { found }) => {
                if Fence::lets(Fence::of(found.as_ref(), instance), self.epoch) {
                    met(Rule::Resumed);
                    self.go(Doing::Resuming, Do::Resume)
                } else {
                    met(Rule::Fenced);
                    self.unlock(Ended::GaveUp)
                }
            }
            (Doing::Confirming | Doing::Loading | Doing::Relocking, Seen::Failed(_))
            | (Doing::Relocking, Seen::Busy) => self.go(Doing::Resting, Do::Rest),
            (Doing::Resuming | Doing::AckingTooSoon, Seen::Facts(facts)) => self.decide(&facts),
            (Doing::UnlockingTooSoon { is_handed_back }, Seen::Done) => {
                self.go(Doing::Releasing { is_handed_back }, Do::Release)
            }
            (Doing::Unlocking { ended }, Seen::Done) => self.leave(ended),
            (Doing::Leaving { ended }, Seen::Done) if rules::acks_lease(ended) => {
                self.go(Doing::Acking, Do::Ack)
            }
            (Doing::Leaving { .. } | Doing::Acking, Seen::Done) => (Stage::Over, Do::End),
            (doing, seen) => misled(doing, &seen),
        }
    }

    fn after_work(self, how: Worked, facts: &Facts) -> Step {
        // What was told to stop before it began cannot have moved anything.
        let may_idle = facts.is_released || facts.standing != Default::default();
        match how {
            Worked::Failed => self.unlock(Ended::GaveUp),
            Worked::Idle if !may_idle => self.unlock(Ended::GaveUp),
            Worked::Idle | Worked::Moved => self.decide(facts),
        }
    }

    fn decide(self, facts: &Facts) -> Step {
        if facts.is_released {
            return self.unlock(Ended::Released);
        }
        // A refused commit tells that the claim moved on before the state that says so was read.
        if facts.standing.moved_on {
            return self.move_on();
        }
        let is_draining = facts.standing.draining;
        match rules::next(&facts.view, self.epoch, facts.standing.pressure()) {
            Next::Stop => self.move_on(),
            Next::Pause => {
                met(Rule::Paused);
                self.go(Doing::Pausing, Do::Unlock)
            }
            Next::Work => self.go(Doing::Working, Do::Work),
            Next::Release => {
                let is_handed_back = is_draining && facts.view.due;
                if is_planted(Mutant::UnlockBeforeRelease) {
                    return self.go(Doing::UnlockingTooSoon { is_handed_back }, Do::Unlock);
                }
                self.go(Doing::Releasing { is_handed_back }, Do::Release)
            }
        }
    }

    fn move_on(self) -> Step {
        met(Rule::MovedOn);
        self.unlock(Ended::MovedOn)
    }

    fn unlock(self, ended: Ended) -> Step {
        self.go(Doing::Unlocking { ended }, Do::Unlock)
    }

    fn leave(self, ended: Ended) -> Step {
        self.go(Doing::Leaving { ended }, Do::Leave)
    }

    fn go(self, doing: Doing, step: Do) -> Step {
        (Stage::Holding(Self { doing, ..self }), step)
    }
}
