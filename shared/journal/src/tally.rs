//! For tests: an aggregate that collects numbers, streams for it, and a log whose answers a test can replace.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use nogfso_kernel::{Aggregate, CommitId, Event, Keep, Position, Recorded, StreamSpec};
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::log::{
    Consumer, ConsumerProgress, ConsumerSpec, Delivery, Following, From, Log, PublishFault,
    Published, ReadFault, Record, Stored,
};
use crate::memory::MemoryLog;
use crate::{Environment, RandomIds};

pub(crate) const KEPT: StreamSpec = StreamSpec {
    name: "KEPT",
    subjects: &["fso.ev.kept.>"],
    keep: Keep::Forever,
};
pub(crate) const PURGED: StreamSpec = StreamSpec {
    name: "PURGED",
    subjects: &["fso.ev.purged.>"],
    keep: Keep::UntilPurged,
};
pub(crate) const TIMER: StreamSpec = StreamSpec {
    name: "FSO_TIMER",
    subjects: &["fso.timer.>", "fso.alarm.>"],
    keep: Keep::Schedules,
};
pub(crate) const PARKED: StreamSpec = StreamSpec {
    name: "FSO_PARKED",
    subjects: &["fso.parked.>"],
    keep: Keep::LastOfSubject,
};
pub(crate) const SUBJECT: &str = "fso.ev.kept.tally.a";
pub(crate) const OTHER: &str = "fso.ev.kept.tally.b";
pub(crate) const PURGEABLE: &str = "fso.ev.purged.tally.a";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub(crate) enum Fact {
    #[serde(rename = "EV_PUSHED")]
    Pushed { number: u32 },
    #[serde(rename = "EV_SUMMED")]
    Summed { numbers: Vec<u32> },
    #[serde(rename = "EV_PADDED")]
    Padded { padding: String },
    #[serde(rename = "EV_NONSENSE")]
    Nonsense {},
}

impl Event for Fact {
    const NAMES: &'static [&'static str] = &["EV_PUSHED", "EV_SUMMED", "EV_PADDED", "EV_NONSENSE"];
    fn name(&self) -> &'static str {
        match self {
            Self::Pushed { .. } => "EV_PUSHED",
            Self::Summed { .. } => "EV_SUMMED",
            Self::Padded { .. } => "EV_PADDED",
            Self::Nonsense {} => "EV_NONSENSE",
        }
    }
}

pub(crate) enum Do {
    /// Always adds.
    Push(u32),
    /// Adds what is not there.
    Ensure(u32),
    /// Is refused if the number is there.
    Forbid(u32),
    /// Commits the whole state.
    Sum,
    /// Adds so many bytes.
    Pad(usize),
    /// Decides what cannot be folded.
    Nonsense,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is there")]
pub(crate) struct IsThere(pub(crate) u32);

#[derive(Debug)]
pub(crate) struct Tally;

impl Aggregate for Tally {
    const KIND: &'static str = "tally";
    type State = Vec<u32>;
    type Event = Fact;
    type Command = Do;
    type Refusal = IsThere;
    type Broken = std::fmt::Error;

    fn decide(state: &Vec<u32>, command: &Do, _now_ms: u64) -> Result<Vec<Fact>, IsThere> {
        match *command {
            Do::Push(number) => Ok(vec![Fact::Pushed { number }]),
            Do::Ensure(number) if state.contains(&number) => Ok(vec![]),
            Do::Ensure(number) => Ok(vec![Fact::Pushed { number }]),
            Do::Forbid(number) if state.contains(&number) => Err(IsThere(number)),
            Do::Forbid(_) => Ok(vec![]),
            Do::Sum => Ok(vec![Fact::Summed {
                numbers: state.clone(),
            }]),
            Do::Pad(bytes_count) => Ok(vec![Fact::Padded {
                padding: "x".repeat(bytes_count),
            }]),
            Do::Nonsense => Ok(vec![Fact::Nonsense {}]),
        }
    }

    fn evolve(mut state: Vec<u32>, recorded: &Recorded<Fact>) -> Result<Vec<u32>, Self::Broken> {
        match &recorded.event {
            Fact::Pushed { number } => state.push(*number),
            Fact::Summed { numbers } => state.clone_from(numbers),
            Fact::Padded { .. } => {}
            Fact::Nonsense {} => return Err(std::fmt::Error),
        }
        Ok(state)
    }

