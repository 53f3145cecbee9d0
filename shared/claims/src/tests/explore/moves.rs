//! What can happen next in a world: steps of tasks, the server, those who ask, and faults.

use nogfso_kernel::Position;

use super::lane::{Command, Phase, REQUESTS_COUNT};
use super::scenario::{Older, Property, Scenario};
use super::step::{Actor, Twist};
use super::world::{Is, Task, WORKERS_COUNT, World};
use crate::course::{Answer, Content, Course, Do, Doing, Stage};

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    /// A task does its next step.
    Step(Actor, Twist),
    /// A holder reads news of its aggregate.
    News(Actor),
    /// The thread of a task that has panicked leaves the disk.
    ThreadEnds(usize),
    /// A worker that stood still goes on; its holder may find that the server was silent meanwhile.
    Wake { worker: usize, is_silent: bool },
    /// A request is made.
    Ask(u8),
    /// The time of a deferred request comes, by every clock.
    Ring(u8),
    /// The alarm of a deferred request is answered.
    Woken(u8),
    /// An append in doubt lands.
    Lands,
    /// An append in doubt never lands.
    Vanishes,
    /// Somebody carries a result on.
    Carry(u8),
    /// A worker gets the message at this position.
    Deliver { worker: usize, at: u8 },
    /// Fault: a process is gone.
    Crash(usize),
    /// Fault: a process stands still.
    Stop(usize),
    /// Fault: a process is told to end.
    Drain(usize),
    /// Fault: a task panics.
    Panic(Actor),
    /// Fault: the server falls silent for a holder, and what that one appends may be stored, now or later.
    Silence(Actor, Twist),
    /// Fault: a message comes again although somebody has it; it was late, or the sign of life was lost.
    Repeat(u8),
    /// Fault: the server restarts, delivers again what is held, and forgets acknowledgements, one bit for each.
    Restart(u8),
    /// Fault: somebody declares the claim void.
    Revoke,
    /// Fault: a request is taken back.
    Cancel(u8),
}

impl Move {
    pub(super) fn is_fault(self) -> bool {
        match self {
            Self::Step(_, twist) => !matches!(twist, Twist::Plain | Twist::BrokenOff),
            Self::News(_)
            | Self::ThreadEnds(_)
            | Self::Wake { .. }
            | Self::Ask(_)
            | Self::Ring(_)
            | Self::Woken(_)
            | Self::Lands
            | Self::Vanishes
            | Self::Carry(_)
            | Self::Deliver { .. } => false,
            Self::Crash(_)
            | Self::Stop(_)
            | Self::Drain(_)
            | Self::Panic(_)
            | Self::Silence(..)
            | Self::Repeat(_)
            | Self::Restart(_)
            | Self::Revoke
            | Self::Cancel(_) => true,
        }
    }
}

impl World {
    fn actors(&self) -> impl Iterator<Item = (Actor, &Task)> {
        self.workers
            .iter()
            .enumerate()
            .filter(|(_, worker)| !worker.is_stopped)
            .flat_map(|(worker, known)| {
                let tasks = known.tasks.iter().enumerate();
                tasks.filter_map(move |(task, one)| Some((Actor { worker, task }, one.as_ref()?)))
            })
    }

    /// What happens without a fault, the most helpful first.
    pub(super) fn moves(&self, scenario: &Scenario, moves: &mut Vec<Move>) {
        for worker in 0..WORKERS_COUNT {
            let known = &self.workers[worker];
            if known.is_stopped {
                moves.push(Move::Wake {
                    worker,
                    is_silent: false,
                });
                if known.tasks().any(may_fall_silent) {
                    moves.push(Move::Wake {
                        worker,
                        is_silent: true,
                    });
                }
            } else if known.thread.is_some() {
                moves.push(Move::ThreadEnds(worker));
            }
        }
        let first = moves.len();
        for (actor, task) in self.actors() {
            let waits =
                task.is_taking() && !task.has_begun && self.workers[actor.worker].has_turn_taken();
            if !waits {
                moves.push(Move::Step(actor, Twist::Plain));
            }
        }
        moves[first..].sort_by_key(|known| match known {
            Move::Step(actor, _) => {
                let task = self.task(*actor);
                (!task.has_lock, task.is_taking(), !task.has_begun)
            }
            _ => (true, true, true),
        });
        self.other_moves(scenario, moves);
        for (actor, task) in self.actors() {
            let is_working = matches!(task.step, Do::Work | Do::Release);
            if is_working && task.known.is_some_and(|known| known.at < self.lane.at) {
                moves.push(Move::News(actor));
            }
            let must_stop = self.standing(actor) != Default::default();
            if task.is_touching() && must_stop {
                moves.push(Move::Step(actor, Twist::BrokenOff));
            }
        }
    }

