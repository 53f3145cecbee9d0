//! Following a stream in order, for ever: by consumers that come and go, with the last position kept here.
//!
//! Every consumer numbers its deliveries; a gap, a silence or a new connection makes the follower begin another one after
//! the last position that it gave out. (The client library's ordered consumer begins at the very start if it is lost
//! before its first message.)

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::unfold;
use nogfso_journal::log::{Following, From, ReadFault, Stored};
use nogfso_kernel::Position;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::delivery::{Delivered, delivered};
use super::pull::{Arrival, IDLE_HEARTBEAT, Inbox, NO_RESPONDERS};
use super::tails::Tails;
use super::{read, unavailable};
use crate::api::ADMIN_PATIENCE;
use crate::connection::Connection;

const BATCH_MESSAGES: u64 = 500;
const REQUEST_PATIENCE_NS: u64 = 30_000_000_000;
const HEARTBEAT_NS: u64 = 2_000_000_000;
/// Longer than two heartbeats: how long a consumer that went down with its server is not missed.
const SILENCE_MAX: Duration = Duration::from_millis(4_500);
/// How often a new consumer may be asked before the other servers of a cluster know it.
const UNKNOWN_TRIES_MAX: u32 = 10;
const UNKNOWN_PAUSE: Duration = Duration::from_millis(20);
/// After this long without its follower the server forgets a consumer.
const INACTIVE_NS: u64 = 20_000_000_000;
const RETRY_PAUSE_MS_MIN: u64 = 50;
const RETRY_PAUSE_MS_MAX: u64 = 1_000;

pub(super) async fn follow(
    connection: Connection,
    tails: Arc<Tails>,
    stream: &'static str,
    filter: &str,
    from: From,
) -> Result<Following, ReadFault> {
    let begin = match from {
        From::After(position) => Begin::After(position),
        From::LastOfEachSubject => Begin::LastOfEachSubject,
        From::Now => {
            let last = read::leader_last(&connection, stream, ">").await?;
            Begin::After(last.map_or(Position::START, |stored| stored.position))
        }
    };
    let connects = connection.connects();
    let mut follower = Follower {
        connection,
        tails,
        stream,
        filter: filter.to_owned(),
        begin,
        connects,
        feed: None,
        pause_ms: 0,
    };
    follower.feed = Some(follower.open().await?);
    Ok(unfold(follower, |mut follower| async move {
        let next = follower.next().await?;
        Some((next, follower))
    })
    .boxed())
}

struct Follower {
    connection: Connection,
    tails: Arc<Tails>,
    stream: &'static str,
    filter: String,
    begin: Begin,
    connects: watch::Receiver<u64>,
    feed: Option<Feed>,
    pause_ms: u64,
}

/// Where the next consumer begins.
#[derive(Debug, Clone, Copy)]
enum Begin {
    After(Position),
    LastOfEachSubject,
}

/// One consumer and the requests on it.
struct Feed {
    inbox: Inbox,
    consumer_sequence: u64,
    request: u64,
    missing: u64,
    unknown_tries: u32,
}

impl Follower {
    /// The next message; none when the connection is closed. Faults that time may heal are not shown: it waits.
    async fn next(&mut self) -> Option<Result<Stored, ReadFault>> {
        while !self.connection.is_closed() {
            let fault = match self.attempt().await {
                Ok(stored) => {
                    self.tails
                        .note(self.stream, stored.position, &stored.payload);
                    self.begin = Begin::After(stored.position);
                    self.pause_ms = 0;
                    return Some(Ok(stored));
                }
                Err(fault) => fault,
            };
            self.feed = None;
            tracing::debug!(stream = self.stream, filter = self.filter, %fault, "following begins again");
            sleep(Duration::from_millis(self.pause_ms)).await;
            self.pause_ms = (self.pause_ms * 2).clamp(RETRY_PAUSE_MS_MIN, RETRY_PAUSE_MS_MAX);
            if let ReadFault::Refused { .. } = fault {
                return Some(Err(fault));
            }
        }
        None
    }

    async fn attempt(&mut self) -> Result<Stored, ReadFault> {
        let mut feed = match self.feed.take() {
            Some(feed) => feed,
            None => self.open().await?,
        };
        let stored = tokio::select! {
            stored = feed.next() => stored?,
            Ok(()) = self.connects.changed() => return Err(unavailable("the server was lost for a moment")),
        };
        self.feed = Some(feed);
        Ok(stored)
    }

    async fn open(&mut self) -> Result<Feed, ReadFault> {
        self.connects.mark_unchanged();
        // One that waits after a position that was lost would wait for ever, and then miss what takes its place.
        self.tails.check(&self.connection, self.stream).await?;
        let inbox_name = self.connection.client().new_inbox();
        let name = inbox_name.rsplit('.').next().unwrap_or_default();
        let mut config = json!({
            "name": name,
            "ack_policy": "none",
            "replay_policy": "instant",
            "filter_subject": self.filter,
            "mem_storage": true,
            "num_replicas": 1,
            "inactive_threshold": INACTIVE_NS,
        });
        match self.begin {
            Begin::After(position) => {
                config["deliver_policy"] = json!("by_start_sequence");
                config["opt_start_seq"] = json!(position.0 + 1);
            }
            Begin::LastOfEachSubject => config["deliver_policy"] = json!("last_per_subject"),
        }
        let verb = format!("CONSUMER.CREATE.{}.{name}.{}", self.stream, self.filter);
        let body = json!({ "stream_name": self.stream, "config": config, "action": "create" });
        let _described: Value = self.connection.api(&verb, &body, ADMIN_PATIENCE).await?;
        let inbox = Inbox::open(&self.connection, self.stream, name).await?;
        Ok(Feed {
            inbox,
            consumer_sequence: 0,
            request: 0,
            missing: 0,
            unknown_tries: 0,
        })
    }
}

impl Feed {
    async fn next(&mut self) -> Result<Stored, ReadFault> {
        loop {
            if self.missing == 0 {
                let request = json!({
                    "batch": BATCH_MESSAGES, "expires": REQUEST_PATIENCE_NS, "idle_heartbeat": HEARTBEAT_NS,
                });
                self.request = self.inbox.ask(&request).await?;
                self.missing = BATCH_MESSAGES;
            }
            let arrival = timeout(SILENCE_MAX, self.inbox.next())
                .await
                .map_err(|_elapsed| unavailable("the server does not send heartbeats"))??;
            match arrival {
                Arrival::Message(message) => {
                    let Some(Delivered {
                        stored,
                        consumer_sequence,
                        ..
                    }) = delivered(message)
                    else {
                        continue;
                    };
                    if consumer_sequence != self.consumer_sequence + 1 {
                        return Err(unavailable("a message was lost on its way"));
                    }
                    self.consumer_sequence = consumer_sequence;
                    self.missing -= 1;
                    return Ok(stored);
                }
                Arrival::Status {
                    code: IDLE_HEARTBEAT,
                    ..
                } => {}
                Arrival::Status { request, .. } if request != self.request => {}
                Arrival::Status {
                    code: NO_RESPONDERS,
                    ..
                } if self.consumer_sequence == 0 && self.unknown_tries < UNKNOWN_TRIES_MAX => {
                    self.unknown_tries += 1;
                    self.missing = 0;
                    sleep(UNKNOWN_PAUSE).await;
                }
                Arrival::Status {
                    code: 404 | 408, ..
                } => self.missing = 0,
                Arrival::Status { code, text, .. } => {
                    return Err(unavailable(format!("{text} ({code})")));
                }
            }
        }
    }
}
