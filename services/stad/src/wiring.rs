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
    let tasks = Tasks::default();
    // Outlives a start that is broken off.
    let mut connection = None;
    let start = async {
        let connected = server.connect("nogfsostad").await?;
        connection = Some(connected.clone());
        let ports = Ports::open(connected, server.replicas(), &STREAMS)
            .await
            .context("the streams are not as they must be")?;
        let instance = crate::start(
            ports.log,
            ports.bus,
            Environment::system(),
            arguments.settings,
            &tasks,
        )
        .await?;
        tracing::info!(%instance, "ready");
        anyhow::Ok(())
    };
    tasks.run(start).await?;
    let drained = tasks.drain(DRAIN_LIMIT).await;
    if let Some(connection) = connection {
        connection.close().await;
    }
    drained?;
    tracing::info!("Completed graceful shutdown.");
    Ok(())
}
