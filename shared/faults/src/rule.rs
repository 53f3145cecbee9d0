//! Marks at the rare branches of the protocols, so that a search can show that it went through them.

/// A branch that only an odd course of events reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// A claim was taken although an earlier one had not been released (rule 3).
    TakeOver,
    /// A release was refused because a request had come meanwhile (rule 6).
    ReleaseRefused,
    /// The lock was busy (rule 3).
    LockBusy,
    /// The lock file told of a newer epoch (rule 4).
    Fenced,
    /// A claim was taken above the epoch of the lock file (rule 4).
    ClaimedAboveMark,
    /// A holder learned that its claim was gone (rule 5).
    MovedOn,
    /// A holder kept a newer handle of its lease (rule 5).
    LeaseKept,
    /// A holder gave up its lock because the server was silent (rule 7).
    Paused,
    /// A holder that had paused went on (rule 7).
    Resumed,
    /// A holder handed back what was left because its process was to end (rule 6).
    HandedBack,
    /// A request ended because those who worked on it had died (rule 9).
    CrashLoop,
    /// The sweep woke what nobody would have looked at (rule 8).
    Woken,
    /// The sweep took a claim from an instance that does not serve it (rule 8).
    Revoked,
    /// A fold began at a commit with the whole state (design 2).
    WholeStateStart,
    /// A history was purged below a commit with the whole state (design 2).
    Purged,
    /// A load was repeated because what it got was too old (design 2).
    StaleRead,
    /// A refusal from a stale state was decided again after the leader was asked (design 2).
    StaleRefusal,
    /// An append in doubt was found stored under its own commit id (design 2).
    DoubtStored,
    /// An append in doubt was found not to be stored (design 2).
    DoubtNotStored,
    /// A decision was taken again because another writer was faster (design 2).
    Conflict,
    /// A result was delivered that had been carried before (design 4).
    CarriedBefore,
    /// A delivery was put off because it could not be processed at that moment (design 4).
    PutOff,
    /// An alarm rang for a timer that was done or replaced, or came early (design 4).
    OddAlarm,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 23] = [
        Self::TakeOver,
        Self::ReleaseRefused,
        Self::LockBusy,
        Self::Fenced,
        Self::ClaimedAboveMark,
        Self::MovedOn,
        Self::LeaseKept,
        Self::Paused,
        Self::Resumed,
        Self::HandedBack,
        Self::CrashLoop,
        Self::Woken,
        Self::Revoked,
        Self::WholeStateStart,
        Self::Purged,
        Self::StaleRead,
        Self::StaleRefusal,
        Self::DoubtStored,
        Self::DoubtNotStored,
        Self::Conflict,
        Self::CarriedBefore,
        Self::PutOff,
        Self::OddAlarm,
    ];
}

/// Notes that this thread went through the branch. Does nothing in a product.
#[cfg(feature = "on")]
pub fn met(rule: Rule) {
    crate::tally::note(rule);
}

/// Notes that this thread went through the branch. Does nothing in a product.
#[cfg(not(feature = "on"))]
#[inline(always)]
pub const fn met(_rule: Rule) {}
