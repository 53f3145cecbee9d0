//! Somebody beside the product who asks as the operator does, reads the journal as it is stored, and sees who holds which lock.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use nogfso::accounts::SERVICE;
use nogfso::context::{inbox_prefix, url};
use nogfso_contract::subjects::{self, STREAMS, WORK_ALL, WORK_STREAM};
use nogfso_domain::registry::{Registry, RegistryEvent};
use nogfso_domain::repo::{Repo, RepoEvent};
use nogfso_domain::work::{Work, WorkEvent, WorkLane};
use nogfso_ids::{Host, Lane, RegistryName, RepoId};
use nogfso_jetstream::{Connection, Credentials, Ports, Replicas, Settings};
use nogfso_journal::log::From;
use nogfso_journal::{Commit, Environment, Log, Store};
use nogfso_kernel::{Aggregate, Position};
use nogfso_testkit::wait_until_blocking;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::time::sleep;

use crate::end_to_end::world::World;
use crate::end_to_end::{DEADLINE, HOST, REGISTRY};

/// How long one try of a command is waited for; a repeat is harmless.
const ONE_TRY: Duration = Duration::from_secs(2);
/// How long the witness waits when it could not follow.
const FOLLOW_AGAIN_PAUSE: Duration = Duration::from_millis(50);
/// The answers after which the same command is given again.
const PASSING: [&str; 5] = [
    "busy",
    "host-unavailable",
    "unavailable",
    "timed-out",
    "outcome-unknown",
];

/// Asks and reads over connections of its own.
pub(crate) struct Witness {
    runtime: Runtime,
    operator: async_nats::Client,
    log: Arc<dyn Log>,
    registries: Store<Registry>,
    repos: Store<Repo>,
    works: Store<WorkLane>,
    seen: Arc<Seen>,
}

/// All commits on lanes, as they were stored: histories of lanes are compacted meanwhile.
#[derive(Default)]
struct Seen(Mutex<BTreeMap<String, Vec<Commit<WorkEvent>>>>);

impl Seen {
    async fn follow(&self, log: &dyn Log) {
        let mut last = Position::START;
        loop {
            let from = From::After(last);
            if let Ok(mut following) = log.follow(WORK_STREAM, WORK_ALL, from).await {
                while let Some(Ok(stored)) = following.next().await {
                    last = stored.position;
                    let commit = Commit::decode(&stored.payload, stored.position);
                    let commit = commit.expect("a commit can be read");
                    self.lock().entry(stored.subject).or_default().push(commit);
                }
            }
            sleep(FOLLOW_AGAIN_PAUSE).await;
        }
    }

