//! The private NATS server: its configuration, finding its program, starting, keeping and stopping it.
//!
//! Two servers never share a folder: a server holds the folder's lock for as long as it lives, by its standard input, even when
//! the process that started it was killed. The next start finds the lock busy and attaches to that server if it is what would
//! be started, or else stops it. What is said over the broker is not decided here, only who may say it.

pub mod configuration;
mod greeting;
mod holder;
mod program;
mod server;

pub use program::{FLOOR, Program, ProgramError, Version};
pub use server::{Broker, BrokerError, BrokerFiles, KILL_LIMIT, STOP_LIMIT};
