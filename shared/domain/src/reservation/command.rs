//! What an id can be asked.

use super::Holder;

/// A command on an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReservationCommand {
    /// Gives the id away; harmless when repeated for the same holder.
    Reserve(Holder),
}
