//! Both ports on one connection, as a service needs them.

use std::sync::Arc;
use std::time::Duration;

use nogfso_bus::Bus;
use nogfso_journal::log::ReadFault;
use nogfso_journal::{Log, again};
use nogfso_kernel::StreamSpec;
use tokio::time::timeout;

use crate::bus::JetStreamBus;
use crate::connection::Connection;
use crate::log::{JetStreamLog, Replicas};

/// How long a server that does not answer is asked for its streams. A new cluster makes them slowly, and elects meanwhile; one
/// that is not set up for JetStream never answers, which must come to light.
const STREAMS_PATIENCE: Duration = Duration::from_secs(60);

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
    /// Refuses streams that are configured otherwise, and says what to change; fails after the minute.
    pub async fn open(
        connection: Connection,
        replicas: Replicas,
        streams: &[StreamSpec],
    ) -> Result<Self, ReadFault> {
        let log = JetStreamLog::new(connection.clone(), replicas);
        let looking = again("look at the streams", ReadFault::is_transient, || {
            log.ensure_streams(streams)
        });
        match timeout(STREAMS_PATIENCE, looking).await {
            Ok(ensured) => ensured?,
            Err(_elapsed) => {
                let seconds = STREAMS_PATIENCE.as_secs();
                let reason = format!("the streams could not be looked at within {seconds} s");
                return Err(ReadFault::Unavailable { reason });
            }
        }
        Ok(Self {
            log: Arc::new(log),
            bus: Arc::new(JetStreamBus::new(connection.clone())),
            connection,
        })
    }
}
