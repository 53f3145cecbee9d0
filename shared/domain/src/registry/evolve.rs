//! The fold of a registry.

use std::sync::Arc;

use nogfso_ids::{Author, Host, HostPath, SubdirTracking};
use nogfso_kernel::{Event, EventId, Recorded};

use super::path_key::PathKey;
use super::{
    AcceptedRepoInfo, BrokenRegistry, KnownRegistry, RegisteredRepo, Registry, RegistryEvent,
    RepoInfo, Root, RootInfo,
};
use crate::tier::StorageTier;

/// Applies one stored event to `registry`. Holds no rules: what happened, happened.
///
/// # Errors
///
/// Returns [`BrokenRegistry`] if the event cannot follow; the history must not be used further.
pub fn evolve(
    registry: Registry,
    recorded: &Recorded<RegistryEvent>,
) -> Result<Registry, BrokenRegistry> {
    let folded = match (registry, &recorded.event) {
        (Registry::Absent, RegistryEvent::Added { name }) => Ok(KnownRegistry::new(name.clone())),
        (Registry::Known(_), RegistryEvent::Added { .. }) => Err("the registry exists already"),
        (
            Registry::Absent,
            RegistryEvent::RootAdded { .. }
            | RegistryEvent::RepoAccepted { .. }
            | RegistryEvent::RepoAdded { .. },
        ) => Err("the registry does not exist"),
        (Registry::Known(known), RegistryEvent::RootAdded { root_info }) => {
            root_added(known, root_info)
        }
        (
            Registry::Known(known),
            RegistryEvent::RepoAccepted {
                repo_info,
                file_host,
                host_path,
                subdir_tracking,
            },
        ) => accepted(
            recorded.id,
            repo_info,
            (file_host, host_path),
            *subdir_tracking,
        )
        .and_then(|repo| repo_accepted(known, repo)),
        (Registry::Known(known), RegistryEvent::RepoAdded { repo_info, .. }) => {
            repo_added(known, repo_info)
        }
    };
    folded.map(Registry::Known).map_err(|why| BrokenRegistry {
        event: recorded.event.name(),
        why,
    })
}

fn root_added(mut known: KnownRegistry, info: &RootInfo) -> Result<KnownRegistry, &'static str> {
    let root = Root {
        global_root: info.global_root.clone(),
        host: info.host.clone(),
        host_root: info.host_root.clone(),
        gitlab_namespace: info.gitlab_namespace.clone(),
    };
    let key = PathKey::new(&info.global_root);
    match known.roots.insert(key, Arc::new(root)) {
        None => Ok(known),
        Some(_) => Err("the root exists already"),
    }
}

fn accepted(
    accepted_by: EventId,
    info: &AcceptedRepoInfo,
    (file_host, host_path): (&Host, &HostPath),
    subdir_tracking: SubdirTracking,
) -> Result<RegisteredRepo, &'static str> {
    let creator = Author::try_new(&info.creator_name, &info.creator_email)
        .map_err(|_| "the creator is not an author")?;
    Ok(RegisteredRepo {
        id: info.id,
        global_path: info.global_path.clone(),
        creator,
        file_host: file_host.clone(),
        host_path: host_path.clone(),
        subdir_tracking,
        accepted_by,
        tier: StorageTier::Unspecified,
    })
}

fn repo_accepted(
    mut known: KnownRegistry,
    repo: RegisteredRepo,
) -> Result<KnownRegistry, &'static str> {
    let key = PathKey::new(&repo.global_path);
    if known.path_by_id.insert(repo.id, key.clone()).is_some() {
        return Err("the repo id is in use");
    }
    known.pending.insert(repo.id, key.clone());
    match known.repos.insert(key, Arc::new(repo)) {
        None => Ok(known),
        Some(_) => Err("there is a repo at the path"),
    }
}

fn repo_added(mut known: KnownRegistry, info: &RepoInfo) -> Result<KnownRegistry, &'static str> {
    let key = known
        .pending
        .remove(&info.id)
        .ok_or("the repo does not wait for it")?;
    match known.repos.get_mut(&key) {
        Some(repo) if repo.global_path == info.global_path => {
            Arc::make_mut(repo).tier = StorageTier::Online;
            Ok(known)
        }
        Some(_) | None => Err("the repo is elsewhere"),
    }
}
