//! One step of one task: the driver of the model. It does what the machine of the product names, and tells what it saw.

use nogfso_faults::{Mutant, is_planted};

use super::lane::{Command, Lane};
use super::scenario::{Older, Property, Scenario};
use super::world::{Is, Late, Marked, Task, Turn, Who, World, small};
use crate::course::{Answer, Do, Doing, Facts, Failure, Seen, Stage};
use crate::held::Standing;
use crate::rules::{Ended, Mark};

/// How a step goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Twist {
    /// As it should.
    Plain,
    /// What it appends is stored, and the answer is lost.
    AnswerLost,
    /// What it appends is not stored yet, and may be later.
    AppendLate,
    /// What it loads is older than what the leader has.
    StaleRead,
    /// The acknowledgement is lost.
    AckLost,
    /// The host puts the request off.
    PutOff,
    /// The host breaks off.
    BrokenOff,
}

/// The worker and the task that act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Actor {
    pub(super) worker: usize,
    pub(super) task: usize,
}

impl Actor {
    /// The first task of the first worker.
    pub(super) const FIRST: Self = Self { worker: 0, task: 0 };
}

pub(super) type Checked<T> = Result<T, Property>;

impl World {
    pub(super) fn task(&self, actor: Actor) -> &Task {
        self.workers[actor.worker].tasks[actor.task]
            .as_ref()
            .expect("the actor is there")
    }

    pub(super) fn task_mut(&mut self, actor: Actor) -> &mut Task {
        self.workers[actor.worker].tasks[actor.task]
            .as_mut()
            .expect("the actor is there")
    }

    /// Does the step that the task of `actor` is at, and those after it that nobody else can notice.
    pub(super) fn act(&mut self, scenario: &Scenario, actor: Actor, twist: Twist) -> Checked<()> {
        self.task_mut(actor).has_begun = true;
        if let Some(seen) = self.perform(scenario, actor, twist)? {
            self.tell(actor, seen);
        }
        while self.is_unnoticed(actor) {
            if let Some(seen) = self.perform(scenario, actor, Twist::Plain)? {
                self.tell(actor, seen);
            }
        }
        Ok(())
    }

    /// Whether it makes no difference to anybody when the next step is done: it may as well be at once.
    ///
    /// A lock that was tried in vain is busy for others before its claim failed as well as after; a delivery that is handed
    /// back or not answered at all comes again.
    fn is_unnoticed(&self, actor: Actor) -> bool {
        let task = self.task(actor);
        match task.step {
            Do::Serve { .. } | Do::Ring | Do::Resume | Do::Rest | Do::Confirm | Do::Leave => true,
            Do::Answer(answer) => answer != Answer::Ack,
            Do::Unlock => task.is_taking(),
            Do::Load
            | Do::TryLock
            | Do::Claim { .. }
            | Do::Mark { .. }
            | Do::Work
            | Do::Release
            | Do::LoadAtLeader
            | Do::Ack
            | Do::End => false,
        }
    }

    pub(super) fn tell(&mut self, actor: Actor, seen: Seen) {
        let task = self.task_mut(actor);
        task.step = task
            .course
            .next(name(Who::Worker(actor.worker as u8)), seen);
        if let Do::Work | Do::Release = task.step {
            task.turn = Turn::Outside;
            task.has_moved = false;
        }
    }

