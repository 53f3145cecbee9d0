//! Why a command is refused, and why a history is broken.

use crate::name::DeploymentId;

/// Why a command on a deployment was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeploymentRefusal {
    /// There is no such deployment.
    #[error("there is no such deployment")]
    Absent,
    /// The id is taken.
    #[error("the deployment {id} already exists{}", if *.same_request { "" } else { " and was asked for otherwise" })]
    AlreadyExists {
        /// The id.
        id: DeploymentId,
        /// Whether the same was asked for.
        same_request: bool,
    },
    /// The worker's epoch is not the present one.
    #[error("the claim of epoch {epoch} is void")]
    MovedOn {
        /// The epoch that is void.
        epoch: u64,
    },
    /// There is nothing for a worker to do.
    #[error("it is {stage}: nothing is to be worked on")]
    NothingDue {
        /// Where it stands.
        stage: &'static str,
    },
    /// The report is about an attempt that is not under way.
    #[error("no such attempt is under way")]
    NoSuchAttempt,
    /// The command does not fit where the deployment stands.
    #[error("it is {stage}; {needs}")]
    WrongStage {
        /// Where it stands.
        stage: &'static str,
        /// What the command needs.
        needs: &'static str,
    },
    /// A job that cannot be undone was started.
    #[error(
        "the job {job} was started, and it cannot be undone: wait, or park it and force the outcome"
    )]
    PastPivot {
        /// That job.
        job: String,
    },
    /// The command is about another job than the present one.
    #[error("the present job is {present}, not {given}")]
    OtherJob {
        /// Where it stands.
        present: String,
        /// What was given.
        given: String,
    },
    /// The new plan does not continue what was done.
    #[error("the new plan does not fit: job {index} was {was} and would be {would_be}")]
    PlanDoesNotFit {
        /// The first job that differs.
        index: usize,
        /// What was run.
        was: String,
        /// What the new plan has there.
        would_be: String,
    },
    /// A text that must be given is missing, or something is too large.
    #[error("{field}: {problem}")]
    Invalid {
        /// Which field.
        field: &'static str,
        /// What is wrong and what is allowed.
        problem: String,
    },
}

/// An event that cannot follow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the event {event} cannot follow: {reason}")]
pub struct BrokenDeployment {
    /// Its wire name.
    pub event: &'static str,
    /// Why.
    pub reason: &'static str,
}
