//! What the history of one deployment amounts to (spec 2.2).

use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::Vector;
use nogfso_kernel::Position;

use super::fact::{Asked, AttemptRef, Direction, ParkReason, SkipReason, Stored};
use crate::attempt::Phase;
use crate::cause::RollbackCause;
use crate::error::{ErrorView, Place};
use crate::name::JobName;
use crate::plan::{Plan, PlannedJob, Undo};

/// How many of the newest errors a state keeps; all of them are in the journal.
pub const ERRORS_KEPT_MAX: usize = 20;
/// From how many events on a deployment starts no job any more and is parked; it can still be rolled back or abandoned.
pub const EVENTS_MAX: u32 = 20_000;
/// How many events more a deployment may have that is rolled back, so that a full journal can still be undone.
pub const ROLLBACK_EVENTS_MAX: u32 = 10_000;
/// The most values that one job may keep.
pub const DATA_PER_JOB_MAX: usize = 1_000;

/// One deployment.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    /// What was asked for.
    pub asked: Arc<Asked>,
    /// What runs: the plan that was asked for, unless it was rebound.
    pub plan: Arc<Plan>,
    /// Where it stands.
    pub stage: Stage,
    /// Who works on it.
    pub claim: Option<Claim>,
    /// The highest epoch so far; 0 before the first.
    pub epoch: u64,
    /// Where the newest commit lies that asks a worker to look.
    pub newest_trigger: Position,
    /// It was given back until then, in ms since the Unix epoch; only an event ends it.
    pub deferred_until_ms: Option<u64>,
    /// Forward: the job that is done next. Backward: how many of the first jobs are not dealt with.
    pub cursor: usize,
    /// The attempt that has begun and has no end yet.
    pub open: Option<Open>,
    /// A record of each job of the plan.
    pub jobs: Vector<Arc<JobRecord>>,
    /// Why it is rolled back.
    pub cause: Option<Arc<RollbackCause>>,
    /// The newest job that was started and cannot be undone.
    pub pivot: Option<usize>,
    /// Who wants it rolled back.
    pub cancel: Option<Intent>,
    /// Who wants it to stop.
    pub pause: Option<PauseIntent>,
    /// When the next attempt may begin, in ms since the Unix epoch.
    pub not_before_ms: Option<u64>,
    /// When it rolls back unless it is done, in ms since the Unix epoch.
    pub deadline_ms: Option<u64>,
    /// How many errors there were.
    pub errors_count: u64,
    /// The newest of them, at most [`ERRORS_KEPT_MAX`].
    pub errors: Vector<ErrorEntry>,
    /// How many events there were.
    pub events_count: u32,
    /// When it was asked for, in ms since the Unix epoch.
    pub asked_ms: u64,
    /// When the last event happened, in ms since the Unix epoch.
    pub changed_ms: u64,
    /// What the last event must be followed by, in the same commit.
    pub owed: Option<Owed>,
}

/// What must follow an event in the same commit (spec 2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owed {
    /// The start of the rollback.
    Rollback,
    /// The parking.
    Parking,
    /// That the undo is passed over.
    Skip,
    /// That it goes on.
    Resumption,
}

/// Where a deployment stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// Nobody has taken it.
    Requested,
    /// Jobs are done.
    Running,
    /// They are undone.
    RollingBack,
    /// An operator stopped it.
    Paused(Direction),
    /// It waits for a person.
    Parked(Parked),
    /// All jobs are done.
    Succeeded,
    /// All is undone that can be.
    RolledBack {
        /// The jobs that may have left something behind.
        residue: Vec<JobName>,
    },
    /// It ended without undo.
    Abandoned {
        /// By whose word.
        by: String,
        /// Why.
        reason: String,
        /// The jobs that may have left something behind.
        residue: Vec<JobName>,
    },
}

/// Why a deployment waits for a person.
#[derive(Debug, Clone, PartialEq)]
pub struct Parked {
    /// In which direction it was going.
    pub direction: Direction,
    /// The job that it is about.
    pub index: Option<usize>,
    /// Why.
    pub reason: ParkReason,
    /// What was seen.
    pub error: Option<ErrorView>,
}

/// The right to work on a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// One higher each time.
    pub epoch: u64,
    /// The process that has it.
    pub worker: String,
    /// The message whose acknowledgement is owed for as long as the claim lasts.
    pub lease: Option<Position>,
}

/// An attempt that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// Which.
    pub at: AttemptRef,
    /// The last attempt that its start stands for.
    pub up_to: u32,
    /// In which epoch.
    pub epoch: u64,
    /// When it is told to stop, in ms since the Unix epoch.
    pub timeout_ms: Option<u64>,
    /// The newest attempt of it whose pre-hooks are recorded as done; 0 if none.
    pub prepared: u32,
}

