//! Objects: their ids, and trees as lists of entries.

use gix_object::tree::{EntryKind, name_order};
use gix_object::{Kind, TreeRefIter};
use sha1::{Digest, Sha1};

use crate::Oid;

/// What a tree entry is, in the terms of this format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryType {
    /// A text of ours, mode 100644.
    Record,
    /// A symbolic link, mode 120000.
    Link,
    /// A directory, mode 40000.
    Tree,
    /// Something this format has no use for, such as mode 100755.
    Foreign(u16),
}

impl EntryType {
    fn mode(self) -> u16 {
        match self {
            Self::Record => EntryKind::Blob as u16,
            Self::Link => EntryKind::Link as u16,
            Self::Tree => EntryKind::Tree as u16,
            Self::Foreign(mode) => mode,
        }
    }

    fn from_mode(mode: u16) -> Self {
        [Self::Record, Self::Link, Self::Tree]
            .into_iter()
            .find(|known| known.mode() == mode)
            .unwrap_or(Self::Foreign(mode))
    }
}

/// One entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) kind: EntryType,
    pub(crate) oid: Oid,
}

/// One entry of a tree that is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntryRef<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) kind: EntryType,
    pub(crate) oid: Oid,
}

impl EntryRef<'_> {
    pub(crate) fn to_owned(self) -> Entry {
        Entry {
            name: self.name.to_owned(),
            kind: self.kind,
            oid: self.oid,
        }
    }
}

/// The id of an object, and nothing else done with it.
pub(crate) fn id_of(kind: Kind, body: &[u8]) -> Oid {
    let mut hash = Sha1::new();
    hash.update(kind.as_bytes());
    hash.update(format!(" {}\0", body.len()));
    hash.update(body);
    Oid::Sha1(hash.finalize().into())
}

/// Reads the entries of a tree in bytewise order of their names; `None` if `body` is not a tree.
pub(crate) fn parse(body: &[u8]) -> Option<Vec<EntryRef<'_>>> {
    let mut entries = TreeRefIter::from_bytes(body, gix_hash::Kind::Sha1)
        .map(|entry| {
            entry.ok().map(|entry| EntryRef {
                name: entry.filename,
                kind: EntryType::from_mode(entry.mode.value()),
                oid: entry.oid.to_owned(),
            })
        })
        .collect::<Option<Vec<_>>>()?;
    entries.sort_unstable_by_key(|entry| entry.name);
    Some(entries)
}

/// Brings `entries` into git's order and gives the bytes of their tree.
pub(crate) fn serialise(entries: &mut [Entry]) -> Vec<u8> {
    let is_tree = |entry: &Entry| entry.kind == EntryType::Tree;
    entries.sort_unstable_by(|a, b| name_order(&a.name, is_tree(a), &b.name, is_tree(b)));
    debug_assert!(entries.windows(2).all(|pair| pair[0].name != pair[1].name));
    let mut body = Vec::with_capacity(entries.iter().map(|entry| entry.name.len() + 28).sum());
    for entry in entries {
        body.extend_from_slice(format!("{:o} ", entry.kind.mode()).as_bytes());
        body.extend_from_slice(&entry.name);
        body.push(0);
        body.extend_from_slice(entry.oid.as_slice());
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_in_gits_order_and_read_back_bytewise() {
        let oid = id_of(Kind::Blob, b"");
        let entry = |name: &str, kind| Entry {
            name: name.into(),
            kind,
            oid,
        };
        let mut entries = vec![
            entry("a", EntryType::Tree),
            entry("a0", EntryType::Link),
            entry("a.b", EntryType::Record),
        ];
        let body = serialise(&mut entries);
        let names: Vec<_> = entries.iter().map(|e| e.name.clone()).collect();
        assert_eq!(names, [b"a.b".to_vec(), b"a".to_vec(), b"a0".to_vec()]);
        let read: Vec<_> = parse(&body)
            .unwrap()
            .into_iter()
            .map(EntryRef::to_owned)
            .collect();
        assert_eq!(
            read,
            [entries[1].clone(), entries[0].clone(), entries[2].clone()]
        );
    }

    #[test]
    fn ids_are_those_of_git() {
        assert_eq!(
            id_of(Kind::Blob, b"").to_string(),
            "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
        );
        assert_eq!(
            id_of(Kind::Tree, b"").to_string(),
            "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
        );
    }
}
