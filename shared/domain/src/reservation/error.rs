//! Why commands on an id are refused, and how its history can be broken.

/// Why a command on an id was refused. The caller's to handle; never retried as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReservationRefusal {
    /// It was given to something else.
    #[error("id already in use")]
    Taken,
}

/// An event that cannot follow what happened before; the history must not be used further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{event} cannot follow: {why}")]
pub struct BrokenReservation {
    /// The wire name of the event.
    pub event: &'static str,
    /// What stands against it.
    pub why: &'static str,
}