/// What is known of one job.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JobRecord {
    /// Its attempts to execute.
    pub execute: Attempts,
    /// Its attempts to undo.
    pub undo: Attempts,
    /// What its pre-hooks made, last.
    pub prepared: Option<Stored>,
    /// What execute returned before the post-hooks, last.
    pub raw_output: Option<Stored>,
    /// What it handed on, once it is done.
    pub output: Option<Stored>,
    /// The values that it keeps.
    pub data: BTreeMap<String, Stored>,
    /// Some attempt may have come as far as execute; decided when it happens, as the plan may be rebound later.
    pub reached_execute: bool,
    /// Its last attempt said that none left an effect.
    pub declared_no_effect: bool,
    /// Its output was copied from another deployment.
    pub is_copied: bool,
    /// How it was dealt with on the way back.
    pub undone: Option<Undone>,
    /// When its first attempt began, in ms since the Unix epoch.
    pub started_ms: Option<u64>,
    /// When it was done, in ms since the Unix epoch.
    pub ended_ms: Option<u64>,
}

/// The attempts of one phase of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attempts {
    /// How many were granted.
    pub started: u32,
    /// How many of them were told to stop and so say nothing about the job.
    pub stopped: u32,
    /// How many have no known end.
    pub lost: u32,
    /// How many of those, one after the other, were the last.
    pub lost_in_a_row: u32,
    /// How many took too long; like the lost ones they may have had an effect.
    pub timed_out: u32,
    /// When the first one of the present count began, in ms since the Unix epoch.
    pub first_started_ms: Option<u64>,
    /// Until when one may still be running, in ms since the Unix epoch.
    pub quiet_until_ms: Option<u64>,
    /// How many were granted before the count began anew.
    pub before_reset: u32,
}

/// How a job was dealt with on the way back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undone {
    /// Its undo is done.
    Done,
    /// An operator says that it is undone.
    Forced,
    /// It was not undone.
    Skipped(SkipReason),
}

/// Somebody wants something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// Somebody wants it to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PauseIntent {
    /// Who, and why.
    pub intent: Intent,
    /// Whether the running attempt is told to stop.
    pub interrupt: bool,
}

/// An entry of the error log (spec 2.14).
#[derive(Debug, Clone, PartialEq)]
pub struct ErrorEntry {
    /// When, in ms since the Unix epoch.
    pub at_ms: u64,
    /// The job; absent if it is about the whole.
    pub job: Option<JobName>,
    /// Execute or undo.
    pub phase: Phase,
    /// Which attempt.
    pub attempt: Option<u32>,
    /// Where within the job.
    pub place: Option<Place>,
    /// What.
    pub error: ErrorView,
    /// Whether a handler dealt with it.
    pub handled: bool,
    /// How many of the same job before it were not written.
    pub left_out: u32,
}

impl Stage {
    /// Whether nothing will ever happen any more.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        match self {
            Self::Succeeded | Self::RolledBack { .. } | Self::Abandoned { .. } => true,
            Self::Requested
            | Self::Running
            | Self::RollingBack
            | Self::Paused(_)
            | Self::Parked(_) => false,
        }
    }

    /// Whether a worker has something to do, now or later.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Requested | Self::Running | Self::RollingBack)
    }

    /// Where it goes, or went until it stopped; absent once it has ended.
    #[must_use]
    pub fn direction(&self) -> Option<Direction> {
        match self {
            Self::Requested | Self::Running => Some(Direction::Forward),
            Self::RollingBack => Some(Direction::Backward),
            Self::Paused(direction) => Some(*direction),
            Self::Parked(parked) => Some(parked.direction),
            Self::Succeeded | Self::RolledBack { .. } | Self::Abandoned { .. } => None,
        }
    }

    /// In a word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Running => "running",
            Self::RollingBack => "rolling_back",
            Self::Paused(_) => "paused",
            Self::Parked(_) => "parked",
            Self::Succeeded => "succeeded",
            Self::RolledBack { .. } => "rolled_back",
            Self::Abandoned { .. } => "abandoned",
        }
    }
}

impl Attempts {
    /// How many count against the retries.
    #[must_use]
    pub fn counted(&self) -> u32 {
        self.started
            .saturating_sub(self.stopped)
            .saturating_sub(self.before_reset)
    }

    /// Whether an attempt has no known effect: it was lost, took too long or was told to stop.
    #[must_use]
    pub fn may_have_acted(&self) -> bool {
        self.lost > 0 || self.timed_out > 0 || self.stopped > 0
    }
}

impl Deployment {
    /// The job that is worked on, whatever the direction: the one to do, or the highest not yet dealt with.
    #[must_use]
    pub fn current(&self) -> Option<usize> {
        match self.stage.direction()? {
            Direction::Forward => (self.cursor < self.plan.jobs.len()).then_some(self.cursor),
            Direction::Backward => self.highest_left(),
        }
    }

