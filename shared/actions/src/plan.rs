//! What a deployment runs: the list of its jobs as it is written into its first event.
//!
//! From then on the written plan says what runs, not the code's list of the day; the code supplies how (spec 2.2, 2.12).

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::name::{ActionRef, JobName};

/// The most jobs of one action.
pub const JOBS_MAX: usize = 1_000;

/// The jobs of a deployment, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The version of the action, set by its author.
    pub revision: NonZeroU32,
    /// The jobs; at least one.
    pub jobs: Vec<PlannedJob>,
    /// The version of the input's schema.
    pub input_schema: u16,
    /// What happens when an undo fails for good.
    #[serde(default)]
    pub rollback: RollbackPolicy,
    /// How long after its start the deployment rolls back unless it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
}

/// One job of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedJob {
    /// Its name, unique within the plan.
    pub job: JobName,
    /// Under which name and version its own input, output and data are stored; the name is that of the job before renaming.
    pub schema: Schema,
    /// What undoing it means.
    pub undo: Undo,
    /// Whether hooks make its input; the undo then needs that input recorded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_pre_hooks: bool,
    /// Whether hooks change its output; the undo then needs the output before them recorded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_post_hooks: bool,
    /// Whether it passes its input on as it is, so that nothing is stored for its output.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub passes_on: bool,
    /// How it is retried and for how long it may run.
    pub policy: JobPolicy,
}

/// Name and version of what is stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Schema {
    /// The name of the job that wrote it, before renaming.
    pub job: JobName,
    /// The version, from 1.
    pub version: u16,
}

/// What undoing a job means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// There is a handler.
    Handled,
    /// The job leaves nothing behind.
    NotNeeded,
    /// It cannot be undone: from its start on there is no way back.
    Impossible,
}

/// What happens when an undo has failed for good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RollbackPolicy {
    /// The deployment is parked at once.
    #[default]
    StopAndPark,
    /// The earlier jobs are undone, then it is parked.
    ContinueThenPark,
}

/// How a job is retried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobPolicy {
    /// For execute, with its hooks.
    pub execute: RetryPolicy,
    /// For the undo.
    pub rollback: RetryPolicy,
    /// How long an attempt may go without a sign of life; absent: not asked for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat_timeout_ms: Option<u64>,
    /// How many attempts in a row may be lost before the deployment is parked.
    pub lost_attempts_max: NonZeroU32,
    /// What happens when the retries are used up.
    pub on_exhausted: OnExhausted,
}

/// How often, how soon and for how long something is tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// The longest delay before the second attempt, in ms; each delay is random below its bound.
    pub initial_ms: u64,
    /// By how much the bound grows with each attempt.
    pub factor: f32,
    /// The largest bound, in ms.
    pub delay_max_ms: u64,
    /// How many attempts there are in all; absent: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts_max: Option<NonZeroU32>,
    /// How long one attempt may take, in ms; absent: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt_timeout_ms: Option<u64>,
    /// How long after the first attempt began another may begin, in ms; absent: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elapsed_max_ms: Option<u64>,
}

/// What happens when the retries are used up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnExhausted {
    /// The deployment rolls back.
    #[default]
    Rollback,
    /// It is parked.
    Park,
}

const MINUTE_MS: u64 = 60_000;

impl Default for JobPolicy {
    /// The defaults of spec 2.11.
    fn default() -> Self {
        Self {
            execute: RetryPolicy {
                initial_ms: 200,
                factor: 2.0,
                delay_max_ms: 30_000,
                attempts_max: NonZeroU32::new(5),
                attempt_timeout_ms: Some(5 * MINUTE_MS),
                elapsed_max_ms: Some(10 * MINUTE_MS),
            },
            rollback: RetryPolicy {
                initial_ms: 500,
                factor: 2.0,
                delay_max_ms: 60_000,
                attempts_max: NonZeroU32::new(20),
                attempt_timeout_ms: Some(5 * MINUTE_MS),
                elapsed_max_ms: None,
            },
            heartbeat_timeout_ms: None,
            lost_attempts_max: const { NonZeroU32::new(3).expect("3 is not 0") },
            on_exhausted: OnExhausted::Rollback,
        }
    }
}

impl JobPolicy {
    /// One attempt, no time-outs, parked when an undo fails: what the original did (spec 3.4).
    #[must_use]
    pub fn as_original() -> Self {
        Self {
            execute: RetryPolicy::once(),
            rollback: RetryPolicy::once(),
            ..Self::default()
        }
    }

    /// The same with another policy for execute.
    #[must_use]
    pub fn with_execute(self, execute: RetryPolicy) -> Self {
        Self { execute, ..self }
    }

    /// The same with another policy for the undo.
    #[must_use]
    pub fn with_rollback(self, rollback: RetryPolicy) -> Self {
        Self { rollback, ..self }
    }
}

impl RetryPolicy {
    /// One attempt without a time-out.
    #[must_use]
    pub fn once() -> Self {
        Self {
            initial_ms: 0,
            factor: 1.0,
            delay_max_ms: 0,
            attempts_max: NonZeroU32::new(1),
            attempt_timeout_ms: None,
            elapsed_max_ms: None,
        }
    }

    /// The same with at most `attempts` attempts.
    #[must_use]
    pub fn with_attempts_max(self, attempts: NonZeroU32) -> Self {
        Self {
            attempts_max: Some(attempts),
            ..self
        }
    }

    /// The same with a limit for one attempt.
    #[must_use]
    pub fn with_attempt_timeout(self, timeout: Duration) -> Self {
        Self {
            attempt_timeout_ms: u64::try_from(timeout.as_millis()).ok(),
            ..self
        }
    }

    /// The longest delay after the attempt of number `attempt`, in ms.
    #[must_use]
    pub fn delay_bound_ms(&self, attempt: u32) -> u64 {
        let mut bound = self.initial_ms;
        for _ in 1..attempt.min(128) {
            if bound >= self.delay_max_ms {
                break;
            }
            // Rounded towards zero; below 2^53, as the bound is below the largest delay.
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a delay in ms, bounded just below"
            )]
            let grown = (bound as f64 * f64::from(self.factor)) as u64;
            bound = grown.max(bound);
        }
        bound.min(self.delay_max_ms)
    }
}

impl Plan {
    /// What tells plans apart: names, schemas and undos, not the policies.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(self.input_schema.to_be_bytes());
        for job in &self.jobs {
            let Schema { job: base, version } = &job.schema;
            digest.update(format!("{}\n{base}\n{version}\n{:?}\n", job.job, job.undo));
        }
        digest.finalize()[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Where the job of that name stands.
    #[must_use]
    pub fn index_of(&self, job: &JobName) -> Option<usize> {
        self.jobs.iter().position(|planned| planned.job == *job)
    }
}

/// What a worker can run: for each action and revision, the jobs that it has code for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    known: BTreeMap<ActionRef, BTreeMap<NonZeroU32, BTreeSet<JobName>>>,
}

impl Manifest {
    /// Adds an action and revision.
    pub fn add(&mut self, action: ActionRef, revision: NonZeroU32, jobs: BTreeSet<JobName>) {
        self.known.entry(action).or_default().insert(revision, jobs);
    }

    /// Whether a worker with this manifest has code for every job of `plan`.
    #[must_use]
    pub fn can_run(&self, action: &ActionRef, plan: &Plan) -> bool {
        let revisions = self.known.get(action);
        let known = revisions.and_then(|revisions| revisions.get(&plan.revision));
        known.is_some_and(|known| plan.jobs.iter().all(|planned| known.contains(&planned.job)))
    }
}
