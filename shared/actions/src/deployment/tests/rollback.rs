//! The way back (group E of the scenarios).

use super::super::{
    AfterFailure, CauseKind, Class, DeploymentEvent as Event, Direction, Forced, Operation,
    ParkReason, Report, SkipReason, Stage,
};
use super::kit::*;
use crate::{Place, Plan, RollbackPolicy, Undo};

fn passing_over(plan: Plan) -> Plan {
    Plan {
        rollback: RollbackPolicy::ContinueThenPark,
        ..plan
    }
}

fn force(index: usize, outcome: Forced) -> super::super::DeploymentCommand {
    by_ann(Operation::Force {
        job: name(index).to_string(),
        outcome,
        note: "seen".to_owned(),
    })
}

fn forced(index: usize, outcome: Forced) -> Event {
    Event::OutcomeForced {
        index,
        outcome,
        by: ann(),
        note: "seen".to_owned(),
    }
}

fn skip(index: usize) -> super::super::DeploymentCommand {
    by_ann(Operation::Skip {
        job: name(index).to_string(),
        note: "seen".to_owned(),
    })
}

fn by_operator() -> SkipReason {
    SkipReason::Operator {
        by: ann(),
        note: "seen".to_owned(),
    }
}

/// u1 has failed both times, under a plan that parks then.
fn parked_at_u1() -> Course {
    let course = undoing(plan()).and([undone(2, 1), undo_started(1, 1, 1)]);
    let failure = |attempt| report(failure(undo(1, attempt), Class::Retryable));
    let course = course.when(&failure(1), NOW).then(vec![undo_failed(
        1,
        1,
        Class::Retryable,
        AfterFailure::RetryAt(NOW + 100),
    )]);
    let course = course.when(&report(Report::Go), NOW + 100);
    let course = course.then(vec![undo_started(1, 2, 1)]);
    course.when(&failure(2), NOW).then(vec![
        undo_failed(1, 2, Class::Retryable, AfterFailure::Park),
        parked(Direction::Backward, 1, ParkReason::UndoFailed),
    ])
}

#[test]
fn undo_runs_from_the_failed_job_down() {
    let failed_hook = report(Report::Failed(super::super::Failed {
        at: execute(2, 1),
        place: Place::PostHook(0),
        error: error("job"),
        class: Class::Terminal,
        after_ms: None,
        raw_output: Some(value(9)),
        left_out: 0,
    }));
    let course = follow(at_job(plan(), 2), &failed_hook, NOW);
    assert_eq!(now_of(&course).jobs[2].raw_output, Some(value(9)));
    let course = course.when(&report(undo_success(2, 1)), NOW);
    let course = course.then(vec![undone(2, 1), undo_started(1, 1, 1)]);
    let course = course.when(&report(undo_success(1, 1)), NOW);
    let course = course.then(vec![undone(1, 1), undo_started(0, 1, 1)]);
    let course = course.when(&report(undo_success(0, 1)), NOW);
    let course = course.then(vec![undone(0, 1), rolled_back(&[])]);
    let cause = now_of(&course).cause.unwrap();
    assert_eq!(
        (cause.kind, &cause.error),
        (CauseKind::JobFailed, &error("job"))
    );
}

#[test]
fn a_job_that_leaves_nothing_behind_is_skipped() {
    undoing(undo_of(1, Undo::NotNeeded))
        .when(&report(undo_success(2, 1)), NOW)
        .then(vec![
            undone(2, 1),
            skipped(1, SkipReason::UndoNotNeeded),
            undo_started(0, 1, 1),
        ]);
}

#[test]
fn an_undo_that_keeps_failing_parks_before_the_earlier_ones() {
    let deployment = now_of(&parked_at_u1());
    assert_eq!(deployment.stage.word(), "parked");
    assert_eq!(deployment.jobs[0].undo.started, 0);
}

#[test]
fn a_parked_undo_that_is_resumed_with_a_reset_ends_clean() {
    let course = parked_at_u1().when(&resume(true), NOW);
    let course = course.then(vec![resumed("again", true)]);
    let course = course.when(&claim(), NOW);
    let course = course.then(vec![claimed(2), undo_started(1, 3, 2)]);
    let course = course.when(&report_in(2, undo_success(1, 3)), NOW);
    let course = course.then(vec![undone(1, 3), undo_started(0, 1, 2)]);
    course
        .when(&report_in(2, undo_success(0, 1)), NOW)
        .then(vec![undone(0, 1), rolled_back(&[])]);
}

