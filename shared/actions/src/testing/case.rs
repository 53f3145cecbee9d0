//! One run of an action: what is made to go wrong, and what the end is made to be.

use std::fmt;

use super::fault::{At, Fault};
use crate::name::JobName;

/// What a run is made to come to, beside its faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ending {
    /// Nothing else goes wrong.
    Succeeds,
    /// The last job that can be undone fails for good after it had its effect.
    Fails,
    /// Somebody cancels a second after the first fault.
    Cancelled,
}

/// One fault at one point.
#[derive(Debug, Clone, PartialEq)]
pub struct Injection {
    /// The job.
    pub job: JobName,
    /// Where.
    pub at: At,
    /// The how many-th time that the job comes by, from 1.
    pub pass: u32,
    /// What.
    pub fault: Fault,
}

/// One run: the same each time.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// What ids and delays are drawn from.
    pub seed: u64,
    /// What it is made to come to.
    pub ending: Ending,
    /// What goes wrong.
    pub injections: Vec<Injection>,
}

impl Case {
    pub(super) fn without_faults(ending: Ending) -> Self {
        Self {
            seed: 0,
            ending,
            injections: vec![],
        }
    }

    /// What goes wrong, wherever.
    pub(super) fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.injections.iter().map(|injection| &injection.fault)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.injections.is_empty() {
            f.write_str("no fault")?;
        }
        for (place, injection) in self.injections.iter().enumerate() {
            if place > 0 {
                f.write_str(" and ")?;
            }
            injection.fmt(f)?;
        }
        let ending = match self.ending {
            Ending::Succeeds => "",
            Ending::Fails => ", the last job made to fail",
            Ending::Cancelled => ", cancelled then",
        };
        write!(f, "{ending} (seed {})", self.seed)
    }
}

impl fmt::Display for Injection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            job,
            at,
            pass,
            fault,
        } = self;
        let fault = match fault {
            Fault::Error(_) => "Error".to_owned(),
            Fault::Terminal(_) => "Terminal".to_owned(),
            Fault::CrashWorker
            | Fault::Panic
            | Fault::Hang
            | Fault::RunTwice
            | Fault::LoseAck
            | Fault::RejectAppend
            | Fault::LoseLease
            | Fault::KeepRunningAsZombie
            | Fault::Delay(_)
            | Fault::CorruptPayload => format!("{fault:?}"),
        };
        write!(f, "{fault} of {job} at {at:?}")?;
        match pass {
            1 => Ok(()),
            pass => write!(f, ", pass {pass}"),
        }
    }
}
