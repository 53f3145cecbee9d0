//! Another plan for a deployment that stands (group V of the scenarios).

use super::super::{
    Class, DeploymentCommand, DeploymentEvent as Event, DeploymentRefusal as Refusal, Direction,
    Operation, SkipReason,
};
use super::kit::*;
use crate::{JOBS_MAX, Plan, Undo};

fn rebind(plan: Plan) -> DeploymentCommand {
    by_ann(Operation::Resume {
        note: "again".to_owned(),
        rebind: Some(Box::new(plan)),
        reset_attempts: false,
    })
}

fn rebound(plan: Plan) -> Event {
    Event::PlanRebound {
        plan,
        by: ann(),
        note: "again".to_owned(),
    }
}

/// j0 is done and j1 was begun.
fn paused_at_j1() -> Course {
    let course = at_job(plan(), 1).and([pause_requested()]);
    follow(course, &claim(), NOW)
}

#[test]
fn later_jobs_may_be_others() {
    let mut other = plan();
    other.jobs[2] = job(5);
    other.jobs.push(job(6));
    let course = paused_at_j1().when(&rebind(other.clone()), NOW);
    let course = course.then(vec![rebound(other), resumed("again", false)]);
    let course = course.when(&claim(), NOW);
    let course = course.then(vec![claimed(3), started(1, 2, 3)]);
    let course = course.when(&report_in(3, success(1, 2)), NOW);
    let course = course.then(vec![succeeded(1, 2), started(2, 1, 3)]);
    assert_eq!(now_of(&course).plan.jobs[2].job, name(5));
}

#[test]
fn what_was_begun_must_be_the_same() {
    let renamed = plan_but(0, |job| job.job = name(7));
    let retyped = plan_but(1, |job| job.schema.version = 2);
    let mut shorter = plan();
    shorter.jobs.truncate(1);
    for (other, first) in [
        (renamed, 0),
        (retyped, 1),
        (undo_of(1, Undo::NotNeeded), 1),
        (shorter, 1),
    ] {
        let course = paused_at_j1();
        course.cannot_be_followed_by(rebound(other.clone()));
        let refused = course.when(&rebind(other), NOW);
        refused.then_refused(
            |why| matches!(why, Refusal::PlanDoesNotFit { index, .. } if *index == first),
        );
    }
}

#[test]
fn a_rollback_keeps_all_jobs() {
    let course = undoing(plan()).and([pause_requested()]);
    let course = follow(course, &report(undo_success(2, 1)), NOW);
    let other = plan_but(2, |job| job.job = name(7));
    let refused = course.when(&rebind(other), NOW);
    refused.then_refused(|why| matches!(why, Refusal::PlanDoesNotFit { index: 2, .. }));
}

#[test]
fn a_plan_has_some_jobs_and_no_two_of_one_name() {
    let none = Plan {
        jobs: vec![],
        ..plan()
    };
    let many = Plan {
        jobs: (0..=JOBS_MAX).map(job).collect(),
        ..plan()
    };
    let twice = plan_but(2, |job| job.job = name(1));
    let fresh = || requested(plan()).and([paused(Direction::Forward)]);
    for other in [none, many, twice] {
        fresh().cannot_be_followed_by(rebound(other.clone()));
        let refused = fresh().when(&rebind(other.clone()), NOW);
        refused.then_refused(|why| matches!(why, Refusal::Invalid { field: "plan", .. }));
        let asks = DeploymentCommand::Request(std::sync::Arc::new(asked(other)));
        let refused = nogfso_testkit::given::given::<super::super::Deployments>([]);
        let refused = refused.when(&asks, NOW);
        refused.then_refused(|why| matches!(why, Refusal::Invalid { field: "plan", .. }));
    }
}

#[test]
fn hooks_that_a_new_plan_adds_do_not_hide_that_a_job_was_executed() {
    let course = paused_at_j1();
    let hooked = plan_but(1, |job| job.has_pre_hooks = true);
    let course = follow(course, &rebind(hooked), NOW);
    let course = course.and([cancel_requested()]);
    let course = course.when(&claim(), NOW);
    let course = course.then(vec![
        claimed(3),
        rolls_back_as_cancelled(1),
        undo_started(1, 1, 3),
    ]);
    let why = SkipReason::NeverStarted;
    course.cannot_be_followed_by(skipped(1, why));
}

#[test]
fn a_new_policy_counts_from_the_rebind_on() {
    let patient = plan_but(1, |job| job.policy.execute = once_more(9));
    let course = follow(paused_at_j1(), &rebind(patient), NOW);
    let course = follow(course, &claim(), NOW);
    let course = follow(
        course,
        &report_in(3, failure(execute(1, 2), Class::Retryable)),
        NOW,
    );
    assert_eq!(now_of(&course).stage.direction(), Some(Direction::Forward));
}
