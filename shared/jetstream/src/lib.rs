//! The one crate that knows NATS: how the journal and the bus stand on a server.
//!
//! [`JetStreamLog`] and [`JetStreamBus`] decide nothing of their own: they say what a server answered to one attempt, in
//! the words of the ports `journal` and `bus`. What is asked of JetStream goes over its API subjects as plain requests,
//! because the numeric error codes, batched reads and exact leases matter and the client library hides or lacks them.

mod api;
mod arguments;
mod bus;
mod connection;
mod context;
mod log;
mod ports;
mod subject;
mod version;

pub use arguments::ServerArguments;
pub use bus::JetStreamBus;
pub use connection::{ConnectError, Connection, Credentials, Settings};
pub use context::{ContextError, ContextFolders};
pub use log::{JetStreamLog, Replicas};
pub use ports::Ports;
pub use version::{SERVER_VERSION_MIN, ServerVersion};
