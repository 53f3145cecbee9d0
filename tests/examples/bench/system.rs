//! The whole product in this process, against the server: gateway, regd and workers with real directories.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use async_nats::Client;
use nogfso_bus::Bus;
use nogfso_contract::Call;
use nogfso_contract::codec::Answer;
use nogfso_contract::command::{InitRegistry, InitRoot};
use nogfso_contract::query::GetWorkers;
use nogfso_contract::subjects::STREAMS;
use nogfso_host::Tasks;
use nogfso_ids::{GlobalPath, Host, HostPath, RegistryName};
use nogfso_jetstream::{Connection, JetStreamBus, JetStreamLog, Replicas};
use nogfso_journal::{Environment, Log};
use nogfso_testkit::{NatsServer, wait_until};
use tempfile::TempDir;

use crate::counted::Counted;
use crate::raw;

const HOST: &str = "files.example.com";
const REGISTRY: &str = "bench";
const GLOBAL_ROOT: &str = "/bench";
const START_LIMIT: Duration = Duration::from_secs(20);
const DRAIN_LIMIT: Duration = Duration::from_secs(20);

/// The running product, and a caller's connection to it.
pub(crate) struct System {
    pub(crate) log: Arc<Counted>,
    /// A connection that the product does not use.
    pub(crate) client: Client,
    pub(crate) registry: RegistryName,
    connection: Connection,
    tasks: Tasks,
    folder: TempDir,
}

impl System {
    /// Starts everything, with one registry and one root.
    pub(crate) async fn start(server: &NatsServer) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let url = server.url();
        let settings = nogfso_jetstream::Settings::new(&url, "bench");
        let connection = Connection::connect(&settings).await?;
        let log = JetStreamLog::new(connection.clone(), Replicas::default());
        let log = Counted::new(Arc::new(log));
        log.ensure_streams(&STREAMS).await?;
        log.ensure_streams(&[raw::STREAM]).await?;
        let system = Self {
            log,
            client: async_nats::connect(&url).await?,
            registry: RegistryName::parse(REGISTRY)?,
            connection,
            tasks: Tasks::default(),
            folder,
        };
        system.start_services().await?;
        wait_until("a worker to be listed", START_LIMIT, async || {
            let listed = system.call(&GetWorkers::default()).await;
            listed.is_ok_and(|list| !list.workers.is_empty())
        })
        .await;
        system.begin_registry().await?;
        Ok(system)
    }

    async fn start_services(&self) -> anyhow::Result<()> {
        fs::create_dir_all(self.shadows())?;
        self.add_worker().await?;
        let (log, bus, environment) = self.parts();
        let following = nogfso_regd::Settings::default();
        nogfso_regd::start(log, bus, environment, following, &self.tasks).await?;
        let (log, bus, environment) = self.parts();
        let door = nogfso_gateway::Settings {
            unstamped_user: Some("bench".to_owned()),
            ..nogfso_gateway::Settings::default()
        };
        nogfso_gateway::start(log, bus, environment, door, &self.tasks).await?;
        Ok(())
    }

    /// Starts one more worker of the host.
    pub(crate) async fn add_worker(&self) -> anyhow::Result<()> {
        let worker = nogfso_stad::Settings::new(
            Host::parse(HOST)?,
            vec![GlobalPath::parse(GLOBAL_ROOT)?],
            host_path(&self.shadows())?,
        );
        let (log, bus, environment) = self.parts();
        nogfso_stad::start(log, bus, environment, worker, &self.tasks).await?;
        Ok(())
    }

    fn parts(&self) -> (Arc<dyn Log>, Arc<dyn Bus>, Environment) {
        let bus = JetStreamBus::new(self.connection.clone());
        (
            Arc::clone(&self.log) as Arc<dyn Log>,
            Arc::new(bus),
            Environment::system(),
        )
    }

    async fn begin_registry(&self) -> anyhow::Result<()> {
        let real = self.real();
        fs::create_dir_all(&real)?;
        self.call(&InitRegistry {
            name: self.registry.clone(),
            vid: None,
            command_id: None,
            wait: None,
        })
        .await?;
        self.call(&InitRoot {
            registry: self.registry.clone(),
            global_root: GlobalPath::parse(GLOBAL_ROOT)?,
            host: Host::parse(HOST)?,
            host_root: Some(host_path(&real)?),
            gitlab_namespace: None,
            vid: None,
            command_id: None,
        })
        .await?;
        Ok(())
    }

    /// The global path of the directory `name` under the root, and the directory.
    pub(crate) fn directory(&self, name: &str) -> anyhow::Result<(GlobalPath, PathBuf)> {
        let path = GlobalPath::parse(&format!("{GLOBAL_ROOT}/{name}"))?;
        Ok((path, self.real().join(name)))
    }

    /// Asks the gateway as any caller would, over the server.
    pub(crate) async fn call<C: Call>(&self, call: &C) -> anyhow::Result<C::Reply> {
        let payload = serde_json::to_vec(call)?;
        let reply = self.client.request(C::SUBJECT, payload.into()).await;
        let reply = reply.with_context(|| format!("{} has no answer", C::SUBJECT))?;
        match serde_json::from_slice(&reply.payload)? {
            Answer::Ok(reply) => Ok(reply),
            Answer::Error(failure) => Err(anyhow!("{}: {failure}", C::SUBJECT)),
        }
    }

    /// Stops everything and waits for it.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let drained = self.tasks.drain(DRAIN_LIMIT).await;
        self.connection.close().await;
        Ok(drained?)
    }

    fn shadows(&self) -> PathBuf {
        self.folder.path().join("shadows")
    }

    fn real(&self) -> PathBuf {
        self.folder.path().join("real")
    }
}

fn host_path(path: &std::path::Path) -> anyhow::Result<HostPath> {
    let text = path
        .to_str()
        .context("temporary folders have names in UTF-8")?;
    Ok(HostPath::parse(text)?)
}
