//! `nogfso up`: everything in one process on one data folder, through the death of that process and of its server.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nogfso_testkit::{Port, Process, Signal, binary, nats_server_program, wait_until_blocking};
use tempfile::TempDir;

use super::asking::Asks;
use super::crashes::{assert_adopted_once, assert_registered_once, init_until_accepted, make_tree};
use super::{DEADLINE, GLOBAL_ROOT, HOST, REGISTRY};

const REPO_COUNT: usize = 3;

/// A data folder, what runs on it, and real directories. The NATS server ends with it, also when the test is killed.
struct AllInOne {
    up: Option<Process>,
    reaper: Child,
    port: Port,
    folder: TempDir,
}

impl AllInOne {
    fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("nogfso end to end ")
            .tempdir()
            .expect("a temporary folder can be made");
        fs::create_dir_all(folder.path().join("real data/orga"))
            .expect("the temporary folder can be written");
        // The server survives a killed nogfso on purpose.
        let reaper = Command::new("sh")
            .args([
                "-c",
                "read -r _; pid=$(cat \"$1\") && kill -s KILL \"$pid\"",
                "reaper",
            ])
            .arg(folder.path().join("data folder/nats.pid"))
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh starts");
        let mut all = Self {
            up: None,
            reaper,
            port: Port::reserve(),
            folder,
        };
        all.up();
        all
    }

    fn up(&mut self) {
        let mut command = Command::new(binary("nogfso"));
        command
            .args([
                "up",
                "--host",
                HOST,
                "--registry",
                REGISTRY,
                "--prefix",
                GLOBAL_ROOT,
            ])
            .arg("--data")
            .arg(self.data())
            .arg("--listen")
            .arg(format!("127.0.0.1:{}", self.port.number()))
            .arg("--root")
            .arg(format!(
                "/example/first root={}",
                self.first_root().display()
            ))
            .env("NOGFSO_NATS_SERVER", nats_server_program());
        let mut up = Process::start(&mut command);
        up.wait_for_line("Ctrl-C stops everything", DEADLINE);
        self.up = Some(up);
    }

    fn kill(&mut self) {
        let mut up = self.up.take().expect("it was started");
        up.signal(Signal::KILL);
        up.exit_status(DEADLINE);
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data folder")
    }

    fn real_data(&self) -> PathBuf {
        self.folder.path().join("real data/orga")
    }

    fn first_root(&self) -> PathBuf {
        let path = self.folder.path().join("real data/first root");
        fs::create_dir_all(&path).expect("the temporary folder can be written");
        path
    }

    /// The process id of the server; nothing while it starts or when it has stopped.
    fn server(&self) -> Option<String> {
        let text = fs::read_to_string(self.data().join("nats.pid")).ok()?;
        Some(text.trim().to_owned()).filter(|process| is_running(process))
    }
}

impl Asks for AllInOne {
    fn context(&self) -> PathBuf {
        self.data().join("context.json")
    }
}

impl Drop for AllInOne {
    fn drop(&mut self) {
        self.up = None;
        drop(self.reaper.stdin.take());
        self.reaper.wait().ok();
    }
}

#[test]
fn everything_in_one_process_survives_its_own_death_and_that_of_its_server() {
    let mut all = AllInOne::start();
    let first = all.ctl_json(&["get", "repos", REGISTRY])["repos"][0].clone();
    assert_eq!(first["global_path"], "/example/first root");
    let (host, host_root) = (format!("--host={HOST}"), all.real_data());
    let root = [
        "init",
        "root",
        &host,
        REGISTRY,
        GLOBAL_ROOT,
        host_root.to_str().unwrap(),
    ];
    all.ctl(&root).ok();

    for n in 1..=REPO_COUNT {
        make_tree(&all.real_data().join(format!("tree {n}")));
    }
    let mut ids = BTreeSet::from([first["id"].as_str().unwrap().to_owned()]);
    ids.extend(adopted_through(&mut all, ("tree", "kill"), |all| {
        let server = all.server();
        assert!(server.is_some());
        all.kill();
        all.up();
        assert_eq!(all.server(), server, "the server that survived is kept");
    }));
    ids.extend(adopted_through(&mut all, ("kill", "server"), |all| {
        let server = all.server().expect("the server runs");
        let killed = Command::new("kill").args(["-s", "KILL", &server]).status();
        assert!(killed.unwrap().success());
        wait_until_blocking("another server", DEADLINE, || {
            all.server().is_some_and(|another| another != server)
        });
    }));
    assert_registered_once(&all, &ids);

    let up = all.up.as_mut().unwrap();
    up.signal(Signal::INT);
    assert!(up.exit_status(DEADLINE).success());
    assert_eq!(all.server(), None);
}

/// Gives the trees other names, and returns the ids of the repos that were acknowledged before the crash and adopted after it.
fn adopted_through(
    all: &mut AllInOne,
    (before, name): (&str, &str),
    crash: impl FnOnce(&mut AllInOne),
) -> Vec<String> {
    let context = all.context();
    let names: Vec<_> = (1..=REPO_COUNT).map(|n| format!("{name} {n}")).collect();
    for (n, name) in names.iter().enumerate() {
        let place = all.real_data();
        fs::rename(place.join(format!("{before} {}", n + 1)), place.join(name))
            .expect("the tree is ours");
    }
    let ids: Vec<_> = names
        .iter()
        .map(|name| init_until_accepted(&context, name))
        .collect();
    crash(all);
    for id in &ids {
        assert_adopted_once(all, id);
    }
    ids
}

fn is_running(process: &str) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(process).join("stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}
