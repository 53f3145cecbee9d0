//! A state of the whole: the journal as it folds, the workers, and the world that jobs have effects on.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::super::super::{
    AttemptRef, Attempts, Class, Deployment, DeploymentEvent as Event, Stage, Undone,
};
use super::super::kit;
use crate::Phase;

pub(super) const JOBS_COUNT: usize = 3;
pub(super) const WORKERS_MAX: usize = 3;

/// What is explored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scenario {
    pub(super) workers_count: usize,
    /// How many crashes, spurious take-overs, drains and engine problems there are at most.
    pub(super) faults_max: u8,
    /// Whether an undo leaves a mark that keeps a late execute from having an effect.
    pub(super) has_tombstones: bool,
    /// Whether the undo of a lost attempt waits until its worker has stopped.
    pub(super) has_quiet_period: bool,
    pub(super) loss: Loss,
    pub(super) mistake: Option<Mistake>,
}

/// Whether the journal may lose its last commit, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    Never,
    Unnoticed,
    /// A journal that is shorter than known is held: nobody touches it.
    Noticed,
}

/// A planted mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mistake {
    /// The code of an attempt runs before its start is recorded.
    EffectFirst,
    /// An undo is reported that never ran.
    UndoSkipped,
    /// Whoever was replaced appends what it decided before, whatever the version.
    NotFenced,
}

/// How an attempt went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Outcome {
    Done,
    Failed { class: Class, has_effect: bool },
}

/// What a worker is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum At {
    /// Nothing, or it is dead.
    Idle,
    /// It has read the journal and is about to claim.
    Loaded,
    /// The code of the attempt has not had its effect yet.
    Begun(AttemptRef),
    /// It has come to its end.
    Ended(AttemptRef, Outcome),
    /// The next attempt is not yet due.
    Waiting,
    /// It has no code for the plan.
    Unable,
}

#[derive(Debug, Clone)]
pub(super) struct Worker {
    pub(super) at: At,
    /// Of its claim.
    pub(super) epoch: u64,
    /// The version that it has read.
    pub(super) seen: u32,
    /// What it has read, folded.
    pub(super) known: Option<Arc<Deployment>>,
}

/// What the jobs and undos have done outside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Outside {
    pub(super) is_there: bool,
    pub(super) is_barred: bool,
    /// How often execute and undo were called.
    pub(super) calls: [u8; 2],
}

#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) head: Arc<Deployment>,
    /// The fold before the last commit.
    pub(super) before: Option<Arc<Deployment>>,
    pub(super) version: u32,
    /// The journal has lost its end, and everybody knows.
    pub(super) is_held: bool,
    pub(super) workers: [Worker; WORKERS_MAX],
    pub(super) outside: [Outside; JOBS_COUNT],
    pub(super) may_cancel: bool,
    pub(super) may_fail: bool,
    pub(super) may_lose: bool,
    pub(super) faults_left: u8,
}