    /// What the server and those who ask do.
    fn other_moves(&self, scenario: &Scenario, moves: &mut Vec<Move>) {
        if self.late.is_some() {
            moves.extend([Move::Lands, Move::Vanishes]);
        }
        if let Some(next) = self
            .lane
            .requests
            .iter()
            .position(|one| *one == Phase::Unasked)
        {
            moves.push(Move::Ask(next as u8));
        }
        for request in 0..REQUESTS_COUNT {
            if self.lane.requests[request] == Phase::Deferred {
                if scenario.older == Some(Older::DueByClock) && !self.lane.rung[request] {
                    moves.push(Move::Ring(request as u8));
                }
                moves.push(Move::Woken(request as u8));
            }
            if self.uncarried[request] {
                moves.push(Move::Carry(request as u8));
            }
        }
        for message in self.messages().filter(|message| message.is == Is::Out) {
            for worker in 0..WORKERS_COUNT {
                if self.workers[worker].may_take() {
                    let at = message.at;
                    moves.push(Move::Deliver { worker, at });
                }
            }
        }
    }

    /// The faults that can strike now.
    pub(super) fn faults(&self, scenario: &Scenario, moves: &mut Vec<Move>) {
        let first = moves.len();
        self.all_faults(moves);
        let mut at = 0;
        moves.retain(|what| {
            at += 1;
            at <= first || scenario.lets_strike(*what)
        });
    }

    fn all_faults(&self, moves: &mut Vec<Move>) {
        for (worker, known) in self.workers.iter().enumerate() {
            if known.tasks().next().is_some() || known.thread.is_some() {
                moves.push(Move::Crash(worker));
                if !known.is_stopped {
                    moves.push(Move::Stop(worker));
                }
                if !known.is_stopped && !known.is_draining {
                    moves.push(Move::Drain(worker));
                }
            }
        }
        for (actor, task) in self.actors() {
            moves.push(Move::Panic(actor));
            self.twists(actor, task, moves);
        }
        let mut acked = 0;
        for message in self.messages() {
            match message.is {
                Is::Held => moves.push(Move::Repeat(message.at)),
                Is::Acked => acked += 1,
                Is::Out => {}
            }
        }
        if self.messages().next().is_some() {
            moves.extend((0..1_u8 << acked).map(Move::Restart));
        }
        if self.lane.claim.is_some() {
            moves.push(Move::Revoke);
        }
        for (request, phase) in self.lane.requests.iter().enumerate() {
            if let Phase::Waiting | Phase::Deferred | Phase::Started(_) = phase {
                moves.push(Move::Cancel(request as u8));
            }
        }
    }

    fn twists(&self, actor: Actor, task: &Task, moves: &mut Vec<Move>) {
        let appends = match task.step {
            Do::Claim { .. } | Do::Release => true,
            Do::Work => !task.is_touching(),
            Do::Load => {
                let is_old_enough = |before: &super::lane::Lane| before.at >= task.delivered();
                let waits = !task.has_begun && self.workers[actor.worker].has_turn_taken();
                if !waits && self.before.as_ref().is_some_and(is_old_enough) {
                    moves.push(Move::Step(actor, Twist::StaleRead));
                }
                false
            }
            Do::Answer(Answer::Ack) | Do::Ack => {
                moves.push(Move::Step(actor, Twist::AckLost));
                false
            }
            _ => false,
        };
        let mut fates = vec![];
        if appends {
            fates.push(Twist::AnswerLost);
            if self.late.is_none() {
                fates.push(Twist::AppendLate);
            }
        }
        if may_fall_silent(task) {
            moves.push(Move::Silence(actor, Twist::Plain));
            moves.extend(fates.iter().map(|fate| Move::Silence(actor, *fate)));
        }
        moves.extend(fates.iter().map(|fate| Move::Step(actor, *fate)));
        if task.is_touching() {
            moves.push(Move::Step(actor, Twist::PutOff));
        }
    }

    /// The world after `what`, or the property that it breaks.
    pub(super) fn after(mut self, scenario: &Scenario, what: Move) -> Result<Self, Property> {
        let before = self.lane;
        match what {
            Move::Step(actor, twist) => self.act(scenario, actor, twist)?,
            Move::News(actor) => self.learn(actor, before),
            Move::ThreadEnds(worker) => self.workers[worker].thread = None,
            Move::Wake { worker, is_silent } => {
                self.workers[worker].is_stopped = false;
                for task in self.workers[worker].tasks.iter_mut().flatten() {
                    if is_silent && may_fall_silent(task) {
                        (task.is_silent, task.has_moved) = (true, true);
                    }
                }
            }
            Move::Ask(request) => self.try_command(Command::Ask(request)),
            Move::Ring(request) => self.lane.rung[usize::from(request)] = true,
            Move::Woken(request) => self.try_command(Command::Wake(request)),
            Move::Lands => {
                if let Some(mut late) = self.late {
                    // A claim in doubt may land when nobody has the lock for it; that costs a repetition.
                    late.after.rung = before.rung;
                    self.store(late.after);
                }
            }
            Move::Vanishes => self.late = None,
            Move::Carry(request) => self.uncarried[usize::from(request)] = false,
            Move::Deliver { worker, at } => self.deliver(worker, at),
            Move::Crash(worker) => self.end_process(worker),
            Move::Stop(worker) => self.workers[worker].is_stopped = true,
            Move::Drain(worker) => {
                self.workers[worker].is_draining = true;
                for task in self.workers[worker].tasks.iter_mut().flatten() {
                    task.has_moved = true;
                }
            }
            Move::Panic(actor) => self.panic(actor),
            Move::Silence(actor, twist) => self.fall_silent(actor, twist),
            Move::Repeat(at) => self.set_message(at, Is::Out),
            Move::Restart(forgotten) => self.restart(scenario, forgotten),
            Move::Revoke => self.try_command(Command::Revoke),
            Move::Cancel(request) => self.try_command(Command::Cancel(request)),
        }
        if scenario.older == Some(Older::PurgeBelowReleases) {
            self.purge(scenario, &before)?;
        }
        self.check(scenario)?;
        Ok(self.normalized(scenario.is_symmetric))
    }

