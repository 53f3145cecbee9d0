//! A child process that ends with its owner: on drop, with a panic, and with a killed test.

use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid,
};

const LOG_TAIL_LINES: usize = 40;

/// A running program, the processes it starts, and the file that takes their output.
#[derive(Debug)]
pub(crate) struct OwnedChild {
    child: Child,
    reaper: Child,
    log: PathBuf,
}

impl OwnedChild {
    /// Starts `command` with its output appended to `log`.
    pub(crate) fn spawn(command: &mut Command, log: &Path) -> Self {
        let output = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .expect("the log can be written");
        let errors = output.try_clone().expect("a file handle can be copied");
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        // A group of its own lets the child's children end with it, but also keeps a signal to the
        // test from reaching it. So a shell waits for the end of its input, which comes with the
        // end of this process, however it ends.
        let reaper = Command::new("sh")
            .args([
                "-c",
                "read -r _; kill -s KILL -- \"-$1\"",
                "reaper",
                &child.id().to_string(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("sh starts");
        Self {
            child,
            reaper,
            log: log.to_owned(),
        }
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How the program ended, or `None` while it runs.
    pub(crate) fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child's state can be asked")
    }

    /// Sends `signal` to the program alone, not to what it started.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if let Some(status) = self.exit_status() {
            panic!(
                "cannot send {signal:?}: the process has ended with {status}; its output:\n{}",
                self.log_tail()
            );
        }
        kill_process(Pid::from_child(&self.child), signal)
            .expect("a child that was not waited for can be signalled");
    }

    /// Whether the program stands still after [`Signal::STOP`], which takes a moment to do so.
    pub(crate) fn is_stopped(&self) -> bool {
        let how = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let state = waitid(WaitId::Pid(Pid::from_child(&self.child)), how);
        state.is_ok_and(|state| state.is_some_and(|state| state.stopped()))
    }

    /// Does to the reaper what the end of this process does.
    #[cfg(test)]
    pub(crate) fn close_reaper_input(&mut self) {
        drop(self.reaper.stdin.take());
    }

    /// The last lines of the output.
    pub(crate) fn log_tail(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
    }
}

impl Drop for OwnedChild {
    fn drop(&mut self) {
        // The reaper goes first, since the group's id may be another's once the group is gone.
        self.reaper.kill().ok();
        self.reaper.wait().ok();
        kill_process_group(Pid::from_child(&self.child), Signal::KILL).ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            eprintln!(
                "--- the end of {}:\n{}",
                self.log.display(),
                self.log_tail()
            );
        }
    }
}
