//! Mistakes of the engine are found, too, by exploring a right action.

use nogfso_faults::{Mutant, plant};

use super::jobs::{exploring, many};
use crate::testing::{FakeWorld, Report};

fn explored_with(mutant: Mutant) -> Report {
    plant(Some(mutant));
    let report = exploring(FakeWorld::new, || many(3)).every_single_fault();
    plant(None);
    report
}

fn found(report: &Report, word: &str) {
    let mut problems = report.failures.iter().flat_map(|failure| &failure.problems);
    assert!(problems.any(|problem| problem.contains(word)), "{report}");
}

#[test]
fn an_attempt_before_its_record_is_found() {
    found(&explored_with(Mutant::ActionEffectFirst), "I3: Execute");
}

#[test]
fn an_undo_that_is_skipped_is_found() {
    let report = explored_with(Mutant::ActionUndoSkipped);
    found(&report, "left unlisted");
    found(&report, "said never to have started");
}

#[test]
fn a_replaced_worker_that_still_writes_is_found() {
    found(&explored_with(Mutant::ActionNotFenced), "I2");
}

#[test]
fn without_a_mistake_nothing_is_found() {
    let report = exploring(FakeWorld::new, || many(3)).every_single_fault();
    report.assert_holds();
}
