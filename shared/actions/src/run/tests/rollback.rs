//! The way back: order, failing undos, crashes (spec 5, E1 to E12).

use serde_json::json;

use super::acting::{
    Acts, At, Key, Play, action, hooked, job, registry, retryable, terminal, three, traceless,
};
use super::world::{Stand, outcome_of, rolled_back};
use crate::deployment::{
    DeploymentEvent, Direction, Forced, Operation, ParkReason, SkipReason, Stage,
};
use crate::{
    Action, ErrorView, JobError, JobPolicy, Outcome, Phase, Registry, RetryPolicy, RollbackPolicy,
};

#[tokio::test(start_paused = true)]
async fn undo_runs_from_the_failed_job_down_and_the_waiter_gets_the_cause() {
    let make = || registry(action([job("j0"), job("j1"), hooked("j2")]));
    let stand = Stand::new(make).await;
    stand.acts.script("j2", At::PostHook, [terminal("no")]);
    let worker = stand.worker("w1").await;
    let handle = stand.start(0).await;
    assert_eq!(rolled_back(&handle).await, ("no".to_owned(), vec![]));
    assert_eq!(
        stand.acts.calls(),
        [
            "j0 0",
            "j1 1",
            "j2 12",
            "undo j2 12 13",
            "undo j1 1 2",
            "undo j0 0 1"
        ]
    );
    assert!(stand.acts.there().is_empty());
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_leaves_nothing_behind_is_passed_over_on_the_way_back() {
    let make = || registry(action([job("j0"), traceless("j1"), job("j2")]));
    let stand = Stand::new(make).await;
    stand.acts.script("j2", At::Effect, [terminal("no")]);
    let worker = stand.worker("w1").await;
    let handle = stand.start(0).await;
    assert_eq!(rolled_back(&handle).await, ("no".to_owned(), vec![]));
    assert_eq!(stand.acts.calls()[3..], ["undo j2 2 ?", "undo j0 0 1"]);
    assert_eq!(
        skips(&stand, &handle).await,
        [(1, SkipReason::UndoNotNeeded)]
    );
    worker.drain().await;
}

pub(super) async fn skips(stand: &Stand, handle: &crate::Handle<i64>) -> Vec<(usize, SkipReason)> {
    let events = stand.events(handle.id()).await;
    let skip_of = |event| {
        let DeploymentEvent::JobRollbackSkipped { index, why } = event else {
            return None;
        };
        Some((index, why))
    };
    events.into_iter().filter_map(skip_of).collect()
}

#[tokio::test(start_paused = true)]
async fn an_undo_reads_what_execute_kept_and_keeps_something_itself() {
    let stand = Stand::new(three).await;
    stand
        .acts
        .script("j1", At::Begin, [Play::Keep("note", 7)])
        .script("j1", At::Undone, [Play::Keep("undone", 8)])
        .script("j2", At::Begin, [terminal("no")]);
    let worker = stand.worker("w1").await;
    let handle = stand.start(0).await;
    rolled_back(&handle).await;
    let undo = &stand.acts.of("j1", Phase::Rollback)[0];
    assert_eq!((undo.kept, undo.values), (Some(7), (1, Some(2))));
    let data = &stand.deployment(handle.id()).await.jobs[1].data;
    assert_eq!(data.keys().collect::<Vec<_>>(), ["note", "undone"]);
    worker.drain().await;
}

fn brief_undo(policy: RollbackPolicy) -> (Registry<Acts>, Key) {
    let undo = RetryPolicy {
        initial_ms: 1,
        ..JobPolicy::default().rollback
    };
    let undo = undo.with_attempts_max(3.try_into().unwrap());
    let steps = ["j0", "j1", "j2"];
    let [j0, j1, j2] =
        steps.map(|name| job(name).policy(JobPolicy::default().with_rollback(undo.clone())));
    let action = Action::define("a").rollback_policy(policy);
    registry(action.then(j0).then(j1).then(j2).build().unwrap())
}

fn stopping() -> (Registry<Acts>, Key) {
    brief_undo(RollbackPolicy::StopAndPark)
}

fn continuing() -> (Registry<Acts>, Key) {
    brief_undo(RollbackPolicy::ContinueThenPark)
}

/// A deployment whose `u1` has failed to its budget.
async fn with_failing_undo(stand: &Stand) -> crate::Handle<i64> {
    stand
        .acts
        .script("j1", At::Undo, (0..3).map(|_| retryable("stuck")))
        .script("j2", At::Effect, [terminal("no")]);
    let handle = stand.start(0).await;
    let Stage::Parked(parked) = stand.until_parked(handle.id()).await.stage else {
        unreachable!("it is parked");
    };
    assert_eq!(parked.reason, ParkReason::UndoFailed);
    assert_eq!(
        (parked.direction, parked.index),
        (Direction::Backward, Some(1))
    );
    handle
}

fn resume() -> Operation {
    Operation::Resume {
        note: "mended".to_owned(),
        rebind: None,
        reset_attempts: true,
    }
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_keeps_failing_parks_before_the_earlier_ones_and_a_reset_ends_clean() {
    let stand = Stand::new(stopping).await;
    let worker = stand.worker("w1").await;
    let handle = with_failing_undo(&stand).await;
    assert_eq!(stand.acts.of("j1", Phase::Rollback).len(), 3);
    assert_eq!(stand.acts.of("j0", Phase::Rollback), []);
    stand.operate(handle.id(), resume()).await;
    assert_eq!(rolled_back(&handle).await, ("no".to_owned(), vec![]));
    assert_eq!(stand.acts.calls()[7..], ["undo j1 1 2", "undo j0 0 1"]);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_a_person_declares_done_is_no_residue_and_the_note_is_kept() {
    let stand = Stand::new(stopping).await;
    let worker = stand.worker("w1").await;
    let handle = with_failing_undo(&stand).await;
    let force = Operation::Force {
        job: "j1".to_owned(),
        outcome: Forced::Undone,
        note: "by hand".to_owned(),
    };
    stand.operate(handle.id(), force).await;
    stand.operate(handle.id(), resume()).await;
    assert_eq!(rolled_back(&handle).await, ("no".to_owned(), vec![]));
    assert_eq!(stand.acts.calls()[7..], ["undo j0 0 1"]);
    let events = stand.events(handle.id()).await;
    let is_noted = |event: &DeploymentEvent| {
        let DeploymentEvent::OutcomeForced { by, note, .. } = event else {
            return false;
        };
        (by.as_str(), note.as_str()) == ("ann", "by hand")
    };
    assert!(events.iter().any(is_noted));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_keeps_failing_is_passed_over_where_the_action_says_so() {
    let stand = Stand::new(continuing).await;
    let worker = stand.worker("w1").await;
    let handle = with_failing_undo(&stand).await;
    let deployment = stand.deployment(handle.id()).await;
    let residue: Vec<_> = deployment
        .residue()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(residue, ["j1"]);
    assert_eq!(stand.acts.calls().last().unwrap(), "undo j0 0 1");
    // What was passed over is tried again, and only that.
    stand.operate(handle.id(), resume()).await;
    assert_eq!(rolled_back(&handle).await, ("no".to_owned(), vec![]));
    assert_eq!(stand.acts.calls()[8..], ["undo j1 1 2"]);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_panics_is_tried_again_and_nobody_hears_of_success() {
    let stand = Stand::new(stopping).await;
    stand
        .acts
        .script("j1", At::Undo, [Play::Panic("oh"), Play::Panic("no")])
        .script("j2", At::Effect, [terminal("no")]);
    let worker = stand.worker("w1").await;
    let handle = stand.start(0).await;
    assert_eq!(rolled_back(&handle).await, ("no".to_owned(), vec![]));
    let attempts = stand.acts.of("j1", Phase::Rollback);
    let numbers: Vec<_> = attempts.iter().map(|one| one.attempt).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(
        stand
            .count(handle.id(), "job_rollback_attempt_failed")
            .await,
        2
    );
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_during_an_undo_repeats_that_one_and_no_job() {
    for at in [At::Undo, At::Undone] {
        let stand = Stand::new(three).await;
        stand
            .acts
            .script("j1", at, [Play::Hang])
            .script("j2", At::Effect, [terminal("no")]);
        let first = stand.worker("w1").await;
        let handle = stand.start(0).await;
        stand.acts.passed("j1", at, 1).await;
        first.kill().await;
        // Nobody asks for it: it is listed, going back, and goes on by itself.
        let unfinished = stand.client().unfinished().await.unwrap();
        let listed: Vec<_> = unfinished
            .iter()
            .map(|state| (state.asked.id, state.stage.clone()))
            .collect();
        assert_eq!(listed, [(handle.id(), Stage::RollingBack)]);
        let second = stand.worker("w2").await;
        assert_eq!(rolled_back(&handle).await, ("no".to_owned(), vec![]));
        assert_eq!(
            stand.acts.calls()[3..],
            ["undo j2 2 ?", "undo j1 1 2", "undo j1 1 2", "undo j0 0 1"]
        );
        let attempts = stand.acts.of("j1", Phase::Rollback);
        assert_eq!(
            (attempts[1].attempt, attempts[1].maybe_ran_before),
            (2, true)
        );
        assert_eq!(stand.client().unfinished().await.unwrap(), []);
        second.drain().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_cause_is_the_same_before_and_after_a_restart() {
    let stand = Stand::new(three).await;
    let view = ErrorView::new("quota", "too many").with_details(json!({ "limit": 3 }));
    stand
        .acts
        .script(
            "j2",
            At::Effect,
            [Play::Fail(JobError::terminal(view.clone()))],
        )
        .script("j1", At::Undo, [Play::Hang]);
    let first = stand.worker("w1").await;
    let handle = stand.start(0).await;
    stand.acts.passed("j1", At::Undo, 1).await;
    first.kill().await;
    let second = stand.worker("w2").await;
    let Outcome::RolledBack { cause, .. } = outcome_of(&handle).await else {
        panic!("it is rolled back");
    };
    assert_eq!(cause.error, view);
    let undos = stand.acts.invocations();
    let causes: Vec<_> = undos.iter().filter_map(|one| one.why.clone()).collect();
    assert_eq!(causes, vec![cause; 4]);
    second.drain().await;
}
