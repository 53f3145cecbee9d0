//! What follows a failed attempt: the table of spec 2.11, arm by arm.

use std::num::NonZeroU32;

use super::super::{
    AfterFailure, AttemptRef, CauseKind, Class, DeploymentEvent as Event, Direction, Failed,
    ParkReason, Report, SkipReason, is_last_attempt,
};
use super::kit::*;
use crate::{OnExhausted, Place, Plan, RetryPolicy, Undo};

fn retried(index: usize, attempt: u32, class: Class, at_ms: u64) -> Event {
    failed(index, attempt, class, AfterFailure::RetryAt(at_ms))
}

/// j0 is under way for the third and last time.
fn at_last_attempt(plan: Plan) -> Course {
    running(plan).and([
        retried(0, 1, Class::Retryable, NOW),
        started(0, 2, 1),
        retried(0, 2, Class::Retryable, NOW),
        started(0, 3, 1),
    ])
}

#[test]
fn a_failure_is_tried_again_after_a_growing_delay() {
    let course = running(plan());
    let course = course
        .when(&report(failure(execute(0, 1), Class::Retryable)), NOW)
        .then(vec![retried(0, 1, Class::Retryable, NOW + 100)]);
    course.when(&report(Report::Go), NOW + 99).then_nothing();
    let course = course.when(&report(Report::Go), NOW + 100);
    let course = course.then(vec![started(0, 2, 1)]);
    course
        .when(&report(failure(execute(0, 2), Class::TimedOut)), NOW + 100)
        .then(vec![retried(0, 2, Class::TimedOut, NOW + 300)]);
}

#[test]
fn the_delay_is_spread_by_the_draw() {
    let drawn = |draw| {
        let Report::Failed(failed) = failure(execute(0, 1), Class::Retryable) else {
            unreachable!("a failure was made");
        };
        let by = super::super::WorkerView { draw, ..worker(1) };
        let report = Report::Failed(failed);
        running(plan()).when(&super::super::DeploymentCommand::Report { by, report }, NOW)
    };
    drawn(0).then(vec![retried(0, 1, Class::Retryable, NOW), started(0, 2, 1)]);
    drawn(u32::MAX / 2).then(vec![retried(0, 1, Class::Retryable, NOW + 49)]);
}

#[test]
fn a_delay_that_the_job_asks_for_is_kept_however_long() {
    let asks = Report::Failed(Failed {
        at: execute(0, 1),
        place: Place::Execute,
        error: error("job"),
        class: Class::Retryable,
        after_ms: Some(3_600_000),
        raw_output: None,
        left_out: 0,
    });
    running(plan()).when(&report(asks), NOW).then(vec![retried(
        0,
        1,
        Class::Retryable,
        NOW + 3_600_000,
    )]);
}

#[test]
fn retries_that_are_used_up_roll_back() {
    for (class, kind) in [
        (Class::Retryable, CauseKind::RetriesExhausted),
        (Class::TimedOut, CauseKind::TimedOut),
    ] {
        at_last_attempt(plan())
            .when(&report(failure(execute(0, 3), class)), NOW)
            .then(vec![
                failed(0, 3, class, AfterFailure::Rollback),
                rolls_back(kind, 0),
                undo_started(0, 1, 1),
            ]);
    }
}

#[test]
fn retries_that_are_used_up_park_where_the_policy_says_so_and_a_reset_starts_anew() {
    let parking = plan_but(0, |job| job.policy.on_exhausted = OnExhausted::Park);
    at_last_attempt(parking)
        .when(&report(failure(execute(0, 3), Class::Retryable)), NOW)
        .then(vec![
            failed(0, 3, Class::Retryable, AfterFailure::Park),
            parked(Direction::Forward, 0, ParkReason::RetriesExhausted),
        ])
        .when(&resume(true), NOW)
        .then(vec![resumed("again", true)])
        .when(&claim(), NOW)
        .then(vec![claimed(2), started(0, 4, 2)])
        .when(&report_in(2, failure(execute(0, 4), Class::Retryable)), NOW)
        .then(vec![retried(0, 4, Class::Retryable, NOW + 100)]);
}

