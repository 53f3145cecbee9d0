//! The sole place where the services meet their adapters: each on a connection of its own, all in this process.

use std::path::PathBuf;

use nogfso_bus::BusError;
use nogfso_contract::subjects::STREAMS;
use nogfso_host::Tasks;
use nogfso_ids::{HostPath, Instance};
use nogfso_jetstream::{ConnectError, Connection, Credentials, Ports, Replicas};
use nogfso_journal::Environment;
use nogfso_journal::log::ReadFault;
use nogfso_journal::reaction::ReactError;

use crate::accounts::{Password, Person, SERVICE};
use crate::config::Settings;
use crate::context::{inbox_prefix, url};

/// How long the claim of a worker that died is waited for, in milliseconds. There is one worker, on the server's machine, so
/// that less than the usual time tells it from a slow one.
const ACK_WAIT_MS: u64 = 10_000;

/// Why the services do not run.
#[derive(Debug, thiserror::Error)]
pub enum ServicesError {
    /// There is no connection to the broker.
    #[error("cannot connect to the broker")]
    Connect(#[from] ConnectError),
    /// The streams are not as they must be.
    #[error("the streams are not as they must be")]
    Streams(#[source] ReadFault),
    /// The gateway does not start.
    #[error("the gateway does not start")]
    Gateway(#[source] BusError),
    /// The process managers do not start.
    #[error("the registry daemon does not start")]
    Regd(#[source] ReactError),
    /// The shadow root cannot be named to the worker.
    #[error("the shadow root {path} cannot be used")]
    ShadowRoot {
        /// Its path.
        path: PathBuf,
        /// What a path must be.
        source: nogfso_ids::Malformed,
    },
    /// The worker does not start.
    #[error("the worker does not start")]
    Stad(#[from] nogfso_stad::StartError),
}

/// Services that run; to be stopped by their tasks, then closed.
pub struct Services {
    /// The worker's name.
    pub worker: Instance,
    connections: [Connection; 3],
}

impl Services {
    /// Starts all services and returns when they take work.
    ///
    /// # Errors
    ///
    /// See [`ServicesError`]. What had started ends with `tasks`.
    pub async fn start(
        settings: &Settings,
        password: &Password,
        shadow_root: PathBuf,
        tasks: &Tasks,
    ) -> Result<Self, ServicesError> {
        let environment = Environment::system();
        let stad = stad_settings(settings, shadow_root)?;
        let gateway = ports(settings, password, "nogfsogwd").await?;
        let regd = ports(settings, password, "nogfsoregd").await?;
        let worker = ports(settings, password, "nogfsostad").await?;
        let connections = [&gateway, &regd, &worker].map(|ports| ports.connection.clone());
        nogfso_regd::start(
            regd.log,
            regd.bus,
            environment.clone(),
            nogfso_regd::Settings::default(),
            tasks,
        )
        .await
        .map_err(ServicesError::Regd)?;
        let instance =
            nogfso_stad::start(worker.log, worker.bus, environment.clone(), stad, tasks).await?;
        nogfso_gateway::start(
            gateway.log,
            gateway.bus,
            environment,
            nogfso_gateway::Settings::default(),
            tasks,
        )
        .await
        .map_err(ServicesError::Gateway)?;
        Ok(Self {
            worker: instance,
            connections,
        })
    }

    /// Closes the connections, after what is in hand was sent.
    pub async fn close(self) {
        let [gateway, regd, worker] = &self.connections;
        tokio::join!(gateway.close(), regd.close(), worker.close());
    }
}

async fn ports(
    settings: &Settings,
    password: &Password,
    name: &str,
) -> Result<Ports, ServicesError> {
    let connection = Connection::connect(&nogfso_jetstream::Settings {
        credentials: Credentials::UserAndPassword {
            user: SERVICE.to_owned(),
            password: password.reveal().to_owned(),
        },
        ..nogfso_jetstream::Settings::new(url(settings.listen), name)
    })
    .await?;
    Ports::open(connection, Replicas(1), &STREAMS)
        .await
        .map_err(ServicesError::Streams)
}

/// Connects as a person does, to be stamped as that person.
///
/// # Errors
///
/// Fails if the broker is not there or refuses the password.
pub async fn connect_as(settings: &Settings, person: &Person) -> Result<Connection, ConnectError> {
    Connection::connect(&nogfso_jetstream::Settings {
        credentials: Credentials::UserAndPassword {
            user: person.name.to_string(),
            password: person.password.reveal().to_owned(),
        },
        inbox_prefix: Some(inbox_prefix(&person.name)),
        ..nogfso_jetstream::Settings::new(url(settings.listen), "nogfso")
    })
    .await
}

fn stad_settings(
    settings: &Settings,
    shadow_root: PathBuf,
) -> Result<nogfso_stad::Settings, ServicesError> {
    let text = shadow_root.to_string_lossy();
    let shadow_root = HostPath::parse(&text).map_err(|source| ServicesError::ShadowRoot {
        path: shadow_root.clone(),
        source,
    })?;
    Ok(nogfso_stad::Settings {
        slots: settings.stad_slots,
        ack_wait_ms: ACK_WAIT_MS,
        ..nogfso_stad::Settings::new(
            settings.host.clone(),
            settings.prefixes.clone(),
            shadow_root,
        )
    })
}
