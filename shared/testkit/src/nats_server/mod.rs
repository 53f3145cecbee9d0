//! A real nats-server of the test's own: its port, its folder, its crashes and pauses.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::child::OwnedChild;
use crate::{Port, nats_server_program, wait_until_blocking};

/// Far above what a start takes, for a machine that is busy.
pub(crate) const READY_LIMIT: Duration = Duration::from_secs(30);
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// When JetStream writes a message through to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncInterval {
    /// Before it is acknowledged, as the shipped profiles do.
    Always,
    /// Whenever the server does it by itself; faster.
    ServerDefault,
}

/// How a server is configured: JetStream on and synced always, unless changed.
#[derive(Debug, Clone)]
pub struct NatsSettings {
    jetstream: Option<SyncInterval>,
    raw: String,
}

impl Default for NatsSettings {
    fn default() -> Self {
        Self {
            jetstream: Some(SyncInterval::Always),
            raw: String::new(),
        }
    }
}

impl NatsSettings {
    /// Changes when JetStream syncs.
    #[must_use]
    pub fn with_sync(mut self, interval: SyncInterval) -> Self {
        self.jetstream = Some(interval);
        self
    }

    /// Turns JetStream off.
    #[must_use]
    pub fn without_jetstream(mut self) -> Self {
        self.jetstream = None;
        self
    }

    /// Adds text to the configuration file, such as accounts or limits. It must not set `listen`,
    /// `http`, `server_name` or `jetstream`.
    #[must_use]
    pub fn with_raw(mut self, text: &str) -> Self {
        self.raw.push_str(text);
        self.raw.push('\n');
        self
    }
}

/// A running nats-server with a temporary folder, on ports of its own on the loopback address.
///
/// It is killed on drop, and its folder removed. When the test panics, the last lines of its log
/// are printed. All methods block the thread, mostly for milliseconds.
#[derive(Debug)]
pub struct NatsServer {
    /// First, so that the process ends before its folder goes.
    child: Option<OwnedChild>,
    settings: NatsSettings,
    client: Port,
    monitor: Port,
    version: String,
    folder: TempDir,
}

