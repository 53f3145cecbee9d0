//! Finding the stock client, and what it is told.

use std::path::{Path, PathBuf};
use std::process::Command;

use nogfso_testkit::{Process, workspace_root};

use crate::end_to_end::DEADLINE;
use crate::end_to_end::asking::Answer;
use crate::end_to_end::world::World;

/// Sends the same bytes as the `nats` command line.
const CLIENT: &str = include_str!("client.py");

#[derive(Debug, Clone)]
enum Program {
    /// The `nats` command line.
    Cli(PathBuf),
    /// A Python that has the client library, and our script for it.
    Python { python: PathBuf, script: PathBuf },
}

/// The stock client of one user.
#[derive(Debug)]
pub(super) struct Tool {
    program: Program,
    context: PathBuf,
}

impl Tool {
    pub(super) fn of(world: &World, user: &str) -> Self {
        Self {
            program: program(world.path()),
            context: world.context_of(user),
        }
    }

    /// The services that answer to discovery.
    pub(super) fn services(&self) -> String {
        let mut command = match self.program {
            Program::Cli(_) => self.command(&["micro", "ls"]),
            Program::Python { .. } => self.command(&["services"]),
        };
        Answer::of(&mut command).ok()
    }

    /// Sends a request and returns the answer, or else what it complained of.
    pub(super) fn request(&self, subject: &str, payload: &str) -> Result<String, String> {
        let mut command = match self.program {
            Program::Cli(_) => self.command(&["req", "--raw", "--timeout=30s", subject, payload]),
            Program::Python { .. } => self.command(&["request", subject, payload]),
        };
        let answer = Answer::of(&mut command);
        let said = answer.stdout.trim();
        if answer.status == 0 && !said.is_empty() {
            Ok(said.to_owned())
        } else {
            Err(answer.stdout + &answer.stderr)
        }
    }

    /// Publishes, and returns what it complained of.
    pub(super) fn publish(&self, subject: &str, payload: &str) -> String {
        let verb = match self.program {
            Program::Cli(_) => "pub",
            Program::Python { .. } => "publish",
        };
        let answer = Answer::of(&mut self.command(&[verb, subject, payload]));
        answer.stdout + &answer.stderr
    }

    /// Subscribes, and returns when the server has heard of it or has refused it.
    pub(super) fn listening(&self, filter: &str) -> Process {
        let verb = match self.program {
            Program::Cli(_) => "sub",
            Program::Python { .. } => "subscribe",
        };
        let mut process = Process::start(&mut self.command(&[verb, filter]));
        process.wait_for_line(filter, DEADLINE);
        process
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = match &self.program {
            Program::Cli(path) => Command::new(path),
            Program::Python { python, script } => {
                let mut command = Command::new(python);
                command.arg(script);
                command
            }
        };
        command.env("NATS_CONTEXT", &self.context).args(words);
        command
    }
}

/// `NOGFSO_NATS_CLI`, or `nats` on the `PATH`, or the Python of `NOGFSO_NATS_PY`, or the one that `scripts/nats-py` makes.
fn program(folder: &Path) -> Program {
    if let Some(cli) = setting("NOGFSO_NATS_CLI").or_else(|| on_path("nats")) {
        return Program::Cli(cli);
    }
    let python = setting("NOGFSO_NATS_PY").unwrap_or_else(|| {
        let script = workspace_root().join("scripts/nats-py");
        PathBuf::from(Answer::of(&mut Command::new(script)).ok().trim())
    });
    eprintln!(
        "no nats command line: the same bytes are sent with nats-py by {}",
        python.display()
    );
    let script = folder.join("client.py");
    std::fs::write(&script, CLIENT).expect("the temporary folder can be written");
    Program::Python { python, script }
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests have no config.rs, and scripts/test hands the paths on"
)]
fn setting(name: &str) -> Option<PathBuf> {
    let value = std::env::var_os(name).filter(|value| !value.is_empty());
    value.map(PathBuf::from)
}

fn on_path(name: &str) -> Option<PathBuf> {
    let folders = setting("PATH")?;
    let mut candidates = std::env::split_paths(&folders).map(|folder| folder.join(name));
    candidates.find(|candidate| candidate.is_file())
}
