//! The sweep: a lost message costs time, never work (design 5, rule 8).
//!
//! A lane that did not change for a while is looked at. Something due that nobody works on, and that no delivery will bring
//! to a worker any more, is woken; a claim whose lease is gone and which its instance does not serve is revoked; a request
//! whose alarm did not ring is woken. Everything is decided on one version of the lane, so that two sweeps do it once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use nogfso_bus::{Bus, Message, RequestError};
use nogfso_contract::codec::{Answer, Encoding};
use nogfso_contract::presence::{Served, WhatServed};
use nogfso_contract::subjects::{self, Named, WORK_STREAM};
use nogfso_domain::work::{Claim, Work, WorkCommand, WorkLane};
use nogfso_faults::{Rule, met};
use nogfso_ids::{Host, RequestId};
use nogfso_journal::log::ConsumerProgress;
use nogfso_journal::store::By;
use nogfso_journal::{ExecuteError, LoadError, Loaded};
use nogfso_kernel::Expected;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::open_lanes::{LastCommit, OpenLanes};
use crate::stores::{ACTOR, Carry};

/// How many lanes one round looks at; the next round goes on behind them.
const ROUND_LANES_MAX: usize = 1_000;
/// How long an instance is waited for that was asked what it serves.
const ASK_PATIENCE: Duration = Duration::from_secs(5);
/// A lane that stays as it is although it was woken is woken again after twice the time, up to this, in ms.
const WAKE_AGAIN_MS_MAX: u64 = 60 * 60 * 1_000;
/// How many lanes are remembered as woken; beyond it all are forgotten, which costs some wakes.
const WOKEN_LANES_MAX: usize = 100_000;

/// What is to be done about a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// Nothing: a delivery will bring it to a worker, or nothing is due.
    Leave,
    /// A worker must be made to look, because of that deferred request if one is named.
    Wake(Option<RequestId>),
    /// The claim is void unless its instance serves it.
    Ask(Claim),
}

/// Judges a lane at `now_ms`. `late_ms` is how late an alarm may be.
fn judge(work: &Work, progress: ConsumerProgress, now_ms: u64, late_ms: u64) -> Verdict {
    if let Some(claim) = &work.claim {
        return if claim.lease <= progress.ack_floor {
            Verdict::Ask(claim.clone())
        } else {
            Verdict::Leave
        };
    }
    let overdue = work.backlog.requests.iter().find(|known| {
        let woken_by_ms = known.wake_ms().map(|at_ms| at_ms.saturating_add(late_ms));
        woken_by_ms.is_some_and(|woken_by_ms| woken_by_ms <= now_ms)
    });
    if let Some(overdue) = overdue {
        return Verdict::Wake(Some(overdue.request));
    }
    let waits = work.due().next().is_some();
    if waits && work.newest_trigger <= progress.ack_floor {
        Verdict::Wake(None)
    } else {
        Verdict::Leave
    }
}

/// When a lane was woken last, and how often without an effect.
#[derive(Debug, Clone, Copy)]
struct Woken {
    at_ms: u64,
    times: u32,
}

pub(crate) struct Sweep {
    carry: Carry,
    bus: Arc<dyn Bus>,
    lanes: Arc<OpenLanes>,
    settings: Settings,
    woken: BTreeMap<String, Woken>,
    after: Option<String>,
}

impl Sweep {
    pub(crate) fn new(
        carry: Carry,
        bus: Arc<dyn Bus>,
        lanes: Arc<OpenLanes>,
        settings: Settings,
    ) -> Self {
        Self {
            carry,
            bus,
            lanes,
            settings,
            woken: BTreeMap::new(),
            after: None,
        }
    }

