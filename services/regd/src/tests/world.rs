//! A journal with what callers and workers have stored, and the reactions to try on it.

use std::sync::Arc;
use std::time::Duration;

use nogfso_contract::subjects::{self, STREAMS};
use nogfso_domain::main_list::MainListCommand;
use nogfso_domain::operation::{ErrorText, PathProblem, Problems};
use nogfso_domain::registry::{NewRepoId, RegistryCommand, RegistryRefusal};
use nogfso_domain::repo::{KnownRepo, RepoCommand};
use nogfso_domain::work::{
    Counts, FailureCode, MtimeRange, Order, Outcome, Report, WorkCommand, WorkLane, WorkResult,
};
use nogfso_ids::{
    Author, GlobalPath, Host, HostPath, Instance, Lane, RegistryName, RepoId, RequestId, UnixMillis,
};
use nogfso_journal::log::{Consumer, ConsumerSpec, Record};
use nogfso_journal::memory::{MemoryLog, PublishOddity};
use nogfso_journal::reaction::{Parked, Wake};
use nogfso_journal::store::By;
use nogfso_journal::{Commit, Environment, ExecuteError, Loaded, Log, RandomIds, Store};
use nogfso_kernel::{Aggregate, Position};
use serde_json::Value;

use crate::stores::{Carry, Stores};

/// More attempts than one append makes.
const ATTEMPTS_MORE_THAN_ENOUGH: usize = 200;

/// The worker that claims.
pub(super) const INSTANCE: &str = "stad-1";

pub(super) struct World {
    pub(super) log: MemoryLog,
    pub(super) environment: Environment,
    pub(super) stores: Arc<Stores>,
}

pub(super) fn registry() -> RegistryName {
    RegistryName::parse("exreg").unwrap()
}

pub(super) fn repo_id(number: u32) -> RepoId {
    RepoId::parse(&format!("00000000-0000-4000-8000-{number:012}")).unwrap()
}

pub(super) fn host() -> Host {
    Host::parse("files.example.com").unwrap()
}

pub(super) fn author() -> Author {
    Author::try_new("Alice", "alice@example.com").unwrap()
}

pub(super) fn registry_subject() -> String {
    subjects::registry(&registry())
}

pub(super) fn repo_subject(number: u32) -> String {
    subjects::repo(&registry(), repo_id(number))
}

pub(super) fn work_subject(number: u32) -> String {
    subjects::work(&registry(), &host(), Lane::Main, repo_id(number))
}

pub(super) fn look_at(subject: &str) -> Wake {
    Wake {
        subject: subject.to_owned(),
        position: Position::START,
        is_alarm: true,
    }
}

impl World {
    pub(super) async fn new() -> Self {
        let log = MemoryLog::default();
        log.ensure_streams(&STREAMS).await.unwrap();
        let environment = Environment {
            clock: log.clock(),
            ids: Arc::new(RandomIds),
        };
        let port: Arc<dyn Log> = Arc::new(log.clone());
        let stores = Stores::new(&port, &environment);
        Self {
            log,
            environment,
            stores,
        }
    }

    pub(super) fn port(&self) -> Arc<dyn Log> {
        Arc::new(self.log.clone())
    }

    /// What a reaction of another process works with: nothing of it is shared but the journal.
    pub(super) fn carry(&self) -> Carry {
        Carry {
            stores: Stores::new(&self.port(), &self.environment),
            parked: Parked::new(self.port(), self.environment.clone()),
        }
    }

    pub(super) async fn give<A: Aggregate>(
        store: &Store<A>,
        subject: &str,
        command: &A::Command,
    ) -> Result<(), ExecuteError<A>> {
        let by = By::actor("svc:test");
        store
            .execute(subject, command, &by)
            .await
            .map(|_outcome| ())
    }

    pub(super) async fn main(&self, command: MainListCommand) {
        Self::give(&self.stores.main, subjects::MAIN, &command)
            .await
            .map_err(|error| error.to_string())
            .unwrap();
    }

