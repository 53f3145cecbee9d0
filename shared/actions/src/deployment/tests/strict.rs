//! What cannot follow: each event in each stage where it has no place (spec 2.5).

use std::collections::BTreeMap;

use nogfso_kernel::Event as _;

use super::super::{
    AfterFailure, CauseKind, Class, DeploymentEvent as Event, Direction, Forced, ParkReason,
    SkipReason,
};
use super::kit::*;

/// The stages, with an attempt under way and without.
fn courses() -> Vec<(&'static str, Course)> {
    let idle = || requested(plan()).and([claimed(1)]);
    let idle_back = || {
        requested(plan()).and([claimed(1), started(0, 1, 1)]).and([
            failed(0, 1, Class::Terminal, AfterFailure::Rollback),
            rolls_back(CauseKind::JobFailed, 0),
        ])
    };
    vec![
        ("requested", requested(plan())),
        ("idle", idle()),
        ("running", running(plan())),
        ("idle back", idle_back()),
        ("undoing", idle_back().and([undo_started(0, 1, 1)])),
        ("paused", idle().and([paused(Direction::Forward)])),
        (
            "parked",
            idle().and([parked(Direction::Forward, 0, ParkReason::CrashLoop)]),
        ),
        (
            "paused back",
            idle_back().and([paused(Direction::Backward)]),
        ),
        (
            "ended",
            idle_back().and([undo_started(0, 1, 1), undone(0, 1), rolled_back(&[])]),
        ),
    ]
}

fn forced(outcome: Forced) -> Event {
    Event::OutcomeForced {
        index: 0,
        outcome,
        by: ann(),
        note: "seen".to_owned(),
    }
}

const LIVE: &[&str] = &["requested", "idle", "running", "idle back", "undoing"];
const STANDING: &[&str] = &["paused", "parked", "paused back"];
const UNFINISHED: &[&str] = &[
    "requested",
    "idle",
    "running",
    "idle back",
    "undoing",
    "paused",
    "parked",
    "paused back",
];

/// An event, and the courses that it may follow.
type Row = (Event, &'static [&'static str]);

fn table() -> Vec<Row> {
    let mut rows = by_workers();
    rows.extend(by_persons());
    rows
}

fn by_workers() -> Vec<Row> {
    let retry = AfterFailure::RetryAt(NOW);
    vec![
        (
            Event::DeploymentRequested(std::sync::Arc::new(asked(plan()))),
            &[],
        ),
        (claimed(2), LIVE),
        (claimed(1), &["requested"]),
        (released(1, None), &["idle", "idle back"]),
        (Event::DeploymentDue {}, &[]),
        (started(0, 1, 1), &["idle"]),
        (started(1, 1, 1), &[]),
        (started(0, 2, 1), &[]),
        (started(0, 1, 2), &[]),
        (prepared(0, 1), &["running"]),
        (succeeded(0, 1), &["running"]),
        (failed(0, 1, Class::Retryable, retry), &["running"]),
        (failed(0, 1, Class::Retryable, AfterFailure::Continue), &[]),
        (lost(execute(0, 1), 1), &["running"]),
        (lost(execute(0, 1), 2), &[]),
        (lost(undo(0, 1), 1), &["undoing"]),
        (rolls_back(CauseKind::JobFailed, 0), &["idle"]),
        (rolls_back(CauseKind::JobFailed, 1), &[]),
        (undo_started(0, 1, 1), &["idle back"]),
        (undo_started(1, 1, 1), &[]),
        (undone(0, 1), &["undoing"]),
        (undo_failed(0, 1, Class::Retryable, retry), &["undoing"]),
        (
            undo_failed(0, 1, Class::Retryable, AfterFailure::Rollback),
            &[],
        ),
        (
            skipped(0, SkipReason::NeverStarted),
            &["idle back", "paused back"],
        ),
        (skipped(1, SkipReason::NeverStarted), &[]),
    ]
}

