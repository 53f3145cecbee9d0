//! Who works, and what is stuck.

use nogfso_contract::Failure;
use nogfso_contract::query::{GetParked, GetWorkers, ParkedInfo, ParkedList, WorkerList};
use nogfso_ids::UnixMillis;

use crate::Gateway;
use crate::caller::Caller;
use crate::routes::Handle;

impl Handle for GetWorkers {
    async fn handle(self, gateway: &Gateway, _: &Caller) -> Result<WorkerList, Failure> {
        let mut workers = gateway.workers.present(gateway.environment.now_ms());
        workers.retain(|worker| {
            self.host
                .as_ref()
                .is_none_or(|host| worker.presence.host == *host)
        });
        Ok(WorkerList { workers })
    }
}

impl Handle for GetParked {
    async fn handle(self, gateway: &Gateway, _: &Caller) -> Result<ParkedList, Failure> {
        let entry = |entry: nogfso_journal::reaction::ParkedEntry| ParkedInfo {
            reaction: entry.reaction,
            subject: entry.subject,
            item: entry.item,
            reason: entry.reason,
            time: UnixMillis(entry.parked_ms).to_string(),
            retrying: entry.retry,
        };
        Ok(ParkedList {
            entries: gateway.parked_now().await?.into_iter().map(entry).collect(),
        })
    }
}
