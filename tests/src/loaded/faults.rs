//! What breaks, when, and for how long.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nogfso_testkit::{Proxy, Signal};

use super::chance::Chance;
use super::fleet::Fleet;
use super::tally::Tally;

const PAUSE_BETWEEN_MS: (u64, u64) = (100, 800);
const LASTS_MS: (u64, u64) = (100, 3_000);

/// What is to be put right, and when.
#[derive(Debug, Clone, Copy)]
enum Heal {
    Resume(usize),
    Mend(usize),
    ResumeServer(usize),
}

/// Breaks things until `stop`; what is broken then is left so.
pub(crate) fn inflict(fleet: &Mutex<Fleet>, mut chance: Chance, stop: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    let mut heals: Vec<(Instant, Heal)> = Vec::new();
    let mut next = Instant::now();
    while !stop.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(20));
        let mut fleet = fleet.lock().expect("nobody panics with it");
        let now = Instant::now();
        heals.retain(|&(at, heal)| {
            if at <= now {
                put_right(&mut fleet, heal);
            }
            at > now
        });
        fleet.look_after();
        if now >= next {
            let (kind, heal) = break_something(&mut fleet, &mut chance);
            tally.note("faults", &kind);
            let lasts = Duration::from_millis(chance.between(LASTS_MS.0, LASTS_MS.1));
            heals.extend(heal.map(|heal| (now + lasts, heal)));
            let pause = chance.between(PAUSE_BETWEEN_MS.0, PAUSE_BETWEEN_MS.1);
            next = Instant::now() + Duration::from_millis(pause);
        }
    }
    tally
}

fn put_right(fleet: &mut Fleet, heal: Heal) {
    match heal {
        Heal::Resume(at) => fleet.signal(at, Signal::CONT),
        Heal::Mend(at) => fleet.members[at].line.iter().for_each(Proxy::mend),
        Heal::ResumeServer(node) => fleet.broker.resume(node),
    }
}

fn break_something(fleet: &mut Fleet, chance: &mut Chance) -> (String, Option<Heal>) {
    let count = u64::try_from(fleet.members.len()).expect("there are few");
    let at = usize::try_from(chance.below(count)).expect("there are few");
    let role = fleet.members[at].role;
    let line = fleet.members[at].line.as_ref();
    match (chance.below(12), line) {
        (6 | 7, Some(line)) => {
            line.cut();
            (format!("{role:?} cut off"), Some(Heal::Mend(at)))
        }
        (8 | 9, Some(line)) => {
            line.silence();
            (format!("{role:?} silenced"), Some(Heal::Mend(at)))
        }
        (10, _) => (fleet.broker.kill(chance), None),
        (11, _) => {
            let node = fleet.broker.pause(chance);
            ("server paused".to_owned(), Some(Heal::ResumeServer(node)))
        }
        (4 | 5, _) => {
            fleet.signal(at, Signal::STOP);
            (format!("{role:?} paused"), Some(Heal::Resume(at)))
        }
        (_, _) => {
            fleet.kill(at);
            (format!("{role:?} killed"), None)
        }
    }
}
