//! A world of separate processes on one machine: a NATS server with the accounts of the product, gateway, regd and a worker.
//!
//! Decides where everything lies and how it is started, killed and asked. What is to be seen is left to the tests.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use nogfso::accounts::{Accounts, OPERATOR, SERVICE};
use nogfso::broker::configuration::{BrokerSettings, configuration};
use nogfso::context::context;
use nogfso_faults::{COST_PER_FILE_US, HALT_FOLDER, Halts, Point};
use nogfso_testkit::{NatsServer, NatsSettings, Process, Signal, binary, wait_until_blocking};
use serde_json::Value;
use tempfile::TempDir;

use super::asking::{Answer, Asks, asked};
use super::{ACK_WAIT_MS, DEADLINE, GLOBAL_ROOT, HOST, REGISTRY, SOON};

/// Where the accounts begin in the broker's configuration; what stands before is the test server's own.
const ACCOUNTS_BEGIN: &str = "system_account:";
/// How old the history of a lane is when it is compacted, in milliseconds.
const PURGE_AFTER_MS: &str = "3000";
/// The user and group `nobody`, without any privilege.
const UNPRIVILEGED_ID: u32 = 65_534;

/// A service that runs as a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Service {
    Gateway,
    Regd,
    Stad,
    /// Another worker of the same host.
    SpareStad,
}

/// As whom the worker runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Rights {
    /// As the test does.
    #[default]
    Own,
    /// As a user whom permissions bind.
    None,
}

/// What is not as usual in a world.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    /// More options of the worker.
    pub(crate) stad_options: Vec<String>,
    /// As whom the worker runs.
    pub(crate) stad_rights: Rights,
    /// How long each file takes the first worker, in microseconds; the spare one spends nothing.
    pub(crate) stad_cost_per_file_us: Option<&'static str>,
    /// How long claims and looks last without a sign of life, in milliseconds, if not [`ACK_WAIT_MS`].
    pub(crate) ack_wait_ms: Option<&'static str>,
    /// How old the history of a lane is when it is compacted, in milliseconds, if not [`PURGE_AFTER_MS`].
    pub(crate) purge_after_ms: Option<&'static str>,
    /// More users of the broker.
    pub(crate) users: Vec<&'static str>,
}

/// Server and services; all end with it.
pub(crate) struct World {
    services: BTreeMap<Service, Process>,
    pub(crate) server: NatsServer,
    accounts: Accounts,
    wishes: Wishes,
    folder: TempDir,
}

/// A repo that was adopted.
#[derive(Debug)]
pub(crate) struct Adopted {
    /// Its id.
    pub(crate) id: String,
    /// Its directory.
    pub(crate) realdir: PathBuf,
    /// Its shadow.
    pub(crate) shadow: PathBuf,
}

impl Asks for World {
    fn context(&self) -> PathBuf {
        self.context_of(OPERATOR)
    }
}

impl World {
    /// Everything runs; the registry and its root are there.
    pub(crate) fn with_root() -> Self {
        Self::with_root_and(Wishes::default())
    }

    pub(crate) fn with_root_and(wishes: Wishes) -> Self {
        let mut world = Self::with_root_without_worker(wishes);
        world.start(Service::Stad);
        world.wait_until_ready(Service::Stad);
        world
    }

    /// Everything but a worker runs; the registry and its root are there.
    pub(crate) fn with_root_without_worker(wishes: Wishes) -> Self {
        let mut world = Self::server_alone(wishes);
        for service in [Service::Gateway, Service::Regd] {
            world.start(service);
        }
        for service in [Service::Gateway, Service::Regd] {
            world.wait_until_ready(service);
        }
        world.ctl(&["init", "registry", REGISTRY]).ok();
        world.init_root().ok();
        world
    }