impl NatsServer {
    /// Starts a server with the default settings and waits until it answers.
    ///
    /// # Panics
    ///
    /// Panics if there is no nats-server on this machine, or if it does not answer.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(NatsSettings::default())
    }

    /// Starts a server with `settings` and waits until it answers.
    ///
    /// # Panics
    ///
    /// Panics if there is no nats-server on this machine, or if it does not answer.
    #[must_use]
    pub fn start_with(settings: NatsSettings) -> Self {
        let mut server = Self::prepare(settings);
        server.spawn();
        server.wait_until_ready();
        server
    }

    /// Takes ports and a folder, and starts nothing yet.
    pub(crate) fn prepare(settings: NatsSettings) -> Self {
        Self {
            child: None,
            settings,
            client: Port::reserve(),
            monitor: Port::reserve(),
            version: String::new(),
            folder: tempfile::tempdir().expect("a temporary folder can be made"),
        }
    }

    /// Adds to the configuration of a server that was prepared and not yet started.
    pub(crate) fn configure(&mut self, text: &str) {
        self.settings.raw.push_str(text);
    }

    /// Where clients connect, as `nats://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.client_port())
    }

    /// The port for clients; a restart keeps it.
    #[must_use]
    pub fn client_port(&self) -> u16 {
        self.client.number()
    }

    /// The server's own name, as it stands in its answers.
    #[must_use]
    pub fn name(&self) -> String {
        format!("testkit-{}", self.client_port())
    }

    /// The version it tells its clients, such as `2.15.1`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// JetStream's folder; a restart keeps it.
    #[must_use]
    pub fn store_dir(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// Copies JetStream's folder to `copy`, which must not exist. The server must have ended.
    ///
    /// # Panics
    ///
    /// Panics if the server runs, or if the folder cannot be copied.
    pub fn copy_store(&mut self, copy: &Path) {
        assert!(!self.is_running(), "a store is copied while nobody writes");
        copy_folder(&self.store_dir(), copy).expect("the temporary folder can be copied");
    }

    /// Puts a copy in the place of JetStream's folder, as somebody does who restores an old one. The server must have ended.
    ///
    /// # Panics
    ///
    /// Panics if the server runs, or if the folder cannot be replaced.
    pub fn restore_store(&mut self, copy: &Path) {
        assert!(
            !self.is_running(),
            "a store is replaced while nobody writes"
        );
        std::fs::remove_dir_all(self.store_dir()).expect("the temporary folder can be removed");
        copy_folder(copy, &self.store_dir()).expect("the temporary folder can be copied");
    }

    /// The server's log.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    /// Whether the process runs or is paused.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        self.child
            .as_mut()
            .is_some_and(|child| child.exit_status().is_none())
    }

    /// Ends the server as a crash would, with SIGKILL. Harmless when it has ended.
    pub fn kill(&mut self) {
        self.child = None;
    }

    /// Starts the server again on the same folder, ports and settings, after killing it if it
    /// still runs, and waits until it answers.
    ///
    /// # Panics
    ///
    /// Panics if it does not answer.
    pub fn restart(&mut self) {
        self.kill();
        self.spawn();
        self.wait_until_ready();
    }

    /// Stops the process where it stands; connections stay open and nothing answers.
    ///
    /// # Panics
    ///
    /// Panics if the server does not run.
    pub fn pause(&mut self) {
        self.signal(Signal::STOP);
        let child = self.child.as_ref().expect("it was just signalled");
        wait_until_blocking("nats-server to stand still", READY_LIMIT, || {
            child.is_stopped()
        });
    }

    /// Lets a paused server go on.
    ///
    /// # Panics
    ///
    /// Panics if the server does not run.
    pub fn resume(&mut self) {
        self.signal(Signal::CONT);
    }

    /// What the monitoring port answers to `path`, such as `/jsz?streams=1`, whatever the status.
    ///
    /// # Errors
    ///
    /// Returns what went wrong on the way, or that the answer is no JSON.
    pub fn monitor(&self, path: &str) -> std::io::Result<Value> {
        let mut stream = connect(self.monitor.number())?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
        let (_head, body) = answer
            .split_once("\r\n\r\n")
            .ok_or(ErrorKind::UnexpectedEof)?;
        Ok(serde_json::from_str(body)?)
    }

    pub(crate) fn spawn(&mut self) {
        let config = self.folder.path().join("server.conf");
        std::fs::write(&config, self.configuration()).expect("the temporary folder can be written");
        let mut command = Command::new(nats_server_program());
        command
            .arg("--config")
            .arg(&config)
            .current_dir(self.folder.path());
        self.child = Some(OwnedChild::spawn(&mut command, &self.log_path()));
    }

    pub(crate) fn wait_until_ready(&mut self) {
        let name = self.name();
        let port = self.client_port();
        let child = self
            .child
            .as_mut()
            .expect("a server that was started has a process");
        self.version = wait_until_blocking("nats-server to answer", READY_LIMIT, || {
            if let Some(status) = child.exit_status() {
                panic!("nats-server ended with {status}:\n{}", child.log_tail());
            }
            let info = read_info(port)?;
            if info["server_name"] == name.as_str() {
                Ok(info["version"].as_str().unwrap_or_default().to_owned())
            } else {
                Err(Error::other(format!(
                    "another server has port {port}: {info}"
                )))
            }
        });
    }

    fn configuration(&self) -> String {
        let mut text = format!(
            "server_name: {:?}\nlisten: \"127.0.0.1:{}\"\nhttp: \"127.0.0.1:{}\"\n",
            self.name(),
            self.client_port(),
            self.monitor.number(),
        );
        if let Some(interval) = self.settings.jetstream {
            let sync = match interval {
                SyncInterval::Always => "sync_interval: always",
                SyncInterval::ServerDefault => "",
            };
            write!(
                text,
                "jetstream {{\n  store_dir: {}\n  {sync}\n}}\n",
                quoted(&self.store_dir())
            )
            .expect("a string can be written");
        }
        text + &self.settings.raw
    }

    fn signal(&mut self, signal: Signal) {
        self.child
            .as_mut()
            .expect("only a server that was not killed is signalled")
            .signal(signal);
    }
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn quoted(path: &Path) -> String {
    format!(
        "{:?}",
        path.to_str()
            .expect("temporary folders have names in UTF-8")
    )
}

fn connect(port: u16) -> std::io::Result<TcpStream> {
    let stream =
        TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), ANSWER_LIMIT)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    stream.set_write_timeout(Some(ANSWER_LIMIT))?;
    Ok(stream)
}

/// Reads what a server says first to whoever connects.
fn read_info(port: u16) -> std::io::Result<Value> {
    let mut line = String::new();
    BufReader::new(connect(port)?.take(ANSWER_BYTES_MAX)).read_line(&mut line)?;
    let json = line
        .strip_prefix("INFO ")
        .ok_or_else(|| Error::other(format!("no INFO line but {line:?}")))?;
    Ok(serde_json::from_str(json)?)
}

#[cfg(test)]
mod tests;
