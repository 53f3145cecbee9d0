//! The process round a service: settings, logs, tasks, drain.
//!
//! A service starts in phases and stops in phases; each has a limit and a log line. A task that panics ends the process: a bug
//! is never caught to carry on.

pub mod logging;
pub mod settings;
mod tasks;

pub use tasks::{DRAIN_LIMIT, DrainError, Tasks};

use tokio::signal::unix::{SignalKind, signal};

/// Waits for SIGTERM or SIGINT and says which one came.
///
/// # Errors
///
/// Fails if the handlers cannot be installed.
pub async fn stop_signal() -> std::io::Result<&'static str> {
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        biased;
        _ = term.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}
