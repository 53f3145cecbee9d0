//! Commands on registries and their roots.

use nogfso_ids::{CommandId, GlobalPath, Host, HostPath, RegistryName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{VidArg, Wait, call};

/// Begins a registry. Harmless when repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InitRegistry {
    /// Its name.
    pub name: RegistryName,
    /// The version that main must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vid: Option<VidArg>,
    /// Names this command, so that its outcome can be asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
    /// How long to wait for the registry to be ready; 5 s if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Wait>,
}

/// The registry was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RegistryAccepted {
    /// Its name.
    pub registry: RegistryName,
    /// The version of main.
    pub main_vid: String,
    /// Whether it is ready. If not, it will be soon.
    pub confirmed: bool,
}

call!(
    InitRegistry,
    "fso.cmd.registry.init",
    "Begins a registry.",
    RegistryAccepted
);

/// Adds a root: a directory of a host that appears under a global path. Harmless when repeated with the same values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InitRoot {
    /// The registry.
    pub registry: RegistryName,
    /// The global path.
    pub global_root: GlobalPath,
    /// The file host.
    pub host: Host,
    /// The directory on that host; the global path if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_root: Option<HostPath>,
    /// Where GitLab projects of its repos are to be made: `host/group`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gitlab_namespace: Option<String>,
    /// The version that the registry must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vid: Option<VidArg>,
    /// Names this command, so that its outcome can be asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
}

/// The root is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RootReady {
    /// The registry.
    pub registry: RegistryName,
    /// Its version.
    pub registry_vid: String,
    /// The root.
    pub global_root: GlobalPath,
}

call!(
    InitRoot,
    "fso.cmd.root.init",
    "Adds a root to a registry.",
    RootReady
);
