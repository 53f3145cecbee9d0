//! Tells how far a request has come, to whoever listens. Lost words are no loss: the journal says how it ended.

use std::sync::Arc;

use nogfso_bus::{Bus, Message};
use nogfso_contract::progress::{Progress, ProgressPhase};
use nogfso_domain::operation::Operation;
use nogfso_ids::{Instance, RepoId, RequestId};

use crate::disk::Meter;

/// What the words about one request have in common.
pub(crate) struct Telling {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) subject: String,
    pub(crate) repo: RepoId,
    pub(crate) request: RequestId,
    pub(crate) operation: Operation,
    pub(crate) instance: Instance,
    pub(crate) started_ms: u64,
}

impl Telling {
    pub(crate) async fn tell(&self, phase: ProgressPhase, meter: &Meter, now_ms: u64) {
        let (files, bytes) = meter.read();
        let elapsed_ms = now_ms.saturating_sub(self.started_ms);
        let progress = Progress {
            repo: self.repo,
            request: self.request,
            operation: self.operation,
            instance: self.instance.clone(),
            phase,
            files,
            bytes,
            files_per_s: files.saturating_mul(1_000) / elapsed_ms.max(1),
            elapsed_ms,
        };
        let payload = serde_json::to_vec(&progress).unwrap_or_default();
        let told = self
            .bus
            .publish(Message::new(self.subject.clone(), payload))
            .await;
        if let Err(error) = told {
            tracing::debug!(subject = self.subject, %error, "progress was not told");
        }
    }
}
