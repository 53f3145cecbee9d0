//! Running deployments: what a runner does between two commits.

mod blobs;
mod drive;
mod lease;
mod reports;
mod serving;
mod supervise;
mod values;

pub(crate) use blobs::Blobs;
pub use blobs::VALUE_BYTES_MAX;
pub use drive::{Driven, Runner, WAIT_IN_SLOT_MAX};
pub(crate) use lease::HeldLease;
pub use lease::{Lease, LeaseError, LeaseNews};
pub use supervise::STOP_GRACE;
pub use values::INLINE_BYTES_MAX;
pub(crate) use values::Values;

#[cfg(test)]
mod tests;
