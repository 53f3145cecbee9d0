//! Both ports on one connection, as a service needs them.

use std::sync::Arc;

use nogfso_bus::Bus;
use nogfso_journal::Log;
use nogfso_journal::log::ReadFault;
use nogfso_kernel::StreamSpec;

use crate::bus::JetStreamBus;
use crate::connection::Connection;
use crate::log::{JetStreamLog, Replicas};

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
    /// Opens both, and makes sure that the streams exist as described.
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
        log.ensure_streams(streams).await?;
        Ok(Self {
            log: Arc::new(log),
            bus: Arc::new(JetStreamBus::new(connection.clone())),
            connection,
        })
    }
}
