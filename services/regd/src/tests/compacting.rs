//! Histories of lanes lose what lies before a commit with the whole state, and nothing else.

use std::sync::Arc;
use std::time::Duration;

use nogfso_journal::log::ConsumerSpec;
use nogfso_journal::{Environment, Log, RandomIds, Store};
use nogfso_kernel::Position;
use tokio::time::advance;

use super::world::{World, done, stat, work_subject};
use crate::Settings;
use crate::compaction::Compaction;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// One round, once `results` has answered everything.
async fn compacted(world: &World) -> usize {
    let spec = ConsumerSpec {
        stream: nogfso_contract::subjects::WORK_STREAM,
        durable: "results".to_owned(),
        filters: vec![nogfso_contract::subjects::WORK_ALL.to_owned()],
        ack_wait: Duration::from_secs(30),
        pending_max: 1_000,
    };
    let results = world.log.consumer(&spec).await.unwrap();
    for delivery in results.pull(1_000, Duration::ZERO).await.unwrap() {
        delivery.acker.ack().await.unwrap();
    }
    round(world).await
}

async fn round(world: &World) -> usize {
    let compaction = Compaction::new(world.carry(), Settings::default());
    compaction.round().await.unwrap()
}

async fn positions(world: &World) -> Vec<Position> {
    let stored = world.log.read(&work_subject(1), Position::START).await;
    stored
        .unwrap()
        .iter()
        .map(|stored| stored.position)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn what_lies_before_the_newest_old_release_goes_and_the_fold_stays() {
    let world = World::new().await;
    world.worked(1, "a", stat(), done(None, None)).await;
    let release = world.worked(1, "b", stat(), done(None, None)).await;
    let before = world.lane(1).await;
    advance(DAY).await;
    let young = world.worked(1, "c", stat(), done(None, None)).await;
    world.ask(1, "d").await;
    let state = world.lane(1).await.state;
    assert_eq!(compacted(&world).await, 1);
    let kept = positions(&world).await;
    assert_eq!(kept.first(), Some(&release));
    assert!(kept.contains(&young), "what is young stays");
    assert_eq!(compacted(&world).await, 0, "once is enough");

    let fresh = world.carry();
    let loaded = fresh.stores.work.load(&work_subject(1), young).await;
    assert_eq!(loaded.unwrap().state, state);
    // A fold from before the purge goes on behind it.
    assert!(before.position() <= release);
    assert_eq!(world.lane(1).await.state, state);
}

#[tokio::test(start_paused = true)]
async fn a_fold_from_below_the_purge_goes_on_behind_it() {
    let world = World::new().await;
    let asked = world.ask(1, "a").await;
    let environment = Environment {
        clock: world.log.clock(),
        ids: Arc::new(RandomIds),
    };
    let behind = Store::<nogfso_domain::work::WorkLane>::new(world.port(), environment);
    let loaded = behind.load(&work_subject(1), asked).await.unwrap();
    assert_eq!(loaded.position(), asked);
    let request = nogfso_ids::RequestId::derived_from("a");
    world.finish(1, request, done(None, None)).await;
    advance(DAY).await;
    assert_eq!(compacted(&world).await, 1);
    let state = world.lane(1).await.state;
    let loaded = behind.load(&work_subject(1), Position(asked.0 + 1)).await;
    assert_eq!(loaded.unwrap().state, state);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_carried_stays() {
    let world = World::new().await;
    world.worked(1, "a", stat(), done(None, None)).await;
    advance(DAY).await;
    let before = positions(&world).await;
    assert_eq!(round(&world).await, 0);
    assert_eq!(positions(&world).await, before);
    assert_eq!(compacted(&world).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_history_without_a_release_stays() {
    let world = World::new().await;
    let lease = world.ask(1, "a").await;
    world.claim_on(1, lease).await;
    advance(DAY).await;
    assert_eq!(compacted(&world).await, 0);
    assert_eq!(positions(&world).await.len(), 2);
}
