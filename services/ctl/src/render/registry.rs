//! Registries, roots and lists of repos.

use nogfso_contract::command::{RegistryAccepted, RepoAccepted, RootReady};
use nogfso_contract::query::{Registries, RegistryInfo, RepoList, RootFound, RootList};

use super::{Fields, Look, Render, yes_or_no};

impl Render for RegistryAccepted {
    fn text(&self, _: &Look) -> String {
        Fields::default()
            .with("registry", &self.registry)
            .with("mainVid", &self.main_vid)
            .with("confirmed", self.confirmed)
            .0
    }
}

impl Render for RootReady {
    fn text(&self, _: &Look) -> String {
        Fields::default()
            .with("registry", &self.registry)
            .with("registryVid", &self.registry_vid)
            .with("globalRoot", &self.global_root)
            .0
    }
}

impl Render for RepoAccepted {
    fn text(&self, _: &Look) -> String {
        Fields::default()
            .with("registry", &self.registry)
            .with("registryVid", &self.registry_vid)
            .with("repo", self.repo)
            .with_some("shadow", self.shadow.as_ref())
            .0
    }
}

impl Render for RegistryInfo {
    fn text(&self, _: &Look) -> String {
        Fields::default()
            .with("registry", &self.registry)
            .with("vid", &self.vid)
            .with("numRoots", self.num_roots)
            .with("numRepos", self.num_repos)
            .0
    }
}

impl Render for Registries {
    fn text(&self, _: &Look) -> String {
        let rows = self.registries.iter();
        let rows = rows.map(|row| [row.name.to_string(), yes_or_no(row.confirmed)]);
        Fields::default()
            .with("main", &self.main)
            .with("vid", &self.vid)
            .with_table("registries", ["NAME", "CONFIRMED"], rows.collect())
    }
}

impl Render for RootFound {
    fn text(&self, _: &Look) -> String {
        Fields::default()
            .with("registry", &self.registry)
            .with("registryVid", &self.registry_vid)
            .with("globalRoot", &self.root.global_root)
            .with("host", &self.root.host)
            .with("hostRoot", &self.root.host_root)
            .with_some("gitlabNamespace", self.root.gitlab_namespace.as_ref())
            .0
    }
}

impl Render for RootList {
    fn text(&self, _: &Look) -> String {
        let rows = self.roots.iter().map(|root| {
            [
                root.global_root.to_string(),
                root.host.to_string(),
                root.host_root.to_string(),
                root.gitlab_namespace.clone().unwrap_or_default(),
            ]
        });
        Fields::default()
            .with("registry", &self.registry)
            .with("vid", &self.vid)
            .with_table(
                "roots",
                ["GLOBAL ROOT", "HOST", "HOST ROOT", "GITLAB"],
                rows.collect(),
            )
    }
}

impl Render for RepoList {
    fn text(&self, _: &Look) -> String {
        let rows = self.repos.iter().map(|repo| {
            [
                repo.id.to_string(),
                yes_or_no(repo.confirmed),
                repo.global_path.to_string(),
            ]
        });
        Fields::default()
            .with("registry", &self.registry)
            .with("vid", &self.vid)
            .with_table("repos", ["ID", "CONFIRMED", "GLOBAL PATH"], rows.collect())
    }
}
