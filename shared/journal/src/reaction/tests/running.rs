//! Looking: once, one at a time, at what came meanwhile too, and until the stop.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::super::{alarm_record, wake_record};
use super::{Bench, NAME, Play, SOON, bench, subject};
use crate::log::{Log, ReadFault};
use crate::tally::{OTHER, SUBJECT};

fn seconds(count: u64) -> Play {
    Play::Takes(Duration::from_secs(count))
}

fn overlaps(bench: &Bench) -> u32 {
    bench.spy.overlaps.load(Ordering::SeqCst)
}

#[tokio::test(start_paused = true)]
async fn wakes_of_a_state_that_was_looked_at_need_no_look_of_their_own() {
    let mut bench = bench().await;
    for number in 0..20 {
        bench.push(SUBJECT, number).await;
    }
    bench.start();
    bench.settled(SOON).await;
    let looks = bench.spy.looks_at(SUBJECT);
    assert_eq!(looks.len(), 1, "{looks:?}");
    assert_eq!(looks[0].state.len(), 20);
    // Deliveries that a server forgot to have been acknowledged.
    bench.log.restart_forgetting_acks(10);
    bench.settled(SOON).await;
    assert_eq!(bench.spy.looks_at(SUBJECT).len(), 1);
    bench.drained().await;
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_comes_during_a_look_is_looked_at() {
    let mut bench = bench().await;
    bench.spy.plan(SUBJECT, [seconds(10), seconds(10)]);
    bench.push(SUBJECT, 1).await;
    bench.start();
    for number in 2..6 {
        bench
            .until(SOON, "a look", |bench| {
                !bench.spy.looks_at(SUBJECT).is_empty()
            })
            .await;
        bench.push(SUBJECT, number).await;
    }
    bench.settled(Duration::from_secs(25)).await;
    let looks = bench.spy.looks_at(SUBJECT);
    assert_eq!(looks.last().unwrap().state, [1, 2, 3, 4, 5]);
    assert_eq!((looks.len(), overlaps(&bench)), (2, 0));
    bench.drained().await;
}

#[tokio::test(start_paused = true)]
async fn one_aggregate_is_looked_at_by_one_and_several_by_several_at_a_time() {
    let mut bench = bench().await;
    let started = Instant::now();
    for n in 0..4 {
        bench
            .spy
            .plan(&subject(n), [seconds(5), seconds(5), seconds(5)]);
    }
    bench.start();
    for round in 0..10 {
        for n in 0..4 {
            bench.push(&subject(n), round).await;
            let wake = wake_record(NAME, &subject(n));
            bench.log.publish(&wake).await.unwrap();
        }
        sleep(Duration::from_millis(700)).await;
    }
    bench.settled(Duration::from_secs(30)).await;
    assert_eq!(overlaps(&bench), 0);
    for n in 0..4 {
        assert_eq!(
            bench.spy.looks_at(&subject(n)).last().unwrap().state.len(),
            10
        );
    }
    assert!(started.elapsed() < Duration::from_secs(25));
    bench.drained().await;
}

#[tokio::test(start_paused = true)]
async fn many_wakes_of_a_slow_aggregate_leave_room_for_others() {
    let mut bench = bench().await;
    bench.settings.ack_wait = Duration::from_secs(3_600);
    bench.spy.plan(SUBJECT, [seconds(1_000)]);
    for number in 0..2_000 {
        bench.push(SUBJECT, number).await;
    }
    bench.start();
    bench
        .until(SOON, "a look", |bench| {
            !bench.spy.looks_at(SUBJECT).is_empty()
        })
        .await;
    bench.push(OTHER, 1).await;
    bench
        .until(SOON, "a look at the other", |bench| {
            !bench.spy.looks_at(OTHER).is_empty()
        })
        .await;
    bench.settled(Duration::from_secs(1_010)).await;
    bench.drained().await;
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_comes_again_during_its_look_is_not_looked_at_beside_it() {
    let mut bench = bench().await;
    bench.settings.ack_wait = Duration::from_secs(1);
    bench.spy.plan(SUBJECT, [seconds(10)]);
    bench.push(SUBJECT, 1).await;
    bench.start();
    bench.settled(Duration::from_secs(15)).await;
    assert_eq!(
        (bench.spy.looks_at(SUBJECT).len(), overlaps(&bench)),
        (1, 0)
    );
    bench.drained().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_finishes_what_is_in_hand_and_takes_no_more() {
    let mut bench = bench().await;
    bench.settings.concurrent_max = 2;
    for n in 0..4 {
        bench.spy.plan(&subject(n), [seconds(10)]);
        bench.push(&subject(n), 1).await;
    }
    bench.start();
    bench
        .until(SOON, "two looks", |bench| {
            bench.spy.looks.lock().unwrap().len() == 2
        })
        .await;
    let stopped = Instant::now();
    bench.drained().await;
    let passed = stopped.elapsed();
    assert!(
        passed > Duration::from_secs(9) && passed < Duration::from_secs(11),
        "{passed:?}"
    );
    let progress = bench.progress(NAME).await;
    assert_eq!((progress.unacknowledged, progress.waiting), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn an_idle_or_cut_off_reaction_stops_at_once() {
    for is_down in [false, true] {
        let mut bench = bench().await;
        bench.start();
        sleep(Duration::from_secs(7)).await;
        if is_down {
            bench.log.take_down();
            sleep(Duration::from_secs(7)).await;
        }
        let stopped = Instant::now();
        bench.drained().await;
        assert!(stopped.elapsed() < Duration::from_millis(5));
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_delays_and_loses_nothing() {
    let mut bench = bench().await;
    bench.start();
    bench.push(SUBJECT, 1).await;
    bench.settled(SOON).await;
    bench.push(SUBJECT, 2).await;
    bench.log.take_down();
    sleep(Duration::from_secs(30)).await;
    bench.log.bring_up();
    bench.push(SUBJECT, 3).await;
    bench.settled(Duration::from_secs(40)).await;
    assert_eq!(bench.spy.looks_at(SUBJECT).last().unwrap().state, [1, 2, 3]);
    bench.drained().await;
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_is_away_when_a_reaction_starts_is_waited_for_however_long() {
    let mut bench = bench().await;
    bench.push(SUBJECT, 1).await;
    bench.log.take_down();
    bench.start();
    sleep(Duration::from_secs(600)).await;
    bench.log.bring_up();
    bench.settled(Duration::from_secs(5)).await;
    assert_eq!(bench.spy.looks_at(SUBJECT).len(), 1);
    bench.drained().await;
}

#[tokio::test(start_paused = true)]
async fn a_reaction_that_still_waits_for_the_journal_stops_at_once() {
    let mut bench = bench().await;
    bench.log.take_down();
    bench.start();
    sleep(Duration::from_secs(20)).await;
    let stopped = Instant::now();
    bench.drained().await;
    assert_eq!(stopped.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_reaction_whose_consumer_is_configured_otherwise_ends_at_once() {
    let mut bench = bench().await;
    // Makes them as they are to be at first.
    bench.settled(SOON).await;
    bench.settings.ack_wait *= 2;
    let started = Instant::now();
    bench.start();
    let ended = bench.tasks.join_next().await.unwrap().unwrap();
    assert!(matches!(ended, Err(ReadFault::Refused { .. })), "{ended:?}");
    assert_eq!(started.elapsed(), Duration::ZERO);
    bench.drained().await;
}

#[tokio::test(start_paused = true)]
async fn looks_go_on_while_nothing_can_be_pulled() {
    let mut bench = bench().await;
    bench
        .spy
        .plan(SUBJECT, [Play::Takes(Duration::from_millis(1_100))]);
    bench.push(SUBJECT, 1).await;
    bench.start();
    bench
        .until(SOON, "a look", |bench| {
            !bench.spy.looks_at(SUBJECT).is_empty()
        })
        .await;
    let looked = Instant::now();
    bench.log.take_down();
    bench
        .until(SOON * 2, "the end of the look", |bench| {
            bench.spy.looking.lock().unwrap()[SUBJECT] == 0
        })
        .await;
    assert!(looked.elapsed() < Duration::from_millis(1_110));
    bench.log.bring_up();
    bench.settled(Duration::from_secs(40)).await;
    bench.drained().await;
}

#[tokio::test(start_paused = true)]
async fn no_pull_is_given_up_while_looks_end() {
    let mut bench = bench().await;
    for n in 0..50 {
        let time = Duration::from_millis(u64::from(n) * 37);
        bench.spy.plan(&subject(n), [Play::Takes(time)]);
    }
    bench.start();
    for n in 0..50 {
        bench.push(&subject(n), 1).await;
        sleep(Duration::from_millis(60)).await;
    }
    bench.settled(Duration::from_secs(20)).await;
    sleep(Duration::from_millis(10)).await;
    // One each that waits; a pull that was dropped would still count.
    assert!(bench.answering.pulls_open.load(Ordering::SeqCst) <= 2);
    bench.drained().await;
}

#[tokio::test(start_paused = true)]
async fn an_alarm_and_a_wake_by_hand_are_looked_at_although_nothing_is_new() {
    let mut bench = bench().await;
    bench.push(SUBJECT, 1).await;
    bench.start();
    bench.settled(SOON).await;
    let wake = wake_record(NAME, SUBJECT);
    bench.log.publish(&wake).await.unwrap();
    bench.settled(SOON).await;
    let at_ms = bench.log.clock().now_ms() + 5_000;
    let alarm = alarm_record(NAME, SUBJECT, at_ms);
    bench.log.publish(&alarm).await.unwrap();
    bench
        .until(Duration::from_secs(6), "three looks", |bench| {
            bench.spy.looks_at(SUBJECT).len() == 3
        })
        .await;
    let looks = bench.spy.looks_at(SUBJECT);
    let positions: Vec<u64> = looks.iter().map(|look| look.wake.position.0).collect();
    // An alarm does not tell for which commit it stands: what the leader has is looked at.
    assert_eq!(positions, [1, 1, 1]);
    let alarms: Vec<bool> = looks.iter().map(|look| look.wake.is_alarm).collect();
    assert_eq!(alarms, [false, true, true]);
    bench.settled(SOON).await;
    bench.drained().await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_the_task_that_runs_the_reaction() {
    let mut bench = bench().await;
    bench.spy.plan(SUBJECT, [Play::Panics]);
    bench.push(SUBJECT, 1).await;
    bench.start();
    let ended = bench.tasks.join_next().await.unwrap();
    assert!(ended.unwrap_err().is_panic());
    assert_eq!(bench.progress(NAME).await.unacknowledged, 1);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_is_refused_ends_the_reaction_after_what_is_in_hand() {
    for durable in [NAME.to_owned(), format!("{NAME}-alarm")] {
        let mut bench = bench().await;
        bench.spy.plan(SUBJECT, [seconds(3)]);
        let is_alarm = durable != NAME;
        *bench.answering.refused_durable.lock().unwrap() = Some(durable);
        if is_alarm {
            bench.push(SUBJECT, 1).await;
        }
        bench.start();
        let ended = bench.tasks.join_next().await.unwrap().unwrap();
        assert!(matches!(ended, Err(ReadFault::Refused { .. })));
        assert!(!bench.stop.is_cancelled(), "the others are not concerned");
        assert_eq!(bench.progress(NAME).await.unacknowledged, 0);
        bench.drained().await;
    }
}
