//! Dense numbers: positions and epochs matter only as equal, less or greater.

use nogfso_kernel::Position;

use super::lane::{Lane, Phase};
use super::world::{LOST_EPOCH, Task, World, small};
use crate::course::{Course, Do, Holding, Stage, Taking};

/// Visits each number of a state, to collect or to replace it.
trait Visitor {
    fn position(&mut self, position: &mut u8);
    fn epoch(&mut self, epoch: &mut u8);

    fn wide_epoch(&mut self, epoch: &mut u64) {
        let mut narrow = small(*epoch);
        self.epoch(&mut narrow);
        *epoch = narrow.into();
    }
}

#[derive(Default)]
struct Used {
    positions: u128,
    epochs: u128,
}

impl Visitor for Used {
    fn position(&mut self, position: &mut u8) {
        self.positions |= 1 << *position;
    }

    fn epoch(&mut self, epoch: &mut u8) {
        self.epochs |= 1 << *epoch;
    }
}

/// Gives each number the count of those below it that are used.
struct Dense(Used);

fn rank(used: u128, number: u8) -> u8 {
    let below = used & ((1_u128 << number) - 1);
    below.count_ones() as u8
}

impl Visitor for Dense {
    fn position(&mut self, position: &mut u8) {
        *position = rank(self.0.positions, *position);
    }

    fn epoch(&mut self, epoch: &mut u8) {
        *epoch = rank(self.0.epochs, *epoch);
    }
}

impl World {
    pub(super) fn renumber(&mut self) {
        // Zero is "none before the first" and stays. Below the epochs of a lost history there is room for new ones.
        let epochs = if self.lane.epoch == 0 {
            (1 << LOST_EPOCH) - 1
        } else {
            1
        };
        let mut used = Used {
            positions: 1,
            epochs,
        };
        self.visit(&mut used);
        self.visit(&mut Dense(used));
    }

    fn visit(&mut self, visitor: &mut impl Visitor) {
        lane(&mut self.lane, visitor);
        if let Some(before) = &mut self.before {
            lane(before, visitor);
        }
        if let Some(late) = &mut self.late {
            visitor.position(&mut late.guard);
            lane(&mut late.after, visitor);
        }
        if let Some(mark) = &mut self.mark {
            visitor.epoch(&mut mark.epoch);
        }
        visitor.epoch(&mut self.touched);
        for message in self.messages.iter_mut().flatten() {
            visitor.position(&mut message.at);
        }
        for worker in &mut self.workers {
            if let Some((epoch, lease)) = &mut worker.entry {
                visitor.epoch(epoch);
                visitor.position(lease);
            }
            if let Some(epoch) = &mut worker.thread {
                visitor.epoch(epoch);
            }
            for one in worker.tasks.iter_mut().flatten() {
                task(one, visitor);
            }
        }
    }
}

fn lane(lane: &mut Lane, visitor: &mut impl Visitor) {
    visitor.position(&mut lane.at);
    visitor.position(&mut lane.newest_trigger);
    visitor.epoch(&mut lane.epoch);
    if let Some(claim) = &mut lane.claim {
        visitor.position(&mut claim.lease);
        visitor.epoch(&mut claim.epoch);
    }
    for phase in &mut lane.requests {
        if let Phase::Started(epoch) | Phase::Cancelling(epoch) = phase {
            visitor.epoch(epoch);
        }
    }
}

fn task(task: &mut Task, visitor: &mut impl Visitor) {
    if let Some(known) = &mut task.known {
        lane(known, visitor);
    }
    match &mut task.step {
        Do::Claim { above: epoch } | Do::Mark { epoch } | Do::Serve { epoch } => {
            visitor.wide_epoch(epoch);
        }
        Do::Load
        | Do::TryLock
        | Do::Ring
        | Do::Answer(_)
        | Do::Work
        | Do::Release
        | Do::Rest
        | Do::Confirm
        | Do::LoadAtLeader
        | Do::Resume
        | Do::Unlock
        | Do::Leave
        | Do::Ack
        | Do::End => {}
    }
    let Course { delivered, stage } = &mut task.course;
    let mut position = small(delivered.0);
    visitor.position(&mut position);
    *delivered = Position(position.into());
    match stage {
        Stage::Taking(taking) => match taking {
            Taking::Locking { saw, .. } => visitor.wide_epoch(&mut saw.epoch),
            Taking::Claiming { saw, fence, .. } => {
                visitor.wide_epoch(&mut saw.epoch);
                if let Some(fence) = fence {
                    visitor.wide_epoch(&mut fence.epoch);
                }
            }
            Taking::Marking { epoch } | Taking::Entering { epoch } => visitor.wide_epoch(epoch),
            Taking::Loading { .. }
            | Taking::LosingRace { .. }
            | Taking::Unlocking { .. }
            | Taking::Ringing { .. }
            | Taking::Answering => {}
        },
        Stage::Holding(Holding { epoch, .. }) => visitor.wide_epoch(epoch),
        Stage::Over => {}
    }
}
