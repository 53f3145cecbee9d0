//! Those who ask: each is a program on the bus that gives commands, repeats what was not answered, and holds each answer
//! against the journal.

mod answers;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nogfso_bus::{Bus, Message, RequestError};
use nogfso_contract::codec::Answer;
use nogfso_contract::{Code, Failure};
use nogfso_ids::RepoId;
use nogfso_journal::memory::STALE_FIND;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::fault::Fault;
use super::host::DENIED;
use super::process::HOST;
use super::stage::{Stage, lock};

const PATIENCE_MS: (u32, u32) = (3_000, 9_000);
const AGAIN_MS: (u32, u32) = (20, 1_500);
const CLIENTS: usize = 3;
const REGISTRIES: [&str; 2] = ["exreg", "other"];
const PATHS: [&str; 5] = [
    "/data/a",
    "/data/b",
    "/data/c",
    "/data/denied",
    "/elsewhere/x",
];

/// A command that a client gives, in its own words.
#[derive(Debug, Clone)]
pub(super) enum Command {
    InitRegistry(&'static str),
    InitRoot {
        registry: &'static str,
        host_root: &'static str,
    },
    InitRepo {
        registry: &'static str,
        path: &'static str,
        author: &'static str,
    },
    Stat {
        repo: RepoId,
        command_id: String,
        confirm_emptied: bool,
    },
    Cancel {
        repo: RepoId,
        request: String,
    },
    ClearError {
        repo: RepoId,
        operation: &'static str,
    },
    ClearText {
        repo: RepoId,
    },
}

impl Command {
    fn message(&self) -> (&'static str, Value) {
        match self {
            Self::InitRegistry(name) => ("fso.cmd.registry.init", json!({"name": name})),
            Self::InitRoot {
                registry,
                host_root,
            } => (
                "fso.cmd.root.init",
                json!({"registry": registry, "global_root": "/data", "host": HOST, "host_root": host_root}),
            ),
            Self::InitRepo {
                registry,
                path,
                author,
            } => (
                "fso.cmd.repo.init",
                json!({"registry": registry, "global_path": path, "author": author}),
            ),
            Self::Stat {
                repo,
                command_id,
                confirm_emptied,
            } => (
                "fso.cmd.repo.stat",
                json!({"repo": repo, "command_id": command_id, "confirm_emptied": confirm_emptied}),
            ),
            Self::Cancel { repo, request } => (
                "fso.cmd.request.cancel",
                json!({"repo": repo, "request": request}),
            ),
            Self::ClearError { repo, operation } => (
                "fso.cmd.repo.clear-error",
                json!({"repo": repo, "operation": operation}),
            ),
            Self::ClearText { repo } => (
                "fso.cmd.repo.clear-error",
                json!({"repo": repo, "error_message": "the disk is ill"}),
            ),
        }
    }
}

/// What the clients of a run know together.
#[derive(Default)]
pub(super) struct Known {
    repos: Mutex<Vec<RepoId>>,
    requests: Mutex<Vec<(RepoId, String)>>,
    /// How often each kind of answer came.
    pub(super) answers: Mutex<BTreeMap<String, u64>>,
}

/// One client.
struct Client {
    stage: Arc<Stage>,
    known: Arc<Known>,
    bus: Arc<dyn Bus>,
    name: String,
}

/// Lets all clients give their commands; returns when each was answered for good.
pub(super) async fn run(stage: &Arc<Stage>, known: &Arc<Known>) {
    let clients = (0..CLIENTS).map(|number| {
        let client = Client {
            stage: Arc::clone(stage),
            known: Arc::clone(known),
            bus: Arc::new(stage.bus.another_client()),
            name: format!("client-{number}"),
        };
        async move { client.run(number).await }
    });
    futures_util::future::join_all(clients).await;
}

impl Client {
    async fn run(&self, number: usize) {
        if number == 0 {
            for command in self.beginnings() {
                self.give(&command).await;
            }
        }
        let count = 3 + self.stage.chance.below(7);
        for nth in 0..count {
            let think = self.stage.chance.one_of(&[10, 300, 3_000, 6_000]);
            sleep(self.stage.chance.ms(1, think)).await;
            let command = self.drawn(nth);
            self.give(&command).await;
        }
    }

    fn beginnings(&self) -> Vec<Command> {
        let registry = REGISTRIES[0];
        let mut commands = vec![
            Command::InitRegistry(registry),
            Command::InitRoot {
                registry,
                host_root: "/srv/data",
            },
        ];
        for path in &PATHS[..1 + self.stage.chance.below(3) as usize] {
            commands.push(Command::InitRepo {
                registry,
                path,
                author: "Alice <alice@example.com>",
            });
        }
        commands
    }

