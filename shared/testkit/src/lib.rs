//! What tests need and no crate should write for itself: real NATS servers, the lines to
//! them, our own programs as processes, and waiting for a condition with a deadline.
//!
//! Everything here cleans up after itself: folders, ports and processes end with the value that
//! owns them, with a panicking test, and with a test process that is killed. Nothing is ever
//! skipped: what is missing on the machine fails the test and says what to do. What a test asserts
//! is left to the test.

mod child;
mod cluster;
pub mod given;
mod nats_server;
mod port;
mod process;
mod program;
mod proxy;
mod scale;
mod wait;

pub use cluster::{CLUSTER_NODE_COUNT, Cluster};
pub use nats_server::{NatsServer, NatsSettings, SyncInterval};
pub use port::Port;
pub use process::Process;
pub use program::{binary, nats_server_program, workspace_root};
pub use proxy::Proxy;
pub use rustix::process::Signal;
pub use scale::{is_full, wished};
pub use wait::{Outcome, wait_until, wait_until_blocking};
