//! The rules one by one, and the loop on the in-memory journal.

mod asking;
mod chance;
#[expect(
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "the numbers of a model are small, and few of its many moves matter at one place"
)]
mod explore;
mod jobs;
mod planted;
mod rules;
mod running;
mod starting;