fn by_persons() -> Vec<Row> {
    let forward: &[_] = &["paused", "parked"];
    vec![
        (cancel_requested(), UNFINISHED),
        (pause_requested(), LIVE),
        (paused(Direction::Forward), &["requested", "idle"]),
        (paused(Direction::Backward), &["idle back"]),
        (resumed("again", false), STANDING),
        (
            parked(Direction::Forward, 0, ParkReason::CrashLoop),
            &["requested", "idle"],
        ),
        (
            parked(Direction::Backward, 0, ParkReason::CrashLoop),
            &["idle back"],
        ),
        (forced(Forced::Succeeded { output: value(1) }), forward),
        (
            forced(Forced::Failed {
                error: error("job"),
            }),
            forward,
        ),
        (forced(Forced::Undone), &["paused back"]),
        (
            Event::PlanRebound {
                plan: plan(),
                by: ann(),
                note: "seen".to_owned(),
            },
            STANDING,
        ),
        (Event::RetryForced { by: ann() }, LIVE),
        (
            Event::DeadlineChanged {
                deadline_ms: None,
                by: ann(),
            },
            UNFINISHED,
        ),
        (Event::DeploymentSucceeded {}, &[]),
        (rolled_back(&[]), &[]),
        (
            Event::DeploymentAbandoned {
                by: ann(),
                reason: "enough".to_owned(),
                residue: vec![],
            },
            UNFINISHED,
        ),
    ]
}

#[test]
fn each_event_follows_where_it_has_a_place_and_nowhere_else() {
    for (event, places) in table() {
        for (stage, course) in courses() {
            println!("{} after {stage}", event.name());
            if places.contains(&stage) {
                assert!(course.and([event.clone()]).state().is_some());
            } else {
                course.cannot_be_followed_by(event.clone());
            }
        }
    }
}

#[test]
fn every_event_but_data_errors_and_remarks_is_in_the_table() {
    let mut missing: BTreeMap<&str, ()> = Event::NAMES.iter().map(|name| (*name, ())).collect();
    for (event, _) in table() {
        missing.remove(event.name());
    }
    let missing: Vec<_> = missing.into_keys().collect();
    assert_eq!(missing, ["job_data_put", "job_error_logged", "note_added"]);
}

#[test]
fn what_must_follow_follows_at_once() {
    let owing = |event| running(plan()).and([event]);
    let rolls = || owing(failed(0, 1, Class::Terminal, AfterFailure::Rollback));
    rolls().cannot_be_followed_by(started(0, 2, 1));
    rolls().cannot_be_followed_by(claimed(2));
    let parks = owing(failed(0, 1, Class::Terminal, AfterFailure::Park));
    parks.cannot_be_followed_by(started(0, 2, 1));
    let passes = undoing(plan()).and([undo_failed(2, 1, Class::Terminal, AfterFailure::Continue)]);
    passes.cannot_be_followed_by(undo_started(2, 2, 1));
    passes.cannot_be_followed_by(skipped(2, SkipReason::NeverStarted));
    let cancelled = requested(plan()).and([paused(Direction::Forward), cancel_requested()]);
    cancelled.cannot_be_followed_by(claimed(1));
}

#[test]
fn hooks_are_through_once_per_attempt() {
    let course = running(plan()).and([prepared(0, 1)]);
    course.cannot_be_followed_by(prepared(0, 1));
}

#[test]
fn nobody_starts_an_undo_past_the_pivot_but_by_force() {
    let pivot = at_job(undo_of(0, crate::Undo::Impossible), 1);
    let course = pivot.and([failed(1, 1, Class::Terminal, AfterFailure::RetryAt(NOW))]);
    course.cannot_be_followed_by(rolls_back(CauseKind::JobFailed, 1));
}

#[test]
fn what_nobody_holds_starts_nothing() {
    let free = requested(plan()).and([claimed(1), released(1, None)]);
    free.cannot_be_followed_by(started(0, 1, 1));
}
