//! What cannot be processed is parked, passed over, tried again when the operator says so, and never forgotten.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::super::{Parked, ParkedEntry, ReactError, parked_subject, wake_record};
use super::{Bench, NAME, Play, SOON, bench};
use crate::log::Log;
use crate::memory::PublishOddity;
use crate::tally::{OTHER, SUBJECT};

fn staying() -> Play {
    Play::Fails(ReactError::permanent("planted"))
}

/// The table of another process, which knows what `ours` knows.
async fn another(bench: &Bench) -> Parked {
    let log: Arc<dyn Log> = Arc::new(bench.log.clone());
    let parked = Parked::new(log, bench.environment.clone());
    parked.catch_up().await.unwrap();
    parked
}

/// With the aggregate parked at its first commit.
async fn with_one_parked() -> Bench {
    let mut bench = bench().await;
    bench.spy.plan(SUBJECT, [staying()]);
    bench.push(SUBJECT, 1).await;
    bench.start();
    bench
        .until(SOON, "an entry", |bench| bench.parked.entries().len() == 1)
        .await;
    bench.settled(SOON).await;
    bench
}

async fn is_stored(bench: &Bench) -> bool {
    let key = parked_subject(NAME, SUBJECT, None);
    bench.log.leader_last(&key).await.unwrap().is_some()
}

