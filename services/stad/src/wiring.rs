//! The sole place where adapters meet the worker.

use anyhow::Context;
use nogfso_contract::subjects::STREAMS;
use nogfso_host::{DRAIN_LIMIT, Tasks};
use nogfso_jetstream::Ports;
use nogfso_journal::Environment;

use crate::config::Arguments;

/// Runs the worker until told to stop.
///
/// # Errors
///
/// Fails if a setting is wrong, if the server is not there, too old or configured otherwise, and if a drain does not end.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    arguments.settings.check()?;
    let server = arguments.server;
    let connection = server.connect("nogfsostad").await?;
    let ports = Ports::open(connection.clone(), server.replicas(), &STREAMS)
        .await
        .context("the streams are not as they must be")?;
    let tasks = Tasks::default();
    let instance = crate::start(
        ports.log,
        ports.bus,
        Environment::system(),
        arguments.settings,
        &tasks,
    )
    .await?;
    tracing::info!(%instance, "ready");
    tasks.until_stopped().await?;
    let drained = tasks.drain(DRAIN_LIMIT).await;
    connection.close().await;
    drained?;
    tracing::info!("Completed graceful shutdown.");
    Ok(())
}
