//! The world around a gateway under test.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use nogfso_bus::{Bus, MemoryBus, Message};
use nogfso_contract::codec::Answer;
use nogfso_contract::host::{MAY_INIT, MayInitReply};
use nogfso_contract::subjects::{self, STREAMS};
use nogfso_contract::{Failure, Wait};
use nogfso_domain::main_list::{MainList, MainListCommand};
use nogfso_domain::registry::{Registry, RegistryCommand};
use nogfso_domain::repo::{Carried, Repo, RepoCommand};
use nogfso_domain::work::{WorkCommand, WorkLane, WorkResult};
use nogfso_host::Tasks;
use nogfso_ids::{HostPath, Instance, Lane, RegistryName, RepoId, RequestId};
use nogfso_journal::log::From;
use nogfso_journal::memory::MemoryLog;
use nogfso_journal::store::{By, Outcome};
use nogfso_journal::{Environment, Log, RandomIds, Store};
use nogfso_kernel::{Aggregate, EventId, Position};
use serde_json::{Value, json};
use ulid::Ulid;

use crate::config::Settings;

pub(super) const HOST: &str = "files.example.com";
const PATIENCE: Duration = Duration::from_secs(3_600);

pub(super) struct World {
    pub(super) log: MemoryLog,
    pub(super) bus: MemoryBus,
    pub(super) tasks: Tasks,
    pub(super) environment: Environment,
    pub(super) main: Store<MainList>,
    pub(super) registry: Store<Registry>,
    pub(super) repo: Store<Repo>,
    pub(super) work: Store<WorkLane>,
}

pub(super) fn alone() -> Settings {
    Settings {
        unstamped_user: Some("alice".to_owned()),
        ..Settings::default()
    }
}

