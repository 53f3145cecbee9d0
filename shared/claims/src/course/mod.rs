//! The order of things for one delivery: a machine that is told what was seen and names what is done next.
//!
//! It decides rules 1 to 7 of design 5 as one sequence, from the delivery to its answer or to the end of the hold that it
//! led to. It knows no clock and does no I/O, so that an exploration of all runs walks through exactly what a worker does,
//! and a driver cannot acknowledge before it has released, or claim before it has locked.

mod holding;
mod taking;

use nogfso_kernel::Position;

use crate::held::Standing;
use crate::rules::{Ended, Mark, ServedHere, View};
#[cfg(test)]
pub(crate) use holding::Doing;
pub(crate) use holding::Holding;
pub(crate) use taking::Taking;

/// What the driver does now; it then tells what it [`Seen`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Do {
    /// Loads the aggregate, at least at the delivered position.
    Load,
    /// Tries the lock.
    TryLock,
    /// Appends a claim on exactly the state that was loaded.
    Claim {
        /// The epoch that the new one must exceed.
        above: u64,
    },
    /// Leaves its mark in the lock file, lasting.
    Mark {
        /// The epoch of the claim.
        epoch: u64,
    },
    /// Enters the claim into the table of this process and lets the next delivery be looked at.
    Serve {
        /// The epoch of the claim.
        epoch: u64,
    },
    /// Tells the task that serves the aggregate that there may be news.
    Ring,
    /// Answers the delivery, and that is the end.
    Answer(Answer),
    /// Has the host work on what is due first.
    Work,
    /// Appends the release.
    Release,
    /// Waits a little for a silent server.
    Rest,
    /// Asks the server to leave the lease with this process.
    Confirm,
    /// Loads what the leader has.
    LoadAtLeader,
    /// Goes on after a pause.
    Resume,
    /// Gives up the lock.
    Unlock,
    /// Takes the claim out of the table.
    Leave,
    /// Acknowledges the lease.
    Ack,
    /// Nothing more.
    End,
}

/// What becomes of a delivery that leads to no claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Answer {
    /// Nobody needs it.
    Ack,
    /// It is to come again.
    Later(Delay),
    /// The task that serves the aggregate keeps it as its lease.
    Keep,
}

/// When a delivery is to come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Delay {
    /// At once, for another process.
    None,
    /// When what failed may have passed.
    Transient,
    /// After an ack wait.
    AckWait,
    /// Soon, for another process, and later each time.
    Elsewhere,
    /// When this build may have been replaced.
    Unreadable,
}

/// Why a step did not come to what it was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It may go well in a moment.
    Transient,
    /// It will not go well with this build.
    Lasting,
    /// It is the matter of another process.
    NotHere,
}

/// The hold as far as its next step is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The newest known state.
    pub(crate) view: View,
    /// What the holder must heed.
    pub(crate) standing: Standing,
    /// Whether a commit of this holder gave the claim back.
    pub(crate) is_released: bool,
}

/// How a turn of work, or the append of a release, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Worked {
    /// Something is otherwise than before.
    Moved,
    /// It ended with everything as it was before.
    Idle,
    /// It cannot be done.
    Failed,
}

/// What the driver saw when it did what it was to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It is done.
    Done,
    /// It is not done.
    Failed(Failure),
    /// The aggregate, what this process serves of it, and whether this process is to end.
    Loaded {
        view: View,
        served: Option<ServedHere>,
        is_draining: bool,
    },
    /// The lock is taken; this mark was in it.
    Locked { found: Option<Mark> },
    /// Somebody else has the lock.
    Busy,
    /// The aggregate after the claim was stored.
    Claimed { view: View },
    /// Somebody else appended first.
    Outrun,
    /// The hold as it is now.
    Facts(Facts),
    /// The hold after a turn of work, or after the append of a release.
    Worked { how: Worked, facts: Facts },
    /// What the leader has.
    AtLeader { view: View },
    /// The process is to end.
    Stopped,
}

/// What was found out about a delivered message before anything was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// It asks a worker to look (rule 1).
    Trigger,
    /// It asks for nothing.
    Other,
    /// This build cannot read it, or nobody can.
    Unreadable,
}

/// The course of one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Course {
    pub(crate) delivered: Position,
    pub(crate) stage: Stage,
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Before the claim.
    Taking(Taking),
    /// With a claim.
    Holding(Holding),
    /// Nothing is left to do.
    Over,
}

impl Course {
    /// The course of a message that was delivered, and its first step.
    pub(crate) fn begin(delivered: Position, content: Content) -> (Self, Do) {
        let (taking, first) = Taking::begin(content);
        let course = Self {
            delivered,
            stage: Stage::Taking(taking),
        };
        (course, first)
    }

    /// The next step of the process `instance`, after it saw `seen` upon the last one.
    ///
    /// # Panics
    ///
    /// Panics if that cannot be seen upon the last step: a mistake of the driver, after which nothing may be touched.
    pub(crate) fn next(&mut self, instance: &str, seen: Seen) -> Do {
        let (stage, step) = match self.stage {
            Stage::Taking(taking) => taking.next(self.delivered, instance, seen),
            Stage::Holding(holding) => holding.next(instance, seen),
            Stage::Over => (Stage::Over, Do::End),
        };
        self.stage = stage;
        step
    }

    /// The epoch of the claim, if it has come to one.
    #[cfg(test)]
    pub(crate) fn epoch(&self) -> Option<u64> {
        match self.stage {
            Stage::Holding(holding) => Some(holding.epoch),
            Stage::Taking(_) | Stage::Over => None,
        }
    }

    /// How the hold ended, once it has.
    pub(crate) fn ended(&self) -> Option<Ended> {
        match self.stage {
            Stage::Holding(holding) => holding.ended(),
            Stage::Taking(_) | Stage::Over => None,
        }
    }
}

/// A step that was answered with what it cannot lead to.
fn misled(stage: impl std::fmt::Debug, seen: &Seen) -> ! {
    panic!("{seen:?} cannot be seen at {stage:?}")
}
