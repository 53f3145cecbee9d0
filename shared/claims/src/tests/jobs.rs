//! The smallest aggregate that can be claimed, locks in memory, and a disk that notices when two touch it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use nogfso_kernel::{Aggregate, Event, Position, Recorded};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::rules::{ClaimView, Mark, View};
use crate::{Claiming, Held, HoldError, Host, Lock, LockFault, Locked, Locks};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub(super) enum JobEvent {
    #[serde(rename = "EV_ASKED")]
    Asked {},
    #[serde(rename = "EV_CLAIMED")]
    Claimed {
        epoch: u64,
        instance: String,
        lease: u64,
    },
    #[serde(rename = "EV_DONE")]
    Done { epoch: u64 },
    #[serde(rename = "EV_RELEASED")]
    Released { left: u32 },
    #[serde(rename = "EV_REVOKED")]
    Revoked {},
    #[serde(rename = "EV_TAKEN_BACK")]
    TakenBack {},
}

#[derive(Debug)]
pub(super) enum JobCommand {
    Ask,
    Claim(Claiming),
    Finish(u64),
    Release(u64),
    Revoke,
    TakeBack,
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub(super) enum JobRefusal {
    #[error("moved on")]
    MovedOn,
    #[error("nothing due")]
    NothingDue,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Jobs {
    pub(super) due: u32,
    pub(super) done: Vec<u64>,
    pub(super) epoch: u64,
    pub(super) claim: Option<ClaimView>,
    pub(super) newest_trigger: Position,
}

#[derive(Debug)]
pub(super) struct JobLane;

fn is_trigger(event: &JobEvent) -> bool {
    match event {
        JobEvent::Asked {} | JobEvent::Revoked {} => true,
        JobEvent::Released { left } => *left > 0,
        JobEvent::Claimed { .. } | JobEvent::Done { .. } | JobEvent::TakenBack {} => false,
    }
}

impl Event for JobEvent {
    const NAMES: &'static [&'static str] = &[
        "EV_ASKED",
        "EV_CLAIMED",
        "EV_DONE",
        "EV_RELEASED",
        "EV_REVOKED",
        "EV_TAKEN_BACK",
    ];

    fn name(&self) -> &'static str {
        match self {
            Self::Asked {} => "EV_ASKED",
            Self::Claimed { .. } => "EV_CLAIMED",
            Self::Done { .. } => "EV_DONE",
            Self::Released { .. } => "EV_RELEASED",
            Self::Revoked {} => "EV_REVOKED",
            Self::TakenBack {} => "EV_TAKEN_BACK",
        }
    }
}

impl Aggregate for JobLane {
    const KIND: &'static str = "jobs";
    type State = Jobs;
    type Event = JobEvent;
    type Command = JobCommand;
    type Refusal = JobRefusal;
    type Broken = std::fmt::Error;

    fn decide(jobs: &Jobs, command: &JobCommand, _: u64) -> Result<Vec<JobEvent>, JobRefusal> {
        let held_by = |epoch: u64| match &jobs.claim {
            Some(claim) if claim.epoch == epoch => Ok(()),
            Some(_) | None => Err(JobRefusal::MovedOn),
        };
        match command {
            JobCommand::Ask => Ok(vec![JobEvent::Asked {}]),
            JobCommand::Claim(_) if jobs.due == 0 && jobs.claim.is_none() => {
                Err(JobRefusal::NothingDue)
            }
            JobCommand::Claim(claiming) => Ok(vec![JobEvent::Claimed {
                epoch: jobs.epoch.max(claiming.above) + 1,
                instance: claiming.instance.clone(),
                lease: claiming.lease.0,
            }]),
            JobCommand::Finish(epoch) => {
                held_by(*epoch)?;
                if jobs.due == 0 {
                    return Err(JobRefusal::NothingDue);
                }
                let done = JobEvent::Done { epoch: *epoch };
                Ok(match jobs.due {
                    1 => vec![done, JobEvent::Released { left: 0 }],
                    _ => vec![done],
                })
            }
            JobCommand::Release(epoch) => {
                held_by(*epoch)?;
                Ok(vec![JobEvent::Released { left: jobs.due }])
            }
            JobCommand::Revoke => Ok(vec![JobEvent::Revoked {}]),
            JobCommand::TakeBack => Ok(vec![JobEvent::TakenBack {}]),
        }
    }

    fn evolve(mut jobs: Jobs, recorded: &Recorded<JobEvent>) -> Result<Jobs, std::fmt::Error> {
        match &recorded.event {
            JobEvent::Asked {} => jobs.due += 1,
            JobEvent::Claimed {
                epoch,
                instance,
                lease,
            } => {
                jobs.epoch = *epoch;
                jobs.claim = Some(ClaimView {
                    epoch: *epoch,
                    instance: instance.clone(),
                    lease: Position(*lease),
                });
            }
            JobEvent::Done { epoch } => {
                jobs.due -= 1;
                jobs.done.push(*epoch);
            }
            JobEvent::Released { .. } | JobEvent::Revoked {} => jobs.claim = None,
            JobEvent::TakenBack {} => jobs.due -= 1,
        }
        Ok(jobs)
    }

