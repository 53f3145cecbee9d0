//! Answering queries.

mod events;
mod outcome;
mod registry;
mod repo;
mod workers;
