//! Whether a directory may become a repo: what it is, how much it holds, and whether it is something we cannot record.
//!
//! Leaves to the caller who may ask, and which limits apply to which path.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use nogfso_ids::SubdirTracking;
use rustix::fs::FileType;
use rustix::io::Errno;

use crate::descent::{Below, DEPTH_MAX, Entered, Visitor, descend};
use crate::directory::{self, Place, Seen};
use crate::stub;
use crate::totals::HardLinks;

/// How much a directory may hold to be adopted. Zero is no limit; a value equal to the limit is allowed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Entries of the tree, directories and the start included.
    pub files_max: u64,
    /// Bytes of the distinct regular files of the tree.
    pub bytes_max: u64,
}

/// What a directory holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Survey {
    /// Entries of the tree, directories and the start included.
    pub files: u64,
    /// Bytes of the distinct regular files of the tree.
    pub bytes: u64,
}

/// Why a directory cannot be adopted as it is. The message is the reason that users see.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// It is missing, a symbolic link, or anything else but a directory.
    #[error("`{}` is not a directory", .0.display())]
    NotADirectory(PathBuf),
    /// It has too many entries.
    #[error("more than {files_max} files below `{}`", path.display())]
    TooManyFiles {
        /// The directory.
        path: PathBuf,
        /// The limit.
        files_max: u64,
    },
    /// It has too many bytes.
    #[error("`{}` contains more than {bytes_max} bytes", path.display())]
    TooManyBytes {
        /// The directory.
        path: PathBuf,
        /// The limit.
        bytes_max: u64,
    },
    /// Some of it cannot be read.
    #[error("failed to count files below `{}`: `{}`: {reason}", path.display(), below.display())]
    CountFailed {
        /// The directory.
        path: PathBuf,
        /// What cannot be read, relative to it.
        below: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// It is a git repo or holds one.
    #[error("`{}` is a git repository or holds one, which is not supported yet: `{}`", path.display(), git.display())]
    GitRepo {
        /// The directory.
        path: PathBuf,
        /// Its entry `.git`, relative to it.
        git: PathBuf,
    },
}

/// Why there is no survey.
#[derive(Debug, thiserror::Error)]
pub enum AdoptionError {
    /// The directory may not be adopted.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// The mode is not supported yet.
    #[error("subdir tracking {0} is not supported yet")]
    UnsupportedTracking(SubdirTracking),
    /// The caller cancelled.
    #[error("cancelled")]
    Cancelled,
}

/// Says whether `realdir` may become a repo in the mode `tracking`, and how much it holds.
///
/// Changes nothing. Stops counting as soon as a limit is exceeded. Symbolic links are not followed, not even at
/// `realdir` itself, and other file systems are not entered.
///
/// # Errors
///
/// Returns an [`AdoptionError`].
pub fn check(
    realdir: &Path,
    tracking: SubdirTracking,
    limits: Limits,
    threads: NonZeroUsize,
    cancel: &AtomicBool,
) -> Result<Survey, AdoptionError> {
    if !stub::is_supported(tracking) {
        return Err(AdoptionError::UnsupportedTracking(tracking));
    }
    let (handle, stat) = directory::open_start(realdir).map_err(|error| {
        let path = realdir.to_owned();
        match Errno::from_io_error(&error) {
            Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Denial::NotADirectory(path),
            _ => Denial::CountFailed {
                path,
                below: PathBuf::new(),
                reason: error.to_string(),
            },
        }
    })?;
    let count = Count {
        realdir,
        limits,
        device: stat.st_dev,
        cancel,
        files: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        hard_links: Mutex::default(),
    };
    count.take_files(1)?;
    descend(&count, threads, Place::start(Some(Arc::new(handle))), ())?;
    Ok(Survey {
        files: count.files.into_inner(),
        bytes: count.bytes.into_inner(),
    })
}

struct Count<'a> {
    realdir: &'a Path,
    limits: Limits,
    device: u64,
    cancel: &'a AtomicBool,
    files: AtomicU64,
    bytes: AtomicU64,
    hard_links: Mutex<HardLinks>,
}

impl Count<'_> {
    fn take_files(&self, more: u64) -> Result<(), Denial> {
        let files = self.files.fetch_add(more, Ordering::Relaxed) + more;
        let files_max = self.limits.files_max;
        if files_max > 0 && files > files_max {
            let path = self.realdir.to_owned();
            return Err(Denial::TooManyFiles { path, files_max });
        }
        Ok(())
    }

    fn take_bytes(&self, seen: Seen) -> Result<(), Denial> {
        let is_first = seen.link_count <= 1 || {
            let mut links = self
                .hard_links
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            links.is_first(seen.inode, seen.link_count)
        };
        if !is_first {
            return Ok(());
        }
        let before = self.bytes.fetch_add(seen.bytes, Ordering::Relaxed);
        let bytes_max = self.limits.bytes_max;
        if bytes_max > 0 && before.saturating_add(seen.bytes) > bytes_max {
            let path = self.realdir.to_owned();
            return Err(Denial::TooManyBytes { path, bytes_max });
        }
        Ok(())
    }

    fn failed(&self, below: PathBuf, reason: String) -> Denial {
        Denial::CountFailed {
            path: self.realdir.to_owned(),
            below,
            reason,
        }
    }
}

impl Visitor for Count<'_> {
    type Task = ();
    type Pending = ();
    type Outcome = ();
    type Worker = ();
    type Stop = AdoptionError;

    fn worker(&self) -> Result<(), AdoptionError> {
        Ok(())
    }

    fn enter(
        &self,
        _: &mut (),
        place: &Arc<Place>,
        (): (),
    ) -> Result<Entered<(), ()>, AdoptionError> {
        let failed = |name: &[u8], error: &std::io::Error| {
            self.failed(place.path_of(name), error.to_string())
        };
        let mut below = Vec::new();
        let (handle, _) = match place.open() {
            Ok(opened) => opened,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Entered { pending: (), below });
            }
            Err(error) => return Err(failed(b"", &error).into()),
        };
        for name in directory::list(&handle).map_err(|error| failed(b"", &error))? {
            if self.cancel.load(Ordering::Relaxed) {
                return Err(AdoptionError::Cancelled);
            }
            if name.as_c_str() == c".git" {
                let git = place.path_of(b".git");
                return Err(Denial::GitRepo {
                    path: self.realdir.to_owned(),
                    git,
                }
                .into());
            }
            let look = directory::look(&handle, &name);
            let Some(seen) = look.map_err(|error| failed(name.to_bytes(), &error))? else {
                continue;
            };
            self.take_files(1)?;
            if seen.kind == FileType::RegularFile {
                self.take_bytes(seen)?;
            } else if seen.kind == FileType::Directory && seen.device == self.device {
                if place.depth >= DEPTH_MAX {
                    let path = place.path_of(name.to_bytes());
                    return Err(self.failed(path, "it lies too deep".to_owned()).into());
                }
                below.push(Below {
                    name,
                    slot: 0,
                    task: (),
                });
            }
        }
        place.keep_open(handle, below.len());
        Ok(Entered { pending: (), below })
    }

    fn returned(&self, (): &mut (), _: usize, (): ()) {}

    fn leave(&self, (): &mut (), (): ()) -> Result<(), AdoptionError> {
        Ok(())
    }
}
