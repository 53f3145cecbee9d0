//! The tree of one directory in the making: entries that are known, and places for those of subdirectories.

use crate::Oid;
use crate::odb::OdbError;
use crate::tree::{Entry, EntryRef, EntryType};

/// The slot of a subdirectory whose outcome is of no interest.
pub(super) const DISCARDED: usize = usize::MAX;

/// The entries of a directory, old or new, until all its subdirectories are done.
pub(super) struct Slots {
    pub(super) is_top: bool,
    /// The recorded tree.
    recorded: Option<Oid>,
    changed: bool,
    slots: Vec<Slot>,
}

struct Slot {
    name: Vec<u8>,
    kind: EntryType,
    oid: Option<Oid>,
}

impl Slots {
    pub(super) fn new(is_top: bool, recorded: Option<Oid>) -> Self {
        Self {
            is_top,
            recorded,
            changed: false,
            slots: Vec::new(),
        }
    }

    /// Adds an entry; `changed` if it is not as recorded.
    pub(super) fn push(&mut self, name: Vec<u8>, kind: EntryType, oid: Oid, changed: bool) {
        self.changed |= changed;
        self.slots.push(Slot {
            name,
            kind,
            oid: Some(oid),
        });
    }

    /// Adds a recorded entry as it is.
    pub(super) fn keep(&mut self, entry: EntryRef<'_>) {
        self.push(entry.name.to_owned(), entry.kind, entry.oid, false);
    }

    /// Notes that a recorded entry is left out.
    pub(super) fn leave_out(&mut self) {
        self.changed = true;
    }

    /// Makes a place for a subdirectory, filled with its recorded tree, and returns its number.
    pub(super) fn reserve(&mut self, name: Vec<u8>, recorded: Option<Oid>) -> usize {
        self.slots.push(Slot {
            name,
            kind: EntryType::Tree,
            oid: recorded,
        });
        self.slots.len() - 1
    }

    /// Fills the place `slot` with the tree of its subdirectory; `None` if nothing of it is recorded.
    pub(super) fn fill(&mut self, slot: usize, tree: Option<Oid>) {
        if slot != DISCARDED && self.slots[slot].oid != tree {
            self.slots[slot].oid = tree;
            self.changed = true;
        }
    }

    /// The recorded tree, if that is still right; else what is in the new one.
    pub(super) fn settle(self) -> Result<Option<Oid>, Vec<Entry>> {
        if self.changed {
            Err(self.into_entries())
        } else {
            Ok(self.recorded)
        }
    }

    pub(super) fn into_entries(self) -> Vec<Entry> {
        self.slots
            .into_iter()
            .filter_map(|Slot { name, kind, oid }| {
                Some(Entry {
                    name,
                    kind,
                    oid: oid?,
                })
            })
            .collect()
    }
}

/// The recorded entries of a directory, of which each is claimed by what is on disk, or left over.
pub(super) struct Claims<'a> {
    entries: Vec<EntryRef<'a>>,
    claimed: Vec<bool>,
}

impl<'a> Claims<'a> {
    pub(super) fn on(tree: Option<Oid>, body: &'a [u8]) -> Result<Self, OdbError> {
        let entries = match tree {
            Some(tree) => crate::odb::entries(tree, body)?,
            None => Vec::new(),
        };
        Ok(Self {
            claimed: vec![false; entries.len()],
            entries,
        })
    }

    /// The recorded entry `name`, which is then no left-over.
    pub(super) fn claim(&mut self, name: &[u8]) -> Option<EntryRef<'a>> {
        let at = self
            .entries
            .binary_search_by_key(&name, |entry| entry.name)
            .ok()?;
        self.claimed[at] = true;
        Some(self.entries[at])
    }

    pub(super) fn into_left_over(self) -> impl Iterator<Item = EntryRef<'a>> {
        self.entries
            .into_iter()
            .zip(self.claimed)
            .filter_map(|(entry, claimed)| (!claimed).then_some(entry))
    }
}
