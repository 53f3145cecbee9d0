//! One run from its start to where nothing moves any more.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use nogfso_journal::memory::MemoryLog;
use nogfso_journal::store::By;
use nogfso_journal::{Commit, Environment};
use nogfso_kernel::Position;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::case::{Case, Ending};
use super::injector::Injector;
use super::lease::execute;
use super::process::{Down, Process, Site, Worked};
use super::seed::SeededIds;
use crate::client::{Client, StartOptions};
use crate::deployment::{
    Deployment, DeploymentCommand, DeploymentEvent, Operation, ParkReason, Stage,
};
use crate::engine::Engine;
use crate::handle::Outcome;
use crate::job::{Payload, Resources};
use crate::layout::Layout;
use crate::name::DeploymentId;
use crate::plan::Plan;
use crate::registry::{ActionKey, Registry};

/// The deployment of every run, so that its keys are the same each time.
pub(super) const DEPLOYMENT: DeploymentId =
    DeploymentId(Uuid::from_u128(0x5eed_0000_0000_4000_8000_0000_0000_0001));
/// How long nobody takes over from a process that is gone.
const TAKE_OVER: Duration = Duration::from_secs(30);
/// How long after that a process goes on that stood still for a while.
const BACK_SOON: Duration = Duration::from_secs(15);
/// The most processes of one run.
const PROCESSES_MAX: u32 = 24;
/// How often somebody sees to a parked deployment.
const RESUMES_MAX: u32 = 3;
/// How long one run may take.
const RUN_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);
/// How long a process may go on that went on after everything.
const ZOMBIE_MAX: Duration = Duration::from_secs(3_600);

/// What one run came to.
pub(super) struct Ran<R, Out> {
    pub(super) plan: Plan,
    pub(super) commits: Vec<Commit<DeploymentEvent>>,
    /// As it is read by somebody who knows nothing but the journal.
    pub(super) state: Option<Arc<Deployment>>,
    pub(super) outcome: Option<Outcome<Out>>,
    pub(super) parked: Vec<ParkReason>,
    pub(super) problems: Vec<String>,
    pub(super) injector: Arc<Injector>,
    pub(super) resources: Arc<R>,
}

/// What a run is made of.
pub(super) type Setup<R, In, Out> = (Registry<R>, R, ActionKey<In, Out>, In);

struct Course<R> {
    site: Site<R>,
    client: Client,
    engine: Engine<R>,
    zombies: Vec<Process>,
    timers: JoinSet<()>,
    /// The newest command that a worker was started for.
    seen: Position,
    parked: Vec<ParkReason>,
    problems: Vec<String>,
}

/// Runs the action once.
pub(super) async fn run<R: Resources, In: Payload, Out: Payload>(
    (registry, resources, key, input): Setup<R, In, Out>,
    case: &Case,
    traces: bool,
    quiet: Duration,
) -> Ran<R, Out> {
    let plan = registry.plan_for_start(key.action());
    let plan = plan.expect("a key proves that its action is registered");
    let plan = plan.clone();
    let log = MemoryLog::default();
    let environment = Environment {
        clock: log.clock(),
        ids: Arc::new(SeededIds::new(case.seed)),
    };
    let layout = Layout::standalone("explorer");
    let engine = Engine::new(
        Arc::new(log.clone()),
        environment.clone(),
        layout.clone(),
        registry.wrapped(|_, step| Arc::clone(step)),
    );
    let mut course = Course {
        client: engine.client(),
        engine,
        site: Site {
            log,
            environment,
            layout,
            registry,
            resources: Arc::new(resources),
            injector: Arc::new(Injector::new(&plan, case, traces)),
            id: DEPLOYMENT,
            quiet_ms: u64::try_from(quiet.as_millis()).unwrap_or(u64::MAX),
        },
        zombies: vec![],
        timers: JoinSet::new(),
        seen: Position::START,
        parked: vec![],
        problems: vec![],
    };
    course.start(&key, &input).await;
    let followed = course.follow_in_time(case.ending).await;
    if !followed {
        course
            .problems
            .push("it does not come to an end".to_owned());
    }
    course.see_zombies_off().await;
    course.read(plan).await
}

impl<R: Resources> Course<R> {
    async fn start<In: Payload, Out: Payload>(&mut self, key: &ActionKey<In, Out>, input: &In) {
        let options = StartOptions {
            id: Some(DEPLOYMENT),
            ..StartOptions::default()
        };
        if let Err(error) = self.engine.ensure().await {
            self.problems.push(format!("no streams: {error}"));
        }
        if let Err(error) = self.client.start(key, input, options).await {
            self.problems.push(format!("it does not start: {error}"));
        }
        if let Ok(state) = self.client.deployment(DEPLOYMENT).await {
            self.seen = state.newest_trigger;
        }
    }

