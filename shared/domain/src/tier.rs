//! The storage tiers of a repo. What leads from one to another, the registry and the repo decide.

use serde::{Deserialize, Serialize};

/// Where the files of a repo are, and what happens to them (spec aggregates 3.10).
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
pub enum StorageTier {
    /// Not known yet: the repo is not confirmed.
    #[default]
    #[serde(rename = "ST_UNSPECIFIED")]
    Unspecified,
    /// Writable on the file host.
    #[serde(rename = "ST_ONLINE")]
    Online,
    /// Immutable on the file host.
    #[serde(rename = "ST_FROZEN")]
    Frozen,
    /// In the archive only.
    #[serde(rename = "ST_ARCHIVED")]
    Archived,
    /// Being made immutable.
    #[serde(rename = "ST_FREEZING")]
    Freezing,
    /// Not made immutable, or in part.
    #[serde(rename = "ST_FREEZE_FAILED")]
    FreezeFailed,
    /// Being made writable.
    #[serde(rename = "ST_UNFREEZING")]
    Unfreezing,
    /// Not made writable, or in part.
    #[serde(rename = "ST_UNFREEZE_FAILED")]
    UnfreezeFailed,
    /// Being moved to the archive.
    #[serde(rename = "ST_ARCHIVING")]
    Archiving,
    /// Not moved to the archive, or in part.
    #[serde(rename = "ST_ARCHIVE_FAILED")]
    ArchiveFailed,
    /// Being restored from the archive.
    #[serde(rename = "ST_UNARCHIVING")]
    Unarchiving,
    /// Not restored from the archive, or in part.
    #[serde(rename = "ST_UNARCHIVE_FAILED")]
    UnarchiveFailed,
}

impl StorageTier {
    /// The name that operators read.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "ST_UNSPECIFIED",
            Self::Online => "ST_ONLINE",
            Self::Frozen => "ST_FROZEN",
            Self::Archived => "ST_ARCHIVED",
            Self::Freezing => "ST_FREEZING",
            Self::FreezeFailed => "ST_FREEZE_FAILED",
            Self::Unfreezing => "ST_UNFREEZING",
            Self::UnfreezeFailed => "ST_UNFREEZE_FAILED",
            Self::Archiving => "ST_ARCHIVING",
            Self::ArchiveFailed => "ST_ARCHIVE_FAILED",
            Self::Unarchiving => "ST_UNARCHIVING",
            Self::UnarchiveFailed => "ST_UNARCHIVE_FAILED",
        }
    }
}

impl std::fmt::Display for StorageTier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_has_one_name_in_print_and_on_the_wire() {
        for tier in [
            StorageTier::Unspecified,
            StorageTier::Online,
            StorageTier::Frozen,
            StorageTier::Archived,
            StorageTier::Freezing,
            StorageTier::FreezeFailed,
            StorageTier::Unfreezing,
            StorageTier::UnfreezeFailed,
            StorageTier::Archiving,
            StorageTier::ArchiveFailed,
            StorageTier::Unarchiving,
            StorageTier::UnarchiveFailed,
        ] {
            let wire = serde_json::to_value(tier).unwrap();
            assert_eq!(wire, tier.to_string());
        }
    }
}
