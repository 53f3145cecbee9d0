//! The process managers: carry facts from one aggregate to the next.
//!
//! Each reaction is level-triggered: it looks at an aggregate and does what its state asks for, so repeats, reorderings and
//! restarts are harmless. regd decides nothing that a caller asked for; it follows. Any number of instances run side by side.

pub mod config;
mod feed;
mod registryinit;
mod replicate;
mod repoinit;
mod results;
mod stores;
pub mod wiring;

use std::sync::Arc;
use std::time::Duration;

use nogfso_bus::Bus;
use nogfso_contract::subjects::{self, REGISTRY_STREAM, REPO_STREAM, WORK_STREAM};
use nogfso_host::Tasks;
use nogfso_journal::reaction::{self, Parked, Reaction};
use nogfso_journal::{Environment, Log};

pub use config::Settings;

use stores::{Carry, Stores};

#[cfg(test)]
mod tests;

/// Starts all reactions; returns when they run. They run until `tasks` are stopped, and finish what is in hand.
///
/// # Errors
///
/// Fails if main cannot be begun.
pub async fn start(
    log: Arc<dyn Log>,
    bus: Arc<dyn Bus>,
    environment: Environment,
    settings: Settings,
    tasks: &Tasks,
) -> Result<(), reaction::ReactError> {
    let parked = Parked::new(Arc::clone(&log), environment.clone());
    let carry = Carry {
        stores: Stores::new(&log, &environment),
        parked: parked.clone(),
    };
    registryinit::begin_main(&carry).await?;
    let table = parked.clone();
    let stop = tasks.stop().clone();
    tasks.spawn("parked entries", async move { table.keep_up(stop).await });
    let reactions: [(Arc<dyn Reaction>, &'static str, &str); 4] = [
        (
            Arc::new(registryinit::RegistryInit::new(carry.clone())),
            REGISTRY_STREAM,
            subjects::MAIN,
        ),
        (
            Arc::new(repoinit::RepoInit::new(carry.clone())),
            REGISTRY_STREAM,
            "fso.ev.*.registry.*",
        ),
        (
            Arc::new(replicate::Replicate::new(carry.clone())),
            REPO_STREAM,
            "fso.ev.*.repo.*",
        ),
        (
            Arc::new(results::Results::new(carry)),
            WORK_STREAM,
            "fso.ev.*.work.*.*.*",
        ),
    ];
    for (reaction, stream, filter) in reactions {
        let run = reaction::run(
            Arc::clone(&log),
            environment.clone(),
            parked.clone(),
            Arc::clone(&reaction),
            reaction::Settings {
                stream,
                filters: vec![filter.to_owned()],
                ack_wait: Duration::from_millis(settings.ack_wait_ms),
                concurrent_max: settings.concurrent_max,
            },
            tasks.stop().clone(),
        );
        tasks.spawn_vital(reaction.name(), run);
    }
    for stream in [REGISTRY_STREAM, REPO_STREAM, WORK_STREAM] {
        feed::start(&log, &bus, stream, tasks);
    }
    Ok(())
}