#[test]
fn time_that_is_used_up_ends_the_retries() {
    let short = plan_but(0, |job| job.policy.execute.elapsed_max_ms = Some(500));
    // The attempt began within the first milliseconds of the history.
    running(short)
        .when(&report(failure(execute(0, 1), Class::Retryable)), NOW)
        .then(vec![
            failed(0, 1, Class::Retryable, AfterFailure::Rollback),
            rolls_back(CauseKind::RetriesExhausted, 0),
            undo_started(0, 1, 1),
        ]);
}

#[test]
fn some_failures_are_never_tried_again() {
    for (class, kind) in [
        (Class::Terminal, CauseKind::JobFailed),
        (Class::NullOutput, CauseKind::JobFailed),
        (Class::Panicked, CauseKind::Panicked),
    ] {
        running(plan())
            .when(&report(failure(execute(0, 1), class)), NOW)
            .then(vec![
                failed(0, 1, class, AfterFailure::Rollback),
                rolls_back(kind, 0),
                undo_started(0, 1, 1),
            ]);
    }
}

#[test]
fn an_attempt_that_was_stopped_does_not_count() {
    let once = plan_but(0, |job| job.policy.execute = RetryPolicy::once());
    let course = running(once).when(&report(failure(execute(0, 1), Class::Stopped)), NOW);
    let course = course.then(vec![retried(0, 1, Class::Stopped, NOW), started(0, 2, 1)]);
    let deployment = course.state().clone().unwrap();
    assert_eq!(deployment.jobs[0].execute.counted(), 1);
}

#[test]
fn a_failure_without_effect_leaves_its_job_out_of_the_rollback() {
    at_job(plan(), 1)
        .when(
            &report(failure(execute(1, 1), Class::TerminalNoEffect)),
            NOW,
        )
        .then(vec![
            failed(1, 1, Class::TerminalNoEffect, AfterFailure::Rollback),
            rolls_back(CauseKind::JobFailed, 1),
            skipped(1, SkipReason::DeclaredNoEffect),
            undo_started(0, 1, 1),
        ]);
}

#[test]
fn the_promise_of_no_effect_is_not_believed_after_an_attempt_with_an_unknown_one() {
    let lost_before = at_job(plan(), 1).and([claimed(2), lost(execute(1, 1), 1), started(1, 2, 2)]);
    let late_before = at_job(plan(), 1).and([
        retried(1, 1, Class::TimedOut, NOW),
        claimed(2),
        started(1, 2, 2),
    ]);
    for course in [lost_before, late_before] {
        let no_effect = failure(execute(1, 2), Class::TerminalNoEffect);
        course.when(&report_in(2, no_effect), NOW).then(vec![
            failed(1, 2, Class::TerminalNoEffect, AfterFailure::Rollback),
            rolls_back(CauseKind::JobFailed, 1),
            undo_started(1, 1, 2),
        ]);
    }
}

#[test]
fn a_job_without_way_back_parks_with_its_effect_unknown() {
    for class in [Class::Terminal, Class::Panicked, Class::NullOutput] {
        running(undo_of(0, Undo::Impossible))
            .when(&report(failure(execute(0, 1), class)), NOW)
            .then(vec![
                failed(0, 1, class, AfterFailure::Park),
                parked(Direction::Forward, 0, ParkReason::IrreversibleUncertain),
            ]);
    }
}

#[test]
fn a_job_without_way_back_that_failed_without_effect_rolls_back() {
    at_job(undo_of(1, Undo::Impossible), 1)
        .when(
            &report(failure(execute(1, 1), Class::TerminalNoEffect)),
            NOW,
        )
        .then(vec![
            failed(1, 1, Class::TerminalNoEffect, AfterFailure::Rollback),
            rolls_back(CauseKind::JobFailed, 1),
            skipped(1, SkipReason::DeclaredNoEffect),
            undo_started(0, 1, 1),
        ]);
}

