//! The sole place where adapters meet the worker.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use nogfso_bus::Bus;
use nogfso_contract::subjects::STREAMS;
use nogfso_host::Tasks;
use nogfso_jetstream::{JetStreamBus, JetStreamLog};
use nogfso_journal::{Environment, Log};

use crate::config::Arguments;

/// How long a stop may take.
const DRAIN_LIMIT: Duration = Duration::from_secs(20);

/// Runs a worker until it is told to stop.
///
/// # Errors
///
/// Fails if a setting is wrong, if the server is not there, too old or configured otherwise, and if a drain does not end.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    arguments.settings.check()?;
    let connection = arguments.server.connect("nogfsostad").await?;
    let log: Arc<dyn Log> = Arc::new(JetStreamLog::new(
        connection.clone(),
        arguments.server.replicas(),
    ));
    log.ensure_streams(&STREAMS)
        .await
        .context("the streams are not as they must be")?;
    let bus: Arc<dyn Bus> = Arc::new(JetStreamBus::new(connection.clone()));
    let tasks = Tasks::default();
    let instance =
        crate::start(log, bus, Environment::system(), arguments.settings, &tasks).await?;
    tracing::info!(%instance, "ready");
    tokio::select! {
        signal = nogfso_host::stop_signal() => tracing::info!(signal = signal?, "stops"),
        () = tasks.stop().cancelled() => {}
    }
    let drained = tasks.drain(DRAIN_LIMIT).await;
    connection.close().await;
    drained?;
    tracing::info!("Completed graceful shutdown.");
    Ok(())
}
