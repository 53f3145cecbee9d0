//! The lane `main` of this host: how a lane is claimed, and how its requests are worked on.
//!
//! Each request is decided on what the repo is at that moment, not on what it was when it was asked. Claims and locks are
//! the matter of the crate `claims`, what is done on disk that of [`operation`].

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use nogfso_bus::Bus;
use nogfso_claims::rules::{ClaimView, View};
use nogfso_claims::{Claiming, Held, HoldError, Host as ClaimHost};
use nogfso_contract::progress::{PROGRESS_EVERY_MS, ProgressPhase};
use nogfso_contract::subjects::{self, Named};
use nogfso_domain::operation::{Operation, PathProblem};
use nogfso_domain::repo::{KnownRepo, Repo};
use nogfso_domain::work::{
    FailureCode, Phase, Request, Work, WorkCommand, WorkEvent, WorkLane, WorkRefusal, WorkResult,
    is_trigger,
};
use nogfso_faults::{Point, Rule, met, reach};
use nogfso_ids::{Host, Instance, RegistryName, RepoId, RequestId};
use nogfso_journal::{LoadError, Store};
use nogfso_kernel::{Position, Recorded};
use nogfso_shadow::Moment;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use crate::disk::{Disk, Job, Meter, Ran};
use crate::operation;
use crate::progress::Telling;

const LOAD_AGAIN_PAUSE: Duration = Duration::from_millis(500);
/// How many results wait to be appended; more than there can be tasks.
const UNTOLD_RESULTS_MAX: usize = 1_024;

type Stopped = HoldError<WorkLane>;

/// Works on the requests of one host.
pub(crate) struct Lane {
    pub(crate) host: Host,
    pub(crate) instance: Instance,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) repos: Store<Repo>,
    pub(crate) bus: Arc<dyn Bus>,
    /// Results that were reached and could not be appended before the holder had to pause.
    pub(crate) untold: Mutex<HashMap<(RequestId, u64), WorkResult>>,
}

/// Raises the cancel flag when it is dropped, so that the disk is not worked on for a task that is gone.
struct RaiseOnDrop(Arc<AtomicBool>);

impl Drop for RaiseOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[async_trait]
impl ClaimHost for Lane {
    type Aggregate = WorkLane;

    fn view(&self, work: &Work, _now_ms: u64) -> View {
        View {
            claim: work.claim.as_ref().map(|claim| ClaimView {
                epoch: claim.epoch,
                instance: claim.instance.to_string(),
                lease: claim.lease,
            }),
            newest_trigger: work.newest_trigger,
            due: work.due().next().is_some(),
            epoch: work.epoch,
        }
    }

    fn is_trigger(&self, recorded: &Recorded<WorkEvent>) -> bool {
        reach(Point::StadTakes);
        is_trigger(recorded)
    }

    fn claim(&self, claiming: Claiming) -> WorkCommand {
        reach(Point::StadClaims);
        WorkCommand::Claim {
            instance: self.instance.clone(),
            lease: claiming.lease,
            above: claiming.above,
        }
    }

    fn release(&self, epoch: u64) -> WorkCommand {
        WorkCommand::Release { epoch }
    }

    fn has_moved_on(&self, refusal: &WorkRefusal) -> bool {
        matches!(refusal, WorkRefusal::EpochMoved { .. })
    }

    async fn work(&self, held: &Held<Self>) -> Result<(), Stopped> {
        let Some(Named::Work(registry, _, _, repo)) = subjects::parse(held.subject()) else {
            return Err(HoldError::Failed {
                reason: "the subject names no work".to_owned(),
            });
        };
        let Some(request) = held.state().due().next().cloned() else {
            return Ok(());
        };
        let id = request.request;
        let operation = request.order.operation();
        let epoch = held.epoch();
        reach(Point::StadStarts);
        // Refused if it was taken back while it waited: the holder then looks again, and goes on with what is left.
        held.append(&WorkCommand::Start { request: id, epoch })
            .await?;
        reach(Point::StadStarted);
        // The start may have been its end: a crash loop, or a cancellation that nobody else heard.
        let result = match phase(held, id) {
            Some(Phase::Cancelling { epoch: by }) if by == epoch => WorkResult::Cancelled {},
            Some(Phase::Started { epoch: by }) if by == epoch => {
                match self.take_untold(id, epoch) {
                    Some(result) => result,
                    None => self.run(held, &registry, repo, request).await?,
                }
            }
            Some(_) | None => {
                note_crash_loop(held, id, operation);
                return Ok(());
            }
        };
        self.keep_untold(id, epoch, &result);
        reach(Point::StadFinishes);
        held.append(&WorkCommand::Finish {
            request: id,
            epoch,
            result: result.clone(),
        })
        .await?;
        reach(Point::StadFinished);
        self.take_untold(id, epoch);
        log_end(repo, id, operation, &result);
        Ok(())
    }
}

