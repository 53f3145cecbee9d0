//! Waiting for a deployment, in whichever process it runs.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use nogfso_kernel::Position;
use tokio::time::sleep;

use crate::client::{Client, ClientError};
use crate::deployment::{CauseKind, Deployment, Operation, RollbackCause, Stage};
use crate::error::ErrorView;
use crate::job::Payload;
use crate::layout::Layout;
use crate::name::{DeploymentId, JobName};

/// How often a waiter looks by itself, in case a reader missed something.
const LOOK_PAUSE: Duration = Duration::from_secs(10);

/// How a deployment ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome<Out> {
    /// All jobs are done.
    Succeeded(Out),
    /// What could be undone is undone.
    RolledBack {
        /// Why.
        cause: RollbackCause,
        /// The jobs that may have left something behind.
        residue: Vec<JobName>,
    },
    /// A person ended it without undo.
    Abandoned {
        /// Who.
        by: String,
        /// The jobs that may have left something behind.
        residue: Vec<JobName>,
    },
}

/// A deployment that was started. Dropping it stops nothing.
pub struct Handle<Out> {
    id: DeploymentId,
    client: Client,
    output: PhantomData<fn() -> Out>,
}

impl<Out> Handle<Out> {
    pub(crate) fn new(id: DeploymentId, client: Client) -> Self {
        let output = PhantomData;
        Self { id, client, output }
    }
}

impl<Out: Payload> Handle<Out> {
    /// The deployment.
    #[must_use]
    pub fn id(&self) -> DeploymentId {
        self.id
    }

    /// Waits until the deployment ends. One that is parked or paused has not ended.
    ///
    /// # Errors
    ///
    /// Fails if the output is not what was expected, or the journal cannot be read.
    pub async fn outcome(&self) -> Result<Outcome<Out>, ClientError> {
        let ended = self.ended(|stage| stage.is_terminal()).await?;
        match &ended.stage {
            Stage::Succeeded => {
                let last = ended.plan.jobs.len() - 1;
                let (stored, _) = ended.output_of(last).ok_or(ClientError::Absent(self.id))?;
                let output = self.client.values().load(stored).await;
                let output = output
                    .map_err(|error| ClientError::OutputMismatch(error.view().to_string()))?;
                let output = serde_json::from_value(output)
                    .map_err(|error| ClientError::OutputMismatch(error.to_string()))?;
                Ok(Outcome::Succeeded(output))
            }
            Stage::RolledBack { residue } => Ok(Outcome::RolledBack {
                cause: ended.cause.as_deref().cloned().unwrap_or_else(no_cause),
                residue: residue.clone(),
            }),
            Stage::Abandoned { by, residue, .. } => Ok(Outcome::Abandoned {
                by: by.clone(),
                residue: residue.clone(),
            }),
            Stage::Requested
            | Stage::Running
            | Stage::RollingBack
            | Stage::Paused(_)
            | Stage::Parked(_) => unreachable!("it has ended"),
        }
    }

    /// Waits until the deployment ends or needs a person, and returns its state.
    ///
    /// # Errors
    ///
    /// Fails if the journal cannot be read.
    pub async fn settled(&self) -> Result<Arc<Deployment>, ClientError> {
        self.ended(|stage| !stage.is_live()).await
    }

    /// Has it rolled back.
    ///
    /// # Errors
    ///
    /// Says why that was refused.
    pub async fn cancel(&self, by: &str, reason: &str) -> Result<(), ClientError> {
        let operation = Operation::Cancel {
            reason: reason.to_owned(),
        };
        self.client.operate(self.id, by, operation).await.map(drop)
    }

    async fn ended(
        &self,
        is_over: impl Fn(&Stage) -> bool,
    ) -> Result<Arc<Deployment>, ClientError> {
        let store = self.client.store();
        let subject = self.client.layout().subject(self.id);
        let mut watching = store.watch(&subject).await;
        let mut kept = None;
        loop {
            let state = watching.borrow_and_update().state.clone();
            if let Some(state) = state.filter(|state| is_over(&state.stage)) {
                return Ok(state);
            }
            // What this process commits itself shows at once; what others do is read.
            let stream = Layout::stream_of(self.id);
            tokio::select! {
                biased;
                changed = watching.changed() => if changed.is_err() {
                    watching = store.watch(&subject).await;
                },
                reader = self.client.waiting().keep(stream), if kept.is_none() => {
                    kept = Some(reader);
                    self.look(&subject).await?;
                }
                () = sleep(LOOK_PAUSE), if kept.is_some() => self.look(&subject).await?,
            }
        }
    }

    /// Loads what the leader has. Whoever waits for a deployment waits for the server, too.
    async fn look(&self, subject: &str) -> Result<(), ClientError> {
        let store = self.client.store();
        let last = match store.log().leader_last(subject).await {
            Ok(last) => last,
            Err(fault) if fault.is_transient() => return Ok(()),
            Err(fault) => return Err(fault.into()),
        };
        let least = last.map_or(Position::START, |last| last.position);
        match store.load(subject, least).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_transient() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn no_cause() -> RollbackCause {
    RollbackCause {
        kind: CauseKind::Operator,
        job: None,
        error: ErrorView::new("unknown", "no cause is recorded"),
    }
}
