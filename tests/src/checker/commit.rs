//! A commit as it is stored: MessagePack with named fields, the hash of all before it at the end.

use serde::Deserialize;
use serde_bytes::ByteBuf;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::complaint::{Complaint, Kind};
use super::raw::Raw;

/// `"hash"` as a string of four bytes, then the head of 32 bytes.
const HASH_FIELD: &[u8] = b"\xa4hash\xc4\x20";
const HASH_BYTES: usize = 32;

/// A commit, read and verified.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    pub(crate) stream: String,
    pub(crate) sequence: u64,
    pub(crate) subject: String,
    pub(crate) id: String,
    pub(crate) hash: Vec<u8>,
    pub(crate) previous: Option<Link>,
    pub(crate) events: Vec<Event>,
    pub(crate) command_id: Option<String>,
    pub(crate) actor: String,
}

/// What a commit says of the one before it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Link {
    pub(crate) position: u64,
    pub(crate) commit: String,
    pub(crate) hash: ByteBuf,
}

/// One fact.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) data: Value,
}

#[derive(Deserialize)]
struct Stored {
    v: u16,
    commit: String,
    aggregate: String,
    events: Vec<StoredEvent>,
    #[serde(default)]
    previous: Option<Link>,
    #[serde(default)]
    command: Option<StoredCommand>,
    actor: String,
    hash: ByteBuf,
}

#[derive(Deserialize)]
struct StoredEvent {
    id: String,
    fact: StoredFact,
}

#[derive(Deserialize)]
struct StoredFact {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    data: Value,
}

#[derive(Deserialize)]
struct StoredCommand {
    id: String,
}

impl Commit {
    /// Where it stands, for a person.
    pub(crate) fn place(&self) -> String {
        format!("{} {}", self.subject, self.sequence)
    }

    /// Whether it carries the whole state, so that what lies before may be gone.
    pub(crate) fn is_whole(&self) -> bool {
        let first = self.events.first();
        first.is_some_and(|event| match event.kind.as_str() {
            "EV_FSO_WORK_RELEASED" => true,
            "EV_FSO_WORK_FINISHED" => event.data["releases"] == true,
            _ => false,
        })
    }
}

/// Reads a message.
pub(crate) fn decode(raw: &Raw) -> Result<Commit, Complaint> {
    let place = format!("{} {}", raw.subject, raw.sequence);
    let complain = |kind, what: &dyn std::fmt::Display| Complaint::new(kind, &place, what);
    let body = raw.payload.len().checked_sub(HASH_FIELD.len() + HASH_BYTES);
    let Some((body, tail)) = body.map(|length| raw.payload.split_at(length)) else {
        return Err(complain(Kind::Unreadable, &"shorter than a hash"));
    };
    let Some(named) = tail.strip_prefix(HASH_FIELD) else {
        return Err(complain(Kind::Unreadable, &"does not end with a hash"));
    };
    let computed = Sha256::digest(body);
    if named != computed.as_slice() {
        return Err(complain(
            Kind::WrongHash,
            &"the bytes are not those that were hashed",
        ));
    }
    let stored: Stored =
        rmp_serde::from_slice(&raw.payload).map_err(|error| complain(Kind::Unreadable, &error))?;
    if stored.v != 1 || stored.hash.as_slice() != named {
        return Err(complain(
            Kind::Unreadable,
            &"another version, or a hash that is not its last field",
        ));
    }
    if stored.aggregate != raw.subject {
        return Err(complain(Kind::WrongAggregate, &stored.aggregate));
    }
    let event = |stored: StoredEvent| Event {
        id: stored.id,
        kind: stored.fact.kind,
        data: stored.fact.data,
    };
    Ok(Commit {
        stream: raw.stream.clone(),
        sequence: raw.sequence,
        subject: raw.subject.clone(),
        id: stored.commit,
        hash: named.to_vec(),
        previous: stored.previous,
        events: stored.events.into_iter().map(event).collect(),
        command_id: stored.command.map(|command| command.id),
        actor: stored.actor,
    })
}
