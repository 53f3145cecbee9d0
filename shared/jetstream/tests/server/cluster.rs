//! Three replicas on one machine: their odd answers really occur, and nothing that was acknowledged is lost with a leader.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nogfso_jetstream::{Connection, JetStreamLog, Replicas, Settings};
use nogfso_journal::append::{AppendError, append};
use nogfso_journal::contract::{FOREVER, STREAMS};
use nogfso_journal::log::{Log, PublishFault, Record};
use nogfso_journal::{ENVELOPE_VERSION, Envelope, Environment, commit_id};
use nogfso_kernel::{CommitId, Position};
use nogfso_testkit::{CLUSTER_NODE_COUNT, Cluster, wait_until};
use tokio::time::Instant;

/// How long odd answers are looked for; they come within a second or two.
const LOOK_PATIENCE: Duration = Duration::from_secs(30);
const DEADLINE: Duration = Duration::from_secs(60);
const WRITER_COUNT: usize = 8;
/// So many appends each writer must have acknowledged after the leader was killed.
const APPENDS_AFTER: u64 = 20;

async fn log(servers: Vec<String>) -> JetStreamLog {
    let settings = Settings {
        servers,
        ..Settings::new("", "test")
    };
    let connection = Connection::connect(&settings)
        .await
        .expect("a node takes the connection");
    let log = JetStreamLog::new(connection, Replicas(3));
    wait_until("the streams", DEADLINE, async || {
        log.ensure_streams(&STREAMS).await
    })
    .await;
    log
}

fn record(subject: &str, guard: Position, text: &str, id: &str) -> Record {
    Record {
        subject: subject.to_owned(),
        payload: text.as_bytes().to_vec().into(),
        headers: Vec::new(),
        message_id: Some(id.to_owned()),
        guard: Some(guard),
        schedule: None,
    }
}

/// How often each odd answer was met.
#[derive(Debug, Default)]
struct Odd {
    /// Two decisions at once: one is told that the other is in flight (10164).
    other_in_flight: u64,
    /// The same message at once: one is told that it is in flight already (10158).
    same_in_flight: u64,
    /// A read from a server that does not know yet what was acknowledged.
    stale_reads: u64,
    rounds: u64,
}

#[tokio::test]
async fn the_odd_answers_of_replicas_really_occur() {
    let cluster = Cluster::start();
    let mut logs = Vec::new();
    for url in cluster.urls() {
        logs.push(log(vec![url]).await);
    }
    let mut odd = Odd::default();
    let deadline = Instant::now() + LOOK_PATIENCE;
    let mut guards = [Position::START; 2];
    while Instant::now() < deadline {
        odd.rounds += 1;
        let n = odd.rounds;
        // The same guard and two ids; then one id, twice.
        for (at, ids) in [
            [format!("a{n}"), format!("b{n}")],
            [format!("c{n}"), format!("c{n}")],
        ]
        .iter()
        .enumerate()
        {
            let subject = format!("contract.forever.odd.{at}");
            let records = ids
                .each_ref()
                .map(|id| record(&subject, guards[at], id, id));
            let (first, second) =
                tokio::join!(logs[0].publish(&records[0]), logs[1].publish(&records[1]));
            let in_flight = [&first, &second]
                .into_iter()
                .filter(|answer| matches!(answer, Err(PublishFault::InFlight)))
                .count() as u64;
            match at {
                0 => odd.other_in_flight += in_flight,
                _ => odd.same_in_flight += in_flight,
            }
            let stored = [first, second].into_iter().flatten();
            let Some(position) = stored.map(|stored| stored.position).max() else {
                guards[at] = newest(&logs[0], &subject).await;
                continue;
            };
            // All at once, and at once: what lags does so for a millisecond.
            let reads = logs.iter().map(|log| log.read(&subject, guards[at]));
            for page in futures_util::future::join_all(reads).await {
                odd.stale_reads += u64::from(page.is_ok_and(|page| page.is_empty()));
            }
            guards[at] = position.max(guards[at]);
        }
        if odd.other_in_flight > 0 && odd.same_in_flight > 0 && odd.stale_reads > 0 {
            break;
        }
    }
    println!("{odd:?}");
    assert!(odd.other_in_flight > 0 && odd.same_in_flight > 0, "{odd:?}");
    assert!(odd.stale_reads > 0, "{odd:?}");
}

async fn newest(log: &JetStreamLog, subject: &str) -> Position {
    let last = wait_until("the leader's last message", DEADLINE, async || {
        log.leader_last(subject).await
    })
    .await;
    last.map_or(Position::START, |last| last.position)
}

