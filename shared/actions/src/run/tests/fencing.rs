//! Two workers and one deployment: who may write, who may act, and when the other stops (spec 5, group F).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::acting::{At, Play, job, registry, three};
use super::world::{ACK_WAIT, Process, Stand, outcome_of, rolled_back};
use crate::deployment::{Class, DeploymentEvent};
use crate::{Handle, Outcome, Phase, StopReason};

/// A worker in the middle of `j1` that hears and says nothing and does not know it, and what lets its job go on.
async fn paused(stand: &Stand) -> (Process, Handle<i64>, Arc<Notify>) {
    let gate = Arc::new(Notify::new());
    let wait = Play::Wait(Arc::clone(&gate));
    stand.acts.script("j1", At::Begin, [wait]);
    let worker = stand.worker("w1").await;
    let handle = stand.start(0).await;
    stand.acts.passed("j1", At::Begin, 1).await;
    worker.line.go_blind();
    worker.bus.disconnect();
    (worker, handle, gate)
}

#[tokio::test(start_paused = true)]
async fn of_two_workers_that_get_one_request_one_claims_it() {
    let stand = Stand::new(three).await;
    let workers = [stand.worker("w1").await, stand.worker("w2").await];
    for turn in 0..40 {
        let handle = stand.start(turn).await;
        for nth in 0..8 {
            stand.world.log.deliver_twice(nth);
            tokio::task::yield_now().await;
        }
        assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(turn + 3));
        assert_eq!(stand.count(handle.id(), "deployment_claimed").await, 1);
    }
    assert_eq!(stand.acts.calls().len(), 120);
    for worker in workers {
        worker.drain().await;
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_claims_on_one_version_one_is_stored() {
    let stand = Stand::new(three).await;
    let (first, second) = (stand.worker("w1").await, stand.worker("w2").await);
    // The first has decided on its claim when the second, to which the request is delivered too, stores its own.
    let log = stand.world.log.clone();
    first.line.before_commit(".action.", async move {
        log.deliver_twice(0);
        sleep(Duration::from_secs(5)).await;
    });
    let log = stand.world.log.clone();
    second.line.before_commit(".action.", async move {
        log.deliver_twice(0);
        sleep(Duration::from_secs(5)).await;
    });
    let handle = stand.start(0).await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(3));
    assert_eq!(stand.count(handle.id(), "deployment_claimed").await, 1);
    assert_eq!(stand.acts.calls().len(), 3);
    first.drain().await;
    second.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_wakes_after_another_has_finished_drops_its_result() {
    let stand = Stand::new(three).await;
    let (first, handle, gate) = paused(&stand).await;
    let second = stand.worker("w2").await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(3));
    let frames = stand.frames(handle.id()).await;
    first.line.mend();
    first.bus.reconnect();
    gate.notify_one();
    stand.acts.passed("j1", At::Effect, 2).await;
    sleep(2 * ACK_WAIT).await;
    assert_eq!(stand.frames(handle.id()).await, frames);
    assert!(stand.acts.is_each_made_once());
    assert_eq!(stand.acts.of("j2", Phase::Execute).len(), 1);
    // It is as good as any other again.
    second.drain().await;
    let next = stand.start(0).await;
    assert_eq!(outcome_of(&next).await, Outcome::Succeeded(3));
    first.drain().await;
}

#[tokio::test(start_paused = true)]
async fn an_undo_waits_until_a_paused_worker_must_have_stopped_and_closes_the_key() {
    for only_deletes in [false, true] {
        let stand = Stand::new(three).await;
        stand
            .acts
            .only_deletes
            .store(only_deletes, Ordering::SeqCst);
        let (first, handle, gate) = paused(&stand).await;
        handle.cancel("ann", "enough").await.unwrap();
        let second = stand.worker("w2").await;
        let ended = rolled_back(&handle).await;
        assert_eq!(ended, ("execution_stopped".to_owned(), vec![]));
        assert_eq!(quiet_ms(&stand, &handle).await, 30_000);
        // It acts in spite of everything.
        gate.notify_one();
        sleep(Duration::from_secs(1)).await;
        let is_leaked = !stand.acts.there().is_empty();
        assert_eq!(is_leaked, only_deletes);
        first.kill().await;
        second.drain().await;
    }
}

