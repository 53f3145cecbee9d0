//! A worker of its own: claims deployments on the action streams by the rules of crate `claims`, and runs them.
//!
//! Workers share no disk, so that nobody can lock another out: before a take-over the holder is asked for a whole ack wait, and
//! what it may still be doing is given another one before it is undone (design 6, spec 2.10).

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nogfso_bus::{Bus, BusError};
use nogfso_claims::rules::{ClaimView, View};
use nogfso_claims::{AskingLocks, Claims, Held, HoldError, Host};
use nogfso_journal::Log;
use nogfso_journal::log::{ConsumerSpec, ReadFault, open_consumer};
use nogfso_journal::reaction::{ALARM_PREFIX, TIMER_STREAM, alarm_record, alarmed, done};
use nogfso_journal::store::{By, Store};
use nogfso_kernel::{Position, Recorded};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::deployment::{
    Claiming, Deployment, DeploymentCommand, DeploymentEvent, DeploymentRefusal, Deployments,
    is_trigger,
};
use crate::job::Resources;
use crate::layout::{DUE, Layout, STREAMS};
use crate::notice::Notices;
use crate::run::{Driven, HeldLease, Lease as _, LeaseError, Runner};

const PULL_PATIENCE: Duration = Duration::from_secs(5);
const PULL_AGAIN_PAUSE: Duration = Duration::from_millis(500);
const ALARMS_AT_A_TIME: usize = 64;
const ALARMS_PENDING_MAX: u32 = 1_000;

/// How a worker works.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// Its name, one subject token, used by no other process, ever.
    pub name: String,
    /// How long a lease lasts without a sign of life; the same for all workers.
    pub ack_wait: Duration,
    /// How many deployments of each of the eight streams it works on at a time.
    pub slots_per_stream: NonZeroUsize,
}

/// Why a worker ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// A consumer could not be opened.
    #[error(transparent)]
    Read(#[from] ReadFault),
    /// The bus could not be listened to.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// A task of it panicked.
    #[error("a task of the worker panicked")]
    Panicked,
}

/// A worker that claims deployments itself.
pub struct Worker<R> {
    runner: Arc<Runner<R>>,
    store: Arc<Store<Deployments>>,
    bus: Arc<dyn Bus>,
    layout: Arc<Layout>,
    settings: WorkerSettings,
}

/// The claims of a worker on the deployments of one stream.
struct DeploymentHost<R> {
    runner: Arc<Runner<R>>,
    store: Arc<Store<Deployments>>,
    settings: WorkerSettings,
    notices: Arc<Notices>,
}

/// A deployment as far as claims are concerned.
fn view(state: Option<&Deployment>) -> View {
    let Some(deployment) = state else {
        return View {
            claim: None,
            newest_trigger: Position::START,
            due: false,
            epoch: 0,
        };
    };
    View {
        claim: claim_of(deployment),
        newest_trigger: deployment.newest_trigger,
        // What waits under a claim is its holder's; what was given back until some time is nobody's until an event says so.
        due: deployment.stage.is_live() && deployment.deferred_until_ms.is_none(),
        epoch: deployment.epoch,
    }
}

fn claim_of(deployment: &Deployment) -> Option<ClaimView> {
    let claim = deployment.claim.as_ref()?;
    Some(ClaimView {
        epoch: claim.epoch,
        instance: claim.worker.clone(),
        lease: claim.lease?,
    })
}

#[async_trait]
impl<R: Resources> Host for DeploymentHost<R> {
    type Aggregate = Deployments;

    fn view(&self, state: &Option<Arc<Deployment>>, _now_ms: u64) -> View {
        view(state.as_deref())
    }

    fn is_trigger(&self, recorded: &Recorded<DeploymentEvent>) -> bool {
        is_trigger(recorded)
    }

    fn heard(&self, subject: &str, at: Position, events: &[Recorded<DeploymentEvent>]) {
        self.notices.heard(subject, at, events);
    }

    fn can_take(&self, state: &Option<Arc<Deployment>>) -> bool {
        let Some(deployment) = state else {
            return true;
        };
        let action = &deployment.asked.action;
        let manifest = self.runner.manifest();
        let can_take = !deployment.stage.is_live() || manifest.can_run(action, &deployment.plan);
        if !can_take {
            let now_ms = self.store.environment().now_ms();
            self.notices.cannot_run(deployment, now_ms);
        }
        can_take
    }