    fn perform(
        &mut self,
        scenario: &Scenario,
        actor: Actor,
        twist: Twist,
    ) -> Checked<Option<Seen>> {
        let step = self.task(actor).step;
        let delivered = self.task(actor).delivered();
        let seen = match step {
            Do::Load => self.load(scenario, actor, twist),
            Do::TryLock => self.try_lock(scenario, actor)?,
            Do::Claim { above } => self.claim(scenario, actor, small(above), twist)?,
            Do::Mark { epoch } => self.leave_mark(actor, small(epoch)),
            Do::Serve { epoch } => {
                self.workers[actor.worker].entry = Some((small(epoch), delivered));
                Seen::Facts(self.facts(actor))
            }
            Do::Answer(answer) => self.answer(actor, answer, twist),
            Do::Work => match self.work(scenario, actor, twist)? {
                Some(seen) => seen,
                None => return Ok(None),
            },
            Do::Release
                if scenario.older == Some(Older::DrainByNak)
                    && self.drain_by_nak(scenario, actor)? =>
            {
                return Ok(None);
            }
            Do::Release => match self.release(actor, twist) {
                Some(seen) => seen,
                None => return Ok(None),
            },
            Do::Rest if self.workers[actor.worker].is_draining => Seen::Stopped,
            Do::Ring | Do::Rest | Do::Confirm => Seen::Done,
            Do::LoadAtLeader => {
                let newest = self.lane;
                self.learn(actor, newest);
                let view = self.known(actor).view();
                Seen::AtLeader { view }
            }
            Do::Resume => {
                self.task_mut(actor).is_silent = false;
                Seen::Facts(self.facts(actor))
            }
            Do::Unlock => {
                self.check_unlock(scenario, actor)?;
                self.task_mut(actor).has_lock = false;
                Seen::Done
            }
            Do::Leave => {
                let own = self.task(actor).epoch();
                let entry = &mut self.workers[actor.worker].entry;
                if entry.map(|(epoch, _)| epoch) == own {
                    *entry = None;
                }
                Seen::Done
            }
            Do::Ack => return self.acknowledge(scenario, actor, twist).map(Some),
            Do::End => return Ok(None),
        };
        Ok(Some(seen))
    }

    fn load(&mut self, scenario: &Scenario, actor: Actor, twist: Twist) -> Seen {
        let shown = match (twist, self.before) {
            (Twist::StaleRead, Some(before)) => before,
            _ => self.lane,
        };
        let task = self.task_mut(actor);
        task.known = Some(shown);
        let mut view = shown.view();
        if scenario.older == Some(Older::ClaimOnAnyMessage) {
            view.newest_trigger = task.course.delivered;
        }
        let worker = &self.workers[actor.worker];
        Seen::Loaded {
            view,
            served: worker.served(),
            is_draining: worker.is_draining,
        }
    }

    fn leave_mark(&mut self, actor: Actor, epoch: u8) -> Seen {
        // A lock that is none has no file.
        if self.task(actor).has_lock {
            let who = Who::Worker(actor.worker as u8);
            self.mark = Some(Marked { epoch, who });
        }
        Seen::Done
    }

    fn answer(&mut self, actor: Actor, answer: Answer, twist: Twist) -> Seen {
        let delivered = self.task(actor).delivered();
        match (answer, twist) {
            (Answer::Ack, Twist::AckLost) | (Answer::Keep, _) => {}
            (Answer::Ack, _) => self.set_message(delivered, Is::Acked),
            (Answer::Later(_), _) => self.hand_back(delivered),
        }
        Seen::Done
    }

    fn try_lock(&mut self, scenario: &Scenario, actor: Actor) -> Checked<Seen> {
        if is_planted(Mutant::NoLock) {
            return Ok(Seen::Locked { found: None });
        }
        if self.is_locked() {
            if scenario.older == Some(Older::AskHolder) && self.is_unreachable {
                // The holder does not answer, so that it counts as dead.
                self.steal(scenario, actor)?;
            }
            return Ok(Seen::Busy);
        }
        self.task_mut(actor).has_lock = true;
        let found = self.mark.map(|mark| Mark {
            epoch: mark.epoch.into(),
            instance: name(mark.who).to_owned(),
        });
        Ok(Seen::Locked { found })
    }

    fn steal(&mut self, scenario: &Scenario, actor: Actor) -> Checked<()> {
        let lease = self.task(actor).delivered();
        if self.known(actor).at != self.lane.at {
            return Ok(());
        }
        if let Ok(next) = self.lane.after(Command::Claim { lease, above: 0 }) {
            self.check_claim(scenario)?;
            self.store(next);
        }
        Ok(())
    }

