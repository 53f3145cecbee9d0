//! The worker of one file host.
//!
//! Decides whether a directory of its host may become a repo, and works off what is requested for the repos there, one
//! worker per repo at a time. It follows the journal in everything else: which repos there are, and what is asked.

mod adoption;
pub mod config;
pub mod disk;
mod lane;
mod locked_out;
pub mod locks;
mod operation;
mod presence;
mod progress;
mod serve;
pub mod wiring;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nogfso_bus::{Bus, BusError, Messages};
use nogfso_claims::{Claims, Locks};
use nogfso_contract::presence::Presence;
use nogfso_contract::subjects::{self, WORK_STREAM};
use nogfso_host::Tasks;
use nogfso_ids::{Instance, Lane as LaneName, UnixMillis};
use nogfso_journal::{Environment, Log, Store, again};

pub use config::{SettingError, Settings};
pub use presence::PresenceError;

use adoption::Adoption;
use disk::{Disk, FileDisk};
use lane::Lane;
use locked_out::NotedLocks;
use locks::FileLocks;
use operation::Means;
use presence::Saying;
use serve::Desk;

const ACTOR: &str = "svc:stad";

/// Why a worker does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is not what it may be.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// It may not join the workers that are there.
    #[error(transparent)]
    Presence(#[from] PresenceError),
    /// The folder of locks cannot be made.
    #[error("cannot make the folder of locks below `{}`", shadow_root.display())]
    Locks {
        /// The shadow root.
        shadow_root: PathBuf,
        /// How it failed.
        #[source]
        source: std::io::Error,
    },
    /// Its questions cannot be served.
    #[error(transparent)]
    Bus(#[from] BusError),
}

/// What a worker needs of its host.
#[derive(Clone)]
pub struct OnHost {
    /// Where every process that could touch the same shadows comes by.
    pub locks: Arc<dyn Locks>,
    /// What does the work.
    pub disk: Arc<dyn Disk>,
}

/// Starts a worker on the files of this machine; returns its name when it takes work, however long a server that is away is
/// waited for. It runs until `tasks` are stopped, and hands back what is in hand.
///
/// # Errors
///
/// See [`StartError`]. Nothing runs after an error.
pub async fn start(
    log: Arc<dyn Log>,
    bus: Arc<dyn Bus>,
    environment: Environment,
    settings: Settings,
    tasks: &Tasks,
) -> Result<Instance, StartError> {
    settings.check()?;
    let worker = Worker::joined(log, bus, environment, settings).await?;
    let on_host = files_of(&worker.settings, &worker.instance)?;
    worker.start(on_host, tasks).await
}

/// As [`start`], with a host of the caller's own: neither a file nor a thread is used.
///
/// # Errors
///
/// See [`StartError`]. Nothing runs after an error.
pub async fn start_on(
    on_host: OnHost,
    log: Arc<dyn Log>,
    bus: Arc<dyn Bus>,
    environment: Environment,
    settings: Settings,
    tasks: &Tasks,
) -> Result<Instance, StartError> {
    let worker = Worker::joined(log, bus, environment, settings).await?;
    worker.start(on_host, tasks).await
}

fn files_of(settings: &Settings, instance: &Instance) -> Result<OnHost, StartError> {
    let shadow_root = PathBuf::from(settings.shadow_root.as_str());
    let locks = FileLocks::open(&shadow_root, instance.clone());
    let locks = locks.map_err(|source| StartError::Locks {
        shadow_root: shadow_root.clone(),
        source,
    })?;
    let disk = FileDisk {
        means: Means {
            shadow_root: shadow_root.clone(),
            trim_host_root: settings
                .trim_host_root
                .as_ref()
                .map(|root| PathBuf::from(root.as_str())),
            committer: settings.git_committer.clone(),
            threads: settings.threads,
        },
        adoption: Adoption {
            prefixes: settings.prefixes.clone(),
            limits: settings.limits(),
            shadow_root,
            threads: settings.threads,
        },
    };
    Ok(OnHost {
        locks: Arc::new(locks),
        disk: Arc::new(disk),
    })
}

/// A worker that may join those that are there.
struct Worker {
    log: Arc<dyn Log>,
    bus: Arc<dyn Bus>,
    environment: Environment,
    settings: Settings,
    instance: Instance,
    presence: Presence,
    questions: Messages,
}

impl Worker {
    async fn joined(
        log: Arc<dyn Log>,
        bus: Arc<dyn Bus>,
        environment: Environment,
        settings: Settings,
    ) -> Result<Self, PresenceError> {
        let instance = fresh_instance(&environment);
        let presence = presence(&settings, &instance, environment.now_ms());
        let questions = presence::join(bus.as_ref(), &presence).await?;
        Ok(Self {
            log,
            bus,
            environment,
            settings,
            instance,
            presence,
            questions,
        })
    }

    async fn start(self, on_host: OnHost, tasks: &Tasks) -> Result<Instance, StartError> {
        let lane = Lane {
            host: self.settings.host.clone(),
            instance: self.instance.clone(),
            disk: Arc::clone(&on_host.disk),
            repos: Store::new(Arc::clone(&self.log), self.environment.clone()),
            bus: Arc::clone(&self.bus),
            untold: Default::default(),
        };
        let settings = claim_settings(&self.settings, &self.instance);
        let locks = NotedLocks::new(on_host.locks, settings.ack_wait);
        let claims = Claims::new(
            Arc::new(lane),
            Arc::new(Store::new(self.log, self.environment)),
            Arc::clone(&locks) as Arc<dyn Locks>,
            settings,
        );
        let desk = Arc::new(Desk {
            host: self.settings.host.clone(),
            instance: self.instance.clone(),
            disk: on_host.disk,
            claims: Arc::clone(&claims),
        });
        let opening = again("take questions", BusError::is_transient, || {
            desk.open(self.bus.as_ref())
        });
        let requests = opening.await?;
        let stop = tasks.stop();
        let saying = Saying {
            bus: self.bus,
            own: self.presence,
            claims: Arc::clone(&claims),
            locks,
        };
        let saying = saying.keep_on(self.questions, stop.clone());
        tasks.spawn("presence", saying);
        tasks.spawn("questions", desk.run(requests, stop.clone()));
        tasks.spawn_vital("lane main", claims.run(stop.clone()));
        Ok(self.instance)
    }
}

/// A name that no process had before.
fn fresh_instance(environment: &Environment) -> Instance {
    let ulid = environment.fresh().to_string().to_ascii_lowercase();
    Instance::parse(&format!("stad-{ulid}")).expect("a ULID is letters and digits")
}

fn presence(settings: &Settings, instance: &Instance, now_ms: u64) -> Presence {
    Presence {
        host: settings.host.clone(),
        instance: instance.clone(),
        prefixes: settings.prefixes.clone(),
        shadow_root: settings.shadow_root.clone(),
        limits: settings.limits(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_ms: UnixMillis(now_ms),
        slots: u32::try_from(settings.slots.get()).unwrap_or(u32::MAX),
        busy: 0,
        ready: true,
        locked_out: vec![],
    }
}

fn claim_settings(settings: &Settings, instance: &Instance) -> nogfso_claims::Settings {
    let of_registry = |registry| {
        format!(
            "fso.ev.{registry}.work.{}.{}.*",
            settings.host.token(),
            LaneName::Main
        )
    };
    let filters = if settings.registries.is_empty() {
        vec![subjects::work_of_host(&settings.host, LaneName::Main)]
    } else {
        settings.registries.iter().map(of_registry).collect()
    };
    nogfso_claims::Settings {
        stream: WORK_STREAM,
        consumer: subjects::worker_consumer(&settings.host, LaneName::Main),
        filters,
        instance: instance.to_string(),
        actor: ACTOR.to_owned(),
        ack_wait: Duration::from_millis(settings.ack_wait_ms),
        slots: settings.slots,
    }
}
