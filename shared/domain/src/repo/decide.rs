//! The rules of a repo.

use nogfso_ids::HostPath;

use super::{
    Carried, ClearBy, ClearedBy, KnownRepo, Repo, RepoCommand, RepoError, RepoEvent, RepoInitInfo,
    RepoRefusal, Shadow, ShadowRepoInfo,
};
use crate::operation::Operation;

type Decision = Result<Vec<RepoEvent>, RepoRefusal>;

/// Answers `command` with the events to append.
///
/// No events means that `repo` is already as the command asks, so a repeated command is harmless.
///
/// # Errors
///
/// Returns the [`RepoRefusal`] of the first rule that forbids the command.
pub fn decide(repo: &Repo, command: &RepoCommand) -> Decision {
    match (command, repo) {
        (
            RepoCommand::Init {
                registry,
                global_path,
                creator,
                file_host,
                host_path,
                subdir_tracking,
                cause,
            },
            repo,
        ) => {
            let info = RepoInitInfo {
                registry: registry.clone(),
                global_path: global_path.clone(),
                creator_name: creator.name().to_owned(),
                creator_email: creator.email().to_owned(),
                file_host: file_host.clone(),
                host_path: host_path.clone(),
                subdir_tracking: *subdir_tracking,
            };
            match repo {
                Repo::Absent => Ok(vec![RepoEvent::InitStarted {
                    repo_init_info: info,
                    registry_event_id: *cause,
                }]),
                Repo::Known(known) if is_as_begun(known, &info) => Ok(vec![]),
                Repo::Known(_) => Err(RepoRefusal::InitConflict),
            }
        }
        (
            RepoCommand::ConfirmShadow { .. }
            | RepoCommand::SetError { .. }
            | RepoCommand::ClearError { .. },
            Repo::Absent,
        ) => Err(RepoRefusal::Uninitialized),
        (
            RepoCommand::ConfirmShadow {
                shadow_path,
                result,
            },
            Repo::Known(known),
        ) => confirm_shadow(known, shadow_path, *result),
        (
            RepoCommand::SetError {
                operation,
                error,
                result_number,
            },
            Repo::Known(known),
        ) => Ok(set_error(known, *operation, error, *result_number)),
        (RepoCommand::ClearError { by }, Repo::Known(known)) => clear_error(known, by),
    }
}

fn is_as_begun(repo: &KnownRepo, info: &RepoInitInfo) -> bool {
    repo.registry == info.registry
        && repo.global_path == info.global_path
        && repo.creator.name() == info.creator_name
        && repo.creator.email() == info.creator_email
        && repo.file_host == info.file_host
        && repo.host_path == info.host_path
        && repo.subdir_tracking == info.subdir_tracking
}

/// Whether a result of `operation` has nothing to say any more, because it or a newer one was carried before.
fn is_outdated(repo: &KnownRepo, operation: Operation, number: u64) -> bool {
    let newest = repo.newest_result(operation);
    newest > 0 && number <= newest
}

fn confirm_shadow(repo: &KnownRepo, shadow_path: &HostPath, result: Carried) -> Decision {
    match &repo.shadow {
        Shadow::Created { path, .. } if path == shadow_path => Ok(vec![]),
        _ if is_outdated(repo, Operation::Init, result.number) => Ok(vec![]),
        Shadow::Created { .. } => Err(RepoRefusal::InitConflict),
        Shadow::Missing { .. } => {
            let mut events = vec![RepoEvent::ShadowCreated {
                shadow_repo_info: ShadowRepoInfo {
                    shadow_path: shadow_path.clone(),
                },
                request_id: result.request,
                result_number: result.number,
            }];
            let error = repo.error(Operation::Init);
            events.extend(error.and_then(|_| clear_by_success(repo, Operation::Init, result)));
            Ok(events)
        }
    }
}

fn set_error(
    repo: &KnownRepo,
    operation: Operation,
    error: &RepoError,
    result_number: u64,
) -> Vec<RepoEvent> {
    let was_carried = repo.carried(operation) == Some(error.request);
    if was_carried || is_outdated(repo, operation, result_number) {
        return vec![];
    }
    vec![RepoEvent::ErrorSet {
        operation,
        error_code: error.code.clone(),
        error_message: error.message.clone(),
        time_ms: error.time,
        request_id: error.request,
        paths: error.problems.paths().to_vec(),
        path_count: error.problems.path_count(),
        result_number,
    }]
}

fn clear_error(repo: &KnownRepo, by: &ClearBy) -> Decision {
    let by_operator = |operation| RepoEvent::ErrorCleared {
        operation,
        cleared_by: ClearedBy::Operator,
        request_id: None,
        result_number: 0,
    };
    match by {
        ClearBy::Operation(operation) => Ok(repo
            .error(*operation)
            .map(|_| by_operator(*operation))
            .into_iter()
            .collect()),
        ClearBy::Text(text) if text.is_empty() => Err(RepoRefusal::ClearMessageEmpty),
        ClearBy::Text(text) => {
            let cleared: Vec<_> = repo
                .errors()
                .filter(|(_, error)| error.message.as_str() == text)
                .map(|(operation, _)| by_operator(operation))
                .collect();
            if cleared.is_empty() {
                return Err(RepoRefusal::ClearMessageMismatch);
            }
            Ok(cleared)
        }
        ClearBy::Success {
            operation,
            result,
            failed_before,
        } => {
            let overtakes =
                (repo.newest_result(*operation) + 1..result.number).contains(failed_before);
            let clears = repo.error(*operation).is_some() || overtakes;
            Ok(clear_by_success(repo, *operation, *result)
                .filter(|_| clears)
                .into_iter()
                .collect())
        }
    }
}

fn clear_by_success(repo: &KnownRepo, operation: Operation, result: Carried) -> Option<RepoEvent> {
    (!is_outdated(repo, operation, result.number)).then_some(RepoEvent::ErrorCleared {
        operation,
        cleared_by: ClearedBy::Success,
        request_id: Some(result.request),
        result_number: result.number,
    })
}
