//! The in-memory journal passes the contract, and plays its oddities.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use nogfso_kernel::Position;
use tokio::time::advance;

use super::{ChecksFirst, MemoryLog, Odds, PublishOddity, ReadOddity};
use crate::contract::{self, Bench, FOREVER, PURGED, STREAMS};
use crate::log::{Consumer, ConsumerSpec, From, Log, PublishFault, Published, ReadFault, Record};

macro_rules! case {
    ($name:ident) => {
        #[tokio::test(start_paused = true)]
        async fn $name() {
            for checks_first in [ChecksFirst::Guard, ChecksFirst::MessageId] {
                let log = log().await;
                log.check_first(checks_first);
                let clock = log.clock();
                contract::$name(&Bench {
                    log: &log,
                    clock: &*clock,
                    prefix: "case",
                })
                .await;
            }
        }
    };
}

crate::log_contract!(case);

const SUBJECT: &str = "contract.forever.a";

async fn log() -> MemoryLog {
    let log = MemoryLog::default();
    log.ensure_streams(&STREAMS).await.unwrap();
    log
}

fn record(text: &str, guard: u64) -> Record {
    Record {
        subject: SUBJECT.to_owned(),
        payload: Bytes::copy_from_slice(text.as_bytes()),
        headers: Vec::new(),
        message_id: Some(text.to_owned()),
        guard: Some(Position(guard)),
        schedule: None,
    }
}

async fn texts(log: &MemoryLog) -> Vec<Bytes> {
    log.read(SUBJECT, Position::START)
        .await
        .unwrap()
        .into_iter()
        .map(|stored| stored.payload)
        .collect()
}

