//! What the history of an id amounts to.

use nogfso_ids::RegistryName;

use super::IdKind;

/// What the history of an id amounts to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Reservation {
    /// Nobody asked for it.
    #[default]
    Free,
    /// It is given away, for ever.
    Held(Holder),
}

/// What an id is given to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// What it may be the id of.
    pub kind: IdKind,
    /// Where.
    pub registry: RegistryName,
}
