//! The in-memory bus: one broker in this process and any number of clients of it.
//!
//! It answers as NATS does (queue groups, nobody serves, refused subjects) and loses what a slow reader leaves lying.
//! It is for tests and simulation only; a client can be cut off by hand.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{select_all, unfold};

use crate::{
    Bus, BusError, Message, Messages, Reply, Request, RequestError, Requests, Responder,
    SUBSCRIPTION_MESSAGES_MAX, ServiceSpec,
};

/// The largest payload with its headers that the in-memory bus takes, in bytes; as a NATS server by default.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 1_048_576;

/// One client of an in-memory broker. A clone is the same client; [`MemoryBus::another_client`] makes a second one.
#[derive(Debug, Clone, Default)]
pub struct MemoryBus {
    broker: Arc<Mutex<Broker>>,
    cut_off: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct Broker {
    subscriptions: Vec<Subscription>,
    last_id: u64,
}

#[derive(Debug)]
struct Subscription {
    id: u64,
    filter: String,
    queue_group: Option<String>,
    cut_off: Arc<AtomicBool>,
    mailbox: Arc<Mutex<Mailbox>>,
}

#[derive(Debug, Default)]
struct Mailbox {
    messages: VecDeque<Message>,
    reader: Option<Waker>,
}

impl MemoryBus {
    /// A client of a new broker.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Another client of the same broker, connected.
    #[must_use]
    pub fn another_client(&self) -> Self {
        Self {
            broker: Arc::clone(&self.broker),
            cut_off: Arc::default(),
        }
    }

    /// Cuts this client off: it can send nothing, and what is sent to it meanwhile is lost.
    pub fn disconnect(&self) {
        self.cut_off.store(true, Ordering::SeqCst);
    }

    /// Connects this client again; its subscriptions are as they were.
    pub fn reconnect(&self) {
        self.cut_off.store(false, Ordering::SeqCst);
    }

    fn check_connected(&self) -> Result<(), BusError> {
        if self.is_connected() {
            Ok(())
        } else {
            Err(BusError::Disconnected)
        }
    }

    fn listen(&self, filter: &str, queue_group: Option<&str>) -> Result<Listener, BusError> {
        self.check_connected()?;
        if !is_filter(filter) {
            return Err(BusError::Refused {
                reason: format!("not a subject filter: {filter:?}"),
            });
        }
        let mailbox = Arc::default();
        let mut broker = lock(&self.broker);
        broker.last_id += 1;
        let id = broker.last_id;
        broker.subscriptions.push(Subscription {
            id,
            filter: filter.to_owned(),
            queue_group: queue_group.map(str::to_owned),
            cut_off: Arc::clone(&self.cut_off),
            mailbox: Arc::clone(&mailbox),
        });
        drop(broker);
        Ok(Listener {
            id,
            mailbox,
            broker: Arc::clone(&self.broker),
        })
    }

    /// Hands `message` to all who listen and says how many those are.
    fn send(&self, message: &Message) -> Result<usize, BusError> {
        self.check_connected()?;
        if !is_literal(&message.subject) {
            let reason = format!("not a subject: {:?}", message.subject);
            return Err(BusError::Refused { reason });
        }
        let headers_size: usize = message
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len() + 4)
            .sum();
        let size = message.payload.len() + headers_size;
        if size > PAYLOAD_BYTES_MAX {
            let reason = format!("{size} bytes are more than the {PAYLOAD_BYTES_MAX} allowed");
            return Err(BusError::Refused { reason });
        }
        Ok(lock(&self.broker).deliver(message))
    }
}

impl Broker {
    fn deliver(&mut self, message: &Message) -> usize {
        let receivers: Vec<usize> = (0..self.subscriptions.len())
            .filter(|&at| self.subscriptions[at].receives(&message.subject))
            .filter(|&at| self.is_first_of_group(at, &message.subject))
            .collect();
        for &at in &receivers {
            self.subscriptions[at].put(message.clone());
        }
        self.rotate(&receivers);
        receivers.len()
    }

    fn is_first_of_group(&self, at: usize, subject: &str) -> bool {
        let candidate = &self.subscriptions[at];
        candidate.queue_group.is_none()
            || !self.subscriptions[..at].iter().any(|earlier| {
                earlier.queue_group == candidate.queue_group
                    && earlier.filter == candidate.filter
                    && earlier.receives(subject)
            })
    }

    /// Moves the members of groups who just received to the end, so that the others come next.
    fn rotate(&mut self, receivers: &[usize]) {
        for &at in receivers.iter().rev() {
            if self.subscriptions[at].queue_group.is_some() {
                let served = self.subscriptions.remove(at);
                self.subscriptions.push(served);
            }
        }
    }
}

