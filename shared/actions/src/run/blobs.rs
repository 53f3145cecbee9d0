//! Values that are too large for a commit: written before the commit that names them, found by their digest (spec 2.15).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nogfso_journal::Log;
use nogfso_journal::log::{PublishFault, ReadFault, Record, Stored as Message};
use nogfso_kernel::Position;
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep};

use crate::deployment::BlobRef;

/// The most bytes of one message.
const CHUNK_BYTES_MAX: usize = 512 * 1024;
/// The most bytes of one value.
pub const VALUE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long a value is tried to be written or read.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

/// Why a value could not be written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BlobFault {
    #[error("the value {sha256} is not there")]
    Missing { sha256: String },
    #[error("the value {sha256} is not what was written")]
    Damaged { sha256: String },
    #[error("the journal does not answer: {reason}")]
    Unavailable { reason: String },
}

impl From<ReadFault> for BlobFault {
    fn from(fault: ReadFault) -> Self {
        Self::Unavailable {
            reason: fault.to_string(),
        }
    }
}

/// Where large values lie: `<prefix>.<SHA-256>`, in messages of at most 512 KiB.
#[derive(Clone)]
pub(crate) struct Blobs {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) prefix: String,
}

impl Blobs {
    /// Writes a value; lasting on return. The same value is written once, whoever writes it.
    pub(crate) async fn put(&self, value: &[u8]) -> Result<BlobRef, BlobFault> {
        let blob = BlobRef {
            sha256: sha256(value),
            bytes: value.len() as u64,
            version: None,
        };
        let subject = self.subject(&blob.sha256);
        let deadline = Instant::now() + PATIENCE;
        let chunks: Vec<&[u8]> = value.chunks(CHUNK_BYTES_MAX).collect();
        // The guard makes the messages those of the value in order, whoever else writes it at the same time.
        let mut last = Position::START;
        let mut next = 0;
        while next < chunks.len() {
            let record = Record {
                subject: subject.clone(),
                payload: Bytes::copy_from_slice(chunks[next]),
                headers: vec![],
                message_id: None,
                guard: Some(last),
                schedule: None,
            };
            let reason = match self.log.publish(&record).await {
                Ok(published) if !published.duplicate => {
                    last = published.position;
                    next += 1;
                    continue;
                }
                Ok(_) | Err(PublishFault::Conflict) => "others write the same value".to_owned(),
                Err(fault) => fault.to_string(),
            };
            if Instant::now() >= deadline {
                return Err(BlobFault::Unavailable { reason });
            }
            sleep(PAUSE).await;
            if let Some(stored) = self.log.leader_last(&subject).await? {
                let messages = self.messages(&subject, stored.position, deadline).await?;
                last = messages
                    .last()
                    .map_or(Position::START, |last| last.position);
                next = messages.len();
            }
        }
        Ok(blob)
    }

    /// Reads a value and checks it.
    pub(crate) async fn get(&self, blob: &BlobRef) -> Result<Vec<u8>, BlobFault> {
        let subject = self.subject(&blob.sha256);
        let deadline = Instant::now() + PATIENCE;
        let last = self.log.leader_last(&subject).await?;
        let sha256 = || blob.sha256.clone();
        let last = last.ok_or_else(|| BlobFault::Missing { sha256: sha256() })?;
        let messages = self.messages(&subject, last.position, deadline).await?;
        let value: Vec<u8> = messages
            .iter()
            .flat_map(|message| message.payload.iter().copied())
            .collect();
        match self::sha256(&value) == blob.sha256 {
            true => Ok(value),
            false => Err(BlobFault::Damaged { sha256: sha256() }),
        }
    }

    /// All messages of the value up to `least`, at least.
    async fn messages(
        &self,
        subject: &str,
        least: Position,
        deadline: Instant,
    ) -> Result<Vec<Message>, BlobFault> {
        let mut messages: Vec<Message> = vec![];
        loop {
            let after = messages
                .last()
                .map_or(Position::START, |last| last.position);
            if after >= least {
                return Ok(messages);
            }
            let page = self.log.read(subject, after).await?;
            let is_behind = page.is_empty();
            messages.extend(page);
            if is_behind {
                if Instant::now() >= deadline {
                    return Err(BlobFault::Unavailable {
                        reason: format!("reads stay behind {least}"),
                    });
                }
                sleep(PAUSE).await;
            }
        }
    }

    fn subject(&self, sha256: &str) -> String {
        format!("{}.{sha256}", self.prefix)
    }
}

fn sha256(value: &[u8]) -> String {
    let digest = Sha256::digest(value);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
