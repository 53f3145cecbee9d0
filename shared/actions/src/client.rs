//! Starting deployments, waiting for them, and what persons do with them.

use std::sync::Arc;
use std::time::Duration;

use nogfso_journal::log::{READ_MESSAGES_MAX, ReadFault};
use nogfso_journal::store::{By, ExecuteError, LoadError, Loaded, Store};
use nogfso_kernel::{Expected, Position, Vid};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::deployment::{
    Asked, Deployment, DeploymentCommand, DeploymentRefusal, Deployments, ErrorEntry, Forced,
    Forked, Operation, Stage, Stored, error_entry,
};
use crate::error::{ErrorView, JobError};
use crate::handle::Handle;
use crate::job::Payload;
use crate::layout::Layout;
use crate::name::{ActionRef, DeploymentId, JobName};
use crate::plan::Plan;
use crate::registry::{ActionKey, Catalogue, LookupError};
use crate::run::Values;
use crate::value::UNENCODABLE;
use crate::waiting::Waiting;

/// What may be said about a deployment when it is started.
#[derive(Debug, Clone, Default)]
pub struct StartOptions {
    /// Its id; a fresh one if absent. Starting again with the same id and request is the same deployment.
    pub id: Option<DeploymentId>,
    /// A label that deployments may share.
    pub group: Option<String>,
    /// How long after its start it is rolled back unless it is done.
    pub deadline: Option<Duration>,
    /// When the first job may start, in ms since the Unix epoch.
    pub not_before_ms: Option<u64>,
    /// More labels.
    pub labels: Vec<(String, String)>,
    /// Who starts it; `client` if absent.
    pub by: Option<String>,
}

/// Why a deployment was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No action of that name is known here, or it takes no such input.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The id is taken by a deployment that was asked for otherwise.
    #[error("the deployment {id} exists, and was asked for otherwise")]
    AlreadyExists {
        /// The id.
        id: DeploymentId,
    },
    /// The input cannot be written.
    #[error("the input cannot be stored: {0}")]
    Input(ErrorView),
    /// The journal did not take it.
    #[error(transparent)]
    Journal(#[from] Box<ExecuteError<Deployments>>),
}

/// Why a question about a deployment, or a command on one, has no good answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no such deployment.
    #[error("there is no deployment {0}")]
    Absent(DeploymentId),
    /// It was refused.
    #[error(transparent)]
    Refused(DeploymentRefusal),
    /// The output is not what was expected.
    #[error("the output does not fit: {0}")]
    OutputMismatch(String),
    /// The journal did not answer.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The journal did not take it.
    #[error(transparent)]
    Journal(Box<ExecuteError<Deployments>>),
    /// The journal cannot be followed.
    #[error(transparent)]
    Read(#[from] ReadFault),
}

/// Starts deployments and commands them.
#[derive(Clone)]
pub struct Client {
    store: Arc<Store<Deployments>>,
    layout: Arc<Layout>,
    catalogue: Arc<dyn Catalogue>,
    values: Values,
    waiting: Arc<Waiting>,
}

