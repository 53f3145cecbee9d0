//! The journal: commits on subjects, guarded; folds of them; reactions to them.
//!
//! [`Log`] is the port, with two implementations that pass one contract suite: JetStream (crate `jetstream`) and
//! [`memory::MemoryLog`], which is for tests and simulation only. Everything above the port is here once: the envelope
//! with its chain, the append policy, typed stores, reactions with parking.

mod again;
pub mod append;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod envelope;
mod environment;
pub mod log;
pub mod memory;
pub mod reaction;
pub mod store;
#[cfg(test)]
mod tally;

pub use again::again;
pub use envelope::{
    COMMIT_BYTES_MAX, COMMIT_EVENTS_MAX, Cause, CommandStamp, Commit, ENVELOPE_VERSION, Envelope,
    EnvelopeError, Hash, Previous, StoredEvent, commit_id,
};
pub use environment::{Clock, Environment, Ids, RandomIds, SystemClock};
pub use log::Log;
pub use store::{By, ExecuteError, LoadError, Loaded, Outcome, Store};
