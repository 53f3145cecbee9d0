//! `nogfso up`: the order in which everything starts and stops.
//!
//! Start: data folder, passwords, NATS server, services, roots, ready. Stop: services, then the server. Each phase has a limit
//! and a log line; a signal during the start leads to the same stop.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use nogfso_host::{DrainError, Tasks};
use nogfso_jetstream::JetStreamBus;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::accounts::{Accounts, SecretsError, UserName};
use crate::broker::configuration::{BrokerSettings, configuration};
use crate::broker::{
    Broker, BrokerError, BrokerFiles, KILL_LIMIT, Program, ProgramError, STOP_LIMIT,
};
use crate::config::Settings;
use crate::context::context;
use crate::folder::{Folder, FolderError, make_private};
use crate::private_file;
use crate::ready;
use crate::roots::adopt;
use crate::services::{Services, ServicesError, connect_as};
use crate::signals::Signals;

/// How long the services may take to finish or hand back what is in hand.
const SERVICES_STOP_LIMIT: Duration = Duration::from_secs(20);

/// Why `nogfso up` did not run, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum UpError {
    /// The data folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The passwords cannot be used.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// There is no usable server program.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The server does not start.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The services do not start.
    #[error(transparent)]
    Services(#[from] ServicesError),
    /// A context file cannot be written.
    #[error("{path} cannot be written")]
    Context {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Standard output or the signals do not work.
    #[error("the process cannot use its output or signals")]
    Process(#[from] io::Error),
    /// The services did not stop well.
    #[error("the services did not stop in order")]
    Drain(#[from] DrainError),
    /// A second signal came while everything was stopping.
    #[error("forced to stop")]
    Forced,
}

/// Runs everything until a signal comes or something vital fails. Writes to `out` a line for each adopted root, and the ready
/// message in one piece.
///
/// # Errors
///
/// See [`UpError`].
pub async fn run(settings: &Settings, out: &mut (impl Write + Send)) -> Result<(), UpError> {
    let mut signals = Signals::install()?;
    let folder = Folder::open(&settings.data)?;
    let accounts = Accounts::load(&folder.secrets(), &settings.users)?;
    let broker = broker(settings, &folder, &accounts).await?;
    write_contexts(settings, &folder, &accounts)?;

    let server = Tasks::default();
    let force = CancellationToken::new();
    let (ready, is_ready) = oneshot::channel();
    server.spawn(
        "nats-server",
        broker.keep(ready, server.stop().clone(), force.clone()),
    );
    let mut running = Running {
        settings,
        folder: &folder,
        accounts: &accounts,
        tasks: Tasks::default(),
        services: None,
    };
    let ran = tokio::select! {
        ran = running.run(is_ready, out) => ran,
        signal = signals.next() => {
            tracing::info!(signal, "stopping");
            Ok(())
        }
        () = server.stop().cancelled() => Err(UpError::Drain(DrainError::TaskFailed)),
    };
    let stop = async {
        let drained = running.stop().await;
        server.drain(STOP_LIMIT + KILL_LIMIT).await?;
        drained
    };
    let stopped = tokio::select! {
        stopped = stop => stopped,
        signal = signals.next() => {
            tracing::warn!(signal, "forced to stop");
            force.cancel();
            server.drain(KILL_LIMIT).await.ok();
            Err(UpError::Forced)
        }
    };
    ran.and(stopped)?;
    tracing::info!("Completed graceful shutdown.");
    Ok(())
}

/// What runs on the broker.
struct Running<'a> {
    settings: &'a Settings,
    folder: &'a Folder,
    accounts: &'a Accounts,
    tasks: Tasks,
    services: Option<Services>,
}

impl Running<'_> {
    /// Starts the services once the broker is ready, adopts the roots, and runs until a service fails.
    async fn run(
        &mut self,
        is_ready: oneshot::Receiver<Result<(), BrokerError>>,
        out: &mut (impl Write + Send),
    ) -> Result<(), UpError> {
        is_ready.await.unwrap_or(Err(BrokerError::Stopped))?;
        let shadow_root = match &self.settings.shadow_root {
            Some(path) => path.clone(),
            None => self.folder.shadow(),
        };
        make_private(&shadow_root)?;
        let password = &self.accounts.service;
        let services = tokio::select! {
            biased;
            // What waits for something must not outlast what it would work with.
            () = self.tasks.stop().cancelled() => {
                return Err(UpError::Drain(DrainError::TaskFailed));
            }
            started = Services::start(self.settings, password, shadow_root, &self.tasks) => started?,
        };
        let worker = services.worker.clone();
        self.services = Some(services);
        self.adopt(out).await?;
        out.write_all(ready::message(self.settings, self.folder, &worker).as_bytes())?;
        out.flush()?;
        self.tasks.stop().cancelled().await;
        Err(UpError::Drain(DrainError::TaskFailed))
    }

    async fn adopt(&self, out: &mut (impl Write + Send)) -> Result<(), UpError> {
        if self.settings.roots.is_empty() {
            return Ok(());
        }
        let connection = connect_as(self.settings, &self.accounts.operator)
            .await
            .map_err(ServicesError::from)?;
        let bus = JetStreamBus::new(connection.clone());
        for root in &self.settings.roots {
            match adopt(&bus, self.settings, root).await {
                Ok(line) => writeln!(out, "{line}")?,
                Err(error) => {
                    let (global, host_root) = (&root.global, &root.host_root);
                    tracing::error!(%global, %host_root, %error, "a root was not adopted");
                    writeln!(out, "{global} was not adopted: {error}")?;
                }
            }
            out.flush()?;
        }
        connection.close().await;
        Ok(())
    }

    /// Lets the services finish or hand back what is in hand.
    async fn stop(&mut self) -> Result<(), UpError> {
        let drained = self.tasks.drain(SERVICES_STOP_LIMIT).await;
        if let Some(services) = self.services.take() {
            services.close().await;
        }
        Ok(drained?)
    }
}

async fn broker(
    settings: &Settings,
    folder: &Folder,
    accounts: &Accounts,
) -> Result<Broker, UpError> {
    let program = Program::find(settings.nats_server.as_deref()).await?;
    let files = BrokerFiles {
        configuration: folder.broker_configuration(),
        pid: folder.broker_pid(),
        lock: folder.broker_lock(),
        log: folder.logs().join("nats-server.log"),
        output: folder.logs().join("nats-server.output"),
    };
    let text = configuration(
        &BrokerSettings {
            server_name: folder.server_name().to_owned(),
            listen: settings.listen,
            store: folder.broker_store(),
            pid: files.pid.clone(),
            log: files.log.clone(),
            store_gib_max: settings.store_gib_max,
        },
        accounts,
    );
    let identity = (folder.server_name().to_owned(), settings.listen);
    Ok(Broker::prepare(program, identity, text, files)?)
}

fn write_contexts(
    settings: &Settings,
    folder: &Folder,
    accounts: &Accounts,
) -> Result<(), UpError> {
    for person in accounts.people() {
        let path = if person.name == UserName::operator() {
            folder.operator_context()
        } else {
            folder.user_context(&person.name)
        };
        private_file::write(&path, &context(settings.listen, person))
            .map_err(|source| UpError::Context { path, source })?;
    }
    Ok(folder.forget_other_users(&settings.users)?)
}