#[test]
fn an_undo_that_an_operator_declares_done_is_no_residue() {
    let course = parked_at_u1().when(&force(1, Forced::Undone), NOW);
    let course = course.then(vec![forced(1, Forced::Undone)]);
    let course = course.and([resumed("again", false)]).when(&claim(), NOW);
    let course = course.then(vec![claimed(2), undo_started(0, 1, 2)]);
    course
        .when(&report_in(2, undo_success(0, 1)), NOW)
        .then(vec![undone(0, 1), rolled_back(&[])]);
}

#[test]
fn an_undo_that_an_operator_skips_is_residue() {
    let course = parked_at_u1().when(&skip(1), NOW);
    let course = course.then(vec![skipped(1, by_operator())]);
    let course = course.and([resumed("again", false), claimed(2), undo_started(0, 1, 2)]);
    course
        .when(&report_in(2, undo_success(0, 1)), NOW)
        .then(vec![undone(0, 1), rolled_back(&[1])]);
}

/// u1 was passed over, u0 done; parked.
fn passed_over_u1() -> Course {
    let course = undoing(passing_over(plan())).and([undone(2, 1), undo_started(1, 1, 1)]);
    let course = course.when(&report(failure(undo(1, 1), Class::Terminal)), NOW);
    let course = course.then(vec![
        undo_failed(1, 1, Class::Terminal, AfterFailure::Continue),
        skipped(1, SkipReason::FailedContinue),
        undo_started(0, 1, 1),
    ]);
    course.when(&report(undo_success(0, 1)), NOW).then(vec![
        undone(0, 1),
        parked(Direction::Backward, 1, ParkReason::UndoFailed),
    ])
}

#[test]
fn an_undo_that_is_passed_over_parks_at_the_end() {
    let deployment = now_of(&passed_over_u1());
    assert_eq!(deployment.residue(), [name(1)]);
}

#[test]
fn an_undo_that_was_passed_over_is_tried_again_after_a_resume() {
    let course = passed_over_u1().and([resumed("again", true)]);
    let course = course.when(&claim(), NOW);
    let course = course.then(vec![claimed(2), undo_started(1, 2, 2)]);
    course
        .when(&report_in(2, undo_success(1, 2)), NOW)
        .then(vec![undone(1, 2), rolled_back(&[])]);
}

#[test]
fn an_undo_that_was_passed_over_can_be_decided_by_an_operator() {
    for (command, event, residue) in [
        (skip(1), skipped(1, by_operator()), &[1][..]),
        (force(1, Forced::Undone), forced(1, Forced::Undone), &[][..]),
    ] {
        let course = passed_over_u1().when(&command, NOW).then(vec![event]);
        let course = course.and([resumed("again", false)]);
        let course = course.when(&claim(), NOW);
        course.then(vec![claimed(2), rolled_back(residue)]);
    }
}

#[test]
fn an_undo_that_panics_is_tried_again() {
    undoing(plan())
        .when(&report(failure(undo(2, 1), Class::Panicked)), NOW)
        .then(vec![undo_failed(
            2,
            1,
            Class::Panicked,
            AfterFailure::RetryAt(NOW + 100),
        )]);
}

#[test]
fn a_deployment_that_never_began_is_rolled_back_without_any_code() {
    let course = requested(plan()).when(&cancel(), NOW);
    let course = course.then(vec![cancel_requested()]);
    course.when(&claim(), NOW).then(vec![
        claimed(1),
        rolls_back_as_cancelled(0),
        skipped(0, SkipReason::NeverStarted),
        rolled_back(&[]),
    ]);
}

/// j1 cannot be undone and is done; j2 failed for good.
fn parked_past_the_pivot() -> Course {
    at_job(undo_of(1, Undo::Impossible), 2)
        .when(&report(failure(execute(2, 1), Class::Terminal)), NOW)
        .then(vec![
            failed(2, 1, Class::Terminal, AfterFailure::Park),
            parked(Direction::Forward, 2, ParkReason::RetriesExhausted),
        ])
}

