//! A state of the whole: the stream, its consumer, the lock with its mark, and two workers with their tasks.

use nogfso_kernel::Position;

use super::lane::{Command, Lane, REQUESTS_COUNT};
use super::scenario::Scenario;
use crate::course::{Course, Do, Stage, Taking};
use crate::held::Standing;
use crate::rules::ServedHere;

pub(super) const WORKERS_COUNT: usize = 2;
/// Deliveries that one worker looks at or buffers, beside one that holds.
pub(super) const LOOKS_MAX: usize = 2;
const TASKS_MAX: usize = 4;
const MESSAGES_MAX: usize = 8;
/// The newest epoch of a history that is gone.
pub(super) const LOST_EPOCH: u8 = 3;
/// How many acknowledgements a restart of the server may forget.
const UNFLUSHED_ACKS_MAX: usize = 2;

/// Who left a mark: a worker as it runs now, or one that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Who {
    Worker(u8),
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Marked {
    pub(super) epoch: u8,
    pub(super) who: Who,
}

/// A message of the consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Message {
    pub(super) at: u8,
    pub(super) is: Is,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Is {
    /// It is delivered again, or for the first time, when anybody asks.
    Out,
    /// It is delivered and unanswered.
    Held,
    /// It is acknowledged; a restart may still forget that.
    Acked,
}

/// How far the host is with a turn of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Turn {
    Outside,
    /// At the disk.
    Touching(u8),
    /// Away from the disk, with a result.
    Finishing(u8),
    /// Away from the disk, to put the request off.
    Deferring(u8),
}

/// One delivery in a worker, with all that its driver keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Task {
    pub(super) course: Course,
    /// What it does next.
    pub(super) step: Do,
    pub(super) has_begun: bool,
    pub(super) has_lock: bool,
    pub(super) known: Option<Lane>,
    pub(super) turn: Turn,
    /// Whether anything is otherwise than when the turn of work began.
    pub(super) has_moved: bool,
    pub(super) is_silent: bool,
    pub(super) has_lost: bool,
    pub(super) is_released: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Worker {
    pub(super) is_stopped: bool,
    pub(super) is_draining: bool,
    /// The table: the epoch and the lease that a task serves.
    pub(super) entry: Option<(u8, u8)>,
    /// The epoch of a thread that is still at the disk after its task has panicked; it keeps the lock.
    pub(super) thread: Option<u8>,
    pub(super) tasks: [Option<Task>; TASKS_MAX],
}

/// An append that was given up and may still land.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Late {
    pub(super) guard: u8,
    pub(super) after: Lane,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) lane: Lane,
    /// The fold before the last commit, which a stale read shows.
    pub(super) before: Option<Lane>,
    pub(super) late: Option<Late>,
    pub(super) mark: Option<Marked>,
    /// The newest epoch that touched the disk.
    pub(super) touched: u8,
    pub(super) messages: [Option<Message>; MESSAGES_MAX],
    pub(super) workers: [Worker; WORKERS_COUNT],
    /// Whether the server has restarted, so that questions to holders went unanswered; for an older rule set only.
    pub(super) is_unreachable: bool,
    /// Which results nobody has carried on; for an older rule set only.
    pub(super) uncarried: [bool; REQUESTS_COUNT],
}

impl Task {
    pub(super) fn new(course: Course, step: Do) -> Self {
        Self {
            course,
            step,
            has_begun: false,
            has_lock: false,
            known: None,
            turn: Turn::Outside,
            has_moved: false,
            is_silent: false,
            has_lost: false,
            is_released: false,
        }
    }

    pub(super) fn is_taking(&self) -> bool {
        matches!(self.course.stage, Stage::Taking(_))
    }

    pub(super) fn epoch(&self) -> Option<u8> {
        self.course.epoch().map(small)
    }

    pub(super) fn delivered(&self) -> u8 {
        small(self.course.delivered.0)
    }

    /// Forgets what plays no part any more.
    fn forget(&mut self) {
        if let Some(known) = &mut self.known {
            // Whoever looks asks the clock.
            known.rung = [false; REQUESTS_COUNT];
        }
        let has_ended = self.course.ended().is_some();
        match self.course.stage {
            Stage::Taking(
                Taking::Unlocking { .. } | Taking::Answering | Taking::LosingRace { .. },
            ) => self.known = None,
            Stage::Taking(_) | Stage::Over => {}
            Stage::Holding(_) if has_ended => {
                self.known = None;
                self.turn = Turn::Outside;
                (self.is_silent, self.has_lost, self.has_moved) = (false, false, false);
            }
            Stage::Holding(_) => {}
        }
    }

    pub(super) fn is_touching(&self) -> bool {
        matches!(self.turn, Turn::Touching(_))
    }

    /// Whether it answers its message, or keeps it, if nothing goes wrong.
    fn keeps(&self, message: u8) -> bool {
        self.delivered() == message && !self.is_silent && self.step != Do::End
    }
}

pub(super) fn small(number: u64) -> u8 {
    u8::try_from(number).expect("numbers are dense")
}

impl Worker {
    fn new() -> Self {
        Self {
            is_stopped: false,
            is_draining: false,
            entry: None,
            thread: None,
            tasks: [None; TASKS_MAX],
        }
    }

