//! Workers that die or are replaced: the resume rules of spec 2.8.

use super::super::{
    AfterFailure, CauseKind, Claiming, Class, DeploymentCommand, DeploymentEvent as Event,
    DeploymentRefusal as Refusal, Direction, ParkReason, Report, SkipReason,
};
use super::kit::*;
use crate::ErrorView;

fn lost_error(epoch: u64) -> ErrorView {
    let message = format!("the worker of epoch {epoch} ended or was replaced in the middle of it");
    ErrorView::new("lost", message)
}

/// Each claim finds the attempt of the one before open.
fn lost_in_a_row(course: Course, times: u32) -> Course {
    (0..times).fold(course, |course, _| follow(course, &claim(), NOW))
}

#[test]
fn a_take_over_marks_the_open_attempt_lost_and_starts_the_next() {
    at_job(plan(), 1).when(&claim(), NOW).then(vec![
        claimed(2),
        lost(execute(1, 1), 1),
        started(1, 2, 2),
    ]);
}

#[test]
fn a_take_over_of_an_undo_starts_no_job_again() {
    undoing(plan()).when(&claim(), NOW).then(vec![
        claimed(2),
        lost(undo(2, 1), 1),
        undo_started(2, 2, 2),
    ]);
}

#[test]
fn a_take_over_between_attempts_loses_nothing() {
    let waits = at_job(plan(), 1).and([failed(
        1,
        1,
        Class::Retryable,
        AfterFailure::RetryAt(NOW + 100),
    )]);
    let course = waits.when(&claim(), NOW + 99).then(vec![claimed(2)]);
    let course = course.when(&report_in(2, Report::Go), NOW + 100);
    course.then(vec![started(1, 2, 2)]);
}

#[test]
fn attempts_lost_in_a_row_park_as_a_crash_loop() {
    let course = lost_in_a_row(at_job(plan(), 1), 2);
    course.when(&claim(), NOW).then(vec![
        claimed(4),
        lost(execute(1, 3), 3),
        Event::DeploymentParked {
            direction: Direction::Forward,
            index: Some(1),
            reason: ParkReason::CrashLoop,
            error: Some(lost_error(3)),
        },
    ]);
}

#[test]
fn a_crash_loop_that_a_person_resumes_is_tried_again_without_a_reset() {
    let course = lost_in_a_row(at_job(plan(), 1), 3);
    let course = course.when(&resume(false), NOW);
    let course = course.then(vec![resumed("again", false)]);
    course
        .when(&claim(), NOW)
        .then(vec![claimed(5), started(1, 4, 5)]);
}

#[test]
fn undos_lost_in_a_row_park_as_a_crash_loop() {
    let course = lost_in_a_row(undoing(plan()), 3);
    let deployment = now_of(&course);
    let parked = deployment.stage.direction();
    assert_eq!(
        (deployment.stage.word(), parked),
        ("parked", Some(Direction::Backward))
    );
}

#[test]
fn an_attempt_with_a_known_end_ends_the_row() {
    let course = lost_in_a_row(running(plan()), 2).and([failed(
        0,
        3,
        Class::Retryable,
        AfterFailure::RetryAt(NOW),
    )]);
    let course = lost_in_a_row(course, 3);
    assert_eq!(now_of(&course).stage.word(), "running");
}

#[test]
fn the_undo_of_a_job_that_may_still_run_waits_until_it_cannot() {
    let takes_over = DeploymentCommand::Claim(Claiming {
        quiet_ms: 50,
        ..claiming()
    });
    let course = at_job(plan(), 1).and([cancel_requested()]);
    let course = course.when(&takes_over, NOW).then(vec![
        claimed(2),
        Event::JobAttemptLost {
            at: execute(1, 1),
            epoch: 1,
            quiet_until_ms: Some(NOW + 50),
        },
        rolls_back_as_cancelled(1),
    ]);
    course
        .when(&release(2), NOW + 1)
        .then(vec![released(2, Some(NOW + 50))]);
    let early = course.when(&report_in(2, Report::Go), NOW + 49);
    let course = early.then_nothing();
    let course = course.when(&report_in(2, Report::Go), NOW + 50);
    course.then(vec![undo_started(1, 1, 2)]);
}

