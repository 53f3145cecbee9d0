//! The deployment: one run of an action, as an aggregate (spec 2.1 to 2.5, 2.11 to 2.14).
//!
//! A person or a program requests it; one worker at a time claims it and reports how attempts end; persons cancel, pause,
//! force and abandon. What follows from a report is decided here, purely, and stored with it in one commit. Running the
//! code of jobs is left to the runner.

mod attempts;
mod command;
mod decide;
mod error;
mod event;
mod evolve;
mod fact;
mod log;
mod next;
mod operate;
mod retry;
mod state;
mod steer;

pub use crate::cause::{CauseKind, RollbackCause};
pub use command::{Claiming, DeploymentCommand, Failed, Operation, Report, WorkerView};
pub use error::{BrokenDeployment, DeploymentRefusal};
pub use event::{DeploymentEvent, is_trigger};
pub use fact::{
    AfterFailure, Asked, AttemptRef, BlobRef, Class, Direction, Forced, Forked, ParkReason,
    SkipReason, Stored,
};
pub use log::error_entry;
pub use next::{DEADLINE_EXCEEDED, EXECUTION_STOPPED, Next, next};
pub use retry::is_last_attempt;
pub use state::{
    Attempts, Claim, DATA_PER_JOB_MAX, Deployment, ERRORS_KEPT_MAX, EVENTS_MAX, ErrorEntry, Intent,
    JobRecord, Open, Owed, Parked, PauseIntent, ROLLBACK_EVENTS_MAX, Stage, Undone,
};

use std::sync::Arc;

use nogfso_kernel::{Aggregate, Position, Recorded};

/// The kind `action`.
#[derive(Debug)]
pub struct Deployments;

impl Aggregate for Deployments {
    const KIND: &'static str = "action";

    type State = Option<Arc<Deployment>>;
    type Event = DeploymentEvent;
    type Command = DeploymentCommand;
    type Refusal = DeploymentRefusal;
    type Broken = BrokenDeployment;

    fn decide(
        state: &Option<Arc<Deployment>>,
        command: &DeploymentCommand,
        now_ms: u64,
    ) -> Result<Vec<DeploymentEvent>, DeploymentRefusal> {
        decide::decide(state.as_deref(), command, now_ms)
    }

    fn evolve(
        state: Option<Arc<Deployment>>,
        recorded: &Recorded<DeploymentEvent>,
    ) -> Result<Option<Arc<Deployment>>, BrokenDeployment> {
        let (event, at_ms) = (&recorded.event, recorded.id.time_ms());
        match state {
            None => Ok(evolve::evolve(None, event, at_ms)?.map(Arc::new)),
            Some(mut deployment) => {
                evolve::evolve_in_place(Arc::make_mut(&mut deployment), event, at_ms)?;
                Ok(Some(deployment))
            }
        }
    }

    fn committed(
        state: Option<Arc<Deployment>>,
        events: &[Recorded<DeploymentEvent>],
        at: Position,
    ) -> Option<Arc<Deployment>> {
        state.map(|mut deployment| {
            evolve::committed(Arc::make_mut(&mut deployment), events, at);
            deployment
        })
    }
}

#[cfg(test)]
mod tests;
