//! Deployments from their start to their end on the in-memory journal, with the runtime's time paused.

mod acting;
mod crashes;
mod errors;
mod fencing;
mod forward;
mod journal;
mod line;
mod listing;
mod operators;
mod retries;
mod rollback;
mod steering;
mod undo;
mod versions;
mod workers;
mod world;
