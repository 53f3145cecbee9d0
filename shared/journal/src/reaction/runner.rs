//! The loop that feeds a reaction from its durable consumers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use nogfso_faults::{Rule, met};
use nogfso_kernel::Position;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::lanes::{Admitted, Batch, Lanes, Woken};
use super::{JOURNAL_PREFIX, Parked, ReactError, Reaction, Wake};
use crate::Environment;
use crate::LoadError;
use crate::log::{
    Consumer, ConsumerSpec, Delivery, Log, ReadFault, Record, Schedule, open_consumer,
};

/// The stream of alarms.
pub const TIMER_STREAM: &str = "FSO_TIMER";
/// The prefix of alarms that went off; the reaction and the aggregate follow.
pub const ALARM_PREFIX: &str = "fso.alarm.";
const TIMER_PREFIX: &str = "fso.timer.";
/// What ends the subject of an alarm for another try, so that it replaces none that the reaction set.
const RETRY_TOKEN: &str = "retry";
const PULL_PATIENCE: Duration = Duration::from_secs(5);
const PULL_AGAIN_PAUSE: Duration = Duration::from_millis(500);
/// The delays of the first tries, about a minute in all; then an alarm takes over.
const NAK_DELAYS_MS: [u64; 9] = [50, 100, 250, 500, 1_000, 3_000, 8_000, 17_000, 30_000];
const ALARM_DELAY_MS: u64 = 60_000;
const NEWER_DELAY: Duration = Duration::from_secs(60);
/// How many aggregates the runner remembers as looked at.
const SEEN_AGGREGATES_MAX: usize = 10_000;
/// How long a look counts. Not for ever, because a server that was set up from an old copy gives positions again.
const SEEN_FOR: Duration = Duration::from_secs(60);
/// How many deliveries of a consumer may be unanswered, at all instances together. At the bound it stalls.
pub(super) const PENDING_DELIVERIES_MAX: u32 = 1_000;
/// How many deliveries one instance leaves unanswered for a while. They count as pending, so what fails beyond this waits
/// for an alarm at once: many failing aggregates must not stall the others.
const PUT_OFF_DELIVERIES_MAX: usize = 100;

/// How a reaction is run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The stream that wakes it.
    pub stream: &'static str,
    /// The subjects that wake it.
    pub filters: Vec<String>,
    /// How long one look at an aggregate may take before it is given to another instance.
    pub ack_wait: Duration,
    /// How many aggregates each of the two consumers, wakes and alarms, has looked at at a time; at least 1.
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

/// The aggregate that an alarm of `reaction` is about, given the subject on which it rang; absent if it is of another.
#[must_use]
pub fn alarmed(reaction: &str, subject: &str) -> Option<String> {
    let aggregate = subject
        .strip_prefix(ALARM_PREFIX)?
        .strip_prefix(reaction)?
        .strip_prefix('.')?;
    Some(format!("{JOURNAL_PREFIX}{aggregate}"))
}

