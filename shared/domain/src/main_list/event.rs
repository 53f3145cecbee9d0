//! The facts of the main list.

use nogfso_ids::RegistryName;
use nogfso_kernel::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A fact about the main list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub enum MainListEvent {
    /// The list was begun.
    #[serde(rename = "EV_FSO_MAIN_INITIALIZED")]
    Initialized {
        /// Its name.
        main_name: RegistryName,
    },
    /// A registry is to be.
    #[serde(rename = "EV_FSO_REGISTRY_ACCEPTED")]
    RegistryAccepted {
        /// Its name.
        registry_name: RegistryName,
    },
    /// A registry has begun a history of its own.
    #[serde(rename = "EV_FSO_REGISTRY_CONFIRMED")]
    RegistryConfirmed {
        /// Its name.
        registry_name: RegistryName,
    },
}

impl Event for MainListEvent {
    const NAMES: &'static [&'static str] = &[
        "EV_FSO_MAIN_INITIALIZED",
        "EV_FSO_REGISTRY_ACCEPTED",
        "EV_FSO_REGISTRY_CONFIRMED",
    ];

    fn name(&self) -> &'static str {
        match self {
            Self::Initialized { .. } => "EV_FSO_MAIN_INITIALIZED",
            Self::RegistryAccepted { .. } => "EV_FSO_REGISTRY_ACCEPTED",
            Self::RegistryConfirmed { .. } => "EV_FSO_REGISTRY_CONFIRMED",
        }
    }
}
