//! What can happen in a world, and what it makes of it. All decisions are those of the product.

use std::sync::Arc;

use nogfso_kernel::{Aggregate, Recorded};
use nogfso_testkit::given::event_id;

use super::super::super::{
    Claiming, Class, Deployment, DeploymentCommand as Command, DeploymentEvent as Event,
    Deployments, ParkReason, Report, Stage, WorkerView,
};
use super::super::kit;
use super::invariants::{Property, check_commit, check_event, check_world};
use super::world::{At, Loss, Mistake, Outcome, Scenario, World};
use crate::{Manifest, Phase};

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    /// A worker reads the journal.
    Load(usize),
    /// It claims what it has read.
    Claim(usize),
    /// The code of its attempt runs to that end.
    Run(usize, Outcome),
    /// It appends what the attempt came to, or reads again.
    Report(usize),
    /// It waits until the quiet period is over, and goes on.
    GoOn(usize),
    /// It gives back what it has no code for.
    GiveBack(usize),
    /// Somebody cancels.
    Cancel,
    /// An operator resumes what is parked.
    Resume,
    /// A worker dies.
    Crash(usize),
    /// It claims although the holder lives.
    TakeOver(usize),
    /// It claims and has no code for the plan.
    ClaimUnable(usize),
    /// It finds that a stored value does not load.
    FailToLoad(usize),
    /// It drains.
    Drain(usize),
    /// The journal loses its last commit.
    LoseTail,
}

/// How an attempt can fail; without effect, a job may also say so.
const FAILURES: [Outcome; 4] = [
    failure(Class::Terminal, true),
    failure(Class::Terminal, false),
    failure(Class::TerminalNoEffect, false),
    failure(Class::Retryable, true),
];

const fn failure(class: Class, has_effect: bool) -> Outcome {
    Outcome::Failed { class, has_effect }
}

/// How long a lost attempt may still be running.
const QUIET_MS: u64 = 1;

impl Move {
    pub(super) fn is_fault(self) -> bool {
        matches!(
            self,
            Self::Crash(_)
                | Self::TakeOver(_)
                | Self::ClaimUnable(_)
                | Self::FailToLoad(_)
                | Self::Drain(_)
        )
    }

    /// Whether it happens sooner or later if nothing goes wrong.
    pub(super) fn is_certain(self) -> bool {
        let is_failure = matches!(self, Self::Run(_, Outcome::Failed { .. }));
        !self.is_fault() && !is_failure && !matches!(self, Self::Cancel | Self::LoseTail)
    }
}

impl World {
    pub(super) fn moves(&self, scenario: &Scenario) -> Vec<Move> {
        let mut moves = vec![];
        for index in 0..scenario.workers_count {
            self.moves_of(index, &mut moves);
        }
        if self.is_held {
            moves.retain(|what| matches!(what, Move::Run(..)));
            return moves;
        }
        if self.may_cancel && !self.head.stage.is_terminal() && self.head.cause.is_none() {
            moves.push(Move::Cancel);
        }
        if matches!(self.head.stage, Stage::Parked(_)) {
            moves.push(Move::Resume);
        }
        if self.may_lose && self.before.is_some() {
            moves.push(Move::LoseTail);
        }
        moves.retain(|what| !what.is_fault() || self.faults_left > 0);
        moves
    }

    fn moves_of(&self, index: usize, moves: &mut Vec<Move>) {
        let is_live = self.head.stage.is_live();
        match self.workers[index].at {
            At::Idle if is_live => moves.push(Move::Load(index)),
            At::Idle => {}
            At::Loaded => {
                let is_spurious = self.has_live_holder();
                moves.extend([
                    Move::ClaimUnable(index),
                    match is_spurious {
                        true => Move::TakeOver(index),
                        false => Move::Claim(index),
                    },
                ]);
            }
            At::Begun(at) => {
                moves.push(Move::Run(index, Outcome::Done));
                if self.may_fail && at.phase == Phase::Execute {
                    moves.extend(FAILURES.map(|outcome| Move::Run(index, outcome)));
                }
                moves.extend([
                    Move::Crash(index),
                    Move::Drain(index),
                    Move::FailToLoad(index),
                ]);
            }
            At::Ended(..) => moves.extend([
                Move::Report(index),
                Move::Crash(index),
                // Told to stop, it says nothing about what it had done.
                Move::Drain(index),
            ]),
            At::Waiting => moves.extend([Move::GoOn(index), Move::Crash(index)]),
            At::Unable => moves.push(Move::GiveBack(index)),
        }
    }