    /// The highest job that has not been dealt with on the way back.
    #[must_use]
    pub fn highest_left(&self) -> Option<usize> {
        (0..self.cursor)
            .rev()
            .find(|&index| self.jobs.get(index).is_some_and(|job| job.undone.is_none()))
    }

    /// The highest job whose undo failed and was passed over.
    #[must_use]
    pub fn highest_passed_over(&self) -> Option<usize> {
        self.jobs
            .iter()
            .rposition(|job| job.undone == Some(Undone::Skipped(SkipReason::FailedContinue)))
    }

    /// The undo that a person may decide about: the next one, or, if none is left, one that was passed over.
    #[must_use]
    pub fn undo_to_decide(&self) -> Option<usize> {
        self.highest_left().or_else(|| self.highest_passed_over())
    }

    /// The first job that was begun and is another one in `plan`, by name, schema or undo (spec 2.12).
    #[must_use]
    pub fn first_misfit(&self, plan: &Plan) -> Option<usize> {
        let is_begun = |job: &Arc<JobRecord>| job.execute.started > 0;
        let begun_count = match self.stage.direction() {
            Some(Direction::Forward) => {
                self.cursor + usize::from(self.jobs.get(self.cursor).is_some_and(is_begun))
            }
            // Going back, nothing of the plan is still to come.
            Some(Direction::Backward) | None => self.plan.jobs.len(),
        };
        (0..begun_count).find(|&index| {
            let fits = |was: &PlannedJob, new: &PlannedJob| {
                new.job == was.job && new.schema == was.schema && new.undo == was.undo
            };
            let pair = self.plan.jobs.get(index).zip(plan.jobs.get(index));
            !pair.is_some_and(|(was, new)| fits(was, new))
        })
    }

    /// Job and record of that number.
    #[must_use]
    pub fn job(&self, index: usize) -> Option<(&PlannedJob, &JobRecord)> {
        Some((self.plan.jobs.get(index)?, self.jobs.get(index)?))
    }

    /// The record of that number, to be changed.
    pub(super) fn record_mut(&mut self, index: usize) -> Option<&mut JobRecord> {
        self.jobs.get_mut(index).map(Arc::make_mut)
    }

    /// Whether a job that cannot be undone was started.
    #[must_use]
    pub fn is_past_pivot(&self) -> bool {
        self.pivot.is_some()
    }

    /// The highest job below `index` that was begun, or declared done, and cannot be undone.
    #[must_use]
    pub fn pivot_below(&self, index: usize) -> Option<usize> {
        (0..index).rev().find(|&earlier| {
            self.job(earlier).is_some_and(|(planned, job)| {
                let has_effect = job.execute.started > 0 || job.output.is_some();
                // What was copied has its effect in the deployment that it was copied from.
                planned.undo == Undo::Impossible && has_effect && !job.is_copied
            })
        })
    }

    /// Whether its journal is too long for another attempt.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let most = match self.stage.direction() {
            Some(Direction::Backward) => EVENTS_MAX + ROLLBACK_EVENTS_MAX,
            Some(Direction::Forward) | None => EVENTS_MAX,
        };
        self.events_count >= most
    }

    /// What job `index` is, or was, given; found by walking back over jobs that pass their input on.
    #[must_use]
    pub fn input_of(&self, index: usize) -> Option<(&Stored, Option<usize>)> {
        for earlier in (0..index).rev() {
            match self.jobs.get(earlier)?.output.as_ref()? {
                Stored::SameAsInput => {}
                stored @ (Stored::Inline(_) | Stored::Versioned { .. } | Stored::Blob(_)) => {
                    return Some((stored, Some(earlier)));
                }
            }
        }
        Some((&self.asked.input, None))
    }

    /// What job `index` handed on, once it is done, and which job wrote it; absent for the input of the deployment.
    #[must_use]
    pub fn output_of(&self, index: usize) -> Option<(&Stored, Option<usize>)> {
        match self.jobs.get(index)?.output.as_ref()? {
            Stored::SameAsInput => self.input_of(index),
            stored @ (Stored::Inline(_) | Stored::Versioned { .. } | Stored::Blob(_)) => {
                Some((stored, Some(index)))
            }
        }
    }

    /// The jobs that may have left something behind if it ended now without further undo.
    #[must_use]
    pub fn residue(&self) -> Vec<JobName> {
        let leaves = |(planned, job): &(&PlannedJob, &Arc<JobRecord>)| match &job.undone {
            Some(Undone::Done | Undone::Forced) => false,
            Some(Undone::Skipped(why)) => why.leaves_residue(),
            None => super::next::skip_reason(planned, job).is_none_or(|why| why.leaves_residue()),
        };
        self.plan
            .jobs
            .iter()
            .zip(&self.jobs)
            .filter(leaves)
            .map(|(planned, _)| planned.job.clone())
            .collect()
    }
}
