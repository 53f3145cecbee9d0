//! The way forward: the frames of spec 2.7, and who may write them.

use std::sync::Arc;

use nogfso_testkit::given::given;

use super::super::{
    DeploymentCommand, DeploymentEvent as Event, DeploymentRefusal as Refusal, Deployments, Forked,
    Report, Stage, Stored,
};
use super::kit::*;
use crate::{Manifest, Place};

#[test]
fn what_is_asked_for_is_requested_once() {
    let command = DeploymentCommand::Request(Arc::new(asked(plan())));
    let course = given::<Deployments>([]).when(&command, NOW);
    let course = course.then(vec![Event::DeploymentRequested(Arc::new(asked(plan())))]);
    course.when(&command, NOW).then_nothing();
}

#[test]
fn the_first_frame_claims_and_starts_the_first_job() {
    requested(plan())
        .when(&claim(), NOW)
        .then(vec![claimed(1), started(0, 1, 1)]);
}

#[test]
fn a_frame_between_jobs_ends_one_and_starts_the_next() {
    running(plan())
        .when(&report(success(0, 1)), NOW)
        .then(vec![succeeded(0, 1), started(1, 1, 1)]);
}

#[test]
fn the_last_frame_ends_the_deployment() {
    let course = at_job(plan(), 2).when(&report(success(2, 1)), NOW);
    let course = course.then(vec![succeeded(2, 1), Event::DeploymentSucceeded {}]);
    let deployment = course.state().clone().unwrap();
    assert_eq!(deployment.stage, Stage::Succeeded);
    assert_eq!(deployment.claim, None);
}

#[test]
fn going_on_while_an_attempt_is_under_way_adds_nothing() {
    running(plan())
        .when(&report(Report::Go), NOW)
        .then_nothing();
}

#[test]
fn no_job_starts_before_its_time_and_the_wait_is_given_back() {
    let later = Event::DeploymentRequested(Arc::new(super::super::Asked {
        not_before_ms: Some(NOW + 10),
        ..asked(plan())
    }));
    let course = given::<Deployments>([later]);
    let course = course.when(&claim(), NOW).then(vec![claimed(1)]);
    let waits = course.when(&release(1), NOW);
    let waits = waits.then(vec![released(1, Some(NOW + 10))]);
    let due = waits.when(&DeploymentCommand::Due, NOW + 10);
    let due = due.then(vec![Event::DeploymentDue {}]);
    due.when(&DeploymentCommand::Due, NOW + 10).then_nothing();
    due.when(&claim(), NOW + 10)
        .then(vec![claimed(2), started(0, 1, 2)]);
}

#[test]
fn a_wait_for_which_no_alarm_is_set_in_time_is_given_back_to_anybody() {
    let later = Event::DeploymentRequested(Arc::new(super::super::Asked {
        not_before_ms: Some(NOW + 10),
        ..asked(plan())
    }));
    let course = given::<Deployments>([later]).when(&claim(), NOW);
    let course = course.then(vec![claimed(1)]);
    for alarm_ms in [None, Some(NOW + 11)] {
        let by = worker(1);
        let release = DeploymentCommand::Release { by, alarm_ms };
        course.when(&release, NOW).then(vec![released(1, None)]);
    }
}

#[test]
fn a_worker_that_is_about_to_end_begins_nothing_more() {
    let ending = |report| DeploymentCommand::Report {
        by: super::super::WorkerView {
            is_ending: true,
            ..worker(1)
        },
        report,
    };
    at_job(plan(), 1)
        .when(&ending(success(1, 1)), NOW)
        .then(vec![succeeded(1, 1)])
        .when(&release(1), NOW)
        .then(vec![released(1, None)]);
    at_job(plan(), 2)
        .when(&ending(success(2, 1)), NOW)
        .then(vec![succeeded(2, 1), Event::DeploymentSucceeded {}]);
}

