//! What can go wrong, and where (spec 3.12).

use std::time::Duration;

use crate::error::ErrorView;

/// A point in the life of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum At {
    /// The start of an attempt is about to be stored, often together with the end of the job before.
    BeforeStartRecord,
    /// It is stored; no code has run.
    AfterStartRecord,
    /// The value for the step is being loaded.
    Loading,
    /// The pre-hook of that number is about to run.
    InPreHook(u32),
    /// What the pre-hooks made is about to be stored.
    BeforePreparedRecord,
    /// It is stored.
    AfterPreparedRecord,
    /// Execute is about to run.
    InExecute,
    /// Execute has returned, its effect is there, and nothing is recorded.
    AfterExecute,
    /// The post-hook of that number is about to run.
    InPostHook(u32),
    /// A value that the job keeps is about to be stored.
    BeforeDataRecord,
    /// It is stored.
    AfterDataRecord,
    /// The end of an attempt is about to be stored.
    BeforeOutcomeRecord,
    /// It is stored.
    AfterOutcomeRecord,
    /// The start of an undo is about to be stored.
    BeforeRollbackRecord,
    /// The values for the undo are being loaded.
    LoadingRollback,
    /// The undo is about to run.
    InRollback,
    /// The undo has returned, and nothing is recorded.
    AfterRollback,
    /// The end of an undo is about to be stored.
    BeforeUndoneRecord,
    /// It is stored.
    AfterRollbackRecord,
}

/// Something that goes wrong at a point.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// The worker ends there; another one takes over.
    CrashWorker,
    /// An error for which the job is tried again.
    Error(ErrorView),
    /// An error for which it is not.
    Terminal(ErrorView),
    /// The code panics.
    Panic,
    /// The code never returns and hears nothing.
    Hang,
    /// The code of the step runs twice in one attempt, with the same key.
    RunTwice,
    /// The commit is stored, and the answer gets lost.
    LoseAck,
    /// The journal refuses the commit once.
    RejectAppend,
    /// The worker stands still, is replaced, and goes on within the quiet period, while its successor is at the same point.
    LoseLease,
    /// The worker stands still, is replaced, and goes on after all has ended.
    KeepRunningAsZombie,
    /// It takes longer.
    Delay(Duration),
    /// The stored value cannot be read, until somebody has seen to it.
    CorruptPayload,
}

/// What kind of place a point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Before a commit.
    Before,
    /// After one.
    After,
    /// In code that an author wrote.
    Code,
    /// Where the engine loads values.
    Loading,
}

impl At {
    /// Whether it lies on the way back.
    #[must_use]
    pub fn is_backward(self) -> bool {
        match self {
            Self::BeforeRollbackRecord
            | Self::LoadingRollback
            | Self::InRollback
            | Self::AfterRollback
            | Self::BeforeUndoneRecord
            | Self::AfterRollbackRecord => true,
            Self::BeforeStartRecord
            | Self::AfterStartRecord
            | Self::Loading
            | Self::InPreHook(_)
            | Self::BeforePreparedRecord
            | Self::AfterPreparedRecord
            | Self::InExecute
            | Self::AfterExecute
            | Self::InPostHook(_)
            | Self::BeforeDataRecord
            | Self::AfterDataRecord
            | Self::BeforeOutcomeRecord
            | Self::AfterOutcomeRecord => false,
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::BeforeStartRecord
            | Self::BeforePreparedRecord
            | Self::BeforeDataRecord
            | Self::BeforeOutcomeRecord
            | Self::BeforeRollbackRecord
            | Self::BeforeUndoneRecord => Kind::Before,
            Self::AfterStartRecord
            | Self::AfterPreparedRecord
            | Self::AfterDataRecord
            | Self::AfterOutcomeRecord
            | Self::AfterRollbackRecord => Kind::After,
            Self::InPreHook(_)
            | Self::InExecute
            | Self::AfterExecute
            | Self::InPostHook(_)
            | Self::InRollback
            | Self::AfterRollback => Kind::Code,
            Self::Loading | Self::LoadingRollback => Kind::Loading,
        }
    }

    /// The faults that can happen there.
    pub(super) fn faults(self) -> Vec<Fault> {
        let everywhere = [
            Fault::CrashWorker,
            Fault::LoseLease,
            Fault::KeepRunningAsZombie,
            Fault::Delay(Duration::from_secs(5)),
        ];
        let injected = || ErrorView::new("injected", "the explorer made it fail");
        let mut faults = match self.kind() {
            Kind::Before => vec![Fault::RejectAppend],
            Kind::After => vec![Fault::LoseAck],
            Kind::Code => vec![
                Fault::Error(injected()),
                Fault::Terminal(injected()),
                Fault::Panic,
                Fault::Hang,
            ],
            Kind::Loading => return vec![Fault::CorruptPayload],
        };
        if matches!(self, Self::InExecute | Self::InRollback) {
            faults.push(Fault::RunTwice);
        }
        faults.extend(everywhere);
        faults
    }
}

impl Fault {
    /// Whether the worker is gone, or out of reach for so long that it is replaced.
    pub(super) fn takes_worker(&self) -> bool {
        match self {
            Self::CrashWorker | Self::LoseLease | Self::KeepRunningAsZombie => true,
            Self::Error(_)
            | Self::Terminal(_)
            | Self::Panic
            | Self::Hang
            | Self::RunTwice
            | Self::LoseAck
            | Self::RejectAppend
            | Self::Delay(_)
            | Self::CorruptPayload => false,
        }
    }

    /// Whether a job may give up for it, however right it is.
    pub(super) fn may_fail_job(&self) -> bool {
        match self {
            Self::Error(_) | Self::Terminal(_) | Self::Panic | Self::Hang => true,
            Self::CrashWorker
            | Self::RunTwice
            | Self::LoseAck
            | Self::RejectAppend
            | Self::LoseLease
            | Self::KeepRunningAsZombie
            | Self::Delay(_)
            | Self::CorruptPayload => false,
        }
    }
}
