//! The file host: locks that are free as soon as their process is gone, and a disk that notices who touches it.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use nogfso_claims::rules::Mark;
use nogfso_claims::{Lock, LockFault, Locked, Locks};
use nogfso_contract::Failure;
use nogfso_contract::host::{MayInit, MayInitReply};
use nogfso_contract::subjects::{self, Named};
use nogfso_domain::operation::{ErrorText, PathProblem, Problems};
use nogfso_domain::work::{Counts, FailureCode, Order, Outcome, Report, WorkResult};
use nogfso_ids::RepoId;
use nogfso_stad::disk::{Disk, Job, Meter, Ran};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::fault::Fault;
use super::life::Life;
use super::process::SHADOW_ROOT;
use super::stage::{Stage, lock};
use super::verdict::{Invariant, Violation};

/// What directories that no worker adopts have in their path.
pub(super) const DENIED: &str = "denied";
const STEPS_MAX: u32 = 4;
const STEP_MS: (u32, u32) = (1, 400);
/// Longer than the ack wait, so that leases must be kept.
const LONG_STEP_MS: (u32, u32) = (1_000, 5_000);
/// Long enough for another to take the lock, work and give it back.
const PAUSE_AT_LOCK_MS: (u32, u32) = (7_000, 18_000);
const COUNT_MS: (u32, u32) = (1, 300);

/// What lies on the host.
#[derive(Default)]
pub(super) struct SimHost {
    lanes: Mutex<BTreeMap<String, Lane>>,
    shadows: Mutex<BTreeMap<RepoId, Shadow>>,
    last_token: Mutex<u64>,
}

/// A lock file.
#[derive(Default)]
struct Lane {
    held: Option<Held>,
    mark: Option<Mark>,
    /// Who marked it in which epoch.
    marked: BTreeMap<u64, u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Held {
    life: u64,
    token: u64,
}

/// The shadow of a repo, as far as it matters here.
#[derive(Default)]
struct Shadow {
    visitor: Option<Visitor>,
    /// The newest epoch, and whose it was.
    newest: (u64, u64),
    commits: u64,
}

/// Who is at a shadow.
struct Visitor {
    life: u64,
    visit: u64,
    name: String,
}

impl SimHost {
    /// Does to a process that is gone what the kernel does.
    pub(super) fn forget(&self, life: u64) {
        for lane in lock(&self.lanes).values_mut() {
            lane.held = lane.held.filter(|held| held.life != life);
        }
        for shadow in lock(&self.shadows).values_mut() {
            shadow.visitor.take_if(|visitor| visitor.life == life);
        }
    }

    /// A lock that is held, if any.
    pub(super) fn held_lock(&self) -> Option<String> {
        let lanes = lock(&self.lanes);
        let held = lanes.iter().find(|(_, lane)| lane.held.is_some());
        held.map(|(subject, _)| subject.clone())
    }

    /// How many times the shadow of a repo has changed.
    pub(super) fn commits(&self, repo: RepoId) -> u64 {
        lock(&self.shadows)
            .get(&repo)
            .map_or(0, |shadow| shadow.commits)
    }

    fn try_lock(&self, subject: &str, life: u64) -> Result<(u64, Option<Mark>), Option<Mark>> {
        let mut lanes = lock(&self.lanes);
        let lane = lanes.entry(subject.to_owned()).or_default();
        if lane.held.is_some() {
            return Err(lane.mark.clone());
        }
        let token = self.token();
        lane.held = Some(Held { life, token });
        Ok((token, lane.mark.clone()))
    }

    fn unlock(&self, subject: &str, token: u64) {
        if let Some(lane) = lock(&self.lanes).get_mut(subject) {
            lane.held = lane.held.filter(|held| held.token != token);
        }
    }

    fn mark(&self, subject: &str, mark: &Mark, life: u64) {
        if let Some(lane) = lock(&self.lanes).get_mut(subject) {
            lane.mark = Some(mark.clone());
            lane.marked.insert(mark.epoch, life);
        }
    }

    /// Whose mark of `epoch` it was who has not the lock any more.
    pub(super) fn gave_back(&self, subject: &str, epoch: u64) -> Option<u64> {
        let lanes = lock(&self.lanes);
        let lane = lanes.get(subject)?;
        let marked = lane.marked.get(&epoch).copied();
        let held = lane.held.map(|held| held.life);
        marked.filter(|life| held != Some(*life))
    }