    pub(super) async fn registry(&self, command: RegistryCommand) {
        Self::give(&self.stores.registry, &registry_subject(), &command)
            .await
            .map_err(|error| error.to_string())
            .unwrap();
    }

    pub(super) async fn repo(&self, number: u32, command: RepoCommand) {
        Self::give(&self.stores.repo, &repo_subject(number), &command)
            .await
            .map_err(|error| error.to_string())
            .unwrap();
    }

    pub(super) async fn work(&self, number: u32, command: WorkCommand) {
        Self::give(&self.stores.work, &work_subject(number), &command)
            .await
            .map_err(|error| error.to_string())
            .unwrap();
    }

    /// A registry with a root.
    pub(super) async fn ready_registry(&self) {
        self.registry(RegistryCommand::Init { name: registry() })
            .await;
        self.add_root().await;
    }

    pub(super) async fn add_root(&self) {
        self.registry(RegistryCommand::InitRoot {
            global_root: GlobalPath::parse("/data").unwrap(),
            host: host(),
            host_root: HostPath::parse("/srv/data").unwrap(),
            gitlab_namespace: None,
        })
        .await;
    }

    /// Accepts a repo as the gateway does: asked, agreed, stored.
    pub(super) async fn accept_repo(&self, number: u32) {
        let init = |permit| RegistryCommand::InitRepo {
            id: NewRepoId::Chosen(repo_id(number)),
            global_path: GlobalPath::parse(&format!("/data/{number}")).unwrap(),
            creator: author(),
            permit,
        };
        let asked = Self::give(&self.stores.registry, &registry_subject(), &init(None)).await;
        let Err(ExecuteError::Refused(RegistryRefusal::PermitOutdated { wanted })) = asked else {
            panic!("accepted without having asked the host");
        };
        self.registry(init(Some(wanted))).await;
    }

    /// A repo whose history has begun, with nothing done for it yet.
    pub(super) async fn begin_repo(&self, number: u32) {
        self.ready_registry().await;
        self.accept_repo(number).await;
        let reaction = crate::repoinit::RepoInit::new(self.carry());
        nogfso_journal::reaction::Reaction::react(&reaction, &look_at(&registry_subject()))
            .await
            .unwrap();
    }

    pub(super) async fn known_repo(&self, number: u32) -> KnownRepo {
        let last = self.log.leader_last(&repo_subject(number)).await.unwrap();
        let least = last.map_or(Position::START, |last| last.position);
        let loaded = self.stores.repo.load(&repo_subject(number), least).await;
        loaded.unwrap().state.known().unwrap().clone()
    }

    /// The names of the events of `subject`, one list for each commit.
    pub(super) async fn history(&self, subject: &str) -> Vec<Vec<String>> {
        let stored = self.log.read(subject, Position::START).await.unwrap();
        let names = |commit: Commit<Value>| {
            let events = commit.envelope.events.into_iter();
            let name = |stored: nogfso_journal::StoredEvent<Value>| {
                stored.fact["type"].as_str().unwrap().to_owned()
            };
            events.map(name).collect()
        };
        stored
            .iter()
            .map(|stored| names(Commit::decode_any(&stored.payload, stored.position).unwrap()))
            .collect()
    }

    /// Lets every attempt to store on `subject` fail until [`MemoryLog::stop_playing`].
    pub(super) fn no_room_for(&self, subject: &str) {
        for _ in 0..ATTEMPTS_MORE_THAN_ENOUGH {
            self.log.script_publish(subject, PublishOddity::Unavailable);
        }
    }

    /// Stores what nobody can read.
    pub(super) async fn damage(&self, subject: &str) {
        let record = Record {
            subject: subject.to_owned(),
            payload: "damaged".into(),
            headers: vec![],
            message_id: None,
            guard: None,
            schedule: None,
        };
        self.log.publish(&record).await.unwrap();
    }