impl World {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let course = kit::requested(kit::plan());
        let idle = Worker {
            at: At::Idle,
            epoch: 0,
            seen: 0,
            known: None,
        };
        Self {
            head: Arc::new(kit::now_of(&course)),
            before: None,
            version: 1,
            is_held: false,
            workers: [idle.clone(), idle.clone(), idle],
            outside: [Outside::default(); JOBS_COUNT],
            may_cancel: true,
            may_fail: true,
            may_lose: scenario.loss != Loss::Never,
            faults_left: scenario.faults_max,
        }
    }

    /// Nothing is left to be done.
    pub(super) fn is_at_rest(&self) -> bool {
        self.is_held || self.head.stage.is_terminal()
    }

    /// The worker that has the claim lives.
    pub(super) fn has_live_holder(&self) -> bool {
        self.head.claim.as_ref().is_some_and(|claim| {
            let holds = |worker: &Worker| {
                !matches!(worker.at, At::Idle | At::Loaded) && worker.epoch == claim.epoch
            };
            self.workers.iter().any(holds)
        })
    }

    pub(super) fn is_replaced(&self, worker: &Worker) -> bool {
        let claim = self.head.claim.as_ref();
        claim.is_none_or(|claim| claim.epoch != worker.epoch)
    }

    /// Calls the code of an attempt.
    pub(super) fn call(&mut self, scenario: &Scenario, at: AttemptRef, has_effect: bool) {
        let outside = &mut self.outside[at.index];
        match at.phase {
            Phase::Execute => {
                outside.calls[0] += 1;
                outside.is_there |= has_effect && !outside.is_barred;
            }
            Phase::Rollback => {
                outside.calls[1] += 1;
                outside.is_there = false;
                outside.is_barred |= scenario.has_tombstones;
            }
        }
    }

    /// The same for all worlds that go on alike: without times, counts of events, and who of the workers is who.
    pub(super) fn digest(&self, scenario: &Scenario) -> u64 {
        let mut hasher = DefaultHasher::new();
        digest_of(&self.head).hash(&mut hasher);
        if scenario.loss != Loss::Never {
            self.before.as_deref().map(digest_of).hash(&mut hasher);
        }
        (self.is_held, self.outside, self.faults_left).hash(&mut hasher);
        (self.may_cancel, self.may_fail, self.may_lose).hash(&mut hasher);
        let mut workers = self
            .workers
            .each_ref()
            .map(|worker| self.worker_digest(worker));
        workers.sort_unstable();
        workers.hash(&mut hasher);
        hasher.finish()
    }

    fn worker_digest(&self, worker: &Worker) -> u64 {
        let mut hasher = DefaultHasher::new();
        let place = |at: AttemptRef| (at.index, at.phase);
        std::mem::discriminant(&worker.at).hash(&mut hasher);
        match worker.at {
            At::Idle => return hasher.finish(),
            At::Loaded => {}
            At::Begun(at) => place(at).hash(&mut hasher),
            At::Ended(at, outcome) => (place(at), outcome).hash(&mut hasher),
            At::Waiting | At::Unable => {}
        }
        let is_current = worker.seen == self.version;
        let is_holder = worker.at != At::Loaded && !self.is_replaced(worker);
        (is_current, is_holder).hash(&mut hasher);
        hasher.finish()
    }
}

/// All of a deployment that decides how it goes on.
pub(super) fn digest_of(deployment: &Deployment) -> u64 {
    let mut hasher = DefaultHasher::new();
    let hasher_of = &mut hasher;
    (deployment.stage.word(), deployment.stage.direction()).hash(hasher_of);
    if let Stage::RolledBack { residue } = &deployment.stage {
        residue.hash(hasher_of);
    }
    let open = deployment.open.map(|open| {
        let is_present = open.epoch == deployment.epoch;
        (open.at, open.up_to, is_present)
    });
    (deployment.cursor, deployment.pivot, open).hash(hasher_of);
    (
        deployment.claim.is_some(),
        deployment.cancel.is_some(),
        deployment.pause.is_some(),
        deployment.cause.as_ref().map(|cause| cause.kind),
    )
        .hash(hasher_of);
    (deployment.not_before_ms, deployment.deferred_until_ms).hash(hasher_of);
    for job in &deployment.jobs {
        (attempts(&job.execute), attempts(&job.undo)).hash(hasher_of);
        let undone = match &job.undone {
            None => None,
            Some(Undone::Done) => Some("done"),
            Some(Undone::Forced) => Some("forced"),
            Some(Undone::Skipped(why)) if why.leaves_residue() => Some("left"),
            Some(Undone::Skipped(_)) => Some("skipped"),
        };
        (
            job.output.is_some(),
            job.reached_execute,
            job.declared_no_effect,
            undone,
        )
            .hash(hasher_of);
    }
    hasher.finish()
}

fn attempts(of: &Attempts) -> (u32, u32, u32, u32, Option<u64>, u32) {
    (
        of.started,
        of.stopped,
        of.lost,
        of.lost_in_a_row,
        of.quiet_until_ms,
        of.before_reset,
    )
}

/// Which attempt an event begins, if it begins one.
pub(super) fn begins(event: &Event) -> Option<AttemptRef> {
    if let Event::JobStarted { at, .. } | Event::JobRollbackStarted { at, .. } = event {
        return Some(*at);
    }
    None
}
