//! Directories of a walk, opened relative to each other, so that a rename cannot lead the walk elsewhere.
//!
//! Never follows a symbolic link. Keeps a bounded number of directories open; one that was closed meanwhile is opened
//! again from above and must still be the same.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, Stat};

/// How many directories one walk keeps open beyond those that its threads work on.
const OPEN_DIRECTORIES_MAX: usize = 128;

/// Large enough that most directories take one call.
const LISTING_BUFFER_BYTES: usize = 64 * 1024;

/// A directory below, or at, the start of a walk.
pub(crate) struct Place {
    above: Option<Arc<Place>>,
    name: CString,
    /// How many directories lie between this one and the start; 0 for the start itself.
    pub(crate) depth: usize,
    identity: OnceLock<(u64, u64)>,
    handle: Mutex<Option<Arc<OwnedFd>>>,
    to_be_opened: AtomicUsize,
    walk_open: Arc<AtomicUsize>,
}

impl Place {
    /// The start of a walk: an open directory, or nothing if only records are visited.
    pub(crate) fn start(handle: Option<Arc<OwnedFd>>) -> Arc<Self> {
        Arc::new(Self {
            above: None,
            name: CString::default(),
            depth: 0,
            identity: OnceLock::new(),
            handle: Mutex::new(handle),
            to_be_opened: AtomicUsize::new(0),
            walk_open: Arc::default(),
        })
    }

    /// The place `name` in this directory.
    pub(crate) fn below(self: &Arc<Self>, name: CString) -> Arc<Self> {
        Arc::new(Self {
            above: Some(Arc::clone(self)),
            name,
            depth: self.depth + 1,
            identity: OnceLock::new(),
            handle: Mutex::default(),
            to_be_opened: AtomicUsize::new(0),
            walk_open: Arc::clone(&self.walk_open),
        })
    }

    pub(crate) fn name(&self) -> &CStr {
        &self.name
    }

    /// The path from the start to `name` in this directory; to the directory itself if `name` is empty.
    pub(crate) fn path_of(&self, name: &[u8]) -> PathBuf {
        let mut parts = vec![name];
        let mut at = self;
        while let Some(above) = &at.above {
            parts.push(at.name.as_bytes());
            at = above;
        }
        parts
            .iter()
            .rev()
            .filter(|part| !part.is_empty())
            .map(|part| OsStr::from_bytes(part))
            .collect()
    }

    /// Opens the directory for reading. To be called once for each place that [`Place::keep_open`] was told of.
    pub(crate) fn open(&self) -> io::Result<(Arc<OwnedFd>, Stat)> {
        let Some(above) = &self.above else {
            let start = self.lock_handle().clone().ok_or(io::ErrorKind::NotFound)?;
            let stat = rustix::fs::fstat(&start)?;
            return Ok((start, stat));
        };
        let opened = above
            .reach()
            .and_then(|parent| open_directory(&parent, &self.name));
        if above.to_be_opened.fetch_sub(1, Ordering::AcqRel) == 1 {
            above.close();
        }
        let (handle, stat) = opened?;
        self.identity.get_or_init(|| (stat.st_dev, stat.st_ino));
        Ok((Arc::new(handle), stat))
    }

    /// Says that `below_count` directories are still to be opened from here.
    pub(crate) fn keep_open(&self, handle: Arc<OwnedFd>, below_count: usize) {
        self.to_be_opened.store(below_count, Ordering::Release);
        if below_count == 0 || self.above.is_none() {
            return;
        }
        if self.walk_open.fetch_add(1, Ordering::AcqRel) < OPEN_DIRECTORIES_MAX {
            *self.lock_handle() = Some(handle);
        } else {
            self.walk_open.fetch_sub(1, Ordering::AcqRel);
        }
    }

    fn close(&self) {
        if self.above.is_some() && self.lock_handle().take().is_some() {
            self.walk_open.fetch_sub(1, Ordering::AcqRel);
        }
    }

    fn reach(self: &Arc<Self>) -> io::Result<Arc<OwnedFd>> {
        let mut closed = Vec::new();
        let mut at = self;
        let mut handle = loop {
            if let Some(handle) = at.lock_handle().clone() {
                break handle;
            }
            closed.push(at);
            at = at.above.as_ref().ok_or(io::ErrorKind::NotFound)?;
        };
        for place in closed.into_iter().rev() {
            let (reopened, stat) = open_directory(&handle, &place.name)?;
            if place.identity.get() != Some(&(stat.st_dev, stat.st_ino)) {
                return Err(io::ErrorKind::NotFound.into());
            }
            handle = Arc::new(reopened);
        }
        Ok(handle)
    }

    fn lock_handle(&self) -> std::sync::MutexGuard<'_, Option<Arc<OwnedFd>>> {
        self.handle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.close();
    }
}

const DIRECTORY_FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Opens the directory a walk starts at. A symbolic link at the last component is not followed.
///
/// # Errors
///
/// Returns the I/O error; `NotADirectory` also for a symbolic link.
pub(crate) fn open_start(path: &Path) -> io::Result<(OwnedFd, Stat)> {
    let handle = rustix::fs::open(path, DIRECTORY_FLAGS, Mode::empty())?;
    let stat = rustix::fs::fstat(&handle)?;
    Ok((handle, stat))
}

fn open_directory(parent: &OwnedFd, name: &CStr) -> io::Result<(OwnedFd, Stat)> {
    let handle = rustix::fs::openat(parent, name, DIRECTORY_FLAGS, Mode::empty())?;
    let stat = rustix::fs::fstat(&handle)?;
    Ok((handle, stat))
}

/// Lists the names in a directory that was just opened, in no particular order, without `.` and `..`.
///
/// # Errors
///
/// Returns the I/O error; what was read before it is of no use.
pub(crate) fn list(handle: &OwnedFd) -> io::Result<Vec<CString>> {
    let mut buffer: Vec<u8> = Vec::with_capacity(LISTING_BUFFER_BYTES);
    let mut entries = RawDir::new(handle, buffer.spare_capacity_mut());
    let mut names = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// Whether a directory holds nothing.
///
/// # Errors
///
/// Returns the I/O error.
pub(crate) fn is_empty(handle: &OwnedFd) -> io::Result<bool> {
    let (again, _) = open_directory(handle, c".")?;
    Ok(list(&again)?.is_empty())
}

/// What is known of an entry of a directory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) kind: FileType,
    pub(crate) bytes: u64,
    pub(crate) mtime: i64,
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) link_count: u64,
}

/// Looks at an entry without following or opening it; `None` if it is gone.
///
/// # Errors
///
/// Returns any other I/O error.
pub(crate) fn look(parent: &OwnedFd, name: &CStr) -> io::Result<Option<Seen>> {
    match rustix::fs::statat(
        parent,
        name,
        AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT,
    ) {
        Ok(stat) => Ok(Some(Seen::of(&stat))),
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl Seen {
    pub(crate) fn of(stat: &Stat) -> Self {
        Self {
            kind: FileType::from_raw_mode(stat.st_mode),
            bytes: u64::try_from(stat.st_size).unwrap_or(0),
            mtime: stat.st_mtime,
            device: stat.st_dev,
            inode: stat.st_ino,
            link_count: stat.st_nlink,
        }
    }
}

/// Whether opening failed because the process or the machine is short of something, and not the directory unreadable.
pub(crate) fn is_shortage(error: &io::Error) -> bool {
    use rustix::io::Errno;
    Errno::from_io_error(error)
        .is_some_and(|errno| matches!(errno, Errno::MFILE | Errno::NFILE | Errno::NOMEM))
}
