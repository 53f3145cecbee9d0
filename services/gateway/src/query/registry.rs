//! Questions about registries, roots and lists of repos.

use nogfso_contract::query::{
    GetRegistries, GetRegistry, GetRepos, GetRoot, GetRoots, ListedRegistry, ListedRepo,
    Registries, RegistryInfo, RepoList, RootFound, RootInfo, RootList,
};
use nogfso_contract::{Code, Failure, subjects};
use nogfso_domain::registry::Root;
use nogfso_kernel::Position;

use crate::Gateway;
use crate::caller::Caller;
use crate::refusal;
use crate::routes::Handle;

impl Handle for GetRegistries {
    async fn handle(self, gateway: &Gateway, _: &Caller) -> Result<Registries, Failure> {
        let main = gateway
            .stores
            .main
            .load(subjects::MAIN, Position::START)
            .await
            .map_err(refusal::load)?;
        let listed = main.state.registries();
        Ok(Registries {
            main: main
                .state
                .known()
                .map_or_else(String::new, |main| main.name().to_string()),
            vid: main.vid.to_string(),
            registries: listed
                .map(|registry| ListedRegistry {
                    name: registry.name.clone(),
                    confirmed: registry.confirmed,
                })
                .collect(),
        })
    }
}

impl Handle for GetRegistry {
    async fn handle(self, gateway: &Gateway, _: &Caller) -> Result<RegistryInfo, Failure> {
        let (loaded, registry) = gateway.stores.known_registry(&self.registry).await?;
        Ok(RegistryInfo {
            registry: self.registry,
            vid: loaded.vid.to_string(),
            num_roots: registry.root_count() as u64,
            num_repos: registry.repo_count() as u64,
        })
    }
}

impl Handle for GetRoots {
    async fn handle(self, gateway: &Gateway, _: &Caller) -> Result<RootList, Failure> {
        let (loaded, registry) = gateway.stores.known_registry(&self.registry).await?;
        Ok(RootList {
            registry: self.registry,
            vid: loaded.vid.to_string(),
            roots: registry.roots().map(root_info).collect(),
        })
    }
}

impl Handle for GetRoot {
    async fn handle(self, gateway: &Gateway, _: &Caller) -> Result<RootFound, Failure> {
        let (loaded, registry) = gateway.stores.known_registry(&self.registry).await?;
        match registry.root(&self.global_root) {
            Some(root) => Ok(RootFound {
                registry: self.registry,
                registry_vid: loaded.vid.to_string(),
                root: root_info(root),
            }),
            None => Err(Failure {
                code: Code::NotFound,
                ..Failure::field("global_root", format!("unknown root {}", self.global_root))
            }),
        }
    }
}

impl Handle for GetRepos {
    async fn handle(self, gateway: &Gateway, _: &Caller) -> Result<RepoList, Failure> {
        let (loaded, registry) = gateway.stores.known_registry(&self.registry).await?;
        let rows = self.limit.rows();
        let page = registry.repos(
            self.global_path_prefix.as_ref(),
            self.after.as_ref(),
            rows + 1,
        );
        let mut repos: Vec<ListedRepo> = page
            .map(|repo| ListedRepo {
                id: repo.id,
                global_path: repo.global_path.clone(),
                confirmed: repo.confirmed(),
            })
            .collect();
        let more = repos.len() > rows;
        repos.truncate(rows);
        let next = repos
            .last()
            .filter(|_| more)
            .map(|repo| repo.global_path.clone());
        Ok(RepoList {
            registry: self.registry,
            vid: loaded.vid.to_string(),
            repos,
            next,
        })
    }
}

fn root_info(root: &Root) -> RootInfo {
    RootInfo {
        global_root: root.global_root.clone(),
        host: root.host.clone(),
        host_root: root.host_root.clone(),
        gitlab_namespace: root
            .gitlab_namespace
            .as_ref()
            .map(|namespace| namespace.as_str().to_owned()),
    }
}
