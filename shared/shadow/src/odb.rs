//! Reading what a shadow has recorded: loose objects and packs, with deltas after a `git gc`.

use std::path::Path;

use gix_object::{Find, Kind};

use crate::{Oid, tree};

/// Why recorded objects could not be read.
#[derive(Debug, thiserror::Error)]
pub enum OdbError {
    /// The object store cannot be opened.
    #[error("failed to open the objects of the shadow")]
    Open(#[source] std::io::Error),
    /// An object is missing, unreadable or not what it should be. Permanent, unless a `git gc` ran at that moment.
    #[error("object {oid} of the shadow is missing or damaged: {reason}")]
    Damaged {
        /// The object.
        oid: Oid,
        /// What the reader says.
        reason: String,
    },
}

/// Opens the objects of a shadow for one thread.
pub(crate) struct Odb {
    store: gix_odb::Handle,
}

impl Odb {
    pub(crate) fn open(git_dir: &Path) -> Result<Self, OdbError> {
        gix_odb::at(git_dir.join("objects"), gix_hash::Kind::Sha1)
            .map(|store| Self { store })
            .map_err(OdbError::Open)
    }

    /// Reads an object of the given kind into `buffer`, replacing what was there.
    pub(crate) fn read(&self, oid: Oid, kind: Kind, buffer: &mut Vec<u8>) -> Result<(), OdbError> {
        let damaged = |reason: String| OdbError::Damaged { oid, reason };
        let length = match self.store.try_find(&oid, buffer) {
            Ok(Some(object)) if object.kind == kind => object.data.len(),
            Ok(Some(object)) => return Err(damaged(format!("it is a {}", object.kind))),
            Ok(None) => return Err(damaged("not found".to_owned())),
            Err(error) => return Err(damaged(error.to_string())),
        };
        buffer.truncate(length);
        Ok(())
    }

    /// The tree of a commit.
    pub(crate) fn tree_of(&self, commit: Oid) -> Result<Oid, OdbError> {
        let mut buffer = Vec::new();
        self.read(commit, Kind::Commit, &mut buffer)?;
        buffer
            .strip_prefix(b"tree ")
            .and_then(|rest| Oid::from_hex(rest.get(..40)?).ok())
            .ok_or_else(|| damaged(commit, "a commit without a tree"))
    }
}

/// Reads the entries of a tree out of its bytes.
pub(crate) fn entries(oid: Oid, body: &[u8]) -> Result<Vec<tree::EntryRef<'_>>, OdbError> {
    tree::parse(body).ok_or_else(|| damaged(oid, "a tree that cannot be parsed"))
}

fn damaged(oid: Oid, reason: &str) -> OdbError {
    OdbError::Damaged {
        oid,
        reason: reason.to_owned(),
    }
}
