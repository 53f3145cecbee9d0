//! The commit as it is stored: MessagePack with named fields, chained to the commit before it.
//!
//! The hash is the last field and covers every byte before it, so that a reader verifies what was written without
//! encoding it again, unknown fields of newer writers included.

use std::fmt;

use bytes::Bytes;
use nogfso_kernel::{CommitId, Event, EventId, Position, Recorded};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The version of the envelope that this build writes and reads.
pub const ENVELOPE_VERSION: u16 = 1;
/// The most events of one commit.
pub const COMMIT_EVENTS_MAX: usize = 1_000;
/// The largest commit, in bytes; below the server's default payload limit of 1 MiB, with room for headers.
pub const COMMIT_BYTES_MAX: usize = 1_000_000;

const HASH_BYTES: usize = 32;
/// `"hash"` as a MessagePack string, then the header of 32 bytes of binary.
const HASH_KEY: [u8; 7] = [0xa4, b'h', b'a', b's', b'h', 0xc4, 0x20];

/// The SHA-256 of a commit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hash(#[serde(with = "serde_bytes")] [u8; HASH_BYTES]);

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The commit that came before on the same subject, or the last one that a reader has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previous {
    /// Its position.
    pub position: Position,
    /// Its id.
    pub commit: CommitId,
    /// Its hash.
    pub hash: Hash,
}

/// The command that a commit answers, as the caller named it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandStamp {
    /// The caller's command id.
    pub id: String,
    /// The digest of the command's name and arguments.
    pub digest: String,
}

/// The commit that gave rise to this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Its subject.
    pub subject: String,
    /// Its position.
    pub position: Position,
}

/// A stored event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredEvent<E> {
    /// Its id.
    pub id: EventId,
    /// The version of its data.
    pub schema: u16,
    /// Its type and data.
    pub fact: E,
}

/// One commit: the events of one decision and where they come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope<E> {
    /// The version of the envelope.
    pub v: u16,
    /// The id of the decision.
    pub commit: CommitId,
    /// The aggregate: the subject on which the commit is stored.
    pub aggregate: String,
    /// The events in order. May be empty: such a commit only moves the guard on.
    pub events: Vec<StoredEvent<E>>,
    /// The commit before; absent in the first of a subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Previous>,
    /// The caller's command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandStamp>,
    /// What gave rise to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The id of the first command in the chain of causes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// The W3C trace context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Who acted.
    pub actor: String,
    /// When it was decided, in milliseconds since the Unix epoch, by the writer's clock. Informative.
    pub at_ms: u64,
    /// The epoch of the claim, when it was written for a worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
}

#[derive(Serialize)]
struct Sealed<'a, E> {
    #[serde(flatten)]
    envelope: &'a Envelope<E>,
    #[serde(with = "serde_bytes")]
    hash: [u8; HASH_BYTES],
}

/// A commit as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit<E> {
    /// What was written.
    pub envelope: Envelope<E>,
    /// Where it is stored.
    pub position: Position,
    /// Its own hash, verified.
    pub hash: Hash,
}

/// Why bytes are not a commit that this build can fold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The bytes are not an envelope.
    #[error("the message is no commit: {reason}")]
    Malformed {
        /// What the decoder said.
        reason: String,
    },
    /// The bytes are not those that were hashed.
    #[error("the commit does not have the hash that it names")]
    HashMismatch,
    /// The commit is larger than [`COMMIT_BYTES_MAX`] or has more than [`COMMIT_EVENTS_MAX`] events.
    #[error("the commit is too large: {bytes} bytes, {events} events")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// Its events.
        events: usize,
    },
    /// A newer build wrote it. Waiting for an upgrade helps, nothing else does.
    #[error("a newer build wrote {what}")]
    Newer {
        /// The version or the event type that is unknown here.
        what: String,
    },
}

