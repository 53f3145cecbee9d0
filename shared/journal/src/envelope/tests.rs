//! Commits survive the way through bytes, and nothing else passes for one.

use nogfso_kernel::{CommitId, Event, EventId, Position};
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use super::{Commit, Envelope, EnvelopeError, StoredEvent, commit_id};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
enum Old {
    #[serde(rename = "EV_NAMED")]
    Named { name: String },
}

impl Event for Old {
    const NAMES: &'static [&'static str] = &["EV_NAMED"];
    fn name(&self) -> &'static str {
        "EV_NAMED"
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
enum New {
    #[serde(rename = "EV_NAMED")]
    Named { name: String, colour: u8 },
    #[serde(rename = "EV_NEW")]
    New {},
}

fn envelope<E>(facts: Vec<E>) -> Envelope<E> {
    let stored = |(n, fact)| StoredEvent {
        id: EventId(Ulid(n)),
        schema: 1,
        fact,
    };
    Envelope {
        v: 1,
        commit: CommitId(Ulid(9)),
        aggregate: "fso.ev.x.registry.x".into(),
        events: (1..).zip(facts).map(stored).collect(),
        previous: None,
        command: None,
        cause: None,
        correlation: None,
        traceparent: None,
        actor: "user:alice".into(),
        at_ms: 5,
        epoch: None,
    }
}

#[test]
fn what_is_encoded_is_decoded() {
    let envelope = envelope(vec![Old::Named { name: "ä".into() }]);
    let (bytes, hash) = envelope.encode().unwrap();
    let commit = Commit::<Old>::decode(&bytes, Position(3)).unwrap();
    assert_eq!((&commit.envelope, commit.hash), (&envelope, hash));
    assert_eq!(commit_id(&bytes).unwrap(), envelope.commit);
    let next = Envelope {
        previous: Some(commit.as_previous()),
        events: vec![],
        ..envelope
    };
    let (bytes, _) = next.encode().unwrap();
    assert_eq!(
        Commit::<Old>::decode(&bytes, Position(4)).unwrap().envelope,
        next
    );
}

#[test]
fn no_changed_byte_goes_unnoticed() {
    let (bytes, _) = envelope(vec![Old::Named { name: "a".into() }])
        .encode()
        .unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.to_vec();
        changed[at] ^= 1;
        Commit::<Old>::decode(&changed, Position(1)).unwrap_err();
    }
    for length in 0..bytes.len() {
        Commit::<Old>::decode(&bytes[..length], Position(1)).unwrap_err();
    }
}

#[test]
fn fields_that_a_newer_writer_added_are_read_over() {
    let (bytes, _) = envelope(vec![New::Named {
        name: "a".into(),
        colour: 3,
    }])
    .encode()
    .unwrap();
    let commit = Commit::<Old>::decode(&bytes, Position(1)).unwrap();
    assert_eq!(
        commit.envelope.events[0].fact,
        Old::Named { name: "a".into() }
    );
}

#[test]
fn an_event_type_of_a_newer_writer_is_told_from_damage() {
    let (bytes, _) = envelope(vec![New::New {}]).encode().unwrap();
    let error = Commit::<Old>::decode(&bytes, Position(1)).unwrap_err();
    assert!(matches!(error, EnvelopeError::Newer { .. }), "{error}");
    let newer = Envelope {
        v: 2,
        ..envelope::<Old>(vec![])
    };
    let error = Commit::<Old>::decode(&newer.encode().unwrap().0, Position(1)).unwrap_err();
    assert!(matches!(error, EnvelopeError::Newer { .. }), "{error}");
}

#[test]
fn a_commit_that_is_too_large_is_refused_before_it_is_sent() {
    let huge = envelope(vec![Old::Named {
        name: "x".repeat(1_000_001),
    }]);
    assert!(matches!(huge.encode(), Err(EnvelopeError::TooLarge { .. })));
    let many = envelope(vec![
        Old::Named {
            name: String::new()
        };
        1_001
    ]);
    assert!(matches!(many.encode(), Err(EnvelopeError::TooLarge { .. })));
}
