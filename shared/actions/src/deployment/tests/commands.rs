//! What persons may have done (group G of the scenarios).

use super::super::{
    AfterFailure, Class, DeploymentEvent as Event, DeploymentRefusal as Refusal, Direction, Forced,
    Operation, ParkReason, SkipReason, Stage,
};
use super::kit::*;
use crate::{OnExhausted, Undo};

fn deadline(deadline_ms: Option<u64>) -> super::super::DeploymentCommand {
    by_ann(Operation::ExtendDeadline { deadline_ms })
}

fn deadline_changed(deadline_ms: Option<u64>) -> Event {
    Event::DeadlineChanged {
        deadline_ms,
        by: ann(),
    }
}

fn abandoned(residue: &[usize]) -> Event {
    Event::DeploymentAbandoned {
        by: ann(),
        reason: "enough".to_owned(),
        residue: residue.iter().copied().map(name).collect(),
    }
}

fn parked_forward() -> Course {
    at_job(plan(), 1).and([
        failed(1, 1, Class::Retryable, AfterFailure::Park),
        parked(Direction::Forward, 1, ParkReason::RetriesExhausted),
    ])
}

#[test]
fn a_cancelled_deployment_rolls_back_once_the_running_attempt_has_ended() {
    let course = at_job(plan(), 1).when(&cancel(), NOW);
    let course = course.then(vec![cancel_requested()]);
    let course = course.when(&report(failure(execute(1, 1), Class::Stopped)), NOW);
    course.then(vec![
        failed(1, 1, Class::Stopped, AfterFailure::RetryAt(NOW)),
        rolls_back_as_cancelled(1),
        undo_started(1, 1, 1),
    ]);
}

#[test]
fn a_success_in_the_grace_period_is_recorded_and_undone() {
    let course = at_job(plan(), 1).and([cancel_requested()]);
    course.when(&report(success(1, 1)), NOW).then(vec![
        succeeded(1, 1),
        rolls_back_as_cancelled(2),
        skipped(2, SkipReason::NeverStarted),
        undo_started(1, 1, 1),
    ]);
    let at_the_end = at_job(plan(), 2).and([cancel_requested()]);
    at_the_end.when(&report(success(2, 1)), NOW).then(vec![
        succeeded(2, 1),
        rolls_back_as_cancelled(2),
        undo_started(2, 1, 1),
    ]);
}

#[test]
fn a_cancelled_deployment_is_not_parked_for_its_retries() {
    let parking = plan_but(0, |job| {
        job.policy.on_exhausted = OnExhausted::Park;
        job.policy.execute = once_more(1);
    });
    let course = running(parking).and([cancel_requested()]);
    let course = course.when(&report(failure(execute(0, 1), Class::Retryable)), NOW);
    course.then(vec![
        failed(0, 1, Class::Retryable, AfterFailure::RetryAt(NOW)),
        rolls_back_as_cancelled(0),
        undo_started(0, 1, 1),
    ]);
}

#[test]
fn cancelling_again_or_during_the_rollback_adds_nothing() {
    let course = running(plan()).and([cancel_requested()]);
    course.when(&cancel(), NOW).then_nothing();
    undoing(plan()).when(&cancel(), NOW).then_nothing();
}

#[test]
fn cancelling_what_has_ended_is_refused() {
    let ended = at_job(plan(), 2).and([succeeded(2, 1), Event::DeploymentSucceeded {}]);
    let refused = ended.when(&cancel(), NOW);
    refused.then_refused(|why| {
        matches!(
            why,
            Refusal::WrongStage {
                stage: "succeeded",
                ..
            }
        )
    });
}

#[test]
fn cancelling_what_is_parked_sends_it_back() {
    let course = parked_forward().when(&cancel(), NOW);
    let course = course.then(vec![
        cancel_requested(),
        resumed("cancelled: why not", true),
    ]);
    course.when(&claim(), NOW).then(vec![
        claimed(2),
        rolls_back_as_cancelled(1),
        undo_started(1, 1, 2),
    ]);
}

#[test]
fn cancelling_past_the_pivot_is_refused() {
    let course = running(undo_of(0, Undo::Impossible));
    let course = course.when(&cancel(), NOW);
    let past = |why: &Refusal| matches!(why, Refusal::PastPivot { job } if job == "j0");
    let course = course.then_refused(past);
    let course = course.and([succeeded(0, 1), started(1, 1, 1)]);
    course.when(&cancel(), NOW).then_refused(past);
}

