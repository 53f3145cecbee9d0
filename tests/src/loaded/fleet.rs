//! Many processes on one server, each on a line of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use nogfso::accounts::{Accounts, Person, SERVICE};
use nogfso::context::{context, inbox_prefix};
use nogfso_testkit::{NatsServer, Process, Proxy, Signal, binary, wait_until_blocking};
use tempfile::TempDir;

use super::broker::Broker;
use super::{ACK_WAIT_MS, DEADLINE, HOST};
use crate::end_to_end::asking::Asks;

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Gateway,
    Regd,
    Stad,
}

/// Which processes there are.
const ROLES: [Role; 7] = [
    Role::Gateway,
    Role::Gateway,
    Role::Regd,
    Role::Regd,
    Role::Stad,
    Role::Stad,
    Role::Stad,
];

/// One process.
pub(crate) struct Member {
    pub(crate) role: Role,
    /// To the server; to three there is none that could be cut, since clients learn of the others.
    pub(crate) line: Option<Proxy>,
    process: Process,
}

/// All of them, and what they work on.
pub(crate) struct Fleet {
    pub(crate) members: Vec<Member>,
    pub(crate) broker: Broker,
    pub(crate) accounts: Accounts,
    /// What processes said of mistakes before they were ended.
    pub(crate) alarms: Vec<String>,
    /// How processes ended of which nobody asked it.
    pub(crate) ended: Vec<String>,
    environment: Vec<(&'static str, &'static str)>,
    folder: TempDir,
}

impl Asks for Fleet {
    fn context(&self) -> PathBuf {
        self.folder.path().join("operator.json")
    }
}

impl Fleet {
    /// Everything runs and is ready, on one server.
    pub(crate) fn start() -> Self {
        Self::start_with(&[], Broker::one)
    }