#[test]
fn past_the_pivot_every_failure_for_good_parks() {
    for class in [Class::Terminal, Class::TerminalNoEffect, Class::Panicked] {
        at_job(undo_of(0, Undo::Impossible), 1)
            .when(&report(failure(execute(1, 1), class)), NOW)
            .then(vec![
                failed(1, 1, class, AfterFailure::Park),
                parked(Direction::Forward, 1, ParkReason::RetriesExhausted),
            ]);
    }
}

#[test]
fn a_promise_of_no_effect_ends_with_the_next_attempt() {
    let pivot = at_job(undo_of(0, Undo::Impossible), 1).and([
        failed(1, 1, Class::TerminalNoEffect, AfterFailure::Park),
        parked(Direction::Forward, 1, ParkReason::RetriesExhausted),
        resumed("again", true),
        claimed(2),
        started(1, 2, 2),
    ]);
    assert!(!pivot.state().clone().unwrap().jobs[1].declared_no_effect);
}

#[test]
fn after_twenty_failures_one_start_stands_for_ever_more_attempts_and_all_are_counted() {
    let endless = plan_but(0, |job| {
        job.policy.execute = RetryPolicy {
            attempts_max: None,
            delay_max_ms: 0,
            ..once_more(1)
        };
    });
    let mut course = running(endless);
    let mut starts = vec![];
    loop {
        let open = course
            .state()
            .clone()
            .unwrap()
            .open
            .expect("it is retried at once");
        starts.push(open.up_to);
        let is_last = open.up_to >= 1_000;
        let last = if is_last { 1_000 } else { open.up_to };
        let at = AttemptRef {
            attempt: NonZeroU32::new(last).unwrap(),
            ..open.at
        };
        let class = if is_last {
            Class::Stopped
        } else {
            Class::Retryable
        };
        let command = report(Report::Failed(Failed {
            at,
            place: Place::Execute,
            error: error("job"),
            class,
            after_ms: Some(0),
            raw_output: None,
            left_out: last - open.at.attempt.get(),
        }));
        course = follow(course, &command, NOW);
        if is_last {
            break;
        }
    }
    assert_eq!(&starts[..20], (1..=20).collect::<Vec<_>>());
    assert_eq!(&starts[20..], [41, 83, 167, 335, 671, 1343]);
    let deployment = course.state().clone().unwrap();
    assert_eq!(deployment.errors_count, 1_000);
    assert_eq!(
        deployment.open.map(|open| open.at.attempt.get()),
        Some(1_001)
    );
    assert!(deployment.events_count < 60, "{}", deployment.events_count);
}

#[test]
fn a_start_stands_for_no_more_attempts_than_the_policy_allows() {
    let policy = once_more(25);
    let plan = plan_but(0, |job| job.policy.execute = policy.clone());
    let mut events = vec![];
    for attempt in 1..20 {
        events.extend([
            retried(0, attempt, Class::Retryable, NOW),
            started(0, attempt + 1, 1),
        ]);
    }
    let course = running(plan.clone()).and(events);
    let due = course.and([retried(0, 20, Class::Retryable, NOW)]);
    let course = due
        .when(&report(Report::Go), NOW)
        .then(vec![Event::JobStarted {
            at: execute(0, 21),
            up_to: NonZeroU32::new(25),
            timeout_ms: None,
            epoch: 1,
        }]);
    let deployment = now_of(&course);
    let (policy, attempts) = (&plan.jobs[0].policy, &deployment.jobs[0].execute);
    assert!(is_last_attempt(policy, attempts, NOW));
    // Whoever tells of a failure in the middle of it has used no more than that.
    let early = course.when(&report(failure(execute(0, 22), Class::Retryable)), NOW);
    let delay = 30_000;
    early.then(vec![retried(0, 22, Class::Retryable, NOW + delay)]);
}
