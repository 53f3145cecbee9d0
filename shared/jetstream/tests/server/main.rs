//! The journal and the bus on real servers, each test with one of its own.

mod bus;
mod cluster;
mod connection;
mod log;
mod lost;
mod oddities;

use std::time::Duration;

use nogfso_jetstream::{Connection, Settings};
use nogfso_testkit::NatsServer;

/// Far above what anything here takes.
const DEADLINE: Duration = Duration::from_secs(20);

async fn connect(server: &NatsServer) -> Connection {
    Connection::connect(&Settings::new(server.url(), "test"))
        .await
        .expect("the server takes the connection")
}
