//! Durable pull consumers: made or checked once, then pulled from.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nogfso_journal::log::{Consumer, ConsumerProgress, ConsumerSpec, Delivery, ReadFault};
use nogfso_kernel::Position;
use serde_json::{Value, json};
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::delivery::{Answer, delivered};
use super::pull::{Arrival, Inbox, NO_RESPONDERS};
use super::tails::Tails;
use super::{refused, unavailable};
use crate::api::{ADMIN_PATIENCE, CONSUMER_NOT_FOUND};
use crate::connection::Connection;

/// How long one request stays open at the server; a longer wait is made of several, so that one that is lost costs little.
const REQUEST_MS_MAX: u128 = 5_000;
const REQUEST_MS_MIN: u128 = 10;
/// How much later than a request ends the server may say so.
const ANSWER_GRACE: Duration = Duration::from_millis(1_500);
/// The servers of a cluster learn of a new consumer, or of its new leader, one after the other.
const ABSENT_PAUSE: Duration = Duration::from_millis(50);

/// Makes the durable consumer, or checks that the one there is as `spec` says. One attempt; who asks again is the caller.
pub(super) async fn open(
    connection: &Connection,
    tails: Arc<Tails>,
    spec: &ConsumerSpec,
) -> Result<JetStreamConsumer, ReadFault> {
    let ConsumerSpec {
        stream, durable, ..
    } = spec;
    let is_name = !durable.is_empty()
        && durable
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if !is_name || spec.filters.is_empty() {
        return Err(refused(format!(
            "consumer {durable:?}: a name of letters, digits, - and _, and a filter are needed"
        )));
    }
    let info = connection
        .api(
            &format!("CONSUMER.INFO.{stream}.{durable}"),
            &Value::Null,
            ADMIN_PATIENCE,
        )
        .await;
    let described = match info {
        Err(fault) if fault.has_code(CONSUMER_NOT_FOUND) => {
            let body =
                json!({ "stream_name": stream, "config": configuration(spec), "action": "create" });
            connection
                .api(&creation(spec), &body, ADMIN_PATIENCE)
                .await?
        }
        info => info?,
    };
    let drift = drift(spec, &described["config"]);
    if !drift.is_empty() {
        let drift = drift.join("; ");
        return Err(refused(format!(
            "consumer {durable} of stream {stream} is configured otherwise: {drift}"
        )));
    }
    Ok(JetStreamConsumer {
        connection: connection.clone(),
        tails,
        stream,
        durable: durable.clone(),
        pulling: Mutex::default(),
    })
}

/// A single filter stands in the subject, so that rights can be given by it.
fn creation(spec: &ConsumerSpec) -> String {
    let plain = format!("CONSUMER.CREATE.{}.{}", spec.stream, spec.durable);
    match spec.filters.as_slice() {
        [filter] => format!("{plain}.{filter}"),
        _ => plain,
    }
}

fn configuration(spec: &ConsumerSpec) -> Value {
    let mut configuration = json!({
        "name": spec.durable,
        "durable_name": spec.durable,
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "ack_wait": nanoseconds(spec.ack_wait),
        "max_ack_pending": spec.pending_max,
        "max_deliver": -1,
        "replay_policy": "instant",
    });
    match spec.filters.as_slice() {
        [filter] => configuration["filter_subject"] = json!(filter),
        filters => configuration["filter_subjects"] = json!(filters),
    }
    configuration
}