/// An alarm for another try; apart from those that the reaction sets itself.
fn retry_record(reaction: &str, subject: &str, at_ms: u64) -> Record {
    let alarm = alarm_record(reaction, subject, at_ms);
    Record {
        subject: format!("{}.{RETRY_TOKEN}", alarm.subject),
        ..alarm
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

/// Acknowledges a delivery. An alarm that rang is removed then, so that its stream does not grow with time.
///
/// # Errors
///
/// Fails if the server does not answer; what is not acknowledged is delivered again.
pub async fn done(log: &dyn Log, delivery: &Delivery) -> Result<(), ReadFault> {
    delivery.acker.ack().await?;
    let stored = &delivery.stored;
    if stored.subject.starts_with(ALARM_PREFIX) {
        let keep_from = Position(stored.position.0 + 1);
        log.purge(&stored.subject, Some(keep_from)).await?;
    }
    Ok(())
}

struct Runner {
    log: Arc<dyn Log>,
    environment: Environment,
    parked: Parked,
    reaction: Arc<dyn Reaction>,
    seen: Mutex<HashMap<String, (Position, Instant)>>,
    lanes: Lanes,
    /// Until when deliveries are put off.
    put_off: Mutex<Vec<Instant>>,
}

/// Runs `reaction` until `stop`, then finishes what is in hand. A panic of the reaction is one of the caller.
///
/// # Errors
///
/// Fails if its consumers are refused, or if the journal refuses to deliver; what is in hand is finished before.
pub async fn run(
    log: Arc<dyn Log>,
    environment: Environment,
    parked: Parked,
    reaction: Arc<dyn Reaction>,
    settings: Settings,
    stop: CancellationToken,
) -> Result<(), ReadFault> {
    let name = reaction.name();
    let spec = ConsumerSpec {
        stream: settings.stream,
        durable: name.to_owned(),
        filters: settings.filters,
        ack_wait: settings.ack_wait,
        pending_max: PENDING_DELIVERIES_MAX,
    };
    let alarms = ConsumerSpec {
        stream: TIMER_STREAM,
        durable: format!("{name}-alarm"),
        filters: vec![format!("{ALARM_PREFIX}{name}.>")],
        ..spec.clone()
    };
    let Some(wakes) = open_consumer(&*log, &spec, &stop).await? else {
        return Ok(());
    };
    let Some(alarms) = open_consumer(&*log, &alarms, &stop).await? else {
        return Ok(());
    };
    let runner = Runner {
        log,
        environment,
        parked,
        reaction,
        seen: Mutex::default(),
        lanes: Lanes::default(),
        put_off: Mutex::default(),
    };
    let concurrent_max = settings.concurrent_max.max(1);
    // A child, so that one pump that cannot go on stops the other.
    let stop = stop.child_token();
    let (wakes, alarms) = tokio::join!(
        runner.pump(wakes, concurrent_max, &stop),
        runner.pump(alarms, concurrent_max, &stop)
    );
    wakes.and(alarms)
}

impl Runner {
    async fn pump(
        &self,
        consumer: Arc<dyn Consumer>,
        concurrent_max: usize,
        stop: &CancellationToken,
    ) -> Result<(), ReadFault> {
        let mut in_hand: FuturesUnordered<BoxFuture<'_, ()>> = FuturesUnordered::new();
        let mut pull: Option<BoxFuture<'_, Result<Vec<Delivery>, ReadFault>>> = None;
        let mut ended = Ok(());
        loop {
            let free = concurrent_max.saturating_sub(in_hand.len());
            if pull.is_none() && free > 0 {
                pull = Some(self.pull(&*consumer, free).boxed());
            }
            // A pull that was begun is never dropped before the stop: what the server sent in answer would be lost until
            // the end of its ack wait.
            let pulled = async {
                match &mut pull {
                    Some(pull) => pull.await,
                    None => std::future::pending().await,
                }
            };
            let pulled = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(()) = in_hand.next(), if !in_hand.is_empty() => continue,
                pulled = pulled => pulled,
            };
            pull = None;
            match pulled {
                Ok(deliveries) => {
                    in_hand.extend(deliveries.into_iter().filter_map(|one| self.admit(one)));
                }
                Err(fault) => {
                    tracing::error!(reaction = self.reaction.name(), %fault, "cannot go on");
                    ended = Err(fault);
                    stop.cancel();
                }
            }
        }
        drop(pull);
        while in_hand.next().await.is_some() {}
        ended
    }

    /// Takes what is there. Comes back with nothing after a fault that may pass.
    async fn pull(
        &self,
        consumer: &dyn Consumer,
        count: usize,
    ) -> Result<Vec<Delivery>, ReadFault> {
        match consumer.pull(count, PULL_PATIENCE).await {
            Err(fault @ ReadFault::Unavailable { .. }) => {
                tracing::warn!(reaction = self.reaction.name(), %fault, "cannot pull");
                sleep(PULL_AGAIN_PAUSE).await;
                Ok(vec![])
            }
            answered => answered,
        }
    }

    /// What is to be done about a delivery now, if anything.
    fn admit(&self, delivery: Delivery) -> Option<BoxFuture<'_, ()>> {
        let wake = self.wake(&delivery);
        match self.lanes.admit(Woken { wake, delivery }) {
            Admitted::Turn(batch) => Some(self.take_turns(batch).boxed()),
            // What waits has the later one to stand for it.
            Admitted::Waits(covered) => covered.map(|woken| self.acknowledge(woken).boxed()),
        }
    }

    async fn take_turns(&self, first: Batch) {
        let mut next = Some(first);
        while let Some(Batch { commit, alarm }) = next {
            let both = commit.iter().chain(&alarm);
            let Some(subject) = both.map(|woken| woken.wake.subject.clone()).next() else {
                return;
            };
            let (seen, unseen): (Option<Woken>, Option<Woken>) = match commit {
                Some(commit) if self.has_seen(&commit.wake) => (Some(commit), None),
                commit => (None, commit),
            };
            if let Some(seen) = seen {
                self.acknowledge(seen).await;
            }
            if alarm.is_some() && self.was_seen_lately(&subject) {
                // What it was set for is done; the look that it asks for is harmless all the same.
                met(Rule::OddAlarm);
            }
            let is_alarm = alarm.is_some();
            // Either stands for both, as long as the wake has not been seen.
            let (carrier, covered) = match (unseen, alarm) {
                (Some(commit), alarm) => (Some(commit), alarm),
                (None, alarm) => (alarm, None),
            };
            if let Some(mut carrier) = carrier {
                carrier.wake.is_alarm = is_alarm;
                self.look(carrier).await;
            }
            if let Some(covered) = covered {
                self.acknowledge(covered).await;
            }
            next = self.lanes.next(&subject);
        }
    }

    async fn look(&self, Woken { wake, delivery }: Woken) {
        let answered = match self.react(&wake).await {
            Ok(()) => done(&*self.log, &delivery).await,
            Err(ReactError::Newer { reason }) => {
                tracing::warn!(
                    reaction = self.reaction.name(),
                    subject = wake.subject,
                    reason,
                    "waits for an upgrade"
                );
                self.put_off(&delivery, &wake, Some(NEWER_DELAY)).await
            }
            Err(ReactError::Transient { reason } | ReactError::Permanent { reason }) => {
                let tries = delivery.delivered.saturating_sub(1);
                tracing::info!(
                    reaction = self.reaction.name(),
                    subject = wake.subject,
                    reason,
                    tries,
                    "tries again later"
                );
                let delay_ms = usize::try_from(tries)
                    .ok()
                    .and_then(|tries| NAK_DELAYS_MS.get(tries));
                let delay = delay_ms.map(|delay_ms| Duration::from_millis(*delay_ms));
                self.put_off(&delivery, &wake, delay).await
            }
        };
        self.note_unanswered(answered);
    }

    async fn acknowledge(&self, woken: Woken) {
        self.note_unanswered(done(&*self.log, &woken.delivery).await);
    }

    fn note_unanswered(&self, answered: Result<(), ReadFault>) {
        if let Err(fault) = answered {
            // Not answered means delivered again, which is harmless.
            tracing::debug!(reaction = self.reaction.name(), %fault, "a delivery was not answered");
        }
    }

    /// Looks at the aggregate, unless it is parked. Parks what fails for good.
    async fn react(&self, wake: &Wake) -> Result<(), ReactError> {
        let name = self.reaction.name();
        if self
            .parked
            .is_passed_over(name, &wake.subject, None)
            .await?
        {
            return Ok(());
        }
        let wake = &self.at_leader(wake).await?;
        match self.reaction.react(wake).await {
            Ok(position) => {
                let position = position.max(wake.position);
                self.parked
                    .remove_up_to(name, &wake.subject, position)
                    .await?;
                self.note_seen(&wake.subject, position);
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

    /// What an alarm asks to look at is at least all that the leader has: the alarm does not tell for which commit it stands.
    async fn at_leader(&self, wake: &Wake) -> Result<Wake, ReactError> {
        let mut wake = wake.clone();
        if wake.is_alarm {
            let last = self.log.leader_last(&wake.subject).await;
            let last = last.map_err(LoadError::from)?;
            let newest = last.map_or(Position::START, |last| last.position);
            wake.position = newest.max(wake.position);
        }
        Ok(wake)
    }

    /// Lets a delivery come again after `delay`, or by an alarm: if there is no delay, or if too many wait already.
    async fn put_off(
        &self,
        delivery: &Delivery,
        wake: &Wake,
        delay: Option<Duration>,
    ) -> Result<(), ReadFault> {
        met(Rule::PutOff);
        if let Some(delay) = delay
            && self.may_put_off(delay)
        {
            return delivery.acker.nak(delay).await;
        }
        let name = self.reaction.name();
        let at_ms = self.environment.now_ms() + ALARM_DELAY_MS;
        match self
            .log
            .publish(&retry_record(name, &wake.subject, at_ms))
            .await
        {
            Ok(_) => done(&*self.log, delivery).await,
            Err(fault) => {
                tracing::warn!(reaction = name, %fault, "cannot set an alarm");
                delivery
                    .acker
                    .nak(Duration::from_millis(ALARM_DELAY_MS))
                    .await
            }
        }
    }

    fn may_put_off(&self, delay: Duration) -> bool {
        let now = Instant::now();
        let mut put_off = self.put_off.lock().unwrap_or_else(PoisonError::into_inner);
        put_off.retain(|until| *until > now);
        let may = put_off.len() < PUT_OFF_DELIVERIES_MAX;
        if may {
            put_off.push(now + delay);
        }
        may
    }

    fn wake(&self, delivery: &Delivery) -> Wake {
        match alarmed(self.reaction.name(), &delivery.stored.subject) {
            Some(subject) => Wake {
                subject,
                position: Position::START,
                is_alarm: true,
            },
            None => Wake {
                subject: delivery.stored.subject.clone(),
                position: delivery.stored.position,
                is_alarm: false,
            },
        }
    }

    fn has_seen(&self, wake: &Wake) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&wake.subject)
            .is_some_and(|(position, at)| *position >= wake.position && at.elapsed() < SEEN_FOR)
    }

    fn was_seen_lately(&self, subject: &str) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(subject)
            .is_some_and(|(_, at)| at.elapsed() < SEEN_FOR)
    }

    fn note_seen(&self, subject: &str, position: Position) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= SEEN_AGGREGATES_MAX {
            seen.clear();
        }
        seen.insert(subject.to_owned(), (position, Instant::now()));
    }
}
