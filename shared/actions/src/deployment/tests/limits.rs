//! Limits: the length of a journal, the values of a job, texts, numbers.

use std::num::NonZeroU32;
use std::sync::Arc;

use nogfso_kernel::Aggregate;

use super::super::{
    DATA_PER_JOB_MAX, Deployment, DeploymentEvent as Event, DeploymentRefusal as Refusal,
    Deployments, Direction, EVENTS_MAX, Operation, ParkReason, ROLLBACK_EVENTS_MAX, Report, Stage,
};
use super::kit::*;
use crate::MESSAGE_BYTES_MAX;

/// As after `count` events.
fn aged(course: &Course, count: u32) -> Option<Arc<Deployment>> {
    let mut deployment = now_of(course);
    deployment.events_count = count;
    Some(Arc::new(deployment))
}

fn then(state: &Option<Arc<Deployment>>, command: &super::super::DeploymentCommand) -> Vec<Event> {
    Deployments::decide(state, command, NOW).unwrap()
}

fn put(key: &str) -> super::super::DeploymentCommand {
    report(Report::Data {
        at: execute(0, 1),
        key: key.to_owned(),
        value: value(1),
    })
}

#[test]
fn a_full_journal_starts_no_job_and_parks() {
    let before = aged(&running(plan()), EVENTS_MAX - 2);
    let events = then(&before, &report(success(0, 1)));
    assert_eq!(events, [succeeded(0, 1), started(1, 1, 1)]);
    let full = aged(&running(plan()), EVENTS_MAX - 1);
    let events = then(&full, &report(success(0, 1)));
    assert!(matches!(
        events[..],
        [
            Event::JobSucceeded { .. },
            Event::DeploymentParked {
                reason: ParkReason::JournalTooLong,
                index: Some(1),
                ..
            }
        ]
    ));
}

#[test]
fn a_full_journal_can_still_succeed() {
    let full = aged(&at_job(plan(), 2), EVENTS_MAX);
    let events = then(&full, &report(success(2, 1)));
    assert_eq!(events, [succeeded(2, 1), Event::DeploymentSucceeded {}]);
}

#[test]
fn a_full_journal_can_still_be_cancelled_and_undone_and_abandoned() {
    let course = at_job(plan(), 1).and([
        super::super::DeploymentEvent::JobAttemptLost {
            at: execute(1, 1),
            epoch: 1,
            quiet_until_ms: None,
        },
        parked(Direction::Forward, 1, ParkReason::JournalTooLong),
    ]);
    let full = aged(&course, EVENTS_MAX);
    let refused = Deployments::decide(&full, &resume(true), NOW);
    assert!(matches!(refused, Err(Refusal::WrongStage { .. })));
    assert_eq!(then(&full, &abandon()).len(), 1);

    let course = follow(course, &cancel(), NOW);
    let full = aged(&course, EVENTS_MAX);
    let events = then(&full, &claim());
    assert_eq!(
        events,
        [
            claimed(2),
            rolls_back_as_cancelled(1),
            undo_started(1, 1, 2)
        ]
    );
}

#[test]
fn a_rollback_has_a_limit_of_its_own() {
    let full = aged(&undoing(plan()), EVENTS_MAX + ROLLBACK_EVENTS_MAX);
    let events = then(&full, &report(undo_success(2, 1)));
    assert!(matches!(
        events.last(),
        Some(Event::DeploymentParked {
            direction: Direction::Backward,
            reason: ParkReason::JournalTooLong,
            ..
        })
    ));
    let last = undoing(plan()).and([
        undone(2, 1),
        undo_started(1, 1, 1),
        undone(1, 1),
        undo_started(0, 1, 1),
    ]);
    let full = aged(&last, EVENTS_MAX + ROLLBACK_EVENTS_MAX);
    let events = then(&full, &report(undo_success(0, 1)));
    assert_eq!(events, [undone(0, 1), rolled_back(&[])]);
}

#[test]
fn a_job_keeps_so_many_values_and_may_change_each() {
    let puts = (0..DATA_PER_JOB_MAX).map(|number| Event::JobDataPut {
        at: execute(0, 1),
        key: number.to_string(),
        value: value(0),
    });
    let course = running(plan()).and(puts);
    let refused = course.when(&put("one more"), NOW);
    let course = refused.then_refused(|why| matches!(why, Refusal::Invalid { field: "key", .. }));
    assert_eq!(
        now_of(&follow(course, &put("7"), NOW)).jobs[0].data["7"],
        value(1)
    );
}

#[test]
fn a_full_journal_takes_no_more_values() {
    let full = aged(&running(plan()), EVENTS_MAX);
    let refused = Deployments::decide(&full, &put("k"), NOW);
    assert!(matches!(
        refused,
        Err(Refusal::Invalid { field: "data", .. })
    ));
}

#[test]
fn texts_say_something_and_are_no_longer_than_allowed() {
    let text = |bytes| "x".repeat(bytes);
    let abandons = |reason| by_ann(Operation::Abandon { reason });
    let course = follow(running(plan()), &abandons(text(MESSAGE_BYTES_MAX)), NOW);
    assert!(now_of(&course).stage.is_terminal());
    for reason in [text(MESSAGE_BYTES_MAX + 1), " ".to_owned()] {
        let refused = running(plan()).when(&abandons(reason), NOW);
        refused.then_refused(|why| {
            matches!(
                why,
                Refusal::Invalid {
                    field: "reason",
                    ..
                }
            )
        });
    }
    let long = text(MESSAGE_BYTES_MAX + 1);
    for operation in [
        Operation::Cancel {
            reason: long.clone(),
        },
        Operation::Pause {
            reason: long.clone(),
            interrupt: true,
        },
    ] {
        let refused = running(plan()).when(&by_ann(operation), NOW);
        refused.then_refused(|why| {
            matches!(
                why,
                Refusal::Invalid {
                    field: "reason",
                    ..
                }
            )
        });
    }
}

#[test]
fn whoever_has_no_name_commands_nothing() {
    let nameless = super::super::DeploymentCommand::Operate {
        by: String::new(),
        operation: Operation::RetryNow,
    };
    let refused = running(plan()).when(&nameless, NOW);
    refused.then_refused(|why| matches!(why, Refusal::Invalid { field: "by", .. }));
}

#[test]
fn attempts_beyond_all_numbers_park() {
    let last = Event::JobStarted {
        at: execute(0, 1),
        up_to: NonZeroU32::new(u32::MAX),
        timeout_ms: None,
        epoch: 1,
    };
    let course = requested(plan()).and([claimed(1), last]);
    let course = follow(course, &claim(), NOW);
    assert!(matches!(now_of(&course).stage, Stage::Parked(_)));
}

#[test]
fn times_beyond_all_numbers_are_the_last_ones() {
    let timed = plan_but(0, |job| {
        job.policy.execute.attempt_timeout_ms = Some(u64::MAX);
    });
    let course = follow(requested(timed), &claim(), NOW);
    let open = now_of(&course).open.unwrap();
    assert_eq!(open.timeout_ms, Some(u64::MAX));
    let takes_over = super::super::DeploymentCommand::Claim(super::super::Claiming {
        quiet_ms: u64::MAX,
        ..claiming()
    });
    let course = follow(course, &takes_over, NOW);
    let execute = &now_of(&course).jobs[0].execute;
    assert_eq!(execute.quiet_until_ms, Some(u64::MAX));
}