#[test]
fn a_pause_takes_effect_between_attempts_and_a_resume_goes_on_there() {
    let course = running(plan()).when(&pause(), NOW);
    let course = course.then(vec![pause_requested()]);
    let course = course.when(&pause(), NOW).then_nothing();
    let course = course.when(&report(success(0, 1)), NOW);
    let course = course.then(vec![succeeded(0, 1), paused(Direction::Forward)]);
    let course = course.when(&pause(), NOW).then_nothing();
    let refused = course.when(&claim(), NOW);
    let course = refused.then_refused(|why| *why == Refusal::NothingDue { stage: "paused" });
    let course = course.when(&resume(false), NOW);
    let course = course.then(vec![resumed("again", false)]);
    course
        .when(&claim(), NOW)
        .then(vec![claimed(2), started(1, 1, 2)]);
}

#[test]
fn a_pause_outlives_the_worker() {
    let course = running(plan()).and([pause_requested()]);
    course.when(&claim(), NOW).then(vec![
        claimed(2),
        lost(execute(0, 1), 1),
        paused(Direction::Forward),
    ]);
}

#[test]
fn a_pause_that_interrupts_follows_one_that_does_not() {
    let interrupts = by_ann(Operation::Pause {
        reason: "now".to_owned(),
        interrupt: true,
    });
    let course = running(plan()).and([pause_requested()]);
    let course = course
        .when(&interrupts, NOW)
        .then(vec![Event::PauseRequested {
            by: ann(),
            reason: "now".to_owned(),
            interrupt: true,
        }]);
    course.when(&pause(), NOW).then_nothing();
}

#[test]
fn a_pause_of_what_nobody_holds_is_done_at_once() {
    let fresh = requested(plan()).when(&pause(), NOW);
    fresh.then(vec![pause_requested(), paused(Direction::Forward)]);
    let deferred = running(plan()).and([
        failed(0, 1, Class::Retryable, AfterFailure::RetryAt(NOW + 100_000)),
        released(1, Some(NOW + 100_000)),
    ]);
    let course = deferred.when(&pause(), NOW);
    course.then(vec![pause_requested(), paused(Direction::Forward)]);
}

#[test]
fn a_pause_stops_a_rollback_too() {
    let course = undoing(plan()).and([pause_requested()]);
    let course = course.when(&report(undo_success(2, 1)), NOW);
    let course = course.then(vec![undone(2, 1), paused(Direction::Backward)]);
    let course = course.and([resumed("again", false)]).when(&claim(), NOW);
    course.then(vec![claimed(2), undo_started(1, 1, 2)]);
}

#[test]
fn a_deadline_that_passes_rolls_back() {
    let course = at_job(plan(), 1).and([deadline_changed(Some(NOW))]);
    let course = follow(course, &report(failure(execute(1, 1), Class::Stopped)), NOW);
    let deployment = now_of(&course);
    assert_eq!(deployment.stage, Stage::RollingBack);
    assert_eq!(deployment.cause.unwrap().error.code, "deadline_exceeded");
}

#[test]
fn a_deadline_is_not_slept_through_and_can_be_moved() {
    let waits = running(plan()).and([
        failed(0, 1, Class::Retryable, AfterFailure::RetryAt(NOW + 900)),
        deadline_changed(Some(NOW + 500)),
    ]);
    let course = waits.when(&release(1), NOW);
    let course = course.then(vec![released(1, Some(NOW + 500))]);
    let course = course.when(&deadline(Some(NOW + 800)), NOW);
    let course = course.then(vec![deadline_changed(Some(NOW + 800))]);
    let course = course.when(&deadline(Some(NOW + 800)), NOW).then_nothing();
    assert_eq!(now_of(&course).deferred_until_ms, None);
}

#[test]
fn a_rollback_has_no_deadline() {
    let course = undoing(plan()).and([deadline_changed(Some(1))]);
    let course = course.when(&report(undo_success(2, 1)), NOW);
    let course = course.then(vec![undone(2, 1), undo_started(1, 1, 1)]);
    let refused = course.when(&deadline(None), NOW);
    refused.then_refused(|why| matches!(why, Refusal::WrongStage { .. }));
}

#[test]
fn past_the_pivot_a_deadline_has_no_effect() {
    let course = running(undo_of(0, Undo::Impossible)).and([deadline_changed(Some(1))]);
    course
        .when(&report(success(0, 1)), NOW)
        .then(vec![succeeded(0, 1), started(1, 1, 1)]);
}

