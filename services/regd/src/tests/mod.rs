//! Reactions on the in-memory journal: alone on a state, twice, broken off in between, and all together.

mod carrying;
mod compacting;
mod deferring;
mod results;
mod sweeping;
mod together;
mod world;
