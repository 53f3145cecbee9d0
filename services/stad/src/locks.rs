//! Locks on the host itself: `<shadow root>/.nogfso/locks/<repo>.<lane>`, by `flock`, never removed.
//!
//! Every process that could touch a shadow comes by here. A lock is held by an open file, so that it is free as soon as its
//! holder is gone, however it went. The first line of the file says who touched the shadow last, and in which epoch; the second
//! one, who took the lock last, for those who find it busy.

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
use nogfso_ids::Instance;

/// How much of a lock file is read, in bytes.
const TEXT_BYTES_MAX: u64 = 512;

/// The locks of one shadow root.
#[derive(Debug, Clone)]
pub struct FileLocks {
    folder: PathBuf,
    /// Who takes locks.
    instance: Instance,
}

struct FileLock {
    path: PathBuf,
    instance: Instance,
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
    /// Opens the folder of locks below `shadow_root`, made if it is not there, for `instance`, which takes them.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be made.
    pub fn open(shadow_root: &Path, instance: Instance) -> io::Result<Self> {
        let folder = shadow_root.join(".nogfso").join("locks");
        std::fs::create_dir_all(&folder)?;
        Ok(Self { folder, instance })
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
        let instance = self.instance.clone();
        on_a_thread(place, move || {
            reach(Point::StadLocks);
            let tried = try_lock(&path, instance)?;
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
        let text = text_of(Some(mark), &self.instance);
        on_a_thread(self.path.clone(), move || {
            reach(Point::StadClaimed);
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            write(&mut file, &text)?;
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

fn try_lock(path: &Path, instance: Instance) -> io::Result<Locked> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        .open(path)?;
    match file.try_lock() {
        Ok(()) => {
            let Found { mark, .. } = read(&mut file, path)?;
            // Whoever finds the lock busy reads this name. Nothing hangs on it, so that it need not last.
            write(&mut file, &text_of(mark.as_ref(), &instance))?;
            Ok(Locked::Taken(Box::new(FileLock {
                path: path.to_owned(),
                instance,
                file: Arc::new(Mutex::new(file)),
                found: mark,
                _unlocked: Unlocked,
            })))
        }
        Err(TryLockError::WouldBlock) => {
            let Found { mark, taker } = read(&mut file, path)?;
            let holder = taker.or_else(|| mark.map(|mark| mark.instance));
            Ok(Locked::Busy {
                holder: holder.unwrap_or_else(|| "an unnamed process".to_owned()),
            })
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// What stands in a lock file.
#[derive(Default)]
struct Found {
    mark: Option<Mark>,
    taker: Option<String>,
}

fn text_of(mark: Option<&Mark>, taker: &Instance) -> String {
    let mark = mark.map_or_else(String::new, |mark| {
        format!("{} {}", mark.epoch, mark.instance)
    });
    format!("{mark}\n{taker}\n")
}

/// Writes all of it at once, and over what is there, so that a mark which is written anew as it was is never gone meanwhile.
fn write(file: &mut File, text: &str) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)
}

fn read(file: &mut File, path: &Path) -> io::Result<Found> {
    let mut bytes = vec![];
    file.take(TEXT_BYTES_MAX).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let mark = parse_mark(first);
    if mark.is_none() && !first.is_empty() {
        // A crash may tear a mark; the claim that follows exceeds every epoch of the journal all the same.
        tracing::warn!(path = %path.display(), "the mark in the lock file is unreadable");
    }
    Ok(Found {
        mark,
        taker: lines.next().map(str::to_owned),
    })
}

fn parse_mark(line: &str) -> Option<Mark> {
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

    fn locks(folder: &Path, instance: &str) -> FileLocks {
        let instance = Instance::parse(instance).unwrap();
        FileLocks::open(folder, instance).unwrap()
    }

    async fn taken(locks: &FileLocks) -> Box<dyn Lock> {
        match locks.try_lock(SUBJECT).await.unwrap() {
            Locked::Taken(lock) => lock,
            Locked::Busy { holder } => panic!("held by {holder}"),
        }
    }

    #[tokio::test]
    async fn a_second_descriptor_finds_the_lock_busy_and_the_holder_named() {
        let folder = tempfile::tempdir().unwrap();
        let locks = locks(folder.path(), "stad-1");
        let mut first = taken(&locks).await;
        assert_eq!(first.found(), None);
        let mark = Mark {
            epoch: 12,
            instance: "stad-1".to_owned(),
        };
        first.mark(&mark).await.unwrap();
        assert_eq!(busy(&locks).await, "stad-1");
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

    async fn busy(locks: &FileLocks) -> String {
        match locks.try_lock(SUBJECT).await.unwrap() {
            Locked::Busy { holder } => holder,
            Locked::Taken(_) => panic!("locked twice"),
        }
    }

    #[tokio::test]
    async fn who_has_a_lock_is_named_before_it_leaves_a_mark() {
        let folder = tempfile::tempdir().unwrap();
        let first = locks(folder.path(), "stad-1");
        let second = locks(folder.path(), "stad-2");
        let mut lock = taken(&first).await;
        assert_eq!(busy(&second).await, "stad-1");
        let mark = Mark {
            epoch: 1,
            instance: "stad-1".to_owned(),
        };
        lock.mark(&mark).await.unwrap();
        drop(lock);
        let lock = taken(&second).await;
        assert_eq!(lock.found(), Some(&mark));
        assert_eq!(busy(&first).await, "stad-2");
    }

    #[tokio::test]
    async fn a_torn_mark_counts_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let locks = locks(folder.path(), "stad-1");
        let path = locks.path(SUBJECT).unwrap();
        std::fs::write(path, b"12").unwrap();
        assert_eq!(taken(&locks).await.found(), None);
    }

    #[tokio::test]
    async fn only_work_has_locks() {
        let folder = tempfile::tempdir().unwrap();
        let locks = locks(folder.path(), "stad-1");
        assert!(locks.try_lock("fso.ev._.main.main").await.is_err());
    }
}