    pub(super) fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.iter().flatten()
    }

    pub(super) fn has_turn_taken(&self) -> bool {
        self.tasks().any(|task| task.is_taking() && task.has_begun)
    }

    pub(super) fn may_take(&self) -> bool {
        !self.is_stopped
            && !self.is_draining
            && self.tasks().filter(|task| task.is_taking()).count() < LOOKS_MAX
            && self.tasks.iter().any(Option::is_none)
    }

    pub(super) fn has_lock(&self) -> bool {
        self.thread.is_some() || self.tasks().any(|task| task.has_lock)
    }

    /// Whether nothing is left that it does, or it stands still without the lock.
    fn is_out_of_the_way(&self) -> bool {
        !self.has_lock() && (self.is_stopped || self.tasks().next().is_none())
    }

    pub(super) fn served(&self) -> Option<ServedHere> {
        self.entry.map(|(epoch, lease)| ServedHere {
            epoch: epoch.into(),
            lease: Position(lease.into()),
        })
    }

    pub(super) fn standing(&self, task: &Task) -> Standing {
        Standing {
            draining: self.is_draining,
            silent: task.is_silent,
            moved_on: task.has_lost,
        }
    }
}

impl World {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let touched = if scenario.is_restored { LOST_EPOCH } else { 0 };
        let world = Self {
            lane: Lane::new(),
            before: scenario.has_stale_reads.then(Lane::new),
            late: None,
            mark: scenario.is_restored.then_some(Marked {
                epoch: LOST_EPOCH,
                who: Who::Gone,
            }),
            touched,
            messages: [None; MESSAGES_MAX],
            workers: [Worker::new(); WORKERS_COUNT],
            is_unreachable: false,
            uncarried: [false; REQUESTS_COUNT],
        };
        world.normalized(scenario.is_symmetric)
    }

    pub(super) fn messages(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter().flatten()
    }

    /// Whether the message at `at` will be delivered, to anybody.
    pub(super) fn is_unanswered(&self, at: u8) -> bool {
        self.messages()
            .any(|message| message.at == at && message.is != Is::Acked)
    }

    pub(super) fn set_message(&mut self, at: u8, is: Is) {
        for message in self.messages.iter_mut().flatten() {
            if message.at == at {
                message.is = is;
            }
        }
    }

    /// Makes `next` the state at the leader, and a message of the commit that led to it if anybody is to see it.
    pub(super) fn store(&mut self, next: Lane) {
        if next.at == self.lane.at {
            return;
        }
        if self.before.is_some() {
            self.before = Some(self.lane);
        }
        self.lane = next;
        // Its guard does not hold any more.
        self.late = None;
        if next.newest_trigger == next.at {
            let place = self
                .messages
                .iter_mut()
                .find(|message| message.is_none())
                .expect("there is room for all messages");
            *place = Some(Message {
                at: next.at,
                is: Is::Out,
            });
        }
    }

    pub(super) fn try_command(&mut self, command: Command) {
        if let Ok(next) = self.lane.after(command) {
            self.store(next);
        }
    }

    pub(super) fn is_locked(&self) -> bool {
        self.workers.iter().any(Worker::has_lock)
    }

    /// A process ends, however: what it held is free, and its name is used by no other.
    pub(super) fn end_process(&mut self, worker: usize) {
        self.workers[worker] = Worker::new();
        if let Some(mark) = &mut self.mark
            && mark.who == Who::Worker(worker as u8)
        {
            mark.who = Who::Gone;
        }
    }

    /// Whether all that was asked is done, or waits for its time, and nothing is left over.
    pub(super) fn is_at_rest(&self) -> bool {
        self.lane.first_due().is_none()
            && self.lane.claim.is_none()
            && self.messages().all(|message| message.is == Is::Acked)
            && self.workers.iter().all(Worker::is_out_of_the_way)
    }

    /// The one world that stands for all that go on alike: dense numbers, no ended tasks, workers in one order.
    pub(super) fn normalized(mut self, is_symmetric: bool) -> Self {
        for worker in 0..WORKERS_COUNT {
            let known = &mut self.workers[worker];
            for place in &mut known.tasks {
                match place {
                    Some(task) if task.step == Do::End => *place = None,
                    Some(task) => task.forget(),
                    None => {}
                }
            }
            if known.is_draining && known.tasks().next().is_none() && known.thread.is_none() {
                self.end_process(worker);
            }
        }
        self.settle_messages();
        self.renumber();
        for worker in &mut self.workers {
            // Absent tasks go last.
            worker.tasks.sort_unstable_by(|one, other| other.cmp(one));
        }
        if is_symmetric && self.workers[1] < self.workers[0] {
            self.workers.swap(0, 1);
            if let Some(mark) = &mut self.mark
                && let Who::Worker(worker) = mark.who
            {
                mark.who = Who::Worker(1 - worker);
            }
        }
        self
    }

    /// What nobody keeps runs out and is delivered again at some time; old acknowledgements are flushed.
    fn settle_messages(&mut self) {
        let workers = self.workers;
        for message in self.messages.iter_mut().flatten() {
            let is_kept = workers
                .iter()
                .filter(|worker| !worker.is_stopped)
                .any(|worker| worker.tasks().any(|task| task.keeps(message.at)));
            if message.is == Is::Held && !is_kept {
                message.is = Is::Out;
            }
        }
        self.messages
            .sort_unstable_by_key(|message| message.map_or(u8::MAX, |message| message.at));
        let acked = self
            .messages()
            .filter(|message| message.is == Is::Acked)
            .count();
        let mut flushed = acked.saturating_sub(UNFLUSHED_ACKS_MAX);
        for message in &mut self.messages {
            if flushed > 0 && message.is_some_and(|message| message.is == Is::Acked) {
                *message = None;
                flushed -= 1;
            }
        }
        self.messages
            .sort_unstable_by_key(|message| message.map_or(u8::MAX, |message| message.at));
    }
}
