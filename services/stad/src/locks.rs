//! Locks on the host itself: `<shadow root>/.nogfso/locks/<repo>.<lane>`, by `flock`, never removed.
//!
//! Every process that could touch a shadow comes by here. A lock is held by an open file, so that it is free as soon as its
//! holder is gone, however it went. The file says who touched the shadow last, and in which epoch.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use nogfso_claims::rules::Mark;
use nogfso_claims::{Lock, LockFault, Locked, Locks};
use nogfso_contract::subjects::{self, Named};
use nogfso_faults::{Point, reach};

/// The longest mark that is read, in bytes.
const MARK_BYTES_MAX: u64 = 256;

/// The locks of one shadow root.
#[derive(Debug, Clone)]
pub struct FileLocks {
    folder: PathBuf,
}

struct FileLock {
    path: PathBuf,
    file: Arc<Mutex<File>>,
    found: Option<Mark>,
    /// Last, so that it goes when the file is closed.
    _unlocked: Unlocked,
}

/// The moment after a lock was let go.
struct Unlocked;

impl Drop for Unlocked {
    fn drop(&mut self) {
        reach(Point::StadUnlocked);
    }
}

impl FileLocks {
    /// Opens the folder of locks below `shadow_root`, made if it is not there.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be made.
    pub fn open(shadow_root: &Path) -> io::Result<Self> {
        let folder = shadow_root.join(".nogfso").join("locks");
        std::fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    fn path(&self, subject: &str) -> Option<PathBuf> {
        match subjects::parse(subject)? {
            Named::Work(_, _, lane, repo) => Some(self.folder.join(format!("{repo}.{lane}"))),
            Named::Main | Named::Registry(_) | Named::Repo(..) => None,
        }
    }
}

#[async_trait]
impl Locks for FileLocks {
    async fn try_lock(&self, subject: &str) -> Result<Locked, LockFault> {
        let path = self.path(subject).ok_or_else(|| LockFault {
            place: subject.to_owned(),
            reason: "the subject names no work".to_owned(),
        })?;
        let place = path.clone();
        on_a_thread(place, move || {
            reach(Point::StadLocks);
            let tried = try_lock(&path)?;
            if matches!(tried, Locked::Taken(_)) {
                reach(Point::StadLocked);
            }
            Ok(tried)
        })
        .await
    }
}

#[async_trait]
impl Lock for FileLock {
    fn found(&self) -> Option<&Mark> {
        self.found.as_ref()
    }

    async fn mark(&mut self, mark: &Mark) -> Result<(), LockFault> {
        let file = Arc::clone(&self.file);
        let text = format!("{} {}\n", mark.epoch, mark.instance);
        on_a_thread(self.path.clone(), move || {
            reach(Point::StadClaimed);
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            file.seek(SeekFrom::Start(0))?;
            file.write_all(text.as_bytes())?;
            file.set_len(text.len() as u64)?;
            file.sync_all()?;
            reach(Point::StadMarked);
            Ok(())
        })
        .await
    }
}

async fn on_a_thread<T: Send + 'static>(
    path: PathBuf,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, LockFault> {
    let fault = |reason: String| LockFault {
        place: path.display().to_string(),
        reason,
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| fault(error.to_string())),
        Err(error) => Err(fault(error.to_string())),
    }
}

fn try_lock(path: &Path) -> io::Result<Locked> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        .open(path)?;
    match file.try_lock() {
        Ok(()) => {
            let found = read_mark(&mut file, path)?;
            Ok(Locked::Taken(Box::new(FileLock {
                path: path.to_owned(),
                file: Arc::new(Mutex::new(file)),
                found,
                _unlocked: Unlocked,
            })))
        }
        Err(TryLockError::WouldBlock) => {
            let mark = read_mark(&mut file, path)?;
            Ok(Locked::Busy {
                holder: mark.map_or_else(|| "an unnamed process".to_owned(), |mark| mark.instance),
            })
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn read_mark(file: &mut File, path: &Path) -> io::Result<Option<Mark>> {
    let mut bytes = vec![];
    file.take(MARK_BYTES_MAX).read_to_end(&mut bytes)?;
    let mark = parse_mark(&bytes);
    if mark.is_none() && !bytes.is_empty() {
        // A crash may tear a mark; the claim that follows exceeds every epoch of the journal all the same.
        tracing::warn!(path = %path.display(), "the mark in the lock file is unreadable");
    }
    Ok(mark)
}

fn parse_mark(bytes: &[u8]) -> Option<Mark> {
    let line = std::str::from_utf8(bytes).ok()?.lines().next()?;
    let (epoch, instance) = line.split_once(' ')?;
    Some(Mark {
        epoch: epoch.parse().ok()?,
        instance: instance.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    //! Locks exclude each other, and marks outlive them.

    use super::*;

    const SUBJECT: &str =
        "fso.ev.exreg.work.files_example_com.main.0b5e7c3a-6f0e-4c1e-9d52-1f4d2a8c7b11";

    async fn taken(locks: &FileLocks) -> Box<dyn Lock> {
        match locks.try_lock(SUBJECT).await.unwrap() {
            Locked::Taken(lock) => lock,
            Locked::Busy { holder } => panic!("held by {holder}"),
        }
    }

    #[tokio::test]
    async fn a_second_descriptor_finds_the_lock_busy_and_the_holder_named() {
        let folder = tempfile::tempdir().unwrap();
        let locks = FileLocks::open(folder.path()).unwrap();
        let mut first = taken(&locks).await;
        assert_eq!(first.found(), None);
        let mark = Mark {
            epoch: 12,
            instance: "stad-1".to_owned(),
        };
        first.mark(&mark).await.unwrap();
        let Locked::Busy { holder } = locks.try_lock(SUBJECT).await.unwrap() else {
            panic!("locked twice");
        };
        assert_eq!(holder, "stad-1");
        drop(first);
        let mut second = taken(&locks).await;
        assert_eq!(second.found(), Some(&mark));
        let shorter = Mark {
            epoch: 9,
            instance: "b".to_owned(),
        };
        second.mark(&shorter).await.unwrap();
        drop(second);
        assert_eq!(taken(&locks).await.found(), Some(&shorter));
    }

    #[tokio::test]
    async fn a_torn_mark_counts_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let locks = FileLocks::open(folder.path()).unwrap();
        let path = locks.path(SUBJECT).unwrap();
        std::fs::write(path, b"12").unwrap();
        assert_eq!(taken(&locks).await.found(), None);
    }

    #[tokio::test]
    async fn only_work_has_locks() {
        let folder = tempfile::tempdir().unwrap();
        let locks = FileLocks::open(folder.path()).unwrap();
        assert!(locks.try_lock("fso.ev._.main.main").await.is_err());
    }
}
