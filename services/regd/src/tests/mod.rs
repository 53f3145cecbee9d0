//! Reactions on the in-memory journal: alone on a state, twice, broken off in between, and all together.

mod carrying;
mod results;
mod together;
mod world;
