//! Reactions look at every state once, at one aggregate at a time, and lose nothing of what fails.

mod failing;
mod parking;
mod running;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use nogfso_kernel::Position;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{Parked, ReactError, Reaction, Settings, Wake, run};
use crate::Environment;
use crate::log::{ConsumerProgress, Log, ReadFault};
use crate::memory::MemoryLog;
use crate::store::{By, Store};
use crate::tally::{Answering, Do, Tally, journal};

const NAME: &str = "spy";
/// How long anything may take that has no delay of its own.
const SOON: Duration = Duration::from_secs(1);

/// What a look comes to.
#[derive(Debug, Clone)]
enum Play {
    Takes(Duration),
    Fails(ReactError),
    Panics,
}

/// One look.
#[derive(Debug, Clone)]
struct Look {
    wake: Wake,
    /// What was seen.
    state: Vec<u32>,
    after: Duration,
}

/// A reaction that notes what it looks at. Without a play it succeeds at once.
struct Spy {
    store: Store<Tally>,
    started: Instant,
    looks: Mutex<Vec<Look>>,
    plays: Mutex<HashMap<String, VecDeque<Play>>>,
    looking: Mutex<HashMap<String, u32>>,
    overlaps: AtomicU32,
}

#[async_trait]
impl Reaction for Spy {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn react(&self, wake: &Wake) -> Result<Position, ReactError> {
        let running = |by: i32| {
            let mut looking = self.looking.lock().unwrap();
            let count = looking.entry(wake.subject.clone()).or_default();
            *count = count.saturating_add_signed(by);
            *count
        };
        if running(1) > 1 {
            self.overlaps.fetch_add(1, Ordering::SeqCst);
        }
        let answer = self.look(wake).await;
        running(-1);
        answer
    }
}

impl Spy {
    async fn look(&self, wake: &Wake) -> Result<Position, ReactError> {
        let loaded = self.store.load(&wake.subject, wake.position).await?;
        self.looks.lock().unwrap().push(Look {
            wake: wake.clone(),
            state: loaded.state.clone(),
            after: self.started.elapsed(),
        });
        let play = {
            let mut plays = self.plays.lock().unwrap();
            plays.get_mut(&wake.subject).and_then(VecDeque::pop_front)
        };
        match play {
            Some(Play::Takes(time)) => sleep(time).await,
            Some(Play::Fails(error)) => return Err(error),
            Some(Play::Panics) => panic!("planted"),
            None => {}
        }
        Ok(loaded.position())
    }

    fn plan(&self, subject: &str, plays: impl IntoIterator<Item = Play>) {
        let mut planned = self.plays.lock().unwrap();
        planned.entry(subject.to_owned()).or_default().extend(plays);
    }

    fn looks_at(&self, subject: &str) -> Vec<Look> {
        let looks = self.looks.lock().unwrap();
        looks
            .iter()
            .filter(|look| look.wake.subject == subject)
            .cloned()
            .collect()
    }
}

/// A journal, writers, and one instance of the reaction.
struct Bench {
    log: MemoryLog,
    answering: Arc<Answering>,
    environment: Environment,
    store: Store<Tally>,
    spy: Arc<Spy>,
    parked: Parked,
    settings: Settings,
    stop: CancellationToken,
    tasks: JoinSet<Result<(), ReadFault>>,
}

async fn bench() -> Bench {
    let (log, environment) = journal().await;
    let answering = Arc::new(Answering::new(log.clone()));
    let port = || Arc::clone(&answering) as Arc<dyn Log>;
    let spy = Spy {
        store: Store::new(port(), environment.clone()),
        started: Instant::now(),
        looks: Mutex::default(),
        plays: Mutex::default(),
        looking: Mutex::default(),
        overlaps: AtomicU32::new(0),
    };
    Bench {
        store: Store::new(port(), environment.clone()),
        spy: Arc::new(spy),
        parked: Parked::new(port(), environment.clone()),
        settings: Settings {
            stream: "KEPT",
            filters: vec!["fso.ev.kept.>".to_owned()],
            ack_wait: Duration::from_secs(30),
            concurrent_max: 4,
        },
        stop: CancellationToken::new(),
        tasks: JoinSet::new(),
        log,
        answering,
        environment,
    }
}

impl Bench {
    fn start(&mut self) {
        let parked = self.parked.clone();
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            parked.keep_up(stop).await;
            Ok(())
        });
        self.tasks.spawn(run(
            Arc::clone(&self.answering) as Arc<dyn Log>,
            self.environment.clone(),
            self.parked.clone(),
            Arc::clone(&self.spy) as Arc<dyn Reaction>,
            self.settings.clone(),
            self.stop.clone(),
        ));
    }

    async fn push(&self, subject: &str, number: u32) {
        self.store
            .execute(subject, &Do::Push(number), &By::actor("user:alice"))
            .await
            .unwrap();
    }

    /// Waits for everything to end.
    async fn drained(&mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap().unwrap();
        }
    }

    async fn progress(&self, durable: &str) -> ConsumerProgress {
        let spec = crate::log::ConsumerSpec {
            stream: if durable == NAME { "KEPT" } else { "FSO_TIMER" },
            durable: durable.to_owned(),
            filters: if durable == NAME {
                self.settings.filters.clone()
            } else {
                vec![format!("fso.alarm.{NAME}.>")]
            },
            ack_wait: self.settings.ack_wait,
            pending_max: super::runner::PENDING_DELIVERIES_MAX,
        };
        let consumer = self.log.consumer(&spec).await.unwrap();
        consumer.progress().await.unwrap()
    }

    /// Waits until both consumers have nothing left, at most `limit`.
    async fn settled(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        loop {
            let wakes = self.progress(NAME).await;
            let alarms = self.progress(&format!("{NAME}-alarm")).await;
            let left = [wakes, alarms].map(|one| one.waiting + one.unacknowledged);
            if left == [0, 0] {
                return;
            }
            assert!(Instant::now() < deadline, "left: {left:?}");
            sleep(pause(limit)).await;
        }
    }

    /// Waits until `is_so`, at most `limit`.
    async fn until(&self, limit: Duration, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + limit;
        while !is_so(self) {
            assert!(Instant::now() < deadline, "not in time: {what}");
            sleep(pause(limit)).await;
        }
    }
}

/// How often to look, so that hours of the paused clock pass in a moment.
fn pause(limit: Duration) -> Duration {
    (limit / 1_000).max(Duration::from_millis(1))
}

fn subject(n: u32) -> String {
    format!("fso.ev.kept.tally.{n}")
}
