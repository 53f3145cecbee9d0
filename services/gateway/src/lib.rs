//! The gateway: takes commands and queries, says who may, decides, appends, answers.
//!
//! It decides about registries, repos and requests for work; what follows from its commits is left to regd and the workers.
//! Any number of gateways run side by side; none keeps anything that another needs.

mod ask;
mod caller;
mod command;
pub mod config;
mod listing;
mod presence;
mod query;
mod refusal;
mod routes;
mod server;
mod stores;
mod watch;
pub mod wiring;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use nogfso_bus::{Bus, BusError};
use nogfso_contract::{Code, Failure, subjects};
use nogfso_host::Tasks;
use nogfso_ids::RepoId;
use nogfso_journal::reaction::Parked;
use nogfso_journal::{Environment, Log, again};

pub use config::Settings;

use stores::FoundRepo;

#[cfg(test)]
mod tests;

/// How long a repo that was just accepted may take to begin.
const BEGIN_PATIENCE: Duration = Duration::from_secs(2);

/// How long a starting gateway waits for what is parked.
const PARKED_PATIENCE: Duration = Duration::from_secs(15);

/// What a gateway works with; shared by all requests.
struct Gateway {
    log: Arc<dyn Log>,
    bus: Arc<dyn Bus>,
    environment: Environment,
    settings: Settings,
    stores: stores::Stores,
    watch: watch::Watch,
    workers: presence::Workers,
    parked: Parked,
    stop: CancellationToken,
}

/// Starts a gateway; returns when it takes requests, however long a bus that is away is waited for. It runs until `tasks` are
/// stopped, and finishes what is in hand.
///
/// # Errors
///
/// Fails if the bus refuses its endpoints.
pub async fn start(
    log: Arc<dyn Log>,
    bus: Arc<dyn Bus>,
    environment: Environment,
    settings: Settings,
    tasks: &Tasks,
) -> Result<(), BusError> {
    let gateway = Arc::new(Gateway {
        stores: stores::Stores::new(&log, &environment),
        watch: watch::Watch::new(tasks.stop().clone()),
        stop: tasks.stop().clone(),
        workers: presence::Workers::default(),
        parked: Parked::new(Arc::clone(&log), environment.clone()),
        log,
        bus,
        environment,
        settings,
    });
    watch::follow(&gateway, tasks);
    again("listen to workers", BusError::is_transient, || {
        presence::follow(&gateway, tasks)
    })
    .await?;
    let parked = gateway.parked.clone();
    match timeout(PARKED_PATIENCE, parked.catch_up()).await {
        Ok(Ok(())) => {}
        Ok(Err(fault)) => tracing::warn!(%fault, "what is parked cannot be told"),
        // The other commands are taken all the same; the task below goes on with these.
        Err(_elapsed) => tracing::warn!("what is parked is told as soon as it can be read"),
    }
    let stop = tasks.stop().clone();
    tasks.spawn("parked entries", async move { parked.keep_up(stop).await });
    again("take requests", BusError::is_transient, || {
        server::serve(&gateway, tasks)
    })
    .await
}

impl Gateway {
    /// A repo that exists. One that was accepted a moment ago is waited for until its history has begun.
    async fn known_repo(&self, id: RepoId) -> Result<FoundRepo, Failure> {
        let first = self.stores.known_repo(id).await;
        let (Err(failure), Some(registry)) = (&first, self.stores.accepted_by(id)) else {
            return first;
        };
        if failure.code != Code::NotFound {
            return first;
        }
        let mut waiting = self
            .watch
            .wait(&subjects::repo(&registry, id), BEGIN_PATIENCE)?;
        loop {
            let found = self.stores.known_repo(id).await;
            if found.is_ok() || !waiting.next().await {
                return found;
            }
        }
    }
}
