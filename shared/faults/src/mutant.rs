//! Planted mistakes.

/// A mistake that the product could make. A search that does not find it proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mutant {
    /// A holder acknowledges its lease before its release is stored (against rule 6 of design 5).
    AckBeforeRelease,
    /// A load is content with whatever it gets, however old (against design 2).
    NoLeastPosition,
    /// A holder whose epoch moved on acknowledges its lease (against rule 5).
    AckAfterEpochLoss,
    /// A history is purged below a whole-state commit before its results were carried (against design 2).
    PurgeBeforeCarrying,
    /// A worker claims and touches the disk without the lock (against rule 3).
    NoLock,
    /// A worker claims on a trigger that is not the newest one (against rule 2).
    ClaimOnOlderTrigger,
    /// A refusal is answered from a state that was not checked at the leader (against design 2).
    RefusalWithoutLeader,
    /// A result that was carried is carried again when it is delivered again (against design 4).
    ErrorCarriedTwice,
    /// The lock file's epoch is not looked at before the disk is touched (against rule 4).
    NoFence,
    /// The lock is given back before the release is stored (against rule 6).
    UnlockBeforeRelease,
    /// Another attempt runs before it is recorded as begun (against I3 of the actions' rules).
    ActionEffectFirst,
    /// A job that failed is not undone itself (against I6).
    ActionUndoSkipped,
    /// What a replaced worker reports is taken as if it still held the claim (against I2).
    ActionNotFenced,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::AckBeforeRelease,
        Self::NoLeastPosition,
        Self::AckAfterEpochLoss,
        Self::PurgeBeforeCarrying,
        Self::NoLock,
        Self::ClaimOnOlderTrigger,
        Self::RefusalWithoutLeader,
        Self::ErrorCarriedTwice,
        Self::NoFence,
        Self::UnlockBeforeRelease,
        Self::ActionEffectFirst,
        Self::ActionUndoSkipped,
        Self::ActionNotFenced,
    ];

    /// Whether it is one of running actions, which the explorer of their test kit finds.
    #[must_use]
    pub const fn is_of_actions(self) -> bool {
        matches!(
            self,
            Self::ActionEffectFirst | Self::ActionUndoSkipped | Self::ActionNotFenced
        )
    }
}

#[cfg(feature = "on")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

/// Has this thread make that mistake from now on, and no other.
#[cfg(feature = "on")]
pub fn plant(mutant: Option<Mutant>) {
    PLANTED.set(mutant);
}

/// Whether this thread is to make that mistake. Never in a product.
#[cfg(feature = "on")]
#[must_use]
pub fn is_planted(mutant: Mutant) -> bool {
    PLANTED.get() == Some(mutant)
}

/// Whether this thread is to make that mistake. Never in a product.
#[cfg(not(feature = "on"))]
#[must_use]
#[inline(always)]
pub const fn is_planted(_mutant: Mutant) -> bool {
    false
}
