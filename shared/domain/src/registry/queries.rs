//! What can be read from a registry's state.

use std::ops::Bound;

use imbl::OrdMap;
use nogfso_ids::{GlobalPath, RegistryName, RepoId, SubdirTracking};

use super::path_key::PathKey;
use super::{KnownRegistry, Permit, RegisteredRepo, RegistryRefusal, Root};
use crate::tier::StorageTier;

impl KnownRegistry {
    pub(super) fn new(name: RegistryName) -> Self {
        Self {
            name,
            roots: OrdMap::new(),
            repos: OrdMap::new(),
            path_by_id: OrdMap::new(),
            pending: OrdMap::new(),
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &RegistryName {
        &self.name
    }

    /// How many roots there are.
    #[must_use]
    pub fn root_count(&self) -> usize {
        self.roots.len()
    }

    /// How many repos there are, confirmed or not.
    #[must_use]
    pub fn repo_count(&self) -> usize {
        self.repos.len()
    }

    /// All roots, sorted by global path.
    pub fn roots(&self) -> impl Iterator<Item = &Root> {
        self.roots.values().map(AsRef::as_ref)
    }

    /// The root at exactly that path.
    #[must_use]
    pub fn root(&self, global_root: &GlobalPath) -> Option<&Root> {
        self.roots.get(global_root.as_str()).map(AsRef::as_ref)
    }

    /// The root that covers `path`: the longest of those equal to it or above it.
    #[must_use]
    pub fn root_of(&self, path: &GlobalPath) -> Option<&Root> {
        upwards(path).find_map(|at| self.roots.get(at).map(AsRef::as_ref))
    }

    /// The repo at exactly that path.
    #[must_use]
    pub fn repo_at(&self, path: &GlobalPath) -> Option<&RegisteredRepo> {
        self.repos.get(path.as_str()).map(AsRef::as_ref)
    }

    /// The repo of that id.
    #[must_use]
    pub fn repo(&self, id: RepoId) -> Option<&RegisteredRepo> {
        self.repo_by_key(self.path_by_id.get(&id)?)
    }

    /// The repos equal to or below `prefix` (all, without one), sorted by global path, behind `after`.
    ///
    /// A page of at most `limit`; the path of its last repo is the `after` of the next page.
    pub fn repos(
        &self,
        prefix: Option<&GlobalPath>,
        after: Option<&GlobalPath>,
        limit: usize,
    ) -> impl Iterator<Item = &RegisteredRepo> {
        // Names like `/a-b` sort between `/a` and `/a/b`, so what lies at the prefix and what lies below it are two runs.
        let at_prefix = prefix
            .filter(|prefix| after.is_none_or(|after| after < prefix))
            .and_then(|prefix| self.repo_at(prefix));
        let below = prefix.map_or_else(String::new, |prefix| format!("{prefix}/"));
        let from = match after {
            Some(after) if after.as_str() >= below.as_str() => Bound::Excluded(after.as_str()),
            Some(_) | None => Bound::Included(below.as_str()),
        };
        let run = self.repos.range::<_, str>((from, Bound::Unbounded));
        at_prefix
            .into_iter()
            .chain(
                run.map(|(_, repo)| repo.as_ref())
                    .take_while(move |repo| repo.global_path.as_str().starts_with(&below)),
            )
            .take(limit)
    }

    /// The repos that were accepted and are not confirmed, by id.
    pub fn pending(&self) -> impl Iterator<Item = &RegisteredRepo> {
        self.pending
            .values()
            .filter_map(|key| self.repo_by_key(key))
    }

    /// How many repos were accepted and are not confirmed.
    #[must_use]
    pub fn pending_count(&self) -> usize {
        self.pending.len()
    }

    /// What a repo at `path` would record of its subdirectories. The one place where init policies will count.
    #[must_use]
    pub fn tracking_for(&self, _path: &GlobalPath) -> SubdirTracking {
        SubdirTracking::EnterSubdirs
    }

    /// What the file host has to be asked before a repo can be accepted at `path`.
    ///
    /// Does not look at what is at `path` itself.
    ///
    /// # Errors
    ///
    /// Refuses a path that no root covers, that is too long on its host, or whose nearest ancestor repo is not online.
    pub fn evaluate(&self, path: &GlobalPath) -> Result<Permit, RegistryRefusal> {
        let root = self.root_of(path).ok_or(RegistryRefusal::UnknownRoot)?;
        let host_path = path
            .relative_to(&root.global_root)
            .and_then(|relative| root.host_root.join(relative))
            .ok_or(RegistryRefusal::HostPathTooLong)?;
        let subdir_tracking = self.tracking_for(path);
        let ancestor = upwards(path).skip(1).find_map(|at| self.repos.get(at));
        if ancestor.is_some_and(|repo| repo.tier != StorageTier::Online) {
            return Err(RegistryRefusal::ParentRepoImmutable);
        }
        Ok(Permit {
            file_host: root.host.clone(),
            host_path,
            subdir_tracking,
        })
    }

    fn repo_by_key(&self, key: &PathKey) -> Option<&RegisteredRepo> {
        self.repos.get(key).map(AsRef::as_ref)
    }
}

/// `path` and all that enclose it, from below.
fn upwards(path: &GlobalPath) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path.as_str()), |at| {
        at.rsplit_once('/').map(|(above, _)| above)
    })
    .take_while(|at| !at.is_empty())
}
