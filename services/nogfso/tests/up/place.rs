//! A data folder of the test's own, and the processes that work on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use async_nats::{Client, ConnectOptions};
use nogfso_testkit::{Port, Process, nats_server_program, wait_until_blocking};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Far above what anything here takes, for a machine that is busy.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A data folder and a port. Its NATS server ends with it, and also when the test is killed.
#[derive(Debug)]
pub(crate) struct Place {
    reaper: Child,
    pub(crate) port: Port,
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data of ag-müller");
        // The server survives a killed nogfso on purpose. This shell ends it when its input ends, as it does with the test.
        let reaper = Command::new("sh")
            .args([
                "-c",
                "read -r _; pid=$(cat \"$1\") && kill -s KILL \"$pid\"",
                "reaper",
            ])
            .arg(data.join("nats.pid"))
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            reaper,
            port: Port::reserve(),
            folder,
        }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data of ag-müller")
    }

    /// Starts `nogfso up` with `options`, and waits for nothing.
    pub(crate) fn up(&self, options: &[&str]) -> Process {
        self.up_at(self.port.number(), options)
    }

    pub(crate) fn up_at(&self, port: u16, options: &[&str]) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nogfso"));
        command
            .args(["up", "--listen", &format!("127.0.0.1:{port}"), "--data"])
            .arg(self.data())
            .args(options)
            .env("NOGFSO_NATS_SERVER", nats_server_program());
        Process::start(&mut command)
    }

    /// Starts `nogfso up` and waits until it is ready.
    pub(crate) fn ready(&self, options: &[&str]) -> Process {
        let mut process = self.up(options);
        process.wait_for_line("Ctrl-C stops everything", DEADLINE);
        process
    }

    /// The process id of the server that was started last.
    pub(crate) fn server(&self) -> Pid {
        let text = fs::read_to_string(self.data().join("nats.pid")).unwrap();
        Pid::from_raw(text.trim().parse().unwrap()).unwrap()
    }

    /// Connects as the context file `name` says.
    pub(crate) async fn connect(&self, name: &str) -> Client {
        let context = context(&self.data().join(name));
        let text = |field: &str| context[field].as_str().unwrap().to_owned();
        ConnectOptions::with_user_and_password(text("user"), text("password"))
            .custom_inbox_prefix(text("inbox_prefix"))
            .connect(text("url"))
            .await
            .unwrap()
    }

    /// Connects as the services do.
    pub(crate) async fn connect_as_service(&self) -> Client {
        let password = fs::read_to_string(self.data().join("secrets/service")).unwrap();
        ConnectOptions::with_user_and_password("service".to_owned(), password.trim().to_owned())
            .connect(format!("nats://127.0.0.1:{}", self.port.number()))
            .await
            .unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.reaper.stdin.take());
        self.reaper.wait().ok();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.data().join("logs/nats-server.log"));
            eprintln!("--- nats-server.log:\n{}", log.unwrap_or_default());
        }
    }
}

pub(crate) fn context(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Whether the process runs; one that ended but nobody has waited for does not.
pub(crate) fn runs(process: Pid) -> bool {
    let state = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_pid()));
    test_kill_process(process).is_ok() && !state.is_ok_and(|state| state.contains(") Z "))
}

pub(crate) fn kill(process: Pid) {
    kill_process(process, Signal::KILL).unwrap();
    wait_until_blocking("the process to end", DEADLINE, || !runs(process));
}