impl<E: Serialize> Envelope<E> {
    /// The bytes to store, and their hash.
    ///
    /// # Errors
    ///
    /// Fails if the commit is too large.
    pub fn encode(&self) -> Result<(Bytes, Hash), EnvelopeError> {
        let sealed = Sealed {
            envelope: self,
            hash: [0; HASH_BYTES],
        };
        let mut bytes =
            rmp_serde::to_vec_named(&sealed).map_err(|error| EnvelopeError::Malformed {
                reason: error.to_string(),
            })?;
        if bytes.len() > COMMIT_BYTES_MAX || self.events.len() > COMMIT_EVENTS_MAX {
            return Err(EnvelopeError::TooLarge {
                bytes: bytes.len(),
                events: self.events.len(),
            });
        }
        let covered = bytes.len() - HASH_BYTES - HASH_KEY.len();
        assert_eq!(
            bytes[covered..covered + HASH_KEY.len()],
            HASH_KEY,
            "the hash is the last field"
        );
        let hash = Hash(Sha256::digest(&bytes[..covered]).into());
        let at = bytes.len() - HASH_BYTES;
        bytes[at..].copy_from_slice(&hash.0);
        Ok((bytes.into(), hash))
    }
}

impl<E: DeserializeOwned> Commit<E> {
    fn decode_as(payload: &[u8], position: Position) -> Result<Self, EnvelopeError> {
        let hash = verify(payload)?;
        let envelope: Envelope<E> =
            rmp_serde::from_slice(payload).map_err(|error| EnvelopeError::Malformed {
                reason: error.to_string(),
            })?;
        if envelope.v > ENVELOPE_VERSION {
            return Err(EnvelopeError::Newer {
                what: format!("envelope version {}", envelope.v),
            });
        }
        Ok(Self {
            envelope,
            position,
            hash,
        })
    }
}

impl Commit<serde_json::Value> {
    /// Reads a commit of any kind; the facts stay JSON values.
    ///
    /// # Errors
    ///
    /// See [`EnvelopeError`].
    pub fn decode_any(payload: &[u8], position: Position) -> Result<Self, EnvelopeError> {
        Self::decode_as(payload, position)
    }
}

impl<E: Event> Commit<E> {
    /// Reads and verifies a commit.
    ///
    /// # Errors
    ///
    /// See [`EnvelopeError`].
    pub fn decode(payload: &[u8], position: Position) -> Result<Self, EnvelopeError> {
        Self::decode_as(payload, position).map_err(|error| match error {
            EnvelopeError::Malformed { .. } => newer_event::<E>(payload, position).unwrap_or(error),
            EnvelopeError::HashMismatch
            | EnvelopeError::TooLarge { .. }
            | EnvelopeError::Newer { .. } => error,
        })
    }

    /// What the next commit names as the one before it.
    #[must_use]
    pub fn as_previous(&self) -> Previous {
        Previous {
            position: self.position,
            commit: self.envelope.commit,
            hash: self.hash,
        }
    }

    /// The events without their schema versions.
    #[must_use]
    pub fn recorded(&self) -> Vec<Recorded<E>> {
        let recorded = |stored: &StoredEvent<E>| Recorded {
            id: stored.id,
            event: stored.fact.clone(),
        };
        self.envelope.events.iter().map(recorded).collect()
    }
}

/// The id of the commit in `payload`, without decoding its events.
///
/// # Errors
///
/// See [`EnvelopeError`].
pub fn commit_id(payload: &[u8]) -> Result<CommitId, EnvelopeError> {
    Ok(Commit::<IgnoredAny>::decode_as(payload, Position::START)?
        .envelope
        .commit)
}

fn verify(payload: &[u8]) -> Result<Hash, EnvelopeError> {
    let malformed = |reason: &str| EnvelopeError::Malformed {
        reason: reason.to_owned(),
    };
    let covered = payload.len().checked_sub(HASH_BYTES + HASH_KEY.len());
    let covered = covered.ok_or_else(|| malformed("shorter than a hash"))?;
    let (body, tail) = payload.split_at(covered);
    let named = tail
        .strip_prefix(&HASH_KEY)
        .ok_or_else(|| malformed("the hash is not the last field"))?;
    let computed: [u8; HASH_BYTES] = Sha256::digest(body).into();
    if named == computed {
        Ok(Hash(computed))
    } else {
        Err(EnvelopeError::HashMismatch)
    }
}

fn newer_event<E: Event>(payload: &[u8], position: Position) -> Option<EnvelopeError> {
    let commit = Commit::decode_any(payload, position).ok()?;
    let unknown = commit.envelope.events.iter().find_map(|stored| {
        let name = stored.fact.get("type")?.as_str()?;
        (!E::NAMES.contains(&name)).then(|| name.to_owned())
    });
    unknown.map(|name| EnvelopeError::Newer {
        what: format!("an event of type {name}"),
    })
}

#[cfg(test)]
mod tests;
