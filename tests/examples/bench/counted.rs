//! A journal that counts how often it is read, since the server does not tell of that.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use nogfso_journal::Log;
use nogfso_journal::log::{
    Consumer, ConsumerProgress, ConsumerSpec, Following, From, PublishFault, Published, ReadFault,
    Record, Stored,
};
use nogfso_kernel::{Position, StreamSpec};

/// The journal of the product, with the number of its reads.
pub(crate) struct Counted {
    log: Arc<dyn Log>,
    loads: AtomicU64,
}

impl Counted {
    pub(crate) fn new(log: Arc<dyn Log>) -> Arc<Self> {
        Arc::new(Self {
            log,
            loads: AtomicU64::new(0),
        })
    }

    /// How often something was read of one subject, or its last message asked for: each is a round trip.
    pub(crate) fn loads(&self) -> u64 {
        self.loads.load(Ordering::Relaxed)
    }

    fn note(&self) {
        self.loads.fetch_add(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Log for Counted {
    async fn ensure_streams(&self, streams: &[StreamSpec]) -> Result<(), ReadFault> {
        self.log.ensure_streams(streams).await
    }

    async fn publish(&self, record: &Record) -> Result<Published, PublishFault> {
        self.log.publish(record).await
    }

    async fn read(&self, subject: &str, after: Position) -> Result<Vec<Stored>, ReadFault> {
        self.note();
        self.log.read(subject, after).await
    }

    async fn leader_last(&self, subject: &str) -> Result<Option<Stored>, ReadFault> {
        self.note();
        self.log.leader_last(subject).await
    }

    async fn find_last(
        &self,
        stream: &'static str,
        filter: &str,
    ) -> Result<Option<Stored>, ReadFault> {
        self.note();
        self.log.find_last(stream, filter).await
    }

    async fn follow(
        &self,
        stream: &'static str,
        filter: &str,
        from: From,
    ) -> Result<Following, ReadFault> {
        self.log.follow(stream, filter, from).await
    }

    async fn consumer(&self, spec: &ConsumerSpec) -> Result<Arc<dyn Consumer>, ReadFault> {
        self.log.consumer(spec).await
    }

    async fn consumer_progress(
        &self,
        stream: &'static str,
        durable: &str,
    ) -> Result<Option<ConsumerProgress>, ReadFault> {
        self.log.consumer_progress(stream, durable).await
    }

    async fn purge(&self, subject: &str, keep_from: Option<Position>) -> Result<(), ReadFault> {
        self.log.purge(subject, keep_from).await
    }
}
