//! The processes: each is started, ends somehow, and is started again under a new name.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nogfso_bus::Bus;
use nogfso_ids::{GlobalPath, Host, HostPath};
use nogfso_journal::{Environment, Log};
use nogfso_stad::OnHost;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::bus::SimBus;
use super::fault::Fault;
use super::host::{SimDisk, SimLocks};
use super::life::{Life, Role};
use super::log::SimLog;
use super::stage::{Stage, lock};

/// The one file host.
pub(super) const HOST: &str = "files.example.com";
pub(super) const SHADOW_ROOT: &str = "/nogfso/shadow";
/// Short, so that claims change hands often; the pauses are several of them.
const ACK_WAIT_MS: u64 = 3_000;
const SWEEP_EVERY_MS: u64 = 2_000;
const SWEEP_AFTER_MS: u64 = 4_000;
const PURGE_EVERY_MS: u64 = 3_000;
const PURGE_AFTER_MS: u64 = 2_000;
const DRAIN_LIMIT: Duration = Duration::from_secs(20);
const DOWN_MS: (u32, u32) = (10, 9_000);
const CLOCK_OFF_MS_MAX: u32 = 2_000;
/// Which processes there are.
const ROLES: [(Role, &str); 7] = [
    (Role::Gateway, "gateway-1"),
    (Role::Gateway, "gateway-2"),
    (Role::Regd, "regd-1"),
    (Role::Regd, "regd-2"),
    (Role::Stad, "stad-1"),
    (Role::Stad, "stad-2"),
    (Role::Stad, "stad-3"),
];

/// The place of one process, which has one life after the other there.
pub(super) struct Process {
    stage: Arc<Stage>,
    role: Role,
    name: &'static str,
    place: u64,
    environment: Environment,
    present: Mutex<Option<Arc<Life>>>,
    drain: Notify,
}

impl Process {
    pub(super) fn all(stage: &Arc<Stage>) -> Vec<Arc<Self>> {
        let mut processes = vec![];
        for (place, (role, name)) in (0_u64..).zip(ROLES) {
            let off_ms = u64::from(stage.chance.below(CLOCK_OFF_MS_MAX));
            let off = stage.chance.one_of(&[(0, 0), (off_ms, 0), (0, off_ms)]);
            processes.push(Arc::new(Self {
                environment: stage.environment(off),
                stage: Arc::clone(stage),
                role,
                name,
                place,
                present: Mutex::default(),
                drain: Notify::new(),
            }));
        }
        processes
    }

    /// Its present life, unless it is down.
    pub(super) fn life(&self) -> Option<Arc<Life>> {
        lock(&self.present).clone()
    }

    pub(super) fn drain(&self) {
        self.drain.notify_one();
    }

    /// Has one life after the other.
    pub(super) async fn run(self: Arc<Self>) {
        for number in 0_u64.. {
            let name = format!("{}.{number}", self.name);
            let life = Life::begin(
                &self.stage,
                self.role,
                name,
                self.place * 1_000_000 + number,
            );
            *lock(&self.present) = Some(Arc::clone(&life));
            self.live(&life).await;
            life.end();
            *lock(&self.present) = None;
            let down = self.stage.chance.ms(DOWN_MS.0, DOWN_MS.1);
            tokio::select! {
                biased;
                () = self.stage.calm.cancelled() => sleep(Duration::from_millis(10)).await,
                () = sleep(down) => {}
            }
        }
    }

    async fn live(&self, life: &Arc<Life>) {
        let started = tokio::select! {
            biased;
            () = life.dead.cancelled() => return,
            started = self.start(life) => started,
        };
        if let Err(reason) = started {
            self.stage
                .tell(|| format!("{} does not start: {reason}", life.name));
            return;
        }
        self.stage.tell(|| format!("{} is ready", life.name));
        tokio::select! {
            biased;
            () = life.dead.cancelled() => return,
            () = life.tasks.stop().cancelled() => {
                self.stage.tell(|| format!("{} ends by itself", life.name));
            }
            () = self.drain.notified() => {
                self.stage.count(Fault::Drain);
                self.stage.tell(|| format!("{} drains", life.name));
            }
        }
        tokio::select! {
            biased;
            () = life.dead.cancelled() => {}
            drained = life.tasks.drain(DRAIN_LIMIT) => {
                self.stage.tell(|| format!("{} has drained: {drained:?}", life.name));
            }
        }
    }

    async fn start(&self, life: &Arc<Life>) -> Result<(), String> {
        let log: Arc<dyn Log> = Arc::new(SimLog(Arc::clone(life)));
        let bus: Arc<dyn Bus> = Arc::new(SimBus(Arc::clone(life)));
        let environment = self.environment.clone();
        let tasks = &life.tasks;
        match self.role {
            Role::Gateway => {
                let settings = nogfso_gateway::Settings {
                    unstamped_user: Some("alice".to_owned()),
                    ..nogfso_gateway::Settings::default()
                };
                let started = nogfso_gateway::start(log, bus, environment, settings, tasks).await;
                started.map_err(|error| error.to_string())
            }
            Role::Regd => {
                let settings = self.regd_settings();
                let started = nogfso_regd::start(log, bus, environment, settings, tasks).await;
                started.map_err(|error| error.to_string())
            }
            Role::Stad => {
                let on_host = OnHost {
                    locks: Arc::new(SimLocks(Arc::clone(life))),
                    disk: Arc::new(SimDisk(Arc::clone(life))),
                };
                let started =
                    nogfso_stad::start_on(on_host, log, bus, environment, stad_settings(), tasks);
                let started = started.await.map_err(|error| error.to_string())?;
                self.stage.tell(|| format!("{} is {started}", life.name));
                lock(&self.stage.workers).insert(life.number, started);
                Ok(())
            }
        }
    }
}

impl Process {
    fn regd_settings(&self) -> nogfso_regd::Settings {
        let shipped = nogfso_regd::Settings::default();
        nogfso_regd::Settings {
            ack_wait_ms: ACK_WAIT_MS,
            sweep_every_ms: if self.stage.temper.sweeps {
                SWEEP_EVERY_MS
            } else {
                shipped.sweep_every_ms * 1_000
            },
            sweep_after_ms: SWEEP_AFTER_MS,
            purge_every_ms: PURGE_EVERY_MS,
            purge_after_ms: PURGE_AFTER_MS,
            ..shipped
        }
    }
}

fn stad_settings() -> nogfso_stad::Settings {
    let mut settings = nogfso_stad::Settings::new(
        Host::parse(HOST).expect("a host"),
        vec![GlobalPath::parse("/data").expect("a path")],
        HostPath::parse(SHADOW_ROOT).expect("a path"),
    );
    settings.ack_wait_ms = ACK_WAIT_MS;
    settings.slots = NonZeroUsize::MIN.saturating_add(2);
    settings
}
