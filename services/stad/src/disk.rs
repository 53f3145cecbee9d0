//! What a worker does to its host: the port, and how it is done on real files.
//!
//! A simulation has a disk of its own, so that nothing of a worker but this and its locks depends on the host.

use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use nogfso_claims::Lock;
use nogfso_contract::host::{MayInit, MayInitReply};
use nogfso_contract::{Code, Failure};
use nogfso_domain::work::{Request, WorkResult};
use nogfso_faults::spend;
use nogfso_ids::{RepoId, SubdirTracking};
use nogfso_shadow::{Moment, Progress};

use crate::adoption::Adoption;
use crate::operation::{self, Means};

/// One request with what is known about its repo now.
#[derive(Debug, Clone)]
pub struct Job {
    /// The epoch of the claim under which it is done.
    pub epoch: u64,
    /// The repo.
    pub repo: RepoId,
    /// The directory that it tracks.
    pub host_path: PathBuf,
    /// Its shadow, if it has one.
    pub shadow_path: Option<PathBuf>,
    /// What it records of its subdirectories.
    pub tracking: SubdirTracking,
    /// What is asked.
    pub request: Request,
    /// The time that commits will carry.
    pub now: Moment,
}

/// How a run came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ran {
    /// With a result.
    Ended(WorkResult),
    /// Broken off by the cancel flag, with nothing half recorded.
    BrokenOff,
}

/// Counts what a walk sees; read from elsewhere while it runs.
#[derive(Debug, Default)]
pub struct Meter {
    files: AtomicU64,
    bytes: AtomicU64,
}

impl Meter {
    pub(crate) fn read(&self) -> (u64, u64) {
        (
            self.files.load(Ordering::Relaxed),
            self.bytes.load(Ordering::Relaxed),
        )
    }
}

impl Progress for Meter {
    fn seen(&self, files: u64, bytes: u64) {
        self.files.fetch_add(files, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        spend(files);
    }
}

/// Does work on the files of a host.
#[async_trait]
pub trait Disk: Send + Sync + 'static {
    /// Carries `job` out, and has `lock` until nothing is touched any more, also if the future is dropped before.
    ///
    /// Repeating it is harmless, also after a run that died at any point. Soon after `cancel` is raised it breaks off.
    async fn run(
        &self,
        job: Job,
        lock: Arc<dyn Lock>,
        meter: Arc<Meter>,
        cancel: Arc<AtomicBool>,
    ) -> Ran;

    /// Says whether a directory may become a repo; gives up soon after `cancel` is raised.
    ///
    /// # Errors
    ///
    /// Fails if the question is not one for this worker, or if it gave up.
    async fn may_init(
        &self,
        question: MayInit,
        cancel: Arc<AtomicBool>,
    ) -> Result<MayInitReply, Failure>;
}

/// The files of this machine, worked on by threads.
pub(crate) struct FileDisk {
    pub(crate) means: Means,
    pub(crate) adoption: Adoption,
}

#[async_trait]
impl Disk for FileDisk {
    async fn run(
        &self,
        job: Job,
        lock: Arc<dyn Lock>,
        meter: Arc<Meter>,
        cancel: Arc<AtomicBool>,
    ) -> Ran {
        let means = self.means.clone();
        let thread = tokio::task::spawn_blocking(move || {
            let ran = operation::run(&means, &job, &meter, &cancel);
            drop(lock);
            ran
        });
        match thread.await {
            Ok(ran) => ran,
            // A panic on the thread is one of the task: the claim is left, taken anew, and counted as a death.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(_) => Ran::BrokenOff,
            },
        }
    }

    async fn may_init(
        &self,
        question: MayInit,
        cancel: Arc<AtomicBool>,
    ) -> Result<MayInitReply, Failure> {
        let adoption = self.adoption.clone();
        let count = tokio::task::spawn_blocking(move || adoption.answer(&question, &cancel));
        count.await.unwrap_or_else(|error| {
            tracing::error!(%error, "counting failed");
            Err(Failure::new(Code::Internal, "counting failed"))
        })
    }
}