pub(super) fn registry_name(name: &str) -> RegistryName {
    RegistryName::parse(name).unwrap()
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(alone()).await
    }

    pub(super) async fn with(settings: Settings) -> Self {
        let log = MemoryLog::default();
        log.ensure_streams(&STREAMS).await.unwrap();
        let environment = Environment {
            clock: log.clock(),
            ids: Arc::new(RandomIds),
        };
        let bus = MemoryBus::new();
        let tasks = Tasks::default();
        let port: Arc<dyn Log> = Arc::new(log.clone());
        let gateway_bus: Arc<dyn Bus> = Arc::new(bus.another_client());
        crate::start(
            Arc::clone(&port),
            gateway_bus,
            environment.clone(),
            settings,
            &tasks,
        )
        .await
        .unwrap();
        Self {
            main: Store::new(Arc::clone(&port), environment.clone()),
            registry: Store::new(Arc::clone(&port), environment.clone()),
            repo: Store::new(Arc::clone(&port), environment.clone()),
            work: Store::new(port, environment.clone()),
            log,
            bus,
            tasks,
            environment,
        }
    }

    pub(super) async fn ask_raw(&self, message: Message) -> Message {
        self.bus.request(message, PATIENCE).await.unwrap()
    }

    /// Asks in JSON; `Err` is what stands under `error`.
    pub(super) async fn ask(&self, subject: &str, request: Value) -> Result<Value, Failure> {
        let message = Message::new(format!("fso.{subject}"), request.to_string());
        let reply = self.ask_raw(message).await;
        match serde_json::from_slice(&reply.payload).unwrap() {
            Answer::Ok(answer) => Ok(answer),
            Answer::Error(failure) => Err(failure),
        }
    }

    pub(super) async fn ok(&self, subject: &str, request: Value) -> Value {
        let answer = self.ask(subject, request.clone()).await;
        answer.unwrap_or_else(|failure| panic!("{subject} {request}: {failure:?}"))
    }

    pub(super) async fn refused(&self, subject: &str, request: Value) -> Failure {
        let answer = self.ask(subject, request.clone()).await;
        match answer {
            Ok(answer) => panic!("{subject} {request}: {answer}"),
            Err(failure) => failure,
        }
    }

    /// How many messages all streams hold.
    pub(super) async fn stored_count(&self) -> usize {
        let mut count = 0;
        for spec in &STREAMS {
            let from = From::After(Position::START);
            let mut following = self.log.follow(spec.name, ">", from).await.unwrap();
            while let Ok(Some(_)) =
                tokio::time::timeout(Duration::from_millis(1), following.next()).await
            {
                count += 1;
            }
        }
        count
    }

    async fn execute<A: Aggregate>(
        store: &Store<A>,
        subject: &str,
        command: &A::Command,
    ) -> Outcome<A> {
        let by = By::actor("svc:test");
        match store.execute(subject, command, &by).await {
            Ok(outcome) => outcome,
            Err(error) => panic!("{subject}: {error}"),
        }
    }

    /// What regd does about a registry that main accepted.
    pub(super) async fn begin_registry(&self, name: &str) {
        let name = registry_name(name);
        let init = RegistryCommand::Init { name: name.clone() };
        Self::execute(&self.registry, &subjects::registry(&name), &init).await;
        let confirm = MainListCommand::ConfirmRegistry { name };
        Self::execute(&self.main, subjects::MAIN, &confirm).await;
    }

    /// A registry with a root `/data` at the host.
    pub(super) async fn ready_registry(&self, name: &str) {
        self.ok("cmd.registry.init", json!({"name": name, "wait": "0s"}))
            .await;
        self.begin_registry(name).await;
        let root = json!({"registry": name, "global_root": "/data", "host": HOST});
        self.ok("cmd.root.init", root).await;
    }

    /// Lets the host agree to everything, or refuse; counts how often it was asked.
    pub(super) async fn host_answers(&self, answer: Answer<MayInitReply>) -> Arc<AtomicUsize> {
        let host = nogfso_ids::Host::parse(HOST).unwrap();
        let mut questions = self
            .bus
            .subscribe(&subjects::host(&host, MAY_INIT))
            .await
            .unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let (bus, counted) = (self.bus.clone(), Arc::clone(&asked));
        let stop = self.tasks.stop().clone();
        self.tasks.spawn("host", async move {
            while let Some(question) = tokio::select! {
                question = questions.next() => question,
                () = stop.cancelled() => None,
            } {
                counted.fetch_add(1, Ordering::SeqCst);
                let payload = serde_json::to_vec(&answer).unwrap();
                let reply = Message::new(question.reply.unwrap(), payload);
                bus.publish(reply).await.unwrap();
            }
        });
        asked
    }

    pub(super) async fn agreeable_host(&self) -> Arc<AtomicUsize> {
        let allowed = MayInitReply::Allowed { files: 1, bytes: 1 };
        self.host_answers(Answer::Ok(allowed)).await
    }

    /// What regd does about a repo that its registry accepted.
    pub(super) async fn begin_repo(&self, registry: &str, id: RepoId) {
        let registry = registry_name(registry);
        let loaded = self
            .registry
            .load(&subjects::registry(&registry), Position::START)
            .await
            .unwrap();
        let repo = loaded.state.known().unwrap().repo(id).unwrap().clone();
        let init = RepoCommand::Init {
            registry: registry.clone(),
            global_path: repo.global_path,
            creator: repo.creator,
            file_host: repo.file_host,
            host_path: repo.host_path,
            subdir_tracking: repo.subdir_tracking,
            cause: repo.accepted_by,
        };
        Self::execute(&self.repo, &subjects::repo(&registry, id), &init).await;
        let confirm = RegistryCommand::ConfirmRepo {
            repo_id: id,
            repo_event_id: EventId(Ulid::from_parts(1, 1)),
        };
        Self::execute(&self.registry, &subjects::registry(&registry), &confirm).await;
    }

    pub(super) async fn on_repo(&self, id: RepoId, command: &RepoCommand) {
        let subject = subjects::repo(&registry_name("exreg"), id);
        Self::execute(&self.repo, &subject, command).await;
    }

    pub(super) async fn confirm_shadow(&self, id: RepoId) {
        let confirm = RepoCommand::ConfirmShadow {
            shadow_path: HostPath::parse("/shadow/a.fso").unwrap(),
            result: Carried {
                request: RequestId::derived_from("init"),
                number: 1,
            },
        };
        self.on_repo(id, &confirm).await;
    }

    /// A repo at `/data/a` of registry `exreg` whose shadow is there.
    pub(super) async fn ready_repo(&self) -> RepoId {
        self.ready_registry("exreg").await;
        self.agreeable_host().await;
        let id = self.accepted("/data/a").await;
        self.begin_repo("exreg", id).await;
        self.confirm_shadow(id).await;
        id
    }

    pub(super) async fn accepted(&self, path: &str) -> RepoId {
        let accepted = self.ok("cmd.repo.init", init_repo("exreg", path)).await;
        repo_of(&accepted)
    }

    pub(super) async fn on_work(&self, id: RepoId, command: &WorkCommand) {
        let host = nogfso_ids::Host::parse(HOST).unwrap();
        let subject = subjects::work(&registry_name("exreg"), &host, Lane::Main, id);
        Self::execute(&self.work, &subject, command).await;
    }

    /// Claims the main lane and starts the request, as the worker `stad-1` does.
    pub(super) async fn start_work(&self, id: RepoId, request: RequestId, epoch: u64) {
        let claim = WorkCommand::Claim {
            instance: Instance::parse("stad-1").unwrap(),
            lease: Position(1),
            above: 0,
        };
        self.on_work(id, &claim).await;
        self.on_work(id, &WorkCommand::Start { request, epoch })
            .await;
    }

    pub(super) async fn finish_work(
        &self,
        id: RepoId,
        request: RequestId,
        epoch: u64,
        result: WorkResult,
    ) {
        let finish = WorkCommand::Finish {
            request,
            epoch,
            result,
        };
        self.on_work(id, &finish).await;
    }

    /// Waits until the gateway has handled all that came before: time moves on only when nothing else can happen.
    pub(super) async fn settle(&self) {
        let wait: Wait = "1ms".parse().unwrap();
        tokio::time::sleep(wait.duration()).await;
    }
}

pub(super) fn init_repo(registry: &str, path: &str) -> Value {
    json!({"registry": registry, "global_path": path, "author": "Alice <alice@example.com>"})
}

pub(super) fn repo_of(answer: &Value) -> RepoId {
    answer["repo"].as_str().unwrap().parse().unwrap()
}

pub(super) fn request_of(answer: &Value) -> RequestId {
    answer["request"].as_str().unwrap().parse().unwrap()
}
