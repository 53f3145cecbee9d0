//! What the main list can be asked to do.

use nogfso_ids::RegistryName;

/// A command on the main list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MainListCommand {
    /// Begins the list; harmless when repeated with the same name.
    Init {
        /// The name of the list.
        name: RegistryName,
    },
    /// Accepts a registry; harmless when it is listed.
    InitRegistry {
        /// The name of the registry.
        name: RegistryName,
    },
    /// Says that the registry's own history has begun; harmless when repeated.
    ConfirmRegistry {
        /// The name of the registry.
        name: RegistryName,
    },
}
