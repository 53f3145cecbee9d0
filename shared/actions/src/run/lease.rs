//! What a runner is lent by its host for as long as it holds a deployment (design 6).

use std::sync::Arc;

use async_trait::async_trait;
use nogfso_claims::{Held, HoldError, Host, News};

use crate::deployment::{Deployment, DeploymentCommand, DeploymentRefusal, Deployments};
use crate::error::StopReason;

/// Why a runner could not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    /// Somebody else works on the deployment: nothing more may be touched.
    #[error("the lease is lost")]
    Lost,
    /// The journal does not answer, or the process is to end; the lease may still be the runner's own.
    #[error("the runner was told to stop")]
    Stopped,
    /// The deployment refused.
    #[error(transparent)]
    Refused(#[from] DeploymentRefusal),
    /// The journal will not answer, however often it is asked.
    #[error("the journal failed: {reason}")]
    Failed {
        /// What was seen.
        reason: String,
    },
}

/// The right to work on one deployment: an epoch, the way to write under it, and a signal that it is lost.
#[async_trait]
pub trait Lease: Send + Sync {
    /// The epoch; nobody else has it.
    fn epoch(&self) -> u64;
    /// The newest known state; absent if there is no such deployment.
    fn deployment(&self) -> Option<Arc<Deployment>>;
    /// Milliseconds since the Unix epoch.
    fn now_ms(&self) -> u64;
    /// Why the runner is to stop, if it is: [`StopReason::LeaseLost`] or [`StopReason::Draining`].
    fn must_stop(&self) -> Option<StopReason>;
    /// Appends what follows from `command`, which names the epoch. Tries again while the journal does not answer.
    ///
    /// # Errors
    ///
    /// See [`LeaseError`].
    async fn append(&self, command: &DeploymentCommand) -> Result<Arc<Deployment>, LeaseError>;
    /// News of the state and of reasons to stop, from now on.
    fn news(&self) -> Box<dyn LeaseNews>;
}

/// Waits for news. Nothing that comes between two waits is missed.
#[async_trait]
pub trait LeaseNews: Send {
    /// Waits until there is something new.
    async fn changed(&mut self);
}

/// The lease of a host that claims the deployment itself.
pub(crate) struct HeldLease<'a, H: Host<Aggregate = Deployments>>(pub(crate) &'a Held<H>);

#[async_trait]
impl<H: Host<Aggregate = Deployments>> Lease for HeldLease<'_, H> {
    fn epoch(&self) -> u64 {
        self.0.epoch()
    }

    fn deployment(&self) -> Option<Arc<Deployment>> {
        self.0.state()
    }

    fn now_ms(&self) -> u64 {
        self.0.now_ms()
    }

    fn must_stop(&self) -> Option<StopReason> {
        let standing = self.0.standing();
        if standing.moved_on || standing.silent {
            Some(StopReason::LeaseLost)
        } else {
            standing.draining.then_some(StopReason::Draining)
        }
    }

    async fn append(&self, command: &DeploymentCommand) -> Result<Arc<Deployment>, LeaseError> {
        match self.0.append(command).await {
            Ok(outcome) => outcome.after.state.ok_or_else(vanished),
            Err(HoldError::MovedOn) => Err(LeaseError::Lost),
            Err(HoldError::Stopped) => Err(LeaseError::Stopped),
            Err(HoldError::Refused(refusal)) => Err(LeaseError::Refused(refusal)),
            Err(HoldError::Failed { reason }) => Err(LeaseError::Failed { reason }),
        }
    }

    fn news(&self) -> Box<dyn LeaseNews> {
        Box::new(HeldNews(self.0.news()))
    }
}

struct HeldNews(News<Deployments>);

#[async_trait]
impl LeaseNews for HeldNews {
    async fn changed(&mut self) {
        self.0.changed().await;
    }
}

fn vanished() -> LeaseError {
    LeaseError::Failed {
        reason: "the deployment is not there".to_owned(),
    }
}
