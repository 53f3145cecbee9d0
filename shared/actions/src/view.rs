//! What a person or a program is shown of a deployment.

use serde::{Deserialize, Serialize};

use crate::attempt::Phase;
use crate::deployment::{Deployment, Direction, ErrorEntry, ParkReason, SkipReason, Stage, Undone};
use crate::error::ErrorView;
use crate::name::{ActionRef, DeploymentId, JobName};
use crate::plan::Undo;

/// A deployment at a glance, and job by job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeploymentView {
    /// The deployment.
    pub id: DeploymentId,
    /// What it runs.
    pub action: ActionRef,
    /// In which revision.
    pub revision: u32,
    /// The label that deployments may share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Where it stands: `requested`, `running`, `rolling_back`, `paused`, `parked`, `succeeded`, `rolled_back` or `abandoned`.
    pub stage: String,
    /// In which direction it goes, or went until it stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// Why it is parked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<ParkReason>,
    /// What helps, in the words of the commands, if it needs a person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cures: Vec<String>,
    /// The job that it is at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobName>,
    /// All jobs, in order.
    pub jobs: Vec<JobView>,
    /// The worker that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// Nothing happens before this time, in ms since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_ms: Option<u64>,
    /// When it is rolled back unless it is done, in ms since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// Why it was or is rolled back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<ErrorView>,
    /// The jobs that may have left something behind; of one that has not ended, if it ended now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub residue: Vec<JobName>,
    /// How many errors there were.
    pub errors_count: u64,
    /// The newest of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<ErrorView>,
    /// When it was asked for, in ms since the Unix epoch.
    pub asked_ms: u64,
    /// When something last happened, in ms since the Unix epoch.
    pub changed_ms: u64,
}

/// One job of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobView {
    /// Its name.
    pub job: JobName,
    /// Where it stands.
    pub state: JobStage,
    /// How often it was begun.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts: u32,
    /// How often its undo was begun.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub undo_attempts: u32,
    /// When it was first begun, in ms since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_ms: Option<u64>,
    /// When it was done, in ms since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<u64>,
    /// Why it was not undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<SkipReason>,
    /// What undoing it means.
    pub undo: Undo,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStage {
    /// Its turn has not come.
    Waiting,
    /// An attempt is under way.
    Running,
    /// It was begun, and another attempt will follow or not.
    Begun,
    /// It is done.
    Done,
    /// It is being undone.
    Undoing,
    /// It is undone.
    Undone,
    /// It was not undone.
    Skipped,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl DeploymentView {
    /// The view of a deployment.
    #[must_use]
    pub fn of(deployment: &Deployment) -> Self {
        let current = deployment.current();
        let reason = match &deployment.stage {
            Stage::Parked(parked) => Some(parked.reason),
            Stage::Requested
            | Stage::Running
            | Stage::RollingBack
            | Stage::Paused(_)
            | Stage::Succeeded
            | Stage::RolledBack { .. }
            | Stage::Abandoned { .. } => None,
        };
        let residue = match &deployment.stage {
            Stage::Succeeded => vec![],
            Stage::RolledBack { residue } | Stage::Abandoned { residue, .. } => residue.clone(),
            Stage::Requested
            | Stage::Running
            | Stage::RollingBack
            | Stage::Paused(_)
            | Stage::Parked(_) => deployment.residue(),
        };
        let name = |index: usize| deployment.plan.jobs[index].job.clone();
        Self {
            id: deployment.asked.id,
            action: deployment.asked.action.clone(),
            revision: deployment.plan.revision.get(),
            group: deployment.asked.group.clone(),
            stage: deployment.stage.word().to_owned(),
            direction: deployment.stage.direction(),
            reason,
            cures: cures(deployment),
            job: current.map(name),
            jobs: (0..deployment.plan.jobs.len())
                .filter_map(|index| JobView::of(deployment, index))
                .collect(),
            worker: deployment.claim.as_ref().map(|claim| claim.worker.clone()),
            next_ms: deployment.deferred_until_ms.or(deployment.not_before_ms),
            deadline_ms: deployment.deadline_ms,
            cause: deployment.cause.as_ref().map(|cause| cause.error.clone()),
            residue,
            errors_count: deployment.errors_count,
            last_error: deployment
                .errors
                .back()
                .map(|ErrorEntry { error, .. }| error.clone()),
            asked_ms: deployment.asked_ms,
            changed_ms: deployment.changed_ms,
        }
    }

    /// Whether it has not ended.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        self.direction.is_some()
    }

    /// How many jobs are done, or on the way back dealt with.
    #[must_use]
    pub fn jobs_settled(&self) -> usize {
        let is_settled = |job: &&JobView| match self.direction {
            Some(Direction::Backward) => {
                matches!(job.state, JobStage::Undone | JobStage::Skipped)
            }
            Some(Direction::Forward) | None => job.state == JobStage::Done,
        };
        self.jobs.iter().filter(is_settled).count()
    }
}

impl JobView {
    fn of(deployment: &Deployment, index: usize) -> Option<Self> {
        let (planned, job) = deployment.job(index)?;
        let open = deployment.open.filter(|open| open.at.index == index);
        let state = match (&job.undone, open.map(|open| open.at.phase)) {
            (Some(Undone::Done | Undone::Forced), _) => JobStage::Undone,
            (Some(Undone::Skipped(_)), _) => JobStage::Skipped,
            (None, Some(Phase::Rollback)) => JobStage::Undoing,
            (None, Some(Phase::Execute)) => JobStage::Running,
            (None, None) if job.output.is_some() => JobStage::Done,
            (None, None) if job.execute.started > 0 => JobStage::Begun,
            (None, None) => JobStage::Waiting,
        };
        let skipped = match &job.undone {
            Some(Undone::Skipped(why)) => Some(why.clone()),
            Some(Undone::Done | Undone::Forced) | None => None,
        };
        Some(Self {
            job: planned.job.clone(),
            state,
            attempts: job.execute.started,
            undo_attempts: job.undo.started,
            started_ms: job.started_ms,
            ended_ms: job.ended_ms,
            skipped,
            undo: planned.undo,
        })
    }
}

/// What helps a deployment that needs a person (spec 2.13).
fn cures(deployment: &Deployment) -> Vec<String> {
    let words = match &deployment.stage {
        Stage::Parked(parked) => parked.reason.cures(),
        Stage::Paused(_) => &["resume", "cancel"],
        Stage::Requested
        | Stage::Running
        | Stage::RollingBack
        | Stage::Succeeded
        | Stage::RolledBack { .. }
        | Stage::Abandoned { .. } => &[],
    };
    words.iter().map(|word| (*word).to_owned()).collect()
}