async fn wake(bench: &Bench) {
    let wake = wake_record(NAME, SUBJECT);
    bench.log.publish(&wake).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_fails_for_good_is_parked_and_passed_over() {
    let mut bench = with_one_parked().await;
    let entry = bench.parked.entries().remove(0);
    assert_eq!((entry.position, entry.retry), (1, false));
    assert_eq!((&*entry.reason, &*entry.subject), ("planted", SUBJECT));
    bench.push(SUBJECT, 2).await;
    bench.push(OTHER, 1).await;
    wake(&bench).await;
    bench.settled(SOON).await;
    assert_eq!(bench.spy.looks_at(SUBJECT).len(), 1);
    assert_eq!(bench.spy.looks_at(OTHER).len(), 1);
    assert!(is_stored(&bench).await);
    bench.drained().await;
}

#[tokio::test(start_paused = true)]
async fn a_parked_aggregate_is_tried_again_when_the_operator_says_so() {
    let mut bench = with_one_parked().await;
    bench.push(SUBJECT, 2).await;
    bench.settled(SOON).await;
    // The first further try fails too, and for the moment only; the second one succeeds.
    let passing = Play::Fails(ReactError::transient("planted"));
    bench.spy.plan(SUBJECT, [staying(), passing]);
    for looks_count in [2, 4] {
        let operator = another(&bench).await;
        let entry = operator.entries().remove(0);
        operator.mark_retry(&entry).await.unwrap();
        wake(&bench).await;
        bench
            .until(SOON, "another try", |bench| {
                bench.spy.looks_at(SUBJECT).len() == looks_count
            })
            .await;
        bench.settled(SOON).await;
        let expected = usize::from(looks_count == 2);
        assert_eq!(bench.parked.entries().len(), expected);
        assert_eq!(is_stored(&bench).await, expected == 1);
    }
    assert_eq!(bench.spy.looks_at(SUBJECT)[3].state, [1, 2]);
    bench.push(SUBJECT, 3).await;
    bench.settled(SOON).await;
    assert_eq!(bench.spy.looks_at(SUBJECT).len(), 5);
    bench.drained().await;
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_another_process_removed_is_passed_over_no_longer() {
    let mut bench = with_one_parked().await;
    let operator = another(&bench).await;
    operator.remove(NAME, SUBJECT, None).await.unwrap();
    bench.push(SUBJECT, 2).await;
    bench.settled(SOON).await;
    assert_eq!(bench.spy.looks_at(SUBJECT).len(), 2);
    assert!(bench.parked.entries().is_empty());
    operator.remove(NAME, SUBJECT, None).await.unwrap();
    bench.drained().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_parked_is_not_acknowledged() {
    let mut bench = bench().await;
    bench.spy.plan(SUBJECT, [staying(), staying()]);
    bench
        .log
        .script_publish("fso.parked.>", PublishOddity::Unavailable);
    bench.push(SUBJECT, 1).await;
    bench.start();
    bench
        .until(SOON, "an entry", |bench| bench.parked.entries().len() == 1)
        .await;
    assert_eq!(bench.spy.looks_at(SUBJECT).len(), 2);
    bench.settled(SOON).await;
    bench.drained().await;
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_is_not_checked_for_certain_is_not_passed_over_for_good() {
    let mut bench = with_one_parked().await;
    *bench.answering.leader_silent.lock().unwrap() = 3;
    let operator = another(&bench).await;
    operator.remove(NAME, SUBJECT, None).await.unwrap();
    wake(&bench).await;
    bench.settled(SOON).await;
    assert_eq!(bench.spy.looks_at(SUBJECT).len(), 2);
    bench.drained().await;
}

#[tokio::test(start_paused = true)]
async fn what_another_instance_parks_at_a_later_state_stays_when_a_look_at_an_older_one_succeeds() {
    let mut bench = bench().await;
    bench
        .spy
        .plan(SUBJECT, [Play::Takes(Duration::from_secs(5))]);
    bench.push(SUBJECT, 1).await;
    bench.start();
    bench
        .until(SOON, "a look", |bench| {
            !bench.spy.looks_at(SUBJECT).is_empty()
        })
        .await;
    let other = another(&bench).await;
    other.park(NAME, SUBJECT, None, 2, "planted").await.unwrap();
    bench.settled(Duration::from_secs(6)).await;
    assert!(is_stored(&bench).await);
    bench.drained().await;
}

#[tokio::test(start_paused = true)]
async fn a_restarted_process_passes_over_what_was_parked_before() {
    let mut bench = with_one_parked().await;
    bench.drained().await;
    // Following stops with the others.
    bench.parked.keep_up(bench.stop.clone()).await;
    bench.stop = tokio_util::sync::CancellationToken::new();
    bench.parked = another(&bench).await;
    assert_eq!(bench.parked.entries().len(), 1);
    bench.start();
    bench.push(SUBJECT, 2).await;
    bench.settled(SOON).await;
    assert_eq!(bench.spy.looks_at(SUBJECT).len(), 1);
    bench.drained().await;
}

#[tokio::test(start_paused = true)]
async fn items_of_one_aggregate_are_parked_apart() {
    let bench = with_one_parked().await;
    let parked = &bench.parked;
    parked.remove(NAME, SUBJECT, None).await.unwrap();
    let long = "ä".repeat(5_000);
    parked
        .park(NAME, SUBJECT, Some("x"), 1, &long)
        .await
        .unwrap();
    assert!(
        parked
            .is_passed_over(NAME, SUBJECT, Some("x"))
            .await
            .unwrap()
    );
    assert!(
        !parked
            .is_passed_over(NAME, SUBJECT, Some("y"))
            .await
            .unwrap()
    );
    assert!(!parked.is_passed_over(NAME, SUBJECT, None).await.unwrap());
    assert!(
        !parked
            .is_passed_over("other", SUBJECT, Some("x"))
            .await
            .unwrap()
    );
    let entry: ParkedEntry = parked.entries().remove(0);
    assert_eq!(entry.reason.chars().count(), 1_000);
    parked.remove(NAME, SUBJECT, Some("x")).await.unwrap();
    assert!(another(&bench).await.entries().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_entry_of_the_past_is_known_to_a_new_process_before_it_reacts() {
    let bench = with_one_parked().await;
    let late = another(&bench).await;
    assert_eq!(late.entries(), bench.parked.entries());
    late.remove(NAME, SUBJECT, None).await.unwrap();
    assert!(!is_stored(&bench).await);
    assert_eq!(another(&bench).await.entries(), []);
}

#[tokio::test(start_paused = true)]
async fn what_is_parked_is_read_when_the_journal_is_back_however_long_it_was_away() {
    let bench = with_one_parked().await;
    bench.log.take_down();
    let back = async {
        sleep(Duration::from_secs(600)).await;
        bench.log.bring_up();
    };
    let (parked, ()) = tokio::join!(another(&bench), back);
    assert_eq!(parked.entries(), bench.parked.entries());
}
