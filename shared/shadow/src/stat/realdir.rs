//! The real directory as a whole: whether it is the one that was recorded, and whether it may be recorded.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::IFlags;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::{StatError, StatRequest};
use crate::{directory, durable};

/// The value of `attrs` for a directory with the immutable attribute.
pub(super) const IMMUTABLE: &str = "i";
/// Where we keep which directory was recorded. A shadow made by `git-fso` has none until its first change.
const IDENTITY_FILE: &str = "fso/realdir.json";

/// What stands at the path of the realdir.
pub(super) enum Realdir {
    Missing,
    NotADirectory,
    Open(OpenRealdir),
}

/// A realdir that can be walked.
pub(super) struct OpenRealdir {
    pub(super) handle: Arc<OwnedFd>,
    pub(super) mtime: i64,
    pub(super) attrs: &'static str,
    identity: Identity,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Realdir {
    pub(super) fn open(path: &Path) -> Result<Self, StatError> {
        let failed = |source| StatError::Read {
            path: path.to_owned(),
            source,
        };
        let (handle, stat) = match directory::open_start(path) {
            Ok(opened) => opened,
            Err(error) => {
                return match Errno::from_io_error(&error) {
                    Some(Errno::NOENT) => Ok(Self::Missing),
                    Some(Errno::NOTDIR | Errno::LOOP) => Ok(Self::NotADirectory),
                    _ => Err(failed(error)),
                };
            }
        };
        Ok(Self::Open(OpenRealdir {
            attrs: attributes(&handle).map_err(failed)?,
            handle: Arc::new(handle),
            mtime: stat.st_mtime,
            identity: Identity {
                device: stat.st_dev,
                inode: stat.st_ino,
            },
        }))
    }

    pub(super) fn is_missing_or_immutable(&self) -> bool {
        match self {
            Self::Missing | Self::NotADirectory => true,
            Self::Open(open) => open.attrs == IMMUTABLE,
        }
    }

    /// Refuses a realdir that looks lost; `None` if it is missing and that was confirmed.
    pub(super) fn accept(
        self,
        request: &StatRequest<'_>,
        git_dir: &Path,
        has_paths: bool,
    ) -> Result<Option<OpenRealdir>, StatError> {
        let path = || request.realdir.to_owned();
        match self {
            Self::Missing | Self::NotADirectory if request.confirm_emptied => Ok(None),
            Self::Missing => Err(StatError::Missing(path())),
            Self::NotADirectory => Err(StatError::NotADirectory(path())),
            Self::Open(open) if request.confirm_emptied => Ok(Some(open)),
            Self::Open(open) => {
                let recorded = Identity::load(git_dir).map_err(StatError::Write)?;
                let found = open.identity.device;
                if let Some(recorded) = recorded.map(|r| r.device).filter(|&device| device != found)
                {
                    return Err(StatError::OtherDevice {
                        path: path(),
                        recorded,
                        found,
                    });
                }
                let failed = |source| StatError::Read {
                    path: path(),
                    source,
                };
                if has_paths && directory::is_empty(&open.handle).map_err(failed)? {
                    return Err(StatError::Emptied(path()));
                }
                Ok(Some(open))
            }
        }
    }
}

impl OpenRealdir {
    pub(super) fn device(&self) -> u64 {
        self.identity.device
    }

    /// Notes which directory was recorded. To be called after the branch has moved: the other way round, a run that
    /// dies between could make the next one take an emptied directory for the right one.
    pub(super) fn remember(&self, git_dir: &Path) -> io::Result<()> {
        if Identity::load(git_dir)? == Some(self.identity) {
            return Ok(());
        }
        let text = serde_json::to_vec(&self.identity).map_err(io::Error::other)?;
        durable::replace(&git_dir.join(IDENTITY_FILE), &text)
    }
}

impl Identity {
    /// A file that cannot be parsed counts as absent: it only guards against mistakes.
    fn load(git_dir: &Path) -> io::Result<Option<Self>> {
        match std::fs::read(git_dir.join(IDENTITY_FILE)) {
            Ok(text) => Ok(serde_json::from_slice(&text).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn attributes(handle: &OwnedFd) -> io::Result<&'static str> {
    match rustix::fs::ioctl_getflags(handle) {
        Ok(flags) if flags.contains(IFlags::IMMUTABLE) => Ok(IMMUTABLE),
        // What file systems without attributes say.
        Ok(_) | Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(""),
        Err(error) => Err(error.into()),
    }
}