    /// The server runs, and no service.
    pub(crate) fn server_alone(wishes: Wishes) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("nogfso end to end ")
            .tempdir()
            .expect("a temporary folder can be made");
        let path = folder.path();
        for name in [
            "secrets",
            "contexts",
            "real data/orga",
            "shadow root",
            "halts",
        ] {
            fs::create_dir_all(path.join(name)).expect("the temporary folder can be written");
        }
        let users: Vec<_> = wishes
            .users
            .iter()
            .map(|name| name.parse().expect("tests name users well"))
            .collect();
        let accounts =
            Accounts::load(&path.join("secrets"), &users).expect("passwords can be made");
        let server =
            NatsServer::start_with(NatsSettings::default().with_raw(&rights_of(&accounts)));
        let world = Self {
            services: BTreeMap::new(),
            server,
            accounts,
            wishes,
            folder,
        };
        for person in world.accounts.people() {
            let text = context(world.listen(), person);
            fs::write(world.context_of(person.name.as_str()), text)
                .expect("a context can be written");
        }
        if world.wishes.stad_rights == Rights::None {
            world.open_to_everybody();
        }
        world
    }

    /// The folder of all that lies on the disk.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The host directory of the root.
    pub(crate) fn host_root(&self) -> PathBuf {
        self.path().join("real data/orga")
    }

    pub(crate) fn shadow_root(&self) -> PathBuf {
        self.path().join("shadow root")
    }

    /// The context file of a user.
    pub(crate) fn context_of(&self, user: &str) -> PathBuf {
        self.path().join(format!("contexts/{user}.json"))
    }

    /// A new directory below the root, with one file.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        let path = self.host_root().join(name);
        fs::create_dir_all(&path).expect("the temporary folder can be written");
        fs::write(path.join("a file"), "content").expect("the temporary folder can be written");
        path
    }

    /// An independent client that may do what services may.
    pub(crate) async fn service_client(&self) -> async_nats::Client {
        let password = self.accounts.service.reveal().to_owned();
        async_nats::ConnectOptions::with_user_and_password(SERVICE.to_owned(), password)
            .connect(self.server.url())
            .await
            .expect("the server is there")
    }

    /// Asks as the operator, by the broker itself.
    pub(crate) fn request(&self, subject: &str, payload: &[u8]) -> Value {
        asked(self.listen(), &self.accounts.operator, subject, payload)
    }

    pub(crate) fn init_root(&self) -> Answer {
        let host_root = self.host_root();
        let host_root = host_root
            .to_str()
            .expect("temporary folders have names in UTF-8");
        let host = format!("--host={HOST}");
        self.ctl(&["init", "root", &host, REGISTRY, GLOBAL_ROOT, host_root])
    }

    /// Adopts a directory that is there, and waits for its shadow.
    pub(crate) fn adopt(&self, name: &str) -> Adopted {
        let path = format!("{GLOBAL_ROOT}/{name}");
        let words = ["init", "repo", "--wait=60s", super::AUTHOR, REGISTRY, &path];
        let accepted = self.ctl_json(&words);
        let id = accepted["repo"].as_str().expect("an id").to_owned();
        Adopted {
            realdir: self.host_root().join(name),
            shadow: self.shadow(&id),
            id,
        }
    }

    /// How many messages each stream holds.
    pub(crate) fn message_counts(&self) -> BTreeMap<String, u64> {
        let state = self.server.monitor("/jsz?accounts=true&streams=true");
        let state = state.expect("the server tells its state");
        let accounts = state["account_details"]
            .as_array()
            .expect("accounts")
            .iter();
        accounts
            .flat_map(|account| {
                account["stream_detail"]
                    .as_array()
                    .cloned()
                    .unwrap_or_default()
            })
            .map(|stream| {
                let name = stream["name"]
                    .as_str()
                    .expect("a stream has a name")
                    .to_owned();
                (name, stream["state"]["messages"].as_u64().expect("a count"))
            })
            .collect()
    }

    pub(crate) fn start(&mut self, service: Service) {
        let mut command = self.command(service);
        self.services.insert(service, Process::start(&mut command));
    }

    /// What starts a service, to be started by whoever needs more than one of it or other options.
    pub(crate) fn command(&self, service: Service) -> Command {
        let mut command = match service {
            Service::Gateway => Command::new(binary("nogfsogwd")),
            Service::Regd => Command::new(binary("nogfsoregd")),
            Service::Stad | Service::SpareStad => self.stad_command(),
        };
        command
            .env("NOGFSO_SERVER", self.server.url())
            .env("NOGFSO_USER", SERVICE)
            .env("NOGFSO_PASSWORD", self.accounts.service.reveal())
            .env("NOGFSO_REGD_ACK_WAIT_MS", self.ack_wait_ms())
            // Sweeps and compactions go on beside everything that is tested.
            .env("NOGFSO_REGD_SWEEP_EVERY_MS", "500")
            .env("NOGFSO_REGD_SWEEP_AFTER_MS", "5000")
            .env("NOGFSO_REGD_PURGE_EVERY_MS", "1000")
            .env("NOGFSO_REGD_PURGE_AFTER_MS", self.purge_after_ms())
            .env(HALT_FOLDER, self.halt_folder());
        if let (Service::Stad, Some(cost)) = (service, self.wishes.stad_cost_per_file_us) {
            command.env(COST_PER_FILE_US, cost);
        }
        command
    }

    /// Where processes of this world learn at which points they are to stand still.
    pub(crate) fn halt_folder(&self) -> PathBuf {
        self.path().join("halts")
    }

    /// Makes the first process that comes to `point` stand still there.
    pub(crate) fn arm(&self, point: Point) {
        let halts = Halts::new(&self.halt_folder());
        halts.arm(point).expect("the folder is ours");
    }

    /// Waits until a service stands still at a point that was armed. From then on its signal lets it go on.
    pub(crate) fn wait_until_halted(&mut self, service: Service, point: Point) {
        let halts = Halts::new(&self.halt_folder());
        let process = self.process(service);
        let what = format!("{service:?} to stand still at {}", point.name());
        wait_until_blocking(&what, DEADLINE, || {
            halts.is_reached(point) && process.is_stopped()
        });
        halts.let_go(point).expect("the folder is ours");
    }

    pub(crate) fn wait_until_ready(&mut self, service: Service) {
        self.process(service).wait_for_line("ready", DEADLINE);
        if service == Service::Stad && self.services.contains_key(&Service::Gateway) {
            wait_until_blocking("the gateway to see the worker", SOON, || {
                let workers = self.ctl_json(&["workers"]);
                let workers = workers["workers"].as_array().expect("a list").clone();
                workers.iter().any(|worker| worker["ready"] == true)
            });
        }
    }

    pub(crate) fn process(&mut self, service: Service) -> &mut Process {
        self.services
            .get_mut(&service)
            .expect("the service was started")
    }

    /// Ends a service as a crash would.
    pub(crate) fn kill(&mut self, service: Service) {
        let process = self.process(service);
        process.signal(Signal::KILL);
        process.exit_status(DEADLINE);
    }

    /// Starts a service again that has ended, and waits until it is ready.
    pub(crate) fn restart(&mut self, service: Service) {
        self.start(service);
        self.process(service).wait_for_line("ready", DEADLINE);
    }

    fn purge_after_ms(&self) -> &'static str {
        self.wishes.purge_after_ms.unwrap_or(PURGE_AFTER_MS)
    }

    fn ack_wait_ms(&self) -> &'static str {
        self.wishes.ack_wait_ms.unwrap_or(ACK_WAIT_MS)
    }

    /// Who may connect.
    pub(crate) fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// Where the server takes connections.
    pub(crate) fn listen(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.server.client_port()))
    }

    fn stad_command(&self) -> Command {
        let program = self.path().join("bin/nogfsostad");
        let program = if program.exists() {
            program
        } else {
            binary("nogfsostad")
        };
        let is_bound = self.wishes.stad_rights == Rights::None && self.is_roots();
        let mut command = if is_bound {
            let mut command = Command::new("setpriv");
            command
                .arg(format!("--reuid={UNPRIVILEGED_ID}"))
                .arg(format!("--regid={UNPRIVILEGED_ID}"))
                .arg("--clear-groups")
                .arg(program);
            command
        } else {
            Command::new(program)
        };
        command
            .args([
                "--host",
                HOST,
                "--prefix",
                GLOBAL_ROOT,
                "--prefix",
                "/example/plain",
            ])
            .arg("--shadow-root")
            .arg(self.shadow_root())
            .arg("--trim-host-root")
            .arg(self.path())
            .args(["--ack-wait-ms", self.ack_wait_ms()])
            .args(&self.wishes.stad_options);
        command
    }

    /// Lets a worker without privileges come to its program, the real directories and the shadow root.
    fn open_to_everybody(&self) {
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))
                .expect("the folder is ours");
        };
        mode(self.path(), 0o755);
        mode(&self.shadow_root(), 0o777);
        let programs = self.path().join("bin");
        fs::create_dir(&programs).expect("the temporary folder can be written");
        fs::copy(binary("nogfsostad"), programs.join("nogfsostad"))
            .expect("a program can be copied");
    }

    fn is_roots(&self) -> bool {
        self.path().metadata().expect("the folder is there").uid() == 0
    }
}

/// Who may say what, as the product writes it.
pub(crate) fn rights_of(accounts: &Accounts) -> String {
    let unused = PathBuf::from("/unused");
    let text = configuration(
        &BrokerSettings {
            server_name: "unused".to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 1)),
            store: unused.clone(),
            pid: unused.clone(),
            log: unused,
            store_gib_max: 1,
        },
        accounts,
    );
    let begin = text
        .find(ACCOUNTS_BEGIN)
        .expect("the configuration has accounts");
    text[begin..].to_owned()
}
