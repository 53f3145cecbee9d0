//! What an exploration has found.

use std::fmt;

use super::case::Case;
use crate::name::JobName;

/// How many failures a report keeps in full; the others are counted.
pub const FAILURES_KEPT_MAX: usize = 50;

/// What an exploration has found.
#[derive(Debug, Default)]
pub struct Report {
    /// How often the action ran.
    pub runs: usize,
    /// In how many of the runs a fault did not come to pass, as the run never came to its point.
    pub idle: usize,
    /// How many runs went wrong.
    pub failed: usize,
    /// The first of them, at most [`FAILURES_KEPT_MAX`].
    pub failures: Vec<Failure>,
    /// The jobs whose undo no run has reached: nobody knows whether it works.
    pub unreached: Vec<JobName>,
}

/// A run that went wrong.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What was made to go wrong: [`Explorer::replay`](super::Explorer::replay) does it again.
    pub case: Case,
    /// What should not have come of it.
    pub problems: Vec<String>,
    /// The journal.
    pub timeline: Vec<String>,
}

impl Report {
    pub(super) fn add(&mut self, failure: Failure) {
        self.failed += 1;
        if self.failures.len() < FAILURES_KEPT_MAX {
            self.failures.push(failure);
        }
    }

    /// Whether all went well and every undo was reached.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.failed == 0 && self.unreached.is_empty()
    }

    /// Asserts that all went well and every undo was reached.
    ///
    /// # Panics
    ///
    /// Panics with what went wrong if anything did.
    #[track_caller]
    pub fn assert_holds(&self) {
        assert!(self.holds(), "{self}");
    }

    /// The first run that went wrong at that job.
    #[must_use]
    pub fn failure_of(&self, job: &str) -> Option<&Failure> {
        let is_of_job = |failure: &&Failure| {
            let mut injections = failure.case.injections.iter();
            injections.any(|injection| injection.job.as_str() == job)
        };
        self.failures.iter().find(is_of_job)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            runs,
            idle,
            failed,
            failures,
            unreached,
        } = self;
        writeln!(
            f,
            "{runs} runs, {failed} went wrong, {idle} without their fault"
        )?;
        for job in unreached {
            writeln!(f, "the undo of {job} was never reached")?;
        }
        for failure in failures.iter().take(3) {
            write!(f, "{failure}")?;
        }
        for failure in failures.iter().skip(3) {
            writeln!(f, "{}: {}", failure.case, failure.problems.join("; "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:", self.case)?;
        for problem in &self.problems {
            writeln!(f, "  {problem}")?;
        }
        for line in &self.timeline {
            writeln!(f, "    {line}")?;
        }
        Ok(())
    }
}
