//! A lane with its history, and short names for what is done to it.

mod properties;
mod rules;
mod wire;

use nogfso_ids::{Author, Instance, RequestId, UnixMillis};
use nogfso_kernel::{Event as _, EventId, Folded, Position, Recorded, fold_events};
use ulid::Ulid;

use super::*;
use crate::operation::{ErrorText, Problems};

const NOW_MS: u64 = 1_000_000_000_000;

/// A lane with its whole history, one element per commit.
#[derive(Clone, Default)]
struct Log {
    work: Work,
    commits: Vec<Vec<Recorded<WorkEvent>>>,
    now_ms: u64,
}

impl Log {
    fn new() -> Self {
        Self {
            now_ms: NOW_MS,
            ..Self::default()
        }
    }

    fn decide(&self, command: &WorkCommand) -> Result<Vec<WorkEvent>, WorkRefusal> {
        decide(&self.work, command, self.now_ms)
    }

    /// Decides, folds what came out as one commit, and returns it.
    fn run(&mut self, command: &WorkCommand) -> Result<Vec<WorkEvent>, WorkRefusal> {
        let events = self.decide(command)?;
        if !events.is_empty() {
            let recorded: Vec<_> = events
                .iter()
                .enumerate()
                .map(|(n, event)| Recorded {
                    id: EventId(Ulid::from_parts(self.now_ms, n as u128)),
                    event: event.clone(),
                })
                .collect();
            self.commits.push(recorded);
            self.work = self.fold_from(self.commits.len() - 1, self.work.clone());
        }
        Ok(events)
    }

    fn fold_from(&self, first: usize, mut work: Work) -> Work {
        for (n, commit) in self.commits.iter().enumerate().skip(first) {
            let folded = Folded {
                state: work,
                ..Folded::<WorkLane>::default()
            };
            work = fold_events(folded, commit, Position(n as u64 + 1))
                .unwrap()
                .state;
        }
        work
    }

    fn given(commands: &[WorkCommand]) -> Self {
        let mut log = Self::new();
        for command in commands {
            log.run(command).unwrap();
        }
        log
    }

    fn names(&mut self, command: &WorkCommand) -> Vec<&'static str> {
        let events = self.run(command).unwrap();
        events
            .iter()
            .map(|event| event.name().trim_start_matches("EV_FSO_WORK_"))
            .collect()
    }

    fn due(&self) -> Vec<RequestId> {
        self.work.due().map(|request| request.request).collect()
    }
}

fn id(n: u64) -> RequestId {
    RequestId::derived_from(&n.to_string())
}

fn stat(confirm_emptied: bool) -> Order {
    Order::Stat {
        mtime_range: MtimeRange::No,
        confirm_emptied,
    }
}

fn request_of(n: u64, order: Order) -> WorkCommand {
    WorkCommand::Request {
        request: id(n),
        order,
        author: Author::try_new("Alice", "alice@example.org").unwrap(),
        at: UnixMillis(NOW_MS),
    }
}

fn request(n: u64) -> WorkCommand {
    request_of(n, Order::Init {})
}

fn cancel(n: u64) -> WorkCommand {
    WorkCommand::Cancel { request: id(n) }
}

fn claim(name: &str, lease: u64) -> WorkCommand {
    WorkCommand::Claim {
        instance: Instance::parse(name).unwrap(),
        lease: Position(lease),
        above: 0,
    }
}

fn start(n: u64, epoch: u64) -> WorkCommand {
    WorkCommand::Start {
        request: id(n),
        epoch,
    }
}

fn defer(n: u64, epoch: u64, until_ms: u64) -> WorkCommand {
    WorkCommand::Defer {
        request: id(n),
        epoch,
        until_ms,
        reason: ErrorText::new("the server is away"),
    }
}

fn finish(n: u64, epoch: u64) -> WorkCommand {
    WorkCommand::Finish {
        request: id(n),
        epoch,
        result: done(),
    }
}

fn wake(request: Option<u64>) -> WorkCommand {
    WorkCommand::Wake {
        request: request.map(id),
    }
}

fn release(epoch: u64) -> WorkCommand {
    WorkCommand::Release { epoch }
}

fn revoke(epoch: u64) -> WorkCommand {
    WorkCommand::Revoke { epoch }
}

fn report() -> Report {
    Report {
        outcome: Outcome::Committed,
        shadow_path: Some("/shadow/x.fso".to_owned()),
        old_ref: None,
        new_ref: Some("0123456789012345678901234567890123456789".to_owned()),
        counts: Counts {
            added: 3,
            files: 2,
            dirs: 1,
            bytes: 5,
            ..Counts::default()
        },
        problems: Problems::default(),
    }
}

fn done() -> WorkResult {
    WorkResult::Done(report())
}

fn moved(asked: u64, newest: u64) -> WorkRefusal {
    WorkRefusal::EpochMoved { asked, newest }
}
