//! The sole place where adapters meet the gateway.

use anyhow::Context;
use nogfso_contract::subjects::STREAMS;
use nogfso_host::{DRAIN_LIMIT, Tasks};
use nogfso_jetstream::Ports;
use nogfso_journal::Environment;

use crate::config::Arguments;

/// Runs the gateway until told to stop.
///
/// # Errors
///
/// Fails if the server is not there, too old or configured otherwise, and if a drain does not end.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let server = arguments.server;
    let connection = server.connect("nogfsogwd").await?;
    let ports = Ports::open(connection.clone(), server.replicas(), &STREAMS)
        .await
        .context("the streams are not as they must be")?;
    let tasks = Tasks::default();
    crate::start(
        ports.log,
        ports.bus,
        Environment::system(),
        arguments.settings,
        &tasks,
    )
    .await?;
    tracing::info!("ready");
    tasks.until_stopped().await?;
    let drained = tasks.drain(DRAIN_LIMIT).await;
    connection.close().await;
    drained?;
    tracing::info!("Completed graceful shutdown.");
    Ok(())
}
