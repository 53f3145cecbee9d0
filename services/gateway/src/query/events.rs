//! What happened to a registry or a repo.

use std::time::Duration;

use nogfso_contract::query::{EventPage, GetEvents};
use nogfso_contract::{Failure, subjects};

use crate::Gateway;
use crate::caller::Caller;
use crate::listing::{Cursor, Listed};
use crate::routes::Handle;

impl Handle for GetEvents {
    async fn handle(self, gateway: &Gateway, _: &Caller) -> Result<EventPage, Failure> {
        let mut cursor = self.after.as_deref().map(Cursor::parse).transpose()?;
        let subject = match (&self.registry, self.repo) {
            (Some(registry), None) => {
                gateway.stores.known_registry(registry).await?;
                subjects::registry(registry)
            }
            (None, Some(repo)) => gateway.known_repo(repo).await?.subject,
            (Some(_), Some(_)) | (None, None) => {
                return Err(Failure::field("registry", "name either registry or repo"));
            }
        };
        let rows = self.limit.rows();
        let patience = self.wait.map_or(Duration::ZERO, |wait| wait.duration());
        let mut waiting = gateway.watch.wait(&subject, patience)?;
        let listed = loop {
            let least = waiting.least();
            let listed = gateway.list(&subject, cursor, least, rows).await?;
            // The place is known now, so the next look begins there.
            cursor = listed.next;
            if !listed.events.is_empty() || !waiting.next().await {
                break listed;
            }
        };
        let Listed {
            events,
            next,
            caught_up,
        } = listed;
        Ok(EventPage {
            events,
            next: next.map(Cursor::text),
            caught_up,
        })
    }
}