impl Lane {
    async fn run(
        &self,
        held: &Held<Self>,
        registry: &RegistryName,
        repo: RepoId,
        request: Request,
    ) -> Result<WorkResult, Stopped> {
        let subject = subjects::repo(registry, repo);
        let known = self.known_repo(held, &subject, request.request).await?;
        let Some(known) = known else {
            return Ok(if is_cancelling(held, request.request) {
                WorkResult::Cancelled {}
            } else {
                refused("the repo is not known")
            });
        };
        if known.file_host != self.host {
            return Ok(refused(&format!("the repo is on host {}", known.file_host)));
        }
        let telling = Telling {
            bus: Arc::clone(&self.bus),
            subject: subjects::progress(registry, &self.host, repo),
            repo,
            request: request.request,
            operation: request.order.operation(),
            instance: self.instance.clone(),
            started_ms: held.now_ms(),
        };
        let job = Job {
            epoch: held.epoch(),
            repo,
            host_path: PathBuf::from(known.host_path.as_str()),
            shadow_path: known.shadow_path().map(|path| PathBuf::from(path.as_str())),
            tracking: known.subdir_tracking,
            now: Moment {
                unix_s: i64::try_from(held.now_ms() / 1000).unwrap_or(i64::MAX),
                offset_s: 0,
            },
            request,
        };
        reach(Point::StadLoaded);
        self.on_disk(held, job, &telling).await
    }

    /// Has the job done on the disk, and breaks it off when it must or is cancelled.
    async fn on_disk(
        &self,
        held: &Held<Self>,
        job: Job,
        telling: &Telling,
    ) -> Result<WorkResult, Stopped> {
        let request = job.request.request;
        let cancel = Arc::new(AtomicBool::new(false));
        let _raise = RaiseOnDrop(Arc::clone(&cancel));
        let meter = Arc::new(Meter::default());
        let mut news = held.news();
        let Some(lock) = held.lock() else {
            return Err(HoldError::Stopped);
        };
        let mut running = self
            .disk
            .run(job, lock, Arc::clone(&meter), Arc::clone(&cancel));
        let pause = Duration::from_millis(PROGRESS_EVERY_MS);
        let mut ticks = interval_at(Instant::now() + pause, pause);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ended = loop {
            if held.must_stop() || is_cancelling(held, request) {
                cancel.store(true, Ordering::SeqCst);
            }
            tokio::select! {
                biased;
                ended = &mut running => break ended,
                _ = ticks.tick() => {
                    telling.tell(ProgressPhase::Running, &meter, held.now_ms()).await;
                }
                () = news.changed() => {}
            }
        };
        telling
            .tell(ProgressPhase::Ended, &meter, held.now_ms())
            .await;
        match ended {
            Ran::Ended(result) => Ok(result),
            Ran::BrokenOff if is_cancelling(held, request) => Ok(WorkResult::Cancelled {}),
            Ran::BrokenOff => Err(HoldError::Stopped),
        }
    }

    /// The repo as the leader knows it; `None` if it does not exist, or if the request was cancelled before it was known.
    ///
    /// Asks again while the journal does not answer.
    async fn known_repo(
        &self,
        held: &Held<Self>,
        subject: &str,
        request: RequestId,
    ) -> Result<Option<Arc<KnownRepo>>, Stopped> {
        let mut news = held.news();
        loop {
            if held.must_stop() {
                return Err(HoldError::Stopped);
            }
            if is_cancelling(held, request) {
                return Ok(None);
            }
            match self.load_repo(subject).await {
                Ok(known) => return Ok(known),
                Err(error) if error.is_transient() => {
                    tracing::warn!(subject, %error, "cannot load the repo yet");
                }
                Err(error) => {
                    return Err(HoldError::Failed {
                        reason: error.to_string(),
                    });
                }
            }
            tokio::select! {
                biased;
                () = news.changed() => {}
                () = sleep(LOAD_AGAIN_PAUSE) => {}
            }
        }
    }

    async fn load_repo(&self, subject: &str) -> Result<Option<Arc<KnownRepo>>, LoadError> {
        let last = self.repos.log().leader_last(subject).await?;
        let least = last.map_or(Position::START, |last| last.position);
        let loaded = self.repos.load(subject, least).await?;
        Ok(match loaded.state {
            Repo::Absent => None,
            Repo::Known(known) => Some(known),
        })
    }

    fn keep_untold(&self, request: RequestId, epoch: u64, result: &WorkResult) {
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        if untold.len() >= UNTOLD_RESULTS_MAX {
            // What is left over belongs to claims that were lost; it would only save a repetition.
            untold.clear();
        }
        untold.insert((request, epoch), result.clone());
    }

    fn take_untold(&self, request: RequestId, epoch: u64) -> Option<WorkResult> {
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        untold.remove(&(request, epoch))
    }
}

fn note_crash_loop(held: &Held<Lane>, request: RequestId, operation: Operation) {
    let state = held.state();
    let answered = state.last(operation).filter(|last| last.request == request);
    let failure = answered.and_then(|last| last.result.failure());
    if failure.is_some_and(|failure| failure.code == FailureCode::CrashLoop) {
        met(Rule::CrashLoop);
    }
}

/// Tells the operator of this host how a request ended.
fn log_end(repo: RepoId, request: RequestId, operation: Operation, result: &WorkResult) {
    let Some(failure) = result.failure() else {
        tracing::info!(%repo, %request, "{operation} ended");
        return;
    };
    let (code, message) = (failure.code.as_str(), &failure.message);
    let path = failure.problems.paths().first().map(PathProblem::path);
    tracing::warn!(%repo, %request, code, path, "{operation} failed: {message}");
}

fn phase(held: &Held<Lane>, request: RequestId) -> Option<Phase> {
    held.state()
        .request(request)
        .map(|known| known.phase.clone())
}

fn is_cancelling(held: &Held<Lane>, request: RequestId) -> bool {
    matches!(phase(held, request), Some(Phase::Cancelling { .. }))
}

fn refused(message: &str) -> WorkResult {
    match operation::not_ready(message) {
        Ran::Ended(result) => result,
        Ran::BrokenOff => WorkResult::Cancelled {},
    }
}
