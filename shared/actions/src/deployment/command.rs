//! What a deployment can be asked to do (spec 2.4).

use std::sync::Arc;

use nogfso_kernel::Position;

use super::fact::{Asked, AttemptRef, Class, Forced, ParkReason, Stored};
use crate::error::{ErrorView, Place};
use crate::plan::{Manifest, Plan};

/// A command on a deployment.
#[derive(Debug, Clone)]
pub enum DeploymentCommand {
    /// Start it.
    Request(Arc<Asked>),
    /// Take it: claims it, marks an attempt that was under way lost, and begins what is next.
    Claim(Claiming),
    /// Tell what an attempt came to, or nothing, and begin what is next.
    Report {
        /// The worker's epoch and means.
        by: WorkerView,
        /// What the attempt came to.
        report: Report,
    },
    /// Give it back, whatever is left to do.
    Release {
        /// The worker's epoch and means.
        by: WorkerView,
        /// For when an alarm is set that brings it back, in ms since the Unix epoch. Without one it is anybody's at once, as
        /// nothing else would end its wait.
        alarm_ms: Option<u64>,
    },
    /// What a release waited for has come.
    Due,
    /// A person's word.
    Operate {
        /// Whose; not empty.
        by: String,
        /// What.
        operation: Operation,
    },
}

/// A worker as far as decisions are concerned.
#[derive(Debug, Clone)]
pub struct WorkerView {
    /// Its epoch.
    pub epoch: u64,
    /// What it can run.
    pub manifest: Arc<Manifest>,
    /// A number drawn afresh, which spreads retries over their delay.
    pub draw: u32,
    /// Whether it is about to give the deployment back: it begins no attempt any more.
    pub is_ending: bool,
}

/// The terms of a claim.
#[derive(Debug, Clone)]
pub struct Claiming {
    /// The worker.
    pub worker: String,
    /// The message that it holds; absent if its host keeps the lease elsewhere.
    pub lease: Option<Position>,
    /// The epoch that the host gives; absent: the next.
    pub epoch: Option<u64>,
    /// The epoch that the new one must exceed.
    pub above: u64,
    /// What it can run.
    pub manifest: Arc<Manifest>,
    /// How long a lost attempt may still be running, in ms; 0 if its end is certain.
    pub quiet_ms: u64,
    /// A number drawn afresh.
    pub draw: u32,
}

/// What an attempt came to.
#[derive(Debug, Clone)]
pub enum Report {
    /// Nothing is to be told: only begin what is next.
    Go,
    /// The pre-hooks are through.
    Prepared {
        /// The attempt.
        at: AttemptRef,
        /// The job's own input.
        input: Stored,
    },
    /// A value to be kept.
    Data {
        /// The attempt.
        at: AttemptRef,
        /// Its name.
        key: String,
        /// The value.
        value: Stored,
    },
    /// An error that was dealt with: by a handler, or by another attempt for which the same start stands.
    Handled {
        /// The attempt.
        at: AttemptRef,
        /// Where.
        place: Place,
        /// What.
        error: ErrorView,
        /// How many failures of the same start before it are not told.
        left_out: u32,
    },
    /// The job is done.
    Succeeded {
        /// The attempt.
        at: AttemptRef,
        /// What it hands on.
        output: Stored,
        /// What execute returned, if post-hooks changed it.
        raw_output: Option<Stored>,
        /// How long it took, in ms.
        took_ms: u64,
    },
    /// The job, or its undo, failed.
    Failed(Failed),
    /// The job is undone.
    Undone {
        /// The attempt.
        at: AttemptRef,
        /// How long it took, in ms.
        took_ms: u64,
    },
    /// A stored value could not be loaded.
    Unloadable {
        /// The attempt that wanted it.
        at: AttemptRef,
        /// What is wrong.
        reason: ParkReason,
        /// In full.
        error: ErrorView,
    },
}

/// How an attempt failed.
#[derive(Debug, Clone)]
pub struct Failed {
    /// The attempt.
    pub at: AttemptRef,
    /// Where.
    pub place: Place,
    /// What.
    pub error: ErrorView,
    /// How.
    pub class: Class,
    /// How long to wait, whatever the policy says, in ms.
    pub after_ms: Option<u64>,
    /// What execute had returned when a post-hook failed.
    pub raw_output: Option<Stored>,
    /// How many failures before it were not written.
    pub left_out: u32,
}

/// What a person can have done.
#[derive(Debug, Clone)]
pub enum Operation {
    /// Roll back.
    Cancel {
        /// Why.
        reason: String,
    },
    /// Stop where it is.
    Pause {
        /// Why.
        reason: String,
        /// Whether the running attempt is told to stop.
        interrupt: bool,
    },
    /// Go on.
    Resume {
        /// Why.
        note: String,
        /// With another plan.
        rebind: Option<Box<Plan>>,
        /// Whether the attempts of the present job are counted anew.
        reset_attempts: bool,
    },
    /// Do not wait for the next attempt's time.
    RetryNow,
    /// Declare how the present job ended.
    Force {
        /// The job.
        job: String,
        /// As what.
        outcome: Forced,
        /// Why; not empty.
        note: String,
    },
    /// Do not undo the present job.
    Skip {
        /// The job.
        job: String,
        /// Why; not empty.
        note: String,
    },
    /// Set another deadline.
    ExtendDeadline {
        /// In ms since the Unix epoch; absent: none.
        deadline_ms: Option<u64>,
    },
    /// End it without undo.
    Abandon {
        /// Why; not empty.
        reason: String,
    },
    /// Take a journal whose end was lost as the truth: parks it, to be looked at.
    AcceptHistory {
        /// Why; not empty.
        note: String,
    },
    /// Add a remark.
    Note {
        /// The remark; not empty.
        text: String,
    },
}