    pub(super) fn after(&self, scenario: &Scenario, what: Move) -> Result<Self, Property> {
        let mut world = self.clone();
        world.faults_left -= u8::from(what.is_fault());
        match what {
            Move::Load(index) => world.load(index),
            Move::Claim(index) | Move::TakeOver(index) => world.claim(scenario, index, true)?,
            Move::ClaimUnable(index) => world.claim(scenario, index, false)?,
            Move::Run(index, outcome) => world.run(scenario, index, outcome),
            Move::Report(index) => world.report(scenario, index)?,
            Move::GoOn(index) => {
                world.stop_replaced();
                world.tell(scenario, index, &Report::Go, kit::NOW + QUIET_MS)?;
            }
            Move::GiveBack(index) => {
                let by = WorkerView {
                    manifest: Arc::default(),
                    ..world.view(index)
                };
                world.append_as(scenario, index, &released(by), kit::NOW)?;
            }
            Move::Cancel => {
                world.may_cancel = false;
                world.append(&kit::cancel())?;
            }
            Move::Resume => world.append(&kit::resume(true))?,
            Move::Crash(index) => world.workers[index].at = At::Idle,
            Move::FailToLoad(index) => world.fail_to_load(scenario, index)?,
            Move::Drain(index) => {
                let by = world.view(index);
                world.append_as(scenario, index, &released(by), kit::NOW)?;
            }
            Move::LoseTail => {
                world.may_lose = false;
                world.version += 1;
                world.is_held = scenario.loss == Loss::Noticed;
                world.head = world.before.take().expect("there is a commit before");
            }
        }
        check_world(scenario, &world)?;
        Ok(world)
    }

    fn load(&mut self, index: usize) {
        let worker = &mut self.workers[index];
        worker.at = At::Loaded;
        worker.seen = self.version;
        worker.known = Some(Arc::clone(&self.head));
    }

    fn claim(&mut self, scenario: &Scenario, index: usize, is_able: bool) -> Result<(), Property> {
        if self.workers[index].seen != self.version {
            self.workers[index].at = At::Idle;
            return Ok(());
        }
        if scenario.mistake == Some(Mistake::EffectFirst) && self.head.open.is_none() {
            let cursor = self.head.cursor.min(2);
            self.call(scenario, kit::execute(cursor, 1), true);
        }
        let able = kit::manifest();
        let manifest = if is_able {
            able
        } else {
            Arc::new(Manifest::default())
        };
        let command = Command::Claim(Claiming {
            manifest,
            quiet_ms: if scenario.has_quiet_period {
                QUIET_MS
            } else {
                0
            },
            ..kit::claiming()
        });
        let was_forward = self.head.cause.is_none();
        let was_wanted = self.head.cancel.is_some();
        self.append(&command)?;
        if !is_able && !was_wanted && was_forward && self.head.cause.is_some() {
            return Err(Property::EngineProblemRollsBack);
        }
        self.workers[index].epoch = self.head.epoch;
        self.settle(index);
        if !is_able && self.workers[index].at == At::Waiting {
            self.workers[index].at = At::Unable;
        }
        Ok(())
    }

    fn run(&mut self, scenario: &Scenario, index: usize, outcome: Outcome) {
        let At::Begun(at) = self.workers[index].at else {
            unreachable!("only what has begun runs");
        };
        let has_effect = match outcome {
            Outcome::Done => true,
            Outcome::Failed { has_effect, .. } => {
                self.may_fail = false;
                has_effect
            }
        };
        let is_skipped =
            scenario.mistake == Some(Mistake::UndoSkipped) && at.phase == Phase::Rollback;
        if !is_skipped {
            self.call(scenario, at, has_effect);
        }
        self.workers[index].at = At::Ended(at, outcome);
    }

    fn report(&mut self, scenario: &Scenario, index: usize) -> Result<(), Property> {
        let At::Ended(at, outcome) = self.workers[index].at else {
            unreachable!("only what has ended is reported");
        };
        let report = match (outcome, at.phase) {
            (Outcome::Done, Phase::Execute) => kit::success(at.index, at.attempt.get()),
            (Outcome::Done, Phase::Rollback) => kit::undo_success(at.index, at.attempt.get()),
            (Outcome::Failed { class, .. }, _) => kit::failure(at, class),
        };
        self.tell(scenario, index, &report, kit::NOW)
    }

