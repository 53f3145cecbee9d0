//! replicate: a repo that has begun is confirmed to its registry, and its shadow is requested (spec aggregates 7.4, design 4).

use async_trait::async_trait;
use nogfso_contract::subjects::{self, Named};
use nogfso_domain::registry::RegistryCommand;
use nogfso_domain::repo::{KnownRepo, RepoEvent};
use nogfso_domain::work::{Order, WorkCommand};
use nogfso_faults::{Point, reach};
use nogfso_ids::{Lane, RepoId, RequestId, UnixMillis};
use nogfso_journal::reaction::{ReactError, Reaction, Wake};
use nogfso_kernel::{EventId, Position};

use crate::stores::{Carry, because, failed, failed_on_lane};

const NAME: &str = "replicate";

pub(crate) struct Replicate {
    carry: Carry,
}

impl Replicate {
    pub(crate) fn new(carry: Carry) -> Self {
        Self { carry }
    }

    async fn confirm(&self, wake: &Wake, repo: &KnownRepo, id: RepoId) -> Result<(), ReactError> {
        let stores = &self.carry.stores;
        let subject = subjects::registry(&repo.registry);
        let registry = stores.registry.load(&subject, Position::START).await?;
        let listed = registry
            .state
            .known()
            .and_then(|registry| registry.repo(id));
        if listed.is_some_and(|listed| listed.confirmed()) {
            return Ok(());
        }
        let confirm = RegistryCommand::ConfirmRepo {
            repo_id: id,
            repo_event_id: self.first_event(wake).await?,
        };
        reach(Point::RegdConfirms);
        stores
            .registry
            .execute(&subject, &confirm, &because(wake))
            .await
            .map_err(failed)?;
        reach(Point::RegdConfirmed);
        Ok(())
    }

    async fn first_event(&self, wake: &Wake) -> Result<EventId, ReactError> {
        let history = self
            .carry
            .stores
            .repo
            .history(&wake.subject, Position::START)
            .await?;
        let first = history
            .first()
            .and_then(|commit| commit.envelope.events.first());
        match first {
            // The state was folded from it, so that it is there: this read lags.
            None => Err(ReactError::transient("the first commit does not show yet")),
            Some(stored) if matches!(stored.fact, RepoEvent::InitStarted { .. }) => Ok(stored.id),
            Some(_) => Err(ReactError::permanent(
                "the history does not begin with an init",
            )),
        }
    }

    async fn request_shadow(
        &self,
        wake: &Wake,
        repo: &KnownRepo,
        id: RepoId,
        request: RequestId,
    ) -> Result<(), ReactError> {
        let work = &self.carry.stores.work;
        let command = WorkCommand::Request {
            request,
            order: Order::Init {},
            author: repo.creator.clone(),
            at: UnixMillis(work.environment().now_ms()),
        };
        let subject = subjects::work(&repo.registry, &repo.file_host, Lane::Main, id);
        work.execute(&subject, &command, &because(wake))
            .await
            .map_err(failed_on_lane)?;
        reach(Point::RegdRequested);
        Ok(())
    }
}

#[async_trait]
impl Reaction for Replicate {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn react(&self, wake: &Wake) -> Result<Position, ReactError> {
        let Some(Named::Repo(_, id)) = subjects::parse(&wake.subject) else {
            return Err(ReactError::permanent("not the subject of a repo"));
        };
        reach(Point::RegdReplicateWoken);
        let loaded = self
            .carry
            .stores
            .repo
            .load(&wake.subject, wake.position)
            .await?;
        if let Some(repo) = loaded.state.known() {
            self.confirm(wake, repo, id).await?;
            if let Some(request) = repo.init_request() {
                self.request_shadow(wake, repo, id, request).await?;
            }
        }
        Ok(loaded.position())
    }
}
