//! The pure shapes of event sourcing: aggregates, versions, events, commits, the fold.
//!
//! Nothing here knows where commits are stored, what time it is, or what any aggregate decides.

mod aggregate;
mod fold;
mod stream;
mod version;

pub use aggregate::{Aggregate, Event, Recorded};
pub use fold::{Folded, fold_events};
pub use stream::{Keep, StreamSpec, matches};
pub use version::{CommitId, EventId, Expected, Position, Vid};

#[cfg(test)]
mod tests;
