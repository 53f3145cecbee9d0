//! A journal in memory, processes on it, each with lines of its own, and what they came to.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use nogfso_bus::{Bus, MemoryBus};
use nogfso_journal::log::{Record, Stored};
use nogfso_journal::memory::MemoryLog;
use nogfso_journal::{ENVELOPE_VERSION, Envelope, Environment, Ids, Log, RandomIds, StoredEvent};
use nogfso_kernel::{CommitId, Event, EventId, Position};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::acting::{Acts, Key};
use super::line::Line;
use crate::deployment::{Class, Deployment, DeploymentEvent, Operation, Stage};
use crate::{
    Client, DeploymentId, Engine, Handle, Layout, Notice, Outcome, Registry, Resources,
    StartOptions, WorkerError, WorkerSettings,
};

pub(super) const ACK_WAIT: Duration = Duration::from_secs(30);
/// How long a test waits for what must come, in the runtime's time.
const PATIENCE: Duration = Duration::from_secs(100_000);
const LOOK_PAUSE_MIN: Duration = Duration::from_millis(10);
const LOOK_PAUSE_MAX: Duration = Duration::from_secs(1);

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

/// A worker in a process of its own.
pub(super) struct Process {
    pub(super) line: Line,
    pub(super) bus: MemoryBus,
    pub(super) running: Running,
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
        self.engine_on(&Line::new(&self.log), registry).await
    }

    pub(super) async fn engine_on<R: Resources>(
        &self,
        line: &Line,
        registry: Registry<R>,
    ) -> Engine<R> {
        let environment = Environment {
            clock: self.log.clock(),
            ids: Arc::new(RandomIds),
        };
        let log: Arc<dyn Log> = Arc::new(line.clone());
        let engine = Engine::new(log, environment, Layout::standalone("test"), registry);
        engine.ensure().await.unwrap();
        engine
    }

    fn worker_on<R: Resources>(
        &self,
        engine: &Engine<R>,
        resources: &Arc<R>,
        name: &str,
        bus: &MemoryBus,
    ) -> Running {
        let settings = WorkerSettings {
            name: name.to_owned(),
            ack_wait: ACK_WAIT,
            slots_per_stream: NonZeroUsize::new(8).unwrap(),
        };
        let bus = Arc::new(bus.clone());
        let worker = engine.worker(Arc::clone(resources), bus, settings);
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(worker.run(stop.clone()));
        Running { stop, tasks }
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.log.clock().now_ms()
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

impl Process {
    pub(super) async fn kill(self) {
        self.running.kill().await;
    }

    pub(super) async fn drain(self) {
        self.running.drain().await;
    }
}

/// A world for one action, and a process that starts deployments of it and runs none.
pub(super) struct Stand {
    pub(super) world: World,
    pub(super) acts: Arc<Acts>,
    pub(super) engine: Engine<Acts>,
    pub(super) key: Key,
    make: fn() -> (Registry<Acts>, Key),
}

impl Stand {
    pub(super) async fn new(make: fn() -> (Registry<Acts>, Key)) -> Self {
        let world = World::new();
        let (registry, key) = make();
        let engine = world.engine(registry).await;
        Self {
            world,
            acts: Arc::default(),
            engine,
            key,
            make,
        }
    }

    pub(super) fn client(&self) -> Client {
        self.engine.client()
    }

    /// A worker in a process of its own, with the code of the stand.
    pub(super) async fn worker(&self, name: &str) -> Process {
        self.worker_with(name, (self.make)().0).await
    }

    /// The same with other code.
    pub(super) async fn worker_with(&self, name: &str, registry: Registry<Acts>) -> Process {
        let line = Line::new(&self.world.log);
        let engine = self.world.engine_on(&line, registry).await;
        let bus = self.world.bus.another_client();
        let running = self.world.worker_on(&engine, &self.acts, name, &bus);
        Process { line, bus, running }
    }

    pub(super) async fn start(&self, input: i64) -> Handle<i64> {
        self.start_with(input, StartOptions::default()).await
    }

    pub(super) async fn start_with(&self, input: i64, options: StartOptions) -> Handle<i64> {
        let started = self.client().start(&self.key, &input, options).await;
        started.unwrap()
    }

    /// The same a second later, so that a script can name it.
    pub(super) async fn start_later(&self, input: i64) -> Handle<i64> {
        let options = StartOptions {
            not_before_ms: Some(self.world.now_ms() + 1_000),
            ..StartOptions::default()
        };
        self.start_with(input, options).await
    }

    /// The same world seen by a process that remembers nothing.
    pub(super) async fn afresh(&self) -> Self {
        let (registry, key) = (self.make)();
        let engine = self.world.engine(registry).await;
        let world = World {
            log: self.world.log.clone(),
            bus: self.world.bus.another_client(),
        };
        Self {
            world,
            acts: Arc::clone(&self.acts),
            engine,
            key,
            make: self.make,
        }
    }

    /// Stores a commit with an event that nobody decided on.
    pub(super) async fn append_raw(&self, id: DeploymentId, fact: serde_json::Value) {
        let subject = Layout::standalone("test").subject(id);
        let loaded = self.engine.store().load(&subject, Position::START).await;
        let previous = loaded.unwrap().last.unwrap();
        let now_ms = self.world.now_ms();
        let event = StoredEvent {
            id: EventId(RandomIds.fresh(now_ms)),
            schema: 1,
            fact,
        };
        let envelope = Envelope {
            v: ENVELOPE_VERSION,
            commit: CommitId(RandomIds.fresh(now_ms)),
            aggregate: subject.clone(),
            events: vec![event],
            previous: Some(previous),
            command: None,
            cause: None,
            correlation: None,
            traceparent: None,
            actor: "test".to_owned(),
            at_ms: now_ms,
            epoch: None,
        };
        let record = Record {
            subject,
            payload: envelope.encode().unwrap().0,
            headers: vec![],
            message_id: None,
            guard: Some(previous.position),
            schedule: None,
        };
        self.world.log.publish(&record).await.unwrap();
    }

    /// The bytes that are stored of the deployment.
    pub(super) async fn stored(&self, id: DeploymentId) -> Vec<Stored> {
        let subject = Layout::standalone("test").subject(id);
        let stored = self.world.log.read(&subject, Position::START).await;
        stored.unwrap()
    }

    pub(super) async fn operate(&self, id: DeploymentId, operation: Operation) -> Deployment {
        let done = self.client().operate(id, "ann", operation).await;
        Arc::unwrap_or_clone(done.unwrap())
    }

    pub(super) async fn deployment(&self, id: DeploymentId) -> Deployment {
        Arc::unwrap_or_clone(self.client().deployment(id).await.unwrap())
    }

    /// Waits until the deployment is as `is_so` says.
    pub(super) async fn until(
        &self,
        id: DeploymentId,
        what: &str,
        is_so: impl Fn(&Deployment) -> bool,
    ) -> Deployment {
        let deadline = Instant::now() + PATIENCE;
        let mut pause = LOOK_PAUSE_MIN;
        loop {
            let deployment = self.deployment(id).await;
            if is_so(&deployment) {
                return deployment;
            }
            assert!(Instant::now() < deadline, "{what}: {deployment:#?}");
            sleep(pause).await;
            pause = (pause * 2).min(LOOK_PAUSE_MAX);
        }
    }

    pub(super) async fn until_parked(&self, id: DeploymentId) -> Deployment {
        let is_parked = |deployment: &Deployment| matches!(deployment.stage, Stage::Parked(_));
        self.until(id, "is parked", is_parked).await
    }

    /// What was recorded of the deployment.
    pub(super) async fn events(&self, id: DeploymentId) -> Vec<DeploymentEvent> {
        let frames = self.frames(id).await;
        frames.into_iter().flatten().collect()
    }

    /// The same by commits.
    pub(super) async fn frames(&self, id: DeploymentId) -> Vec<Vec<DeploymentEvent>> {
        let subject = Layout::standalone("test").subject(id);
        let store = self.engine.store();
        let mut frames: Vec<Vec<DeploymentEvent>> = vec![];
        let mut after = Position::START;
        loop {
            let page = store.history(&subject, after).await.unwrap();
            let Some(last) = page.last() else {
                return frames;
            };
            after = last.position;
            frames.extend(page.iter().map(|commit| {
                let recorded = commit.recorded();
                recorded.into_iter().map(|one| one.event).collect()
            }));
        }
    }

    /// When each commit was decided.
    pub(super) async fn times(&self, id: DeploymentId) -> Vec<u64> {
        let subject = Layout::standalone("test").subject(id);
        let store = self.engine.store();
        let page = store.history(&subject, Position::START).await.unwrap();
        page.iter().map(|commit| commit.envelope.at_ms).collect()
    }

    /// How the attempts failed that did.
    pub(super) async fn classes(&self, id: DeploymentId) -> Vec<Class> {
        let class_of = |event| {
            let DeploymentEvent::JobAttemptFailed { class, .. } = event else {
                return None;
            };
            Some(class)
        };
        let events = self.events(id).await;
        events.into_iter().filter_map(class_of).collect()
    }

    /// How often an event of that name was recorded.
    pub(super) async fn count(&self, id: DeploymentId, name: &str) -> usize {
        let events = self.events(id).await;
        events.iter().filter(|event| event.name() == name).count()
    }

    /// Gathers the notices from now on.
    pub(super) async fn notices(&self) -> Told {
        let bus = self.world.bus.another_client();
        let mut messages = bus
            .subscribe("fso.worker.action-test.notice.>")
            .await
            .unwrap();
        let told: Arc<Mutex<Vec<Notice>>> = Arc::default();
        let mut listening = JoinSet::new();
        let heard = Arc::clone(&told);
        listening.spawn(async move {
            while let Some(message) = messages.next().await {
                let notice = serde_json::from_slice(&message.payload).unwrap();
                heard.lock().unwrap().push(notice);
            }
        });
        Told {
            told,
            _listening: listening,
        }
    }
}

/// The notices that were heard.
pub(super) struct Told {
    told: Arc<Mutex<Vec<Notice>>>,
    _listening: JoinSet<()>,
}

impl Told {
    pub(super) fn all(&self) -> Vec<Notice> {
        self.told.lock().unwrap().clone()
    }
}

/// The outcome, within the patience of a test.
pub(super) async fn outcome_of(handle: &Handle<i64>) -> Outcome<i64> {
    let outcome = timeout(PATIENCE, handle.outcome()).await;
    outcome.expect("it ends").unwrap()
}

/// The code of the cause and the residue of a deployment that was rolled back.
pub(super) async fn rolled_back(handle: &Handle<i64>) -> (String, Vec<String>) {
    match outcome_of(handle).await {
        Outcome::RolledBack { cause, residue } => {
            let residue = residue.iter().map(ToString::to_string).collect();
            (cause.error.code, residue)
        }
        other @ (Outcome::Succeeded(_) | Outcome::Abandoned { .. }) => {
            panic!("it is rolled back: {other:?}")
        }
    }
}
