//! What the history of the main list amounts to.

use imbl::{OrdMap, OrdSet, Vector};
use nogfso_ids::RegistryName;

/// How many registries an installation can have.
pub const REGISTRIES_MAX: usize = 10_000;

/// What the history of the main list amounts to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum MainList {
    /// Nothing has happened yet.
    #[default]
    Absent,
    /// The list exists.
    Known(KnownMainList),
}

/// A list that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownMainList {
    pub(super) name: RegistryName,
    pub(super) in_order: Vector<RegistryName>,
    pub(super) confirmed: OrdMap<RegistryName, bool>,
    pub(super) pending: OrdSet<RegistryName>,
}

/// One registry of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedRegistry<'a> {
    /// Its name.
    pub name: &'a RegistryName,
    /// Whether its own history has begun.
    pub confirmed: bool,
}

impl MainList {
    /// The list, if it exists.
    #[must_use]
    pub fn known(&self) -> Option<&KnownMainList> {
        match self {
            Self::Absent => None,
            Self::Known(list) => Some(list),
        }
    }

    /// All registries in the order of their acceptance; none if the list does not exist.
    pub fn registries(&self) -> impl Iterator<Item = ListedRegistry<'_>> {
        self.known().into_iter().flat_map(KnownMainList::registries)
    }

    /// The registries that were accepted and are not confirmed, by name.
    pub fn pending(&self) -> impl Iterator<Item = &RegistryName> {
        self.known().into_iter().flat_map(|list| &list.pending)
    }
}

impl KnownMainList {
    pub(super) fn new(name: RegistryName) -> Self {
        Self {
            name,
            in_order: Vector::new(),
            confirmed: OrdMap::new(),
            pending: OrdSet::new(),
        }
    }

    /// The name of the list; one of the same form as those of registries.
    #[must_use]
    pub fn name(&self) -> &RegistryName {
        &self.name
    }

    /// All registries in the order of their acceptance.
    pub fn registries(&self) -> impl Iterator<Item = ListedRegistry<'_>> {
        self.in_order.iter().filter_map(|name| self.registry(name))
    }

    /// The registry of that name.
    #[must_use]
    pub fn registry(&self, name: &RegistryName) -> Option<ListedRegistry<'_>> {
        let (name, confirmed) = self.confirmed.get_key_value(name)?;
        Some(ListedRegistry {
            name,
            confirmed: *confirmed,
        })
    }

    /// How many registries there are, confirmed or not.
    #[must_use]
    pub fn registry_count(&self) -> usize {
        self.in_order.len()
    }
}
