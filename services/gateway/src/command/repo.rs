//! Commands on repos.

use std::time::Duration;

use nogfso_contract::command::{ClearError, ErrorCleared, InitRepo, RepoAccepted};
use nogfso_contract::{Code, Details, Failure, subjects};
use nogfso_domain::operation::Operation;
use nogfso_domain::registry::{NewRepoId, Permit, Registry, RegistryCommand, RegistryRefusal};
use nogfso_domain::repo::{ClearBy, Repo, RepoCommand, RepoError};
use nogfso_domain::reservation::{Holder, IdKind, ReservationCommand};
use nogfso_faults::{Point, reach};
use nogfso_ids::{RegistryName, RepoId};
use nogfso_journal::ExecuteError;
use nogfso_journal::store::By;

use super::by;
use crate::Gateway;
use crate::caller::Caller;
use crate::refusal;
use crate::routes::Handle;
use crate::watch::unless_passing;

/// How often the host is asked anew because the registry changed in between.
const PERMITS_MAX: u32 = 4;

impl Handle for InitRepo {
    async fn handle(self, gateway: &Gateway, caller: &Caller) -> Result<RepoAccepted, Failure> {
        reach(Point::GatewayReceived);
        let by = by(caller, &self, self.vid, self.command_id.as_ref())?;
        let id = match self.repo {
            Some(chosen) => NewRepoId::Chosen(chosen),
            None => NewRepoId::Fresh(RepoId::from_uuid(uuid::Uuid::from_u128(
                gateway.random_uuid_bits(),
            ))),
        };
        let (repo, registry_vid) = gateway.accept_repo(&self, id, &by).await?;
        let shadow = match self.wait {
            Some(wait) => Some(
                gateway
                    .wait_for_shadow(&self.registry, repo, wait.duration())
                    .await?,
            ),
            None => None,
        };
        Ok(RepoAccepted {
            registry: self.registry,
            registry_vid,
            repo,
            shadow,
        })
    }
}

impl Handle for ClearError {
    async fn handle(self, gateway: &Gateway, caller: &Caller) -> Result<ErrorCleared, Failure> {
        let by = by(caller, &self, self.vid, self.command_id.as_ref())?;
        let clear = match (self.operation, self.error_message) {
            (Some(operation), None) => ClearBy::Operation(operation),
            (None, Some(text)) => ClearBy::Text(text),
            (Some(_), Some(_)) | (None, None) => {
                return Err(Failure::field(
                    "operation",
                    "name either operation or error_message",
                ));
            }
        };
        let found = gateway.known_repo(self.repo).await?;
        let command = RepoCommand::ClearError { by: clear };
        let outcome = gateway
            .stores
            .repo
            .execute(&found.subject, &command, &by)
            .await
            .map_err(refusal::execute)?;
        Ok(ErrorCleared {
            repo: self.repo,
            repo_vid: outcome.after.vid.to_string(),
        })
    }
}

impl Gateway {
    /// A random version 4 UUID.
    fn random_uuid_bits(&self) -> u128 {
        let random = |seed: ulid::Ulid| seed.random();
        let low = random(self.environment.fresh());
        let high = random(self.environment.fresh());
        let bits = (high << 64) ^ low;
        uuid::Builder::from_random_bytes(bits.to_be_bytes())
            .into_uuid()
            .as_u128()
    }