    fn claim(
        &mut self,
        scenario: &Scenario,
        actor: Actor,
        above: u8,
        twist: Twist,
    ) -> Checked<Seen> {
        let lease = self.task(actor).delivered();
        if self.known(actor).at != self.lane.at {
            return Ok(Seen::Outrun);
        }
        let Ok(next) = self.lane.after(Command::Claim { lease, above }) else {
            return Ok(Seen::Outrun);
        };
        if twist == Twist::AppendLate {
            self.send_late(next);
            return Ok(Seen::Failed(Failure::Transient));
        }
        self.check_claim(scenario)?;
        self.store(next);
        if twist == Twist::AnswerLost {
            return Ok(Seen::Failed(Failure::Transient));
        }
        self.task_mut(actor).known = Some(next);
        let view = next.view();
        Ok(Seen::Claimed { view })
    }

    pub(super) fn send_late(&mut self, after: Lane) {
        self.late = Some(Late {
            guard: self.lane.at,
            after,
        });
    }

    fn acknowledge(&mut self, scenario: &Scenario, actor: Actor, twist: Twist) -> Checked<Seen> {
        let task = *self.task(actor);
        let is_in_order = task.is_released && !task.has_lock;
        if !is_in_order && scenario.checks(Property::Order) {
            return Err(Property::Order);
        }
        if twist != Twist::AckLost {
            self.set_message(task.delivered(), Is::Acked);
        }
        Ok(match task.course.ended() {
            Some(_) => Seen::Done,
            None => Seen::Facts(self.facts(actor)),
        })
    }

    /// A lock is given up under its own claim only to pause, or by a holder that gives up.
    fn check_unlock(&self, scenario: &Scenario, actor: Actor) -> Checked<()> {
        let Stage::Holding(holding) = self.task(actor).course.stage else {
            return Ok(());
        };
        let may_keep_claim = matches!(
            holding.doing,
            Doing::Pausing
                | Doing::Unlocking {
                    ended: Ended::GaveUp
                }
        );
        if !may_keep_claim
            && self.lane.is_held_by(self.own_epoch(actor))
            && scenario.checks(Property::Order)
        {
            return Err(Property::Order);
        }
        Ok(())
    }

    /// Nobody takes the claim of one who has the lock.
    pub(super) fn check_claim(&self, scenario: &Scenario) -> Checked<()> {
        let Some(claim) = self.lane.claim else {
            return Ok(());
        };
        let lives = self
            .workers
            .iter()
            .flat_map(|worker| worker.tasks())
            .any(|task| task.has_lock && task.epoch() == Some(claim.epoch));
        if lives && scenario.checks(Property::ThrownAway) {
            return Err(Property::ThrownAway);
        }
        Ok(())
    }

    /// A negative acknowledgement; of what is answered already it has no effect.
    pub(super) fn hand_back(&mut self, at: u8) {
        for message in self.messages.iter_mut().flatten() {
            if message.at == at && message.is == Is::Held {
                message.is = Is::Out;
            }
        }
    }

    pub(super) fn facts(&self, actor: Actor) -> Facts {
        Facts {
            view: self.known(actor).view(),
            standing: self.standing(actor),
            is_released: self.task(actor).is_released,
        }
    }

    pub(super) fn standing(&self, actor: Actor) -> Standing {
        self.workers[actor.worker].standing(self.task(actor))
    }

    pub(super) fn known(&self, actor: Actor) -> Lane {
        let mut known = self.task(actor).known.expect("it has loaded");
        // The clock goes on whatever is read.
        known.rung = self.lane.rung;
        known
    }

    pub(super) fn own_epoch(&self, actor: Actor) -> u8 {
        self.task(actor).epoch().expect("it holds")
    }
}

fn name(who: Who) -> &'static str {
    match who {
        Who::Worker(0) => "a",
        Who::Worker(_) => "b",
        Who::Gone => "gone",
    }
}