    fn claim(&self, claiming: nogfso_claims::Claiming) -> DeploymentCommand {
        DeploymentCommand::Claim(Claiming {
            worker: claiming.instance,
            lease: Some(claiming.lease),
            epoch: None,
            above: claiming.above,
            manifest: Arc::clone(self.runner.manifest()),
            quiet_ms: u64::try_from(self.settings.ack_wait.as_millis()).unwrap_or(u64::MAX),
            draw: self.runner.draw(),
        })
    }

    fn release(&self, epoch: u64) -> DeploymentCommand {
        self.released(epoch, None)
    }

    fn would_release(
        &self,
        _state: &Option<Arc<Deployment>>,
        command: &DeploymentCommand,
        _now_ms: u64,
    ) -> bool {
        matches!(command, DeploymentCommand::Release { .. })
    }

    fn has_moved_on(&self, refusal: &DeploymentRefusal) -> bool {
        matches!(refusal, DeploymentRefusal::MovedOn { .. })
    }

    async fn work(&self, held: &Held<Self>) -> Result<(), HoldError<Deployments>> {
        let lease = HeldLease(held);
        match self.runner.drive(&lease).await {
            Ok(Driven::Deferred(until_ms)) => {
                // The alarm first: one that rings too early asks for nothing, one that is missing is never made up for.
                self.set_alarm(held.subject(), until_ms).await?;
                let release = self.released(lease.epoch(), Some(until_ms));
                held.append(&release).await.map(drop)
            }
            Ok(Driven::Ended | Driven::Stopped) => Ok(()),
            Ok(Driven::NotRunnable) => held.append(&self.release(lease.epoch())).await.map(drop),
            Err(LeaseError::Lost) => Err(HoldError::MovedOn),
            Err(LeaseError::Stopped) => Err(HoldError::Stopped),
            Err(LeaseError::Refused(refusal)) => Err(HoldError::Refused(refusal)),
            Err(LeaseError::Failed { reason }) => Err(HoldError::Failed { reason }),
        }
    }
}

impl<R: Resources> DeploymentHost<R> {
    fn released(&self, epoch: u64, alarm_ms: Option<u64>) -> DeploymentCommand {
        let by = self.runner.view_of(epoch);
        DeploymentCommand::Release { by, alarm_ms }
    }

    async fn set_alarm(&self, subject: &str, until_ms: u64) -> Result<(), HoldError<Deployments>> {
        let record = alarm_record(DUE, subject, until_ms);
        let set = self.store.log().publish(&record).await;
        set.map(drop).map_err(|fault| {
            // The claim stays as it is; the work is asked for again.
            tracing::warn!(subject, %fault, "cannot set an alarm");
            HoldError::Stopped
        })
    }
}

impl<R: Resources> Worker<R> {
    /// A worker that does nothing yet.
    #[must_use]
    pub fn new(
        runner: Arc<Runner<R>>,
        store: Arc<Store<Deployments>>,
        bus: Arc<dyn Bus>,
        layout: Arc<Layout>,
        settings: WorkerSettings,
    ) -> Self {
        Self {
            runner,
            store,
            bus,
            layout,
            settings,
        }
    }

