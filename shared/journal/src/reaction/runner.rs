//! The loop that feeds a reaction from its durable consumers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use nogfso_kernel::Position;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{JOURNAL_PREFIX, Parked, ReactError, Reaction, Wake};
use crate::Environment;
use crate::log::{Consumer, ConsumerSpec, Delivery, Log, Record, Schedule};

/// The stream of alarms.
pub const TIMER_STREAM: &str = "FSO_TIMER";
/// The prefix of alarms that went off; the reaction and the aggregate follow.
pub const ALARM_PREFIX: &str = "fso.alarm.";
const TIMER_PREFIX: &str = "fso.timer.";
const PULL_PATIENCE: Duration = Duration::from_secs(5);
const PULL_AGAIN_PAUSE: Duration = Duration::from_millis(500);
/// The delays of the first tries, about a minute in all; then an alarm takes over.
const NAK_DELAYS_MS: [u64; 9] = [50, 100, 250, 500, 1_000, 3_000, 8_000, 17_000, 30_000];
const ALARM_DELAY_MS: u64 = 60_000;
const NEWER_DELAY: Duration = Duration::from_secs(60);
/// How many aggregates the runner remembers as looked at.
const SEEN_AGGREGATES_MAX: usize = 10_000;

/// How a reaction is run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The stream that wakes it.
    pub stream: &'static str,
    /// The subjects that wake it.
    pub filters: Vec<String>,
    /// How long one look at an aggregate may take before it is given to another instance.
    pub ack_wait: Duration,
    /// How many aggregates are looked at at a time.
    pub concurrent_max: usize,
}

/// An alarm that wakes `reaction` for the aggregate on `subject` at `at_ms`. Replaces an earlier one.
#[must_use]
pub fn alarm_record(reaction: &str, subject: &str, at_ms: u64) -> Record {
    let aggregate = subject.strip_prefix(JOURNAL_PREFIX).unwrap_or(subject);
    Record {
        schedule: Some(Schedule {
            at_ms,
            target: format!("{ALARM_PREFIX}{reaction}.{aggregate}"),
        }),
        subject: format!("{TIMER_PREFIX}{reaction}.{aggregate}"),
        ..wake_record(reaction, subject)
    }
}

/// A message that wakes `reaction` for the aggregate on `subject` at once.
#[must_use]
pub fn wake_record(reaction: &str, subject: &str) -> Record {
    let aggregate = subject.strip_prefix(JOURNAL_PREFIX).unwrap_or(subject);
    Record {
        subject: format!("{ALARM_PREFIX}{reaction}.{aggregate}"),
        payload: Bytes::new(),
        headers: vec![],
        message_id: None,
        guard: None,
        schedule: None,
    }
}

struct Runner {
    log: Arc<dyn Log>,
    environment: Environment,
    parked: Parked,
    reaction: Arc<dyn Reaction>,
    seen: Mutex<HashMap<String, Position>>,
    lanes: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

/// Runs `reaction` until `stop`, then finishes what is in hand.
///
/// # Errors
///
/// Fails if its consumers cannot be opened.
pub async fn run(
    log: Arc<dyn Log>,
    environment: Environment,
    parked: Parked,
    reaction: Arc<dyn Reaction>,
    settings: Settings,
    stop: CancellationToken,
) -> Result<(), crate::log::ReadFault> {
    let name = reaction.name();
    let spec = ConsumerSpec {
        stream: settings.stream,
        durable: name.to_owned(),
        filters: settings.filters,
        ack_wait: settings.ack_wait,
        pending_max: u32::try_from(settings.concurrent_max * 2)
            .unwrap_or(u32::MAX)
            .max(64),
    };
    let alarms = ConsumerSpec {
        stream: TIMER_STREAM,
        durable: format!("{name}-alarm"),
        filters: vec![format!("{ALARM_PREFIX}{name}.>")],
        ..spec.clone()
    };
    let wakes = log.consumer(&spec).await?;
    let alarms = log.consumer(&alarms).await?;
    let runner = Runner {
        log,
        environment,
        parked,
        reaction,
        seen: Mutex::default(),
        lanes: Mutex::default(),
    };
    tokio::join!(
        runner.pump(wakes, settings.concurrent_max, &stop),
        runner.pump(alarms, settings.concurrent_max, &stop)
    );
    Ok(())
}

impl Runner {
    async fn pump(
        &self,
        consumer: Arc<dyn Consumer>,
        concurrent_max: usize,
        stop: &CancellationToken,
    ) {
        let mut in_hand = FuturesUnordered::new();
        loop {
            let free = concurrent_max.saturating_sub(in_hand.len());
            let pull = async {
                if free == 0 {
                    return std::future::pending().await;
                }
                consumer.pull(free, PULL_PATIENCE).await
            };
            tokio::select! {
                () = stop.cancelled() => break,
                Some(()) = in_hand.next(), if !in_hand.is_empty() => {}
                pulled = pull => match pulled {
                    Ok(deliveries) => in_hand.extend(deliveries.into_iter().map(|one| self.handle(one))),
                    Err(fault) => {
                        tracing::warn!(reaction = self.reaction.name(), %fault, "cannot pull");
                        sleep(PULL_AGAIN_PAUSE).await;
                    }
                }
            }
        }
        while in_hand.next().await.is_some() {}
    }