    /// As [`Fleet::start`], with more in the environment of its processes, on a broker of one's own.
    pub(crate) fn start_with(
        environment: &[(&'static str, &'static str)],
        broker: impl FnOnce(&Accounts) -> Broker,
    ) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("nogfso loaded ")
            .tempdir()
            .expect("a temporary folder can be made");
        for name in ["secrets", "real data", "shadow root"] {
            fs::create_dir_all(folder.path().join(name))
                .expect("the temporary folder can be written");
        }
        let accounts =
            Accounts::load(&folder.path().join("secrets"), &[]).expect("passwords can be made");
        let mut fleet = Self {
            members: Vec::new(),
            environment: environment.to_vec(),
            broker: broker(&accounts),
            accounts,
            alarms: Vec::new(),
            ended: Vec::new(),
            folder,
        };
        let listen = SocketAddr::from(([127, 0, 0, 1], fleet.port()));
        let text = context(listen, &fleet.accounts.operator);
        fs::write(fleet.context(), text).expect("the temporary folder can be written");
        for role in ROLES {
            let line = match &fleet.broker {
                Broker::One(_) => Some(Proxy::to(listen)),
                Broker::Three(_) => None,
            };
            let process = fleet.spawn(role, line.as_ref());
            fleet.members.push(Member {
                role,
                line,
                process,
            });
        }
        fleet.wait_for_line_of_each("ready");
        fleet
    }

    /// The one server.
    pub(crate) fn server(&mut self) -> &mut NatsServer {
        match &mut self.broker {
            Broker::One(server) => server,
            Broker::Three(cluster) => cluster.node_mut(0),
        }
    }

    /// The port of the one server, or of the first.
    fn port(&self) -> u16 {
        match &self.broker {
            Broker::One(server) => server.client_port(),
            Broker::Three(cluster) => cluster.node(0).client_port(),
        }
    }

    /// The folder of the directories of a registry's repos.
    pub(crate) fn host_root(&self, registry: &str) -> PathBuf {
        self.folder.path().join("real data").join(registry)
    }

    fn spawn(&self, role: Role, line: Option<&Proxy>) -> Process {
        let mut command = match role {
            Role::Gateway => Command::new(binary("nogfsogwd")),
            Role::Regd => Command::new(binary("nogfsoregd")),
            Role::Stad => {
                let mut command = Command::new(binary("nogfsostad"));
                command
                    .args(["--host", HOST, "--ack-wait-ms", ACK_WAIT_MS])
                    .arg("--shadow-root")
                    .arg(self.folder.path().join("shadow root"))
                    .arg("--trim-host-root")
                    .arg(self.folder.path());
                command
            }
        };
        command
            .env(
                "NOGFSO_SERVER",
                line.map_or_else(|| self.broker.urls().join(","), Proxy::url),
            )
            .env("NOGFSO_REPLICAS", self.broker.replicas())
            .env("NOGFSO_USER", SERVICE)
            .env("NOGFSO_PASSWORD", self.accounts.service.reveal())
            .env("NOGFSO_REGD_ACK_WAIT_MS", ACK_WAIT_MS)
            // Sweeps and compactions go on under the load, too.
            .env("NOGFSO_REGD_SWEEP_EVERY_MS", "500")
            .env("NOGFSO_REGD_SWEEP_AFTER_MS", "5000")
            .env("NOGFSO_REGD_PURGE_EVERY_MS", "1000")
            .env("NOGFSO_REGD_PURGE_AFTER_MS", "10000")
            .envs(self.environment.iter().copied());
        Process::start(&mut command)
    }

    /// Waits until each process has written a line with `substring`.
    pub(crate) fn wait_for_line_of_each(&mut self, substring: &str) {
        for member in &mut self.members {
            member.process.wait_for_line(substring, DEADLINE);
        }
    }

    /// Ends a process as a crash would, and starts it again.
    pub(crate) fn kill(&mut self, at: usize) {
        if !self.note_end(at) {
            self.members[at].process.signal(Signal::KILL);
            self.members[at].process.exit_status(DEADLINE);
        }
        self.start_again(at);
    }

    /// Stops a process where it stands, or lets it go on.
    pub(crate) fn signal(&mut self, at: usize, signal: Signal) {
        let process = &mut self.members[at].process;
        if process.try_exit_status().is_none() {
            process.signal(signal);
        }
    }

    /// Notes what has ended by itself, and starts it again, as whoever runs services does.
    pub(crate) fn look_after(&mut self) {
        for at in 0..self.members.len() {
            if self.note_end(at) {
                self.start_again(at);
            }
        }
    }

    /// Whether a process has ended by itself; takes down why.
    fn note_end(&mut self, at: usize) -> bool {
        let member = &mut self.members[at];
        let Some(status) = member.process.try_exit_status() else {
            return false;
        };
        let lines = member.process.lines();
        let is_reason = |line: &str| line.starts_with("Error") || line.contains("the process ends");
        let reasons = lines
            .iter()
            .skip_while(|line| !is_reason(line))
            .take_while(|line| !line.starts_with("Stack backtrace"));
        let reasons: Vec<_> = reasons.map(|line| line.trim()).collect();
        let ended = format!("{:?}: {status}: {}", member.role, reasons.join(" "));
        self.ended.push(ended);
        true
    }

    /// Mends all lines, lets everything go on, and waits until all are connected and ready.
    pub(crate) fn heal(&mut self) {
        self.broker.heal();
        for at in 0..self.members.len() {
            self.members[at].line.iter().for_each(Proxy::mend);
            self.signal(at, Signal::CONT);
        }
        wait_until_blocking("all processes to be ready", DEADLINE, || {
            self.look_after();
            let lines = |member: &Member| member.process.find_line("ready").is_some();
            self.members.iter().all(lines)
        });
    }

    /// Takes down what processes said of mistakes.
    pub(crate) fn note_alarms(&mut self, at: usize) {
        let member = &self.members[at];
        for line in member.process.lines() {
            if line.contains("panicked") || line.contains(" ERROR nogfso") {
                self.alarms.push(format!("{:?}: {line}", member.role));
            }
        }
    }

    fn start_again(&mut self, at: usize) {
        self.note_alarms(at);
        let (role, line) = (self.members[at].role, self.members[at].line.as_ref());
        let process = self.spawn(role, line);
        self.members[at].process = process;
    }
}

/// A connection of `person`.
///
/// # Errors
///
/// Tells why there is none.
pub(crate) async fn connect(
    urls: Vec<String>,
    person: &Person,
) -> Result<async_nats::Client, async_nats::ConnectError> {
    let name = person.name.to_string();
    let password = person.password.reveal().to_owned();
    async_nats::ConnectOptions::with_user_and_password(name, password)
        .custom_inbox_prefix(inbox_prefix(&person.name))
        .retry_on_initial_connect()
        .reconnect_delay_callback(|_| std::time::Duration::from_millis(100))
        .connect(urls)
        .await
}
