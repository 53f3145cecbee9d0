//! The sole place where adapters meet the reactions.

use anyhow::Context;
use nogfso_contract::subjects::STREAMS;
use nogfso_host::{DRAIN_LIMIT, Tasks};
use nogfso_jetstream::Ports;
use nogfso_journal::Environment;

use crate::config::Arguments;

/// Runs the reactions until told to stop.
///
/// # Errors
///
/// Fails if the server is not there, too old or configured otherwise, and if a drain does not end.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let server = arguments.server;
    let tasks = Tasks::default();
    // Outlives a start that is broken off.
    let mut connection = None;
    let start = async {
        let connected = server.connect("nogfsoregd").await?;
        connection = Some(connected.clone());
        let ports = Ports::open(connected, server.replicas(), &STREAMS)
            .await
            .context("the streams are not as they must be")?;
        crate::start(
            ports.log,
            ports.bus,
            Environment::system(),
            arguments.settings,
            &tasks,
        )
        .await?;
        tracing::info!("ready");
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
