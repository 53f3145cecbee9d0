//! What goes wrong in a run: the list of faults, and how often each comes in a run of a given seed.

use std::collections::BTreeMap;

use nogfso_journal::memory::Odds;

use super::chance::Chance;

/// A fault that the simulation itself plays; those of the server are counted by the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    CrashGateway,
    CrashRegd,
    CrashStad,
    CrashAtDisk,
    Pause,
    CutOff,
    Drain,
    Delay,
    LostDeliveries,
    OddCount,
    LostAck,
    UnansweredAck,
    LateAck,
    LostNak,
    LostQuestion,
    LostReply,
    PanicAtWork,
    FailedWork,
    PauseAtLock,
    Restored,
}

impl Fault {
    pub(super) const ALL: [Self; 20] = [
        Self::CrashGateway,
        Self::CrashRegd,
        Self::CrashStad,
        Self::CrashAtDisk,
        Self::Pause,
        Self::CutOff,
        Self::Drain,
        Self::Delay,
        Self::LostDeliveries,
        Self::OddCount,
        Self::LostAck,
        Self::UnansweredAck,
        Self::LateAck,
        Self::LostNak,
        Self::LostQuestion,
        Self::LostReply,
        Self::PanicAtWork,
        Self::FailedWork,
        Self::PauseAtLock,
        Self::Restored,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::CrashGateway => "gateway crashed",
            Self::CrashRegd => "regd crashed",
            Self::CrashStad => "stad crashed",
            Self::CrashAtDisk => "stad crashed at the disk",
            Self::Pause => "process paused",
            Self::CutOff => "process cut off",
            Self::Drain => "process drained",
            Self::Delay => "call delayed",
            Self::LostDeliveries => "deliveries lost",
            Self::OddCount => "odd delivery count",
            Self::LostAck => "lost ack",
            Self::UnansweredAck => "unanswered ack",
            Self::LateAck => "late ack",
            Self::LostNak => "lost nak",
            Self::LostQuestion => "lost question",
            Self::LostReply => "lost reply",
            Self::PanicAtWork => "panic at work",
            Self::FailedWork => "failed work",
            Self::PauseAtLock => "paused at a lock",
            Self::Restored => "server restored",
        }
    }
}

/// For how long a process is cut off; longer than an append is patient, at most.
const CUT_OFF_MS: (u32, u32) = (100, 17_000);
/// So long that a holder lets its lock go, and hardly so long that its lease comes to another.
const SHORT_CUT_OFF_MS: (u32, u32) = (1_500, 3_500);
/// Where the drains stand among what the director does.
pub(super) const DRAINS: usize = 6;
/// How many runs of a thousand are about silence.
const SILENCE: u32 = 250;

/// What the server plays, by the names under which the journal counts it.
pub(super) const SERVER_FAULTS: [&str; 16] = [
    "delivered twice",
    "duplicate at zero",
    "early alarm",
    "forgotten ack",
    "in flight",
    "late alarm",
    "late publish",
    "lost answer",
    "lost delivery",
    "lost publish",
    "no room",
    "own conflict",
    "server down",
    "server restart",
    "stale ack",
    "stale read",
];

/// How often each fault was played.
pub(super) type Faults = BTreeMap<&'static str, u64>;

/// How rough a run is. Most faults are absent from most runs, so that each run is rough in its own way.
#[derive(Debug, Clone)]
pub(super) struct Temper {
    /// Of a hundred thousand calls each.
    pub(super) crash: u32,
    pub(super) pause: u32,
    pub(super) cut_off: u32,
    /// For how long at least and at most, in milliseconds.
    pub(super) cut_off_ms: (u32, u32),
    pub(super) delay: u32,
    /// Of a thousand each.
    pub(super) lost_deliveries: u32,
    pub(super) odd_count: u32,
    pub(super) lost_ack: u32,
    pub(super) unanswered_ack: u32,
    pub(super) late_ack: u32,
    pub(super) lost_word: u32,
    pub(super) crash_at_disk: u32,
    pub(super) panic_at_work: u32,
    pub(super) failed_work: u32,
    pub(super) long_work: u32,
    pub(super) pause_at_lock: u32,
    /// Whether regd sweeps. Where it does not, nothing that a delivery was to bring may be lost.
    pub(super) sweeps: bool,
    /// What the director does, each by its weight.
    pub(super) directions: [u32; 12],
    /// The longest time between two of its actions.
    pub(super) calm_ms_max: u32,
    pub(super) odds: Odds,
}

impl Temper {
    pub(super) fn drawn(chance: &Chance) -> Self {
        let up_to = |max: u32| match chance.below(5) {
            0 | 1 => 0,
            2 | 3 => chance.below(max / 3 + 1),
            _ => chance.below(max + 1),
        };
        let drawn = Self {
            crash: up_to(250),
            pause: up_to(250),
            cut_off: up_to(100),
            cut_off_ms: CUT_OFF_MS,
            delay: up_to(30_000),
            lost_deliveries: up_to(60),
            odd_count: up_to(200),
            lost_ack: up_to(150),
            unanswered_ack: up_to(150),
            late_ack: up_to(600),
            lost_word: up_to(100),
            crash_at_disk: up_to(400),
            panic_at_work: up_to(40),
            failed_work: up_to(400),
            long_work: up_to(300),
            pause_at_lock: up_to(100),
            sweeps: chance.per_mille(500),
            directions: std::array::from_fn(|_| up_to(10) + 1),
            calm_ms_max: 500 + chance.below(6_000),
            odds: Odds {
                in_flight: up_to(60),
                lost_request: up_to(60),
                lost_answer: up_to(80),
                late: up_to(60),
                duplicate_at_zero: up_to(40),
                own_conflict: up_to(60),
                publish_unavailable: up_to(60),
                stale: up_to(300),
                read_unavailable: up_to(60),
            },
        };
        if chance.per_mille(SILENCE) {
            drawn.silent(chance)
        } else {
            drawn
        }
    }

    /// The rough time of holders: they are cut off in the middle of long work, stand still at the lock, and die of it.
    fn silent(self, chance: &Chance) -> Self {
        let mut directions = self.directions;
        directions[DRAINS] = 30;
        Self {
            directions,
            odds: Odds {
                late: 0,
                ..self.odds
            },
            cut_off: 400 + chance.below(1_200),
            cut_off_ms: chance.one_of(&[CUT_OFF_MS, SHORT_CUT_OFF_MS, SHORT_CUT_OFF_MS]),
            pause: chance.below(200),
            crash_at_disk: chance.below(200),
            long_work: 200 + chance.below(400),
            pause_at_lock: 150 + chance.below(300),
            late_ack: chance.below(600),
            lost_deliveries: chance.below(300),
            sweeps: false,
            ..self
        }
    }
}