    fn deliver(&mut self, worker: usize, at: u8) {
        self.set_message(at, Is::Held);
        let (course, step) = Course::begin(Position(at.into()), Content::Trigger);
        let tasks = &mut self.workers[worker].tasks;
        let place = tasks.iter_mut().find(|place| place.is_none());
        *place.expect("it may take one") = Some(Task::new(course, step));
    }

    /// The task is gone, its thread stays at the disk.
    fn panic(&mut self, actor: Actor) {
        let task = *self.task(actor);
        let worker = &mut self.workers[actor.worker];
        if task.is_touching() && task.has_lock {
            worker.thread = task.epoch();
        }
        if task.epoch().is_some() && worker.entry.map(|(epoch, _)| epoch) == task.epoch() {
            worker.entry = None;
        }
        worker.tasks[actor.task] = None;
    }

    fn restart(&mut self, scenario: &Scenario, mut forgotten: u8) {
        self.is_unreachable = scenario.older == Some(Older::AskHolder);
        for message in self.messages.iter_mut().flatten() {
            match message.is {
                Is::Held => message.is = Is::Out,
                Is::Out => {}
                Is::Acked => {
                    if forgotten & 1 == 1 {
                        message.is = Is::Out;
                    }
                    forgotten >>= 1;
                }
            }
        }
    }

    /// What finished before the commit of a release is gone with the release, if nobody has carried it.
    fn purge(&mut self, scenario: &Scenario, before: &super::lane::Lane) -> Result<(), Property> {
        let is_release = before.claim.is_some()
            && self.lane.claim.is_none()
            && self.lane.at > before.at
            && self.lane.epoch == before.epoch;
        if is_release && self.uncarried.contains(&true) && scenario.checks(Property::ResultLost) {
            return Err(Property::ResultLost);
        }
        for request in 0..REQUESTS_COUNT {
            if before.requests[request] != self.lane.requests[request]
                && self.lane.requests[request] == Phase::Finished
            {
                self.uncarried[request] = true;
            }
        }
        Ok(())
    }

    fn check(&self, scenario: &Scenario) -> Result<(), Property> {
        let fails = |property, fails: bool| match fails && scenario.checks(property) {
            true => Err(property),
            false => Ok(()),
        };
        let tasks = || self.workers.iter().flat_map(|worker| worker.tasks());
        let threads = self.workers.iter().filter(|worker| worker.thread.is_some());
        let at_disk = tasks().filter(|task| task.is_touching()).count() + threads.count();
        fails(Property::TwoAtDisk, at_disk > 1)?;
        let is_twice = self.lane.requests.contains(&Phase::FinishedTwice);
        fails(Property::FinishedTwice, is_twice)?;
        let needed = match self.lane.claim {
            Some(claim) => Some(claim.lease),
            None => self.lane.first_due().map(|_| self.lane.newest_trigger),
        };
        let is_lost = needed.is_some_and(|needed| !self.is_unanswered(needed));
        fails(Property::LeaseLost, is_lost)?;
        let is_absent = self.workers.iter().any(|worker| {
            worker.tasks().any(|task| {
                let epoch = task.epoch().filter(|epoch| self.lane.is_held_by(*epoch));
                let is_over = task.course.ended().is_some() || task.step == Do::End;
                epoch.is_some() && !is_over && worker.entry.map(|(epoch, _)| epoch) != epoch
            })
        });
        fails(Property::NotInTable, is_absent)
    }

    /// Whether `what` may be counted upon for all to get done: nobody asks or wakes once more, and of those who stand still
    /// only the holder of the lock has to go on, or somebody if nobody else is left.
    pub(super) fn may_count_on(&self, what: Move) -> bool {
        match what {
            Move::Wake { worker, .. } => {
                self.workers[worker].has_lock() || self.workers.iter().all(|one| one.is_stopped)
            }
            Move::Step(..) | Move::ThreadEnds(_) | Move::Deliver { .. } => true,
            _ => false,
        }
    }
}

fn may_fall_silent(task: &Task) -> bool {
    match task.course.stage {
        Stage::Holding(holding) => {
            matches!(holding.doing, Doing::Working | Doing::Releasing { .. }) && !task.is_silent
        }
        Stage::Taking(_) | Stage::Over => false,
    }
}
