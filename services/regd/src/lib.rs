//! The process managers: carry facts from one aggregate to the next.
//!
//! Each reaction is level-triggered: it looks at an aggregate and does what its state asks for, so repeats, reorderings and
//! restarts are harmless. regd decides nothing that a caller asked for; it follows. Any number of instances run side by side.

mod compaction;
pub mod config;
mod deferred;
mod feed;
mod open_lanes;
mod registryinit;
mod replicate;
mod repoinit;
mod results;
mod stores;
mod sweep;
pub mod wiring;

use std::sync::Arc;
use std::time::Duration;

use nogfso_bus::Bus;
use nogfso_contract::subjects::{self, REGISTRY_STREAM, REPO_STREAM, WORK_STREAM};
use nogfso_host::Tasks;
use nogfso_journal::reaction::{self, Parked, Reaction};
use nogfso_journal::{Environment, Log, again};

pub use config::Settings;

use compaction::Compaction;
use open_lanes::OpenLanes;
use stores::{Carry, Stores};
use sweep::Sweep;

#[cfg(test)]
mod tests;

/// Starts all reactions; returns when they run, however long a journal that does not answer is waited for. They run until
/// `tasks` are stopped, and finish what is in hand.
///
/// # Errors
///
/// Fails if main cannot be begun for a reason that stays, or if the journal refuses to tell what is parked.
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
    again("begin main", reaction::ReactError::is_transient, || {
        registryinit::begin_main(&carry)
    })
    .await?;
    parked
        .catch_up()
        .await
        .map_err(reaction::ReactError::permanent)?;
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
            Arc::new(results::Results::new(carry.clone())),
            WORK_STREAM,
            subjects::WORK_ALL,
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
    tend_lanes(&log, &bus, carry, settings, tasks);
    for stream in [REGISTRY_STREAM, REPO_STREAM, WORK_STREAM] {
        feed::start(&log, &bus, stream, tasks);
    }
    Ok(())
}

/// Sweeps the lanes and compacts their histories, beside the reactions.
fn tend_lanes(
    log: &Arc<dyn Log>,
    bus: &Arc<dyn Bus>,
    carry: Carry,
    settings: Settings,
    tasks: &Tasks,
) {
    let stop = tasks.stop();
    let lanes = Arc::new(OpenLanes::default());
    let (table, followed) = (Arc::clone(&lanes), Arc::clone(log));
    let until = stop.clone();
    tasks.spawn("open lanes", async move {
        table.keep_up(followed, until).await;
    });
    let sweep = Sweep::new(carry.clone(), Arc::clone(bus), lanes, settings.clone());
    tasks.spawn("sweep", sweep.run(stop.clone()));
    tasks.spawn(
        "compaction",
        Compaction::new(carry, settings).run(stop.clone()),
    );
}