    fn committed(mut jobs: Jobs, events: &[Recorded<JobEvent>], at: Position) -> Jobs {
        if events.iter().any(|recorded| is_trigger(&recorded.event)) {
            jobs.newest_trigger = at;
        }
        jobs
    }
}

/// Of each lock, whether it is taken, and its mark.
type Places = Arc<Mutex<BTreeMap<String, (bool, Option<Mark>)>>>;

/// Locks in memory; a mark outlives its lock.
#[derive(Default)]
pub(super) struct MemoryLocks {
    places: Places,
}

struct MemoryLock {
    places: Places,
    subject: String,
    found: Option<Mark>,
}

impl MemoryLocks {
    pub(super) fn is_taken(&self, subject: &str) -> bool {
        let places = self.places.lock().unwrap();
        places.get(subject).is_some_and(|(taken, _)| *taken)
    }

    pub(super) fn leave_mark(&self, subject: &str, mark: Mark) {
        let mut places = self.places.lock().unwrap();
        places.entry(subject.to_owned()).or_default().1 = Some(mark);
    }
}

#[async_trait]
impl Locks for MemoryLocks {
    async fn try_lock(&self, subject: &str) -> Result<Locked, LockFault> {
        let mut places = self.places.lock().unwrap();
        let (taken, mark) = places.entry(subject.to_owned()).or_default();
        if *taken {
            let holder = mark.as_ref().map(|mark| mark.instance.clone());
            return Ok(Locked::Busy {
                holder: holder.unwrap_or_default(),
            });
        }
        *taken = true;
        Ok(Locked::Taken(Box::new(MemoryLock {
            places: Arc::clone(&self.places),
            subject: subject.to_owned(),
            found: mark.clone(),
        })))
    }
}

#[async_trait]
impl Lock for MemoryLock {
    fn found(&self) -> Option<&Mark> {
        self.found.as_ref()
    }

    async fn mark(&mut self, mark: &Mark) -> Result<(), LockFault> {
        let mut places = self.places.lock().unwrap();
        places.entry(self.subject.clone()).or_default().1 = Some(mark.clone());
        Ok(())
    }
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        let mut places = self.places.lock().unwrap();
        places.entry(self.subject.clone()).or_default().0 = false;
    }
}

/// What several workers touch. Counts who comes while another is there, or with an older epoch.
#[derive(Default)]
pub(super) struct Disk {
    places: Mutex<BTreeMap<String, (bool, u64)>>,
    pub(super) faults: AtomicU32,
    pub(super) visits: AtomicU32,
}

/// The time between the first and the last touch; a killed worker touches nothing more.
struct Visit<'a> {
    disk: &'a Disk,
    subject: &'a str,
}

impl Disk {
    fn enter<'a>(&'a self, subject: &'a str, epoch: u64) -> Visit<'a> {
        let mut places = self.places.lock().unwrap();
        let (inside, newest) = places.entry(subject.to_owned()).or_default();
        if *inside || epoch < *newest {
            self.faults.fetch_add(1, Ordering::SeqCst);
        }
        *inside = true;
        *newest = epoch;
        self.visits.fetch_add(1, Ordering::SeqCst);
        Visit {
            disk: self,
            subject,
        }
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let mut places = self.disk.places.lock().unwrap();
        places.entry(self.subject.to_owned()).or_default().0 = false;
    }
}

pub(super) struct JobHost {
    pub(super) disk: Arc<Disk>,
    pub(super) job_length: Duration,
    pub(super) panics_left: AtomicU32,
}

#[async_trait]
impl Host for JobHost {
    type Aggregate = JobLane;

    fn view(&self, jobs: &Jobs, _: u64) -> View {
        View {
            claim: jobs.claim.clone(),
            newest_trigger: jobs.newest_trigger,
            due: jobs.due > 0,
            epoch: jobs.epoch,
        }
    }

    fn is_trigger(&self, recorded: &Recorded<JobEvent>) -> bool {
        is_trigger(&recorded.event)
    }

    fn claim(&self, claiming: Claiming) -> JobCommand {
        JobCommand::Claim(claiming)
    }

    fn release(&self, epoch: u64) -> JobCommand {
        JobCommand::Release(epoch)
    }

    fn has_moved_on(&self, refusal: &JobRefusal) -> bool {
        *refusal == JobRefusal::MovedOn
    }

    async fn work(&self, held: &Held<Self>) -> Result<(), HoldError<JobLane>> {
        let mut news = held.news();
        if held.must_stop() {
            return Err(HoldError::Stopped);
        }
        let visit = self.disk.enter(held.subject(), held.epoch());
        let panics = self
            .panics_left
            .try_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        if panics.is_ok() {
            panic!("planted");
        }
        let end = Instant::now() + self.job_length;
        let stopped = loop {
            if held.must_stop() {
                break true;
            }
            tokio::select! {
                () = sleep(end.saturating_duration_since(Instant::now())) => break false,
                () = news.changed() => {}
            }
        };
        drop(visit);
        if stopped {
            return Err(HoldError::Stopped);
        }
        held.append(&JobCommand::Finish(held.epoch())).await?;
        Ok(())
    }
}
