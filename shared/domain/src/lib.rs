//! The aggregates: what is decided about main, registries, repos and their work, and how histories fold.
//!
//! Everything here is pure: no clock, no randomness, no I/O. Who asks, where commits are stored and who reacts to
//! them is left to the services and the journal.

pub mod main_list;
pub mod operation;
pub mod registry;
pub mod repo;
pub mod reservation;
pub mod tier;
pub mod work;

#[cfg(test)]
mod laws;

/// Whether a counter of an event is absent from its wire form.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
