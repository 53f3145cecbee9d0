//! The journal as one process sees it: every call may be the last, and may find the server out of reach.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use nogfso_journal::Log;
use nogfso_journal::log::{
    Acker, Consumer, ConsumerProgress, ConsumerSpec, Delivery, Following, From, PublishFault,
    Published, ReadFault, Record, Stored,
};
use nogfso_kernel::{Position, StreamSpec};
use tokio::time::sleep;

use super::fault::Fault;
use super::life::{Life, Role};
use super::stage::lock;
use super::verdict::{Invariant, Violation};

/// How late an acknowledgement may be; several ack waits.
const LATE_MS: (u32, u32) = (500, 9_000);

/// The journal of a process.
pub(super) struct SimLog(pub(super) Arc<Life>);

fn silent() -> ReadFault {
    ReadFault::Unavailable {
        reason: "the server is out of reach".to_owned(),
    }
}

impl SimLog {
    /// Makes a call, if the server can be reached.
    async fn call<T>(
        &self,
        doing: &'static str,
        call: impl Future<Output = Result<T, ReadFault>> + Send,
    ) -> Result<T, ReadFault> {
        self.0.gate(doing).await;
        if !self.0.reaches_server().await {
            return Err(silent());
        }
        let answer = call.await;
        self.0.gate(doing).await;
        answer
    }
}

#[async_trait]
impl Log for SimLog {
    async fn ensure_streams(&self, streams: &[StreamSpec]) -> Result<(), ReadFault> {
        self.call("ensure_streams", self.0.stage.log.ensure_streams(streams))
            .await
    }

    async fn publish(&self, record: &Record) -> Result<Published, PublishFault> {
        self.0.gate("publish").await;
        if !self.0.reaches_server().await {
            let reason = "the server is out of reach".to_owned();
            return Err(PublishFault::Unknown { reason });
        }
        let published = self.0.stage.log.publish(record).await;
        self.0.stage.tell(|| {
            let events = record
                .headers
                .iter()
                .find(|(name, _)| *name == "Nogfso-Events");
            let events = events.map_or("", |(_, events)| events.as_str());
            let guard = record.guard.unwrap_or_default();
            let name = &self.0.name;
            format!(
                "{name} publishes {} after {guard} {events}: {published:?}",
                record.subject
            )
        });
        self.0.gate("published").await;
        published
    }

    async fn read(&self, subject: &str, after: Position) -> Result<Vec<Stored>, ReadFault> {
        self.call("read", self.0.stage.log.read(subject, after))
            .await
    }

    async fn leader_last(&self, subject: &str) -> Result<Option<Stored>, ReadFault> {
        self.call("leader_last", self.0.stage.log.leader_last(subject))
            .await
    }

    async fn find_last(
        &self,
        stream: &'static str,
        filter: &str,
    ) -> Result<Option<Stored>, ReadFault> {
        self.call("find_last", self.0.stage.log.find_last(stream, filter))
            .await
    }

    async fn follow(
        &self,
        stream: &'static str,
        filter: &str,
        from: From,
    ) -> Result<Following, ReadFault> {
        let following = self.0.stage.log.follow(stream, filter, from);
        let following = self.call("follow", following).await?;
        let life = Arc::clone(&self.0);
        let seen = following.then(move |stored| {
            let life = Arc::clone(&life);
            async move {
                life.back_at_server().await;
                life.gate("following").await;
                stored
            }
        });
        Ok(seen.boxed())
    }

    async fn consumer(&self, spec: &ConsumerSpec) -> Result<Arc<dyn Consumer>, ReadFault> {
        let inner = self
            .call("consumer", self.0.stage.log.consumer(spec))
            .await?;
        Ok(Arc::new(SimConsumer {
            life: Arc::clone(&self.0),
            inner,
        }))
    }

    async fn consumer_progress(
        &self,
        stream: &'static str,
        durable: &str,
    ) -> Result<Option<ConsumerProgress>, ReadFault> {
        let asked = self.0.stage.log.consumer_progress(stream, durable);
        self.call("consumer_progress", asked).await
    }

    async fn purge(&self, subject: &str, keep_from: Option<Position>) -> Result<(), ReadFault> {
        self.call("purge", self.0.stage.log.purge(subject, keep_from))
            .await
    }
}

struct SimConsumer {
    life: Arc<Life>,
    inner: Arc<dyn Consumer>,
}