/// How long after the attempt was found lost its undo began, in ms.
async fn quiet_ms(stand: &Stand, handle: &Handle<i64>) -> u64 {
    let frames = stand.frames(handle.id()).await;
    let times = stand.times(handle.id()).await;
    let at = |is_it: fn(&DeploymentEvent) -> bool| {
        let found = frames.iter().position(|frame| frame.iter().any(is_it));
        times[found.unwrap()]
    };
    let lost = at(|event| matches!(event, DeploymentEvent::JobAttemptLost { .. }));
    let undo = at(|event| matches!(event, DeploymentEvent::JobRollbackStarted { .. }));
    undo - lost
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_cannot_renew_its_lease_stops_before_it_ends() {
    let stand = Stand::new(three).await;
    stand.acts.script("j1", At::Begin, [Play::Heed]);
    let first = stand.worker("w1").await;
    let handle = stand.start(0).await;
    stand.acts.passed("j1", At::Begin, 1).await;
    let frames = stand.frames(handle.id()).await;
    first.line.cut();
    let cut = Instant::now();
    while stand.acts.told().is_empty() {
        sleep(Duration::from_millis(100)).await;
    }
    assert!(cut.elapsed() < ACK_WAIT);
    assert_eq!(stand.acts.told(), [StopReason::LeaseLost]);
    assert_eq!(stand.frames(handle.id()).await, frames);
    // The lease has ended by then, and somebody else takes it.
    let second = stand.worker("w2").await;
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(3));
    first.kill().await;
    second.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_was_silent_for_a_while_goes_on_where_it_was() {
    let stand = Stand::new(three).await;
    stand.acts.script("j1", At::Begin, [Play::Hang]);
    let worker = stand.worker("w1").await;
    let handle = stand.start(0).await;
    stand.acts.passed("j1", At::Begin, 1).await;
    worker.line.cut();
    sleep(ACK_WAIT * 9 / 10).await;
    worker.line.mend();
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(3));
    assert_eq!(stand.classes(handle.id()).await, [Class::Stopped]);
    assert_eq!(stand.count(handle.id(), "deployment_claimed").await, 1);
    let attempts = stand.acts.of("j1", Phase::Execute);
    assert_eq!(
        (attempts[1].attempt, attempts[1].maybe_ran_before),
        (2, true)
    );
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_between_decision_and_commit_is_seen() {
    let stand = Stand::new(three).await;
    let worker = stand.worker("w1").await;
    let line = worker.line.clone();
    let client = stand.client();
    let handle = stand.start_later(0).await;
    let id = handle.id();
    let cancel = move || {
        line.before_commit(".action.", async move {
            let handle = client.attach::<i64>(id).await.unwrap();
            handle.cancel("ann", "enough").await.unwrap();
        });
    };
    stand
        .acts
        .script("j1", At::Effect, [Play::Do(Box::new(cancel))]);
    let (code, residue) = rolled_back(&handle).await;
    assert_eq!((code.as_str(), residue), ("execution_stopped", vec![]));
    assert_eq!(
        stand.acts.calls(),
        ["j0 0", "j1 1", "undo j1 1 2", "undo j0 0 1"]
    );
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_hangs_with_everything_it_has_is_replaced() {
    let stand = Stand::new(|| registry(super::acting::action([job("j0")]))).await;
    stand.acts.script("j0", At::Begin, [Play::Hang]);
    let first = stand.worker("w1").await;
    let handle = stand.start(0).await;
    stand.acts.passed("j0", At::Begin, 1).await;
    first.line.cut();
    first.bus.disconnect();
    let second = stand.worker("w2").await;
    let began = Instant::now();
    assert_eq!(outcome_of(&handle).await, Outcome::Succeeded(1));
    let took = began.elapsed();
    let times = stand.times(handle.id()).await;
    assert!(took < 3 * ACK_WAIT, "{took:?}: {times:?}");
    first.kill().await;
    second.drain().await;
}
