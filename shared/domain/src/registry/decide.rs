//! The rules of a registry.

use nogfso_ids::{Author, GlobalPath, RepoId};
use nogfso_kernel::EventId;

use super::{
    AcceptedRepoInfo, KnownRegistry, NewRepoId, Permit, REPOS_MAX, ROOTS_MAX, Registry,
    RegistryCommand, RegistryEvent, RegistryRefusal, RepoInfo, Root, RootDifferences, RootInfo,
};

type Decision = Result<Vec<RegistryEvent>, RegistryRefusal>;

/// Answers `command` with the events to append.
///
/// No events means that `registry` is already as the command asks, so a repeated command is harmless. The id of a repo
/// that was there before is found by its path.
///
/// # Errors
///
/// Returns the [`RegistryRefusal`] of the first rule that forbids the command.
pub fn decide(registry: &Registry, command: &RegistryCommand) -> Decision {
    match (command, registry) {
        (RegistryCommand::Init { name }, Registry::Absent) => {
            Ok(vec![RegistryEvent::Added { name: name.clone() }])
        }
        (RegistryCommand::Init { name }, Registry::Known(known)) if known.name == *name => {
            Ok(vec![])
        }
        (RegistryCommand::Init { .. }, Registry::Known(_)) => Err(RegistryRefusal::InitConflict),
        (
            RegistryCommand::InitRoot { .. }
            | RegistryCommand::InitRepo { .. }
            | RegistryCommand::ConfirmRepo { .. },
            Registry::Absent,
        ) => Err(RegistryRefusal::Uninitialized),
        (
            RegistryCommand::InitRoot {
                global_root,
                host,
                host_root,
                gitlab_namespace,
            },
            Registry::Known(known),
        ) => init_root(
            known,
            RootInfo {
                global_root: global_root.clone(),
                host: host.clone(),
                host_root: host_root.clone(),
                gitlab_namespace: gitlab_namespace.clone(),
            },
        ),
        (
            RegistryCommand::InitRepo {
                id,
                global_path,
                creator,
                permit,
            },
            Registry::Known(known),
        ) => init_repo(known, *id, global_path, creator, permit.as_ref()),
        (
            RegistryCommand::ConfirmRepo {
                repo_id,
                repo_event_id,
            },
            Registry::Known(known),
        ) => confirm_repo(known, *repo_id, *repo_event_id),
    }
}

fn init_root(registry: &KnownRegistry, root_info: RootInfo) -> Decision {
    if let Some(root) = registry.root(&root_info.global_root) {
        return match differences(root, &root_info) {
            None => Ok(vec![]),
            Some(differs) => Err(RegistryRefusal::RootConflict {
                global_root: root_info.global_root,
                differs,
            }),
        };
    }
    if registry.root_count() >= ROOTS_MAX {
        return Err(RegistryRefusal::TooManyRoots);
    }
    Ok(vec![RegistryEvent::RootAdded { root_info }])
}

fn differences(root: &Root, asked: &RootInfo) -> Option<RootDifferences> {
    let differs = RootDifferences {
        host: root.host != asked.host,
        host_root: root.host_root != asked.host_root,
        gitlab_namespace: root.gitlab_namespace != asked.gitlab_namespace,
    };
    (differs.host || differs.host_root || differs.gitlab_namespace).then_some(differs)
}

fn init_repo(
    registry: &KnownRegistry,
    id: NewRepoId,
    global_path: &GlobalPath,
    creator: &Author,
    permit: Option<&Permit>,
) -> Decision {
    if let Some(existing) = registry.repo_at(global_path) {
        let same_id = match id {
            NewRepoId::Fresh(_) => true,
            NewRepoId::Chosen(id) => id == existing.id,
        };
        return if same_id && existing.creator == *creator {
            Ok(vec![])
        } else {
            Err(RegistryRefusal::RepoConflict {
                existing: existing.id,
            })
        };
    }
    if registry.repo(id.id()).is_some() {
        return Err(RegistryRefusal::RepoIdInUse);
    }
    if registry.repo_count() >= REPOS_MAX {
        return Err(RegistryRefusal::TooManyRepos);
    }
    let wanted = registry.evaluate(global_path)?;
    if permit != Some(&wanted) {
        return Err(RegistryRefusal::PermitOutdated { wanted });
    }
    Ok(vec![RegistryEvent::RepoAccepted {
        repo_info: AcceptedRepoInfo {
            id: id.id(),
            global_path: global_path.clone(),
            creator_name: creator.name().to_owned(),
            creator_email: creator.email().to_owned(),
        },
        file_host: wanted.file_host,
        host_path: wanted.host_path,
        subdir_tracking: wanted.subdir_tracking,
    }])
}

fn confirm_repo(registry: &KnownRegistry, id: RepoId, repo_event_id: EventId) -> Decision {
    match registry.repo(id) {
        None => Err(RegistryRefusal::UnknownRepo),
        Some(repo) if repo.confirmed() => Ok(vec![]),
        Some(repo) => Ok(vec![RegistryEvent::RepoAdded {
            repo_info: RepoInfo {
                id,
                global_path: repo.global_path.clone(),
            },
            repo_event_id,
        }]),
    }
}
