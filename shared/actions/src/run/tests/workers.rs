//! Several workers, and one that is told to end (spec 2.7, C13).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::acting::{Acts, At, Key, Play, action, lasting, registry, terminal, three};
use super::world::{ACK_WAIT, Stand, outcome_of, rolled_back};
use crate::deployment::{Class, DeploymentEvent, Stage};
use crate::{Outcome, Phase, Registry, STOP_GRACE, StopReason};

#[tokio::test(start_paused = true)]
async fn two_hundred_deployments_are_spread_over_three_workers_of_which_one_restarts() {
    const COUNT: i64 = 200;
    let stand = Stand::new(three).await;
    // Half of them wait until the restart is over, so that there is something to take over.
    let gate = Arc::new(Notify::new());
    let waits = (0..COUNT / 2).map(|_| Play::Wait(Arc::clone(&gate)));
    stand.acts.script("j1", At::Begin, waits);
    let mut handles = vec![];
    for input in 0..COUNT {
        handles.push(stand.start(input).await);
    }
    let first = stand.worker("w1").await;
    let others = [stand.worker("w2").await, stand.worker("w3").await];
    sleep(Duration::from_secs(1)).await;
    first.kill().await;
    let again = stand.worker("w4").await;
    let opening = {
        let gate = Arc::clone(&gate);
        async move {
            loop {
                gate.notify_waiters();
                sleep(Duration::from_secs(1)).await;
            }
        }
    };
    let waiting = async {
        for (input, handle) in (0..).zip(&handles) {
            assert_eq!(outcome_of(handle).await, Outcome::Succeeded(input + 3));
        }
    };
    tokio::select! {
        () = waiting => {}
        () = opening => {}
    }
    assert!(stand.acts.is_each_made_once());
    assert_eq!(stand.acts.there().len(), 600);
    let mut by_worker = std::collections::BTreeMap::<String, u32>::new();
    for handle in &handles {
        let mut taken = 0;
        for event in stand.events(handle.id()).await {
            if let DeploymentEvent::DeploymentClaimed { worker, .. } = event {
                *by_worker.entry(worker).or_default() += 1;
                taken += 1;
            }
        }
        // Once, and once more where the first worker died with it.
        assert!(taken <= 2);
        let lost = stand.count(handle.id(), "job_attempt_lost").await;
        let calls = stand.acts.invocations();
        let calls = calls.iter().filter(|one| one.deployment == handle.id());
        assert!(calls.count() <= 3 + lost);
    }
    assert!(by_worker.len() >= 3, "{by_worker:?}");
    let is_busy = |name: &str| by_worker.get(name).is_some_and(|count| *count >= 20);
    assert!(["w1", "w2", "w3"].into_iter().all(is_busy), "{by_worker:?}");
    again.drain().await;
    for worker in others {
        worker.drain().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_drained_gives_back_what_is_left_and_no_death_is_counted() {
    for (play, grace) in [(Play::Heed, Duration::ZERO), (Play::Hang, STOP_GRACE)] {
        let stand = Stand::new(three).await;
        stand.acts.script("j1", At::Begin, [play]);
        let first = stand.worker("w1").await;
        let handle = stand.start(0).await;
        stand.acts.passed("j1", At::Begin, 1).await;
        let second = stand.worker("w2").await;
        let drained = Instant::now();
        first.drain().await;
        let took = drained.elapsed();
        assert!(took >= grace && took < grace + Duration::from_secs(3));
        // At once: the release is what brings the next worker.
        stand.acts.passed("j1", At::Begin, 2).await;
        assert!(drained.elapsed() < grace + Duration::from_secs(4));
        assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(3));
        let deployment = stand.deployment(handle.id()).await;
        let attempts = &deployment.jobs[1].execute;
        assert_eq!((attempts.lost, attempts.stopped), (0, 1));
        assert_eq!(stand.count(handle.id(), "job_started").await, 4);
        let calls = stand.acts.of("j1", Phase::Execute);
        assert_eq!((calls[1].attempt, calls[1].maybe_ran_before), (2, true));
        second.drain().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_ends_well_while_its_worker_is_drained_starts_no_next_one_there() {
    let stand = Stand::new(three).await;
    stand.acts.script("j1", At::Begin, [Play::Linger]);
    let first = stand.worker("w1").await;
    let handle = stand.start(0).await;
    stand.acts.passed("j1", At::Begin, 1).await;
    first.drain().await;
    assert_eq!(stand.acts.told(), [StopReason::Draining]);
    let deployment = stand.deployment(handle.id()).await;
    assert_eq!((deployment.cursor, deployment.claim), (2, None));
    assert_eq!(deployment.jobs[2].execute.started, 0);
    let second = stand.worker("w2").await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(3));
    assert_eq!(stand.acts.calls(), ["j0 0", "j1 1", "j2 2"]);
    let calls = stand.acts.invocations();
    assert!(calls.iter().all(|one| !one.maybe_ran_before));
    second.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_drained_during_an_undo_leaves_it_to_the_next() {
    let stand = Stand::new(three).await;
    stand
        .acts
        .script("j1", At::Undo, [Play::Heed])
        .script("j2", At::Begin, [terminal("no")]);
    let first = stand.worker("w1").await;
    let handle = stand.start(0).await;
    stand.acts.passed("j1", At::Undo, 1).await;
    first.drain().await;
    assert_eq!(
        stand.deployment(handle.id()).await.stage,
        Stage::RollingBack
    );
    let second = stand.worker("w2").await;
    assert_eq!(rolled_back(&handle).await, ("no".to_owned(), vec![]));
    assert_eq!(stand.acts.of("j0", Phase::Rollback).len(), 1);
    assert_eq!(stand.acts.of("j1", Phase::Execute).len(), 1);
    second.drain().await;
}

fn without_way_back() -> (Registry<Acts>, Key) {
    registry(action([lasting("j0"), lasting("j1")]))
}

#[tokio::test(start_paused = true)]
async fn a_job_without_way_back_that_a_drain_interrupts_is_tried_again() {
    let stand = Stand::new(without_way_back).await;
    stand.acts.script("j1", At::Begin, [Play::Heed]);
    let first = stand.worker("w1").await;
    let handle = stand.start(0).await;
    stand.acts.passed("j1", At::Begin, 1).await;
    first.drain().await;
    let second = stand.worker("w2").await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(2));
    assert_eq!(stand.classes(handle.id()).await, [Class::Stopped]);
    second.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_waiter_in_another_process_misses_no_end_whenever_it_comes() {
    let stand = Stand::new(three).await;
    let worker = stand.worker("w1").await;
    for pause_ms in [0, 1, 5, 20, 99, 100, 101, 150, 1_000] {
        let gate = Arc::new(Notify::new());
        let wait = Play::Wait(Arc::clone(&gate));
        stand.acts.script("j2", At::Effect, [wait]);
        let handle = stand.start(0).await;
        let waiting = outcome_of(&handle);
        let letting_go = async {
            sleep(Duration::from_millis(pause_ms)).await;
            gate.notify_one();
        };
        let (outcome, ()) = tokio::join!(waiting, letting_go);
        assert_eq!(outcome, Outcome::Succeeded(3));
        // One who comes when all is over.
        let late = stand.afresh().await;
        let late = late.client().attach::<i64>(handle.id()).await.unwrap();
        assert_eq!(outcome_of(&late).await, Outcome::Succeeded(3));
    }
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_waiter_waits_for_the_server_too() {
    let stand = Stand::new(three).await;
    let worker = stand.worker("w1").await;
    let gate = Arc::new(Notify::new());
    let wait = Play::Wait(Arc::clone(&gate));
    stand.acts.script("j1", At::Begin, [wait]);
    let handle = stand.start(0).await;
    stand.acts.passed("j1", At::Begin, 1).await;
    let log = stand.world.log.clone();
    let troubles = async {
        // Before it follows, and while it does.
        log.take_down();
        sleep(Duration::from_secs(5)).await;
        log.bring_up();
        sleep(Duration::from_secs(5)).await;
        log.take_down();
        sleep(Duration::from_secs(5)).await;
        log.bring_up();
        gate.notify_one();
    };
    let (outcome, ()) = tokio::join!(outcome_of(&handle), troubles);
    assert_eq!(outcome, Outcome::Succeeded(3));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_starts_before_the_server_waits_for_it() {
    let stand = Stand::new(three).await;
    let handle = stand.start(0).await;
    let starting = async {
        let worker = stand.worker("w1").await;
        stand.world.log.take_down();
        sleep(2 * ACK_WAIT).await;
        stand.world.log.bring_up();
        worker
    };
    let worker = starting.await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(3));
    worker.drain().await;
}