    /// Asks for work and ends it with `result`, as the gateway and a worker do. Returns the position of the end.
    pub(super) async fn worked(
        &self,
        number: u32,
        cause: &str,
        order: Order,
        result: WorkResult,
    ) -> Position {
        let request = RequestId::derived_from(cause);
        self.work(
            number,
            WorkCommand::Request {
                request,
                order,
                author: author(),
                at: UnixMillis(1),
            },
        )
        .await;
        self.finish(number, request, result).await
    }

    /// Claims the lane, starts a request and hands it back: it waits, and no new one is equal to it.
    pub(super) async fn start_and_drop(&self, number: u32, request: RequestId) {
        let epoch = self.claim(number).await;
        self.work(number, WorkCommand::Start { request, epoch })
            .await;
        self.work(number, WorkCommand::Release { epoch }).await;
    }

    /// Claims the lane as a worker does that was given the message at `lease`. Returns the epoch.
    pub(super) async fn claim_on(&self, number: u32, lease: Position) -> u64 {
        let claim = WorkCommand::Claim {
            instance: Instance::parse(INSTANCE).unwrap(),
            lease,
            above: 0,
        };
        self.work(number, claim).await;
        let loaded = self
            .stores
            .work
            .load(&work_subject(number), Position::START)
            .await;
        loaded.unwrap().state.epoch
    }

    async fn claim(&self, number: u32) -> u64 {
        self.claim_on(number, Position(1)).await
    }

    /// Asks for a stat, and has nobody do it. Returns where the request lies.
    pub(super) async fn ask(&self, number: u32, cause: &str) -> Position {
        let request = WorkCommand::Request {
            request: RequestId::derived_from(cause),
            order: stat(),
            author: author(),
            at: UnixMillis(1),
        };
        self.work(number, request).await;
        self.lane(number).await.position()
    }

    /// The lane as the leader knows it.
    pub(super) async fn lane(&self, number: u32) -> Loaded<WorkLane> {
        let subject = work_subject(number);
        let last = self.log.leader_last(&subject).await.unwrap();
        let least = last.map_or(Position::START, |last| last.position);
        self.stores.work.load(&subject, least).await.unwrap()
    }

    /// The consumer that the workers of the host share, opened as one of them does.
    pub(super) async fn workers(&self) -> Arc<dyn Consumer> {
        let spec = ConsumerSpec {
            stream: subjects::WORK_STREAM,
            durable: subjects::worker_consumer(&host(), Lane::Main),
            filters: vec![subjects::work_of_host(&host(), Lane::Main)],
            ack_wait: Duration::from_secs(30),
            pending_max: 1_000,
        };
        self.log.consumer(&spec).await.unwrap()
    }

    /// Claims the lane, and ends a request that waits in it.
    pub(super) async fn finish(
        &self,
        number: u32,
        request: RequestId,
        result: WorkResult,
    ) -> Position {
        let subject = work_subject(number);
        let epoch = self.claim(number).await;
        self.work(number, WorkCommand::Start { request, epoch })
            .await;
        let finish = WorkCommand::Finish {
            request,
            epoch,
            result,
        };
        self.work(number, finish).await;
        let last = self.log.leader_last(&subject).await.unwrap();
        last.unwrap().position
    }
}

pub(super) fn stat() -> Order {
    Order::Stat {
        mtime_range: MtimeRange::No,
        confirm_emptied: false,
    }
}

pub(super) fn done(shadow: Option<&str>, unreadable: Option<&str>) -> WorkResult {
    let mut problems = Problems::default();
    if let Some(path) = unreadable {
        problems.record(PathProblem::new(path, "permission denied"));
    }
    WorkResult::Done(Report {
        outcome: Outcome::Committed,
        shadow_path: shadow.map(str::to_owned),
        old_ref: None,
        new_ref: None,
        counts: Counts::default(),
        problems,
    })
}

pub(super) fn failed(text: &str) -> WorkResult {
    WorkResult::Failed {
        code: FailureCode::Io,
        message: ErrorText::new(text),
        problems: Problems::default(),
    }
}
