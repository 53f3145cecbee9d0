//! The facts of a deployment (spec 2.3).

use std::num::NonZeroU32;
use std::sync::Arc;

use nogfso_kernel::{Event, Position, Recorded};
use serde::{Deserialize, Serialize};

use super::fact::{
    AfterFailure, Asked, AttemptRef, Class, Direction, Forced, ParkReason, SkipReason, Stored,
};
use crate::cause::RollbackCause;
use crate::error::{ErrorView, Place};
use crate::name::JobName;
use crate::plan::Plan;

/// A fact about one deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub enum DeploymentEvent {
    /// The first of every history.
    DeploymentRequested(Arc<Asked>),
    /// A worker took the deployment; older epochs are void.
    DeploymentClaimed {
        /// The worker.
        worker: String,
        /// Higher than every one before.
        epoch: u64,
        /// The message that the worker holds for as long as the claim lasts; absent if its host keeps the lease elsewhere.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lease: Option<Position>,
    },
    /// The worker gave the deployment back with work left.
    DeploymentReleased {
        /// Its epoch.
        epoch: u64,
        /// Nothing is to be done before, in ms since the Unix epoch; absent: at once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until_ms: Option<u64>,
    },
    /// What a release waited for has come.
    DeploymentDue {},
    /// An attempt of a job begins; stored before any of its code runs.
    JobStarted {
        /// Which.
        at: AttemptRef,
        /// The last attempt that this event stands for, if it stands for more than one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        up_to: Option<NonZeroU32>,
        /// When it is told to stop, in ms since the Unix epoch.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout_ms: Option<u64>,
        /// The epoch of the worker.
        epoch: u64,
    },
    /// What the pre-hooks made; stored before execute.
    JobPrepared {
        /// The attempt.
        at: AttemptRef,
        /// The job's own input.
        input: Stored,
    },
    /// A value that the job keeps for later attempts and for its undo.
    JobDataPut {
        /// The attempt.
        at: AttemptRef,
        /// Its name; the last one of a name counts.
        key: String,
        /// The value.
        value: Stored,
    },
    /// An error that was dealt with: by a handler, or by another attempt for which the same start stands.
    JobErrorLogged {
        /// The attempt.
        at: AttemptRef,
        /// Where.
        place: Place,
        /// What.
        error: ErrorView,
        /// How many failures of the same start before this one were not written.
        #[serde(default, skip_serializing_if = "is_zero")]
        left_out: u32,
    },
    /// A job is done.
    JobSucceeded {
        /// The attempt.
        at: AttemptRef,
        /// The value after the post-hooks.
        output: Stored,
        /// What execute returned, if post-hooks changed it and an undo may want it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        raw_output: Option<Stored>,
        /// How long it took, in ms.
        took_ms: u64,
    },
    /// An attempt failed.
    JobAttemptFailed {
        /// The attempt.
        at: AttemptRef,
        /// Where.
        place: Place,
        /// What.
        error: ErrorView,
        /// How.
        class: Class,
        /// What follows.
        next: AfterFailure,
        /// What execute had returned when a post-hook failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        raw_output: Option<Stored>,
        /// How many failures of the same job before this one were not written.
        #[serde(default, skip_serializing_if = "is_zero")]
        left_out: u32,
    },
    /// The end of an attempt, of either phase, will never be known.
    JobAttemptLost {
        /// The attempt.
        at: AttemptRef,
        /// The epoch in which it ran.
        epoch: u64,
        /// Until when it may still be running, in ms since the Unix epoch; its undo begins after it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        quiet_until_ms: Option<u64>,
    },
    /// From here on jobs are only undone.
    RollbackStarted {
        /// Why.
        cause: RollbackCause,
        /// The first job to undo.
        from_index: usize,
    },
    /// An undo begins; stored before any of its code runs.
    JobRollbackStarted {
        /// Which.
        at: AttemptRef,
        /// The last attempt that this event stands for, if it stands for more than one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        up_to: Option<NonZeroU32>,
        /// When it is told to stop, in ms since the Unix epoch.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout_ms: Option<u64>,
        /// The epoch of the worker.
        epoch: u64,
    },
    /// A job is undone.
    JobRollbackSucceeded {
        /// The attempt.
        at: AttemptRef,
        /// How long it took, in ms.
        took_ms: u64,
    },
    /// An undo failed.
    JobRollbackAttemptFailed {
        /// The attempt.
        at: AttemptRef,
        /// What.
        error: ErrorView,
        /// How.
        class: Class,
        /// What follows.
        next: AfterFailure,
        /// How many failures of the same undo before this one were not written.
        #[serde(default, skip_serializing_if = "is_zero")]
        left_out: u32,
    },
    /// A job is not undone.
    JobRollbackSkipped {
        /// The job.
        index: usize,
        /// Why.
        why: SkipReason,
    },
    /// The deployment is to be rolled back.
    CancelRequested {
        /// By whom.
        by: String,
        /// Why.
        reason: String,
    },
    /// The deployment is to stop where it is.
    PauseRequested {
        /// By whom.
        by: String,
        /// Why.
        reason: String,
        /// Whether the running attempt is told to stop.
        interrupt: bool,
    },
    /// It stopped.
    DeploymentPaused {
        /// In which direction it will go on.
        direction: Direction,
    },
    /// It goes on.
    DeploymentResumed {
        /// By whom.
        by: String,
        /// Why.
        note: String,
        /// Whether the attempts of the present job are counted anew.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        reset_attempts: bool,
    },
    /// It waits for a person.
    DeploymentParked {
        /// In which direction it was going.
        direction: Direction,
        /// The job that it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        index: Option<usize>,
        /// Why.
        reason: ParkReason,
        /// What was seen.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<ErrorView>,
    },
    /// An operator declared how the present job ended.
    OutcomeForced {
        /// The job.
        index: usize,
        /// As what.
        outcome: Forced,
        /// By whom.
        by: String,
        /// Why.
        note: String,
    },
    /// An operator gave the deployment another plan.
    PlanRebound {
        /// The plan from now on.
        plan: Plan,
        /// By whom.
        by: String,
        /// Why.
        note: String,
    },
    /// What it waited for was waived.
    RetryForced {
        /// By whom.
        by: String,
    },
    /// The deadline is another one.
    DeadlineChanged {
        /// In ms since the Unix epoch; absent: none.
        deadline_ms: Option<u64>,
        /// By whom.
        by: String,
    },
    /// A remark.
    NoteAdded {
        /// By whom.
        by: String,
        /// The remark.
        text: String,
    },
    /// All jobs are done.
    DeploymentSucceeded {},
    /// All is undone that can be.
    DeploymentRolledBack {
        /// The jobs that may have left something behind.
        residue: Vec<JobName>,
    },
    /// It ended without undo, by a person's word.
    DeploymentAbandoned {
        /// Whose.
        by: String,
        /// Why.
        reason: String,
        /// The jobs that may have left something behind.
        residue: Vec<JobName>,
    },
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// Whether the commit of `recorded` asks a worker to look.
#[must_use]
pub fn is_trigger(recorded: &Recorded<DeploymentEvent>) -> bool {
    match &recorded.event {
        DeploymentEvent::DeploymentRequested(_)
        | DeploymentEvent::DeploymentDue {}
        | DeploymentEvent::CancelRequested { .. }
        | DeploymentEvent::DeploymentResumed { .. }
        | DeploymentEvent::RetryForced { .. }
        | DeploymentEvent::DeadlineChanged { .. } => true,
        DeploymentEvent::DeploymentReleased { until_ms, .. } => until_ms.is_none(),
        DeploymentEvent::DeploymentClaimed { .. }
        | DeploymentEvent::JobStarted { .. }
        | DeploymentEvent::JobPrepared { .. }
        | DeploymentEvent::JobDataPut { .. }
        | DeploymentEvent::JobErrorLogged { .. }
        | DeploymentEvent::JobSucceeded { .. }
        | DeploymentEvent::JobAttemptFailed { .. }
        | DeploymentEvent::JobAttemptLost { .. }
        | DeploymentEvent::RollbackStarted { .. }
        | DeploymentEvent::JobRollbackStarted { .. }
        | DeploymentEvent::JobRollbackSucceeded { .. }
        | DeploymentEvent::JobRollbackAttemptFailed { .. }
        | DeploymentEvent::JobRollbackSkipped { .. }
        | DeploymentEvent::PauseRequested { .. }
        | DeploymentEvent::DeploymentPaused { .. }
        | DeploymentEvent::DeploymentParked { .. }
        | DeploymentEvent::OutcomeForced { .. }
        | DeploymentEvent::PlanRebound { .. }
        | DeploymentEvent::NoteAdded { .. }
        | DeploymentEvent::DeploymentSucceeded {}
        | DeploymentEvent::DeploymentRolledBack { .. }
        | DeploymentEvent::DeploymentAbandoned { .. } => false,
    }
}

