//! What the contract cannot ask for: drift, restarts, silence, lost acknowledgements.

use std::time::Duration;

use nogfso_jetstream::{JetStreamLog, Ports, Replicas};
use nogfso_journal::contract::{FOREVER, PURGED, STREAMS};
use nogfso_journal::log::{Consumer, ConsumerSpec, PublishFault, ReadFault, Record};
use nogfso_journal::{Log, again};
use nogfso_kernel::{Keep, Position, StreamSpec};
use nogfso_testkit::{NatsServer, NatsSettings, wait_until};

use crate::log::log;
use crate::{DEADLINE, connect};

fn record(text: &str) -> Record {
    Record {
        subject: "contract.purged.a".to_owned(),
        payload: text.as_bytes().to_vec().into(),
        headers: Vec::new(),
        message_id: Some(text.to_owned()),
        guard: None,
        schedule: None,
    }
}

fn spec() -> ConsumerSpec {
    ConsumerSpec {
        stream: PURGED.name,
        durable: "d".to_owned(),
        filters: vec!["contract.purged.>".to_owned()],
        ack_wait: Duration::from_secs(60),
        pending_max: 10,
    }
}

async fn pull_one(consumer: &dyn Consumer) -> String {
    let delivery = wait_until("a delivery", DEADLINE, async || {
        consumer
            .pull(1, Duration::from_secs(2))
            .await
            .ok()
            .and_then(|mut found| found.pop())
    })
    .await;
    delivery.acker.ack().await.expect("the answer is taken");
    String::from_utf8_lossy(&delivery.stored.payload).into_owned()
}

#[tokio::test]
async fn a_stream_that_is_configured_otherwise_is_refused_with_the_field() {
    let server = NatsServer::start();
    let log = log(&server).await;
    let drifted = StreamSpec {
        keep: Keep::LastOfSubject,
        ..PURGED
    };
    let answer = log.ensure_streams(&[drifted]).await;
    let Err(ReadFault::Refused { reason }) = answer else {
        panic!("{answer:?}")
    };
    for part in [PURGED.name, "max_msgs_per_subject is -1, wanted 1"] {
        assert!(reason.contains(part), "{reason}");
    }
    let more_replicas = JetStreamLog::new(connect(&server).await, Replicas(3));
    assert!(matches!(
        more_replicas.ensure_streams(&STREAMS).await,
        Err(ReadFault::Refused { .. })
    ));
}

#[tokio::test]
async fn a_server_without_jetstream_is_told() {
    let server = NatsServer::start_with(NatsSettings::default().without_jetstream());
    let log = JetStreamLog::new(connect(&server).await, Replicas::default());
    assert!(matches!(
        log.ensure_streams(&STREAMS).await,
        Err(ReadFault::Unavailable { .. })
    ));
}

#[tokio::test]
async fn a_server_that_is_silent_leaves_the_outcome_unknown() {
    let mut server = NatsServer::start();
    let log = log(&server).await;
    server.pause();
    let published = log.publish(&record("1")).await;
    assert!(
        matches!(published, Err(PublishFault::Unknown { .. })),
        "{published:?}"
    );
    let read = log.read("contract.purged.a", Position::START).await;
    assert!(
        matches!(read, Err(ReadFault::Unavailable { .. })),
        "{read:?}"
    );
    server.resume();
    let stored = wait_until("the repeat to be known", DEADLINE, async || {
        log.publish(&record("1")).await
    })
    .await;
    assert!(
        stored.duplicate,
        "the first attempt was stored when the server went on"
    );
}

#[tokio::test]
async fn a_server_that_is_gone_is_told_at_once() {
    let mut server = NatsServer::start();
    let log = log(&server).await;
    server.kill();
    wait_until("the connection to notice", DEADLINE, async || {
        matches!(
            log.publish(&record("1")).await,
            Err(PublishFault::Unavailable { .. })
        )
    })
    .await;
    let began = std::time::Instant::now();
    assert!(matches!(
        log.leader_last("contract.purged.a").await,
        Err(ReadFault::Unavailable { .. })
    ));
    assert!(matches!(
        log.read("contract.purged.a", Position::START).await,
        Err(ReadFault::Unavailable { .. })
    ));
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_waiting_pull_goes_on_after_a_restart() {
    let mut server = NatsServer::start();
    let log = log(&server).await;
    let consumer = log.consumer(&spec()).await.unwrap();
    for round in ["1", "2", "3"] {
        let store = async {
            // Long enough for the pull to be at the server, or not: both must work.
            tokio::task::yield_now().await;
            server.restart();
            wait_until("the message to be stored", DEADLINE, async || {
                log.publish(&record(round)).await
            })
            .await;
        };
        let pull = async {
            // A server that restarts may forget acknowledgements, so earlier ones may come before.
            while pull_one(&*consumer).await != round {}
        };
        tokio::join!(pull, store);
    }
}

#[tokio::test]
async fn what_a_dropped_pull_was_given_comes_with_the_next() {
    let server = NatsServer::start();
    let log = log(&server).await;
    let consumer = log.consumer(&spec()).await.unwrap();
    let dropped = tokio::time::timeout(
        Duration::from_millis(200),
        consumer.pull(5, Duration::from_secs(4)),
    )
    .await;
    assert!(dropped.is_err());
    for text in ["1", "2"] {
        log.publish(&record(text)).await.unwrap();
    }
    assert_eq!(pull_one(&*consumer).await, "1");
    assert_eq!(pull_one(&*consumer).await, "2");
}

#[tokio::test]
async fn nothing_that_was_acknowledged_is_lost_by_a_crash() {
    let mut server = NatsServer::start();
    let log = log(&server).await;
    let subject = "contract.forever.a";
    let mut guard = Position::START;
    for round in 0..3 {
        for number in 0..10 {
            let text = format!("{round}-{number}");
            let record = Record {
                subject: subject.to_owned(),
                guard: Some(guard),
                ..record(&text)
            };
            guard = log.publish(&record).await.unwrap().position;
        }
        server.restart();
        wait_until("the journal to be back", DEADLINE, async || {
            log.leader_last(subject).await
        })
        .await;
    }
    let found = log.read(subject, Position::START).await.unwrap();
    assert_eq!(found.len(), 30);
    assert_eq!(
        log.find_last(FOREVER.name, subject)
            .await
            .unwrap()
            .unwrap()
            .position,
        guard
    );
}

#[tokio::test]
async fn a_server_that_is_silent_when_a_service_starts_is_waited_for() {
    let mut server = NatsServer::start();
    let connection = connect(&server).await;
    server.pause();
    let open = Ports::open(connection, Replicas::default(), &STREAMS);
    let back = async {
        // Longer than one question is waited for.
        tokio::time::sleep(Duration::from_millis(5_500)).await;
        server.resume();
    };
    let (ports, ()) = tokio::join!(open, back);
    let log = ports.unwrap().log;
    log.publish(&record("1")).await.unwrap();

    server.pause();
    let spec = spec();
    let open = again("open it", ReadFault::is_transient, || log.consumer(&spec));
    let back = async {
        tokio::time::sleep(Duration::from_millis(5_500)).await;
        server.resume();
    };
    let (consumer, ()) = tokio::join!(open, back);
    assert_eq!(pull_one(&*consumer.unwrap()).await, "1");
}
