//! One worker process of a run: it claims the deployment, follows it, and may be killed or made to stand still.

use std::sync::Arc;

use nogfso_journal::Environment;
use nogfso_journal::memory::MemoryLog;
use nogfso_journal::store::{By, ExecuteError};
use tokio::task::JoinSet;

use super::gate::{Gate, Stand};
use super::injector::Injector;
use super::lease::{ClaimLease, execute};
use super::log::FaultyLog;
use super::step::Watched;
use crate::deployment::{Claiming, DeploymentCommand, DeploymentRefusal, WorkerView};
use crate::engine::Engine;
use crate::job::Resources;
use crate::layout::Layout;
use crate::name::DeploymentId;
use crate::registry::Registry;
use crate::run::{Driven, Lease as _, LeaseError};

/// What all processes of a run work on.
pub(super) struct Site<R> {
    pub(super) log: MemoryLog,
    pub(super) environment: Environment,
    pub(super) layout: Layout,
    pub(super) registry: Registry<R>,
    pub(super) resources: Arc<R>,
    pub(super) injector: Arc<Injector>,
    pub(super) id: DeploymentId,
    pub(super) quiet_ms: u64,
}

/// What a process came to by itself.
#[derive(Debug)]
pub(super) enum Worked {
    /// Nothing is left for a worker.
    Ended,
    /// Nothing is to be done before this time, in ms since the Unix epoch.
    Deferred(u64),
    /// Another process has the deployment.
    Replaced,
    /// It could not go on.
    Broken(String),
}

/// Why a process is not at work any more.
#[derive(Debug)]
pub(super) enum Down {
    Worked(Worked),
    Died,
    StandsStill { soon: bool },
}

pub(super) struct Process {
    gate: Arc<Gate>,
    task: JoinSet<Option<Worked>>,
}

impl Process {
    /// The process of that number, from 1.
    pub(super) fn start<R: Resources>(site: &Site<R>, number: u32) -> Self {
        let gate = Gate::new();
        let log = FaultyLog {
            inner: site.log.clone(),
            subject: site.layout.subject(site.id),
            injector: Arc::clone(&site.injector),
            gate: Arc::clone(&gate),
        };
        let registry = site.registry.wrapped(|index, step| {
            Arc::new(Watched {
                inner: Arc::clone(step),
                index,
                injector: Arc::clone(&site.injector),
                gate: Arc::clone(&gate),
            })
        });
        let engine = Engine::new(
            Arc::new(log),
            site.environment.clone(),
            site.layout.clone(),
            registry,
        );
        let work = work(
            engine,
            Arc::clone(&site.resources),
            site.id,
            format!("w{number}"),
            site.quiet_ms,
        );
        let mut task = JoinSet::new();
        task.spawn(Arc::clone(&gate).guard(work));
        Self { gate, task }
    }

    /// Waits until it is not at work any more.
    pub(super) async fn down(&mut self) -> Down {
        let mut stand = self.gate.watch();
        let stands_still = async {
            loop {
                if let Stand::Still { soon } = *stand.borrow_and_update() {
                    return soon;
                }
                // The sender lives in the gate, so that this cannot fail.
                drop(stand.changed().await);
            }
        };
        tokio::select! {
            biased;
            joined = self.task.join_next() => match joined {
                Some(Ok(Some(worked))) => Down::Worked(worked),
                Some(Ok(None)) => Down::Died,
                Some(Err(error)) => {
                    Down::Worked(Worked::Broken(format!("the engine panicked: {error}")))
                }
                None => Down::Died,
            },
            soon = stands_still => Down::StandsStill { soon },
        }
    }

    /// What lets it go on where it stands still.
    pub(super) fn gate(&self) -> Arc<Gate> {
        Arc::clone(&self.gate)
    }
}

/// Claims the deployment and follows it to where nothing is left, or to where somebody else goes on.
async fn work<R: Resources>(
    engine: Engine<R>,
    resources: Arc<R>,
    id: DeploymentId,
    name: String,
    quiet_ms: u64,
) -> Worked {
    let runner = engine.runner(resources);
    let store = Arc::clone(engine.store());
    let subject = engine.subject(id);
    let claim = DeploymentCommand::Claim(Claiming {
        worker: name.clone(),
        lease: None,
        epoch: None,
        above: 0,
        manifest: Arc::clone(runner.manifest()),
        quiet_ms,
        draw: runner.draw(),
    });
    let by = By::actor(name.clone());
    let claimed = match execute(&store, &subject, &claim, &by).await {
        Ok((Some(deployment), position)) => (deployment, position),
        Ok((None, _)) => return Worked::Broken("the deployment is not there".to_owned()),
        Err(ExecuteError::Refused(DeploymentRefusal::NothingDue { .. })) => return Worked::Ended,
        Err(error) => return Worked::Broken(error.to_string()),
    };
    let lease = ClaimLease::new(store, subject, by.actor.clone(), claimed);
    let driven = tokio::select! {
        biased;
        driven = runner.drive(&lease) => driven,
        () = lease.watch_news() => unreachable!("it looks for ever"),
    };
    match driven {
        Ok(Driven::Ended) => Worked::Ended,
        Ok(Driven::Deferred(until_ms)) => {
            let by = WorkerView {
                epoch: lease.epoch(),
                manifest: Arc::clone(runner.manifest()),
                draw: runner.draw(),
                is_ending: false,
            };
            let alarm_ms = Some(until_ms);
            let release = DeploymentCommand::Release { by, alarm_ms };
            match lease.append(&release).await {
                Ok(_) => Worked::Deferred(until_ms),
                Err(LeaseError::Lost) => Worked::Replaced,
                Err(error) => Worked::Broken(error.to_string()),
            }
        }
        Ok(Driven::Stopped) | Err(LeaseError::Lost | LeaseError::Stopped) => Worked::Replaced,
        Ok(Driven::NotRunnable) => Worked::Broken("the registry lacks a job".to_owned()),
        Err(error @ (LeaseError::Refused(_) | LeaseError::Failed { .. })) => {
            Worked::Broken(error.to_string())
        }
    }
}
