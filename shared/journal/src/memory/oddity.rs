//! The odd answers that a journal may give, and when the in-memory journal plays them: by script or by chance.

use std::collections::VecDeque;
use std::time::Duration;

use nogfso_kernel::matches;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// An odd answer to one publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishOddity {
    /// "In flight", though nothing is; nothing is stored.
    InFlight,
    /// No answer; nothing is stored.
    LostRequest,
    /// No answer; it is stored.
    LostAnswer,
    /// No answer; it is stored after this time, if its guard still holds then.
    Late(Duration),
    /// It is stored, and answered as a duplicate at position zero.
    DuplicateAtZero,
    /// It is stored by an attempt whose answer was lost, and the repeat is answered as a conflict.
    OwnConflict,
    /// The server has no room; nothing is stored.
    Unavailable,
}

/// An odd answer to one read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOddity {
    /// The last so many messages are not there yet.
    Stale(usize),
    /// No answer.
    Unavailable,
}

/// How often odd answers come by chance, each per thousand calls; the sum must not exceed one thousand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Odds {
    /// See [`PublishOddity::InFlight`].
    pub in_flight: u32,
    /// See [`PublishOddity::LostRequest`].
    pub lost_request: u32,
    /// See [`PublishOddity::LostAnswer`].
    pub lost_answer: u32,
    /// See [`PublishOddity::Late`]; up to two seconds.
    pub late: u32,
    /// See [`PublishOddity::DuplicateAtZero`].
    pub duplicate_at_zero: u32,
    /// See [`PublishOddity::OwnConflict`].
    pub own_conflict: u32,
    /// See [`PublishOddity::Unavailable`].
    pub publish_unavailable: u32,
    /// See [`ReadOddity::Stale`]; up to three messages. Of reads and finds, never of what the leader says.
    pub stale: u32,
    /// See [`ReadOddity::Unavailable`].
    pub read_unavailable: u32,
}

const LATE_MS_MAX: u64 = 2_000;
const STALE_MESSAGES_MAX: usize = 3;

/// Decides for each call whether it is answered oddly.
#[derive(Debug, Default)]
pub(super) struct Oddities {
    publish_script: VecDeque<(String, PublishOddity)>,
    read_script: VecDeque<(String, ReadOddity)>,
    chance: Option<(StdRng, Odds)>,
}

impl Oddities {
    pub(super) fn script_publish(&mut self, filter: &str, oddity: PublishOddity) {
        self.publish_script.push_back((filter.to_owned(), oddity));
    }

    pub(super) fn script_read(&mut self, filter: &str, oddity: ReadOddity) {
        self.read_script.push_back((filter.to_owned(), oddity));
    }

    pub(super) fn play_by_chance(&mut self, seed: u64, odds: Odds) {
        self.chance = Some((StdRng::seed_from_u64(seed), odds));
    }

    pub(super) fn stop(&mut self) {
        *self = Self::default();
    }

    pub(super) fn of_publish(&mut self, subject: &str) -> Option<PublishOddity> {
        if let Some(scripted) = take(&mut self.publish_script, subject) {
            return Some(scripted);
        }
        let (random, odds) = self.chance.as_mut()?;
        let late = Duration::from_millis(random.random_range(1..=LATE_MS_MAX));
        draw(
            random,
            &[
                (odds.in_flight, PublishOddity::InFlight),
                (odds.lost_request, PublishOddity::LostRequest),
                (odds.lost_answer, PublishOddity::LostAnswer),
                (odds.late, PublishOddity::Late(late)),
                (odds.duplicate_at_zero, PublishOddity::DuplicateAtZero),
                (odds.own_conflict, PublishOddity::OwnConflict),
                (odds.publish_unavailable, PublishOddity::Unavailable),
            ],
        )
    }

    pub(super) fn of_read(&mut self, subject: &str) -> Option<ReadOddity> {
        if let Some(scripted) = take(&mut self.read_script, subject) {
            return Some(scripted);
        }
        let (random, odds) = self.chance.as_mut()?;
        let missing = random.random_range(1..=STALE_MESSAGES_MAX);
        draw(
            random,
            &[
                (odds.stale, ReadOddity::Stale(missing)),
                (odds.read_unavailable, ReadOddity::Unavailable),
            ],
        )
    }
}

fn take<T>(script: &mut VecDeque<(String, T)>, subject: &str) -> Option<T> {
    let at = script
        .iter()
        .position(|(filter, _)| matches(filter, subject))?;
    script.remove(at).map(|(_, oddity)| oddity)
}

fn draw<T: Copy>(random: &mut StdRng, choices: &[(u32, T)]) -> Option<T> {
    let mut drawn = random.random_range(0..1_000);
    for &(odds, oddity) in choices {
        if drawn < odds {
            return Some(oddity);
        }
        drawn -= odds;
    }
    None
}
