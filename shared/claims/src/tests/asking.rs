//! Workers without a disk in common: the holder is asked before its claim is taken over.

use std::sync::Arc;
use std::time::Duration;

use nogfso_bus::MemoryBus;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::jobs::{JobHost, Jobs};
use super::running::{ACK_WAIT, LONG, SHORT, Worker, World};
use crate::host::Locks;
use crate::{AskingLocks, Claims, answer};

const PREFIX: &str = "worker";

/// A worker, and its way to hear and answer questions.
struct Answering {
    worker: Worker,
    bus: MemoryBus,
    answers: JoinSet<()>,
}

impl Answering {
    async fn start(world: &World, bus: &MemoryBus, name: &'static str, job: Duration) -> Self {
        let bus = bus.another_client();
        let locks: Arc<dyn Locks> = Arc::new(AskingLocks::new(
            Arc::new(world.another_store()),
            Arc::new(bus.clone()),
            |jobs: &Jobs| jobs.claim.clone(),
            PREFIX,
            name,
            ACK_WAIT,
        ));
        let worker = world.worker_with(name, job, locks);
        let weak = Arc::downgrade(worker.claims());
        let heard = Arc::new(bus.clone());
        let mut answers = JoinSet::new();
        answers.spawn(async move {
            let never = CancellationToken::new();
            let weak: Vec<std::sync::Weak<Claims<JobHost>>> = vec![weak];
            answer(heard, PREFIX, name, weak, never).await.unwrap();
        });
        Self {
            worker,
            bus,
            answers,
        }
    }

    async fn kill(mut self) {
        self.answers.shutdown().await;
        self.worker.kill().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_answers_keeps_its_claim_though_the_server_forgets() {
    let (world, bus) = (World::new().await, MemoryBus::new());
    let _first = Answering::start(&world, &bus, "a", LONG).await;
    let _second = Answering::start(&world, &bus, "b", SHORT).await;
    world.ask("jobs.1", 1).await;
    world
        .until("jobs.1", "claimed", |jobs| jobs.claim.is_some())
        .await;
    for _ in 0..3 {
        world.log.restart_forgetting_acks(10);
        sleep(ACK_WAIT / 2).await;
    }
    let jobs = world.until_done("jobs.1", 1).await;
    assert_eq!(jobs.done, [1]);
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_was_killed_is_asked_for_a_whole_ack_wait() {
    let (world, bus) = (World::new().await, MemoryBus::new());
    let first = Answering::start(&world, &bus, "a", LONG).await;
    world.ask("jobs.1", 1).await;
    world
        .until("jobs.1", "claimed", |jobs| jobs.claim.is_some())
        .await;
    first.kill().await;
    // It may have renewed its lease just before.
    let killed_at = Instant::now();
    let _second = Answering::start(&world, &bus, "b", SHORT).await;
    let jobs = world
        .until("jobs.1", "taken over", |jobs| jobs.epoch == 2)
        .await;
    assert!(killed_at.elapsed() >= ACK_WAIT, "{:?}", killed_at.elapsed());
    // The pull that it left behind may have got the lease once more.
    assert!(
        killed_at.elapsed() < 4 * ACK_WAIT,
        "{:?}",
        killed_at.elapsed()
    );
    assert_eq!(jobs.claim.unwrap().instance, "b");
    world.until_done("jobs.1", 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_cannot_be_asked_has_let_go_before_its_claim_is_taken() {
    let (world, bus) = (World::new().await, MemoryBus::new());
    let first = Answering::start(&world, &bus, "a", LONG).await;
    world.ask("jobs.1", 1).await;
    world
        .until("jobs.1", "claimed", |jobs| jobs.claim.is_some())
        .await;
    // Only its answers are lost: it still has the server, keeps its lease, and so its claim.
    first.bus.disconnect();
    let _second = Answering::start(&world, &bus, "b", SHORT).await;
    let jobs = world.until_done("jobs.1", 1).await;
    assert_eq!(jobs.done, [1]);
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_its_process_does_not_serve_any_more_is_taken_at_once() {
    let (world, bus) = (World::new().await, MemoryBus::new());
    let first = Answering::start(&world, &bus, "a", LONG).await;
    world.ask("jobs.1", 1).await;
    world
        .until("jobs.1", "claimed", |jobs| jobs.claim.is_some())
        .await;
    let Answering {
        worker,
        answers: _answers,
        ..
    } = first;
    // Its tasks are gone and its process still answers: nothing has to be waited for but the lease.
    let killed_at = Instant::now();
    worker.kill_tasks().await;
    let _second = Answering::start(&world, &bus, "b", SHORT).await;
    world
        .until("jobs.1", "taken over", |jobs| jobs.epoch == 2)
        .await;
    assert!(killed_at.elapsed() <= ACK_WAIT + Duration::from_secs(2));
}
