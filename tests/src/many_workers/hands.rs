//! In whose hands a lane was, as the journal has it.

use std::collections::BTreeMap;

use nogfso_domain::work::WorkEvent;
use nogfso_ids::RepoId;
use nogfso_journal::Commit;
use nogfso_kernel::Position;

use super::fleet::Fleet;

/// One claim from its beginning to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tenure {
    pub(super) epoch: u64,
    pub(super) instance: String,
    pub(super) began: Position,
    pub(super) ended: Option<Ended>,
}

/// How a claim ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// Its holder gave it back here.
    Released(Position),
    /// Another worker took it over here.
    TakenOver(Position),
}

/// All claims of all repos.
pub(super) type Tenures = BTreeMap<RepoId, Vec<Tenure>>;

/// Reads all claims. Fails if two overlap, if an epoch is no higher than the one before, or if something was written under
/// another claim than the present one.
pub(super) fn tenures(fleet: &Fleet) -> Tenures {
    let of_repo = |repo: &RepoId| {
        let commits = fleet.witness.work(*repo);
        assert!(!commits.is_empty(), "{repo} was worked on");
        (*repo, of_history(&commits))
    };
    fleet.repos.iter().map(of_repo).collect()
}

fn of_history(commits: &[Commit<WorkEvent>]) -> Vec<Tenure> {
    let mut tenures: Vec<Tenure> = vec![];
    for commit in commits {
        let at = commit.position;
        for stored in &commit.envelope.events {
            let open = tenures.last_mut().filter(|last| last.ended.is_none());
            match &stored.fact {
                WorkEvent::Claimed {
                    epoch, instance, ..
                } => {
                    if let Some(open) = open {
                        open.ended = Some(Ended::TakenOver(at));
                    }
                    assert!(tenures.iter().all(|before| before.epoch < *epoch));
                    tenures.push(Tenure {
                        epoch: *epoch,
                        instance: instance.to_string(),
                        began: at,
                        ended: None,
                    });
                }
                WorkEvent::Started { epoch, .. }
                | WorkEvent::Deferred { epoch, .. }
                | WorkEvent::Finished {
                    epoch: Some(epoch), ..
                } => {
                    let open = open.expect("who works has a claim");
                    assert_eq!(open.epoch, *epoch, "written by whose claim it is");
                }
                WorkEvent::Released { epoch, .. } => {
                    let open = open.expect("who gives back has a claim");
                    assert_eq!(open.epoch, *epoch, "given back by whose claim it is");
                    open.ended = Some(Ended::Released(at));
                }
                WorkEvent::Revoked { .. } => panic!("nobody revokes here"),
                WorkEvent::Finished { epoch: None, .. }
                | WorkEvent::Requested { .. }
                | WorkEvent::Cancelled { .. }
                | WorkEvent::Woken { .. } => {}
            }
        }
    }
    tenures
}

/// The claims that were taken over from a worker that had not given them back.
pub(super) fn lost(tenures: &Tenures) -> Vec<&Tenure> {
    let is_lost = |tenure: &&Tenure| matches!(tenure.ended, Some(Ended::TakenOver(_)));
    tenures.values().flatten().filter(is_lost).collect()
}

/// How many claims each worker had.
pub(super) fn counts(tenures: &Tenures) -> BTreeMap<&str, u64> {
    let mut counts = BTreeMap::new();
    for tenure in tenures.values().flatten() {
        *counts.entry(tenure.instance.as_str()).or_default() += 1;
    }
    counts
}