impl Client {
    pub(crate) fn store(&self) -> &Store<Deployments> {
        &self.store
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(crate) fn values(&self) -> &Values {
        &self.values
    }

    pub(crate) fn waiting(&self) -> &Waiting {
        &self.waiting
    }

    pub(crate) fn new(
        store: Arc<Store<Deployments>>,
        layout: Arc<Layout>,
        catalogue: Arc<dyn Catalogue>,
        values: Values,
        waiting: Arc<Waiting>,
    ) -> Self {
        Self {
            store,
            layout,
            catalogue,
            values,
            waiting,
        }
    }

    /// Starts a deployment of a registered action; stored when this returns.
    ///
    /// # Errors
    ///
    /// See [`StartError`].
    pub async fn start<I: Payload, O: Payload>(
        &self,
        action: &ActionKey<I, O>,
        input: &I,
        options: StartOptions,
    ) -> Result<Handle<O>, StartError> {
        let input = serde_json::to_value(input)
            .map_err(|error| StartError::Input(ErrorView::new(UNENCODABLE, error.to_string())))?;
        let action = action.action();
        let plan = self.catalogue.plan_for_start(action)?.clone();
        let id = self.request(action, plan, input, options).await?;
        Ok(self.handle(id))
    }

    /// Starts a deployment by name. The input is checked against the type that the action takes before anything is stored.
    ///
    /// # Errors
    ///
    /// See [`StartError`].
    pub async fn start_named(
        &self,
        action: &ActionRef,
        input: Value,
        options: StartOptions,
    ) -> Result<Handle<Value>, StartError> {
        let plan = self.catalogue.plan_for_named(action, &input)?.clone();
        let id = self.request(action, plan, input, options).await?;
        Ok(self.handle(id))
    }

    /// A handle on a deployment that exists.
    ///
    /// # Errors
    ///
    /// Fails if there is none of that id.
    pub async fn attach<O: Payload>(&self, id: DeploymentId) -> Result<Handle<O>, ClientError> {
        self.deployment(id).await?;
        Ok(self.handle(id))
    }

    /// The state of a deployment.
    ///
    /// # Errors
    ///
    /// Fails if there is none of that id.
    pub async fn deployment(&self, id: DeploymentId) -> Result<Arc<Deployment>, ClientError> {
        let loaded = self.loaded(id, Position::START).await?;
        loaded.state.ok_or(ClientError::Absent(id))
    }

    /// The error log of a deployment, or of one of its jobs, oldest first (spec 2.14).
    ///
    /// # Errors
    ///
    /// Fails if there is none of that id.
    pub async fn errors(
        &self,
        id: DeploymentId,
        job: Option<&JobName>,
    ) -> Result<Vec<ErrorEntry>, ClientError> {
        let deployment = self.deployment(id).await?;
        let subject = self.layout.subject(id);
        let mut after = Position::START;
        let mut entries = vec![];
        loop {
            let page = self.store.history(&subject, after).await?;
            for commit in &page {
                after = commit.position;
                for recorded in commit.recorded() {
                    let at_ms = recorded.id.time_ms();
                    entries.extend(error_entry(&deployment.plan, &recorded.event, at_ms));
                }
            }
            if page.len() < READ_MESSAGES_MAX {
                break;
            }
        }
        entries.retain(|entry| job.is_none() || entry.job.as_ref() == job);
        Ok(entries)
    }

    /// Has a person's word carried out. Repeating it is harmless.
    ///
    /// # Errors
    ///
    /// Says why it was refused.
    pub async fn operate(
        &self,
        id: DeploymentId,
        by: &str,
        operation: Operation,
    ) -> Result<Arc<Deployment>, ClientError> {
        if let Operation::Force {
            job,
            outcome:
                Forced::Succeeded {
                    output: Stored::Inline(output),
                },
            ..
        } = &operation
        {
            let deployment = self.deployment(id).await?;
            let action = &deployment.asked.action;
            let checked =
                self.catalogue
                    .check_output(action, deployment.plan.revision, job, output);
            checked.map_err(ClientError::OutputMismatch)?;
        }
        let command = DeploymentCommand::Operate {
            by: by.to_owned(),
            operation,
        };
        let subject = self.layout.subject(id);
        let outcome = self
            .store
            .execute(&subject, &command, &By::actor(by))
            .await
            .map_err(|error| match error {
                ExecuteError::Refused(DeploymentRefusal::Absent) => ClientError::Absent(id),
                ExecuteError::Refused(refusal) => ClientError::Refused(refusal),
                other @ (ExecuteError::VersionConflict { .. }
                | ExecuteError::Busy
                | ExecuteError::Unavailable { .. }
                | ExecuteError::Unknown { .. }
                | ExecuteError::Rejected { .. }
                | ExecuteError::Load(_)) => ClientError::Journal(Box::new(other)),
            })?;
        outcome.after.state.ok_or(ClientError::Absent(id))
    }

    /// Starts a deployment that begins at the job `from` of another one, which must have ended or be parked, with the results
    /// that its earlier jobs had. It has keys of its own; what the source left behind stays the source's.
    ///
    /// # Errors
    ///
    /// Fails if an earlier job has no result, or the new id is taken.
    pub async fn fork(
        &self,
        id: DeploymentId,
        from: &JobName,
        by: &str,
    ) -> Result<Handle<Value>, ClientError> {
        let source = self.deployment(id).await?;
        let is_at_rest = source.stage.is_terminal() || matches!(source.stage, Stage::Parked(_));
        let refuse = |needs| {
            ClientError::Refused(DeploymentRefusal::WrongStage {
                stage: source.stage.word(),
                needs,
            })
        };
        if !is_at_rest {
            return Err(refuse("only what has ended or is parked can be forked"));
        }
        let index = source.plan.index_of(from);
        let index = index.ok_or_else(|| refuse("the plan has no such job"))?;
        let outputs: Option<Vec<Stored>> = source
            .jobs
            .iter()
            .take(index)
            .map(|job| job.output.clone())
            .collect();
        let outputs = outputs.ok_or_else(|| refuse("an earlier job has no result"))?;
        let new_id = self.fresh_id();
        let asked = Asked {
            id: new_id,
            plan: (*source.plan).clone(),
            not_before_ms: None,
            deadline_ms: None,
            request_digest: format!("fork of {id} as {new_id}"),
            forked: Some(Forked {
                from: id,
                outputs,
                by: by.to_owned(),
            }),
            ..(*source.asked).clone()
        };
        self.store_request(asked, by)
            .await
            .map_err(|error| match error {
                StartError::Journal(error) => ClientError::Journal(error),
                StartError::AlreadyExists { .. } | StartError::Lookup(_) | StartError::Input(_) => {
                    ClientError::Absent(new_id)
                }
            })?;
        Ok(self.handle(new_id))
    }

    async fn request(
        &self,
        action: &ActionRef,
        plan: Plan,
        input: Value,
        options: StartOptions,
    ) -> Result<DeploymentId, StartError> {
        let request_digest = digest(action, &plan, &input, &options);
        let input = self.values.store(input, None).await;
        let input = input.map_err(|error: JobError| StartError::Input(error.view().clone()))?;
        let deadline_ms = options.deadline.map_or(plan.deadline_ms, |deadline| {
            u64::try_from(deadline.as_millis()).ok()
        });
        let now_ms = self.store.environment().now_ms();
        let asked = Asked {
            id: options.id.unwrap_or_else(|| self.fresh_id()),
            action: action.clone(),
            plan,
            input,
            group: options.group,
            labels: options.labels,
            not_before_ms: options.not_before_ms,
            deadline_ms: deadline_ms.map(|deadline| now_ms.saturating_add(deadline)),
            request_digest,
            forked: None,
        };
        let by = options.by.as_deref().unwrap_or("client");
        self.store_request(asked, by).await
    }

    async fn store_request(&self, asked: Asked, by: &str) -> Result<DeploymentId, StartError> {
        let id = asked.id;
        let subject = self.layout.subject(id);
        let command = DeploymentCommand::Request(Arc::new(asked));
        let new = By {
            expected: Expected::Exactly(Vid::EPOCH),
            ..By::actor(by)
        };
        let stored = match self.store.execute(&subject, &command, &new).await {
            // There is one of that id: it may be the same.
            Err(ExecuteError::VersionConflict { .. }) => {
                let again = By::actor(by);
                self.store.execute(&subject, &command, &again).await
            }
            stored => stored,
        };
        match stored {
            Ok(_) => Ok(id),
            Err(ExecuteError::Refused(DeploymentRefusal::AlreadyExists { id, .. })) => {
                Err(StartError::AlreadyExists { id })
            }
            Err(error) => Err(StartError::Journal(Box::new(error))),
        }
    }

    async fn loaded(
        &self,
        id: DeploymentId,
        at_least: Position,
    ) -> Result<Loaded<Deployments>, ClientError> {
        let subject = self.layout.subject(id);
        Ok(self.store.load(&subject, at_least).await?)
    }

    fn handle<O>(&self, id: DeploymentId) -> Handle<O> {
        Handle::new(id, self.clone())
    }

    fn fresh_id(&self) -> DeploymentId {
        let random = self.store.environment().fresh().random();
        let time = u128::from(self.store.environment().now_ms());
        // The random part first: the first digit spreads deployments over the streams.
        DeploymentId(uuid::Uuid::from_u128((random << 48) ^ time))
    }
}

/// What tells a request from another one with the same id.
fn digest(action: &ActionRef, plan: &Plan, input: &Value, options: &StartOptions) -> String {
    let mut digest = Sha256::new();
    digest.update(format!("{action}\n{}\n{input}\n", plan.revision));
    digest.update(format!("{:?}\n{:?}\n", options.group, options.labels));
    digest.update(format!(
        "{:?}\n{:?}",
        options.deadline, options.not_before_ms
    ));
    digest.finalize()[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
