//! The facts of an id.

use nogfso_ids::RegistryName;
use nogfso_kernel::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A fact about an id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub enum ReservationEvent {
    /// The id was given away.
    #[serde(rename = "EV_FSO_ID_RESERVED")]
    Reserved {
        /// What it may be the id of.
        kind: IdKind,
        /// Where.
        registry: RegistryName,
    },
}

/// What an id can be given to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IdKind {
    /// A repo.
    Repo,
}

impl Event for ReservationEvent {
    const NAMES: &'static [&'static str] = &["EV_FSO_ID_RESERVED"];

    fn name(&self) -> &'static str {
        match self {
            Self::Reserved { .. } => "EV_FSO_ID_RESERVED",
        }
    }
}
