//! How much of a directory tree a repo tracks.

use serde::{Deserialize, Serialize};

/// Says what a repo records of its subdirectories (spec stad 8.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SubdirTracking {
    /// The full tree.
    EnterSubdirs,
    /// The top level, and one summary for each subdirectory.
    BundleSubdirs,
    /// The top level only.
    IgnoreSubdirs,
    /// A small fixed set of files; safe for huge trees.
    IgnoreMost,
}

impl SubdirTracking {
    /// The name that operators type.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EnterSubdirs => "enter-subdirs",
            Self::BundleSubdirs => "bundle-subdirs",
            Self::IgnoreSubdirs => "ignore-subdirs",
            Self::IgnoreMost => "ignore-most",
        }
    }
}

impl std::fmt::Display for SubdirTracking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