    /// Sweeps until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let pause = Duration::from_millis(self.settings.sweep_every_ms);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = sleep(pause) => {}
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.round() => {}
            }
        }
    }

    /// Looks at the lanes that did not change for a while.
    pub(crate) async fn round(&mut self) {
        let until_ms = self.now_ms().saturating_sub(self.settings.sweep_after_ms);
        let lanes = self
            .lanes
            .unchanged(until_ms, self.after.as_deref(), ROUND_LANES_MAX);
        self.after = if lanes.len() == ROUND_LANES_MAX {
            lanes.last().map(|(subject, _)| subject.clone())
        } else {
            None
        };
        let mut consumers = BTreeMap::new();
        for (subject, last) in lanes {
            let Some(Named::Work(_, host, lane, _)) = subjects::parse(&subject) else {
                continue;
            };
            let consumer = subjects::worker_consumer(&host, lane);
            let progress = match consumers.get(&consumer) {
                Some(known) => *known,
                None => {
                    let told = self.progress(&consumer).await;
                    consumers.insert(consumer, told);
                    told
                }
            };
            // Without workers, or before they have come to it, nothing can be lost.
            if let Some(progress) = progress.filter(|progress| last.position <= progress.delivered)
                && let Err(error) = self.look(&subject, &host, last, progress).await
            {
                tracing::warn!(subject, %error, "a lane is not swept");
            }
        }
    }

    async fn progress(&self, consumer: &str) -> Option<ConsumerProgress> {
        let log = self.carry.stores.work.log();
        match log.consumer_progress(WORK_STREAM, consumer).await {
            Ok(progress) => progress,
            Err(fault) => {
                tracing::warn!(consumer, %fault, "cannot sweep");
                None
            }
        }
    }

    async fn look(
        &mut self,
        subject: &str,
        host: &Host,
        last: LastCommit,
        progress: ConsumerProgress,
    ) -> Result<(), LoadError> {
        let work = &self.carry.stores.work;
        let loaded = work.load(subject, last.position).await?;
        if loaded.position() != last.position {
            return Ok(());
        }
        let now_ms = self.now_ms();
        match judge(
            &loaded.state,
            progress,
            now_ms,
            self.settings.sweep_after_ms,
        ) {
            Verdict::Leave => {}
            Verdict::Wake(request) => {
                if self.may_wake(subject, now_ms) {
                    let wake = WorkCommand::Wake { request };
                    if self.give(subject, &loaded, wake).await {
                        met(Rule::Woken);
                        tracing::warn!(subject, "nobody would have looked; woken");
                    }
                }
            }
            Verdict::Ask(claim) => {
                if self.serves(subject, host, &claim).await == Some(false) {
                    let revoke = WorkCommand::Revoke { epoch: claim.epoch };
                    if self.give(subject, &loaded, revoke).await {
                        met(Rule::Revoked);
                        tracing::warn!(subject, epoch = claim.epoch, instance = %claim.instance,
                            "the claim is served by nobody; revoked");
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether it is time to wake the lane. One that no consumer of its host selects would else be woken in every round.
    fn may_wake(&mut self, subject: &str, now_ms: u64) -> bool {
        let pause_ms = |woken: &Woken| {
            let doubled = 1_u64.checked_shl(woken.times).unwrap_or(u64::MAX);
            let pause_ms = self.settings.sweep_after_ms.saturating_mul(doubled);
            pause_ms.min(WAKE_AGAIN_MS_MAX)
        };
        let times = match self.woken.get(subject) {
            Some(woken) if woken.at_ms.saturating_add(pause_ms(woken)) > now_ms => return false,
            Some(woken) if now_ms - woken.at_ms < 2 * WAKE_AGAIN_MS_MAX => woken.times + 1,
            Some(_) | None => 0,
        };
        if self.woken.len() >= WOKEN_LANES_MAX {
            self.woken.clear();
        }
        let woken = Woken {
            at_ms: now_ms,
            times,
        };
        self.woken.insert(subject.to_owned(), woken);
        true
    }

    /// Gives the command on exactly what was judged; whether it was carried out.
    async fn give(&self, subject: &str, judged: &Loaded<WorkLane>, command: WorkCommand) -> bool {
        let by = By {
            expected: Expected::Exactly(judged.vid),
            at_least: judged.position(),
            ..By::actor(ACTOR)
        };
        let work = &self.carry.stores.work;
        match work.execute(subject, &command, &by).await {
            Ok(outcome) => !outcome.appended.is_empty(),
            // Somebody moved it, which is what was wanted.
            Err(ExecuteError::VersionConflict { .. } | ExecuteError::Refused(_)) => false,
            Err(error) => {
                tracing::warn!(subject, %error, "a lane is not swept");
                false
            }
        }
    }

    /// Whether the instance serves the claim; `None` if it may, because it did not answer.
    async fn serves(&self, subject: &str, host: &Host, claim: &Claim) -> Option<bool> {
        let payload = Encoding::Json.encode(&WhatServed {}).ok()?;
        let question = Message::new(subjects::worker(host, &claim.instance), payload);
        match self.bus.request(question, ASK_PATIENCE).await {
            Ok(reply) => match serde_json::from_slice(&reply.payload) {
                Ok(Answer::Ok(Served { claims })) => Some(
                    claims
                        .iter()
                        .any(|served| served.subject == subject && served.epoch == claim.epoch),
                ),
                Ok(Answer::Error(_)) | Err(_) => None,
            },
            Err(RequestError::NoResponder { .. }) => Some(false),
            Err(RequestError::TimedOut { .. } | RequestError::Bus(_)) => None,
        }
    }

    fn now_ms(&self) -> u64 {
        self.carry.stores.work.environment().now_ms()
    }
}
