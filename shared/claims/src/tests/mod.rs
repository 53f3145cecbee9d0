//! The rules one by one, and the loop on the in-memory journal.

mod jobs;
mod rules;
mod running;
