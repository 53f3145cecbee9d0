//! Questions to a file host.

use nogfso_ids::{GlobalPath, HostPath, SubdirTracking};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The verb of [`MayInit`].
pub const MAY_INIT: &str = "may-init";

/// Asks whether a directory may become a repo (spec stad 8.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MayInit {
    /// The repo to be.
    pub global_path: GlobalPath,
    /// Its directory.
    pub host_path: HostPath,
    /// What it is to record of its subdirectories.
    pub subdir_tracking: SubdirTracking,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum MayInitReply {
    /// It may.
    Allowed {
        /// Entries that were counted, the directory itself included; 0 if there was no need to count.
        files: u64,
        /// Bytes that were counted.
        bytes: u64,
    },
    /// It may not.
    Denied {
        /// Why, for a person.
        reason: String,
    },
}
