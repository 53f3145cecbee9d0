//! The invariants by name, and how a broken one is told.

/// What must hold after each step, or at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Invariant {
    /// After each message of the journal.
    Chain,
    OneCommitOnce,
    EpochsRise,
    ClaimsAnswer,
    FinishedOnce,
    CarriedOnce,
    CarriedInOrder,
    NothingParked,
    /// At each touch of the disk.
    NobodyMeets,
    NoOlderEpoch,
    UnderLock,
    /// At each commit of a holder, and at each acknowledgement of a worker.
    WrittenUnderLock,
    NoLeaseLost,
    /// At each answer to a client.
    AcknowledgedIsStored,
    RefusalWasTrue,
    /// At any time.
    NobodyPanics,
    /// At the end.
    EveryCommandIsAnswered,
    EverythingIsDone,
    NothingIsClaimed,
    NoLockIsHeld,
    EveryDeliveryIsAnswered,
    EveryFactIsCarried,
}

impl std::fmt::Display for Invariant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Chain => "every history is one unbroken chain",
            Self::OneCommitOnce => "a commit is stored once",
            Self::EpochsRise => "epochs rise",
            Self::ClaimsAnswer => "a claim answers the newest trigger, or takes over a lease",
            Self::FinishedOnce => "a request is finished once",
            Self::CarriedOnce => "a result is carried once",
            Self::CarriedInOrder => "no older result is carried over a newer one",
            Self::NothingParked => "nothing is parked",
            Self::NobodyMeets => "nobody meets at the disk",
            Self::NoOlderEpoch => "no older epoch touches the disk after a newer one",
            Self::UnderLock => "the disk is touched under the lock only",
            Self::WrittenUnderLock => "nothing is written in an epoch whose lock was given back",
            Self::NoLeaseLost => "no lease is acknowledged that is needed",
            Self::AcknowledgedIsStored => "what was acknowledged is stored",
            Self::RefusalWasTrue => "what was refused was so at some moment since it was asked",
            Self::NobodyPanics => "nobody panics",
            Self::EveryCommandIsAnswered => "every command is answered in the end",
            Self::EverythingIsDone => "everything asked is done in the end",
            Self::NothingIsClaimed => "nothing is claimed in the end",
            Self::NoLockIsHeld => "no lock is held in the end",
            Self::EveryDeliveryIsAnswered => "every delivery is answered in the end",
            Self::EveryFactIsCarried => "every fact is carried in the end",
        })
    }
}

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) invariant: Invariant,
    /// What was seen.
    pub(super) seen: String,
}

impl Violation {
    pub(super) fn of(invariant: Invariant, seen: impl Into<String>) -> Self {
        let seen = seen.into();
        Self { invariant, seen }
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\" is broken: {}", self.invariant, self.seen)
    }
}