impl Subscription {
    fn receives(&self, subject: &str) -> bool {
        !self.cut_off.load(Ordering::SeqCst) && matches(&self.filter, subject)
    }

    fn put(&self, message: Message) {
        let mut mailbox = lock(&self.mailbox);
        if mailbox.messages.len() == SUBSCRIPTION_MESSAGES_MAX {
            mailbox.messages.pop_front();
        }
        mailbox.messages.push_back(message);
        if let Some(reader) = mailbox.reader.take() {
            reader.wake();
        }
    }
}

/// The receiving end of a subscription; dropping it ends the subscription.
struct Listener {
    id: u64,
    mailbox: Arc<Mutex<Mailbox>>,
    broker: Arc<Mutex<Broker>>,
}

impl Listener {
    async fn next(&self) -> Message {
        poll_fn(|context| {
            let mut mailbox = lock(&self.mailbox);
            match mailbox.messages.pop_front() {
                Some(message) => Poll::Ready(message),
                None => {
                    mailbox.reader = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    fn messages(self) -> Messages {
        unfold(self, |listener| async move {
            Some((listener.next().await, listener))
        })
        .boxed()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        lock(&self.broker)
            .subscriptions
            .retain(|subscription| subscription.id != self.id);
    }
}

#[async_trait]
impl Bus for MemoryBus {
    async fn publish(&self, message: Message) -> Result<(), BusError> {
        tokio::task::yield_now().await;
        self.send(&message).map(|_receivers| ())
    }

    async fn request(&self, message: Message, patience: Duration) -> Result<Message, RequestError> {
        tokio::task::yield_now().await;
        let inbox = {
            let mut broker = lock(&self.broker);
            broker.last_id += 1;
            format!("_INBOX.{}", broker.last_id)
        };
        let listener = self.listen(&inbox, None)?;
        let subject = message.subject.clone();
        if self.send(&Message {
            reply: Some(inbox),
            ..message
        })? == 0
        {
            return Err(RequestError::NoResponder { subject });
        }
        tokio::time::timeout(patience, listener.next())
            .await
            .map_err(|_elapsed| {
                let waited_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
                RequestError::TimedOut { subject, waited_ms }
            })
    }

    async fn subscribe(&self, filter: &str) -> Result<Messages, BusError> {
        Ok(self.listen(filter, None)?.messages())
    }

    async fn serve(&self, service: ServiceSpec) -> Result<Requests, BusError> {
        let mut endpoints = Vec::new();
        for endpoint in service.endpoints {
            let messages = self
                .listen(&endpoint.subject, Some(&service.queue_group))?
                .messages();
            let bus = self.clone();
            endpoints.push(messages.map(move |message| Request {
                endpoint: endpoint.name.clone(),
                responder: Box::new(Answer {
                    bus: bus.clone(),
                    to: message.reply.clone(),
                }),
                message,
            }));
        }
        Ok(select_all(endpoints).boxed())
    }

    fn is_connected(&self) -> bool {
        !self.cut_off.load(Ordering::SeqCst)
    }

    async fn flush(&self) {}
}

struct Answer {
    bus: MemoryBus,
    to: Option<String>,
}

#[async_trait]
impl Responder for Answer {
    async fn respond(self: Box<Self>, reply: Reply) -> Result<(), BusError> {
        let Some(to) = self.to else { return Ok(()) };
        let mut headers = reply.headers;
        if let Some(fault) = reply.fault {
            headers = headers
                .with("Nats-Service-Error", &fault.text)
                .with("Nats-Service-Error-Code", &fault.code.to_string());
        }
        let message = Message {
            subject: to,
            headers,
            payload: reply.payload,
            reply: None,
        };
        self.bus.send(&message).map(|_receivers| ())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn matches(filter: &str, subject: &str) -> bool {
    let mut filter = filter.split('.');
    let mut subject = subject.split('.');
    loop {
        match (filter.next(), subject.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some("*"), Some(_)) => {}
            (Some(wanted), Some(token)) if wanted == token => {}
            (Some(_) | None, Some(_)) | (Some(_), None) => return false,
        }
    }
}

fn is_literal(subject: &str) -> bool {
    subject
        .split('.')
        .all(|token| is_token(token) && token != "*" && token != ">")
}

fn is_filter(filter: &str) -> bool {
    let rest_only_at_end = filter.split_once('>').is_none_or(|(before, after)| {
        after.is_empty() && (before.is_empty() || before.ends_with('.'))
    });
    rest_only_at_end && filter.split('.').all(is_token)
}

fn is_token(token: &str) -> bool {
    !token.is_empty() && !token.contains(|c: char| c.is_whitespace() || c.is_control())
}