/// Appends on one subject until told to stop, and keeps what was acknowledged.
async fn write(
    log: Arc<JetStreamLog>,
    subject: String,
    acknowledged: Arc<AtomicU64>,
    enough: Arc<AtomicU64>,
) -> Vec<(Position, CommitId)> {
    let environment = Environment::system();
    let mut kept: Vec<(Position, CommitId)> = Vec::new();
    while acknowledged.load(Ordering::SeqCst) < enough.load(Ordering::SeqCst) {
        let commit = CommitId(environment.fresh());
        let guard = kept.last().map_or(Position::START, |last| last.0);
        let (payload, _) = envelope(&subject, commit, environment.now_ms())
            .encode()
            .expect("a commit without events is small");
        let record = Record {
            payload,
            ..record(&subject, guard, "", &commit.to_string())
        };
        // What is not known yet is asked again with the same bytes, as a caller with a command id does.
        let position = loop {
            match append(log.as_ref(), &record, commit).await {
                Ok(position) => break position,
                Err(AppendError::Unknown { .. } | AppendError::Unavailable { .. }) => {}
                Err(other) => panic!("{subject}: {other}"),
            }
        };
        kept.push((position, commit));
        acknowledged.fetch_add(1, Ordering::SeqCst);
    }
    kept
}

fn envelope(subject: &str, commit: CommitId, at_ms: u64) -> Envelope<()> {
    Envelope {
        v: ENVELOPE_VERSION,
        commit,
        aggregate: subject.to_owned(),
        events: vec![],
        previous: None,
        command: None,
        cause: None,
        correlation: None,
        traceparent: None,
        actor: "svc:test".to_owned(),
        at_ms,
        epoch: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_its_leader_under_load() {
    let mut cluster = Cluster::start();
    let log = Arc::new(log(cluster.urls()).await);
    let enough = Arc::new(AtomicU64::new(u64::MAX));
    let mut writers = Vec::new();
    for n in 0..WRITER_COUNT {
        let subject = format!("contract.forever.load.{n}");
        let acknowledged = Arc::new(AtomicU64::new(0));
        let (log, enough, count) = (
            Arc::clone(&log),
            Arc::clone(&enough),
            Arc::clone(&acknowledged),
        );
        let name = subject.clone();
        let writer = async move { write(log, name, count, enough).await };
        writers.push((subject, acknowledged, writer));
    }
    let counts: Vec<_> = writers
        .iter()
        .map(|(_, acknowledged, _)| Arc::clone(acknowledged))
        .collect();
    let subjects: Vec<_> = writers
        .iter()
        .map(|(subject, _, _)| subject.clone())
        .collect();
    let load = futures_util::future::join_all(writers.into_iter().map(|(_, _, writer)| writer));
    let killing = async {
        wait_until("some load", DEADLINE, async || {
            counts
                .iter()
                .all(|count| count.load(Ordering::SeqCst) >= APPENDS_AFTER)
        })
        .await;
        let leader = stream_leader(&cluster);
        cluster.node_mut(leader).kill();
        let killed = Instant::now();
        let before: Vec<_> = counts
            .iter()
            .map(|count| count.load(Ordering::SeqCst))
            .collect();
        wait_until("every writer to go on", DEADLINE, async || {
            counts
                .iter()
                .zip(&before)
                .all(|(count, before)| count.load(Ordering::SeqCst) >= before + APPENDS_AFTER)
        })
        .await;
        println!(
            "node {leader} killed at {before:?}; all writers went on after {:?}",
            killed.elapsed()
        );
        enough.store(0, Ordering::SeqCst);
        leader
    };
    let (kept, leader) = tokio::join!(load, killing);
    tokio::task::block_in_place(|| cluster.restart(leader));

    let total: usize = kept.iter().map(Vec::len).sum();
    for (subject, kept) in subjects.iter().zip(kept) {
        assert_eq!(stored(&log, subject).await, kept, "{subject}");
    }
    println!("{total} acknowledged appends, each there once");
}

/// All commits of a subject.
async fn stored(log: &JetStreamLog, subject: &str) -> Vec<(Position, CommitId)> {
    let newest = newest(log, subject).await;
    let mut found: Vec<(Position, CommitId)> = Vec::new();
    while found.last().is_none_or(|last| last.0 < newest) {
        let after = found.last().map_or(Position::START, |last| last.0);
        let page = log.read(subject, after).await.unwrap_or_default();
        let commit = |payload: &[u8]| commit_id(payload).expect("only commits are appended");
        found.extend(
            page.iter()
                .map(|stored| (stored.position, commit(&stored.payload))),
        );
    }
    found
}

/// The node that leads the stream that is written to.
fn stream_leader(cluster: &Cluster) -> usize {
    let leader = (0..CLUSTER_NODE_COUNT).find_map(|node| {
        let state = cluster
            .node(node)
            .monitor("/jsz?accounts=true&streams=true");
        let state = state.ok()?;
        let streams = state["account_details"][0]["stream_detail"].as_array()?;
        let stream = streams
            .iter()
            .find(|stream| stream["name"] == FOREVER.name)?;
        let name = stream["cluster"]["leader"].as_str()?.to_owned();
        (0..CLUSTER_NODE_COUNT).find(|node| cluster.node(*node).name() == name)
    });
    leader.expect("a stream that is written to has a leader")
}
