//! A worker's own way to the journal: it can be cut, be blind for what others write, or have something happen just before a
//! commit of its own is stored.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use nogfso_journal::Log;
use nogfso_journal::log::{
    Acker, Consumer, ConsumerProgress, ConsumerSpec, Delivery, Following, From, PublishFault,
    Published, ReadFault, Record, Stored,
};
use nogfso_journal::memory::MemoryLog;
use nogfso_kernel::{Position, StreamSpec};
use tokio::time::sleep;

type Aside = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One process's line to the journal. A clone is the same line.
#[derive(Clone)]
pub(super) struct Line {
    log: MemoryLog,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    is_cut: AtomicBool,
    is_blind: AtomicBool,
    /// The newest position that was seen of each subject.
    seen: Mutex<BTreeMap<String, Position>>,
    /// How often each subject was read.
    reads: Mutex<BTreeMap<String, u32>>,
    /// What happens before the next commit on a subject that contains this.
    before: Mutex<Option<(String, Aside)>>,
}

impl Line {
    pub(super) fn new(log: &MemoryLog) -> Self {
        Self {
            log: log.clone(),
            shared: Arc::default(),
        }
    }

    /// Nothing gets through any more.
    pub(super) fn cut(&self) {
        self.shared.is_cut.store(true, Ordering::SeqCst);
    }

    pub(super) fn mend(&self) {
        self.shared.is_cut.store(false, Ordering::SeqCst);
        self.shared.is_blind.store(false, Ordering::SeqCst);
    }

    /// Reads lag, signs of life get lost, nothing is delivered; only what is published gets through.
    pub(super) fn go_blind(&self) {
        self.shared.is_blind.store(true, Ordering::SeqCst);
    }

    /// Has `aside` happen between the decision and the store of the next commit on a subject that contains `part`.
    pub(super) fn before_commit(
        &self,
        part: &str,
        aside: impl Future<Output = ()> + Send + 'static,
    ) {
        let mut before = self.shared.before.lock().unwrap();
        *before = Some((part.to_owned(), Box::pin(aside)));
    }

    /// How often subjects that begin with `prefix` were read.
    pub(super) fn reads(&self, prefix: &str) -> u32 {
        let reads = self.shared.reads.lock().unwrap();
        reads
            .iter()
            .filter(|(subject, _)| subject.starts_with(prefix))
            .map(|(_, count)| count)
            .sum()
    }

    fn is_blind(&self) -> bool {
        self.shared.is_blind.load(Ordering::SeqCst)
    }

    fn check(&self) -> Result<(), ReadFault> {
        match self.shared.is_cut.load(Ordering::SeqCst) {
            true => Err(ReadFault::Unavailable {
                reason: "the line is cut".to_owned(),
            }),
            false => Ok(()),
        }
    }

    fn see(&self, subject: &str, position: Position) {
        let mut seen = self.shared.seen.lock().unwrap();
        let newest = seen.entry(subject.to_owned()).or_insert(position);
        *newest = (*newest).max(position);
    }

    fn note_read(&self, subject: &str) {
        let mut reads = self.shared.reads.lock().unwrap();
        *reads.entry(subject.to_owned()).or_default() += 1;
    }
}

#[async_trait]
impl Log for Line {
    async fn ensure_streams(&self, streams: &[StreamSpec]) -> Result<(), ReadFault> {
        self.check()?;
        self.log.ensure_streams(streams).await
    }

    async fn publish(&self, record: &Record) -> Result<Published, PublishFault> {
        let aside = {
            let mut before = self.shared.before.lock().unwrap();
            before
                .take_if(|(part, _)| record.subject.contains(part.as_str()))
                .map(|(_, aside)| aside)
        };
        if let Some(aside) = aside {
            aside.await;
        }
        self.check().map_err(|fault| PublishFault::Unknown {
            reason: fault.to_string(),
        })?;
        let published = self.log.publish(record).await?;
        self.see(&record.subject, published.position);
        Ok(published)
    }

    async fn read(&self, subject: &str, after: Position) -> Result<Vec<Stored>, ReadFault> {
        self.check()?;
        self.note_read(subject);
        let mut page = self.log.read(subject, after).await?;
        if self.is_blind() {
            let seen = self.shared.seen.lock().unwrap();
            let newest = seen.get(subject).copied().unwrap_or(Position::START);
            page.retain(|stored| stored.position <= newest);
        } else if let Some(last) = page.last() {
            self.see(subject, last.position);
        }
        Ok(page)
    }

    async fn leader_last(&self, subject: &str) -> Result<Option<Stored>, ReadFault> {
        self.check()?;
        self.note_read(subject);
        self.log.leader_last(subject).await
    }

    async fn find_last(
        &self,
        stream: &'static str,
        filter: &str,
    ) -> Result<Option<Stored>, ReadFault> {
        self.check()?;
        self.log.find_last(stream, filter).await
    }

    async fn follow(
        &self,
        stream: &'static str,
        filter: &str,
        from: From,
    ) -> Result<Following, ReadFault> {
        self.check()?;
        self.log.follow(stream, filter, from).await
    }

    async fn consumer(&self, spec: &ConsumerSpec) -> Result<Arc<dyn Consumer>, ReadFault> {
        self.check()?;
        let inner = self.log.consumer(spec).await?;
        let line = self.clone();
        Ok(Arc::new(Lined { line, inner }))
    }

    async fn consumer_progress(
        &self,
        stream: &'static str,
        durable: &str,
    ) -> Result<Option<ConsumerProgress>, ReadFault> {
        self.check()?;
        self.log.consumer_progress(stream, durable).await
    }

    async fn purge(&self, subject: &str, keep_from: Option<Position>) -> Result<(), ReadFault> {
        self.check()?;
        self.log.purge(subject, keep_from).await
    }
}

/// Something at the other end of a line.
struct Lined<T: ?Sized> {
    line: Line,
    inner: Arc<T>,
}

#[async_trait]
impl Consumer for Lined<dyn Consumer> {
    async fn pull(&self, count: usize, patience: Duration) -> Result<Vec<Delivery>, ReadFault> {
        self.line.check()?;
        if self.line.is_blind() {
            sleep(patience).await;
            return Ok(vec![]);
        }
        let mut deliveries = self.inner.pull(count, patience).await?;
        // What a dead line was sent is not answered, and comes again.
        self.line.check()?;
        if self.line.is_blind() {
            return Ok(vec![]);
        }
        for delivery in &mut deliveries {
            self.line
                .see(&delivery.stored.subject, delivery.stored.position);
            let inner = Arc::clone(&delivery.acker);
            let line = self.line.clone();
            delivery.acker = Arc::new(Lined { line, inner });
        }
        Ok(deliveries)
    }

    async fn progress(&self) -> Result<ConsumerProgress, ReadFault> {
        self.line.check()?;
        self.inner.progress().await
    }
}

#[async_trait]
impl Acker for Lined<dyn Acker> {
    async fn ack(&self) -> Result<(), ReadFault> {
        self.line.check()?;
        self.inner.ack().await
    }

    async fn nak(&self, delay: Duration) -> Result<(), ReadFault> {
        self.line.check()?;
        self.inner.nak(delay).await
    }

    async fn progress(&self) -> Result<(), ReadFault> {
        self.line.check()?;
        match self.line.is_blind() {
            true => Ok(()),
            false => self.inner.progress().await,
        }
    }
}
