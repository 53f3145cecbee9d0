//! The feed: decoded commits for those who only read along, at most once each (design 3).

use std::sync::Arc;
use std::time::Duration;

use nogfso_bus::{Bus, Message};
use nogfso_contract::event::{EventLine, FeedCommit, split_fact};
use nogfso_contract::subjects;
use nogfso_host::Tasks;
use nogfso_ids::UnixMillis;
use nogfso_journal::log::{Consumer, ConsumerSpec, ReadFault, Stored, open_consumer};
use nogfso_journal::{Commit, Log};
use nogfso_kernel::Vid;
use serde_json::Value;
use tokio::time::{Instant, sleep};

const PULL_MESSAGES: usize = 64;
const PULL_PATIENCE: Duration = Duration::from_secs(5);
const PULL_AGAIN_PAUSE: Duration = Duration::from_millis(500);
const ACK_WAIT: Duration = Duration::from_secs(30);
const PENDING_MAX: u32 = 512;
/// How long after a pull began its messages are still this instance's alone; well below the ack wait.
const KEPT_MAX: Duration = Duration::from_secs(15);

/// Publishes the commits of `stream` until `tasks` are stopped. Instances share the work.
pub(crate) fn start(log: &Arc<dyn Log>, bus: &Arc<dyn Bus>, stream: &'static str, tasks: &Tasks) {
    let (log, bus, stop) = (Arc::clone(log), Arc::clone(bus), tasks.stop().clone());
    tasks.spawn_vital("feed", async move {
        let spec = ConsumerSpec {
            stream,
            durable: format!("feed-{}", stream.to_lowercase()),
            filters: vec!["fso.ev.>".to_owned()],
            ack_wait: ACK_WAIT,
            pending_max: PENDING_MAX,
        };
        let Some(consumer) = open_consumer(&*log, &spec, &stop).await? else {
            return Ok(());
        };
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok::<(), ReadFault>(()),
                pulled = pass_on(consumer.as_ref(), bus.as_ref()) => if let Err(fault) = pulled {
                    tracing::warn!(stream, %fault, "the feed pauses");
                    sleep(PULL_AGAIN_PAUSE).await;
                }
            }
        }
    });
}

async fn pass_on(consumer: &dyn Consumer, bus: &dyn Bus) -> Result<(), ReadFault> {
    let asked_at = Instant::now();
    for delivery in consumer.pull(PULL_MESSAGES, PULL_PATIENCE).await? {
        // What lay here for too long is about to be another's to publish.
        if asked_at.elapsed() > KEPT_MAX {
            break;
        }
        // Acknowledged first: who reads the feed may miss a commit, and never sees one twice.
        delivery.acker.ack().await?;
        let Some(message) = message(&delivery.stored) else {
            continue;
        };
        if let Err(error) = bus.publish(message).await {
            tracing::debug!(%error, "a commit is missing from the feed");
        }
    }
    Ok(())
}

fn message(stored: &Stored) -> Option<Message> {
    let commit = match Commit::decode_any(&stored.payload, stored.position) {
        Ok(commit) => commit,
        Err(error) => {
            tracing::warn!(subject = stored.subject, %error, "a commit is unreadable");
            return None;
        }
    };
    let payload = serde_json::to_vec(&feed_commit(commit)).ok()?;
    Some(
        Message::new(subjects::feed(&stored.subject), payload)
            .with_header("Content-Type", "application/json"),
    )
}

fn feed_commit(commit: Commit<Value>) -> FeedCommit {
    let envelope = commit.envelope;
    // The commit knows the one before it, not that one's last event; and a feed that may miss a commit is not worth a read.
    let mut parent = envelope.previous.is_none().then_some(Vid::EPOCH);
    let line = |stored: nogfso_journal::StoredEvent<Value>| {
        let (event, data) = split_fact(stored.fact);
        let known_parent = parent.replace(stored.id.into());
        EventLine {
            event,
            id: stored.id.to_string(),
            parent: known_parent.map_or_else(String::new, |parent| parent.to_string()),
            etime: UnixMillis(stored.id.time_ms()).to_string(),
            data,
        }
    };
    FeedCommit {
        aggregate: envelope.aggregate,
        position: commit.position.0,
        commit: envelope.commit.to_string(),
        previous: envelope
            .previous
            .map(|previous| previous.commit.to_string()),
        actor: envelope.actor,
        time: UnixMillis(envelope.at_ms).to_string(),
        command_id: envelope.command.map(|command| command.id),
        events: envelope.events.into_iter().map(line).collect(),
    }
}
