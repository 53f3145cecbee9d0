//! What must be so in the end.

use nogfso_domain::operation::Operation;
use nogfso_domain::registry::Registry;
use nogfso_domain::repo::KnownRepo;
use nogfso_domain::work::{Answered, WorkResult};
use nogfso_ids::RepoId;

use super::super::verdict::{Invariant, Violation};
use super::Auditor;

impl Auditor {
    /// Whether everything asked is done and every fact carried; if not, what is missing.
    ///
    /// # Errors
    ///
    /// Returns the first thing that is missing.
    pub(in super::super) fn settled(&self) -> Result<(), Violation> {
        if let Some(name) = self.main.now().pending().next() {
            let seen = format!("registry {name} is not confirmed");
            return Err(Violation::of(Invariant::EveryFactIsCarried, seen));
        }
        for (name, history) in &self.registries {
            let Registry::Known(registry) = history.now() else {
                continue;
            };
            if let Some(pending) = registry.pending().next() {
                let seen = format!("repo {} of registry {name} is not confirmed", pending.id);
                return Err(Violation::of(Invariant::EveryFactIsCarried, seen));
            }
        }
        for (repo, history) in &self.works {
            let work = history.now();
            if let Some(left) = work.backlog.requests.first() {
                let seen = format!("{left:?} of repo {repo}");
                return Err(Violation::of(Invariant::EverythingIsDone, seen));
            }
            if let Some(claim) = &work.claim {
                let seen = format!("{claim:?} of repo {repo}");
                return Err(Violation::of(Invariant::NothingIsClaimed, seen));
            }
        }
        self.carried()
    }

    fn carried(&self) -> Result<(), Violation> {
        for (id, history) in &self.repos {
            let Some(repo) = history.now().known() else {
                continue;
            };
            if repo.init_request().is_some() {
                let seen = format!("repo {id} has neither a shadow nor an error");
                return Err(Violation::of(Invariant::EveryFactIsCarried, seen));
            }
            let Some(work) = self.works.get(id) else {
                continue;
            };
            for (operation, answered) in &work.now().backlog.last {
                carried(*id, repo, *operation, answered)?;
            }
        }
        Ok(())
    }
}

/// Whether the last result of an operation was carried to its repo.
fn carried(
    id: RepoId,
    repo: &KnownRepo,
    operation: Operation,
    answered: &Answered,
) -> Result<(), Violation> {
    let missing = |what: &str| {
        let seen = format!("{what}: {answered:?} of repo {id}");
        Err(Violation::of(Invariant::EveryFactIsCarried, seen))
    };
    let is_init = operation == Operation::Init;
    let is_done = matches!(answered.result, WorkResult::Done(_));
    if is_init && is_done && repo.shadow_path().is_none() {
        return missing("no shadow");
    }
    let slot = if is_init && is_done {
        Operation::Stat
    } else {
        operation
    };
    let is_known = repo.newest_result(slot) >= answered.number;
    let stands = repo
        .error(slot)
        .is_some_and(|error| error.request == answered.request);
    match answered.result.failure() {
        Some(_) if !is_known && !stands => missing("a failure that the repo does not know"),
        None if is_done && repo.error(slot).is_some() && !is_init && !is_known => {
            missing("an error that a success has made good")
        }
        Some(_) | None => Ok(()),
    }
}