    fn drawn(&self, nth: u32) -> Command {
        let chance = &self.stage.chance;
        let registry = chance.one_of(&[REGISTRIES[0], REGISTRIES[0], REGISTRIES[0], REGISTRIES[1]]);
        let repos = lock(&self.known.repos).clone();
        let requests = lock(&self.known.requests).clone();
        let kind = chance.below(20);
        if kind >= 5 && !repos.is_empty() {
            let repo = chance.one_of(&repos);
            match kind {
                5..=8 => {
                    let operation = chance.one_of(&["init", "init", "stat"]);
                    return Command::ClearError { repo, operation };
                }
                9 => return Command::ClearText { repo },
                10..=11 if !requests.is_empty() => {
                    let at = chance.below(u32::try_from(requests.len()).unwrap_or(1)) as usize;
                    let (repo, request) = requests[at].clone();
                    return Command::Cancel { repo, request };
                }
                _ => {
                    return Command::Stat {
                        repo,
                        command_id: format!("{}-{nth}", self.name),
                        confirm_emptied: chance.per_mille(300),
                    };
                }
            }
        }
        match kind % 5 {
            0 => Command::InitRegistry(registry),
            1 => Command::InitRoot {
                registry,
                host_root: chance.one_of(&["/srv/data", "/srv/data", "/srv/others"]),
            },
            _ => Command::InitRepo {
                registry,
                path: chance.one_of(&PATHS),
                author: chance.one_of(&[
                    "Alice <alice@example.com>",
                    "Alice <alice@example.com>",
                    "Bob <bob@example.com>",
                ]),
            },
        }
    }

    /// Gives a command, again and again until it is answered for good.
    async fn give(&self, command: &Command) {
        loop {
            let span = lock(&self.stage.auditor).now();
            let stale_finds = self.stage.log.played().get(STALE_FIND).copied();
            let answer = self.ask(command).await;
            self.stage
                .tell(|| format!("{} asks {command:?}: {answer:?}", self.name));
            let found_stale = self.stage.log.played().get(STALE_FIND).copied() != stale_finds;
            let judged = match answer {
                Some(Answer::Ok(reply)) => {
                    self.learn(command, &reply);
                    self.note(command, "ok");
                    let auditor = lock(&self.stage.auditor);
                    Some(answers::acknowledged(&auditor, span, command, &reply))
                }
                Some(Answer::Error(failure)) if !is_passing(&failure) => {
                    self.note(command, &format!("{:?}", failure.code));
                    // That a repo which is known by its id alone is found by a read that may lag is a known limit.
                    if failure.code == Code::NotFound && found_stale {
                        None
                    } else {
                        let auditor = lock(&self.stage.auditor);
                        Some(answers::refused(&auditor, span, command, &failure))
                    }
                }
                Some(Answer::Error(_)) | None => None,
            };
            match judged {
                Some(Ok(())) => return,
                Some(Err(violation)) => return self.stage.violate(violation),
                None => sleep(self.stage.chance.ms(AGAIN_MS.0, AGAIN_MS.1)).await,
            }
        }
    }

    async fn ask(&self, command: &Command) -> Option<Answer<Value>> {
        let stage = &self.stage;
        let patience = stage.chance.ms(PATIENCE_MS.0, PATIENCE_MS.1);
        if stage.strikes(Fault::LostQuestion, stage.temper.lost_word) {
            sleep(patience).await;
            return None;
        }
        let (subject, payload) = command.message();
        let asked = self
            .bus
            .request(Message::new(subject, payload.to_string()), patience);
        let reply = match asked.await {
            Ok(reply) => reply,
            Err(
                RequestError::NoResponder { .. }
                | RequestError::TimedOut { .. }
                | RequestError::Bus(_),
            ) => {
                return None;
            }
        };
        if stage.strikes(Fault::LostReply, stage.temper.lost_word) {
            sleep(Duration::from_millis(100)).await;
            return None;
        }
        Some(serde_json::from_slice(&reply.payload).expect("a gateway answers in JSON"))
    }

    /// Remembers what there is to ask about later.
    fn learn(&self, command: &Command, reply: &Value) {
        let repo = reply["repo"].as_str().and_then(|repo| repo.parse().ok());
        match (command, repo) {
            (Command::InitRepo { .. }, Some(repo)) => {
                let mut repos = lock(&self.known.repos);
                if !repos.contains(&repo) {
                    repos.push(repo);
                }
            }
            (Command::Stat { .. }, Some(repo)) => {
                if let Some(request) = reply["request"].as_str() {
                    lock(&self.known.requests).push((repo, request.to_owned()));
                }
            }
            _ => {}
        }
    }

    fn note(&self, command: &Command, answer: &str) {
        let words = format!("{command:?}");
        let kind = words.split([' ', '(', '{']).next().unwrap_or_default();
        *lock(&self.known.answers)
            .entry(format!("{kind} {answer}"))
            .or_default() += 1;
    }
}

/// Whether the same command may be answered otherwise in a moment.
fn is_passing(failure: &Failure) -> bool {
    match failure.code {
        Code::Busy
        | Code::HostUnavailable
        | Code::Unavailable
        | Code::TimedOut
        | Code::OutcomeUnknown => true,
        Code::Malformed
        | Code::InvalidField
        | Code::TooLarge
        | Code::Unsupported
        | Code::Denied
        | Code::NotFound
        | Code::Conflict
        | Code::Precondition
        | Code::VersionConflict
        | Code::InitDenied
        | Code::LimitReached
        | Code::WorkFailed
        | Code::Cancelled
        | Code::Internal => false,
    }
}

/// Whether no worker adopts what is at `path`.
fn is_denied(path: &str) -> bool {
    path.contains(DENIED)
}
