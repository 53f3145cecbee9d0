//! All runs of a deployment of three jobs: two or three workers, and any two faults, with the decisions of the product.
//!
//! [`world`] is a state of the whole and [`moves`] what can happen in it; [`invariants`] are the properties, by the names of spec 2.1;
//! [`search`] visits all worlds.
//!
//! Faults are the crash of a worker, a claim although the holder lives (which makes it one whose code may still act), a drain, a
//! worker without the code, a stored value that does not load. Besides, somebody may cancel once at any point, and one
//! execute may fail, with or without effect. An effect comes at any time after its start was read, also after its worker was
//! replaced.

mod invariants;
mod moves;
mod search;
mod world;

use invariants::Property;
use nogfso_testkit::is_full;
use search::explore;
use world::{Loss, Mistake, Scenario};

const TWO_WORKERS: Scenario = Scenario {
    workers_count: 2,
    faults_max: 2,
    has_tombstones: true,
    has_quiet_period: false,
    loss: Loss::Never,
    mistake: None,
};

/// Explores, prints how much there was, and fails with a shortest way to what is broken.
fn assert_holds(name: &str, scenario: &Scenario) {
    match explore(scenario) {
        Ok(explored) => {
            println!("{name}: {explored}");
            let ends = ["succeeded", "rolled_back"];
            assert!(
                ends.iter().all(|end| explored.ends.contains(end)),
                "{explored:?}"
            );
        }
        Err(broken) => panic!("{name}: {broken}"),
    }
}

fn assert_breaks(name: &str, scenario: &Scenario, property: Property) {
    let broken = explore(scenario).expect_err(name);
    println!("{name}: {broken}");
    assert_eq!(broken.property, property, "{name}");
}

/// One fault more than the spec asks for, where time is no matter.
fn faults_max() -> u8 {
    if is_full() { 3 } else { 2 }
}

#[test]
fn every_run_of_two_workers_keeps_all_invariants() {
    let two = Scenario {
        faults_max: faults_max(),
        ..TWO_WORKERS
    };
    assert_holds("two workers", &two);
}

#[test]
fn every_run_of_three_workers_keeps_all_invariants() {
    let three = Scenario {
        workers_count: 3,
        faults_max: faults_max(),
        ..TWO_WORKERS
    };
    assert_holds("three workers", &three);
}

#[test]
fn an_undo_that_only_deletes_is_clean_with_the_quiet_period() {
    let quiet = Scenario {
        has_tombstones: false,
        has_quiet_period: true,
        ..TWO_WORKERS
    };
    assert_holds("quiet period", &quiet);
}

#[test]
fn an_undo_that_only_deletes_leaks_without_the_quiet_period() {
    let hasty = Scenario {
        has_tombstones: false,
        ..TWO_WORKERS
    };
    assert_breaks(
        "no tombstone, no quiet period",
        &hasty,
        Property::EffectLeft,
    );
}

#[test]
fn a_journal_that_lost_its_end_leaks_unless_that_is_noticed() {
    let unnoticed = Scenario {
        faults_max: 1,
        loss: Loss::Unnoticed,
        ..TWO_WORKERS
    };
    assert_breaks("loss unnoticed", &unnoticed, Property::EffectLeft);
    let noticed = Scenario {
        loss: Loss::Noticed,
        ..unnoticed
    };
    assert_holds("loss noticed", &noticed);
}

#[test]
fn each_planted_mistake_is_found() {
    for (mistake, property) in [
        (Mistake::EffectFirst, Property::MoreCallsThanGranted),
        (Mistake::UndoSkipped, Property::EffectLeft),
        (Mistake::NotFenced, Property::IllegalJournal),
    ] {
        let scenario = Scenario {
            mistake: Some(mistake),
            ..TWO_WORKERS
        };
        assert_breaks(&format!("{mistake:?}"), &scenario, property);
    }
}
