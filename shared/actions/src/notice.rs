//! What a person is to hear of without asking: deployments that are parked, and those that nobody here can run (spec 2.13).
//!
//! A notice is a log line and a message on the bus, sent once or, if the worker ends in that moment, never: what stands is in the
//! journal, and a list shows it. A server that forgets that it delivered a commit has it told once more.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use nogfso_bus::{Bus, Message};
use nogfso_journal::store::Store;
use nogfso_kernel::{Position, Recorded};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::deployment::{Deployment, DeploymentEvent, Deployments, Direction, ParkReason, Stage};
use crate::error::ErrorView;
use crate::layout::Layout;
use crate::name::{ActionRef, DeploymentId, JobName};

/// How many parkings may wait to be told of; what comes on top is in the log only.
const WAITING_NOTICES_MAX: usize = 256;
/// How long nobody takes a deployment before a worker that cannot says so.
pub const NO_CAPABLE_WORKER_AFTER_MS: u64 = 15 * 60 * 1_000;
/// How many deployments a worker remembers that it cannot run and has told of.
const TOLD_MAX: usize = 10_000;

/// What a person is to hear of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "notice", rename_all = "snake_case")]
pub enum Notice {
    /// A deployment waits for a person.
    Parked {
        /// Which.
        deployment: DeploymentId,
        /// Of which action.
        action: ActionRef,
        /// In which direction it was going.
        direction: Direction,
        /// The job that it is about.
        job: Option<JobName>,
        /// Why.
        reason: ParkReason,
        /// What was seen.
        error: Option<ErrorView>,
        /// What usually helps, in words of the operator's commands.
        cures: Vec<String>,
    },
    /// Nothing has happened to a deployment for [`NO_CAPABLE_WORKER_AFTER_MS`], and the worker that says so has not its code.
    NoCapableWorker {
        /// Which.
        deployment: DeploymentId,
        /// Of which action.
        action: ActionRef,
        /// Of which revision.
        revision: NonZeroU32,
        /// Since when nothing has happened, in ms since the Unix epoch.
        since_ms: u64,
    },
}

impl Notice {
    fn word(&self) -> &'static str {
        match self {
            Self::Parked { .. } => "parked",
            Self::NoCapableWorker { .. } => "no-capable-worker",
        }
    }
}

impl ParkReason {
    /// What usually helps, in words of the operator's commands.
    #[must_use]
    pub fn cures(self) -> &'static [&'static str] {
        match self {
            Self::RetriesExhausted => &["resume with reset", "force", "cancel"],
            Self::UndoFailed => &["resume with reset", "force undone", "skip"],
            Self::CrashLoop => &["deploy a fix, then resume"],
            Self::SchemaMismatch => &["add an upcaster, then resume", "force"],
            Self::PayloadMissing | Self::PayloadUndecodable => {
                &["restore the value, then resume", "force"]
            }
            Self::IrreversibleUncertain => &["look, then force succeeded or failed"],
            Self::JournalTooLong => &["abandon", "fork"],
            Self::HistoryAccepted => &["look, then resume, force or abandon"],
        }
    }
}

/// What one worker has to tell.
pub(crate) struct Notices {
    parked: mpsc::Sender<(String, Position)>,
    told: Mutex<BTreeMap<DeploymentId, Position>>,
    notices: mpsc::Sender<Notice>,
}

/// The other end: what is still to be told.
pub(crate) struct Untold {
    parked: mpsc::Receiver<(String, Position)>,
    notices: mpsc::Receiver<Notice>,
    store: Arc<Store<Deployments>>,
    bus: Arc<dyn Bus>,
    layout: Arc<Layout>,
}

impl Notices {
    pub(crate) fn new(
        store: Arc<Store<Deployments>>,
        bus: Arc<dyn Bus>,
        layout: Arc<Layout>,
    ) -> (Self, Untold) {
        let (parked, parked_untold) = mpsc::channel(WAITING_NOTICES_MAX);
        let (notices, notices_untold) = mpsc::channel(WAITING_NOTICES_MAX);
        let told = Mutex::default();
        let this = Self {
            parked,
            told,
            notices,
        };
        let untold = Untold {
            parked: parked_untold,
            notices: notices_untold,
            store,
            bus,
            layout,
        };
        (this, untold)
    }

    /// Notes that a commit was delivered.
    pub(crate) fn heard(&self, subject: &str, at: Position, events: &[Recorded<DeploymentEvent>]) {
        let is_parking =
            |one: &Recorded<_>| matches!(one.event, DeploymentEvent::DeploymentParked { .. });
        if events.iter().any(is_parking) && self.parked.try_send((subject.to_owned(), at)).is_err()
        {
            tracing::warn!(subject, "parked; too many notices wait");
        }
    }

    /// Notes that a deployment cannot be run here, at `now_ms`.
    pub(crate) fn cannot_run(&self, deployment: &Deployment, now_ms: u64) {
        let since_ms = deployment.changed_ms;
        if now_ms.saturating_sub(since_ms) < NO_CAPABLE_WORKER_AFTER_MS {
            return;
        }
        let id = deployment.asked.id;
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.get(&id) == Some(&deployment.newest_trigger) {
            return;
        }
        if told.len() >= TOLD_MAX {
            told.pop_first();
        }
        told.insert(id, deployment.newest_trigger);
        drop(told);
        let notice = Notice::NoCapableWorker {
            deployment: id,
            action: deployment.asked.action.clone(),
            revision: deployment.plan.revision,
            since_ms,
        };
        if self.notices.try_send(notice).is_err() {
            tracing::warn!(deployment = %id, "nobody can run it; too many notices wait");
        }
    }
}

impl Untold {
    /// Tells what there is to tell until all who note have ended.
    pub(crate) async fn tell(mut self) {
        loop {
            tokio::select! {
                biased;
                Some(notice) = self.notices.recv() => self.publish(&notice).await,
                Some((subject, at)) = self.parked.recv() => {
                    match self.store.load(&subject, at).await {
                        Ok(loaded) => {
                            if let Some(notice) = loaded.state.as_deref().and_then(parked) {
                                self.publish(&notice).await;
                            }
                        }
                        Err(error) => tracing::warn!(subject, %error, "parked; cannot say why"),
                    }
                }
                else => return,
            }
        }
    }

    async fn publish(&self, notice: &Notice) {
        tracing::warn!(?notice, "a person is needed");
        let subject = self.layout.notice_subject(notice.word());
        let payload = serde_json::to_vec(notice).unwrap_or_default();
        if let Err(error) = self.bus.publish(Message::new(subject, payload)).await {
            tracing::warn!(%error, "a notice was not sent");
        }
    }
}

/// The notice of a deployment that is parked; absent if it is not any more.
fn parked(deployment: &Deployment) -> Option<Notice> {
    let Stage::Parked(parked) = &deployment.stage else {
        return None;
    };
    let job = parked.index.and_then(|index| deployment.job(index));
    let cures = parked.reason.cures().iter();
    Some(Notice::Parked {
        deployment: deployment.asked.id,
        action: deployment.asked.action.clone(),
        direction: parked.direction,
        job: job.map(|(planned, _)| planned.job.clone()),
        reason: parked.reason,
        error: parked.error.clone(),
        cures: cures.map(|cure| (*cure).to_owned()).collect(),
    })
}