    async fn follow_in_time(&mut self, ending: Ending) -> bool {
        let (client, injector) = (self.client.clone(), Arc::clone(&self.site.injector));
        let cancelling = async {
            if ending == Ending::Cancelled {
                injector.first_fault().await;
                sleep(Duration::from_secs(1)).await;
                let reason = "the explorer cancels".to_owned();
                let cancel = Operation::Cancel { reason };
                // It may be too late; then it is to succeed.
                drop(client.operate(DEPLOYMENT, "explorer", cancel).await);
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            followed = timeout(RUN_MAX, self.follow()) => followed.unwrap_or(false),
            () = cancelling => unreachable!("it waits for ever"),
        }
    }

    /// Starts process after process until nothing is left. Returns whether that came.
    async fn follow(&mut self) -> bool {
        for number in 1..=PROCESSES_MAX {
            let mut process = Process::start(&self.site, number);
            match process.down().await {
                Down::Died => sleep(TAKE_OVER).await,
                Down::StandsStill { soon } => {
                    if soon {
                        let gate = process.gate();
                        self.timers.spawn(async move {
                            sleep(TAKE_OVER + BACK_SOON).await;
                            gate.go_on();
                        });
                    }
                    self.zombies.push(process);
                    sleep(TAKE_OVER).await;
                }
                Down::Worked(Worked::Ended) => match self.client.deployment(DEPLOYMENT).await {
                    Ok(state) if state.stage.is_terminal() => return true,
                    Ok(state) => {
                        if !self.see_to(&state).await {
                            return false;
                        }
                    }
                    Err(error) => {
                        self.problems.push(format!("it cannot be read: {error}"));
                        return false;
                    }
                },
                Down::Worked(Worked::Deferred(until_ms)) => self.bring_back(until_ms).await,
                Down::Worked(Worked::Replaced) => {
                    self.problems.push("a worker gave up for nobody".to_owned());
                    sleep(TAKE_OVER).await;
                }
                Down::Worked(Worked::Broken(reason)) => {
                    self.problems
                        .push(format!("a worker cannot go on: {reason}"));
                    sleep(TAKE_OVER).await;
                }
            }
        }
        false
    }

    /// Does what a person does once the reason of the parking is gone. Returns whether there was anything to do.
    async fn see_to(&mut self, state: &Deployment) -> bool {
        let Stage::Parked(parked) = &state.stage else {
            if state.stage.is_live() && state.newest_trigger > self.seen {
                // Somebody commanded something that the worker could not know of any more.
                self.seen = state.newest_trigger;
                return true;
            }
            let stage = state.stage.word();
            self.problems
                .push(format!("nobody works on it, and it is {stage}"));
            return false;
        };
        self.parked.push(parked.reason);
        if self.parked.len() > RESUMES_MAX as usize {
            let error = parked.error.as_ref().map(ToString::to_string);
            let (reason, error) = (parked.reason, error.unwrap_or_default());
            let problem = format!("it is parked again and again: {reason:?}: {error}");
            self.problems.push(problem);
            return false;
        }
        let resume = Operation::Resume {
            note: "the explorer has seen to it".to_owned(),
            rebind: None,
            reset_attempts: true,
        };
        match self.client.operate(DEPLOYMENT, "explorer", resume).await {
            Ok(resumed) => {
                self.seen = resumed.newest_trigger;
                true
            }
            Err(error) => {
                self.problems.push(format!("it does not go on: {error}"));
                false
            }
        }
    }

    async fn bring_back(&mut self, until_ms: u64) {
        let wait_ms = until_ms.saturating_sub(self.site.environment.now_ms());
        sleep(Duration::from_millis(wait_ms)).await;
        let (store, subject) = (self.engine.store(), self.engine.subject(DEPLOYMENT));
        let by = By::actor("svc:action-due");
        if let Err(error) = execute(store, &subject, &DeploymentCommand::Due, &by).await {
            self.problems
                .push(format!("it is not brought back: {error}"));
        }
    }

    /// Lets everybody go on who stands still, and waits until they have noticed that they were replaced.
    async fn see_zombies_off(&mut self) {
        for mut process in std::mem::take(&mut self.zombies) {
            let seen_off = async {
                loop {
                    process.gate().go_on();
                    match process.down().await {
                        Down::StandsStill { .. } => {}
                        Down::Died | Down::Worked(_) => return,
                    }
                }
            };
            if timeout(ZOMBIE_MAX, seen_off).await.is_err() {
                let problem = "a worker that was replaced does not notice".to_owned();
                self.problems.push(problem);
            }
        }
    }

    /// Reads what came of it.
    async fn read<Out: Payload>(mut self, plan: Plan) -> Ran<R, Out> {
        let commits = self.commits().await;
        let state = self.client.deployment(DEPLOYMENT).await.ok();
        let has_ended = state
            .as_ref()
            .is_some_and(|state| state.stage.is_terminal());
        let outcome = match has_ended {
            true => self.outcome().await,
            false => None,
        };
        Ran {
            plan,
            commits,
            state,
            outcome,
            parked: self.parked,
            problems: self.problems,
            injector: self.site.injector,
            resources: self.site.resources,
        }
    }

    async fn outcome<Out: Payload>(&mut self) -> Option<Outcome<Out>> {
        let attached = self.client.attach::<Out>(DEPLOYMENT).await;
        let outcome = match attached {
            Ok(handle) => handle.outcome().await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(outcome) => Some(outcome),
            Err(error) => {
                self.problems
                    .push(format!("its outcome cannot be read: {error}"));
                None
            }
        }
    }

    async fn commits(&mut self) -> Vec<Commit<DeploymentEvent>> {
        let subject = self.engine.subject(DEPLOYMENT);
        match all_commits(&self.engine, &subject).await {
            Ok(commits) => commits,
            Err(error) => {
                self.problems
                    .push(format!("its journal cannot be read: {error}"));
                vec![]
            }
        }
    }
}

/// All commits of a deployment.
pub(super) async fn all_commits<R: Resources>(
    engine: &Engine<R>,
    subject: &str,
) -> Result<Vec<Commit<DeploymentEvent>>, nogfso_journal::LoadError> {
    let mut commits: Vec<Commit<DeploymentEvent>> = vec![];
    loop {
        let after = commits.last().map_or(Position::START, |last| last.position);
        let page = engine.store().history(subject, after).await?;
        if page.is_empty() {
            return Ok(commits);
        }
        commits.extend(page);
    }
}

/// The effects of a world, by key.
pub(super) type Effects = BTreeMap<String, u32>;
