//! What may happen once only: ends of requests, and results that are carried.

use std::collections::{BTreeMap, BTreeSet};

use nogfso_domain::operation::Operation;
use nogfso_domain::repo::RepoEvent;
use nogfso_domain::work::{Work, WorkEvent, WorkResult};
use nogfso_ids::{RepoId, RequestId};
use nogfso_kernel::Recorded;

use super::super::verdict::{Invariant, Violation};

type Slot = (RepoId, Operation);

#[derive(Default)]
pub(super) struct Books {
    requested: BTreeSet<RequestId>,
    finished: BTreeSet<RequestId>,
    epochs: BTreeMap<RepoId, u64>,
    /// How many failures a lane had, by the slot to which they belong and by time.
    failures: BTreeMap<(Slot, u64), u64>,
    carried: BTreeMap<(Slot, u64), u64>,
    newest: BTreeMap<Slot, u64>,
}

impl Books {
    pub(super) fn was_requested(&self, request: RequestId) -> bool {
        self.requested.contains(&request)
    }

    pub(super) fn of_work(
        &mut self,
        repo: RepoId,
        events: &[Recorded<WorkEvent>],
        work: &Work,
    ) -> Result<(), Violation> {
        for recorded in events {
            match &recorded.event {
                WorkEvent::Requested { request_id, .. } => {
                    self.requested.insert(*request_id);
                }
                WorkEvent::Claimed { epoch, .. } => self.claimed(repo, *epoch)?,
                WorkEvent::Finished {
                    request_id, result, ..
                } => {
                    if !self.finished.insert(*request_id) {
                        let seen = format!("{request_id} of repo {repo}");
                        return Err(Violation::of(Invariant::FinishedOnce, seen));
                    }
                    self.failed(repo, recorded.id.time_ms(), *request_id, result, work);
                }
                WorkEvent::Cancelled { .. }
                | WorkEvent::Started { .. }
                | WorkEvent::Deferred { .. }
                | WorkEvent::Released { .. }
                | WorkEvent::Revoked { .. }
                | WorkEvent::Woken { .. } => {}
            }
        }
        Ok(())
    }

    fn claimed(&mut self, repo: RepoId, epoch: u64) -> Result<(), Violation> {
        let newest = self.epochs.entry(repo).or_default();
        if epoch <= *newest {
            let seen = format!("{epoch} after {newest} at repo {repo}");
            return Err(Violation::of(Invariant::EpochsRise, seen));
        }
        *newest = epoch;
        Ok(())
    }

    pub(super) fn forget_claims(&mut self, repo: RepoId, epoch: u64) {
        self.epochs.insert(repo, epoch);
    }

    fn failed(
        &mut self,
        repo: RepoId,
        at_ms: u64,
        request: RequestId,
        result: &WorkResult,
        work: &Work,
    ) {
        if result.failure().is_none() {
            return;
        }
        let answered = work.backlog.last.values();
        let operation = answered
            .filter(|answered| answered.request == request)
            .map(|answered| answered.order.operation())
            .next();
        let slot = match (operation, result) {
            // What the first stat of an init left aside is a later stat's to make good.
            (Some(Operation::Init), WorkResult::Done(_)) => Operation::Stat,
            (Some(operation), _) => operation,
            (None, _) => return,
        };
        *self.failures.entry(((repo, slot), at_ms)).or_default() += 1;
    }

    pub(super) fn of_repo(
        &mut self,
        repo: RepoId,
        events: &[Recorded<RepoEvent>],
    ) -> Result<(), Violation> {
        for recorded in events {
            match &recorded.event {
                RepoEvent::ErrorSet {
                    operation,
                    time_ms,
                    request_id,
                    result_number,
                    ..
                } => {
                    let slot = (repo, *operation);
                    let carried = self.carried.entry((slot, time_ms.0)).or_default();
                    *carried += 1;
                    let failures = self.failures.get(&(slot, time_ms.0)).copied();
                    if *carried > failures.unwrap_or_default() {
                        let seen = format!("{operation} {request_id} of repo {repo}");
                        return Err(Violation::of(Invariant::CarriedOnce, seen));
                    }
                    self.carried_in_order(slot, *result_number)?;
                }
                RepoEvent::ErrorCleared {
                    operation,
                    result_number,
                    ..
                } => self.carried_in_order((repo, *operation), *result_number)?,
                RepoEvent::InitStarted { .. } | RepoEvent::ShadowCreated { .. } => {}
            }
        }
        Ok(())
    }

    fn carried_in_order(&mut self, slot: Slot, number: u64) -> Result<(), Violation> {
        let newest = self.newest.entry(slot).or_default();
        if number > 0 && number <= *newest {
            let seen = format!("{number} after {newest} for {slot:?}");
            return Err(Violation::of(Invariant::CarriedInOrder, seen));
        }
        *newest = number.max(*newest);
        Ok(())
    }
}
