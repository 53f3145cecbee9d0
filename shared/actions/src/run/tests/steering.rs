//! Cancelling, pausing, deadlines (spec 5, G1 to G9).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::acting::{At, Play, action, job, lasting, registry, retryable, terminal, three};
use super::world::{Stand, outcome_of, rolled_back};
use crate::deployment::{Deployment, DeploymentRefusal, Direction, Operation, Stage};
use crate::{
    CauseKind, ClientError, JobPolicy, OnExhausted, Outcome, Phase, RetryPolicy, STOP_GRACE,
    StartOptions, StopReason,
};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_cancelled_job_is_told_and_undone_with_all_before_it() {
    for (play, is_heard) in [(Play::Heed, true), (Play::Hang, false)] {
        let stand = Stand::new(three).await;
        stand.acts.script("j1", At::Begin, [play]);
        let worker = stand.worker("w1").await;
        let handle = stand.start(0).await;
        stand.acts.passed("j1", At::Begin, 1).await;
        let cancelled = Instant::now();
        handle.cancel("ann", "wrong button").await.unwrap();
        handle.cancel("bob", "me too").await.unwrap();
        let Outcome::RolledBack { cause, residue } = outcome_of(&handle).await else {
            panic!("it is rolled back");
        };
        assert_eq!((cause.kind, residue), (CauseKind::Cancelled, vec![]));
        assert_eq!(cause.error.code, "execution_stopped");
        assert_eq!(cause.error.message, "cancelled by ann: wrong button");
        assert_eq!(
            stand.acts.calls(),
            ["j0 0", "j1 1", "undo j1 1 ?", "undo j0 0 1"]
        );
        let took = cancelled.elapsed();
        assert_eq!(took < STOP_GRACE, is_heard, "{took:?}");
        assert!(took < STOP_GRACE + 3 * SECOND, "{took:?}");
        if is_heard {
            assert_eq!(stand.acts.told(), [StopReason::Cancelled]);
        }
        worker.drain().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_success_in_the_grace_period_is_recorded_and_undone() {
    let stand = Stand::new(three).await;
    stand.acts.script("j1", At::Begin, [Play::Linger]);
    let worker = stand.worker("w1").await;
    let handle = stand.start(0).await;
    stand.acts.passed("j1", At::Begin, 1).await;
    handle.cancel("ann", "enough").await.unwrap();
    assert_eq!(rolled_back(&handle).await.0, "execution_stopped");
    assert_eq!(stand.acts.calls()[2..], ["undo j1 1 2", "undo j0 0 1"]);
    assert_eq!(stand.count(handle.id(), "job_succeeded").await, 2);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn cancelling_what_is_being_undone_changes_nothing() {
    let stand = Stand::new(three).await;
    let gate = Arc::new(Notify::new());
    stand.acts.script("j2", At::Begin, [terminal("no")]).script(
        "j1",
        At::Undo,
        [Play::Wait(Arc::clone(&gate))],
    );
    let worker = stand.worker("w1").await;
    let handle = stand.start(0).await;
    stand.acts.passed("j1", At::Undo, 1).await;
    let frames = stand.frames(handle.id()).await;
    handle.cancel("ann", "enough").await.unwrap();
    assert_eq!(stand.frames(handle.id()).await, frames);
    sleep(30 * SECOND).await;
    gate.notify_one();
    assert_eq!(rolled_back(&handle).await, ("no".to_owned(), vec![]));
    assert_eq!(stand.acts.of("j1", Phase::Rollback).len(), 1);
    assert_eq!(stand.acts.told(), []);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn what_has_ended_and_what_is_past_its_pivot_is_not_cancelled() {
    let stand = Stand::new(|| registry(action([job("j0"), lasting("j1")]))).await;
    let gate = Arc::new(Notify::new());
    let wait = Play::Wait(Arc::clone(&gate));
    stand.acts.script("j1", At::Begin, [wait]);
    let worker = stand.worker("w1").await;
    let handle = stand.start(0).await;
    stand.acts.passed("j1", At::Begin, 1).await;
    let refused = handle.cancel("ann", "enough").await.unwrap_err();
    let pivot = DeploymentRefusal::PastPivot {
        job: "j1".to_owned(),
    };
    assert!(matches!(refused, ClientError::Refused(refusal) if refusal == pivot));
    gate.notify_one();
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(2));
    let refused = handle.cancel("ann", "enough").await.unwrap_err();
    assert!(matches!(
        refused,
        ClientError::Refused(DeploymentRefusal::WrongStage { .. })
    ));
    assert_eq!(stand.acts.told(), []);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn cancelling_what_is_parked_sends_it_back() {
    let parking = || {
        let policy = JobPolicy {
            on_exhausted: OnExhausted::Park,
            ..JobPolicy::default().with_execute(RetryPolicy::once())
        };
        registry(action([job("j0"), job("j1").policy(policy)]))
    };
    let stand = Stand::new(parking).await;
    stand.acts.script("j1", At::Effect, [retryable("no")]);
    let worker = stand.worker("w1").await;
    let handle = stand.start(0).await;
    stand.until_parked(handle.id()).await;
    handle.cancel("ann", "enough").await.unwrap();
    assert_eq!(rolled_back(&handle).await.0, "execution_stopped");
    assert_eq!(stand.acts.calls()[2..], ["undo j1 1 ?", "undo j0 0 1"]);
    worker.drain().await;
}

fn pause(interrupt: bool) -> Operation {
    Operation::Pause {
        reason: "a look".to_owned(),
        interrupt,
    }
}

fn resume() -> Operation {
    Operation::Resume {
        note: "go on".to_owned(),
        rebind: None,
        reset_attempts: false,
    }
}

fn is_paused(state: &Deployment) -> bool {
    state.stage == Stage::Paused(Direction::Forward)
}

#[tokio::test(start_paused = true)]
async fn a_pause_lasts_through_a_restart_of_all_workers_and_goes_on_at_the_same_job() {
    for interrupt in [false, true] {
        let stand = Stand::new(three).await;
        let gate = Arc::new(Notify::new());
        let play = match interrupt {
            true => Play::Heed,
            false => Play::Wait(Arc::clone(&gate)),
        };
        stand.acts.script("j1", At::Begin, [play]);
        let first = stand.worker("w1").await;
        let handle = stand.start(0).await;
        stand.acts.passed("j1", At::Begin, 1).await;
        stand.operate(handle.id(), pause(interrupt)).await;
        sleep(5 * SECOND).await;
        gate.notify_one();
        stand.until(handle.id(), "is paused", is_paused).await;
        first.drain().await;
        let second = stand.worker("w2").await;
        sleep(100 * SECOND).await;
        assert_eq!(stand.acts.calls(), ["j0 0", "j1 1"]);
        stand.operate(handle.id(), resume()).await;
        assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(3));
        let expected: &[&str] = match interrupt {
            true => &["j1 1", "j2 2"],
            false => &["j2 2"],
        };
        assert_eq!(stand.acts.calls()[2..], *expected);
        let told: &[StopReason] = match interrupt {
            true => &[StopReason::Paused],
            false => &[],
        };
        assert_eq!(stand.acts.told(), told);
        second.drain().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_was_asked_for_before_a_crash_is_kept() {
    let stand = Stand::new(three).await;
    stand.acts.script("j1", At::Begin, [Play::Hang]);
    let first = stand.worker("w1").await;
    let handle = stand.start(0).await;
    stand.acts.passed("j1", At::Begin, 1).await;
    stand.operate(handle.id(), pause(false)).await;
    first.kill().await;
    let second = stand.worker("w2").await;
    stand.until(handle.id(), "is paused", is_paused).await;
    assert_eq!(stand.acts.calls(), ["j0 0", "j1 1"]);
    stand.operate(handle.id(), resume()).await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(3));
    second.drain().await;
}

fn due_in(seconds: u64) -> StartOptions {
    StartOptions {
        deadline: Some(Duration::from_secs(seconds)),
        ..StartOptions::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_during_a_job_stops_it_and_rolls_back() {
    let stand = Stand::new(three).await;
    stand.acts.script("j1", At::Begin, [Play::Heed]);
    let worker = stand.worker("w1").await;
    let began = Instant::now();
    let handle = stand.start_with(0, due_in(30)).await;
    assert_eq!(rolled_back(&handle).await.0, "deadline_exceeded");
    let took = began.elapsed();
    assert!(took >= 30 * SECOND && took < 32 * SECOND, "{took:?}");
    assert_eq!(stand.acts.told(), [StopReason::Deadline]);
    assert_eq!(stand.acts.calls()[2..], ["undo j1 1 ?", "undo j0 0 1"]);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_while_nobody_works_rolls_back() {
    let stand = Stand::new(three).await;
    let worker = stand.worker("w1").await;
    let began = Instant::now();
    let options = StartOptions {
        not_before_ms: Some(stand.world.now_ms() + 3_600_000),
        ..due_in(600)
    };
    let handle = stand.start_with(0, options).await;
    assert_eq!(rolled_back(&handle).await.0, "deadline_exceeded");
    assert!(began.elapsed() < 602 * SECOND);
    assert_eq!(stand.acts.invocations(), []);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_rollback_has_no_deadline() {
    let stand = Stand::new(three).await;
    let gate = Arc::new(Notify::new());
    stand.acts.script("j2", At::Begin, [terminal("no")]).script(
        "j1",
        At::Undo,
        [Play::Wait(Arc::clone(&gate))],
    );
    let worker = stand.worker("w1").await;
    let handle = stand.start_with(0, due_in(30)).await;
    stand.acts.passed("j1", At::Undo, 1).await;
    sleep(60 * SECOND).await;
    gate.notify_one();
    assert_eq!(rolled_back(&handle).await, ("no".to_owned(), vec![]));
    assert_eq!(stand.acts.told(), []);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn past_the_pivot_a_deadline_means_nothing_and_wakes_nobody() {
    let stand = Stand::new(|| registry(action([lasting("j0"), job("j1")]))).await;
    let gate = Arc::new(Notify::new());
    let wait = Play::Wait(Arc::clone(&gate));
    stand.acts.script("j1", At::Begin, [wait]);
    let worker = stand.worker("w1").await;
    let handle = stand.start_with(0, due_in(30)).await;
    stand.acts.passed("j1", At::Begin, 1).await;
    // Whoever spins keeps the time from going on, and this from returning.
    sleep(60 * SECOND).await;
    gate.notify_one();
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(2));
    assert_eq!(stand.acts.told(), []);
    worker.drain().await;
}
