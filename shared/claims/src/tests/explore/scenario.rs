//! What is explored: the rules of the product or older ones, how many faults, and which properties are checked.

use std::mem::{Discriminant, discriminant};

use super::moves::Move;

/// What must hold in every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Property {
    /// Never two at the disk.
    TwoAtDisk,
    /// Never an older epoch at the disk after a newer one.
    OlderAfterNewer,
    /// No request is finished twice.
    FinishedTwice,
    /// The lease of a claim is unacknowledged; so is the newest trigger where something is due and nobody has a claim.
    LeaseLost,
    /// A release is stored before the unlock, and the unlock comes before the acknowledgement.
    Order,
    /// Nobody takes the claim of one who has the lock: no work is thrown away.
    ThrownAway,
    /// Who serves the present claim is in the table of its process.
    NotInTable,
    /// From everywhere all gets done without further faults and without the sweep, a paused holder of the lock apart.
    Stuck,
    /// A request that is handed back in a drain is not counted as one whose holder died.
    DrainTakenForDeath,
    /// A result is there until somebody has carried it on.
    ResultLost,
}

impl Property {
    pub(super) const ALL: [Self; 10] = [
        Self::TwoAtDisk,
        Self::OlderAfterNewer,
        Self::FinishedTwice,
        Self::LeaseLost,
        Self::Order,
        Self::ThrownAway,
        Self::NotInTable,
        Self::Stuck,
        Self::DrainTakenForDeath,
        Self::ResultLost,
    ];
}

/// A rule set that was weighed and given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Older {
    /// Whoever gets any message of an aggregate with something due claims it, be it the newest or not.
    ClaimOnAnyMessage,
    /// A holder that drains hands its lease back instead of releasing.
    DrainByNak,
    /// Each release purges what lies before it.
    PurgeBelowReleases,
    /// Whether a holder lives is asked of the holder instead of the lock.
    AskHolder,
    /// A deferred request is due as soon as a clock says so, woken or not.
    DueByClock,
}

/// One exploration.
#[derive(Debug, Clone)]
pub(super) struct Scenario {
    pub(super) faults_max: u32,
    /// Whether the lock file tells of a newer epoch than the history knows, as after the history was restored.
    pub(super) is_restored: bool,
    /// Whether loads may show the fold before the last commit.
    pub(super) has_stale_reads: bool,
    /// Whether worlds that differ only in the names of the workers count as one.
    pub(super) is_symmetric: bool,
    pub(super) older: Option<Older>,
    pub(super) checked: Vec<Property>,
    /// Which faults may strike.
    pub(super) strikes: Kinds,
    /// Of how many worlds one is taken as the start of further faults, beyond the first; 1 for all.
    pub(super) sample: u64,
    /// Which ones.
    pub(super) seed: u64,
}

/// Kinds of moves; none for all.
pub(super) type Kinds = Option<Vec<Discriminant<Move>>>;

impl Scenario {
    pub(super) fn new(faults_max: u32) -> Self {
        Self {
            faults_max,
            is_restored: false,
            has_stale_reads: false,
            is_symmetric: true,
            older: None,
            checked: Property::ALL.to_vec(),
            strikes: None,
            sample: 1,
            seed: 0,
        }
    }

    pub(super) fn lets_strike(&self, what: Move) -> bool {
        self.strikes
            .as_ref()
            .is_none_or(|kinds| kinds.contains(&discriminant(&what)))
    }

    pub(super) fn is_in_sample(&self, digest: u64) -> bool {
        let mixed = (digest ^ self.seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        mixed.is_multiple_of(self.sample)
    }

    pub(super) fn checks(&self, property: Property) -> bool {
        self.checked.contains(&property)
    }
}
