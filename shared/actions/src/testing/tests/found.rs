//! Wrong actions: the explorer says which job, at which point, by which seed.

use std::time::Duration;

use super::jobs::{Look, Make, Send, exploring, many};
use crate::testing::{FakeWorld, Fault, Zombies};
use crate::{
    Action, ErrorView, Handled, Job, JobCx, JobError, JobExt, JobResult, JobState, Rollback,
    RollbackCause,
};

/// Uses another key in each attempt.
struct Careless;

impl Job<FakeWorld> for Careless {
    type Input = i64;
    type Output = i64;
    type Undo = Handled;
    const NAME: &'static str = "careless";

    async fn execute(&self, cx: &JobCx<'_, FakeWorld>, input: i64) -> JobResult<i64> {
        cx.resources().effect_anew(cx.idempotency_key())?;
        Ok(input)
    }
}

impl Rollback<FakeWorld> for Careless {
    async fn rollback(
        &self,
        cx: &JobCx<'_, FakeWorld>,
        _: &RollbackCause,
        _: JobState<i64, i64>,
    ) -> JobResult<()> {
        cx.resources().cancel(cx.execute_key());
        Ok(())
    }
}

#[test]
fn a_job_that_is_not_idempotent_is_reported_with_job_point_and_seed() {
    let careless = || {
        let action = Action::define("careless").then(Make).then(Careless);
        action.then(Look).build().unwrap()
    };
    let explorer = exploring(FakeWorld::new, careless);
    let report = explorer.every_single_fault();
    let mut problems = report.failures.iter().flat_map(|failure| &failure.problems);
    assert!(
        !problems.any(|problem| problem.contains("/make/")),
        "{report}"
    );
    let failure = report.failure_of("careless").unwrap();
    let told = failure.to_string();
    for word in ["careless", "at ", "seed ", "2 times, not 1", "job_started"] {
        assert!(told.contains(word), "{told}");
    }
    let twice =
        |failure: &crate::testing::Failure| failure.case.injections[0].fault == Fault::RunTwice;
    assert!(report.failures.iter().any(twice), "{report}");
    assert!(explorer.replay(&failure.case).is_some());
}

#[test]
fn an_undo_that_no_fault_reaches_is_reported() {
    let unreached = || {
        let action = Action::define("unreached").then(Make).then(Send);
        action.then(Make.renamed("late")).build().unwrap()
    };
    let report = exploring(FakeWorld::new, unreached).every_single_fault();
    let unreached: Vec<_> = report.unreached.iter().map(|job| job.as_str()).collect();
    assert_eq!(unreached, ["late"]);
    assert_eq!(report.failed, 0, "{report}");
}

/// Insists on finding what it undoes.
struct Strict;

impl Job<FakeWorld> for Strict {
    type Input = i64;
    type Output = i64;
    type Undo = Handled;
    const NAME: &'static str = "strict";

    async fn execute(&self, cx: &JobCx<'_, FakeWorld>, input: i64) -> JobResult<i64> {
        cx.resources().effect(cx.idempotency_key())?;
        Ok(input)
    }
}

impl Rollback<FakeWorld> for Strict {
    async fn rollback(
        &self,
        cx: &JobCx<'_, FakeWorld>,
        _: &RollbackCause,
        _: JobState<i64, i64>,
    ) -> JobResult<()> {
        if cx.resources().count(cx.execute_key()) == 0 {
            let error = ErrorView::new("nothing_there", "there is nothing to undo");
            return Err(JobError::terminal(error));
        }
        cx.resources().cancel(cx.execute_key());
        Ok(())
    }
}

#[test]
fn an_undo_that_fails_when_it_runs_twice_is_reported() {
    let strict = || {
        let action = Action::define("strict").then(Strict).then(Make);
        action.build().unwrap()
    };
    let report = exploring(FakeWorld::new, strict).every_single_fault();
    let is_twice = |failure: &&crate::testing::Failure| {
        let injection = &failure.case.injections[0];
        injection.at.is_backward() && injection.fault == Fault::RunTwice
    };
    let failure = report.failures.iter().find(is_twice).unwrap();
    assert!(failure.to_string().contains("nothing_there"), "{failure}");
    assert!(report.failure_of("make").is_none(), "{report}");
}

#[test]
fn an_undo_that_only_deletes_leaks_without_a_quiet_period() {
    let explorer = exploring(FakeWorld::deleting_only, || many(2))
        .quiet_period(Duration::ZERO)
        .zombies(Zombies::WithinQuietPeriod);
    let report = explorer.every_single_fault();
    assert!(report.failed > 0, "{report}");
    for failure in &report.failures {
        let injection = &failure.case.injections[0];
        assert_eq!(injection.fault, Fault::LoseLease, "{failure}");
        assert!(failure.problems[0].contains("left unlisted"), "{failure}");
    }
}

#[test]
fn an_undo_that_only_deletes_leaks_if_a_worker_stands_still_for_long() {
    let report = exploring(FakeWorld::deleting_only, || many(2)).every_single_fault();
    assert!(report.failed > 0, "{report}");
    for failure in &report.failures {
        let injection = &failure.case.injections[0];
        assert_eq!(injection.fault, Fault::KeepRunningAsZombie, "{failure}");
    }
}

#[test]
fn an_action_that_fails_by_itself_is_reported_at_once() {
    struct Never;
    impl Job<FakeWorld> for Never {
        type Input = i64;
        type Output = i64;
        type Undo = crate::NotNeeded;
        const NAME: &'static str = "never";

        async fn execute(&self, _: &JobCx<'_, FakeWorld>, _: i64) -> JobResult<i64> {
            Err(JobError::terminal(ErrorView::new("never", "never")))
        }
    }
    let never = || Action::define("never").then(Never).build().unwrap();
    let report = exploring(FakeWorld::new, never).every_single_fault();
    assert_eq!((report.runs, report.failed), (1, 1), "{report}");
}
