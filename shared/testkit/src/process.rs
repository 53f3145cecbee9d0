//! One of our own programs, or any other, as a process that a test starts, watches and kills.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::child::OwnedChild;
use crate::wait_until_blocking;

/// A running program whose output goes to a file.
///
/// On drop it is killed together with all processes it has started that stayed in its process
/// group. When the test panics, the last lines of its output are printed.
#[derive(Debug)]
pub struct Process {
    child: OwnedChild,
    folder: TempDir,
}

impl Process {
    /// Starts `command`, typically one made with [`binary`](crate::binary). Its standard input is
    /// empty; standard output and error go to one file.
    ///
    /// # Panics
    ///
    /// Panics if the program cannot be started.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let child = OwnedChild::spawn(command, &log_path(folder.path()));
        Self { child, folder }
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The file that takes the output; it is removed with this value.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        log_path(self.folder.path())
    }

    /// The complete lines of the output so far.
    ///
    /// # Panics
    ///
    /// Panics if the file cannot be read.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let bytes = fs::read(self.log_path()).expect("the log can be read");
        let text = String::from_utf8_lossy(&bytes);
        text.split_inclusive('\n')
            .filter_map(|line| line.strip_suffix('\n'))
            .map(str::to_owned)
            .collect()
    }

    /// The first line so far that contains `substring`; for use with
    /// [`wait_until`](crate::wait_until) in async tests.
    #[must_use]
    pub fn find_line(&self, substring: &str) -> Option<String> {
        self.lines()
            .into_iter()
            .find(|line| line.contains(substring))
    }

    /// Waits for a line that contains `substring` and returns it. Blocks the thread.
    ///
    /// # Panics
    ///
    /// Panics when `deadline` has passed, or when the program has ended without such a line.
    #[track_caller]
    pub fn wait_for_line(&mut self, substring: &str, deadline: Duration) -> String {
        wait_until_blocking(&format!("a line with {substring:?}"), deadline, || {
            // Asked first: what an ended program has written is in the file.
            let ended = self.child.exit_status();
            let found = self.find_line(substring);
            if let (None, Some(status)) = (&found, ended) {
                panic!("the process ended with {status} without a line with {substring:?}");
            }
            found.ok_or_else(|| self.lines().pop())
        })
    }

    /// Sends `signal` to the program, not to what it has started.
    ///
    /// # Panics
    ///
    /// Panics if the program has ended.
    pub fn signal(&mut self, signal: Signal) {
        self.child.signal(signal);
    }

    /// Whether the program stands still, by [`Signal::STOP`] from whomever.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.child.is_stopped()
    }

    /// How the program ended, or `None` while it runs.
    #[must_use]
    pub fn try_exit_status(&mut self) -> Option<ExitStatus> {
        self.child.exit_status()
    }

    /// Waits for the program to end. Blocks the thread.
    ///
    /// # Panics
    ///
    /// Panics when `deadline` has passed.
    #[track_caller]
    pub fn exit_status(&mut self, deadline: Duration) -> ExitStatus {
        wait_until_blocking("the process to end", deadline, || self.child.exit_status())
    }
}

fn log_path(folder: &Path) -> PathBuf {
    folder.join("output.log")
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use rustix::process::{Pid, test_kill_process};

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);

    #[test]
    fn a_line_of_a_running_program_is_seen() {
        let mut process = shell("echo starting; echo ready at 7 >&2; exec sleep 600");
        assert_eq!(process.wait_for_line("ready", DEADLINE), "ready at 7");
        assert_eq!(process.lines(), ["starting", "ready at 7"]);
        assert!(process.try_exit_status().is_none());
    }

    #[test]
    #[should_panic(expected = "without a line with \"ready\"")]
    fn a_program_that_ends_without_the_line_fails_at_once() {
        shell("echo broken").wait_for_line("ready", Duration::from_secs(600));
    }

    #[test]
    fn the_exit_status_tells_code_and_signal() {
        assert_eq!(shell("exit 3").exit_status(DEADLINE).code(), Some(3));
        let mut process = shell("exec sleep 600");
        assert!(!process.is_stopped());
        process.signal(Signal::STOP);
        wait_until_blocking("it to stop", DEADLINE, || process.is_stopped());
        process.signal(Signal::CONT);
        wait_until_blocking("it to go on", DEADLINE, || !process.is_stopped());
        process.signal(Signal::TERM);
        assert_eq!(
            process.exit_status(DEADLINE).signal(),
            Some(Signal::TERM.as_raw())
        );
    }

    #[test]
    fn what_a_program_started_ends_with_it() {
        let mut process = shell("sleep 600 & echo child $!; exec sleep 600");
        let child = child_of(&mut process);
        process.signal(Signal::KILL);
        process.exit_status(DEADLINE);
        assert!(runs(child), "a signal goes to the program alone");
        drop(process);
        wait_until_blocking("the child to end", DEADLINE, || !runs(child));
    }

    #[test]
    fn a_program_ends_when_its_test_is_killed() {
        let mut process = shell("exec sleep 600");
        process.child.close_reaper_input();
        assert_eq!(
            process.exit_status(DEADLINE).signal(),
            Some(Signal::KILL.as_raw())
        );
    }

    #[test]
    #[should_panic(expected = "run scripts/test")]
    fn a_binary_that_was_not_built_is_named() {
        drop(crate::binary("nogfso-no-such-binary"));
    }

    fn shell(script: &str) -> Process {
        Process::start(Command::new("sh").args(["-c", script]))
    }

    fn child_of(process: &mut Process) -> Pid {
        let line = process.wait_for_line("child ", DEADLINE);
        Pid::from_raw(line.strip_prefix("child ").unwrap().parse().unwrap()).unwrap()
    }

    /// Whether the process runs; one that ended but nobody has waited for does not.
    fn runs(process: Pid) -> bool {
        let state = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_pid()));
        test_kill_process(process).is_ok() && !state.is_ok_and(|state| state.contains(") Z "))
    }
}