    fn is_locked_by(&self, repo: RepoId, life: u64) -> bool {
        let lanes = lock(&self.lanes);
        let mut held = lanes
            .iter()
            .filter(|(_, lane)| lane.held.is_some_and(|held| held.life == life));
        held.any(|(subject, _)| {
            matches!(subjects::parse(subject), Some(Named::Work(_, _, _, of)) if of == repo)
        })
    }

    /// Notes that a process is at a shadow, at first and at each further step.
    fn touch(&self, life: &Life, job: &Job, visit: u64) -> Result<(), Violation> {
        let (name, epoch, repo) = (&life.name, job.epoch, job.repo);
        let mut shadows = lock(&self.shadows);
        let shadow = shadows.entry(repo).or_default();
        if let Some(other) = &shadow.visitor
            && other.visit != visit
        {
            let seen = format!("{name} meets {} at repo {repo}", other.name);
            return Err(Violation::of(Invariant::NobodyMeets, seen));
        }
        let (newest, of) = shadow.newest;
        // One epoch of two processes was made in a history that is gone.
        if epoch < newest || (epoch == newest && of != life.number) {
            let seen = format!("{name} touches repo {repo} in epoch {epoch} after {newest}");
            return Err(Violation::of(Invariant::NoOlderEpoch, seen));
        }
        if !self.is_locked_by(repo, life.number) {
            let seen = format!("{name} touches repo {repo} in epoch {epoch} without its lock");
            return Err(Violation::of(Invariant::UnderLock, seen));
        }
        shadow.newest = (epoch, life.number);
        shadow.visitor = Some(Visitor {
            life: life.number,
            visit,
            name: name.clone(),
        });
        Ok(())
    }

    fn leave(&self, repo: RepoId, visit: u64) {
        if let Some(shadow) = lock(&self.shadows).get_mut(&repo) {
            shadow.visitor.take_if(|visitor| visitor.visit == visit);
        }
    }

    fn token(&self) -> u64 {
        let mut token = lock(&self.last_token);
        *token += 1;
        *token
    }

    fn commit(&self, repo: RepoId) -> u64 {
        let mut shadows = lock(&self.shadows);
        let shadow = shadows.entry(repo).or_default();
        shadow.commits += 1;
        shadow.commits
    }
}

/// The locks of the host, as one process has them.
pub(super) struct SimLocks(pub(super) Arc<Life>);

struct SimLock {
    life: Arc<Life>,
    subject: String,
    token: u64,
    found: Option<Mark>,
}

#[async_trait]
impl Locks for SimLocks {
    async fn try_lock(&self, subject: &str) -> Result<Locked, LockFault> {
        let stage = &self.0.stage;
        if stage.strikes(Fault::PauseAtLock, stage.temper.pause_at_lock) {
            self.0.pause_for(PAUSE_AT_LOCK_MS);
        }
        self.0.gate("lock").await;
        let name = &self.0.name;
        match stage.host.try_lock(subject, self.0.number) {
            Ok((token, found)) => {
                stage.tell(|| format!("{name} locks {subject}, found {found:?}"));
                // Before anything else may happen, so that it is given back whatever does.
                let taken = SimLock {
                    life: Arc::clone(&self.0),
                    subject: subject.to_owned(),
                    token,
                    found,
                };
                self.0.gate("locked").await;
                Ok(Locked::Taken(Box::new(taken)))
            }
            Err(mark) => {
                stage.tell(|| format!("{name} finds {subject} locked"));
                let holder = mark.map_or_else(|| "nobody".to_owned(), |mark| mark.instance);
                Ok(Locked::Busy { holder })
            }
        }
    }
}

#[async_trait]
impl Lock for SimLock {
    fn found(&self) -> Option<&Mark> {
        self.found.as_ref()
    }

    async fn mark(&mut self, mark: &Mark) -> Result<(), LockFault> {
        self.life.gate("mark").await;
        self.life
            .stage
            .host
            .mark(&self.subject, mark, self.life.number);
        self.life.gate("marked").await;
        Ok(())
    }
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let stage = &self.life.stage;
        stage.tell(|| format!("{} unlocks {}", self.life.name, self.subject));
        stage.host.unlock(&self.subject, self.token);
    }
}

