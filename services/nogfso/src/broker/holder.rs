//! The folder's lock as a server holds it: whether there is one, which process it is, and ending it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

/// The lock of a folder's server, held here or by a server that outlived its starter.
#[derive(Debug)]
pub(super) struct ServerLock {
    file: File,
    path: PathBuf,
    is_ours: bool,
}

impl ServerLock {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        Ok(Self {
            file,
            path: path.to_owned(),
            is_ours: false,
        })
    }

    /// Takes the lock if nobody else holds it, and says whether it is held here. Never waits.
    pub(super) fn acquire(&mut self) -> io::Result<bool> {
        if !self.is_ours {
            self.is_ours = match self.file.try_lock() {
                Ok(()) => true,
                Err(TryLockError::WouldBlock) => false,
                Err(TryLockError::Error(error)) => return Err(error),
            };
        }
        Ok(self.is_ours)
    }

    /// The locked file as a child's standard input: the lock ends with the last of both.
    pub(super) fn as_input(&self) -> io::Result<Stdio> {
        assert!(self.is_ours, "only a lock that is held can be handed on");
        Ok(Stdio::from(self.file.try_clone()?))
    }

    /// The process named in `pid_file`, if it holds the lock.
    ///
    /// The file alone is not believed where it can be checked: after a reboot its number may be another process's.
    pub(super) fn holder(&self, pid_file: &Path) -> Option<Pid> {
        let text = fs::read_to_string(pid_file).ok()?;
        let pid = Pid::from_raw(text.trim().parse().ok()?)?;
        rustix::process::test_kill_process(pid).ok()?;
        let holds = match fs::metadata(format!("/proc/{}/fd/0", pid.as_raw_pid())) {
            Ok(input) => {
                let lock = fs::metadata(&self.path).ok()?;
                (input.dev(), input.ino()) == (lock.dev(), lock.ino())
            }
            // Where there is no such folder, the rule must do that the file is removed before each start.
            Err(_) => !Path::new("/proc/self/fd/0").exists(),
        };
        holds.then_some(pid)
    }
}

/// Sends `signal`; a process that has ended is no error.
pub(super) fn send(pid: Pid, signal: Signal) {
    if let Err(error) = kill_process(pid, signal) {
        tracing::debug!(pid = pid.as_raw_pid(), ?signal, %error, "the signal found no process");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_does_not_hold_the_lock_is_not_taken_for_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let lock = ServerLock::open(&folder.path().join("lock")).unwrap();
        let pid_file = folder.path().join("pid");
        assert_eq!(lock.holder(&pid_file), None);
        for text in [
            "",
            "0",
            "none",
            "999999999",
            &std::process::id().to_string(),
        ] {
            fs::write(&pid_file, text).unwrap();
            assert_eq!(lock.holder(&pid_file), None, "{text:?}");
        }
    }
}
