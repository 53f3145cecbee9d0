//! Asking what runs, and judging the answers: the command line, the broker, and git.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nogfso::accounts::Person;
use nogfso::context::{inbox_prefix, url};
use nogfso_testkit::{Process, binary};
use serde_json::Value;

use super::{DEADLINE, HOST};

/// How a command line ended.
#[derive(Debug)]
pub(crate) struct Answer {
    command: String,
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    /// Runs `command` to its end.
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output();
        let Output {
            status,
            stdout,
            stderr,
        } = output.unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        Self {
            command: format!("{:?}", command.get_args().collect::<Vec<_>>()),
            status: status.code().expect("nobody kills it"),
            stdout: String::from_utf8(stdout).expect("output is UTF-8"),
            stderr: String::from_utf8(stderr).expect("output is UTF-8"),
        }
    }

    /// What it said, having succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.status, 0, "{self:#?}");
        self.stdout
    }

    /// The JSON that it said, having succeeded.
    #[track_caller]
    pub(crate) fn json(self) -> Value {
        let text = self.ok();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Why it failed, having ended with `status`.
    #[track_caller]
    pub(crate) fn failed(self, status: i32) -> String {
        assert_eq!(self.status, status, "{self:#?}");
        assert_eq!(self.stdout, "", "{}", self.command);
        self.stderr
    }
}

/// Something that the operator can ask by the command line.
pub(crate) trait Asks {
    /// The operator's context file.
    fn context(&self) -> PathBuf;

    /// Asks, and waits for the answer.
    fn ctl(&self, words: &[&str]) -> Answer {
        Answer::of(self.ctl_command().args(words))
    }

    /// The same with the API's answer.
    #[track_caller]
    fn ctl_json(&self, words: &[&str]) -> Value {
        Answer::of(self.ctl_command().args(["--output", "json"]).args(words)).json()
    }

    /// The command line as a process that goes on.
    fn ctl_process(&self, words: &[&str]) -> Process {
        Process::start(self.ctl_command().args(words))
    }

    fn ctl_command(&self) -> Command {
        let mut command = ctl_command(&self.context());
        command.arg("--timeout=30s");
        command
    }

    fn repo(&self, id: &str) -> Value {
        self.ctl_json(&["get", "repo", id])
    }

    /// The shadow of a repo that has one.
    fn shadow(&self, id: &str) -> PathBuf {
        let info = self.repo(id);
        let shadow = info["shadow"]
            .as_str()
            .unwrap_or_else(|| panic!("no shadow: {info}"));
        let path = shadow
            .strip_prefix(HOST)
            .and_then(|rest| rest.strip_prefix(':'));
        PathBuf::from(path.expect("a shadow is host:path"))
    }

    /// The names of the events of a `registry` or a `repo`, in order.
    fn event_names(&self, kind: &str, name: &str) -> Vec<String> {
        let events = self.ctl(&["events", kind, name]).ok();
        event_names(events.lines())
    }
}

/// The names in lines of events, in order.
pub(crate) fn event_names<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    lines
        .map(|line| serde_json::from_str::<Value>(line).expect("an event is a line of JSON"))
        .map(|event| {
            event["event"]
                .as_str()
                .expect("an event has a name")
                .to_owned()
        })
        .collect()
}

/// `nogfsoctl` for whom the context file names, and nothing of the environment's.
pub(crate) fn ctl_command(context: &Path) -> Command {
    let mut command = Command::new(binary("nogfsoctl"));
    command.env_clear().env("NATS_CONTEXT", context);
    command
}

/// Asks as `person` by an independent client; the answer as JSON.
pub(crate) fn asked(listen: SocketAddr, person: &Person, subject: &str, payload: &[u8]) -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    let reply = runtime.block_on(async {
        let options = async_nats::ConnectOptions::with_user_and_password(
            person.name.to_string(),
            person.password.reveal().to_owned(),
        );
        let client = options
            .custom_inbox_prefix(inbox_prefix(&person.name))
            .request_timeout(Some(DEADLINE))
            .connect(url(listen))
            .await
            .expect("a user can connect");
        client
            .request(subject.to_owned(), payload.to_owned().into())
            .await
            .unwrap_or_else(|error| panic!("{subject}: {error}"))
    });
    serde_json::from_slice(&reply.payload).expect("an answer is JSON")
}

/// What git says about a shadow, having succeeded.
#[track_caller]
pub(crate) fn git(shadow: &Path, words: &[&str]) -> String {
    // A shadow may be that of a worker under another user.
    let mut command = Command::new("git");
    command
        .args(["-c", "safe.directory=*", "-C"])
        .arg(shadow)
        .args(words);
    Answer::of(&mut command).ok().trim_end().to_owned()
}

/// The commit of what was recorded last.
pub(crate) fn stat_commit(shadow: &Path) -> String {
    git(shadow, &["rev-parse", "master-stat"])
}

/// The recorded paths.
pub(crate) fn recorded_paths(shadow: &Path) -> Vec<String> {
    let listed = git(
        shadow,
        &["ls-tree", "-r", "-z", "--name-only", "master-stat"],
    );
    listed.split_terminator('\0').map(str::to_owned).collect()
}
