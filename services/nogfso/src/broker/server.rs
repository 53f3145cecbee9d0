//! Starting, keeping and stopping the server of one data folder.

use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::greeting::greeting;
use super::holder::{ServerLock, send};
use super::program::{Program, Version};
use crate::private_file;

/// How long a server may take to open its streams before it greets.
const START_LIMIT: Duration = Duration::from_secs(300);
/// How long a server may take to stop before it is killed.
pub const STOP_LIMIT: Duration = Duration::from_secs(20);
/// How long a killed server may take to end.
pub const KILL_LIMIT: Duration = Duration::from_secs(10);
/// How long a surviving server may take to say who it is.
const SURVIVOR_LIMIT: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(50);
const RESTART_DELAY_MIN: Duration = Duration::from_millis(100);
const RESTART_DELAY_MAX: Duration = Duration::from_secs(10);
/// A server that lived this long is restarted without a growing delay.
const STEADY: Duration = Duration::from_secs(60);
const TAIL_LINE_COUNT: usize = 12;

/// Where the server's files lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerFiles {
    /// Its configuration, as the running server was started with.
    pub configuration: PathBuf,
    /// Its process id.
    pub pid: PathBuf,
    /// The file that is locked for as long as it lives.
    pub lock: PathBuf,
    /// Its log.
    pub log: PathBuf,
    /// What it prints beside its log.
    pub output: PathBuf,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// A file cannot be read or written.
    #[error("{path} cannot be used")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The program does not start.
    #[error("{program} does not start")]
    Spawn {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its address is taken or not this machine's.
    #[error(
        "cannot listen on {address}: stop what listens there, or name another address with --listen"
    )]
    Address {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// It ended before it greeted.
    #[error("the NATS server ended at its start with {status}; its last words:\n{words}")]
    Ended {
        /// How.
        status: ExitStatus,
        /// The end of its output and its log.
        words: String,
    },
    /// It did not greet in time.
    #[error("the NATS server did not answer on {address} within {limit_s} s; see {log}")]
    Silent {
        /// The address.
        address: SocketAddr,
        /// The limit, in seconds.
        limit_s: u64,
        /// Its log.
        log: PathBuf,
    },
    /// Somebody else holds the lock of the server.
    #[error(
        "{lock} is locked, but not by the NATS server of this folder: see what holds it, for example with lsof"
    )]
    LockedByStranger {
        /// The lock file.
        lock: PathBuf,
    },
    /// A surviving server cannot be ended.
    #[error("the NATS server with process id {pid}, left from an earlier run, cannot be stopped")]
    Unstoppable {
        /// Its process id.
        pid: i32,
    },
    /// The stop came before it was ready.
    #[error("stopped before the NATS server was ready")]
    Stopped,
}

/// The server of one data folder.
#[derive(Debug)]
pub struct Broker {
    program: Program,
    server_name: String,
    listen: SocketAddr,
    configuration: String,
    files: BrokerFiles,
    lock: ServerLock,
}

/// A server that has greeted.
#[derive(Debug)]
enum Running {
    /// Started here.
    Child(Child),
    /// Started by a process that was killed, and still what would be started now.
    Survivor(Pid),
}

impl Broker {
    /// Prepares the server with the name and address that stand in `configuration`. Starts nothing yet.
    ///
    /// # Errors
    ///
    /// Fails if the lock file cannot be opened.
    pub fn prepare(
        program: Program,
        (server_name, listen): (String, SocketAddr),
        configuration: String,
        files: BrokerFiles,
    ) -> Result<Self, BrokerError> {
        let lock = ServerLock::open(&files.lock).map_err(io_at(&files.lock))?;
        Ok(Self {
            program,
            server_name,
            listen,
            configuration,
            files,
            lock,
        })
    }

