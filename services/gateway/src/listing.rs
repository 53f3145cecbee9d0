//! Histories as lists of events, and places in them to go on from.

use nogfso_contract::event::{EventLine, split_fact};
use nogfso_contract::{Code, Failure};
use nogfso_ids::UnixMillis;
use nogfso_journal::Commit;
use nogfso_kernel::{EventId, Position, Vid};
use serde_json::Value;
use ulid::Ulid;

use crate::Gateway;
use crate::refusal;

/// Reads the events of one commit; `parent` is the event before it.
pub(crate) fn lines(commit: Commit<Value>, parent: Vid) -> Vec<EventLine> {
    let mut parent = parent;
    let line = |stored: nogfso_journal::StoredEvent<Value>| {
        let (event, data) = split_fact(stored.fact);
        let line = EventLine {
            event,
            id: stored.id.to_string(),
            parent: parent.to_string(),
            etime: UnixMillis(stored.id.time_ms()).to_string(),
            data,
        };
        parent = stored.id.into();
        line
    };
    commit.envelope.events.into_iter().map(line).collect()
}

/// A place in a history: after an event, with the position of its commit if that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) event: EventId,
    pub(crate) position: Option<Position>,
}

impl Cursor {
    /// Reads `<event id>` or `<event id>@<position>`.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let malformed = || {
            Failure::field(
                "after",
                "allowed is the id of an event, or `next` of an earlier page",
            )
        };
        let (event, position) = match text.split_once('@') {
            Some((event, position)) => (event, Some(position)),
            None => (text, None),
        };
        let event: Ulid = event.parse().map_err(|_| malformed())?;
        let position = match position {
            Some(position) => Some(Position(position.parse().map_err(|_| malformed())?)),
            None => None,
        };
        Ok(Self {
            event: EventId(event),
            position,
        })
    }

    pub(crate) fn text(self) -> String {
        match self.position {
            Some(position) => format!("{}@{position}", self.event),
            None => self.event.to_string(),
        }
    }
}

/// A page of a history.
pub(crate) struct Listed {
    pub(crate) events: Vec<EventLine>,
    pub(crate) next: Option<Cursor>,
    pub(crate) caught_up: bool,
}

impl Gateway {
    /// The commits of `subject` after `after`, as many as one read gives.
    pub(crate) async fn commits(
        &self,
        subject: &str,
        after: Position,
    ) -> Result<Vec<Commit<Value>>, Failure> {
        let stored = self.log.read(subject, after).await.map_err(refusal::read)?;
        let decoded = stored.iter().map(|stored| {
            Commit::decode_any(&stored.payload, stored.position).map_err(|error| {
                Failure::new(
                    Code::Internal,
                    format!("{subject} at {}: {error}", stored.position),
                )
            })
        });
        decoded.collect()
    }

    /// The events of `subject` after `cursor`, about `rows` at most; a commit is never cut.
    pub(crate) async fn list(
        &self,
        subject: &str,
        cursor: Option<Cursor>,
        rows: usize,
    ) -> Result<Listed, Failure> {
        let mut events: Vec<EventLine> = vec![];
        let mut next = cursor;
        let mut parent = Vid::EPOCH;
        // With a cursor, what is read first must contain its event; everything up to it is skipped.
        let mut skipping = cursor.map(|cursor| cursor.event);
        let mut after = match cursor.and_then(|cursor| cursor.position) {
            Some(position) => Position(position.0.saturating_sub(1)),
            None => Position::START,
        };
        loop {
            let commits = self.commits(subject, after).await?;
            if commits.is_empty() {
                let known = skipping.is_none();
                return if known {
                    Ok(Listed {
                        events,
                        next,
                        caught_up: true,
                    })
                } else {
                    Err(unknown_event())
                };
            }
            for commit in commits {
                let position = commit.position;
                after = position;
                for line in lines(commit, parent) {
                    let id: Ulid = line.id.parse().map_err(|_| unknown_event())?;
                    parent = Vid(id);
                    if let Some(wanted) = skipping {
                        skipping = (wanted.0 != id).then_some(wanted);
                        continue;
                    }
                    next = Some(Cursor {
                        event: EventId(id),
                        position: Some(position),
                    });
                    events.push(line);
                }
                if events.len() >= rows {
                    return Ok(Listed {
                        events,
                        next,
                        caught_up: false,
                    });
                }
                if skipping.is_some() && cursor.is_some_and(|cursor| cursor.position.is_some()) {
                    return Err(unknown_event());
                }
            }
        }
    }
}

fn unknown_event() -> Failure {
    Failure {
        code: Code::NotFound,
        ..Failure::field("after", "the history has no such event")
    }
}