#[async_trait]
impl Consumer for SimConsumer {
    async fn pull(&self, count: usize, patience: Duration) -> Result<Vec<Delivery>, ReadFault> {
        self.life.gate("pull").await;
        if !self.life.reaches_server().await {
            return Err(silent());
        }
        let deliveries = self.inner.pull(count, patience).await?;
        if deliveries.is_empty() {
            return Ok(deliveries);
        }
        let stage = &self.life.stage;
        if self.life.is_cut_off()
            || stage.strikes(Fault::LostDeliveries, stage.temper.lost_deliveries)
        {
            return Err(silent());
        }
        self.life.gate("pulled").await;
        Ok(deliveries.into_iter().map(|one| self.taken(one)).collect())
    }

    async fn progress(&self) -> Result<ConsumerProgress, ReadFault> {
        self.life.gate("progress").await;
        if !self.life.reaches_server().await {
            return Err(silent());
        }
        self.inner.progress().await
    }
}

impl SimConsumer {
    fn taken(&self, delivery: Delivery) -> Delivery {
        let stage = &self.life.stage;
        // Of which the design says that it proves nothing.
        let odd_count = if stage.strikes(Fault::OddCount, stage.temper.odd_count) {
            9
        } else {
            0
        };
        stage.tell(|| {
            let Delivery {
                stored, delivered, ..
            } = &delivery;
            let (name, subject, position) = (&self.life.name, &stored.subject, stored.position);
            format!("{name} is given {subject} {position}, the {delivered}. time")
        });
        Delivery {
            delivered: delivery.delivered + odd_count,
            acker: Arc::new(SimAcker {
                life: Arc::clone(&self.life),
                subject: delivery.stored.subject.clone(),
                position: delivery.stored.position,
                inner: delivery.acker,
            }),
            stored: delivery.stored,
        }
    }
}

#[derive(Clone)]
struct SimAcker {
    life: Arc<Life>,
    subject: String,
    position: Position,
    inner: Arc<dyn Acker>,
}

impl SimAcker {
    fn tell(&self, answer: &str) {
        let Self {
            life,
            subject,
            position,
            ..
        } = self;
        life.stage
            .tell(|| format!("{} {answer} {subject} {position}", life.name));
    }
}

impl SimAcker {
    /// Lands when the message may have been delivered again.
    async fn ack_late(self) {
        let stage = &self.life.stage;
        let restored_count = stage.restored_count();
        sleep(stage.chance.ms(LATE_MS.0, LATE_MS.1)).await;
        if stage.restored_count() != restored_count {
            return;
        }
        self.tell("has acknowledged late");
        self.check_lease();
        // Nobody waits for the answer.
        drop(self.inner.ack().await);
    }

    fn check_lease(&self) {
        if self.life.role != Role::Stad {
            return;
        }
        let Self {
            life,
            subject,
            position,
            ..
        } = self;
        let stage = &life.stage;
        let is_needed = lock(&stage.auditor).is_needed_lease(subject, *position);
        if is_needed {
            let seen = format!("{} acknowledges {subject} {position}", life.name);
            stage.violate(Violation::of(Invariant::NoLeaseLost, seen));
        }
    }
}

#[async_trait]
impl Acker for SimAcker {
    async fn ack(&self) -> Result<(), ReadFault> {
        self.life.gate("ack").await;
        let stage = &self.life.stage;
        if !self.life.reaches_server().await || stage.strikes(Fault::LostAck, stage.temper.lost_ack)
        {
            return Err(silent());
        }
        if stage.strikes(Fault::LateAck, stage.temper.late_ack) {
            self.tell("acknowledges late");
            stage.network.spawn("late ack", self.clone().ack_late());
            return Err(silent());
        }
        self.tell("acknowledges");
        self.check_lease();
        let acked = self.inner.ack().await;
        self.life.gate("acked").await;
        if stage.strikes(Fault::UnansweredAck, stage.temper.unanswered_ack) {
            return Err(silent());
        }
        acked
    }

    async fn nak(&self, delay: Duration) -> Result<(), ReadFault> {
        self.life.gate("nak").await;
        let stage = &self.life.stage;
        // Nobody confirms a nak.
        if self.life.is_cut_off() || stage.strikes(Fault::LostNak, stage.temper.lost_ack) {
            return Ok(());
        }
        self.tell("puts off");
        self.inner.nak(delay).await
    }

    async fn progress(&self) -> Result<(), ReadFault> {
        self.life.gate("confirm").await;
        if !self.life.reaches_server().await {
            return Err(silent());
        }
        self.inner.progress().await
    }
}