#[test]
fn nobody_waives_the_quiet_period() {
    let takes_over = DeploymentCommand::Claim(Claiming {
        quiet_ms: 50,
        ..claiming()
    });
    let course = at_job(plan(), 1).and([cancel_requested()]);
    let course = follow(course, &takes_over, NOW);
    let course = course.and([Event::RetryForced { by: ann() }]);
    course
        .when(&report_in(2, Report::Go), NOW + 49)
        .then_nothing();
}

#[test]
fn a_job_lost_before_its_hooks_were_through_is_not_undone() {
    let hooked = plan_but(1, |job| job.has_pre_hooks = true);
    let course = at_job(hooked, 1).and([cancel_requested()]);
    course.when(&claim(), NOW).then(vec![
        claimed(2),
        lost(execute(1, 1), 1),
        rolls_back_as_cancelled(1),
        skipped(1, SkipReason::NeverStarted),
        undo_started(0, 1, 2),
    ]);
}

#[test]
fn a_release_ends_the_attempt_without_counting_it() {
    let why = ErrorView::new("stopped", "the worker gave the deployment back");
    running(plan())
        .when(&release(1), NOW)
        .then(vec![
            stopped(0, 1, why, AfterFailure::RetryAt(NOW)),
            released(1, None),
        ])
        .when(&claim(), NOW)
        .then(vec![claimed(2), started(0, 2, 2)]);
}

#[test]
fn a_claim_is_above_the_mark_and_the_epochs_before() {
    let above = |above, epoch| {
        DeploymentCommand::Claim(Claiming {
            above,
            epoch,
            ..claiming()
        })
    };
    let course = running(plan());
    course.when(&above(7, None), NOW).then(vec![
        claimed(8),
        lost(execute(0, 1), 1),
        started(0, 2, 8),
    ]);
    course.when(&above(0, Some(5)), NOW).then(vec![
        claimed(5),
        lost(execute(0, 1), 1),
        started(0, 2, 5),
    ]);
    for (above_mark, epoch) in [(0, Some(1)), (7, Some(7)), (u64::MAX, None)] {
        let refused = course.when(&above(above_mark, epoch), NOW);
        refused.then_refused(|why| matches!(why, Refusal::MovedOn { .. }));
    }
}

#[test]
fn a_stored_value_that_does_not_load_parks_and_never_rolls_back() {
    let unloadable = |reason, at| {
        report(Report::Unloadable {
            at,
            reason,
            error: error("job"),
        })
    };
    for reason in [
        ParkReason::SchemaMismatch,
        ParkReason::PayloadMissing,
        ParkReason::PayloadUndecodable,
    ] {
        let course = at_job(plan(), 1).when(&unloadable(reason, execute(1, 1)), NOW);
        let course = course.then(vec![
            stopped(1, 1, error("job"), AfterFailure::Park),
            parked(Direction::Forward, 1, reason),
        ]);
        assert_eq!(now_of(&course).errors_count, 1);
        undoing(plan())
            .when(&unloadable(reason, undo(2, 1)), NOW)
            .then(vec![
                undo_failed(2, 1, Class::Stopped, AfterFailure::Park),
                parked(Direction::Backward, 2, reason),
            ]);
    }
}

#[test]
fn a_failure_that_died_with_its_worker_is_tried_once_more() {
    let once = plan_but(0, |job| job.policy.execute = once_more(1));
    let course = follow(running(once), &claim(), NOW);
    let course = course.when(&report_in(2, failure(execute(0, 2), Class::Retryable)), NOW);
    course.then(vec![
        failed(0, 2, Class::Retryable, AfterFailure::Rollback),
        rolls_back(CauseKind::RetriesExhausted, 0),
        undo_started(0, 1, 2),
    ]);
}

#[test]
fn an_attempt_that_a_claim_left_open_is_marked_lost_whatever_comes() {
    let open = running(plan()).and([claimed(2)]);
    let course = open.when(&release(2), NOW);
    course.then(vec![lost(execute(0, 1), 1), released(2, None)]);
    let course = open.when(&report_in(2, Report::Go), NOW);
    course.then(vec![lost(execute(0, 1), 1), started(0, 2, 2)]);
}
