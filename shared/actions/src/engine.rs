//! Everything together, for programs that run actions on a journal.

use std::sync::Arc;

use nogfso_bus::Bus;
use nogfso_journal::log::ReadFault;
use nogfso_journal::reaction::TIMER_STREAM;
use nogfso_journal::store::Store;
use nogfso_journal::{Environment, Log};
use nogfso_kernel::{Keep, StreamSpec};

use crate::client::Client;
use crate::deployment::Deployments;
use crate::job::Resources;
use crate::layout::Layout;
use crate::registry::Registry;
use crate::run::{Blobs, Runner, Values};
use crate::standalone::{Worker, WorkerSettings};
use crate::waiting::Waiting;

/// The stream of alarms.
const TIMERS: StreamSpec = StreamSpec {
    name: TIMER_STREAM,
    subjects: &["fso.timer.>", "fso.alarm.>"],
    keep: Keep::Schedules,
};

/// A journal and the actions of one program on it.
pub struct Engine<R> {
    store: Arc<Store<Deployments>>,
    layout: Arc<Layout>,
    registry: Arc<Registry<R>>,
    values: Values,
    waiting: Arc<Waiting>,
}

impl<R: Resources> Engine<R> {
    /// The actions of `registry` on the journal `log`.
    #[must_use]
    pub fn new(
        log: Arc<dyn Log>,
        environment: Environment,
        layout: Layout,
        registry: Registry<R>,
    ) -> Self {
        let blobs = Blobs {
            log: Arc::clone(&log),
            prefix: layout.blob_prefix.clone(),
        };
        let store = Arc::new(Store::new(log, environment));
        let layout = Arc::new(layout);
        Self {
            waiting: Arc::new(Waiting::new(Arc::clone(&store), Arc::clone(&layout))),
            store,
            layout,
            registry: Arc::new(registry),
            values: Values { blobs },
        }
    }

    /// Makes sure that all streams are there (spec 2.16). Harmless to repeat; touches nothing that is stored.
    ///
    /// # Errors
    ///
    /// Refuses a stream that is configured otherwise, and says what to change.
    pub async fn ensure(&self) -> Result<(), ReadFault> {
        let mut streams = self.layout.streams.to_vec();
        streams.push(self.layout.blob_stream);
        streams.push(TIMERS);
        self.store.log().ensure_streams(&streams).await
    }

    /// Starts deployments, and commands them.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(
            Arc::clone(&self.store),
            Arc::clone(&self.layout),
            Arc::clone(&self.registry) as _,
            self.values.clone(),
            Arc::clone(&self.waiting),
        )
    }

    /// Runs deployments under leases that a host has got by itself.
    #[must_use]
    pub fn runner(&self, resources: Arc<R>) -> Runner<R> {
        Runner::new(
            Arc::clone(&self.registry),
            resources,
            self.values.clone(),
            self.store.environment().clone(),
        )
    }

    /// A worker that claims deployments by itself.
    #[must_use]
    pub fn worker(
        &self,
        resources: Arc<R>,
        bus: Arc<dyn Bus>,
        settings: WorkerSettings,
    ) -> Worker<R> {
        self.waiting.note_worker();
        Worker::new(
            Arc::new(self.runner(resources)),
            Arc::clone(&self.store),
            bus,
            Arc::clone(&self.layout),
            settings,
        )
    }

    /// The subject of a deployment.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn subject(&self, id: crate::DeploymentId) -> String {
        self.layout.subject(id)
    }

    /// The deployments.
    #[must_use]
    pub fn store(&self) -> &Arc<Store<Deployments>> {
        &self.store
    }
}
