//! The journal on JetStream.

mod consumer;
mod delivery;
mod follow;
mod publish;
mod pull;
mod read;
mod stalls;
mod streams;
mod tails;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use nogfso_journal::log::{
    Consumer, ConsumerProgress, ConsumerSpec, Following, From, Log, PublishFault, Published,
    ReadFault, Record, Stored,
};
use nogfso_kernel::{Keep, Position, StreamSpec};
use serde_json::json;

use crate::api::ADMIN_PATIENCE;
use crate::connection::Connection;
use crate::subject::{is_filter, is_literal};
use stalls::Stalls;
use tails::Tails;

/// On how many servers each message is stored: 1, 3 or 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replicas(pub u8);

impl Default for Replicas {
    fn default() -> Self {
        Self(1)
    }
}

/// The journal on a JetStream server or cluster. A clone is the same journal.
///
/// It knows the streams that [`Log::ensure_streams`] was called with, and refuses subjects of others.
#[derive(Debug, Clone)]
pub struct JetStreamLog {
    connection: Connection,
    replicas: Replicas,
    streams: Arc<RwLock<BTreeMap<&'static str, StreamSpec>>>,
    tails: Arc<Tails>,
    stalls: Arc<Stalls>,
}

impl JetStreamLog {
    /// The journal behind `connection`; `replicas` is what its streams must have.
    #[must_use]
    pub fn new(connection: Connection, replicas: Replicas) -> Self {
        Self {
            tails: Arc::new(Tails::new(&connection, replicas)),
            stalls: Arc::new(Stalls::new(&connection)),
            connection,
            replicas,
            streams: Arc::default(),
        }
    }

    fn stream_of(&self, subject: &str) -> Result<StreamSpec, String> {
        if !is_literal(subject) {
            return Err(format!("not a subject: {subject:?}"));
        }
        let streams = self.streams.read().unwrap_or_else(PoisonError::into_inner);
        let stream = streams
            .values()
            .find(|stream| stream.stores(subject))
            .copied();
        stream.ok_or_else(|| format!("no stream stores {subject:?}"))
    }
}

#[async_trait]
impl Log for JetStreamLog {
    async fn ensure_streams(&self, streams: &[StreamSpec]) -> Result<(), ReadFault> {
        for stream in streams {
            streams::ensure(&self.connection, stream, self.replicas).await?;
            match stream.keep {
                Keep::Forever | Keep::UntilPurged => self.tails.mind(stream.name),
                // What is removed there by itself or all at once leaves no end to compare.
                Keep::LastOfSubject | Keep::Schedules => {}
            }
            let mut known = self.streams.write().unwrap_or_else(PoisonError::into_inner);
            known.insert(stream.name, *stream);
        }
        Ok(())
    }

    async fn publish(&self, record: &Record) -> Result<Published, PublishFault> {
        let stream = self
            .stream_of(&record.subject)
            .map_err(|reason| PublishFault::Refused { reason })?;
        self.tails
            .check(&self.connection, stream.name)
            .await
            .map_err(|fault| PublishFault::Unavailable {
                reason: fault.to_string(),
            })?;
        let published =
            publish::publish(&self.connection, &self.stalls, stream.name, record).await?;
        if !published.duplicate {
            self.tails
                .note(stream.name, published.position, &record.payload);
        }
        Ok(published)
    }

    async fn read(&self, subject: &str, after: Position) -> Result<Vec<Stored>, ReadFault> {
        let stream = self.stream_of(subject).map_err(refused)?;
        self.tails.check(&self.connection, stream.name).await?;
        let page = read::page(&self.connection, stream.name, subject, after).await?;
        self.tails.note_last(stream.name, &page);
        Ok(page)
    }

    async fn leader_last(&self, subject: &str) -> Result<Option<Stored>, ReadFault> {
        let stream = self.stream_of(subject).map_err(refused)?;
        self.tails.check(&self.connection, stream.name).await?;
        let last = read::leader_last(&self.connection, stream.name, subject).await?;
        self.tails.note_last(stream.name, last.as_slice());
        Ok(last)
    }

    async fn find_last(
        &self,
        stream: &'static str,
        filter: &str,
    ) -> Result<Option<Stored>, ReadFault> {
        check_filter(filter)?;
        self.tails.check(&self.connection, stream).await?;
        let last = read::find_last(&self.connection, stream, filter).await?;
        self.tails.note_last(stream, last.as_slice());
        Ok(last)
    }

    async fn follow(
        &self,
        stream: &'static str,
        filter: &str,
        from: From,
    ) -> Result<Following, ReadFault> {
        check_filter(filter)?;
        let tails = Arc::clone(&self.tails);
        follow::follow(self.connection.clone(), tails, stream, filter, from).await
    }

    async fn consumer(&self, spec: &ConsumerSpec) -> Result<Arc<dyn Consumer>, ReadFault> {
        spec.filters
            .iter()
            .try_for_each(|filter| check_filter(filter))?;
        let tails = Arc::clone(&self.tails);
        Ok(Arc::new(
            consumer::open(&self.connection, tails, spec).await?,
        ))
    }

    async fn consumer_progress(
        &self,
        stream: &'static str,
        durable: &str,
    ) -> Result<Option<ConsumerProgress>, ReadFault> {
        consumer::progress(&self.connection, stream, durable).await
    }

    async fn purge(&self, subject: &str, keep_from: Option<Position>) -> Result<(), ReadFault> {
        let stream = self.stream_of(subject).map_err(refused)?;
        if stream.keep == Keep::Forever {
            return Err(refused(format!("stream {} is kept for ever", stream.name)));
        }
        let body = match keep_from {
            None => json!({ "filter": subject }),
            // To the server, zero means that all may go.
            Some(Position(0)) => return Ok(()),
            Some(Position(keep_from)) => json!({ "filter": subject, "seq": keep_from }),
        };
        let verb = format!("STREAM.PURGE.{}", stream.name);
        self.connection.api(&verb, &body, ADMIN_PATIENCE).await?;
        Ok(())
    }
}

fn check_filter(filter: &str) -> Result<(), ReadFault> {
    if is_filter(filter) {
        Ok(())
    } else {
        Err(refused(format!("not a subject filter: {filter:?}")))
    }
}

fn refused(reason: String) -> ReadFault {
    ReadFault::Refused { reason }
}

fn unavailable(reason: impl Into<String>) -> ReadFault {
    ReadFault::Unavailable {
        reason: reason.into(),
    }
}
