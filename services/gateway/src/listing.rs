//! Histories as lists of events, and places in them to go on from.

use std::time::Duration;

use nogfso_contract::event::{EventLine, split_fact};
use nogfso_contract::{Code, Failure};
use nogfso_ids::UnixMillis;
use nogfso_journal::Commit;
use nogfso_journal::log::Stored;
use nogfso_kernel::{EventId, Position, Vid};
use serde_json::Value;
use tokio::time::{Instant, sleep};
use ulid::Ulid;

use crate::Gateway;
use crate::refusal;

/// How long reads may stay behind what is known to be there.
const BEHIND_PATIENCE: Duration = Duration::from_secs(5);
const BEHIND_PAUSE: Duration = Duration::from_millis(2);

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

/// Where one who reads a history is.
struct Reader<'a> {
    gateway: &'a Gateway,
    subject: &'a str,
    after: Position,
    /// What must have been seen before the end is the end.
    least: Position,
}

impl<'a> Reader<'a> {
    fn new(gateway: &'a Gateway, subject: &'a str, after: Position, least: Position) -> Self {
        Self {
            gateway,
            subject,
            after,
            least,
        }
    }

    /// The next commits, as many as one read gives; none at the end.
    async fn next(&mut self) -> Result<Vec<Commit<Value>>, Failure> {
        let deadline = Instant::now() + BEHIND_PATIENCE;
        loop {
            let page = self.gateway.log.read(self.subject, self.after).await;
            let page = page.map_err(refusal::read)?;
            if let Some(last) = page.last() {
                self.after = last.position;
                return page.iter().map(|stored| self.decode(stored)).collect();
            }
            if self.after >= self.least {
                return Ok(vec![]);
            }
            if Instant::now() >= deadline {
                let message = format!("reads of {} stay behind", self.subject);
                return Err(Failure::new(Code::Unavailable, message));
            }
            sleep(BEHIND_PAUSE).await;
        }
    }

    /// Whether the leader has more. To be asked at the end, where the answer depends on nothing having been missed.
    async fn is_behind(&mut self) -> Result<bool, Failure> {
        let last = self.gateway.log.leader_last(self.subject).await;
        let last = last.map_err(refusal::read)?;
        self.least = last.map_or(Position::START, |last| last.position);
        Ok(self.after < self.least)
    }

    fn decode(&self, stored: &Stored) -> Result<Commit<Value>, Failure> {
        Commit::decode_any(&stored.payload, stored.position).map_err(|error| {
            let message = format!("{} at {}: {error}", self.subject, stored.position);
            Failure::new(Code::Internal, message)
        })
    }
}

impl Gateway {
    /// The first commit of `subject`, at any position, of which `wanted` holds, with the version before it. Nothing is missed.
    pub(crate) async fn find_commit(
        &self,
        subject: &str,
        wanted: impl Fn(&Commit<Value>) -> bool,
    ) -> Result<Option<(Commit<Value>, Vid)>, Failure> {
        let mut reader = Reader::new(self, subject, Position::START, Position::START);
        let mut parent = Vid::EPOCH;
        loop {
            let commits = reader.next().await?;
            if commits.is_empty() && !reader.is_behind().await? {
                return Ok(None);
            }
            for commit in commits {
                if wanted(&commit) {
                    return Ok(Some((commit, parent)));
                }
                let last = commit.envelope.events.last();
                parent = last.map_or(parent, |stored| stored.id.into());
            }
        }
    }

    /// The events of `subject` after `cursor`, about `rows` at most; a commit is never cut. What lies at `least` is seen.
    pub(crate) async fn list(
        &self,
        subject: &str,
        cursor: Option<Cursor>,
        least: Position,
        rows: usize,
    ) -> Result<Listed, Failure> {
        let known_position = cursor.and_then(|cursor| cursor.position);
        // With a cursor, what is read first must contain its event; everything up to it is skipped.
        let start = known_position.map_or(0, |position| position.0.saturating_sub(1));
        let mut reader = Reader::new(self, subject, Position(start), least);
        let mut page = Page {
            events: vec![],
            next: cursor,
            parent: Vid::EPOCH,
            skips_to: cursor.map(|cursor| cursor.event),
        };
        loop {
            let commits = reader.next().await?;
            if commits.is_empty() {
                if page.skips_to.is_none() {
                    return Ok(page.listed(true));
                }
                if !reader.is_behind().await? {
                    return Err(unknown_event());
                }
            }
            for commit in commits {
                page.add(commit);
                if page.skips_to.is_some() && known_position.is_some() {
                    return Err(unknown_event());
                }
                if page.events.len() >= rows {
                    return Ok(page.listed(false));
                }
            }
        }
    }
}

/// A page that is being filled.
struct Page {
    events: Vec<EventLine>,
    next: Option<Cursor>,
    parent: Vid,
    skips_to: Option<EventId>,
}

impl Page {
    fn add(&mut self, commit: Commit<Value>) {
        let position = commit.position;
        let ids: Vec<EventId> = commit
            .envelope
            .events
            .iter()
            .map(|stored| stored.id)
            .collect();
        for (id, line) in ids.into_iter().zip(lines(commit, self.parent)) {
            self.parent = id.into();
            let skips = self.skips_to.is_some();
            if self.skips_to == Some(id) {
                self.skips_to = None;
            }
            if self.skips_to.is_none() {
                self.next = Some(Cursor {
                    event: id,
                    position: Some(position),
                });
            }
            if !skips {
                self.events.push(line);
            }
        }
    }

    fn listed(self, caught_up: bool) -> Listed {
        Listed {
            events: self.events,
            next: self.next,
            caught_up,
        }
    }
}

fn unknown_event() -> Failure {
    Failure {
        code: Code::NotFound,
        ..Failure::field("after", "the history has no such event")
    }
}