    /// Refuses an id that a repo of another registry has.
    async fn free_or_here(&self, id: RepoId, registry: &RegistryName) -> Result<(), Failure> {
        match self.stores.known_repo(id).await {
            Ok(found) if found.repo.registry != *registry => Err(Failure {
                code: Code::Conflict,
                ..Failure::field("repo", "repo id already in use")
            }),
            Ok(_) => Ok(()),
            Err(failure) if failure.code == Code::NotFound => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Gives a chosen id to a repo of `registry`, once for all registries. Only asked when the registry would accept the repo,
    /// so that what is refused reserves nothing.
    async fn reserve(
        &self,
        id: NewRepoId,
        registry: &RegistryName,
        by: &By,
    ) -> Result<(), Failure> {
        let NewRepoId::Chosen(chosen) = id else {
            return Ok(());
        };
        self.free_or_here(chosen, registry).await?;
        let reserve = ReservationCommand::Reserve(Holder {
            kind: IdKind::Repo,
            registry: registry.clone(),
        });
        let subject = subjects::reservation(chosen);
        let reserved = self
            .stores
            .reservation
            .execute(&subject, &reserve, &By::actor(&by.actor))
            .await;
        reserved.map_err(refusal::execute)?;
        Ok(())
    }

    async fn accept_repo(
        &self,
        init: &InitRepo,
        id: NewRepoId,
        by: &By,
    ) -> Result<(RepoId, String), Failure> {
        let mut permit: Option<Permit> = None;
        for _ in 0..PERMITS_MAX {
            let has_permit = permit.is_some();
            let command = RegistryCommand::InitRepo {
                id,
                global_path: init.global_path.clone(),
                creator: init.author.clone(),
                permit: permit.take(),
            };
            if has_permit {
                reach(Point::GatewayAppends);
            }
            match self.on_registry(&init.registry, &command, by).await {
                Ok(outcome) => {
                    reach(Point::GatewayAppended);
                    let registry = outcome.after.state.known();
                    let repo = registry.and_then(|registry| registry.repo_at(&init.global_path));
                    let repo = repo.ok_or_else(|| {
                        Failure::new(Code::Internal, "the repo is not in its registry")
                    })?;
                    self.stores.note_found(repo.id, &init.registry);
                    return Ok((repo.id, outcome.after.vid.to_string()));
                }
                Err(ExecuteError::Refused(RegistryRefusal::PermitOutdated { wanted })) => {
                    reach(Point::GatewayAsks);
                    self.ask_host(&init.global_path, &wanted).await?;
                    reach(Point::GatewayHostAnswered);
                    self.reserve(id, &init.registry, by).await?;
                    permit = Some(wanted);
                }
                Err(ExecuteError::Refused(refused)) => return Err(explained(refused, init)),
                Err(error) => return Err(refusal::execute(error)),
            }
        }
        Err(refusal::busy("the registry keeps changing"))
    }

    /// Waits until the shadow of a repo is there, and fails if its making failed.
    async fn wait_for_shadow(
        &self,
        registry: &RegistryName,
        id: RepoId,
        patience: Duration,
    ) -> Result<String, Failure> {
        let subject = subjects::repo(registry, id);
        let mut waiting = self.watch.wait(&subject, patience)?;
        let details = || Details {
            repo: Some(id.to_string()),
            ..Details::default()
        };
        loop {
            let loaded = self.stores.repo.load(&subject, waiting.least()).await;
            let looked = loaded
                .map(|loaded| shadow_or_error(&loaded.state))
                .map_err(refusal::load);
            match unless_passing(looked)? {
                Some(Ok(shadow)) => return Ok(shadow),
                Some(Err(error)) => {
                    return Err(Failure {
                        code: Code::WorkFailed,
                        message: format!("init failed: {}", error.message),
                        details: Details {
                            request: Some(error.request.to_string()),
                            work_code: Some(error.code.to_string()),
                            ..details()
                        },
                    });
                }
                None => {}
            }
            if !waiting.next().await {
                let message = format!(
                    "repo {id} was accepted; its shadow is not there yet; see fso.get.repo"
                );
                return Err(Failure {
                    code: Code::TimedOut,
                    message,
                    details: details(),
                });
            }
        }
    }
}

/// A refusal with what the caller may not know.
fn explained(refused: RegistryRefusal, init: &InitRepo) -> Failure {
    let path = &init.global_path;
    let hint = match &refused {
        RegistryRefusal::UnknownRoot => Some(format!(
            "unknown root: no root is equal to {path} or above it; see fso.get.roots"
        )),
        RegistryRefusal::ParentRepoImmutable => Some(format!(
            "parent repo immutable: the repo above {path} is not online"
        )),
        RegistryRefusal::Uninitialized
        | RegistryRefusal::InitConflict
        | RegistryRefusal::RootConflict { .. }
        | RegistryRefusal::TooManyRoots
        | RegistryRefusal::UnknownRepo
        | RegistryRefusal::RepoConflict { .. }
        | RegistryRefusal::RepoIdInUse
        | RegistryRefusal::TooManyRepos
        | RegistryRefusal::HostPathTooLong
        | RegistryRefusal::PermitOutdated { .. } => None,
    };
    let existing = if let RegistryRefusal::RepoConflict { existing } = &refused {
        Some(existing.to_string())
    } else {
        None
    };
    let failure = refusal::execute::<Registry>(ExecuteError::Refused(refused));
    Failure {
        message: hint.unwrap_or(failure.message),
        details: Details {
            repo: existing,
            ..failure.details
        },
        ..failure
    }
}

fn shadow_or_error(repo: &Repo) -> Option<Result<String, RepoError>> {
    let repo = repo.known()?;
    if let Some(shadow) = repo.shadow_location() {
        return Some(Ok(shadow));
    }
    repo.error(Operation::Init).cloned().map(Err)
}
