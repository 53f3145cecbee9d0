//! Both ports on one connection, as a service needs them.

use std::sync::Arc;
use std::time::Duration;

use nogfso_bus::Bus;
use nogfso_journal::Log;
use nogfso_journal::log::ReadFault;
use nogfso_kernel::StreamSpec;
use tokio::time::{Instant, sleep};

use crate::bus::JetStreamBus;
use crate::connection::Connection;
use crate::log::{JetStreamLog, Replicas};

/// How long a server that does not answer is asked for its streams. A new cluster makes them slowly, and elects meanwhile.
const STREAMS_PATIENCE: Duration = Duration::from_secs(60);
const STREAMS_PAUSE: Duration = Duration::from_millis(250);

/// The journal and the bus of one service.
#[derive(Clone)]
pub struct Ports {
    /// What both stand on; to be closed at the end.
    pub connection: Connection,
    /// The journal.
    pub log: Arc<dyn Log>,
    /// The bus.
    pub bus: Arc<dyn Bus>,
}

impl Ports {
    /// Opens both, and makes sure that the streams exist as described. Waits a minute for a server that does not answer.
    ///
    /// # Errors
    ///
    /// Refuses streams that are configured otherwise, and says what to change.
    pub async fn open(
        connection: Connection,
        replicas: Replicas,
        streams: &[StreamSpec],
    ) -> Result<Self, ReadFault> {
        let log = JetStreamLog::new(connection.clone(), replicas);
        let deadline = Instant::now() + STREAMS_PATIENCE;
        loop {
            match log.ensure_streams(streams).await {
                Err(fault @ ReadFault::Unavailable { .. }) if Instant::now() < deadline => {
                    tracing::warn!(%fault, "cannot look at the streams yet");
                    sleep(STREAMS_PAUSE).await;
                }
                ensured => break ensured?,
            }
        }
        Ok(Self {
            log: Arc::new(log),
            bus: Arc::new(JetStreamBus::new(connection.clone())),
            connection,
        })
    }
}