/// What the server has otherwise than `spec`; a consumer that pushes or backs off would break its promises, too.
fn drift(spec: &ConsumerSpec, found: &Value) -> Vec<String> {
    let wanted = configuration(spec);
    let off = [
        "deliver_subject",
        "backoff",
        "headers_only",
        "pause_until",
        "filter_subject",
        "filter_subjects",
    ];
    let mut drift = Vec::new();
    for field in wanted
        .as_object()
        .into_iter()
        .flatten()
        .map(|(field, _)| field.as_str())
        .chain(off)
    {
        if wanted[field] != found[field]
            && !drift.iter().any(|known: &String| known.starts_with(field))
        {
            drift.push(format!(
                "{field} is {}, wanted {}",
                found[field], wanted[field]
            ));
        }
    }
    drift
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A handle on a durable consumer. Its pulls run one after the other.
#[derive(Debug)]
pub(super) struct JetStreamConsumer {
    connection: Connection,
    tails: Arc<Tails>,
    stream: &'static str,
    durable: String,
    pulling: Mutex<Option<Pulling>>,
}

#[derive(Debug)]
struct Pulling {
    inbox: Inbox,
    connects: watch::Receiver<u64>,
    open: Option<OpenRequest>,
}

/// What one pull is after.
#[derive(Debug)]
struct Want {
    count: usize,
    got: usize,
    deadline: Instant,
    /// Whether this pull has made a request; the open one may be of an earlier pull.
    asked: bool,
}

/// A request that the server has not ended. It outlives a pull that was dropped, and the next one goes on with it.
#[derive(Debug, Clone, Copy)]
struct OpenRequest {
    number: u64,
    missing: usize,
    answered_by: Instant,
}

#[async_trait]
impl Consumer for JetStreamConsumer {
    async fn pull(&self, count: usize, patience: Duration) -> Result<Vec<Delivery>, ReadFault> {
        let deadline = Instant::now() + patience;
        if let Err(fault) = self.tails.check(&self.connection, self.stream).await {
            if self.tails.is_lost(self.stream) {
                // Who pulls again and again is not to fill the log with what only an operator can end.
                sleep_until(deadline).await;
            }
            return Err(fault);
        }
        let mut pulling = self.pulling.lock().await;
        let pulling = match pulling.as_mut() {
            Some(pulling) => pulling,
            None => pulling.insert(Pulling {
                inbox: Inbox::open(&self.connection, self.stream, &self.durable).await?,
                connects: self.connection.connects(),
                open: None,
            }),
        };
        let mut want = Want {
            count,
            got: 0,
            deadline,
            asked: false,
        };
        let mut deliveries = Vec::new();
        while want.got < count {
            match pulling.next(&mut want).await {
                Ok(Some(message)) => deliveries.extend(self.delivery(message)),
                Ok(None) => break,
                Err(fault) if deliveries.is_empty() => return Err(fault),
                Err(_) => break,
            }
        }
        Ok(deliveries)
    }

    async fn progress(&self) -> Result<ConsumerProgress, ReadFault> {
        progress(&self.connection, self.stream, &self.durable)
            .await?
            .ok_or_else(|| unavailable("the consumer is gone"))
    }
}

/// How far the consumer has come; `None` if there is none.
pub(super) async fn progress(
    connection: &Connection,
    stream: &str,
    durable: &str,
) -> Result<Option<ConsumerProgress>, ReadFault> {
    let verb = format!("CONSUMER.INFO.{stream}.{durable}");
    let info = match connection.api(&verb, &Value::Null, ADMIN_PATIENCE).await {
        Err(fault) if fault.has_code(CONSUMER_NOT_FOUND) => return Ok(None),
        info => info?,
    };
    let number = |value: &Value| {
        value
            .as_u64()
            .ok_or_else(|| unavailable(format!("an answer that is not understood: {info}")))
    };
    Ok(Some(ConsumerProgress {
        ack_floor: Position(number(&info["ack_floor"]["stream_seq"])?),
        delivered: Position(number(&info["delivered"]["stream_seq"])?),
        waiting: number(&info["num_pending"])?,
        unacknowledged: number(&info["num_ack_pending"])?,
    }))
}

impl JetStreamConsumer {
    fn delivery(&self, message: async_nats::Message) -> Option<Delivery> {
        let delivered = delivered(message)?;
        let stored = &delivered.stored;
        self.tails
            .note(self.stream, stored.position, &stored.payload);
        let acker = Answer {
            connection: self.connection.clone(),
            reply: delivered.reply,
        };
        Some(Delivery {
            stored: delivered.stored,
            delivered: delivered.delivered,
            acker: Arc::new(acker),
        })
    }
}

impl Pulling {
    /// The next message; none when there is no more at this moment and either some were got or the deadline has passed.
    async fn next(&mut self, want: &mut Want) -> Result<Option<async_nats::Message>, ReadFault> {
        loop {
            let now = Instant::now();
            let open = match self.open {
                Some(open) => open,
                None if want.got > 0 || (want.asked && now >= want.deadline) => return Ok(None),
                None => {
                    want.asked = true;
                    self.request(want.count, want.deadline.saturating_duration_since(now))
                        .await?
                }
            };
            let wait_until = match want {
                // What has not come yet is for the next pull: whoever has something to do is not to wait for more.
                Want { got: 1.., .. } => now,
                Want { asked: true, .. } => open.answered_by,
                Want { deadline, .. } => open.answered_by.min(*deadline),
            };
            let arrival = tokio::select! {
                biased;
                arrival = timeout_at(wait_until, self.inbox.next()) => arrival,
                Ok(()) = self.connects.changed() => {
                    self.open = None;
                    continue;
                }
            };
            match arrival {
                Ok(Ok(Arrival::Status {
                    request,
                    code: NO_RESPONDERS,
                    ..
                })) if request == open.number && want.got == 0 && now < want.deadline => {
                    self.open = None;
                    sleep(ABSENT_PAUSE).await;
                }
                Ok(arrival) => {
                    if let Some(message) = self.arrived(open, arrival?)? {
                        want.got += 1;
                        return Ok(Some(message));
                    }
                }
                Err(_) if want.got > 0 || wait_until < open.answered_by => return Ok(None),
                Err(_) => {
                    self.open = None;
                    return Err(unavailable("no answer to a request for messages"));
                }
            }
        }
    }

    async fn request(
        &mut self,
        count: usize,
        patience: Duration,
    ) -> Result<OpenRequest, ReadFault> {
        let patience_ms = patience.as_millis().clamp(REQUEST_MS_MIN, REQUEST_MS_MAX);
        let patience = Duration::from_millis(u64::try_from(patience_ms).unwrap_or(u64::MAX));
        // It stays open for what comes later, so that a message costs no request of its own; it never asks for more than the
        // caller can take, as each message that came counts against it.
        let request = json!({ "batch": count, "expires": nanoseconds(patience) });
        self.connects.mark_unchanged();
        let number = self.inbox.ask(&request).await?;
        let open = OpenRequest {
            number,
            missing: count,
            answered_by: Instant::now() + patience + ANSWER_GRACE,
        };
        self.open = Some(open);
        Ok(open)
    }

    fn arrived(
        &mut self,
        open: OpenRequest,
        arrival: Arrival,
    ) -> Result<Option<async_nats::Message>, ReadFault> {
        match arrival {
            Arrival::Message(message) => {
                let missing = open.missing.saturating_sub(1);
                self.open = (missing > 0).then_some(OpenRequest { missing, ..open });
                Ok(Some(message))
            }
            Arrival::Status { request, .. } if request != open.number => Ok(None),
            Arrival::Status { code, text, .. } => {
                self.open = None;
                match code {
                    404 | 408 => Ok(None),
                    NO_RESPONDERS => Err(unavailable("the consumer is not there at this moment")),
                    _ => Err(unavailable(format!("{text} ({code})"))),
                }
            }
        }
    }
}