#[test]
fn past_the_pivot_nothing_is_undone_until_a_person_decides() {
    let course = parked_past_the_pivot();
    course.when(&claim(), NOW).then_refused(|_| true);
    let succeeded = Forced::Succeeded { output: value(3) };
    let course = course.when(&force(2, succeeded.clone()), NOW);
    let course = course.then(vec![forced(2, succeeded)]);
    let course = course.and([resumed("again", false)]);
    course
        .when(&claim(), NOW)
        .then(vec![claimed(2), Event::DeploymentSucceeded {}]);
}

#[test]
fn an_operator_rolls_back_across_a_job_without_way_back_which_is_residue() {
    let fails = Forced::Failed {
        error: error("job"),
    };
    let course = parked_past_the_pivot().when(&force(2, fails.clone()), NOW);
    let course = course.then(vec![forced(2, fails)]);
    let course = course.and([resumed("again", false)]);
    let course = course.when(&claim(), NOW);
    let course = course.then(vec![claimed(2), undo_started(2, 1, 2)]);
    let course = course.when(&report_in(2, undo_success(2, 1)), NOW);
    let course = course.then(vec![
        undone(2, 1),
        skipped(1, SkipReason::UndoImpossible),
        undo_started(0, 1, 2),
    ]);
    course
        .when(&report_in(2, undo_success(0, 1)), NOW)
        .then(vec![undone(0, 1), rolled_back(&[1])]);
}

#[test]
fn a_job_without_way_back_that_was_declared_done_moves_the_pivot() {
    let course = at_job(undo_of(1, Undo::Impossible), 1);
    let fresh = requested(undo_of(0, Undo::Impossible)).and([paused(Direction::Forward)]);
    assert_eq!(now_of(&course).pivot, Some(1));
    let done = Forced::Succeeded { output: value(3) };
    let course = follow(fresh, &force(0, done), NOW);
    assert_eq!(now_of(&course).pivot, Some(0));
}

#[test]
fn a_value_that_is_missing_for_an_undo_parks_it() {
    let missing = report(Report::Unloadable {
        at: undo(2, 1),
        reason: ParkReason::PayloadMissing,
        error: error("job"),
    });
    let course = undoing(plan()).when(&missing, NOW).then(vec![
        undo_failed(2, 1, Class::Stopped, AfterFailure::Park),
        parked(Direction::Backward, 2, ParkReason::PayloadMissing),
    ]);
    assert!(matches!(now_of(&course).stage, Stage::Parked(_)));
}

#[test]
fn a_job_whose_hooks_failed_before_execute_is_not_undone() {
    let hooked = plan_but(1, |job| job.has_pre_hooks = true);
    let course = at_job(hooked, 1);
    let course = course.when(&report(failure(execute(1, 1), Class::Terminal)), NOW);
    course.then(vec![
        failed(1, 1, Class::Terminal, AfterFailure::Rollback),
        rolls_back(CauseKind::JobFailed, 1),
        skipped(1, SkipReason::NeverStarted),
        undo_started(0, 1, 1),
    ]);
}

#[test]
fn a_job_that_once_got_past_its_hooks_is_undone_with_what_they_made() {
    let hooked = plan_but(1, |job| job.has_pre_hooks = true);
    let course = at_job(hooked, 1).and([
        prepared(1, 1),
        claimed(2),
        lost(execute(1, 1), 1),
        started(1, 2, 2),
    ]);
    let course = course.when(&report_in(2, failure(execute(1, 2), Class::Terminal)), NOW);
    let course = course.then(vec![
        failed(1, 2, Class::Terminal, AfterFailure::Rollback),
        rolls_back(CauseKind::JobFailed, 1),
        undo_started(1, 1, 2),
    ]);
    assert_eq!(now_of(&course).jobs[1].prepared, Some(value(7)));
}

#[test]
fn what_execute_returned_is_kept_for_the_undo() {
    let done = report(Report::Succeeded {
        at: execute(0, 1),
        output: value(1),
        raw_output: Some(value(9)),
        took_ms: 1,
    });
    let course = follow(running(plan()), &done, NOW);
    assert_eq!(now_of(&course).jobs[0].raw_output, Some(value(9)));
}
