//! Questions about registries, roots and lists of repos.

use nogfso_ids::{GlobalPath, Host, HostPath, RegistryName, RepoId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Page, call};

/// Asks which registries there are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetRegistries {}

/// The registries, in the order in which they were accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Registries {
    /// The name of main.
    pub main: String,
    /// The version of main.
    pub vid: String,
    /// The registries.
    pub registries: Vec<ListedRegistry>,
}

/// A registry in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListedRegistry {
    /// Its name.
    pub name: RegistryName,
    /// Whether it is ready.
    pub confirmed: bool,
}

call!(
    GetRegistries,
    "fso.get.registries",
    "Lists the registries.",
    Registries
);

/// Asks about one registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetRegistry {
    /// The registry.
    pub registry: RegistryName,
}

/// A registry in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RegistryInfo {
    /// Its name.
    pub registry: RegistryName,
    /// Its version.
    pub vid: String,
    /// How many roots it has.
    pub num_roots: u64,
    /// How many repos it has, those included that are not ready yet.
    pub num_repos: u64,
}

call!(
    GetRegistry,
    "fso.get.registry",
    "Tells about a registry.",
    RegistryInfo
);

/// Asks for the roots of a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetRoots {
    /// The registry.
    pub registry: RegistryName,
}

/// The roots, ordered by path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RootList {
    /// The registry.
    pub registry: RegistryName,
    /// Its version.
    pub vid: String,
    /// The roots.
    pub roots: Vec<RootInfo>,
}

/// A root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RootInfo {
    /// The global path.
    pub global_root: GlobalPath,
    /// The file host.
    pub host: Host,
    /// The directory on that host.
    pub host_root: HostPath,
    /// Where GitLab projects of its repos are made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gitlab_namespace: Option<String>,
}

call!(
    GetRoots,
    "fso.get.roots",
    "Lists the roots of a registry.",
    RootList
);

/// Asks about one root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetRoot {
    /// The registry.
    pub registry: RegistryName,
    /// The root.
    pub global_root: GlobalPath,
}

/// A root with its registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RootFound {
    /// The registry.
    pub registry: RegistryName,
    /// Its version.
    pub registry_vid: String,
    /// The root.
    pub root: RootInfo,
}

call!(GetRoot, "fso.get.root", "Tells about a root.", RootFound);

/// Asks for repos, all or those at or below a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetRepos {
    /// The registry.
    pub registry: RegistryName,
    /// Only those at or below this path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub global_path_prefix: Option<GlobalPath>,
    /// Only those after this one: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<GlobalPath>,
    /// How many at most.
    #[serde(default)]
    pub limit: Page,
}

/// A page of repos, ordered by path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RepoList {
    /// The registry.
    pub registry: RegistryName,
    /// Its version.
    pub vid: String,
    /// The repos.
    pub repos: Vec<ListedRepo>,
    /// Where the next page begins; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<GlobalPath>,
}

/// A repo in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListedRepo {
    /// The repo.
    pub id: RepoId,
    /// Where it is.
    pub global_path: GlobalPath,
    /// Whether its own history has begun.
    pub confirmed: bool,
}

call!(GetRepos, "fso.get.repos", "Lists repos.", RepoList);
