//! Commands on registries and roots.

use std::time::Duration;

use nogfso_contract::command::{InitRegistry, InitRoot, RegistryAccepted, RootReady};
use nogfso_contract::{Failure, subjects};
use nogfso_domain::main_list::{MainList, MainListCommand, MainListRefusal};
use nogfso_domain::registry::{GitlabNamespace, Registry, RegistryCommand, RegistryRefusal};
use nogfso_ids::{HostPath, RegistryName};
use nogfso_journal::ExecuteError;
use nogfso_journal::store::{By, Outcome};
use nogfso_kernel::{Position, Vid};

use super::by;
use crate::Gateway;
use crate::caller::Caller;
use crate::refusal;
use crate::routes::Handle;

/// How long a caller who says nothing waits for a new registry.
const READY_PATIENCE: Duration = Duration::from_secs(5);
const MAIN_NAME: &str = "main";

impl Handle for InitRegistry {
    async fn handle(self, gateway: &Gateway, caller: &Caller) -> Result<RegistryAccepted, Failure> {
        let by = by(caller, &self, self.vid, self.command_id.as_ref())?;
        let outcome = gateway.accept_registry(&self.name, &by).await?;
        let patience = self.wait.map_or(READY_PATIENCE, |wait| wait.duration());
        let confirmed_at = gateway.confirmed_at(&self.name, patience).await;
        // The version that a repeat will find, if nothing else happens in between.
        let main_vid = confirmed_at.unwrap_or(outcome.after.vid);
        Ok(RegistryAccepted {
            registry: self.name,
            main_vid: main_vid.to_string(),
            confirmed: confirmed_at.is_some(),
        })
    }
}

impl Handle for InitRoot {
    async fn handle(self, gateway: &Gateway, caller: &Caller) -> Result<RootReady, Failure> {
        let by = by(caller, &self, self.vid, self.command_id.as_ref())?;
        let host_root = match self.host_root {
            Some(host_root) => host_root,
            None => HostPath::parse(self.global_root.as_str())
                .map_err(|error| Failure::field("host_root", error))?,
        };
        let gitlab_namespace = match &self.gitlab_namespace {
            Some(namespace) => Some(
                GitlabNamespace::parse(namespace)
                    .map_err(|error| Failure::field("gitlab_namespace", error))?,
            ),
            None => None,
        };
        let command = RegistryCommand::InitRoot {
            global_root: self.global_root.clone(),
            host: self.host,
            host_root,
            gitlab_namespace,
        };
        let outcome = gateway
            .on_registry(&self.registry, &command, &by)
            .await
            .map_err(refusal::execute)?;
        Ok(RootReady {
            registry: self.registry,
            registry_vid: outcome.after.vid.to_string(),
            global_root: self.global_root,
        })
    }
}

impl Gateway {
    async fn accept_registry(
        &self,
        name: &RegistryName,
        by: &By,
    ) -> Result<Outcome<MainList>, Failure> {
        let command = MainListCommand::InitRegistry { name: name.clone() };
        match self.stores.main.execute(subjects::MAIN, &command, by).await {
            Err(ExecuteError::Refused(MainListRefusal::Uninitialized)) => {
                let main = RegistryName::parse(MAIN_NAME)
                    .map_err(|error| Failure::field("name", error))?;
                let begin = MainListCommand::Init { name: main };
                let begun = self
                    .stores
                    .main
                    .execute(subjects::MAIN, &begin, &By::actor("svc:gateway"))
                    .await;
                begun.map_err(refusal::execute)?;
                self.stores
                    .main
                    .execute(subjects::MAIN, &command, by)
                    .await
                    .map_err(refusal::execute)
            }
            answer => answer.map_err(refusal::execute),
        }
    }

    /// Whether main is seen to say, now or within `patience`, that the registry is ready. Not an error if it cannot be seen:
    /// what was accepted stays so.
    async fn confirmed_at(&self, name: &RegistryName, patience: Duration) -> Option<Vid> {
        let mut waiting = self.watch.wait(subjects::MAIN, patience).ok()?;
        loop {
            match self.stores.main.load(subjects::MAIN, waiting.least()).await {
                Ok(main) => {
                    let listed = main.state.known().and_then(|main| main.registry(name));
                    if listed.is_some_and(|listed| listed.confirmed) {
                        return Some(main.vid);
                    }
                }
                Err(error) if error.is_transient() => {}
                Err(error) => {
                    tracing::error!(%error, "main cannot be loaded");
                    return None;
                }
            }
            if !waiting.next().await {
                return None;
            }
        }
    }

    /// Carries out a command on a registry. One that main has accepted and that is not there yet is waited for a little.
    pub(super) async fn on_registry(
        &self,
        name: &RegistryName,
        command: &RegistryCommand,
        by: &By,
    ) -> Result<Outcome<Registry>, ExecuteError<Registry>> {
        let subject = subjects::registry(name);
        let first = self.stores.registry.execute(&subject, command, by).await;
        let Err(ExecuteError::Refused(RegistryRefusal::Uninitialized)) = first else {
            return first;
        };
        let main = self
            .stores
            .main
            .load(subjects::MAIN, Position::START)
            .await?;
        let accepted = main
            .state
            .known()
            .is_some_and(|main| main.registry(name).is_some());
        if accepted && self.confirmed_at(name, READY_PATIENCE).await.is_some() {
            return self.stores.registry.execute(&subject, command, by).await;
        }
        first
    }
}