#[test]
fn whatever_is_unfinished_can_be_abandoned_and_leaves_its_residue() {
    let after_u2 = undoing(plan()).and([undone(2, 1), undo_started(1, 1, 1)]);
    for (course, residue) in [
        (requested(plan()), &[][..]),
        (at_job(plan(), 1), &[0, 1]),
        (parked_forward(), &[0, 1]),
        (undoing(plan()), &[0, 1, 2]),
        (after_u2, &[0, 1]),
        (at_job(undo_of(0, Undo::NotNeeded), 1), &[1]),
    ] {
        let course = course.when(&abandon(), NOW).then(vec![abandoned(residue)]);
        let deployment = now_of(&course);
        assert_eq!((deployment.claim, deployment.open), (None, None));
        let refused = course.when(&report(success(1, 1)), NOW);
        refused.then_refused(|why| *why == Refusal::MovedOn { epoch: 1 });
    }
}

#[test]
fn a_forced_success_hands_its_output_to_the_next_job() {
    let done = Forced::Succeeded { output: value(3) };
    let force = by_ann(Operation::Force {
        job: "j1".to_owned(),
        outcome: done.clone(),
        note: "by hand".to_owned(),
    });
    let course = parked_forward()
        .when(&force, NOW)
        .then(vec![Event::OutcomeForced {
            index: 1,
            outcome: done,
            by: ann(),
            note: "by hand".to_owned(),
        }]);
    assert_eq!(now_of(&course).input_of(2), Some((&value(3), Some(1))));
    let course = course.and([resumed("again", false)]).when(&claim(), NOW);
    course.then(vec![claimed(2), started(2, 1, 2)]);
}

#[test]
fn a_job_that_was_declared_done_is_undone_like_any_other() {
    let fresh = requested(plan()).and([
        paused(Direction::Forward),
        Event::OutcomeForced {
            index: 0,
            outcome: Forced::Succeeded { output: value(3) },
            by: ann(),
            note: "by hand".to_owned(),
        },
    ]);
    let course = follow(fresh, &cancel(), NOW);
    course.when(&claim(), NOW).then(vec![
        claimed(1),
        rolls_back_as_cancelled(1),
        skipped(1, SkipReason::NeverStarted),
        undo_started(0, 1, 1),
    ]);
}

#[test]
fn a_wait_can_be_cut_short() {
    let retry = by_ann(Operation::RetryNow);
    let event = Event::RetryForced { by: ann() };
    let waits = running(plan()).and([failed(
        0,
        1,
        Class::Retryable,
        AfterFailure::RetryAt(NOW + 100),
    )]);
    let course = waits.when(&retry, NOW).then(vec![event]);
    let course = course.when(&retry, NOW).then_nothing();
    let course = course.when(&report(super::super::Report::Go), NOW);
    course.then(vec![started(0, 2, 1)]);
    let course = parked_forward().when(&retry, NOW);
    course.then(vec![resumed("retry", true)]);
}

#[test]
fn a_journal_whose_end_was_lost_is_parked_to_be_looked_at() {
    let accept = by_ann(Operation::AcceptHistory {
        note: "restored".to_owned(),
    });
    let course = follow(at_job(plan(), 1), &accept, NOW);
    let deployment = now_of(&course);
    let Stage::Parked(parked) = deployment.stage else {
        panic!("{:?}", deployment.stage);
    };
    assert_eq!(parked.reason, ParkReason::HistoryAccepted);
    assert_eq!(deployment.jobs[1].execute.lost, 1);
}

#[test]
fn a_journal_whose_end_was_lost_keeps_undo_away_from_an_attempt_that_may_still_run() {
    let accept = by_ann(Operation::AcceptHistory {
        note: "restored".to_owned(),
    });
    let timed = requested(plan()).and([
        claimed(1),
        Event::JobStarted {
            at: execute(0, 1),
            up_to: None,
            timeout_ms: Some(NOW + 70),
            epoch: 1,
        },
    ]);
    let course = follow(timed, &accept, NOW);
    let course = follow(course, &cancel(), NOW);
    let course = course.when(&claim(), NOW);
    course.then(vec![claimed(2), rolls_back_as_cancelled(0)]);
}

#[test]
fn a_remark_is_taken_in_every_stage() {
    let note = by_ann(Operation::Note {
        text: "hm".to_owned(),
    });
    let event = Event::NoteAdded {
        by: ann(),
        text: "hm".to_owned(),
    };
    let ended = running(plan()).and([abandoned(&[0])]);
    for course in [requested(plan()), running(plan()), parked_forward(), ended] {
        course.when(&note, NOW).then(vec![event.clone()]);
    }
}