    /// Works until `drain`, then gives back what it has in hand and returns.
    ///
    /// # Errors
    ///
    /// Fails if a consumer cannot be opened, or if something of it panics outside a job; what is in hand is given back.
    pub async fn run(self, drain: CancellationToken) -> Result<(), WorkerError> {
        // The questions of others are answered until the last claim is given back.
        let answering = CancellationToken::new();
        let stop = drain.child_token();
        let (notices, untold) = Notices::new(
            Arc::clone(&self.store),
            Arc::clone(&self.bus),
            Arc::clone(&self.layout),
        );
        let notices = Arc::new(notices);
        let claims: Vec<_> = (0..STREAMS)
            .map(|stream| self.claims(stream, &notices))
            .collect();
        drop(notices);
        let weak = claims.iter().map(Arc::downgrade).collect();
        let mut tasks: JoinSet<Result<(), WorkerError>> = JoinSet::new();
        for claims in claims {
            let stop = stop.clone();
            tasks.spawn(async move { Ok(claims.run(stop).await?) });
        }
        tasks.spawn(async move {
            untold.tell().await;
            Ok(())
        });
        let due = Due {
            store: Arc::clone(&self.store),
            ack_wait: self.settings.ack_wait,
        };
        tasks.spawn({
            let stop = stop.clone();
            async move { Ok(due.run(stop).await?) }
        });
        let prefix = self.layout.worker_prefix.clone();
        let answers = nogfso_claims::answer(
            Arc::clone(&self.bus),
            &prefix,
            &self.settings.name,
            weak,
            answering.clone(),
        );
        let working = async {
            let mut ended = Ok(());
            while let Some(one) = tasks.join_next().await {
                let one = one.map_err(|_panic| WorkerError::Panicked).flatten();
                if one.is_err() {
                    ended = ended.and(one);
                    stop.cancel();
                }
            }
            answering.cancel();
            ended
        };
        let (answered, worked) = tokio::join!(answers, working);
        answered?;
        worked
    }

    fn claims(&self, stream: usize, notices: &Arc<Notices>) -> Arc<Claims<DeploymentHost<R>>> {
        let host = DeploymentHost {
            runner: Arc::clone(&self.runner),
            store: Arc::clone(&self.store),
            settings: self.settings.clone(),
            notices: Arc::clone(notices),
        };
        let locks = AskingLocks::new(
            Arc::clone(&self.store),
            Arc::clone(&self.bus),
            |state: &Option<Arc<Deployment>>| state.as_deref().and_then(claim_of),
            self.layout.worker_prefix.clone(),
            self.settings.name.clone(),
            self.settings.ack_wait,
        );
        Claims::new(
            Arc::new(host),
            Arc::clone(&self.store),
            Arc::new(locks),
            nogfso_claims::Settings {
                stream: self.layout.streams[stream].name,
                consumer: format!("actions-{stream}"),
                filters: self.layout.filters(stream),
                instance: self.settings.name.clone(),
                actor: format!("worker:{}", self.settings.name),
                ack_wait: self.settings.ack_wait,
                slots: self.settings.slots_per_stream,
            },
        )
    }
}

/// Brings back deployments whose time has come.
struct Due {
    store: Arc<Store<Deployments>>,
    ack_wait: Duration,
}

impl Due {
    async fn run(self, stop: CancellationToken) -> Result<(), ReadFault> {
        let spec = ConsumerSpec {
            stream: TIMER_STREAM,
            durable: DUE.to_owned(),
            filters: vec![format!("{ALARM_PREFIX}{DUE}.>")],
            ack_wait: self.ack_wait,
            pending_max: ALARMS_PENDING_MAX,
        };
        let log: &Arc<dyn Log> = self.store.log();
        let Some(consumer) = open_consumer(&**log, &spec, &stop).await? else {
            return Ok(());
        };
        loop {
            let pulled = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                pulled = consumer.pull(ALARMS_AT_A_TIME, PULL_PATIENCE) => pulled,
            };
            let alarms = match pulled {
                Ok(alarms) => alarms,
                Err(fault) => {
                    tracing::warn!(%fault, "cannot pull alarms");
                    sleep(PULL_AGAIN_PAUSE).await;
                    continue;
                }
            };
            for alarm in alarms {
                let subject = alarmed(DUE, &alarm.stored.subject);
                let by = By::actor(format!("svc:{DUE}"));
                let woken = match &subject {
                    Some(subject) => {
                        let due = DeploymentCommand::Due;
                        self.store.execute(subject, &due, &by).await.map(drop)
                    }
                    None => Ok(()),
                };
                let answered = match woken {
                    Ok(()) => done(&**log, &alarm).await,
                    Err(error) if error.is_transient() => alarm.acker.nak(self.ack_wait).await,
                    Err(error) => {
                        tracing::error!(subject, %error, "a deployment cannot be brought back");
                        done(&**log, &alarm).await
                    }
                };
                if let Err(fault) = answered {
                    tracing::debug!(%fault, "an alarm was not answered");
                }
            }
        }
    }
}
