//! Where a run has come by, and what goes wrong there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::case::{Case, Ending};
use super::fault::{At, Fault};
use super::gate::Gate;
use crate::attempt::Phase;
use crate::error::{ErrorView, JobError, JobResult, Unloadable, Wish};
use crate::plan::{Plan, Undo};

/// What the processes of one run share.
#[derive(Debug)]
pub(super) struct Injector {
    /// The job that is made to fail after its effect.
    fails: Option<usize>,
    records_matter: bool,
    state: Mutex<State>,
    /// Whether something has gone wrong.
    fired: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    armed: Vec<Armed>,
    passes: BTreeMap<(usize, At), u32>,
    calls: BTreeMap<(usize, Phase), u32>,
}

#[derive(Debug)]
struct Armed {
    index: usize,
    at: At,
    pass: u32,
    fault: Fault,
    has_fired: bool,
    /// It belongs to another one, and need not happen.
    is_extra: bool,
}

/// How long a successor stays at the point where its predecessor stood still: long enough for both to be there.
const OVERLAP: Duration = Duration::from_secs(20);

/// The last job that can fail for good and be undone like all before it.
pub(super) fn last_undoable(plan: &Plan) -> Option<usize> {
    let pivot = plan
        .jobs
        .iter()
        .position(|job| job.undo == Undo::Impossible);
    pivot.unwrap_or(plan.jobs.len()).checked_sub(1)
}

impl Injector {
    /// `traces` has it note every point; else records are not looked into unless something is to happen there.
    pub(super) fn new(plan: &Plan, case: &Case, traces: bool) -> Self {
        let armed = case.injections.iter().filter_map(|injection| {
            Some(Armed {
                index: plan.index_of(&injection.job)?,
                at: injection.at,
                pass: injection.pass,
                fault: injection.fault.clone(),
                has_fired: false,
                is_extra: false,
            })
        });
        let armed: Vec<_> = armed.collect();
        let fails = match case.ending {
            Ending::Fails => last_undoable(plan),
            Ending::Succeeds | Ending::Cancelled => None,
        };
        Self {
            fails,
            records_matter: traces || armed.iter().any(|armed| is_at_record(armed.at)),
            state: Mutex::new(State {
                armed,
                ..State::default()
            }),
            fired: watch::Sender::new(false),
        }
    }

    /// Whether commits have to be looked into.
    pub(super) fn looks_into_records(&self) -> bool {
        self.records_matter
    }

    /// Whether that job is made to fail.
    pub(super) fn fails(&self, index: usize) -> bool {
        self.fails == Some(index)
    }

    /// Notes that the code of a job is called.
    pub(super) fn called(&self, index: usize, phase: Phase) {
        *self.state().calls.entry((index, phase)).or_default() += 1;
    }

    /// How often the code of each job was called.
    pub(super) fn calls(&self) -> BTreeMap<(usize, Phase), u32> {
        self.state().calls.clone()
    }

    /// The points that were come by.
    pub(super) fn reached(&self) -> BTreeSet<(usize, At)> {
        self.state().passes.keys().copied().collect()
    }

    /// Whether all that was to go wrong did.
    pub(super) fn has_fired(&self) -> bool {
        let state = self.state();
        let mut armed = state.armed.iter().filter(|armed| !armed.is_extra);
        armed.all(|armed| armed.has_fired)
    }

    /// Waits until something goes wrong.
    pub(super) async fn first_fault(&self) {
        let mut fired = self.fired.subscribe();
        // The sender lives in `self`, so that this cannot fail.
        drop(fired.wait_for(|fired| *fired).await);
    }

    /// Whether the code of the step is to run twice.
    pub(super) fn runs_twice(&self, index: usize, at: At) -> bool {
        let mut state = self.state();
        let mut armed = state.armed.iter_mut();
        let found = armed.find(|armed| {
            (armed.index, armed.at) == (index, at)
                && armed.fault == Fault::RunTwice
                && !armed.has_fired
        });
        let Some(armed) = found else { return false };
        armed.has_fired = true;
        drop(state);
        self.fired.send_replace(true);
        true
    }

    /// Notes that a job comes by a point; returns what goes wrong there.
    pub(super) fn pass(&self, index: usize, at: At) -> Option<Fault> {
        let mut state = self.state();
        let passes = state.passes.entry((index, at)).or_default();
        *passes += 1;
        let pass = *passes;
        let mut armed = state.armed.iter_mut();
        let armed = armed.find(|armed| {
            (armed.index, armed.at, armed.pass) == (index, at, pass)
                && armed.fault != Fault::RunTwice
                && !armed.has_fired
        })?;
        armed.has_fired = true;
        let fault = armed.fault.clone();
        if fault == Fault::LoseLease {
            state.armed.push(Armed {
                index,
                at,
                pass: pass + 1,
                fault: Fault::Delay(OVERLAP),
                has_fired: false,
                is_extra: true,
            });
        }
        drop(state);
        self.fired.send_replace(true);
        Some(fault)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_at_record(at: At) -> bool {
    match at {
        At::BeforeStartRecord
        | At::AfterStartRecord
        | At::BeforePreparedRecord
        | At::AfterPreparedRecord
        | At::BeforeDataRecord
        | At::AfterDataRecord
        | At::BeforeOutcomeRecord
        | At::AfterOutcomeRecord
        | At::BeforeRollbackRecord
        | At::BeforeUndoneRecord
        | At::AfterRollbackRecord => true,
        At::Loading
        | At::InPreHook(_)
        | At::InExecute
        | At::AfterExecute
        | At::InPostHook(_)
        | At::LoadingRollback
        | At::InRollback
        | At::AfterRollback => false,
    }
}

/// Has `fault` happen where code of a job runs.
pub(super) async fn happen(fault: Fault, gate: &Gate) -> JobResult<()> {
    match fault {
        Fault::CrashWorker => gate.die().await,
        Fault::Error(error) => return Err(JobError::retry(error)),
        Fault::Terminal(error) => return Err(JobError::terminal(error)),
        // Not `panic!`, which would print it a thousand times.
        Fault::Panic => std::panic::resume_unwind(Box::new("injected".to_owned())),
        Fault::Hang => std::future::pending().await,
        Fault::LoseLease => gate.stand_still(true).await,
        Fault::KeepRunningAsZombie => gate.stand_still(false).await,
        Fault::Delay(delay) => sleep(delay.min(Duration::from_secs(3_600))).await,
        Fault::CorruptPayload => {
            let error = ErrorView::new("payload_undecodable", "the explorer damaged the value");
            let wish = Wish::Park(Unloadable::PayloadUndecodable);
            return Err(JobError::new(error, wish));
        }
        Fault::RunTwice | Fault::LoseAck | Fault::RejectAppend => {}
    }
    Ok(())
}