#[test]
fn a_worker_without_the_code_starts_nothing_and_ends_nothing() {
    let unable = DeploymentCommand::Claim(super::super::Claiming {
        manifest: Arc::new(Manifest::default()),
        ..claiming()
    });
    let course = requested(plan()).when(&unable, NOW).then(vec![claimed(1)]);
    course
        .when(&release(1), NOW)
        .then(vec![released(1, None)])
        .when(&claim(), NOW)
        .then(vec![claimed(2), started(0, 1, 2)]);
}

#[test]
fn what_the_hooks_made_is_recorded_once_per_attempt() {
    let ready = Report::Prepared {
        at: execute(0, 1),
        input: value(7),
    };
    let course = running(plan()).when(&report(ready.clone()), NOW);
    let course = course.then(vec![prepared(0, 1)]);
    course.when(&report(ready), NOW).then_nothing();
}

#[test]
fn a_value_that_is_kept_already_is_not_written_again() {
    let put = |number| {
        report(Report::Data {
            at: execute(0, 1),
            key: "k".to_owned(),
            value: value(number),
        })
    };
    let event = |number| Event::JobDataPut {
        at: execute(0, 1),
        key: "k".to_owned(),
        value: value(number),
    };
    let course = running(plan()).when(&put(1), NOW).then(vec![event(1)]);
    let course = course.when(&put(1), NOW).then_nothing();
    let course = course.when(&put(2), NOW).then(vec![event(2)]);
    let deployment = course.state().clone().unwrap();
    assert_eq!(deployment.jobs[0].data["k"], value(2));
}

#[test]
fn an_error_that_was_dealt_with_is_in_the_log() {
    let handled = report(Report::Handled {
        at: execute(0, 1),
        place: Place::PreHook(1),
        error: error("job"),
        left_out: 2,
    });
    let course = running(plan())
        .when(&handled, NOW)
        .then(vec![Event::JobErrorLogged {
            at: execute(0, 1),
            place: Place::PreHook(1),
            error: error("job"),
            left_out: 2,
        }]);
    let deployment = course.state().clone().unwrap();
    assert_eq!(deployment.errors_count, 3);
    assert!(deployment.errors[0].handled);
}

#[test]
fn a_job_that_passes_its_input_on_stores_none() {
    let course = running(plan_but(0, |job| job.passes_on = true));
    let passed = Report::Succeeded {
        at: execute(0, 1),
        output: Stored::SameAsInput,
        raw_output: None,
        took_ms: 1,
    };
    let when = course.when(&report(passed.clone()), NOW);
    let deployment = when.state().clone().unwrap();
    assert_eq!(deployment.input_of(1), Some((&value(0), None)));

    let refused = running(plan()).when(&report(passed), NOW);
    refused.then_refused(|why| {
        matches!(
            why,
            Refusal::Invalid {
                field: "output",
                ..
            }
        )
    });
}

#[test]
fn a_fork_goes_on_after_what_it_copied() {
    let fork = Event::DeploymentRequested(Arc::new(super::super::Asked {
        forked: Some(Forked {
            from: asked(plan()).id.derived("source"),
            outputs: vec![value(1), value(2)],
            by: ann(),
        }),
        ..asked(plan())
    }));
    given::<Deployments>([fork])
        .when(&claim(), NOW)
        .then(vec![claimed(1), started(2, 1, 1)]);
}

#[test]
fn a_frame_of_a_void_epoch_is_refused() {
    let course = running(plan()).when(&claim(), NOW).then(vec![
        claimed(2),
        lost(execute(0, 1), 1),
        started(0, 2, 2),
    ]);
    let stale = course.when(&report(success(0, 1)), NOW);
    let course = stale.then_refused(|why| *why == Refusal::MovedOn { epoch: 1 });
    let stale = course.when(&release(1), NOW);
    stale.then_refused(|why| *why == Refusal::MovedOn { epoch: 1 });
    let of_the_lost = course.when(&report_in(2, success(0, 1)), NOW);
    of_the_lost.then_refused(|why| *why == Refusal::NoSuchAttempt);
}