/// The disk of the host, as one process has it.
pub(super) struct SimDisk(pub(super) Arc<Life>);

/// A panic that was planned, which nobody is to hear of.
struct Planned;

#[async_trait]
impl Disk for SimDisk {
    async fn run(
        &self,
        job: Job,
        lock: Arc<dyn Lock>,
        _meter: Arc<Meter>,
        cancel: Arc<AtomicBool>,
    ) -> Ran {
        let life = Arc::clone(&self.0);
        let (done, ended) = oneshot::channel();
        // As a thread would, it goes on and keeps the lock when the one who began it is gone.
        self.0.tasks.spawn("disk", async move {
            let visit = life.stage.host.token();
            let ran = work(&life, &job, visit, &cancel).await;
            life.stage.host.leave(job.repo, visit);
            drop(lock);
            // Nobody may be there any more.
            drop(done.send(ran));
        });
        match ended.await {
            Ok(Some(ran)) => ran,
            Ok(None) | Err(_) => resume_unwind(Box::new(Planned)),
        }
    }

    async fn may_init(
        &self,
        question: MayInit,
        _cancel: Arc<AtomicBool>,
    ) -> Result<MayInitReply, Failure> {
        self.0.gate("count").await;
        sleep(self.0.stage.chance.ms(COUNT_MS.0, COUNT_MS.1)).await;
        self.0.gate("counted").await;
        Ok(if question.global_path.as_str().contains(DENIED) {
            let reason = "nobody wants it".to_owned();
            MayInitReply::Denied { reason }
        } else {
            MayInitReply::Allowed { files: 1, bytes: 1 }
        })
    }
}

/// Does a job in several steps, each at the gate of its process. `None` stands for a panic.
async fn work(life: &Life, job: &Job, visit: u64, cancel: &AtomicBool) -> Option<Ran> {
    let stage = &life.stage;
    let touch = || {
        if let Err(violation) = stage.host.touch(life, job, visit) {
            stage.violate(violation);
        }
    };
    stage.tell(|| {
        let (request, order) = (job.request.request, &job.request.order);
        format!(
            "{} works on {} {request} {order:?} in epoch {}",
            life.name, job.repo, job.epoch
        )
    });
    let steps = 1 + stage.chance.below(STEPS_MAX);
    for _ in 0..steps {
        life.gate("work").await;
        touch();
        let is_long = stage.is_rough() && stage.chance.per_mille(stage.temper.long_work);
        let (min, max) = if is_long { LONG_STEP_MS } else { STEP_MS };
        sleep(stage.chance.ms(min, max)).await;
        if stage.strikes(Fault::CrashAtDisk, stage.temper.crash_at_disk) {
            life.crash();
        }
        life.gate("work").await;
        if stage.strikes(Fault::PanicAtWork, stage.temper.panic_at_work) {
            return None;
        }
        if cancel.load(Ordering::SeqCst) {
            return Some(Ran::BrokenOff);
        }
        touch();
    }
    Some(Ran::Ended(outcome(stage, job)))
}

fn outcome(stage: &Stage, job: &Job) -> WorkResult {
    if stage.strikes(Fault::FailedWork, stage.temper.failed_work) {
        return WorkResult::Failed {
            code: FailureCode::Io,
            message: ErrorText::new("the disk is ill"),
            problems: Problems::default(),
        };
    }
    let before = stage.host.commits(job.repo);
    let changes = before == 0 || stage.chance.per_mille(500);
    let after = if changes {
        stage.host.commit(job.repo)
    } else {
        before
    };
    let mut problems = Problems::default();
    if stage.strikes(Fault::FailedWork, stage.temper.failed_work / 2) {
        problems.record(PathProblem::new("some/file", "permission denied"));
    }
    let is_init = job.request.order == (Order::Init {});
    WorkResult::Done(Report {
        outcome: if changes {
            Outcome::Committed
        } else {
            Outcome::Unchanged
        },
        shadow_path: is_init.then(|| format!("{SHADOW_ROOT}/{}.fso", job.repo)),
        old_ref: Some(before.to_string()),
        new_ref: Some(after.to_string()),
        counts: Counts::default(),
        problems,
    })
}
