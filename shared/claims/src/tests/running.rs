//! The loop on the in-memory journal, with the runtime's time paused.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nogfso_journal::log::{ConsumerSpec, ReadFault};
use nogfso_journal::memory::MemoryLog;
use nogfso_journal::store::By;
use nogfso_journal::{Environment, Log, RandomIds, Store};
use nogfso_kernel::{Keep, Position, StreamSpec};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::jobs::{Disk, JobCommand, JobHost, JobLane, Jobs, MemoryLocks};
use crate::rules::Mark;
use crate::{Claiming, Claims, Locks, Settings};

pub(super) const ACK_WAIT: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(3_600);
const STREAM: StreamSpec = StreamSpec {
    name: "JOBS",
    subjects: &["jobs.*"],
    keep: Keep::UntilPurged,
};

pub(super) struct World {
    pub(super) log: MemoryLog,
    store: Store<JobLane>,
    pub(super) locks: Arc<MemoryLocks>,
    pub(super) disk: Arc<Disk>,
}

pub(super) struct Worker {
    claims: Arc<Claims<JobHost>>,
    stop: CancellationToken,
    running: JoinSet<Result<(), ReadFault>>,
}

fn environment(log: &MemoryLog) -> Environment {
    Environment {
        clock: log.clock(),
        ids: Arc::new(RandomIds),
    }
}

impl World {
    pub(super) async fn new() -> Self {
        let log = MemoryLog::default();
        log.ensure_streams(&[STREAM]).await.unwrap();
        Self {
            store: Store::new(Arc::new(log.clone()), environment(&log)),
            log,
            locks: Arc::default(),
            disk: Arc::default(),
        }
    }

    pub(super) fn worker(&self, name: &str, job_length: Duration) -> Worker {
        self.worker_that_panics(name, job_length, 0)
    }

    pub(super) fn another_store(&self) -> Store<JobLane> {
        Store::new(Arc::new(self.log.clone()), environment(&self.log))
    }

    /// A worker with locks of its own.
    pub(super) fn worker_with(
        &self,
        name: &str,
        job_length: Duration,
        locks: Arc<dyn Locks>,
    ) -> Worker {
        self.worker_of(name, job_length, 0, locks)
    }

    fn worker_that_panics(&self, name: &str, job_length: Duration, panics: u32) -> Worker {
        self.worker_of(name, job_length, panics, Arc::clone(&self.locks) as _)
    }

    fn worker_of(
        &self,
        name: &str,
        job_length: Duration,
        panics: u32,
        locks: Arc<dyn Locks>,
    ) -> Worker {
        let host = JobHost {
            disk: Arc::clone(&self.disk),
            job_length,
            panics_left: AtomicU32::new(panics),
        };
        let settings = Settings {
            stream: "JOBS",
            consumer: "workers".to_owned(),
            filters: vec!["jobs.*".to_owned()],
            instance: name.to_owned(),
            actor: format!("svc:{name}"),
            ack_wait: ACK_WAIT,
            slots: NonZeroUsize::new(4).unwrap(),
        };
        let store = Store::new(Arc::new(self.log.clone()), environment(&self.log));
        let claims = Claims::new(Arc::new(host), Arc::new(store), locks, settings);
        let stop = CancellationToken::new();
        let mut running = JoinSet::new();
        running.spawn(Arc::clone(&claims).run(stop.clone()));
        Worker {
            claims,
            stop,
            running,
        }
    }

