//! A journal in memory, workers on it, and an outside world that counts effects by their keys.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nogfso_bus::MemoryBus;
use nogfso_journal::memory::MemoryLog;
use nogfso_journal::{Environment, RandomIds};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{Engine, Layout, Registry, Resources, WorkerError, WorkerSettings};

pub(super) const ACK_WAIT: Duration = Duration::from_secs(30);

/// A journal and a bus that workers share.
pub(super) struct World {
    pub(super) log: MemoryLog,
    pub(super) bus: MemoryBus,
}

/// A worker and its way to an end.
pub(super) struct Running {
    stop: CancellationToken,
    tasks: JoinSet<Result<(), WorkerError>>,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            log: MemoryLog::default(),
            bus: MemoryBus::new(),
        }
    }

    /// The actions of one process.
    pub(super) async fn engine<R: Resources>(&self, registry: Registry<R>) -> Engine<R> {
        let environment = Environment {
            clock: self.log.clock(),
            ids: Arc::new(RandomIds),
        };
        let engine = Engine::new(
            Arc::new(self.log.clone()),
            environment,
            Layout::standalone("test"),
            registry,
        );
        engine.ensure().await.unwrap();
        engine
    }

    pub(super) fn worker<R: Resources>(
        &self,
        engine: &Engine<R>,
        resources: &Arc<R>,
        name: &str,
    ) -> Running {
        let settings = WorkerSettings {
            name: name.to_owned(),
            ack_wait: ACK_WAIT,
            slots_per_stream: NonZeroUsize::new(8).unwrap(),
        };
        let bus = Arc::new(self.bus.another_client());
        let worker = engine.worker(Arc::clone(resources), bus, settings);
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(worker.run(stop.clone()));
        Running { stop, tasks }
    }
}

impl Running {
    /// Ends at once, as a process does that is killed.
    pub(super) async fn kill(mut self) {
        self.tasks.shutdown().await;
    }

    pub(super) async fn drain(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap().unwrap();
        }
    }
}

/// What exists outside, by key.
#[derive(Debug, Default)]
pub(super) struct Outside {
    pub(super) effects: Mutex<BTreeMap<String, u32>>,
    pub(super) calls: Mutex<Vec<String>>,
}

impl Outside {
    pub(super) fn call(&self, what: impl Into<String>) {
        self.calls.lock().unwrap().push(what.into());
    }

    pub(super) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}
