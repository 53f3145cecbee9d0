//! The fold of a repo.

use std::collections::BTreeMap;
use std::sync::Arc;

use nogfso_ids::Author;
use nogfso_kernel::{Event, EventId, Recorded};

use super::{BrokenRepo, KnownRepo, Repo, RepoError, RepoEvent, RepoInitInfo, Shadow};
use crate::operation::{Operation, Problems};
use crate::tier::StorageTier;

/// Applies one stored event to `repo`. Holds no rules: what happened, happened.
///
/// # Errors
///
/// Returns [`BrokenRepo`] if the event cannot follow; the history must not be used further.
pub fn evolve(repo: Repo, recorded: &Recorded<RepoEvent>) -> Result<Repo, BrokenRepo> {
    let folded = match repo {
        Repo::Absent => first(recorded),
        Repo::Known(known) => next(Arc::unwrap_or_clone(known), recorded),
    };
    folded
        .map(|repo| Repo::Known(Arc::new(repo)))
        .map_err(|why| BrokenRepo {
            event: recorded.event.name(),
            why,
        })
}

fn first(recorded: &Recorded<RepoEvent>) -> Result<KnownRepo, &'static str> {
    match &recorded.event {
        RepoEvent::InitStarted {
            repo_init_info,
            registry_event_id,
        } => begun(recorded.id, repo_init_info, *registry_event_id),
        RepoEvent::ShadowCreated { .. }
        | RepoEvent::ErrorSet { .. }
        | RepoEvent::ErrorCleared { .. } => Err("the repo does not exist"),
    }
}

fn next(mut repo: KnownRepo, recorded: &Recorded<RepoEvent>) -> Result<KnownRepo, &'static str> {
    match &recorded.event {
        RepoEvent::InitStarted { .. } => return Err("the repo exists already"),
        RepoEvent::ShadowCreated {
            shadow_repo_info,
            result_number,
            ..
        } => match repo.shadow {
            Shadow::Missing { .. } => {
                note_newest(&mut repo, Operation::Init, *result_number);
                repo.shadow = Shadow::Created {
                    path: shadow_repo_info.shadow_path.clone(),
                    tier: StorageTier::Online,
                };
            }
            Shadow::Created { .. } => return Err("there is a shadow already"),
        },
        RepoEvent::ErrorSet {
            operation,
            error_code,
            error_message,
            time_ms,
            request_id,
            paths,
            path_count,
            result_number,
        } => {
            let error = RepoError {
                code: error_code.clone(),
                message: error_message.clone(),
                time: *time_ms,
                request: *request_id,
                problems: Problems::new(paths.clone(), *path_count),
            };
            repo.errors.insert(*operation, error);
            repo.carried.insert(*operation, *request_id);
            note_newest(&mut repo, *operation, *result_number);
        }
        RepoEvent::ErrorCleared {
            operation,
            result_number,
            ..
        } => {
            // A counted success may come before the failure that it makes good.
            if repo.errors.remove(operation).is_none() && *result_number == 0 {
                return Err("the operation has no error");
            }
            note_newest(&mut repo, *operation, *result_number);
            if let (Operation::Init, Shadow::Missing { asked_by }) = (operation, &mut repo.shadow) {
                *asked_by = recorded.id;
            }
        }
    }
    Ok(repo)
}

fn note_newest(repo: &mut KnownRepo, operation: Operation, number: u64) {
    let newest = repo.newest_results.entry(operation).or_default();
    *newest = number.max(*newest);
}

fn begun(
    id: EventId,
    info: &RepoInitInfo,
    registry_event_id: EventId,
) -> Result<KnownRepo, &'static str> {
    let creator = Author::try_new(&info.creator_name, &info.creator_email)
        .map_err(|_| "the creator is not an author")?;
    Ok(KnownRepo {
        registry: info.registry.clone(),
        global_path: info.global_path.clone(),
        creator,
        file_host: info.file_host.clone(),
        host_path: info.host_path.clone(),
        subdir_tracking: info.subdir_tracking,
        accepted_by: registry_event_id,
        shadow: Shadow::Missing { asked_by: id },
        errors: BTreeMap::new(),
        carried: BTreeMap::new(),
        newest_results: BTreeMap::new(),
    })
}
