//! Global paths as keys of persistent maps.

use std::borrow::Borrow;
use std::sync::Arc;

use nogfso_ids::GlobalPath;

/// A shared global path, ordered and compared as its text.
///
/// Shared, because a persistent map copies the keys of a whole node when it changes one of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PathKey(Arc<GlobalPath>);

impl PathKey {
    pub(super) fn new(path: &GlobalPath) -> Self {
        Self(Arc::new(path.clone()))
    }
}

/// `GlobalPath` compares as its text does, as [`Borrow`] demands.
impl Borrow<str> for PathKey {
    fn borrow(&self) -> &str {
        self.0.as_str()
    }
}