    fn fail_to_load(&mut self, scenario: &Scenario, index: usize) -> Result<(), Property> {
        let At::Begun(at) = self.workers[index].at else {
            unreachable!("only what has begun loads");
        };
        let was_forward = self.head.cause.is_none();
        let report = Report::Unloadable {
            at,
            reason: ParkReason::SchemaMismatch,
            error: kit::error("job"),
        };
        self.tell(scenario, index, &report, kit::NOW)?;
        match was_forward && self.head.cause.is_some() {
            true => Err(Property::EngineProblemRollsBack),
            false => Ok(()),
        }
    }

    fn view(&self, index: usize) -> WorkerView {
        WorkerView {
            draw: 0,
            ..kit::worker(self.workers[index].epoch)
        }
    }

    fn tell(
        &mut self,
        scenario: &Scenario,
        index: usize,
        report: &Report,
        now_ms: u64,
    ) -> Result<(), Property> {
        let command = Command::Report {
            by: self.view(index),
            report: report.clone(),
        };
        self.append_as(scenario, index, &command, now_ms)
    }

    /// Appends at the version that the worker has seen; if that is old, it reads again, and stops if it was replaced.
    fn append_as(
        &mut self,
        scenario: &Scenario,
        index: usize,
        command: &Command,
        now_ms: u64,
    ) -> Result<(), Property> {
        let worker = self.workers[index].clone();
        if scenario.mistake == Some(Mistake::NotFenced) {
            let known = worker.known.expect("a holder has read the journal");
            let events = decide(&known, command, now_ms).unwrap_or_default();
            self.store(events)?;
        } else if worker.seen != self.version {
            match self.is_replaced(&worker) {
                true => self.workers[index].at = At::Idle,
                false => self.note_read(index),
            }
            return Ok(());
        } else {
            let events = decide(&self.head, command, now_ms);
            // The holder of the present epoch, at the present version, is never refused.
            self.store(events.ok_or(Property::NoNextStep)?)?;
        }
        self.settle(index);
        Ok(())
    }

    fn append(&mut self, command: &Command) -> Result<(), Property> {
        let events = decide(&self.head, command, kit::NOW).unwrap_or_default();
        self.store(events)
    }

    fn store(&mut self, events: Vec<Event>) -> Result<(), Property> {
        if events.is_empty() {
            return Ok(());
        }
        let before = Arc::clone(&self.head);
        let mut state = Some(Arc::clone(&before));
        for event in events {
            let known = state.as_deref().expect("it was requested");
            check_event(known, &event)?;
            let recorded = Recorded {
                id: event_id(kit::NOW),
                event,
            };
            state = Deployments::evolve(state, &recorded).map_err(|_| Property::IllegalJournal)?;
        }
        let after = state.expect("it was requested");
        check_commit(&before, &after)?;
        self.head = after;
        self.before = Some(before);
        self.version += 1;
        Ok(())
    }

    fn note_read(&mut self, index: usize) {
        self.workers[index].seen = self.version;
        self.workers[index].known = Some(Arc::clone(&self.head));
    }

    /// The worker knows what it has appended, and begins what that says.
    fn settle(&mut self, index: usize) {
        self.note_read(index);
        let is_replaced = self.is_replaced(&self.workers[index]);
        self.workers[index].at = match self.head.open {
            _ if is_replaced || !self.head.stage.is_live() => At::Idle,
            Some(open) => At::Begun(open.at),
            None => At::Waiting,
        };
    }

    /// Whoever was replaced has noticed in time, and its code with it.
    fn stop_replaced(&mut self) {
        for index in 0..self.workers.len() {
            let worker = &self.workers[index];
            if worker.at != At::Loaded && self.is_replaced(worker) {
                self.workers[index].at = At::Idle;
            }
        }
    }
}

fn decide(deployment: &Arc<Deployment>, command: &Command, now_ms: u64) -> Option<Vec<Event>> {
    Deployments::decide(&Some(Arc::clone(deployment)), command, now_ms).ok()
}

/// What gives the deployment back. Time stands still here, so that an alarm has rung.
fn released(by: WorkerView) -> Command {
    let alarm_ms = Some(kit::NOW);
    Command::Release { by, alarm_ms }
}
