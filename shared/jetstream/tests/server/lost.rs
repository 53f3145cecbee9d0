//! A server that does not have any more what it had.

use std::time::Duration;

use futures_util::StreamExt;
use nogfso_journal::Log;
use nogfso_journal::contract::PURGED;
use nogfso_journal::log::{ConsumerSpec, From, PublishFault, Published, ReadFault, Record};
use nogfso_kernel::Position;
use nogfso_testkit::{NatsServer, wait_until};

use crate::DEADLINE;
use crate::log::log;

const SUBJECT: &str = "contract.purged.lost";

fn record(text: &str) -> Record {
    Record {
        subject: SUBJECT.to_owned(),
        payload: text.as_bytes().to_vec().into(),
        headers: Vec::new(),
        message_id: None,
        guard: None,
        schedule: None,
    }
}

fn spec() -> ConsumerSpec {
    ConsumerSpec {
        stream: PURGED.name,
        durable: "d".to_owned(),
        filters: vec![SUBJECT.to_owned()],
        ack_wait: Duration::from_secs(60),
        pending_max: 10,
    }
}

async fn publish(log: &dyn Log, text: &str) -> Published {
    wait_until("the message to be stored", DEADLINE, async || {
        log.publish(&record(text)).await
    })
    .await
}

#[track_caller]
fn assert_lost<T: std::fmt::Debug>(answer: Result<T, ReadFault>) {
    match answer {
        Err(ReadFault::Unavailable { reason }) if reason.contains("lost messages") => {}
        other => panic!("{other:?}"),
    }
}

/// Three messages, a copy of the folder, two more; then the server comes back from the copy, and others have stored
/// `again` since.
async fn after_a_restore(again: &[&str]) {
    let mut server = NatsServer::start();
    let (log, other) = (log(&server).await, log(&server).await);
    let consumer = log.consumer(&spec()).await.expect("a consumer can be made");
    for text in ["1", "2", "3"] {
        publish(&log, text).await;
    }
    let copies = tempfile::tempdir().expect("a folder can be made");
    let copy = copies.path().join("copy");
    server.kill();
    server.copy_store(&copy);
    server.restart();
    for text in ["4", "5"] {
        publish(&log, text).await;
    }
    let mut following = log
        .follow(PURGED.name, SUBJECT, From::After(Position(4)))
        .await
        .expect("a stream can be followed");
    let followed = following.next().await.expect("a stream has no end");
    assert_eq!(followed.expect("the server is there").payload, "5");
    server.kill();
    server.restore_store(&copy);
    server.restart();
    // One who has not seen them finds nothing wrong.
    for text in again {
        publish(&other, text).await;
    }

    wait_until("the connection to be back", DEADLINE, async || {
        matches!(
            log.read(SUBJECT, Position::START).await,
            Err(ReadFault::Unavailable { reason }) if reason.contains("lost messages")
        )
    })
    .await;
    assert_lost(log.leader_last(SUBJECT).await);
    assert_lost(log.find_last(PURGED.name, SUBJECT).await);
    assert_lost(consumer.pull(1, Duration::from_secs(1)).await);
    let stored = log.publish(&record("6")).await;
    assert!(
        matches!(stored, Err(PublishFault::Unavailable { .. })),
        "{stored:?}"
    );
    tokio::select! {
        next = following.next() => panic!("{next:?}"),
        () = tokio::time::sleep(Duration::from_millis(300)) => {}
    }
    assert_eq!(
        other
            .read(SUBJECT, Position::START)
            .await
            .expect("the server is there")
            .len(),
        3 + again.len(),
        "nothing was stored by one who knew better"
    );
    // Whoever starts anew takes what is there.
    publish(&crate::log::log(&server).await, "7").await;
}

#[tokio::test]
async fn a_server_that_was_set_up_from_an_old_copy_is_left_alone() {
    after_a_restore(&[]).await;
}

#[tokio::test]
async fn positions_that_were_given_again_do_not_hide_what_was_lost() {
    after_a_restore(&["other 4", "other 5", "other 6"]).await;
}

#[tokio::test]
async fn a_tail_that_was_purged_is_not_lost() {
    let mut server = NatsServer::start();
    let log = log(&server).await;
    for text in ["1", "2", "3"] {
        publish(&log, text).await;
    }
    log.purge(SUBJECT, None).await.unwrap();
    server.restart();
    let found = wait_until("the journal to be back", DEADLINE, async || {
        log.read(SUBJECT, Position::START).await
    })
    .await;
    assert!(found.is_empty());
    assert_eq!(publish(&log, "4").await.position, Position(4));
}
