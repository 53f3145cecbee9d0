//! Services: their endpoints, and the answers to those who ask which services there are.
//!
//! The client library's services cannot send a payload together with an error, so the protocol is spoken here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::{Client, Subscriber};
use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{SelectAll, select_all};
use jiff::Timestamp;
use nogfso_bus::{BusError, Message, Reply, Request, Requests, Responder, ServiceSpec};
use nogfso_journal::{Clock, SystemClock};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use super::message::message_of;
use super::statistics::{Instance, Verb};
use super::{check_filter, publish, subscribe_fault};

/// How long the server may take to confirm subscriptions.
const KNOWN_PATIENCE: Duration = Duration::from_secs(2);

type Shared = Arc<Mutex<Instance>>;

/// Announces the service and gives the requests to its endpoints. It ends when they are dropped.
pub(super) async fn serve(client: &Client, spec: ServiceSpec) -> Result<Requests, BusError> {
    check(&spec)?;
    let inbox = client.new_inbox();
    let id = inbox.rsplit('.').next().unwrap_or_default().to_owned();
    let started = i64::try_from(SystemClock.now_ms())
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let instance = Instance::new(spec.clone(), id.clone(), started.unwrap_or_default());
    let instance = Arc::new(Mutex::new(instance));

    let mut endpoints = Vec::new();
    for (at, endpoint) in spec.endpoints.iter().enumerate() {
        let subscriber = client
            .queue_subscribe(endpoint.subject.clone(), spec.queue_group.clone())
            .await
            .map_err(|error| subscribe_fault(&error))?;
        let (name, client, instance) =
            (endpoint.name.clone(), client.clone(), Arc::clone(&instance));
        endpoints.push(subscriber.map(move |message| {
            let message = message_of(message);
            let answer = Answer {
                client: client.clone(),
                instance: Arc::clone(&instance),
                endpoint: at,
                to: message.reply.clone(),
                arrived: Instant::now(),
            };
            Request {
                endpoint: name.clone(),
                message,
                responder: Box::new(answer),
            }
        }));
    }
    let announcer = announce(client, &spec.name, &id, instance).await?;
    known_to_server(client).await;
    // The announcer lives as long as the stream that holds it.
    Ok(select_all(endpoints)
        .map(move |request| {
            let _held = &announcer;
            request
        })
        .boxed())
}

/// Waits until the server has seen all subscriptions made so far, so that nobody who asks from now on hears that nobody serves.
///
/// A server handles what a client sends in order: a message to oneself comes back after the subscriptions before it.
async fn known_to_server(client: &Client) {
    let inbox = client.new_inbox();
    let round_trip = async {
        let mut echo = client.subscribe(inbox.clone()).await.ok()?;
        client.publish(inbox, bytes::Bytes::new()).await.ok()?;
        client.flush().await.ok()?;
        echo.next().await
    };
    if !matches!(timeout(KNOWN_PATIENCE, round_trip).await, Ok(Some(_))) {
        tracing::warn!(
            "the server has not confirmed the subscriptions; requests may find nobody for a moment"
        );
    }
}

fn check(spec: &ServiceSpec) -> Result<(), BusError> {
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    };
    let mut names = spec
        .endpoints
        .iter()
        .map(|endpoint| &endpoint.name)
        .chain([&spec.name]);
    if let Some(bad) = names.find(|name| !is_name(name)) {
        return Err(BusError::Refused {
            reason: format!("not a name of a service or endpoint: {bad:?}"),
        });
    }
    spec.endpoints
        .iter()
        .try_for_each(|endpoint| check_filter(&endpoint.subject))
}

/// Ends the task that answers for a service.
struct Announcer(AbortHandle);

impl Drop for Announcer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn announce(
    client: &Client,
    name: &str,
    id: &str,
    instance: Shared,
) -> Result<Announcer, BusError> {
    let mut questions = SelectAll::new();
    for verb in Verb::ALL {
        let all = format!("$SRV.{}", verb.token());
        for subject in [
            all.clone(),
            format!("{all}.{name}"),
            format!("{all}.{name}.{id}"),
        ] {
            let subscriber: Subscriber = client
                .subscribe(subject)
                .await
                .map_err(|error| subscribe_fault(&error))?;
            questions.push(subscriber.map(move |question| (verb, question)));
        }
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "who asks must be answered also while the service is too busy to take requests; the task only answers, \
                  and is aborted with the service"
    )]
    let task = tokio::spawn({
        let client = client.clone();
        async move {
            while let Some((verb, question)) = questions.next().await {
                let answer = lock(&instance).answer(verb).to_string();
                let Some(reply) = question.reply else {
                    continue;
                };
                if let Err(error) = client.publish(reply, answer.into()).await {
                    tracing::debug!(%error, "a question about a service stays unanswered");
                }
            }
        }
    });
    Ok(Announcer(task.abort_handle()))
}

struct Answer {
    client: Client,
    instance: Shared,
    endpoint: usize,
    to: Option<String>,
    arrived: Instant,
}

#[async_trait]
impl Responder for Answer {
    async fn respond(self: Box<Self>, reply: Reply) -> Result<(), BusError> {
        lock(&self.instance).count(self.endpoint, self.arrived.elapsed(), reply.fault.as_ref());
        let Some(to) = self.to else { return Ok(()) };
        let mut headers = reply.headers;
        if let Some(fault) = reply.fault {
            let line = fault.text.replace(['\r', '\n'], " ");
            headers = headers
                .with("Nats-Service-Error", &line)
                .with("Nats-Service-Error-Code", &fault.code.to_string());
        }
        publish(
            &self.client,
            Message {
                subject: to,
                headers,
                payload: reply.payload,
                reply: None,
            },
        )
        .await
    }
}

fn lock(instance: &Shared) -> MutexGuard<'_, Instance> {
    instance.lock().unwrap_or_else(PoisonError::into_inner)
}