    /// Starts the server or attaches to a surviving one, says through `ready` what came of it, and keeps it running until `stop`.
    ///
    /// A server that dies is restarted, at first at once, then with growing delays. At `stop` it is asked to end, and killed
    /// after [`STOP_LIMIT`] or at `force`. Ends when the server has ended, or after a failed start.
    pub async fn keep(
        mut self,
        ready: oneshot::Sender<Result<(), BrokerError>>,
        stop: CancellationToken,
        force: CancellationToken,
    ) {
        let mut running = match self.start(&stop).await {
            Ok(running) => running,
            Err(error) => {
                drop(ready.send(Err(error)));
                return;
            }
        };
        // Whoever waited may have been told to stop; the stop ends the server below.
        drop(ready.send(Ok(())));
        loop {
            let since = Instant::now();
            tokio::select! {
                () = stop.cancelled() => break,
                how = self.end_of(&mut running) => {
                    tracing::error!(%how, log = %self.files.log.display(), "the NATS server has ended; it is restarted");
                }
            }
            match self.restart(since.elapsed() >= STEADY, &stop).await {
                Some(restarted) => running = restarted,
                None => return,
            }
        }
        self.end(running, &force).await;
    }

    async fn restart(&mut self, was_steady: bool, stop: &CancellationToken) -> Option<Running> {
        let mut delay = if was_steady {
            Duration::ZERO
        } else {
            RESTART_DELAY_MIN
        };
        loop {
            tokio::select! {
                () = stop.cancelled() => return None,
                () = sleep(delay) => {}
            }
            match self.start(stop).await {
                Ok(running) => return Some(running),
                Err(BrokerError::Stopped) => return None,
                Err(error) => {
                    delay = (delay * 2).clamp(RESTART_DELAY_MIN, RESTART_DELAY_MAX);
                    tracing::error!(
                        error = chain(&error),
                        ?delay,
                        "the NATS server cannot be restarted"
                    );
                }
            }
        }
    }

    /// Starts a server unless a surviving one is the same.
    async fn start(&mut self, stop: &CancellationToken) -> Result<Running, BrokerError> {
        if let Some(survivor) = self.survivor().await? {
            if self.is_as_wanted().await {
                tracing::info!(
                    pid = survivor.as_raw_pid(),
                    "attached to the NATS server of an earlier run"
                );
                return Ok(Running::Survivor(survivor));
            }
            tracing::info!(
                pid = survivor.as_raw_pid(),
                "stopping the NATS server of an earlier run"
            );
            // One that does not even greet is not waited for long: all that it acknowledged is on disk.
            let patience = match greeting(self.listen).await {
                Ok(_) => STOP_LIMIT,
                Err(_) => SURVIVOR_LIMIT,
            };
            if !self
                .end_survivor(survivor, patience, &CancellationToken::new())
                .await
            {
                return Err(BrokerError::Unstoppable {
                    pid: survivor.as_raw_pid(),
                });
            }
        }
        self.launch(stop).await
    }

    /// The process that holds the lock, or `None` once the lock is held here.
    async fn survivor(&mut self) -> Result<Option<Pid>, BrokerError> {
        let deadline = Instant::now() + SURVIVOR_LIMIT;
        loop {
            if self.lock.acquire().map_err(io_at(&self.files.lock))? {
                return Ok(None);
            }
            // A server writes its process id only some time after its start.
            if let Some(pid) = self.lock.holder(&self.files.pid) {
                return Ok(Some(pid));
            }
            if Instant::now() >= deadline {
                return Err(BrokerError::LockedByStranger {
                    lock: self.files.lock.clone(),
                });
            }
            sleep(POLL).await;
        }
    }

    /// Whether the server that runs is the one that would be started.
    async fn is_as_wanted(&self) -> bool {
        let same_configuration = fs::read_to_string(&self.files.configuration)
            .is_ok_and(|text| text == self.configuration);
        same_configuration
            && greeting(self.listen).await.is_ok_and(|found| {
                found.server_name == self.server_name
                    && Version::parse(&found.version) == Some(self.program.version)
            })
    }

    async fn launch(&self, stop: &CancellationToken) -> Result<Running, BrokerError> {
        // The server would say so too, but only in its log.
        TcpListener::bind(self.listen).map_err(|source| BrokerError::Address {
            address: self.listen,
            source,
        })?;
        remove(&self.files.pid)?;
        private_file::write(&self.files.configuration, &self.configuration)
            .map_err(io_at(&self.files.configuration))?;
        let mut child = self.spawn()?;
        match self.wait_until_ready(&mut child, stop).await {
            Ok(()) => Ok(Running::Child(child)),
            Err(error) => {
                end_child(&mut child, &CancellationToken::new()).await;
                Err(error)
            }
        }
    }

