//! The lease of a process in a run: a claim in the journal and nothing else.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nogfso_journal::store::{By, ExecuteError, Store};
use nogfso_kernel::Position;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::deployment::{Deployment, DeploymentCommand, DeploymentRefusal, Deployments};
use crate::error::StopReason;
use crate::run::{Lease, LeaseError, LeaseNews};

/// Between two tries while the journal does not answer.
const AGAIN_PAUSE: Duration = Duration::from_millis(50);
/// How often a process looks for what others have appended.
const NEWS_PAUSE: Duration = Duration::from_secs(1);

/// What a process knows of its claim.
#[derive(Debug, Clone)]
struct Known {
    deployment: Option<Arc<Deployment>>,
    position: Position,
    is_lost: bool,
}

pub(super) struct ClaimLease {
    store: Arc<Store<Deployments>>,
    subject: String,
    actor: String,
    epoch: u64,
    known: watch::Sender<Known>,
}

/// Appends what follows from `command`, however long the journal does not answer.
pub(super) async fn execute(
    store: &Store<Deployments>,
    subject: &str,
    command: &DeploymentCommand,
    by: &By,
) -> Result<(Option<Arc<Deployment>>, Position), ExecuteError<Deployments>> {
    loop {
        match store.execute(subject, command, by).await {
            Ok(outcome) => {
                let position = outcome.after.position();
                return Ok((outcome.after.state, position));
            }
            Err(error) if error.is_transient() => sleep(AGAIN_PAUSE).await,
            Err(error) => return Err(error),
        }
    }
}

impl ClaimLease {
    pub(super) fn new(
        store: Arc<Store<Deployments>>,
        subject: String,
        actor: String,
        claimed: (Arc<Deployment>, Position),
    ) -> Self {
        let (deployment, position) = claimed;
        Self {
            store,
            subject,
            actor,
            epoch: deployment.epoch,
            known: watch::Sender::new(Known {
                deployment: Some(deployment),
                position,
                is_lost: false,
            }),
        }
    }

    /// Looks again and again for what others have appended. Never returns.
    pub(super) async fn watch_news(&self) {
        loop {
            sleep(NEWS_PAUSE).await;
            let position = self.known.borrow().position;
            if let Ok(loaded) = self.store.load(&self.subject, position).await {
                let position = loaded.position();
                self.learn(loaded.state, position);
            }
        }
    }

    fn learn(&self, deployment: Option<Arc<Deployment>>, position: Position) {
        self.known.send_if_modified(|known| {
            if position <= known.position {
                return false;
            }
            let claim = deployment.as_ref().and_then(|state| state.claim.as_ref());
            let is_held = claim.is_some_and(|claim| claim.epoch == self.epoch);
            let is_over = deployment
                .as_ref()
                .is_none_or(|state| !state.stage.is_live());
            *known = Known {
                deployment,
                position,
                is_lost: known.is_lost || !(is_held || is_over),
            };
            true
        });
    }

    fn lose(&self) {
        self.known.send_modify(|known| known.is_lost = true);
    }
}

#[async_trait]
impl Lease for ClaimLease {
    fn epoch(&self) -> u64 {
        self.epoch
    }

    fn deployment(&self) -> Option<Arc<Deployment>> {
        self.known.borrow().deployment.clone()
    }

    fn now_ms(&self) -> u64 {
        self.store.environment().now_ms()
    }

    fn must_stop(&self) -> Option<StopReason> {
        self.known.borrow().is_lost.then_some(StopReason::LeaseLost)
    }

    async fn append(&self, command: &DeploymentCommand) -> Result<Arc<Deployment>, LeaseError> {
        let by = By {
            at_least: self.known.borrow().position,
            epoch: Some(self.epoch),
            ..By::actor(self.actor.clone())
        };
        match execute(&self.store, &self.subject, command, &by).await {
            Ok((Some(deployment), position)) => {
                self.learn(Some(deployment.clone()), position);
                Ok(deployment)
            }
            Ok((None, _)) => Err(LeaseError::Failed {
                reason: "the deployment is not there".to_owned(),
            }),
            Err(ExecuteError::Refused(DeploymentRefusal::MovedOn { .. })) => {
                self.lose();
                Err(LeaseError::Lost)
            }
            Err(ExecuteError::Refused(refusal)) => Err(LeaseError::Refused(refusal)),
            Err(error) => Err(LeaseError::Failed {
                reason: error.to_string(),
            }),
        }
    }

    fn news(&self) -> Box<dyn LeaseNews> {
        Box::new(News(self.known.subscribe()))
    }
}

struct News(watch::Receiver<Known>);

#[async_trait]
impl LeaseNews for News {
    async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }
}
