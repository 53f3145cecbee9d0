//! Attempts that fail, hang or are told to stop, and when the next one follows (spec 5, group D).

use std::time::Duration;

use tokio::time::Instant;

use super::acting::{Acts, At, Key, Play, action, job, registry, retryable, three};
use super::world::{Stand, outcome_of, rolled_back};
use crate::deployment::{AfterFailure, Class, DeploymentEvent, Operation, ParkReason, Stage};
use crate::{
    CauseKind, ErrorView, JobError, JobPolicy, OnExhausted, Outcome, Phase, Registry, RetryPolicy,
    STOP_GRACE, StopReason,
};

#[tokio::test(start_paused = true)]
async fn a_job_that_fails_twice_is_tried_again_after_growing_delays_and_has_one_effect() {
    let stand = Stand::new(three).await;
    stand
        .acts
        .script("j1", At::Effect, ["a", "b"].map(retryable));
    let worker = stand.worker("w1").await;
    let handle = stand.start(0).await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(3));
    assert_eq!(stand.acts.of("j1", Phase::Execute).len(), 3);
    assert!(stand.acts.is_each_made_once());
    let events = stand.events(handle.id()).await;
    let retries: Vec<_> = events.iter().filter_map(retry_of).collect();
    assert_eq!(retries.len(), 2);
    assert!(retries.is_sorted());
    worker.drain().await;
}

fn retry_of(event: &DeploymentEvent) -> Option<u64> {
    let DeploymentEvent::JobAttemptFailed {
        next: AfterFailure::RetryAt(at_ms),
        ..
    } = event
    else {
        return None;
    };
    Some(*at_ms)
}

#[tokio::test(start_paused = true)]
async fn retries_that_are_used_up_roll_back_for_that_cause() {
    let stand = Stand::new(three).await;
    let fails = (0..5).map(|_| retryable("busy"));
    stand.acts.script("j1", At::Begin, fails);
    let worker = stand.worker("w1").await;
    let handle = stand.start(0).await;
    let Outcome::RolledBack { cause, residue } = outcome_of(&handle).await else {
        panic!("it is rolled back");
    };
    assert_eq!(cause.kind, CauseKind::RetriesExhausted);
    assert_eq!((cause.error.code.as_str(), residue), ("busy", vec![]));
    worker.drain().await;
}

fn parking() -> (Registry<Acts>, Key) {
    let policy = JobPolicy {
        on_exhausted: OnExhausted::Park,
        ..JobPolicy::default()
    };
    registry(action([job("j0"), job("j1").policy(policy), job("j2")]))
}

#[tokio::test(start_paused = true)]
async fn retries_that_are_used_up_park_and_a_reset_goes_on() {
    let stand = Stand::new(parking).await;
    let fails = (0..5).map(|_| retryable("busy"));
    stand.acts.script("j1", At::Begin, fails);
    let worker = stand.worker("w1").await;
    let handle = stand.start(0).await;
    let Stage::Parked(parked) = stand.until_parked(handle.id()).await.stage else {
        unreachable!("it is parked");
    };
    assert_eq!(parked.reason, ParkReason::RetriesExhausted);
    let resume = Operation::Resume {
        note: "mended".to_owned(),
        rebind: None,
        reset_attempts: true,
    };
    stand.operate(handle.id(), resume).await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(3));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_asks_for_an_hour_gets_it_and_holds_no_worker_meanwhile() {
    let stand = Stand::new(three).await;
    let hour = Duration::from_secs(3_600);
    let error = JobError::retry_after(ErrorView::new("busy", "later"), hour);
    stand.acts.script("j1", At::Begin, [Play::Fail(error)]);
    let worker = stand.worker("w1").await;
    let handle = stand.start(0).await;
    let began = Instant::now();
    let given_back = |state: &crate::deployment::Deployment| {
        state.deferred_until_ms.is_some() && state.claim.is_none()
    };
    stand.until(handle.id(), "is given back", given_back).await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(3));
    let took = began.elapsed();
    assert!(
        took >= hour && took < hour + Duration::from_secs(60),
        "{took:?}"
    );
    worker.drain().await;
}

const LIMIT: Duration = Duration::from_secs(20);

fn limited() -> (Registry<Acts>, Key) {
    let execute = JobPolicy::default().execute.with_attempt_timeout(LIMIT);
    let policy = JobPolicy::default().with_execute(execute);
    registry(action([job("j0"), job("j1").policy(policy), job("j2")]))
}

