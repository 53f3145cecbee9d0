//! Deployments of eleven recorded steps through the standalone worker, beside the same frames as raw guarded appends.
//!
//! Both go to the same eight streams of the same server, in turns; the raw ones are as large as those of a deployment.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use async_nats::{Client, HeaderMap};
use bytes::Bytes;
use nogfso_actions::{
    Action, ActionKey, Engine, Job, JobCx, JobExt, JobResult, Layout, NotNeeded, Outcome, Registry,
    RegistryBuilder, StartOptions, WorkerSettings,
};
use nogfso_jetstream::{Connection, JetStreamBus, JetStreamLog, Replicas};
use nogfso_journal::{Environment, Log};
use nogfso_kernel::Position;
use nogfso_testkit::{NatsServer, SyncInterval};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::measure::{Better, Figure, Rounds, Values, millis, side_by_side};

const STEPS: usize = 11;
/// The request, the claim with the first start, ten ends with the next start, the last end.
const FRAMES: usize = 13;
/// How many deployments run one after the other in a round.
const ONE_BY_ONE: usize = 40;
/// How many deployments each lane runs in a round.
const PER_LANE: usize = 12;
const LANES: [usize; 2] = [16, 64];

/// The names of the figures of one server.
pub(crate) struct Names {
    one: [&'static str; 2],
    many: [[&'static str; 2]; 2],
    payload: &'static str,
}

/// The servers that are measured.
pub(crate) const SERVERS: [(SyncInterval, Names); 2] = [
    (
        SyncInterval::Always,
        Names {
            one: ["deployment-always", "its-13-appends-always"],
            many: [
                ["deployments-16-always", "13-appends-16-always"],
                ["deployments-64-always", "13-appends-64-always"],
            ],
            payload: "deployment-frame-always",
        },
    ),
    (
        SyncInterval::ServerDefault,
        Names {
            one: ["deployment-default", "its-13-appends-default"],
            many: [
                ["deployments-16-default", "13-appends-16-default"],
                ["deployments-64-default", "13-appends-64-default"],
            ],
            payload: "deployment-frame-default",
        },
    ),
];

/// A job that costs nothing, so that only the engine does.
struct Step;

impl Job<()> for Step {
    type Input = u64;
    type Output = u64;
    type Undo = NotNeeded;
    const NAME: &'static str = "step";

    async fn execute(&self, _cx: &JobCx<'_, ()>, input: u64) -> JobResult<u64> {
        Ok(input + 1)
    }
}

struct Bench {
    engine: Engine<()>,
    key: ActionKey<u64, u64>,
    log: Arc<dyn Log>,
    client: Client,
    frames: Vec<Bytes>,
}

/// The figures of one server, and the size of a frame.
pub(crate) async fn figures(
    server: &NatsServer,
    rounds: u32,
    names: &Names,
) -> anyhow::Result<(Vec<(&'static str, usize)>, Vec<Figure>)> {
    let url = server.url();
    let connect =
        async |name: &str| Connection::connect(&nogfso_jetstream::Settings::new(&url, name)).await;
    let log = JetStreamLog::new(connect("bench").await?, Replicas::default());
    let log: Arc<dyn Log> = Arc::new(log);
    let (registry, key) = registry()?;
    let layout = Layout::standalone("bench");
    let engine = Engine::new(Arc::clone(&log), Environment::system(), layout, registry);
    engine.ensure().await?;
    let settings = WorkerSettings {
        name: "bench".to_owned(),
        ack_wait: Duration::from_secs(30),
        slots_per_stream: NonZeroUsize::new(64).context("64 is not 0")?,
    };
    let bus = JetStreamBus::new(connect("bench-bus").await?);
    let worker = engine.worker(Arc::new(()), Arc::new(bus), settings);
    let stop = CancellationToken::new();
    let mut running = JoinSet::new();
    running.spawn(worker.run(stop.clone()));
    let mut bench = Bench {
        engine,
        key,
        log,
        client: async_nats::connect(&url).await?,
        frames: vec![],
    };
    bench.frames = bench.frames_of_a_deployment().await?;
    let mut figures = bench.one_by_one(rounds, names.one).await?;
    for (lanes, names) in LANES.into_iter().zip(names.many) {
        figures.extend(bench.at_once(rounds, lanes, names).await?);
    }
    stop.cancel();
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    let bytes: usize = bench.frames.iter().map(Bytes::len).sum();
    Ok((vec![(names.payload, bytes / FRAMES)], figures))
}

fn registry() -> anyhow::Result<(Registry<()>, ActionKey<u64, u64>)> {
    let mut action = Action::define("eleven-steps").then(Step);
    for number in 1..STEPS {
        action = action.then(Step.renamed(format!("step-{number}")));
    }
    let mut builder = RegistryBuilder::new();
    let key = builder.register(action.build()?)?;
    Ok((builder.build(), key))
}

impl Bench {
    async fn run(&self) -> anyhow::Result<()> {
        let client = self.engine.client();
        let handle = client.start(&self.key, &0, StartOptions::default()).await?;
        let outcome = handle.outcome().await?;
        ensure!(outcome == Outcome::Succeeded(STEPS as u64), "{outcome:?}");
        Ok(())
    }

    async fn frames_of_a_deployment(&self) -> anyhow::Result<Vec<Bytes>> {
        let client = self.engine.client();
        let handle = client.start(&self.key, &0, StartOptions::default()).await?;
        handle.outcome().await?;
        let subject = Layout::standalone("bench").subject(handle.id());
        let stored = self.log.read(&subject, Position::START).await?;
        ensure!(stored.len() == FRAMES, "{} frames", stored.len());
        Ok(stored.into_iter().map(|stored| stored.payload).collect())
    }

    async fn one_by_one(
        &self,
        rounds: u32,
        names: [&'static str; 2],
    ) -> anyhow::Result<Vec<Figure>> {
        let (mut ours, mut raw) = (Values::new(), Values::new());
        let mut rounds = Rounds::new(rounds);
        while let Some(counts) = rounds.next() {
            for _ in 0..ONE_BY_ONE {
                let began = Instant::now();
                self.run().await?;
                ours.note(counts, millis(began.elapsed()));
                let began = Instant::now();
                self.raw().await?;
                raw.note(counts, millis(began.elapsed()));
            }
        }
        let raw = Figure::new(names[1], raw.median(), "ms");
        let ours = Figure::new(names[0], ours.median(), "ms").against(&raw, Better::Less);
        Ok(vec![ours, raw])
    }

    async fn at_once(
        &self,
        rounds: u32,
        lanes: usize,
        names: [&'static str; 2],
    ) -> anyhow::Result<Vec<Figure>> {
        let (mut ours, mut raw) = (Values::new(), Values::new());
        let mut rounds = Rounds::new(rounds);
        while let Some(counts) = rounds.next() {
            let rate = side_by_side(lanes, PER_LANE, async |_, _| self.run().await).await?;
            ours.note(counts, rate);
            let rate = side_by_side(lanes, PER_LANE, async |_, _| self.raw().await).await?;
            raw.note(counts, rate);
        }
        let raw = Figure::new(names[1], raw.median(), "/s");
        let ours = Figure::new(names[0], ours.median(), "/s").against(&raw, Better::More);
        Ok(vec![ours, raw])
    }

    /// The frames of a deployment on a new subject, each guarded by the one before.
    async fn raw(&self) -> anyhow::Result<()> {
        let id = format!("{:032x}", Environment::system().fresh().random() << 48);
        let subject = format!("fso.ev.raw.action._.{}.{id}", &id[..1]);
        let mut last = 0;
        for frame in &self.frames {
            let mut headers = HeaderMap::new();
            headers.insert("Nats-Expected-Last-Subject-Sequence", last.to_string());
            let answer = self
                .client
                .request_with_headers(subject.clone(), headers, frame.clone())
                .await
                .context("a raw append has no answer")?;
            let answer: Value = serde_json::from_slice(&answer.payload)?;
            match answer["seq"].as_u64() {
                Some(sequence) if answer["error"].is_null() => last = sequence,
                Some(_) | None => bail!("a raw append was refused: {answer}"),
            }
        }
        Ok(())
    }
}