async fn consumer(log: &MemoryLog) -> Arc<dyn Consumer> {
    for number in 1..=3 {
        let subject = "contract.purged.a".to_owned();
        log.publish(&Record {
            subject,
            guard: None,
            ..record(&number.to_string(), 0)
        })
        .await
        .unwrap();
    }
    let spec = ConsumerSpec {
        stream: PURGED.name,
        durable: "d".to_owned(),
        filters: vec![">".to_owned()],
        ack_wait: Duration::from_secs(30),
        pending_max: 10,
    };
    log.consumer(&spec).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn following_goes_on_after_a_restart() {
    let log = log().await;
    let clock = log.clock();
    let bench = Bench {
        log: &log,
        clock: &*clock,
        prefix: "case",
    };
    let restart = async || {
        log.take_down();
        log.bring_up();
        log.restart_forgetting_acks(10);
    };
    contract::following_goes_on_after_a_restart(&bench, restart).await;
}

#[tokio::test]
async fn odd_answers_that_store_nothing_store_nothing() {
    let log = log().await;
    let unknown = |fault: &PublishFault| matches!(fault, PublishFault::Unknown { .. });
    let unavailable = |fault: &PublishFault| matches!(fault, PublishFault::Unavailable { .. });
    log.script_publish(">", PublishOddity::InFlight);
    log.script_publish(">", PublishOddity::LostRequest);
    log.script_publish(">", PublishOddity::Unavailable);
    assert_eq!(
        log.publish(&record("a", 0)).await,
        Err(PublishFault::InFlight)
    );
    assert!(
        log.publish(&record("a", 0))
            .await
            .is_err_and(|fault| unknown(&fault))
    );
    assert!(
        log.publish(&record("a", 0))
            .await
            .is_err_and(|fault| unavailable(&fault))
    );
    assert!(texts(&log).await.is_empty());
    assert!(
        log.publish(&record("a", 0)).await.is_ok(),
        "the script is over"
    );
}

#[tokio::test]
async fn odd_answers_that_store_have_stored() {
    let log = log().await;
    log.script_publish(SUBJECT, PublishOddity::LostAnswer);
    log.script_publish(SUBJECT, PublishOddity::DuplicateAtZero);
    log.script_publish(SUBJECT, PublishOddity::OwnConflict);
    assert!(matches!(
        log.publish(&record("a", 0)).await,
        Err(PublishFault::Unknown { .. })
    ));
    let duplicate = Published {
        position: Position::START,
        duplicate: true,
    };
    assert_eq!(log.publish(&record("b", 1)).await, Ok(duplicate));
    assert_eq!(
        log.publish(&record("c", 2)).await,
        Err(PublishFault::Conflict)
    );
    assert_eq!(texts(&log).await, ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_late_message_lands_if_its_guard_still_holds() {
    let log = log().await;
    for _ in 0..2 {
        log.script_publish(">", PublishOddity::Late(Duration::from_secs(1)));
    }
    assert!(log.publish(&record("a", 0)).await.is_err());
    assert!(log.publish(&record("b", 0)).await.is_err());
    assert!(texts(&log).await.is_empty());
    advance(Duration::from_secs(1)).await;
    assert_eq!(texts(&log).await, ["a"]);
}

#[tokio::test]
async fn a_stale_read_is_an_older_prefix_and_the_leader_is_not_stale() {
    let log = log().await;
    for (at, text) in ["a", "b", "c"].into_iter().enumerate() {
        log.publish(&record(text, at as u64)).await.unwrap();
    }
    log.script_read(SUBJECT, ReadOddity::Stale(2));
    log.script_read(SUBJECT, ReadOddity::Unavailable);
    assert_eq!(
        log.leader_last(SUBJECT).await.unwrap().unwrap().payload,
        "c"
    );
    assert_eq!(texts(&log).await, ["a"]);
    assert!(matches!(
        log.read(SUBJECT, Position::START).await,
        Err(ReadFault::Unavailable { .. })
    ));
    assert_eq!(texts(&log).await, ["a", "b", "c"]);
}

#[tokio::test]
async fn a_truncated_tail_gives_its_positions_again() {
    let log = log().await;
    for (at, text) in ["a", "b", "c"].into_iter().enumerate() {
        log.publish(&record(text, at as u64)).await.unwrap();
    }
    log.truncate(FOREVER.name, 2);
    let again = log.publish(&record("b", 1)).await.unwrap();
    assert_eq!(
        again,
        Published {
            position: Position(2),
            duplicate: false
        }
    );
    assert_eq!(texts(&log).await, ["a", "b"]);
}

#[tokio::test]
async fn a_restart_brings_back_what_is_held_and_acks_that_it_forgot() {
    let log = log().await;
    let consumer = consumer(&log).await;
    let held = consumer.pull(3, Duration::ZERO).await.unwrap();
    held[0].acker.ack().await.unwrap();
    held[1].acker.ack().await.unwrap();
    log.restart_forgetting_acks(1);
    let again = consumer.pull(3, Duration::ZERO).await.unwrap();
    let seen: Vec<_> = again
        .iter()
        .map(|delivery| (delivery.stored.position.0, delivery.delivered))
        .collect();
    assert_eq!(seen, [(2, 1), (3, 1)]);
}

#[tokio::test]
async fn a_purge_takes_the_lease_away() {
    let log = log().await;
    let consumer = consumer(&log).await;
    let held = consumer.pull(3, Duration::ZERO).await.unwrap();
    log.purge("contract.purged.a", Some(Position(3)))
        .await
        .unwrap();
    held[0].acker.nak(Duration::ZERO).await.unwrap();
    held[2].acker.nak(Duration::ZERO).await.unwrap();
    let again = consumer.pull(3, Duration::ZERO).await.unwrap();
    assert_eq!(
        again
            .iter()
            .map(|delivery| delivery.stored.position.0)
            .collect::<Vec<_>>(),
        [3]
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_down_answers_nothing_and_loses_nothing() {
    let log = log().await;
    log.publish(&record("a", 0)).await.unwrap();
    let mut following = log
        .follow(FOREVER.name, ">", From::After(Position(1)))
        .await
        .unwrap();
    log.take_down();
    assert!(matches!(
        log.publish(&record("b", 1)).await,
        Err(PublishFault::Unknown { .. })
    ));
    assert!(matches!(
        log.leader_last(SUBJECT).await,
        Err(ReadFault::Unavailable { .. })
    ));
    let waiting = tokio::time::timeout(Duration::from_secs(1), following.next()).await;
    assert!(waiting.is_err(), "nothing comes while it is down");
    log.bring_up();
    log.publish(&record("b", 1)).await.unwrap();
    assert_eq!(following.next().await.unwrap().unwrap().payload, "b");
}

#[tokio::test]
async fn the_same_seed_gives_the_same_answers() {
    let answers = async |seed| {
        let log = log().await;
        let odds = Odds {
            in_flight: 200,
            lost_answer: 200,
            lost_request: 200,
            ..Odds::default()
        };
        log.play_by_chance(seed, odds);
        let mut answers = Vec::new();
        for number in 0..100 {
            answers.push(
                log.publish(&Record {
                    guard: None,
                    ..record(&number.to_string(), 0)
                })
                .await,
            );
        }
        answers
    };
    let first = answers(7).await;
    assert_eq!(first, answers(7).await);
    assert_ne!(first, answers(8).await);
    assert!(first.contains(&Err(PublishFault::InFlight)) && first.iter().any(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn a_message_id_is_forgotten_after_the_duplicate_window() {
    let log = log().await;
    let message = Record {
        guard: None,
        ..record("a", 0)
    };
    log.publish(&message).await.unwrap();
    advance(Duration::from_secs(119)).await;
    assert!(log.publish(&message).await.unwrap().duplicate);
    advance(Duration::from_secs(1)).await;
    assert!(!log.publish(&message).await.unwrap().duplicate);
}

#[tokio::test]
async fn a_held_message_may_be_delivered_twice_and_a_late_answer_is_noticed() {
    let log = log().await;
    assert!(!log.deliver_twice(0), "nobody has anything");
    let consumer = consumer(&log).await;
    let held = consumer.pull(3, Duration::ZERO).await.unwrap();
    assert!(log.deliver_twice(4));
    let again = consumer.pull(3, Duration::ZERO).await.unwrap();
    assert_eq!(again.len(), 1);
    assert_eq!(
        (again[0].stored.position, again[0].delivered),
        (Position(2), 2)
    );
    held[1].acker.ack().await.unwrap();
    held[0].acker.ack().await.unwrap();
    let played = log.played();
    assert_eq!(played.get("delivered twice"), Some(&1));
    assert_eq!(played.get("stale ack"), Some(&1));
    let progress = consumer.progress().await.unwrap();
    assert_eq!(progress.unacknowledged, 1);
    assert_eq!(log.all_progress(), [("d".to_owned(), progress)]);
}

#[tokio::test]
async fn a_witness_sees_what_is_stored_once_and_in_order() {
    let log = log().await;
    log.publish(&record("before", 0)).await.unwrap();
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let notes = Arc::clone(&seen);
    log.show(Arc::new(move |stored| {
        notes.lock().unwrap().push(stored.payload.clone());
    }));
    log.script_publish(">", PublishOddity::LostAnswer);
    log.publish(&record("a", 1)).await.unwrap_err();
    log.publish(&record("a", 1)).await.unwrap_err();
    log.publish(&record("b", 2)).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), ["a", "b"]);
}

#[tokio::test]
async fn positions_that_are_given_again_are_delivered_again() {
    let log = log().await;
    let consumer = consumer(&log).await;
    consumer.pull(3, Duration::ZERO).await.unwrap();
    log.truncate(PURGED.name, 2);
    let subject = "contract.purged.a".to_owned();
    let again = Record {
        subject,
        guard: None,
        ..record("again", 0)
    };
    log.publish(&again).await.unwrap();
    let delivered = consumer.pull(3, Duration::ZERO).await.unwrap();
    let seen = delivered.iter().map(|one| one.stored.position.0);
    assert_eq!(seen.collect::<Vec<_>>(), [2]);
}