    fn starts_fold(first: &Fact) -> bool {
        matches!(first, Fact::Summed { .. })
    }
}

/// A journal with all streams, and the environment that goes with its clock.
pub(crate) async fn journal() -> (MemoryLog, Environment) {
    let log = MemoryLog::default();
    log.ensure_streams(&[KEPT, PURGED, TIMER, PARKED])
        .await
        .unwrap();
    let environment = Environment {
        clock: log.clock(),
        ids: Arc::new(RandomIds),
    };
    (log, environment)
}

/// The first commit of `subject`, without events.
pub(crate) fn envelope(subject: &str, commit: u128) -> crate::Envelope<Fact> {
    crate::Envelope {
        v: crate::ENVELOPE_VERSION,
        commit: CommitId(Ulid(commit)),
        aggregate: subject.to_owned(),
        events: vec![],
        previous: None,
        command: None,
        cause: None,
        correlation: None,
        traceparent: None,
        actor: "user:alice".to_owned(),
        at_ms: 1,
        epoch: None,
    }
}

pub(crate) fn record(subject: &str, payload: bytes::Bytes, guard: u64) -> Record {
    Record {
        subject: subject.to_owned(),
        payload,
        headers: vec![],
        message_id: None,
        guard: Some(Position(guard)),
        schedule: None,
    }
}

/// The numbers of all commits on `subject`, as they lie there.
pub(crate) async fn stored(log: &dyn Log, subject: &str) -> Vec<Stored> {
    let mut all: Vec<Stored> = vec![];
    loop {
        let after = all.last().map_or(Position::START, |last| last.position);
        let page = log.read(subject, after).await.unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

type Answers<T> = Mutex<VecDeque<T>>;

/// A journal in memory, some of whose answers a test puts in its place.
pub(crate) struct Answering {
    pub(crate) log: MemoryLog,
    /// What the next publishes answer without reaching the journal; none lets one through.
    pub(crate) publishes: Answers<Option<Result<Published, PublishFault>>>,
    /// What others store before each of the next publishes.
    pub(crate) intruders: Answers<Record>,
    /// How many questions to the leader get no answer.
    pub(crate) leader_silent: Mutex<u32>,
    /// The durable consumer that is refused to go on.
    pub(crate) refused_durable: Mutex<Option<String>>,
    /// How many pulls were begun and have not ended.
    pub(crate) pulls_open: Arc<AtomicU32>,
    /// The payload of each attempt.
    pub(crate) attempts: Mutex<Vec<bytes::Bytes>>,
}

impl Answering {
    pub(crate) fn new(log: MemoryLog) -> Self {
        Self {
            log,
            publishes: Mutex::default(),
            intruders: Mutex::default(),
            leader_silent: Mutex::new(0),
            refused_durable: Mutex::default(),
            pulls_open: Arc::default(),
            attempts: Mutex::default(),
        }
    }

    pub(crate) fn answer(&self, answer: Result<Published, PublishFault>) {
        self.publishes.lock().unwrap().push_back(Some(answer));
    }

    pub(crate) fn let_through(&self) {
        self.publishes.lock().unwrap().push_back(None);
    }
}

#[async_trait]
impl Log for Answering {
    async fn ensure_streams(&self, streams: &[StreamSpec]) -> Result<(), ReadFault> {
        self.log.ensure_streams(streams).await
    }

    async fn publish(&self, record: &Record) -> Result<Published, PublishFault> {
        self.attempts.lock().unwrap().push(record.payload.clone());
        let intruder = self.intruders.lock().unwrap().pop_front();
        if let Some(intruder) = intruder {
            self.log.publish(&intruder).await.unwrap();
        }
        let answer = self.publishes.lock().unwrap().pop_front().flatten();
        match answer {
            Some(answer) => answer,
            None => self.log.publish(record).await,
        }
    }

    async fn read(&self, subject: &str, after: Position) -> Result<Vec<Stored>, ReadFault> {
        self.log.read(subject, after).await
    }

    async fn leader_last(&self, subject: &str) -> Result<Option<Stored>, ReadFault> {
        {
            let mut silent = self.leader_silent.lock().unwrap();
            if *silent > 0 {
                *silent -= 1;
                return Err(ReadFault::Unavailable {
                    reason: "no leader".to_owned(),
                });
            }
        }
        self.log.leader_last(subject).await
    }

    async fn find_last(
        &self,
        stream: &'static str,
        filter: &str,
    ) -> Result<Option<Stored>, ReadFault> {
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
        let refused = self.refused_durable.lock().unwrap().clone();
        Ok(Arc::new(WatchedConsumer {
            consumer: self.log.consumer(spec).await?,
            is_refused: refused.as_ref() == Some(&spec.durable),
            open: Arc::clone(&self.pulls_open),
        }))
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

struct WatchedConsumer {
    consumer: Arc<dyn Consumer>,
    is_refused: bool,
    open: Arc<AtomicU32>,
}

#[async_trait]
impl Consumer for WatchedConsumer {
    async fn pull(&self, count: usize, patience: Duration) -> Result<Vec<Delivery>, ReadFault> {
        if self.is_refused {
            return Err(ReadFault::Refused {
                reason: "planted".to_owned(),
            });
        }
        self.open.fetch_add(1, Ordering::SeqCst);
        let pulled = self.consumer.pull(count, patience).await;
        self.open.fetch_sub(1, Ordering::SeqCst);
        pulled
    }

    async fn progress(&self) -> Result<ConsumerProgress, ReadFault> {
        self.consumer.progress().await
    }
}
