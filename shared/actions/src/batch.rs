//! One command on many deployments: listed first, then given at a pace (spec 2.13).

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use nogfso_journal::log::From;
use nogfso_kernel::Position;
use tokio::time::{Instant, sleep_until};

use crate::client::{Client, ClientError};
use crate::deployment::{Deployment, Operation};
use crate::layout::STREAMS;
use crate::name::DeploymentId;

/// A command on all deployments that a filter lets through.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The command.
    pub operation: Operation,
    /// By whose word.
    pub by: String,
    /// How many deployments a second are commanded.
    pub per_second: NonZeroU32,
    /// Only says which ones it would be.
    pub is_dry_run: bool,
}

/// What a batch came to for one deployment.
#[derive(Debug)]
pub struct BatchAnswer {
    /// Which.
    pub deployment: DeploymentId,
    /// What became of it: absent in a dry run.
    pub done: Option<Result<(), ClientError>>,
}

impl Client {
    /// All deployments that a filter lets through, oldest last change first within a stream.
    ///
    /// Reads the last commit of every deployment that is in the journal and loads each: for persons, not for loops.
    ///
    /// # Errors
    ///
    /// Fails if the journal cannot be read. A deployment that cannot be folded is left out, and is in the log.
    pub async fn find(
        &self,
        is_wanted: impl Fn(&Deployment) -> bool,
    ) -> Result<Vec<Arc<Deployment>>, ClientError> {
        let mut found = vec![];
        let log = self.store().log();
        for stream in 0..STREAMS {
            let name = self.layout().streams[stream].name;
            for filter in self.layout().filters(stream) {
                let Some(last) = log.find_last(name, &filter).await? else {
                    continue;
                };
                let mut each = log.follow(name, &filter, From::LastOfEachSubject).await?;
                while let Some(stored) = each.next().await {
                    let stored = stored?;
                    match self.store().load(&stored.subject, Position::START).await {
                        Ok(loaded) => found.extend(loaded.state.filter(|state| is_wanted(state))),
                        Err(error) if error.is_transient() => return Err(error.into()),
                        Err(error) => {
                            tracing::error!(subject = stored.subject, %error, "is held");
                        }
                    }
                    if stored.position >= last.position {
                        break;
                    }
                }
            }
        }
        Ok(found)
    }

    /// All deployments that have not ended, in both directions, paused and parked ones too (spec 1.14, Q14).
    ///
    /// # Errors
    ///
    /// As for [`find`](Self::find).
    pub async fn unfinished(&self) -> Result<Vec<Arc<Deployment>>, ClientError> {
        self.find(|deployment| !deployment.stage.is_terminal())
            .await
    }

    /// Gives the command of `batch` to all deployments that `is_wanted` lets through, one after the other. What is refused or
    /// fails for one is said and stops none of the others.
    ///
    /// # Errors
    ///
    /// Fails if they cannot be listed.
    pub async fn operate_all(
        &self,
        batch: &Batch,
        is_wanted: impl Fn(&Deployment) -> bool,
    ) -> Result<Vec<BatchAnswer>, ClientError> {
        let found = self.find(is_wanted).await?;
        let pause = Duration::from_secs(1) / batch.per_second.get();
        let mut next = Instant::now();
        let mut answers = vec![];
        for deployment in found {
            let deployment = deployment.asked.id;
            let done = match batch.is_dry_run {
                true => None,
                false => {
                    sleep_until(next).await;
                    next = Instant::now() + pause;
                    let operation = batch.operation.clone();
                    let done = self.operate(deployment, &batch.by, operation).await;
                    Some(done.map(drop))
                }
            };
            answers.push(BatchAnswer { deployment, done });
        }
        Ok(answers)
    }
}