    pub(super) async fn tell(&self, subject: &str, command: JobCommand) {
        let by = By::actor("user:test");
        loop {
            match self.store.execute(subject, &command, &by).await {
                Ok(_) => return,
                Err(error) if error.is_transient() => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    pub(super) async fn ask(&self, subject: &str, count: u32) {
        for _ in 0..count {
            self.tell(subject, JobCommand::Ask).await;
        }
    }

    /// The state as the leader knows it.
    pub(super) async fn jobs(&self, subject: &str) -> Jobs {
        let last = self.log.leader_last(subject).await.unwrap();
        let least = last.map_or(Position::START, |last| last.position);
        self.store.load(subject, least).await.unwrap().state
    }

    pub(super) async fn until(
        &self,
        subject: &str,
        what: &str,
        is_so: impl Fn(&Jobs) -> bool,
    ) -> Jobs {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let jobs = self.jobs(subject).await;
            if is_so(&jobs) {
                return jobs;
            }
            assert!(Instant::now() < deadline, "{what}: {jobs:?}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    pub(super) async fn until_done(&self, subject: &str, count: usize) -> Jobs {
        self.until(subject, "all is done and released", |jobs| {
            jobs.done.len() >= count && jobs.due == 0 && jobs.claim.is_none()
        })
        .await
    }

    pub(super) async fn until_nothing_is_unacknowledged(&self) {
        let consumer = self.log.consumer(&consumer_spec()).await.unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let progress = consumer.progress().await.unwrap();
            if progress.unacknowledged == 0 && progress.waiting == 0 {
                return;
            }
            assert!(Instant::now() < deadline, "{progress:?}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    pub(super) fn assert_nobody_met(&self) {
        assert_eq!(self.disk.faults.load(Ordering::SeqCst), 0);
    }
}

impl Worker {
    pub(super) fn claims(&self) -> &Arc<Claims<JobHost>> {
        &self.claims
    }

    /// Its tasks end at once; the process, and what else it does, goes on.
    pub(super) async fn kill_tasks(mut self) -> Arc<Claims<JobHost>> {
        self.running.shutdown().await;
        self.claims
    }

    /// Ends at once, as a process does that is killed: nothing is released or answered.
    pub(super) async fn kill(mut self) {
        self.running.shutdown().await;
    }

    pub(super) async fn drain(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.running.join_next().await {
            ended.unwrap().unwrap();
        }
    }
}

fn consumer_spec() -> ConsumerSpec {
    ConsumerSpec {
        stream: "JOBS",
        durable: "workers".to_owned(),
        filters: vec!["jobs.*".to_owned()],
        ack_wait: ACK_WAIT,
        pending_max: 1_000,
    }
}

pub(super) const SHORT: Duration = Duration::from_millis(200);
pub(super) const LONG: Duration = Duration::from_secs(100);

#[tokio::test(start_paused = true)]
async fn what_is_asked_is_done_once_released_and_acknowledged() {
    let world = World::new().await;
    let worker = world.worker("a", SHORT);
    world.ask("jobs.1", 1).await;
    world.ask("jobs.2", 3).await;
    world.until_done("jobs.1", 1).await;
    world.until_done("jobs.2", 3).await;
    world.until_nothing_is_unacknowledged().await;
    assert_eq!(worker.claims.serving(), []);
    assert!(!world.locks.is_taken("jobs.1"));
    assert_eq!(world.disk.visits.load(Ordering::SeqCst), 4);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_long_job_keeps_its_lease_and_says_which_epoch_it_serves() {
    let world = World::new().await;
    let workers = [world.worker("a", LONG), world.worker("b", LONG)];
    world.ask("jobs.1", 1).await;
    world
        .until("jobs.1", "claimed", |jobs| jobs.claim.is_some())
        .await;
    let serving: Vec<_> = workers
        .iter()
        .flat_map(|one| one.claims.serving())
        .collect();
    assert_eq!(serving.len(), 1);
    assert_eq!(
        (serving[0].subject.as_str(), serving[0].epoch),
        ("jobs.1", 1)
    );
    let jobs = world.until_done("jobs.1", 1).await;
    assert_eq!(jobs.done, [1]);
    world.assert_nobody_met();
}

#[tokio::test(start_paused = true)]
async fn a_request_that_comes_during_the_work_is_done_under_the_same_claim() {
    let world = World::new().await;
    let _worker = world.worker("a", LONG);
    world.ask("jobs.1", 1).await;
    world
        .until("jobs.1", "claimed", |jobs| jobs.claim.is_some())
        .await;
    world.ask("jobs.1", 1).await;
    let jobs = world.until_done("jobs.1", 2).await;
    assert_eq!(jobs.done, [1, 1]);
    world.until_nothing_is_unacknowledged().await;
}

#[tokio::test(start_paused = true)]
async fn a_killed_holder_is_followed_by_another() {
    let world = World::new().await;
    let first = world.worker("a", LONG);
    world.ask("jobs.1", 1).await;
    world
        .until("jobs.1", "claimed", |jobs| jobs.claim.is_some())
        .await;
    first.kill().await;
    let _second = world.worker("b", SHORT);
    let jobs = world.until_done("jobs.1", 1).await;
    assert_eq!(jobs.done, [2]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_claimed_anew_by_the_same_process() {
    let world = World::new().await;
    let _worker = world.worker_that_panics("a", SHORT, 2);
    world.ask("jobs.1", 1).await;
    let jobs = world.until_done("jobs.1", 1).await;
    assert_eq!(jobs.done, [3]);
    world.assert_nobody_met();
}

#[tokio::test(start_paused = true)]
async fn a_drain_releases_and_that_release_is_the_trigger_for_the_next() {
    let world = World::new().await;
    let first = world.worker("a", LONG);
    world.ask("jobs.1", 2).await;
    world
        .until("jobs.1", "claimed", |jobs| jobs.claim.is_some())
        .await;
    let began = Instant::now();
    first.drain().await;
    assert!(began.elapsed() < Duration::from_secs(5));
    let jobs = world.jobs("jobs.1").await;
    assert_eq!((jobs.due, jobs.claim), (2, None));
    assert!(!world.locks.is_taken("jobs.1"));
    let second = world.worker("b", SHORT);
    let began = Instant::now();
    world.until_done("jobs.1", 2).await;
    assert!(began.elapsed() < ACK_WAIT);
    second.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_revoked_holder_stops_and_the_work_is_claimed_again() {
    let world = World::new().await;
    let _worker = world.worker("a", LONG);
    world.ask("jobs.1", 1).await;
    world
        .until("jobs.1", "claimed", |jobs| jobs.claim.is_some())
        .await;
    world.tell("jobs.1", JobCommand::Revoke).await;
    let jobs = world.until_done("jobs.1", 1).await;
    assert_eq!(jobs.done, [2]);
    world.assert_nobody_met();
    world.until_nothing_is_unacknowledged().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_forgets_acks_starts_nothing_twice() {
    let world = World::new().await;
    let _workers = [world.worker("a", LONG), world.worker("b", LONG)];
    world.ask("jobs.1", 1).await;
    world
        .until("jobs.1", "claimed", |jobs| jobs.claim.is_some())
        .await;
    world.log.restart_forgetting_acks(10);
    let jobs = world.until_done("jobs.1", 1).await;
    assert_eq!(jobs.done, [1]);
    world.log.restart_forgetting_acks(10);
    world.until_nothing_is_unacknowledged().await;
    assert_eq!(world.disk.visits.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_makes_the_holder_unlock_and_go_on_when_it_is_back() {
    let world = World::new().await;
    let _worker = world.worker("a", LONG);
    world.ask("jobs.1", 1).await;
    world
        .until("jobs.1", "claimed", |jobs| jobs.claim.is_some())
        .await;
    let began = Instant::now();
    world.log.take_down();
    while world.locks.is_taken("jobs.1") {
        assert!(began.elapsed() < ACK_WAIT, "it is still locked");
        sleep(Duration::from_millis(50)).await;
    }
    world.log.bring_up();
    let jobs = world.until_done("jobs.1", 1).await;
    assert_eq!(jobs.done, [1]);
    assert_eq!(world.disk.visits.load(Ordering::SeqCst), 2);
    world.assert_nobody_met();
}

#[tokio::test(start_paused = true)]
async fn a_paused_holder_that_finds_a_newer_mark_touches_nothing_under_its_old_epoch() {
    let world = World::new().await;
    let _worker = world.worker("a", LONG);
    world.ask("jobs.1", 1).await;
    world
        .until("jobs.1", "claimed", |jobs| jobs.claim.is_some())
        .await;
    world.log.take_down();
    while world.locks.is_taken("jobs.1") {
        sleep(Duration::from_millis(50)).await;
    }
    let mark = Mark {
        epoch: 5,
        instance: "b".to_owned(),
    };
    world.locks.leave_mark("jobs.1", mark);
    world.log.bring_up();
    let jobs = world.until_done("jobs.1", 1).await;
    assert_eq!(jobs.done, [6]);
    assert_eq!(world.disk.visits.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_holder_whose_claim_moved_on_leaves_the_lease_to_the_one_who_works_now() {
    let world = World::new().await;
    let _worker = world.worker("a", LONG);
    world.ask("jobs.1", 1).await;
    let jobs = world
        .until("jobs.1", "claimed", |jobs| jobs.claim.is_some())
        .await;
    // Somebody else claims on the same message and is gone at once: only that message can tell of it.
    let claiming = Claiming {
        instance: "b".to_owned(),
        lease: jobs.newest_trigger,
        above: 0,
    };
    world.tell("jobs.1", JobCommand::Claim(claiming)).await;
    let jobs = world.until_done("jobs.1", 1).await;
    assert_eq!(jobs.done, [3]);
}

#[tokio::test(start_paused = true)]
async fn a_holder_whose_job_is_taken_back_under_its_hands_gives_its_claim_back() {
    let world = World::new().await;
    let _worker = world.worker("a", LONG);
    world.ask("jobs.1", 1).await;
    world
        .until("jobs.1", "claimed", |jobs| jobs.claim.is_some())
        .await;
    let began = Instant::now();
    world.tell("jobs.1", JobCommand::TakeBack).await;
    let jobs = world.until_done("jobs.1", 0).await;
    assert!(jobs.done.is_empty());
    assert!(began.elapsed() < LONG + ACK_WAIT / 2);
    world.until_nothing_is_unacknowledged().await;
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_a_killed_holder_left_with_nothing_to_do_is_given_back() {
    let world = World::new().await;
    let first = world.worker("a", LONG);
    world.ask("jobs.1", 1).await;
    world
        .until("jobs.1", "claimed", |jobs| jobs.claim.is_some())
        .await;
    first.kill().await;
    world.tell("jobs.1", JobCommand::TakeBack).await;
    let _second = world.worker("b", SHORT);
    let jobs = world.until_done("jobs.1", 0).await;
    assert_eq!((jobs.epoch, jobs.done), (2, vec![]));
    world.until_nothing_is_unacknowledged().await;
    assert_eq!(world.disk.visits.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_mark_of_a_history_that_is_gone_is_exceeded() {
    let world = World::new().await;
    let mark = Mark {
        epoch: 41,
        instance: "gone".to_owned(),
    };
    world.locks.leave_mark("jobs.1", mark);
    let _worker = world.worker("a", SHORT);
    world.ask("jobs.1", 1).await;
    let jobs = world.until_done("jobs.1", 1).await;
    assert_eq!(jobs.done, [42]);
}

#[tokio::test(start_paused = true)]
async fn no_more_is_claimed_than_there_are_slots() {
    let world = World::new().await;
    let worker = world.worker("a", LONG);
    for n in 0..10 {
        world.ask(&format!("jobs.{n}"), 1).await;
    }
    let began = Instant::now();
    while began.elapsed() < LONG / 2 {
        assert!(worker.claims.serving().len() <= 4);
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(worker.claims.serving().len(), 4);
    for n in 0..10 {
        world.until_done(&format!("jobs.{n}"), 1).await;
    }
}
