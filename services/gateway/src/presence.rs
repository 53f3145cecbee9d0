//! Which workers are there: what they said about themselves, and when.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt;
use nogfso_bus::{BusError, Message};
use nogfso_contract::presence::{PRESENCE_GONE_MS, Presence};
use nogfso_contract::query::WorkerInfo;
use nogfso_contract::subjects::{PRESENCE_ALL, PRESENCE_WHO};
use nogfso_host::Tasks;
use nogfso_ids::{Host, Instance};

use crate::Gateway;

/// How many workers are remembered.
const WORKERS_MAX: usize = 10_000;

type Known = BTreeMap<(Host, Instance), (Presence, u64)>;

#[derive(Default)]
pub(crate) struct Workers {
    known: Mutex<Known>,
}

impl Workers {
    fn heard(&self, presence: Presence, now_ms: u64) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (presence.host.clone(), presence.instance.clone());
        if known.len() < WORKERS_MAX || known.contains_key(&key) {
            known.insert(key, (presence, now_ms));
        }
        known.retain(|_, (_, seen_ms)| now_ms.saturating_sub(*seen_ms) < PRESENCE_GONE_MS);
    }

    /// Who has the lock of work that nobody has claimed, as those say who are locked out.
    pub(crate) fn lock_holder(&self, subject: &str, now_ms: u64) -> Option<Instance> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = known
            .values()
            .filter(|(_, seen_ms)| now_ms.saturating_sub(*seen_ms) < PRESENCE_GONE_MS);
        heard
            .flat_map(|(presence, _)| &presence.locked_out)
            .find(|locked_out| locked_out.subject == subject)
            .map(|locked_out| locked_out.holder.clone())
    }

    /// Those that were heard of lately.
    pub(crate) fn present(&self, now_ms: u64) -> Vec<WorkerInfo> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let lately = |seen_ms: u64| now_ms.saturating_sub(seen_ms);
        let heard = known
            .values()
            .filter(|(_, seen_ms)| lately(*seen_ms) < PRESENCE_GONE_MS);
        heard
            .map(|(presence, seen_ms)| WorkerInfo {
                presence: presence.clone(),
                seen_ms_ago: lately(*seen_ms),
            })
            .collect()
    }
}

/// Listens to the workers until `tasks` are stopped, and asks once who is there.
///
/// # Errors
///
/// Fails if the bus cannot be listened to.
pub(crate) async fn follow(gateway: &Arc<Gateway>, tasks: &Tasks) -> Result<(), BusError> {
    let mut messages = gateway.bus.subscribe(PRESENCE_ALL).await?;
    gateway.bus.publish(Message::new(PRESENCE_WHO, "")).await?;
    let gateway = Arc::clone(gateway);
    let stop = tasks.stop().clone();
    tasks.spawn("presence", async move {
        while let Some(message) = tokio::select! {
            biased;
            () = stop.cancelled() => None,
            message = messages.next() => message,
        } {
            match serde_json::from_slice(&message.payload) {
                Ok(presence) => gateway.workers.heard(presence, gateway.environment.now_ms()),
                Err(error) => tracing::warn!(subject = message.subject, %error, "a worker's word is unreadable"),
            }
        }
    });
    Ok(())
}
