//! One host with its directories, and what a test asks of its workers.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nogfso_bus::Bus;
use nogfso_contract::subjects;
use nogfso_domain::repo::{Carried, Repo, RepoCommand};
use nogfso_domain::work::{
    Answered, MtimeRange, Order, Report, Work, WorkCommand, WorkLane, WorkResult,
};
use nogfso_ids::{
    Author, GlobalPath, Host, HostPath, Lane, RegistryName, RepoId, RequestId, SubdirTracking,
    UnixMillis,
};
use nogfso_journal::store::By;
use nogfso_journal::{Environment, Log, Store};
use nogfso_kernel::{EventId, Position};
use nogfso_testkit::wait_until;
use tempfile::TempDir;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const HOST: &str = "files.example.com";
pub(crate) const STAT: Order = Order::Stat {
    mtime_range: MtimeRange::No,
    confirm_emptied: false,
};

pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) environment: Environment,
    pub(crate) works: Store<WorkLane>,
    repos: Store<Repo>,
}

impl World {
    pub(crate) fn new(log: Arc<dyn Log>, bus: Arc<dyn Bus>, environment: Environment) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("shadow")).unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        Self {
            folder,
            works: Store::new(Arc::clone(&log), environment.clone()),
            repos: Store::new(Arc::clone(&log), environment.clone()),
            log,
            bus,
            environment,
        }
    }

    pub(crate) fn shadow_root(&self) -> PathBuf {
        self.folder.path().join("shadow")
    }

    pub(crate) fn realdir(&self, name: &str) -> PathBuf {
        self.folder.path().join("data").join(name)
    }

    /// Makes a directory with one file.
    pub(crate) fn make_realdir(&self, name: &str) {
        std::fs::create_dir(self.realdir(name)).unwrap();
        std::fs::write(self.realdir(name).join("file"), name).unwrap();
    }

    pub(crate) fn repo_id(name: &str) -> RepoId {
        RepoId::from_uuid(RequestId::derived_from(name).uuid())
    }

    pub(crate) fn subject(name: &str) -> String {
        let host = Host::parse(HOST).unwrap();
        subjects::work(&registry(), &host, Lane::Main, Self::repo_id(name))
    }

    /// Makes the repo known, with its directory `name` on `host`.
    pub(crate) async fn add_repo(&self, name: &str, host: &str) {
        let command = RepoCommand::Init {
            registry: registry(),
            global_path: GlobalPath::parse(&format!("/ex/data/{name}")).unwrap(),
            creator: alice(),
            file_host: Host::parse(host).unwrap(),
            host_path: HostPath::parse(self.realdir(name).to_str().unwrap()).unwrap(),
            subdir_tracking: SubdirTracking::EnterSubdirs,
            cause: EventId(self.environment.fresh()),
        };
        self.tell_repo(name, command).await;
    }

    pub(crate) async fn confirm_shadow(&self, name: &str, answered: &Answered) {
        let path = report(answered).shadow_path.as_deref().unwrap();
        let command = RepoCommand::ConfirmShadow {
            shadow_path: HostPath::parse(path).unwrap(),
            result: Carried {
                request: answered.request,
                number: answered.number,
            },
        };
        self.tell_repo(name, command).await;
    }

    async fn tell_repo(&self, name: &str, command: RepoCommand) {
        let subject = subjects::repo(&registry(), Self::repo_id(name));
        let by = By::actor("user:test");
        self.repos.execute(&subject, &command, &by).await.unwrap();
    }

    pub(crate) async fn tell_work(&self, name: &str, command: WorkCommand) -> Work {
        let by = By::actor("user:test");
        let outcome = self
            .works
            .execute(&Self::subject(name), &command, &by)
            .await
            .unwrap();
        outcome.after.state
    }

    pub(crate) async fn request(&self, name: &str, order: Order) -> RequestId {
        let request = RequestId::derived_from(&self.environment.fresh().to_string());
        let command = WorkCommand::Request {
            request,
            order,
            author: alice(),
            at: UnixMillis(self.environment.now_ms()),
        };
        self.tell_work(name, command).await;
        request
    }

    pub(crate) async fn work(&self, name: &str) -> Work {
        let subject = Self::subject(name);
        let last = self.log.leader_last(&subject).await.unwrap();
        let least = last.map_or(Position::START, |last| last.position);
        self.works.load(&subject, least).await.unwrap().state
    }

    /// Waits until the request has ended and the claim is given back.
    pub(crate) async fn ended(&self, name: &str, order: &Order, request: RequestId) -> Answered {
        wait_until("the request has ended", PATIENCE, async || {
            let work = self.work(name).await;
            let last = work.last(order.operation()).cloned();
            last.filter(|last| last.request == request && work.claim.is_none())
                .ok_or(work)
        })
        .await
    }

    pub(crate) async fn done(&self, name: &str, order: Order) -> Answered {
        let request = self.request(name, order.clone()).await;
        self.ended(name, &order, request).await
    }
}

pub(crate) fn report(answered: &Answered) -> &Report {
    match &answered.result {
        WorkResult::Done(report) => report,
        other @ (WorkResult::Failed { .. } | WorkResult::Cancelled {}) => panic!("{other:?}"),
    }
}

pub(crate) fn registry() -> RegistryName {
    RegistryName::parse("exreg").unwrap()
}

fn alice() -> Author {
    Author::try_new("Alice", "alice@example.org").unwrap()
}