    async fn handle(&self, delivery: Delivery) {
        let wake = self.wake(&delivery);
        let lane = self.lane(&wake.subject);
        let answer = {
            let _turn = lane.lock().await;
            self.react(&wake).await
        };
        let answered = match answer {
            Ok(()) => delivery.acker.ack().await,
            Err(ReactError::Newer { reason }) => {
                tracing::warn!(
                    reaction = self.reaction.name(),
                    subject = wake.subject,
                    reason,
                    "waits for an upgrade"
                );
                delivery.acker.nak(NEWER_DELAY).await
            }
            Err(ReactError::Transient { reason } | ReactError::Permanent { reason }) => {
                self.later(&delivery, &wake, &reason).await
            }
        };
        if let Err(fault) = answered {
            // Not answered means delivered again, which is harmless.
            tracing::debug!(reaction = self.reaction.name(), %fault, "a delivery was not answered");
        }
    }

    /// Looks at the aggregate, unless a look at this or a later state has been taken. Parks what fails for good.
    async fn react(&self, wake: &Wake) -> Result<(), ReactError> {
        let name = self.reaction.name();
        if wake.position > Position::START && self.has_seen(wake) {
            return Ok(());
        }
        if self
            .parked
            .is_passed_over(name, &wake.subject, None)
            .await?
        {
            return Ok(());
        }
        match self.reaction.react(wake).await {
            Ok(position) => {
                self.parked.remove(name, &wake.subject, None).await?;
                self.note_seen(&wake.subject, position.max(wake.position));
                Ok(())
            }
            Err(ReactError::Permanent { reason }) => {
                self.parked
                    .park(name, &wake.subject, None, wake.position.0, &reason)
                    .await
            }
            Err(passing @ (ReactError::Transient { .. } | ReactError::Newer { .. })) => {
                Err(passing)
            }
        }
    }

    async fn later(
        &self,
        delivery: &Delivery,
        wake: &Wake,
        reason: &str,
    ) -> Result<(), crate::log::ReadFault> {
        let name = self.reaction.name();
        let tries = usize::try_from(delivery.delivered.saturating_sub(1)).unwrap_or(usize::MAX);
        tracing::info!(
            reaction = name,
            subject = wake.subject,
            reason,
            tries,
            "tries again later"
        );
        if let Some(delay_ms) = NAK_DELAYS_MS.get(tries) {
            return delivery.acker.nak(Duration::from_millis(*delay_ms)).await;
        }
        let at_ms = self.environment.now_ms() + ALARM_DELAY_MS;
        match self
            .log
            .publish(&alarm_record(name, &wake.subject, at_ms))
            .await
        {
            Ok(_) => delivery.acker.ack().await,
            Err(fault) => {
                tracing::warn!(reaction = name, %fault, "cannot set an alarm");
                delivery
                    .acker
                    .nak(Duration::from_millis(ALARM_DELAY_MS))
                    .await
            }
        }
    }

    fn wake(&self, delivery: &Delivery) -> Wake {
        let alarm = format!("{ALARM_PREFIX}{}.", self.reaction.name());
        match delivery.stored.subject.strip_prefix(&alarm) {
            Some(aggregate) => Wake {
                subject: format!("{JOURNAL_PREFIX}{aggregate}"),
                position: Position::START,
            },
            None => Wake {
                subject: delivery.stored.subject.clone(),
                position: delivery.stored.position,
            },
        }
    }

    fn lane(&self, subject: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if lanes.len() >= SEEN_AGGREGATES_MAX {
            lanes.retain(|_, lane| Arc::strong_count(lane) > 1);
        }
        Arc::clone(lanes.entry(subject.to_owned()).or_default())
    }

    fn has_seen(&self, wake: &Wake) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&wake.subject)
            .is_some_and(|position| *position >= wake.position)
    }

    fn note_seen(&self, subject: &str, position: Position) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= SEEN_AGGREGATES_MAX {
            seen.clear();
        }
        seen.insert(subject.to_owned(), position);
    }
}
