//! Branches: reading them, and moving one from a known commit to the next.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nogfso_ids::Author;

use crate::commit::{Moment, signature};
use crate::{Oid, durable};

/// How long a lock of somebody else, such as a `git gc` that packs refs, is waited for.
const LOCK_WAIT_MS_MAX: u64 = 2_000;
const LOCK_POLL_MS: u64 = 20;

/// Why a branch could not be read or moved.
#[derive(Debug, thiserror::Error)]
pub enum RefError {
    /// The file system failed.
    #[error("failed to access `{}`", path.display())]
    Io {
        /// What was accessed.
        path: PathBuf,
        /// How it failed.
        #[source]
        source: io::Error,
    },
    /// A ref file holds something else than an object id.
    #[error("branch `{0}` does not hold an object id")]
    Malformed(String),
    /// Somebody else holds the lock of the branch. A retry can help.
    #[error("branch `{0}` is locked by somebody else")]
    Locked(String),
    /// The branch is not where it was when the operation began. A retry can help.
    #[error("branch `{branch}` moved meanwhile to {found:?}")]
    Moved {
        /// The branch.
        branch: String,
        /// Where it is now.
        found: Option<Oid>,
    },
}

/// The commit that `branch` of the shadow at `shadow` points to; `None` if there is no such branch.
///
/// # Errors
///
/// Returns a [`RefError`] if the ref cannot be read. That the shadow does not exist is not an error but `None`.
pub fn head(shadow: &Path, branch: &str) -> Result<Option<Oid>, RefError> {
    read(&shadow.join(".git"), branch)
}

pub(crate) fn read(git_dir: &Path, branch: &str) -> Result<Option<Oid>, RefError> {
    let malformed = || RefError::Malformed(branch.to_owned());
    // Loose before packed: whoever packs refs writes the packed one first and removes the loose one then.
    if let Some(text) = read_if_present(&ref_path(git_dir, branch))? {
        return Oid::from_hex(text.trim_end().as_bytes())
            .map(Some)
            .map_err(|_| malformed());
    }
    let packed = read_if_present(&git_dir.join("packed-refs"))?.unwrap_or_default();
    let suffix = format!(" refs/heads/{branch}");
    packed
        .lines()
        .find_map(|line| line.strip_suffix(&suffix))
        .map(|hex| Oid::from_hex(hex.as_bytes()).map_err(|_| malformed()))
        .transpose()
}

/// One step of a branch.
pub(crate) struct Step<'a> {
    pub(crate) git_dir: &'a Path,
    pub(crate) branch: &'a str,
    pub(crate) old: Oid,
    pub(crate) new: Oid,
    pub(crate) committer: &'a Author,
    pub(crate) at: Moment,
    pub(crate) message: &'a str,
}

impl Step<'_> {
    /// Moves the branch, with an entry in its reflog. Durable when it returns.
    ///
    /// # Errors
    ///
    /// Returns a [`RefError`]; the branch is then where it was.
    pub(crate) fn take(&self) -> Result<(), RefError> {
        let staged = staged_path(self.git_dir, self.branch);
        let target = ref_path(self.git_dir, self.branch);
        let lock = lock_path(self.git_dir, self.branch);
        std::fs::create_dir_all(self.git_dir.join("fso")).map_err(io_at(&staged))?;
        durable::create(&staged, format!("{}\n", self.new).as_bytes()).map_err(io_at(&staged))?;
        let outcome = self.lock(&staged, &lock).and_then(|()| {
            self.move_locked(&lock, &target).inspect_err(|_| {
                if let Err(error) = durable::remove_if_present(&lock) {
                    tracing::warn!(%error, "the ref lock stays until the next run");
                }
            })
        });
        durable::remove_if_present(&staged).map_err(io_at(&staged))?;
        outcome
    }

    /// Takes the lock by linking the staged file to it, so that a later run can tell our lock from one of git.
    fn lock(&self, staged: &Path, lock: &Path) -> Result<(), RefError> {
        let tries = LOCK_WAIT_MS_MAX / LOCK_POLL_MS;
        for _ in 0..tries {
            match std::fs::hard_link(staged, lock) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    std::thread::sleep(Duration::from_millis(LOCK_POLL_MS));
                }
                done => return done.map_err(io_at(lock)),
            }
        }
        Err(RefError::Locked(self.branch.to_owned()))
    }

    fn move_locked(&self, lock: &Path, target: &Path) -> Result<(), RefError> {
        let found = read(self.git_dir, self.branch)?;
        if found != Some(self.old) {
            return Err(RefError::Moved {
                branch: self.branch.to_owned(),
                found,
            });
        }
        append_reflog(
            self.git_dir,
            &format!("refs/heads/{}", self.branch),
            &self.reflog_line(),
        )?;
        // Renaming one link of a file onto another would do nothing, but the target is never the staged file here.
        std::fs::rename(lock, target).map_err(io_at(target))?;
        durable::sync_parent(target).map_err(io_at(target))
    }

    fn reflog_line(&self) -> String {
        reflog_line(self.old, self.new, self.committer, self.at, self.message)
    }
}

