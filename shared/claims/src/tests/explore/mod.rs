//! All runs of the rules: two workers, one lane, two requests and any two faults, through the machine that a worker follows.
//!
//! [`world`] is a state of the whole and [`moves`] what can happen in it; [`step`] is the driver of the model, which does what
//! the machine names as the real one does, and [`turn`] what a holder does; [`numbers`] makes worlds equal that go on alike;
//! [`search`] visits them all.
//!
//! Faults are crash, standstill, panic and drain of a process, silence of the server for a holder, repeated and late
//! deliveries, lost acknowledgements, lost answers to appends that are stored at once or later, a restart of the server that
//! forgets acknowledgements, stale reads, revocation, cancellation, deferral. What a process has in its hands when it stands
//! still runs out at some time, and so does what nobody has any more; that is no fault.

mod lane;
mod moves;
mod numbers;
mod scenario;
mod search;
mod step;
mod turn;
mod world;

use std::hash::BuildHasher;

use nogfso_faults::{Mutant, Rule, forget_met, plant, take_met};
use nogfso_testkit::{is_full, wished};

use moves::Move;
use scenario::{Older, Property, Scenario};
use search::{explore, kinds, shortest};
use step::{Actor, Twist};

/// Chooses the sample of worlds in which a second fault strikes.
const SEED: &str = "NOGFSO_CLAIMS_SEED";
/// Of how many worlds with one fault a sample takes one.
const SAMPLE: u64 = 128;

/// Explores, prints how much there was, and fails with a shortest way to what is broken.
fn assert_holds(name: &str, scenario: &Scenario) {
    match explore(scenario) {
        Ok(explored) => println!("{name}: {explored}"),
        Err(broken) => panic!("{name}: {broken}"),
    }
}

fn two_faults() -> Scenario {
    let mut scenario = Scenario::new(2);
    if !is_full() {
        let chance = std::hash::RandomState::new().hash_one(0);
        scenario.seed = wished(SEED).unwrap_or(chance);
        scenario.sample = SAMPLE;
        println!("{SEED}={} for one in {SAMPLE}", scenario.seed);
    }
    scenario
}

#[test]
fn every_run_with_one_fault_keeps_all_properties() {
    forget_met();
    assert_holds("one fault", &Scenario::new(1));
    let met = take_met();
    // A search that never comes by the rare branches would prove nothing about them.
    for rule in [
        Rule::TakeOver,
        Rule::LockBusy,
        Rule::MovedOn,
        Rule::LeaseKept,
        Rule::Paused,
        Rule::Resumed,
        Rule::HandedBack,
    ] {
        assert!(met.contains_key(&rule), "{rule:?} was never met: {met:?}");
    }
}

#[test]
fn every_run_with_two_faults_keeps_all_properties() {
    forget_met();
    assert_holds("two faults", &two_faults());
    assert!(take_met().contains_key(&Rule::Fenced));
}

#[test]
fn every_run_with_stale_reads_keeps_all_properties() {
    let mut scenario = if is_full() {
        two_faults()
    } else {
        Scenario::new(1)
    };
    scenario.has_stale_reads = true;
    assert_holds("stale reads", &scenario);
}

#[test]
fn every_run_after_the_history_was_restored_keeps_all_properties() {
    forget_met();
    let mut scenario = if is_full() {
        two_faults()
    } else {
        Scenario::new(1)
    };
    scenario.is_restored = true;
    assert_holds("restored", &scenario);
    assert!(take_met().contains_key(&Rule::ClaimedAboveMark));
}

/// A search that finds `property` broken with at most that many faults, and with none fewer.
fn assert_breaks(name: &str, scenario: &Scenario, property: Property) {
    let broken = shortest(scenario, property);
    let broken = broken.unwrap_or_else(|| panic!("{name}: {property:?} is not broken"));
    println!("{name}: {broken}");
    let faults_max = scenario.faults_max as usize;
    assert_eq!(broken.faults_count, faults_max, "{name}: {broken}");
}

#[test]
fn each_planted_mistake_is_found() {
    let restored = Scenario {
        is_restored: true,
        ..Scenario::new(0)
    };
    let lost = Scenario {
        strikes: kinds(&[Move::Silence(Actor::FIRST, Twist::Plain), Move::Crash(0)]),
        ..Scenario::new(2)
    };
    for (mutant, property, scenario) in [
        (Mutant::AckBeforeRelease, Property::Order, Scenario::new(0)),
        (
            Mutant::AckBeforeRelease,
            Property::LeaseLost,
            Scenario::new(0),
        ),
        (Mutant::AckBeforeRelease, Property::Stuck, Scenario::new(1)),
        (Mutant::AckAfterEpochLoss, Property::Order, Scenario::new(1)),
        (
            Mutant::AckAfterEpochLoss,
            Property::LeaseLost,
            Scenario::new(1),
        ),
        (Mutant::AckAfterEpochLoss, Property::Stuck, lost),
        (Mutant::NoLock, Property::TwoAtDisk, Scenario::new(0)),
        (
            Mutant::ClaimOnOlderTrigger,
            Property::LeaseLost,
            Scenario::new(1),
        ),
        (Mutant::NoFence, Property::OlderAfterNewer, restored),
        (
            Mutant::UnlockBeforeRelease,
            Property::Order,
            Scenario::new(1),
        ),
    ] {
        plant(Some(mutant));
        assert_breaks(&format!("{mutant:?}"), &scenario, property);
        plant(None);
    }
}

#[test]
fn older_rule_sets_fail() {
    for (older, property, faults_max) in [
        (Older::ClaimOnAnyMessage, Property::LeaseLost, 1),
        (Older::DrainByNak, Property::DrainTakenForDeath, 1),
        (Older::PurgeBelowReleases, Property::ResultLost, 0),
        (Older::AskHolder, Property::ThrownAway, 1),
        (Older::DueByClock, Property::LeaseLost, 1),
    ] {
        let scenario = Scenario {
            older: Some(older),
            ..Scenario::new(faults_max)
        };
        assert_breaks(&format!("{older:?}"), &scenario, property);
    }
}

/// Asking the holder instead of the lock does no harm; it only does again what was done.
#[test]
fn asking_the_holder_breaks_nothing_but_what_it_repeats() {
    let mut scenario = Scenario::new(1);
    scenario.older = Some(Older::AskHolder);
    scenario
        .checked
        .retain(|property| *property != Property::ThrownAway);
    assert_holds("asking the holder", &scenario);
}
