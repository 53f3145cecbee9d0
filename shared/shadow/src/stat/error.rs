//! Why a stat changed nothing.

use std::io;
use std::path::PathBuf;

use crate::odb::OdbError;
use crate::refs::RefError;

/// Why a stat failed. The stat branch is then as it was.
#[derive(Debug, thiserror::Error)]
pub enum StatError {
    /// There is no stat branch: not a shadow, or not a complete one.
    #[error("`{}` is not a shadow repo: it has no branch master-stat", shadow.display())]
    NoBranch {
        /// The path that should be a shadow.
        shadow: PathBuf,
    },
    /// The shadow is in another mode than enter-subdirs.
    #[error("subdir tracking other than enter-subdirs is not supported yet")]
    UnsupportedTracking,
    /// The realdir does not exist. Needs a confirmation to be recorded.
    #[error("realdir `{}` is missing", .0.display())]
    Missing(PathBuf),
    /// The realdir is a symbolic link or anything else but a directory. Needs a confirmation to be recorded as missing.
    #[error("realdir `{}` is not a directory", .0.display())]
    NotADirectory(PathBuf),
    /// The realdir lies on another device than before, as if a disk was not mounted. Needs a confirmation.
    #[error("realdir `{}` lies on device {found}, not {recorded} as before", path.display())]
    OtherDevice {
        /// The realdir.
        path: PathBuf,
        /// The device number of the last stat.
        recorded: u64,
        /// The device number now.
        found: u64,
    },
    /// The realdir is empty, its record is not. Needs a confirmation to be recorded.
    #[error("realdir `{}` is empty, but was not before", .0.display())]
    Emptied(PathBuf),
    /// The realdir itself, or what is needed to read below it, is not accessible.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// What was read.
        path: PathBuf,
        /// How it failed.
        #[source]
        source: io::Error,
    },
    /// The shadow could not be written, or its own files not be read.
    #[error("failed to write the shadow")]
    Write(#[source] io::Error),
    /// What the shadow has recorded could not be read.
    #[error(transparent)]
    Odb(#[from] OdbError),
    /// The stat branch could not be read or moved.
    #[error(transparent)]
    Ref(#[from] RefError),
    /// The caller cancelled.
    #[error("cancelled")]
    Cancelled,
}

impl StatError {
    /// Whether the same request succeeds if the loss is confirmed.
    #[must_use]
    pub fn needs_confirmation(&self) -> bool {
        match self {
            Self::Missing(_)
            | Self::NotADirectory(_)
            | Self::OtherDevice { .. }
            | Self::Emptied(_) => true,
            Self::NoBranch { .. }
            | Self::UnsupportedTracking
            | Self::Read { .. }
            | Self::Write(_)
            | Self::Odb(_)
            | Self::Ref(_)
            | Self::Cancelled => false,
        }
    }
}
