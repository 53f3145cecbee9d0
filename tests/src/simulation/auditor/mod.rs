//! Folds every message of the journal by itself, at the moment at which it is stored, and holds it against the invariants.
//!
//! It remembers every state of every aggregate, so that it can be asked whether something was so at some moment of a span of
//! time.

mod books;
mod history;
mod settled;

use std::collections::{BTreeMap, BTreeSet};

use nogfso_contract::subjects::{self, Named};
use nogfso_domain::main_list::MainList;
use nogfso_domain::registry::Registry;
use nogfso_domain::repo::Repo;
use nogfso_domain::work::{WorkEvent, WorkLane};
use nogfso_ids::{RegistryName, RepoId};
use nogfso_journal::Commit;
use nogfso_journal::log::Stored;
use nogfso_kernel::{CommitId, Position};
use serde_json::Value;

use super::verdict::{Invariant, Violation};
use books::Books;

pub(super) use history::{History, Span};

/// What a message was.
#[derive(Default)]
pub(super) struct Told {
    /// In words, if they were asked for.
    pub(super) words: String,
    /// The epoch in which a holder wrote it.
    pub(super) epoch: Option<u64>,
}

/// What is known from the journal alone.
#[derive(Default)]
pub(super) struct Auditor {
    /// How many messages were stored.
    moment: u64,
    pub(super) main: History<MainList>,
    registries: BTreeMap<RegistryName, History<Registry>>,
    repos: BTreeMap<RepoId, History<Repo>>,
    works: BTreeMap<RepoId, History<WorkLane>>,
    commits: BTreeSet<CommitId>,
    books: Books,
    /// Whose the commits of work are, and whether each only claims or begins.
    work_commits: Vec<(RepoId, bool)>,
}

impl Auditor {
    /// Takes in a message that was just stored.
    ///
    /// # Errors
    ///
    /// Returns the invariant that it breaks.
    pub(super) fn take_in(&mut self, stored: &Stored, told: bool) -> Result<Told, Violation> {
        self.moment += 1;
        if stored.subject.starts_with("fso.parked.") {
            let entry = String::from_utf8_lossy(&stored.payload).into_owned();
            return Err(Violation::of(Invariant::NothingParked, entry));
        }
        if !stored.subject.starts_with("fso.ev.") {
            return Ok(Told::default());
        }
        let any = Commit::<Value>::decode_any(&stored.payload, stored.position)
            .map_err(|error| Violation::of(Invariant::Chain, error.to_string()))?;
        if !self.commits.insert(any.envelope.commit) {
            let seen = format!(
                "{} at {} {}",
                any.envelope.commit, stored.subject, stored.position
            );
            return Err(Violation::of(Invariant::OneCommitOnce, seen));
        }
        self.fold(stored)?;
        let events = any.envelope.events.iter().filter(|_| told);
        let events: Vec<String> = events.map(|event| event.fact.to_string()).collect();
        let (subject, position) = (&stored.subject, stored.position);
        Ok(Told {
            words: if told {
                format!("  {subject} {position}: {}", events.join(" "))
            } else {
                String::new()
            },
            epoch: any.envelope.epoch,
        })
    }

    fn fold(&mut self, stored: &Stored) -> Result<(), Violation> {
        let moment = self.moment;
        match subjects::parse(&stored.subject) {
            Some(Named::Main) => self.main.take_in(stored, moment).map(drop),
            Some(Named::Registry(name)) => {
                let history = self.registries.entry(name).or_default();
                history.take_in(stored, moment).map(drop)
            }
            Some(Named::Repo(_, repo)) => {
                let commit = self
                    .repos
                    .entry(repo)
                    .or_default()
                    .take_in(stored, moment)?;
                self.books.of_repo(repo, &commit.recorded())
            }
            Some(Named::Work(_, _, _, repo)) => {
                let history = self.works.entry(repo).or_default();
                let before = history.now();
                let leases = [
                    Some(before.newest_trigger),
                    before.claim.as_ref().map(|claim| claim.lease),
                ];
                let commit = history.take_in(stored, moment)?;
                if let Some(claimed) = claim_beside(&commit, &leases) {
                    let seen = format!("{} {}: {claimed:?}", stored.subject, stored.position);
                    return Err(Violation::of(Invariant::ClaimsAnswer, seen));
                }
                let mut events = commit.envelope.events.iter();
                let only_claims = events.all(|event| {
                    matches!(
                        event.fact,
                        WorkEvent::Claimed { .. } | WorkEvent::Started { .. }
                    )
                });
                self.work_commits.push((repo, only_claims));
                self.books.of_work(repo, &commit.recorded(), history.now())
            }
            // A reservation.
            None => Ok(()),
        }
    }

    /// How many messages were stored.
    pub(super) fn messages(&self) -> u64 {
        self.moment
    }

    /// Forgets the last commits of work that only claim or begin; says how many, so that the journal can lose them.
    pub(super) fn forget_last_claims(&mut self) -> usize {
        let mut lost = 0;
        while let Some((repo, true)) = self.work_commits.last().copied() {
            self.work_commits.pop();
            if let Some(history) = self.works.get_mut(&repo) {
                if let Some(commit) = history.forget_last() {
                    self.commits.remove(&commit);
                }
                self.books.forget_claims(repo, history.now().epoch);
            }
            lost += 1;
        }
        lost
    }

    /// A span of time that begins now.
    pub(super) fn now(&self) -> Span {
        Span { from: self.moment }
    }

    pub(super) fn registry(&self, name: &RegistryName) -> Option<&History<Registry>> {
        self.registries.get(name)
    }

    pub(super) fn repo(&self, repo: RepoId) -> Option<&History<Repo>> {
        self.repos.get(&repo)
    }

    pub(super) fn work(&self, repo: RepoId) -> Option<&History<WorkLane>> {
        self.works.get(&repo)
    }

    /// Whether the message on `subject` at `position` is the lease of a claim that has something left to do.
    pub(super) fn is_needed_lease(&self, subject: &str, position: Position) -> bool {
        let Some(Named::Work(_, _, _, repo)) = subjects::parse(subject) else {
            return false;
        };
        self.works.get(&repo).is_some_and(|history| {
            let work = history.now();
            let is_lease = work.claim.as_ref().map(|claim| claim.lease) == Some(position);
            is_lease && work.due().next().is_some()
        })
    }

    /// Whether somebody asked for the request, ever.
    pub(super) fn was_requested(&self, request: nogfso_ids::RequestId) -> bool {
        self.books.was_requested(request)
    }
}

/// A claim whose lease is none of `leases`.
fn claim_beside<'a>(
    commit: &'a Commit<WorkEvent>,
    leases: &[Option<Position>],
) -> Option<&'a WorkEvent> {
    let mut facts = commit.envelope.events.iter().map(|event| &event.fact);
    facts.find(|fact| match fact {
        WorkEvent::Claimed { lease, .. } => !leases.contains(&Some(*lease)),
        WorkEvent::Requested { .. }
        | WorkEvent::Cancelled { .. }
        | WorkEvent::Started { .. }
        | WorkEvent::Deferred { .. }
        | WorkEvent::Finished { .. }
        | WorkEvent::Released { .. }
        | WorkEvent::Revoked { .. }
        | WorkEvent::Woken { .. } => false,
    })
}