#[tokio::test(start_paused = true)]
async fn a_job_that_hangs_is_told_aborted_after_the_grace_and_tried_again() {
    for (play, aborted) in [(Play::Hang, true), (Play::Heed, false)] {
        let stand = Stand::new(limited).await;
        stand.acts.script("j1", At::Begin, [play]);
        let worker = stand.worker("w1").await;
        let began = Instant::now();
        let handle = stand.start(0).await;
        stand.acts.passed("j1", At::Begin, 2).await;
        let took = began.elapsed();
        let least = LIMIT + if aborted { STOP_GRACE } else { Duration::ZERO };
        assert!(took >= least && took < least + Duration::from_secs(2));
        assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(3));
        let told = stand.acts.told();
        assert_eq!(
            told.first(),
            (!aborted).then_some(&StopReason::AttemptTimeout)
        );
        assert_eq!(stand.classes(handle.id()).await, [Class::TimedOut]);
        assert!(stand.acts.of("j1", Phase::Execute)[1].maybe_ran_before);
        worker.drain().await;
    }
}

fn beating() -> (Registry<Acts>, Key) {
    let policy = JobPolicy {
        heartbeat_timeout_ms: Some(5_000),
        ..JobPolicy::default()
    };
    registry(action([job("j0").policy(policy)]))
}

#[tokio::test(start_paused = true)]
async fn a_job_without_a_sign_of_life_counts_as_one_that_took_too_long() {
    let stand = Stand::new(beating).await;
    stand.acts.script("j0", At::Begin, [Play::Heed]);
    let worker = stand.worker("w1").await;
    let began = Instant::now();
    let handle = stand.start(0).await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(1));
    assert!(began.elapsed() < Duration::from_secs(7));
    assert_eq!(stand.classes(handle.id()).await, [Class::TimedOut]);
    worker.drain().await;
}

fn endless() -> (Registry<Acts>, Key) {
    let policy = JobPolicy::default().with_execute(RetryPolicy {
        initial_ms: 1,
        delay_max_ms: 100,
        attempts_max: None,
        elapsed_max_ms: None,
        ..JobPolicy::default().execute
    });
    registry(action([job("j0").policy(policy)]))
}

#[tokio::test(start_paused = true)]
async fn a_thousand_failures_are_counted_and_leave_a_short_journal() {
    let stand = Stand::new(endless).await;
    let fails = (0..1_000).map(|_| retryable("busy"));
    stand.acts.script("j0", At::Begin, fails);
    let worker = stand.worker("w1").await;
    let handle = stand.start(0).await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(1));
    assert_eq!(stand.acts.of("j0", Phase::Execute).len(), 1_001);
    let deployment = stand.deployment(handle.id()).await;
    assert_eq!(deployment.errors_count, 1_000);
    assert_eq!(deployment.jobs[0].execute.started, 1_001);
    // Twenty singly, then ranges that double.
    assert!(stand.events(handle.id()).await.len() < 70);
    let entries = stand.client().errors(handle.id(), None).await.unwrap();
    let told: u32 = entries.iter().map(|entry| 1 + entry.left_out).sum();
    assert_eq!(told, 1_000);
    worker.drain().await;
}

fn brief() -> (Registry<Acts>, Key) {
    let policy = JobPolicy::default().with_execute(RetryPolicy {
        initial_ms: 10_000,
        factor: 1.0,
        delay_max_ms: 10_000,
        attempts_max: None,
        elapsed_max_ms: Some(300_000),
        ..JobPolicy::default().execute
    });
    registry(action([job("j0").policy(policy)]))
}

#[tokio::test(start_paused = true)]
async fn the_time_for_all_attempts_ends_also_within_a_range_of_them() {
    let stand = Stand::new(brief).await;
    let fails = (0..10_000).map(|_| retryable("busy"));
    stand.acts.script("j0", At::Begin, fails);
    let worker = stand.worker("w1").await;
    let began = Instant::now();
    let handle = stand.start(0).await;
    assert_eq!(rolled_back(&handle).await.0, "busy");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(315), "{took:?}");
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_long_wait_within_a_range_of_attempts_frees_the_slot() {
    let stand = Stand::new(endless).await;
    let hour = Duration::from_secs(3_600);
    let error = JobError::retry_after(ErrorView::new("busy", "later"), hour);
    let fails = (0..22).map(|_| retryable("busy"));
    stand
        .acts
        .script("j0", At::Begin, fails.chain([Play::Fail(error)]));
    let worker = stand.worker("w1").await;
    let handle = stand.start(0).await;
    let given_back = |state: &crate::deployment::Deployment| state.deferred_until_ms.is_some();
    stand.until(handle.id(), "is given back", given_back).await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(1));
    worker.drain().await;
}
