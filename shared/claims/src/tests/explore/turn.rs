//! A holder: its turns of work at the disk, what it appends, and what it learns from the answers.

use super::lane::{Command, Lane, Phase, Refused};
use super::scenario::{Property, Scenario};
use super::step::{Actor, Checked, Twist};
use super::world::{Turn, World};
use crate::course::{Do, Seen, Worked};
use crate::rules;

/// What an append came to.
enum Appended {
    /// The lane after it, and whether anything was stored.
    After(Lane, bool),
    Refused(Refused),
    Unknown,
}

impl World {
    /// The next part of a turn of work; nothing is seen before its end.
    pub(super) fn work(
        &mut self,
        scenario: &Scenario,
        actor: Actor,
        twist: Twist,
    ) -> Checked<Option<Seen>> {
        let epoch = self.own_epoch(actor);
        let task = *self.task(actor);
        let (request, command) = match task.turn {
            Turn::Outside => {
                let Some(request) = self.known(actor).first_due() else {
                    return Ok(Some(self.worked(actor)));
                };
                (request, Command::Start { request, epoch })
            }
            Turn::Touching(request) => return Ok(self.leave_disk(actor, request, twist)),
            Turn::Finishing(request) => (request, Command::Finish { request, epoch }),
            Turn::Deferring(request) => (request, Command::Defer { request, epoch }),
        };
        match self.append(actor, command, twist) {
            None => Ok(Some(self.worked(actor))),
            Some(Appended::Unknown) => Ok(None),
            Some(Appended::Refused(Refused::EpochMoved)) => {
                let task = self.task_mut(actor);
                (task.has_lost, task.has_moved) = (true, true);
                Ok(Some(self.worked(actor)))
            }
            Some(Appended::Refused(Refused::Other)) => {
                let newest = self.lane;
                self.learn(actor, newest);
                let how = match self.task(actor).has_moved {
                    true => Worked::Moved,
                    false => Worked::Failed,
                };
                let facts = self.facts(actor);
                Ok(Some(Seen::Worked { how, facts }))
            }
            Some(Appended::After(next, has_appended)) => {
                self.note(actor, next, has_appended);
                if task.turn != Turn::Outside {
                    return Ok(Some(self.worked(actor)));
                }
                match next.requests[usize::from(request)] {
                    Phase::Started(by) if by == epoch => self.touch(scenario, actor, request)?,
                    Phase::Cancelling(by) if by == epoch => {
                        self.task_mut(actor).turn = Turn::Finishing(request);
                    }
                    _ => return Ok(Some(self.worked(actor))),
                }
                Ok(None)
            }
        }
    }

    fn touch(&mut self, scenario: &Scenario, actor: Actor, request: u8) -> Checked<()> {
        let epoch = self.own_epoch(actor);
        if epoch < self.touched && scenario.checks(Property::OlderAfterNewer) {
            return Err(Property::OlderAfterNewer);
        }
        self.touched = self.touched.max(epoch);
        self.task_mut(actor).turn = Turn::Touching(request);
        Ok(())
    }

    fn leave_disk(&mut self, actor: Actor, request: u8, twist: Twist) -> Option<Seen> {
        let epoch = self.own_epoch(actor);
        let is_cancelling =
            self.known(actor).requests[usize::from(request)] == Phase::Cancelling(epoch);
        let task = self.task_mut(actor);
        task.turn = match twist {
            Twist::PutOff => Turn::Deferring(request),
            Twist::BrokenOff if !is_cancelling => {
                task.turn = Turn::Outside;
                return Some(self.worked(actor));
            }
            _ => Turn::Finishing(request),
        };
        None
    }

    pub(super) fn release(&mut self, actor: Actor, twist: Twist) -> Option<Seen> {
        let epoch = self.own_epoch(actor);
        match self.append(actor, Command::Release { epoch }, twist) {
            None => Some(self.worked(actor)),
            Some(Appended::Unknown) => None,
            Some(Appended::Refused(_)) => {
                let task = self.task_mut(actor);
                (task.has_lost, task.has_moved) = (true, true);
                Some(self.worked(actor))
            }
            Some(Appended::After(next, has_appended)) => {
                self.note(actor, next, has_appended);
                Some(self.worked(actor))
            }
        }
    }

