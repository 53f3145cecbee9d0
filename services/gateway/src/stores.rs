//! The aggregates that a gateway reads and writes, and how a repo is found by its id alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use nogfso_contract::subjects::{self, Named, REPO_STREAM};
use nogfso_contract::{Code, Failure};
use nogfso_domain::main_list::MainList;
use nogfso_domain::registry::{KnownRegistry, Registry};
use nogfso_domain::repo::{KnownRepo, Repo};
use nogfso_domain::reservation::Reservation;
use nogfso_domain::work::WorkLane;
use nogfso_ids::{Lane, RegistryName, RepoId};
use nogfso_journal::{Environment, Loaded, Log, Store};
use nogfso_kernel::{Aggregate, Position};

use crate::refusal;

/// How many repos are remembered with their registry.
const FOUND_REPOS_MAX: usize = 100_000;

pub(crate) struct Stores {
    pub(crate) main: Store<MainList>,
    pub(crate) registry: Store<Registry>,
    pub(crate) repo: Store<Repo>,
    pub(crate) work: Store<WorkLane>,
    pub(crate) reservation: Store<Reservation>,
    log: Arc<dyn Log>,
    found: Mutex<HashMap<RepoId, RegistryName>>,
}

/// A repo that exists, as it was loaded.
pub(crate) struct FoundRepo {
    pub(crate) subject: String,
    pub(crate) loaded: Loaded<Repo>,
    pub(crate) repo: KnownRepo,
}

impl FoundRepo {
    /// The subject of the work of one lane.
    pub(crate) fn work_subject(&self, id: RepoId, lane: Lane) -> String {
        subjects::work(&self.repo.registry, &self.repo.file_host, lane, id)
    }
}

impl Stores {
    pub(crate) fn new(log: &Arc<dyn Log>, environment: &Environment) -> Self {
        Self {
            main: Store::new(Arc::clone(log), environment.clone()),
            registry: Store::new(Arc::clone(log), environment.clone()),
            repo: Store::new(Arc::clone(log), environment.clone()),
            work: Store::new(Arc::clone(log), environment.clone()),
            reservation: Store::new(Arc::clone(log), environment.clone()),
            log: Arc::clone(log),
            found: Mutex::default(),
        }
    }

    /// A registry that exists.
    pub(crate) async fn known_registry(
        &self,
        name: &RegistryName,
    ) -> Result<(Loaded<Registry>, KnownRegistry), Failure> {
        let subject = subjects::registry(name);
        let mut loaded = load(&self.registry, &subject, Position::START).await?;
        if loaded.state.known().is_none() {
            loaded = load_newest(&self.registry, &subject).await?;
        }
        match loaded.state.known().cloned() {
            Some(registry) => Ok((loaded, registry)),
            None => Err(unknown_registry(name)),
        }
    }

    /// Whether a registry lists the repo though its own history may not have begun.
    pub(crate) fn accepted_by(&self, id: RepoId) -> Option<RegistryName> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.get(&id).cloned()
    }

    /// A repo whose history has begun.
    pub(crate) async fn known_repo(&self, id: RepoId) -> Result<FoundRepo, Failure> {
        self.known_repo_if(id, |_| true).await
    }

    /// A repo whose history has begun. One that is not as `wanted` was looked at with everything that the leader has.
    pub(crate) async fn known_repo_if(
        &self,
        id: RepoId,
        wanted: impl Fn(&KnownRepo) -> bool,
    ) -> Result<FoundRepo, Failure> {
        let registry = self.registry_of(id).await?;
        let subject = subjects::repo(&registry, id);
        let mut loaded = load(&self.repo, &subject, Position::START).await?;
        if !loaded.state.known().is_some_and(wanted) {
            loaded = load_newest(&self.repo, &subject).await?;
        }
        match loaded.state.known().cloned() {
            Some(repo) => Ok(FoundRepo {
                subject,
                loaded,
                repo,
            }),
            None => Err(unknown_repo(id)),
        }
    }

    async fn registry_of(&self, id: RepoId) -> Result<RegistryName, Failure> {
        if let Some(known) = self.accepted_by(id) {
            return Ok(known);
        }
        let filter = subjects::repo_anywhere(id);
        let last = self
            .log
            .find_last(REPO_STREAM, &filter)
            .await
            .map_err(refusal::read)?;
        let Some(Named::Repo(registry, _)) = last.and_then(|last| subjects::parse(&last.subject))
        else {
            return Err(unknown_repo(id));
        };
        self.note_found(id, &registry);
        Ok(registry)
    }

    /// Remembers the registry of a repo, which never changes.
    pub(crate) fn note_found(&self, id: RepoId, registry: &RegistryName) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.len() >= FOUND_REPOS_MAX {
            found.clear();
        }
        found.insert(id, registry.clone());
    }
}

async fn load<A: Aggregate>(
    store: &Store<A>,
    subject: &str,
    least: Position,
) -> Result<Loaded<A>, Failure> {
    store.load(subject, least).await.map_err(refusal::load)
}

/// An aggregate with everything that the leader has. For answers that something is not there, which a read that lags behind
/// must not give.
pub(crate) async fn load_newest<A: Aggregate>(
    store: &Store<A>,
    subject: &str,
) -> Result<Loaded<A>, Failure> {
    let last = store.log().leader_last(subject).await;
    let least = last
        .map_err(refusal::read)?
        .map_or(Position::START, |last| last.position);
    load(store, subject, least).await
}

pub(crate) fn unknown_registry(name: &RegistryName) -> Failure {
    Failure {
        message: format!("uninitialized registry: there is no registry {name}"),
        ..named(Code::NotFound, "registry")
    }
}

fn unknown_repo(id: RepoId) -> Failure {
    Failure {
        message: format!("unknown repo: there is no repo {id}"),
        ..named(Code::NotFound, "repo")
    }
}

fn named(code: Code, field: &str) -> Failure {
    Failure {
        code,
        ..Failure::field(field, "")
    }
}