    fn spawn(&self) -> Result<Child, BrokerError> {
        let output = File::create(&self.files.output).map_err(io_at(&self.files.output))?;
        let errors = output.try_clone().map_err(io_at(&self.files.output))?;
        let input = self.lock.as_input().map_err(io_at(&self.files.lock))?;
        let mut command = Command::new(&self.program.path);
        command
            .arg("--config")
            .arg(&self.files.configuration)
            .stdin(input)
            .stdout(Stdio::from(output))
            .stderr(Stdio::from(errors))
            // A Ctrl-C in the terminal is for nogfso, which stops the server after the services.
            .process_group(0);
        command.spawn().map_err(|source| BrokerError::Spawn {
            program: self.program.path.clone(),
            source,
        })
    }

    async fn wait_until_ready(
        &self,
        child: &mut Child,
        stop: &CancellationToken,
    ) -> Result<(), BrokerError> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if stop.is_cancelled() {
                return Err(BrokerError::Stopped);
            }
            if let Some(status) = child.try_wait().map_err(io_at(&self.files.output))? {
                return Err(BrokerError::Ended {
                    status,
                    words: self.last_words(),
                });
            }
            match greeting(self.listen).await {
                Ok(found) if found.server_name == self.server_name => return Ok(()),
                Ok(_) | Err(_) if Instant::now() < deadline => sleep(POLL).await,
                Ok(_) | Err(_) => {
                    return Err(BrokerError::Silent {
                        address: self.listen,
                        limit_s: START_LIMIT.as_secs(),
                        log: self.files.log.clone(),
                    });
                }
            }
        }
    }

    /// Waits for the server to end and says how it did.
    async fn end_of(&mut self, running: &mut Running) -> String {
        match running {
            Running::Child(child) => match child.wait().await {
                Ok(status) => status.to_string(),
                Err(error) => error.to_string(),
            },
            Running::Survivor(_) => {
                self.lock_released(None).await;
                "unknown status, as an earlier run had started it".to_owned()
            }
        }
    }

    async fn end(&mut self, running: Running, force: &CancellationToken) {
        let has_ended = match running {
            Running::Child(mut child) => end_child(&mut child, force).await,
            Running::Survivor(pid) => self.end_survivor(pid, STOP_LIMIT, force).await,
        };
        if has_ended {
            tracing::info!("the NATS server has stopped");
        } else {
            tracing::error!("the NATS server does not stop");
        }
    }

    async fn end_survivor(
        &mut self,
        pid: Pid,
        patience: Duration,
        force: &CancellationToken,
    ) -> bool {
        send(pid, Signal::TERM);
        let has_ended = tokio::select! {
            has_ended = self.lock_released(Some(patience)) => has_ended,
            () = force.cancelled() => false,
        };
        if has_ended {
            return true;
        }
        send(pid, Signal::KILL);
        self.lock_released(Some(KILL_LIMIT)).await
    }

    /// Waits until the server that held the lock has ended; the lock is then held here.
    async fn lock_released(&mut self, limit: Option<Duration>) -> bool {
        let deadline = limit.map(|limit| Instant::now() + limit);
        while !self.lock.acquire().unwrap_or(false) {
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return false;
            }
            sleep(POLL).await;
        }
        true
    }

    fn last_words(&self) -> String {
        let tail = |path: &Path| {
            let bytes = fs::read(path).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(TAIL_LINE_COUNT)..].join("\n")
        };
        format!("{}\n{}", tail(&self.files.output), tail(&self.files.log))
            .trim()
            .to_owned()
    }
}

async fn end_child(child: &mut Child, force: &CancellationToken) -> bool {
    if let Some(pid) = child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
        send(pid, Signal::TERM);
    }
    let has_ended = tokio::select! {
        ended = timeout(STOP_LIMIT, child.wait()) => ended.is_ok(),
        () = force.cancelled() => false,
    };
    if has_ended {
        return true;
    }
    tracing::warn!("the NATS server is killed");
    timeout(KILL_LIMIT, child.kill()).await.is_ok()
}

fn remove(path: &Path) -> Result<(), BrokerError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_at(path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn io_at(path: &Path) -> impl Fn(io::Error) -> BrokerError {
    move |source| BrokerError::Io {
        path: path.to_owned(),
        source,
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