impl Event for DeploymentEvent {
    const NAMES: &'static [&'static str] = &[
        "deployment_requested",
        "deployment_claimed",
        "deployment_released",
        "deployment_due",
        "job_started",
        "job_prepared",
        "job_data_put",
        "job_error_logged",
        "job_succeeded",
        "job_attempt_failed",
        "job_attempt_lost",
        "rollback_started",
        "job_rollback_started",
        "job_rollback_succeeded",
        "job_rollback_attempt_failed",
        "job_rollback_skipped",
        "cancel_requested",
        "pause_requested",
        "deployment_paused",
        "deployment_resumed",
        "deployment_parked",
        "outcome_forced",
        "plan_rebound",
        "retry_forced",
        "deadline_changed",
        "note_added",
        "deployment_succeeded",
        "deployment_rolled_back",
        "deployment_abandoned",
    ];

    fn name(&self) -> &'static str {
        Self::NAMES[self.ordinal()]
    }
}

impl DeploymentEvent {
    fn ordinal(&self) -> usize {
        match self {
            Self::DeploymentRequested(_) => 0,
            Self::DeploymentClaimed { .. } => 1,
            Self::DeploymentReleased { .. } => 2,
            Self::DeploymentDue {} => 3,
            Self::JobStarted { .. } => 4,
            Self::JobPrepared { .. } => 5,
            Self::JobDataPut { .. } => 6,
            Self::JobErrorLogged { .. } => 7,
            Self::JobSucceeded { .. } => 8,
            Self::JobAttemptFailed { .. } => 9,
            Self::JobAttemptLost { .. } => 10,
            Self::RollbackStarted { .. } => 11,
            Self::JobRollbackStarted { .. } => 12,
            Self::JobRollbackSucceeded { .. } => 13,
            Self::JobRollbackAttemptFailed { .. } => 14,
            Self::JobRollbackSkipped { .. } => 15,
            Self::CancelRequested { .. } => 16,
            Self::PauseRequested { .. } => 17,
            Self::DeploymentPaused { .. } => 18,
            Self::DeploymentResumed { .. } => 19,
            Self::DeploymentParked { .. } => 20,
            Self::OutcomeForced { .. } => 21,
            Self::PlanRebound { .. } => 22,
            Self::RetryForced { .. } => 23,
            Self::DeadlineChanged { .. } => 24,
            Self::NoteAdded { .. } => 25,
            Self::DeploymentSucceeded {} => 26,
            Self::DeploymentRolledBack { .. } => 27,
            Self::DeploymentAbandoned { .. } => 28,
        }
    }
}
