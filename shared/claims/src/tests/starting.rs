//! A worker that starts beside a journal that is away.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::running::{SHORT, World};

#[tokio::test(start_paused = true)]
async fn a_journal_that_is_away_when_a_worker_starts_is_waited_for_however_long() {
    let world = World::new().await;
    world.ask("jobs.1", 1).await;
    world.log.take_down();
    let worker = world.worker("a", SHORT);
    sleep(Duration::from_secs(600)).await;
    world.log.bring_up();
    let back = Instant::now();
    world.until_done("jobs.1", 1).await;
    assert!(back.elapsed() < Duration::from_secs(5));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_still_waits_for_the_journal_stops_at_once() {
    let world = World::new().await;
    world.log.take_down();
    let worker = world.worker("a", SHORT);
    sleep(Duration::from_secs(20)).await;
    let stopped = Instant::now();
    worker.drain().await;
    assert_eq!(stopped.elapsed(), Duration::ZERO);
}
