//! repoinit: a repo that its registry accepted gets a history of its own (spec aggregates 7.3).

use async_trait::async_trait;
use nogfso_contract::subjects;
use nogfso_domain::registry::{KnownRegistry, RegisteredRepo};
use nogfso_domain::repo::RepoCommand;
use nogfso_faults::{Point, reach};
use nogfso_journal::reaction::{ReactError, Reaction, Wake};
use nogfso_kernel::Position;

use crate::stores::{Carry, because, failed};

const NAME: &str = "repoinit";

pub(crate) struct RepoInit {
    carry: Carry,
}

impl RepoInit {
    pub(crate) fn new(carry: Carry) -> Self {
        Self { carry }
    }

    async fn begin(
        &self,
        wake: &Wake,
        registry: &KnownRegistry,
        repo: &RegisteredRepo,
    ) -> Result<(), ReactError> {
        let init = RepoCommand::Init {
            registry: registry.name().clone(),
            global_path: repo.global_path.clone(),
            creator: repo.creator.clone(),
            file_host: repo.file_host.clone(),
            host_path: repo.host_path.clone(),
            subdir_tracking: repo.subdir_tracking,
            cause: repo.accepted_by,
        };
        let subject = subjects::repo(registry.name(), repo.id);
        reach(Point::RegdRepoInitAppends);
        self.carry
            .stores
            .repo
            .execute(&subject, &init, &because(wake))
            .await
            .map_err(failed)?;
        reach(Point::RegdRepoInitAppended);
        Ok(())
    }
}

#[async_trait]
impl Reaction for RepoInit {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn react(&self, wake: &Wake) -> Result<Position, ReactError> {
        reach(Point::RegdRepoInitWoken);
        let loaded = self
            .carry
            .stores
            .registry
            .load(&wake.subject, wake.position)
            .await?;
        if let Some(registry) = loaded.state.known() {
            for repo in registry.pending() {
                let item = repo.id.to_string();
                self.carry
                    .item(NAME, wake, &item, self.begin(wake, registry, repo))
                    .await?;
            }
        }
        Ok(loaded.position())
    }
}