    /// Appends as a holder does; nothing if the holder must let go.
    fn append(&mut self, actor: Actor, command: Command, twist: Twist) -> Option<Appended> {
        let task = self.task(actor);
        if task.is_silent || task.has_lost {
            return None;
        }
        let next = match self.lane.after(command) {
            Ok(next) => next,
            Err(refused) => return Some(Appended::Refused(refused)),
        };
        let has_appended = next.at != self.lane.at;
        if has_appended && twist == Twist::AppendLate {
            self.send_late(next);
            return Some(Appended::Unknown);
        }
        self.store(next);
        if twist == Twist::AnswerLost {
            return Some(Appended::Unknown);
        }
        Some(Appended::After(next, has_appended))
    }

    /// The server falls silent for a holder while what it appends is under way.
    pub(super) fn fall_silent(&mut self, actor: Actor, twist: Twist) {
        let epoch = self.own_epoch(actor);
        let task = *self.task(actor);
        let command = match (task.step, task.turn) {
            (Do::Release, _) => Some(Command::Release { epoch }),
            (_, Turn::Outside) => self
                .known(actor)
                .first_due()
                .map(|request| Command::Start { request, epoch }),
            (_, Turn::Finishing(request)) => Some(Command::Finish { request, epoch }),
            (_, Turn::Deferring(request)) => Some(Command::Defer { request, epoch }),
            (_, Turn::Touching(_)) => None,
        };
        if let Some(command) = command
            && twist != Twist::Plain
        {
            self.append(actor, command, twist);
        }
        let task = self.task_mut(actor);
        (task.is_silent, task.has_moved) = (true, true);
    }

    /// A holder that drains leaves its claim as it is and hands its lease back.
    pub(super) fn drain_by_nak(&mut self, scenario: &Scenario, actor: Actor) -> Checked<bool> {
        if !self.workers[actor.worker].is_draining || self.known(actor).first_due().is_none() {
            return Ok(false);
        }
        let delivered = self.task(actor).delivered();
        self.hand_back(delivered);
        let own = self.own_epoch(actor);
        // The next claim counts a death for what it finds started.
        if self.lane.requests.contains(&Phase::Started(own))
            && scenario.checks(Property::DrainTakenForDeath)
        {
            return Err(Property::DrainTakenForDeath);
        }
        let worker = &mut self.workers[actor.worker];
        if worker.entry.map(|(epoch, _)| epoch) == Some(own) {
            worker.entry = None;
        }
        let task = self.task_mut(actor);
        task.has_lock = false;
        task.step = Do::End;
        Ok(true)
    }

    pub(super) fn learn(&mut self, actor: Actor, newer: Lane) {
        let task = self.task_mut(actor);
        if task.known.is_none_or(|known| newer.at > known.at) {
            task.known = Some(newer);
            task.has_moved = true;
        }
        let epoch = self.own_epoch(actor);
        let is_held = rules::is_held(&self.known(actor).view(), epoch.into());
        let task = self.task_mut(actor);
        if !task.is_released && !is_held && !task.has_lost {
            (task.has_lost, task.has_moved) = (true, true);
        }
    }

    fn note(&mut self, actor: Actor, after: Lane, has_appended: bool) {
        let epoch = self.own_epoch(actor);
        if rules::gives_back(has_appended, &after.view(), epoch.into()) {
            self.task_mut(actor).is_released = true;
        }
        self.learn(actor, after);
    }

    fn worked(&self, actor: Actor) -> Seen {
        let how = match self.task(actor).has_moved {
            true => Worked::Moved,
            false => Worked::Idle,
        };
        let facts = self.facts(actor);
        Seen::Worked { how, facts }
    }
}