    /// The commits on a subject, if everything up to `last` was seen.
    fn up_to(&self, subject: &str, last: Position) -> Result<Vec<Commit<WorkEvent>>, String> {
        let seen = self.lock().get(subject).cloned().unwrap_or_default();
        let newest = seen
            .last()
            .map_or(Position::START, |commit| commit.position);
        if newest >= last {
            Ok(seen)
        } else {
            Err(format!("{subject} was seen up to {newest}, not to {last}"))
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Commit<WorkEvent>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Witness {
    /// A witness of a world whose server runs.
    pub(crate) fn of(world: &World) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let (operator, log) = runtime.block_on(async {
            let person = &world.accounts().operator;
            let options = async_nats::ConnectOptions::with_user_and_password(
                person.name.to_string(),
                person.password.reveal().to_owned(),
            );
            let operator = options
                .custom_inbox_prefix(inbox_prefix(&person.name))
                .request_timeout(Some(ONE_TRY))
                .connect(url(world.listen()))
                .await
                .expect("a user can connect");
            let settings = Settings {
                credentials: Credentials::UserAndPassword {
                    user: SERVICE.to_owned(),
                    password: world.accounts().service.reveal().to_owned(),
                },
                ..Settings::new(world.server.url(), "witness")
            };
            let connection = Connection::connect(&settings).await;
            let connection = connection.expect("a service can connect");
            let ports = Ports::open(connection, Replicas(1), &STREAMS).await;
            (operator, ports.expect("the streams are there").log)
        });
        let environment = Environment::system();
        let seen = Arc::new(Seen::default());
        let (follower, followed) = (Arc::clone(&seen), Arc::clone(&log));
        runtime.spawn(async move { follower.follow(followed.as_ref()).await });
        Self {
            seen,
            runtime,
            operator,
            registries: Store::new(Arc::clone(&log), environment.clone()),
            repos: Store::new(Arc::clone(&log), environment.clone()),
            works: Store::new(Arc::clone(&log), environment),
            log,
        }
    }

    /// One try.
    pub(crate) fn ask(&self, subject: &str, payload: &Value) -> Result<Value, String> {
        let request = self
            .operator
            .request(subject.to_owned(), payload.to_string().into());
        let reply = self
            .runtime
            .block_on(request)
            .map_err(|error| error.to_string())?;
        let mut answer: Value = serde_json::from_slice(&reply.payload).expect("an answer is JSON");
        if answer["ok"].is_object() {
            return Ok(answer["ok"].take());
        }
        let code = answer["error"]["code"].as_str().unwrap_or_default();
        assert!(PASSING.contains(&code), "{subject} {payload}: {answer}");
        Err(answer.to_string())
    }

    /// Asks, the same again and again, until it is accepted.
    pub(crate) fn accepted(&self, subject: &str, payload: &Value) -> Value {
        wait_until_blocking(&format!("{subject} to be accepted"), DEADLINE, || {
            self.ask(subject, payload)
        })
    }

    /// All that is stored about the registry of the tests.
    pub(crate) fn registry_events(&self) -> Vec<RegistryEvent> {
        let commits = self.history(&self.registries, &subjects::registry(&registry()));
        facts(commits)
    }

    pub(crate) fn repo_events(&self, repo: RepoId) -> Vec<RepoEvent> {
        facts(self.history(&self.repos, &subjects::repo(&registry(), repo)))
    }

    /// All commits that were ever stored on the lane `main` of a repo.
    pub(crate) fn work(&self, repo: RepoId) -> Vec<Commit<WorkEvent>> {
        let subject = work_subject(repo);
        self.patiently("the history of the work", async || {
            let last = self.log.leader_last(&subject).await.map_err(describe)?;
            let last = last.map_or(Position::START, |last| last.position);
            self.seen.up_to(&subject, last)
        })
    }

    /// What the lane `main` of a repo amounts to at the leader.
    pub(crate) fn work_state(&self, repo: RepoId) -> Work {
        let subject = work_subject(repo);
        self.patiently("the work", async || {
            let last = self.log.leader_last(&subject).await.map_err(describe)?;
            let least = last.map_or(Position::START, |last| last.position);
            let loaded = self.works.load(&subject, least).await.map_err(describe)?;
            Ok(loaded.state)
        })
    }

    fn history<A: Aggregate>(&self, store: &Store<A>, subject: &str) -> Vec<Commit<A::Event>> {
        self.patiently(subject, async || {
            let history = store.history(subject, Position::START).await;
            history.map_err(describe)
        })
    }

    /// Reads again while the server is away.
    fn patiently<T>(&self, what: &str, mut read: impl AsyncFnMut() -> Result<T, String>) -> T {
        wait_until_blocking(what, DEADLINE, || self.runtime.block_on(read()))
    }
}

/// The work of the lane `main` of a repo of the tests' host.
fn work_subject(repo: RepoId) -> String {
    let host = Host::parse(HOST).expect("the host is well named");
    subjects::work(&registry(), &host, Lane::Main, repo)
}

fn registry() -> RegistryName {
    RegistryName::parse(REGISTRY).expect("the registry is well named")
}

fn facts<E>(commits: Vec<Commit<E>>) -> Vec<E> {
    let stored = commits
        .into_iter()
        .flat_map(|commit| commit.envelope.events);
    stored.map(|stored| stored.fact).collect()
}

fn describe(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The process that holds a lock on `file`, as the system tells; for locks that must not be disturbed by a try.
pub(crate) fn lock_holder(file: &Path) -> Option<u32> {
    let inode = fs::metadata(file).ok()?.ino().to_string();
    let locks = fs::read_to_string("/proc/locks").expect("the system tells of its locks");
    locks.lines().find_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        // "1: FLOCK  ADVISORY  WRITE 4711 fd:01:1234 0 EOF"; one who waits for a lock has an arrow after the number.
        let [_, "FLOCK", _, "WRITE", process, place, ..] = words.as_slice() else {
            return None;
        };
        let found = place.rsplit(':').next()?;
        (found == inode).then(|| process.parse().ok()).flatten()
    })
}