/// Removes what a dead run left behind while it moved `branch`. A lock of somebody else stays.
///
/// # Errors
///
/// Returns the I/O error.
pub(crate) fn clean_up(git_dir: &Path, branch: &str) -> Result<(), RefError> {
    let staged = staged_path(git_dir, branch);
    let lock = lock_path(git_dir, branch);
    let inode = |path: &Path| {
        std::fs::symlink_metadata(path)
            .ok()
            .map(|m| (m.dev(), m.ino()))
    };
    let ours = inode(&staged);
    if ours.is_none() {
        return Ok(());
    }
    if ours == inode(&lock) {
        durable::remove_if_present(&lock).map_err(io_at(&lock))?;
    }
    durable::remove_if_present(&staged).map_err(io_at(&staged))
}

pub(crate) fn reflog_line(
    old: Oid,
    new: Oid,
    committer: &Author,
    at: Moment,
    message: &str,
) -> String {
    format!("{old} {new} {}\t{message}\n", signature(committer, at))
}

pub(crate) fn append_reflog(git_dir: &Path, name: &str, line: &str) -> Result<(), RefError> {
    let path = git_dir.join("logs").join(name);
    let append = || {
        path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        let mut log = OpenOptions::new().create(true).append(true).open(&path)?;
        log.write_all(line.as_bytes())
    };
    append().map_err(io_at(&path))
}

fn ref_path(git_dir: &Path, branch: &str) -> PathBuf {
    git_dir.join("refs/heads").join(branch)
}

fn lock_path(git_dir: &Path, branch: &str) -> PathBuf {
    git_dir.join("refs/heads").join(format!("{branch}.lock"))
}

fn staged_path(git_dir: &Path, branch: &str) -> PathBuf {
    git_dir.join("fso").join(format!("{branch}.next"))
}

fn read_if_present(path: &Path) -> Result<Option<String>, RefError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_at(path)(error)),
    }
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> RefError {
    let path = path.to_owned();
    move |source| RefError::Io { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oid(digit: u8) -> Oid {
        Oid::from_hex(&[digit; 40]).unwrap()
    }

    fn step(git_dir: &Path, old: Oid, new: Oid) -> Result<(), RefError> {
        let committer = Author::try_new("Alice", "alice@example.org").unwrap();
        let at = Moment {
            unix_s: 1_500_000_000,
            offset_s: 0,
        };
        Step {
            git_dir,
            branch: "b",
            old,
            new,
            committer: &committer,
            at,
            message: "commit: x",
        }
        .take()
    }

    #[test]
    fn a_packed_branch_moves_and_is_loose_then() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(temp.path().join("refs/heads")).unwrap();
        let packed = format!(
            "# pack-refs with: peeled\n{} refs/heads/a/b\n{} refs/heads/b\n",
            oid(b'9'),
            oid(b'1')
        );
        std::fs::write(temp.path().join("packed-refs"), packed).unwrap();
        assert_eq!(read(temp.path(), "b").unwrap(), Some(oid(b'1')));
        step(temp.path(), oid(b'1'), oid(b'2')).unwrap();
        assert_eq!(read(temp.path(), "b").unwrap(), Some(oid(b'2')));
        let log = std::fs::read_to_string(temp.path().join("logs/refs/heads/b")).unwrap();
        let expected = format!(
            "{} {} Alice <alice@example.org> 1500000000 +0000\tcommit: x\n",
            oid(b'1'),
            oid(b'2')
        );
        assert_eq!(log, expected);
    }

    #[test]
    fn a_branch_that_moved_meanwhile_stays_where_it_is() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(temp.path().join("refs/heads")).unwrap();
        std::fs::write(temp.path().join("refs/heads/b"), format!("{}\n", oid(b'3'))).unwrap();
        let refused = step(temp.path(), oid(b'1'), oid(b'2')).unwrap_err();
        assert!(
            matches!(refused, RefError::Moved { found: Some(found), .. } if found == oid(b'3'))
        );
        assert_eq!(read(temp.path(), "b").unwrap(), Some(oid(b'3')));
        assert!(!temp.path().join("refs/heads/b.lock").exists());
        assert_eq!(
            std::fs::read_dir(temp.path().join("fso")).unwrap().count(),
            0
        );
    }

    #[test]
    fn a_branch_that_is_not_an_id_is_malformed() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(temp.path().join("refs/heads")).unwrap();
        std::fs::write(temp.path().join("refs/heads/b"), "ref: refs/heads/c\n").unwrap();
        assert!(matches!(
            read(temp.path(), "b"),
            Err(RefError::Malformed(_))
        ));
    }
}
