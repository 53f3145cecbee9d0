//! What fails for the moment comes back with growing delay, then by an alarm, and holds up nobody else.

use std::time::Duration;

use nogfso_kernel::Position;

use super::super::{ReactError, alarm_record};
use super::{NAME, Play, SOON, bench, subject};
use crate::log::Log;
use crate::tally::{OTHER, SUBJECT};

fn passing() -> Play {
    Play::Fails(ReactError::transient("planted"))
}

#[tokio::test(start_paused = true)]
async fn what_fails_comes_back_with_growing_delay_and_then_by_an_alarm() {
    let mut bench = bench().await;
    bench.spy.plan(SUBJECT, vec![passing(); 10]);
    bench.push(SUBJECT, 1).await;
    bench.start();
    bench
        .until(Duration::from_secs(130), "eleven looks", |bench| {
            bench.spy.looks_at(SUBJECT).len() == 11
        })
        .await;
    let looks = bench.spy.looks_at(SUBJECT);
    let seconds: Vec<u64> = looks
        .iter()
        .map(|look| u64::try_from(look.after.as_millis()).unwrap())
        .collect();
    let expected = [
        0, 50, 150, 400, 900, 1_900, 4_900, 12_900, 29_900, 59_900, 119_900,
    ];
    for (found, expected) in seconds.iter().zip(expected) {
        assert!(found.abs_diff(expected) < 100, "{seconds:?}");
    }
    assert_eq!(looks[9].wake.position, Position(1));
    assert!(!looks[9].wake.is_alarm && looks[10].wake.is_alarm);
    bench.settled(SOON).await;
    assert!(bench.parked.entries().is_empty());
    bench.drained().await;
}

#[tokio::test(start_paused = true)]
async fn what_fails_for_hours_is_tried_for_hours() {
    let mut bench = bench().await;
    bench.spy.plan(SUBJECT, vec![passing(); 1_000]);
    bench.push(SUBJECT, 1).await;
    bench.start();
    bench
        .until(Duration::from_secs(4 * 3_600), "the last look", |bench| {
            bench.spy.looks_at(SUBJECT).len() == 1_001
        })
        .await;
    bench.settled(SOON).await;
    bench.drained().await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_over_when_a_later_wake_succeeds() {
    let mut bench = bench().await;
    bench.spy.plan(SUBJECT, vec![passing(); 8]);
    bench.push(SUBJECT, 1).await;
    bench.start();
    bench
        .until(Duration::from_secs(30), "eight failures", |bench| {
            bench.spy.looks_at(SUBJECT).len() == 8
        })
        .await;
    bench.push(SUBJECT, 2).await;
    bench.settled(Duration::from_secs(60)).await;
    let looks = bench.spy.looks_at(SUBJECT);
    assert_eq!((looks.len(), looks[8].state.len()), (9, 2));
    bench.drained().await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_alarm_comes_back_although_the_state_was_seen() {
    let mut bench = bench().await;
    bench.push(SUBJECT, 1).await;
    bench.start();
    bench.settled(SOON).await;
    bench.spy.plan(SUBJECT, [passing()]);
    let alarm = alarm_record(NAME, SUBJECT, bench.log.clock().now_ms());
    bench.log.publish(&alarm).await.unwrap();
    // The wake comes again beside the alarm.
    bench.log.restart_forgetting_acks(1);
    bench
        .until(SOON, "a third look", |bench| {
            bench.spy.looks_at(SUBJECT).len() == 3
        })
        .await;
    bench.settled(SOON).await;
    bench.drained().await;
}

#[tokio::test(start_paused = true)]
async fn an_alarm_that_rang_leaves_nothing_behind() {
    let mut bench = bench().await;
    bench.start();
    let alarm = alarm_record(NAME, SUBJECT, bench.log.clock().now_ms());
    bench.log.publish(&alarm).await.unwrap();
    bench
        .until(SOON, "a look", |bench| {
            !bench.spy.looks_at(SUBJECT).is_empty()
        })
        .await;
    bench.settled(SOON).await;
    bench.drained().await;
    let rang = alarm.schedule.unwrap().target;
    assert_eq!(bench.log.read(&rang, Position::START).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn the_alarm_for_another_try_replaces_none_of_the_reaction() {
    let mut bench = bench().await;
    let at_ms = bench.log.clock().now_ms() + 3_600_000;
    let alarm = alarm_record(NAME, SUBJECT, at_ms);
    bench.log.publish(&alarm).await.unwrap();
    bench.spy.plan(SUBJECT, vec![passing(); 10]);
    bench.push(SUBJECT, 1).await;
    bench.start();
    bench
        .until(Duration::from_secs(3_700), "both alarms", |bench| {
            bench.spy.looks_at(SUBJECT).len() == 12
        })
        .await;
    let last = bench.spy.looks_at(SUBJECT)[11].after;
    assert!(last >= Duration::from_secs(3_600), "{last:?}");
    bench.drained().await;
}

#[tokio::test(start_paused = true)]
async fn many_that_fail_do_not_delay_one_that_does_not() {
    // More than may be pending, each put off for a minute.
    let count = super::super::runner::PENDING_DELIVERIES_MAX + 100;
    let mut bench = bench().await;
    let newer = ReactError::Newer {
        reason: "planted".to_owned(),
    };
    for n in 0..count {
        bench.spy.plan(&subject(n), [Play::Fails(newer.clone())]);
        bench.push(&subject(n), 1).await;
    }
    bench.start();
    bench.push(OTHER, 1).await;
    bench
        .until(SOON * 5, "a look", |bench| {
            !bench.spy.looks_at(OTHER).is_empty()
        })
        .await;
    bench.settled(Duration::from_secs(130)).await;
    let all = bench.spy.looks.lock().unwrap().len();
    assert_eq!(all, 2 * usize::try_from(count).unwrap() + 1);
    bench.drained().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_newer_build_wrote_waits_and_is_not_parked() {
    let mut bench = bench().await;
    let newer = ReactError::Newer {
        reason: "planted".to_owned(),
    };
    bench.spy.plan(SUBJECT, vec![Play::Fails(newer); 3]);
    bench.push(SUBJECT, 1).await;
    bench.start();
    bench
        .until(Duration::from_secs(200), "four looks", |bench| {
            bench.spy.looks_at(SUBJECT).len() == 4
        })
        .await;
    let looks = bench.spy.looks_at(SUBJECT);
    assert!(looks[3].after >= Duration::from_secs(180), "{looks:?}");
    assert!(bench.parked.entries().is_empty());
    bench.settled(SOON).await;
    bench.drained().await;
}
