//! All reactions of two instances on one journal that answers oddly, and the feed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use nogfso_bus::{Bus, MemoryBus, Messages};
use nogfso_contract::event::FeedCommit;
use nogfso_contract::subjects;
use nogfso_domain::main_list::MainListCommand;
use nogfso_host::Tasks;
use nogfso_ids::RequestId;
use nogfso_journal::memory::Odds;
use nogfso_kernel::Position;
use nogfso_testkit::wait_until;

use super::world::{
    World, done, failed, registry, registry_subject, repo_subject, stat, work_subject,
};
use crate::Settings;

const LONG: Duration = Duration::from_secs(600);
const DRAIN_LIMIT: Duration = Duration::from_secs(20);

async fn start(world: &World, bus: &MemoryBus) -> Tasks {
    let tasks = Tasks::default();
    let bus: Arc<dyn Bus> = Arc::new(bus.another_client());
    let environment = world.environment.clone();
    crate::start(world.port(), bus, environment, Settings::default(), &tasks)
        .await
        .unwrap();
    tasks
}

#[tokio::test(start_paused = true)]
async fn an_instance_waits_for_a_journal_that_is_away_when_it_starts() {
    let world = World::new().await;
    let bus = MemoryBus::default();
    world.log.take_down();
    let back = async {
        tokio::time::sleep(LONG).await;
        world.log.bring_up();
    };
    let (tasks, ()) = tokio::join!(start(&world, &bus), back);
    live(&world).await;
    tasks.drain(DRAIN_LIMIT).await.unwrap();
}

async fn commits(world: &World, subject: &str) -> usize {
    world.history(subject).await.len()
}

/// Takes a registry, a repo and its work from the first command to the last result.
async fn live(world: &World) {
    world
        .main(MainListCommand::InitRegistry { name: registry() })
        .await;
    wait_until("the registry", LONG, async || {
        let main = world
            .stores
            .main
            .load(subjects::MAIN, Position::START)
            .await
            .unwrap();
        main.state.pending().next().is_none()
    })
    .await;
    world.add_root().await;
    world.accept_repo(1).await;
    let request: RequestId = wait_until("the request for a shadow", LONG, async || {
        let work = world
            .stores
            .work
            .load(&work_subject(1), Position::START)
            .await
            .unwrap();
        work.state
            .backlog
            .requests
            .first()
            .map(|known| known.request)
    })
    .await;
    world
        .finish(1, request, done(Some("/shadow/1.fso"), None))
        .await;
    wait_until("the shadow", LONG, async || {
        world.known_repo(1).await.shadow_path().is_some()
    })
    .await;
    for (cause, result) in [("a", failed("no")), ("b", done(None, None))] {
        let expected = matches!(result, nogfso_domain::work::WorkResult::Failed { .. });
        world.worked(1, cause, stat(), result).await;
        wait_until("the result", LONG, async || {
            (world.known_repo(1).await.errors().count() == 1) == expected
        })
        .await;
    }
}

async fn assert_each_step_was_done_once(world: &World) {
    assert_eq!(commits(world, subjects::MAIN).await, 3);
    assert_eq!(commits(world, &registry_subject()).await, 4);
    let repo = world.history(&repo_subject(1)).await.concat();
    let expected = [
        "EV_FSO_REPO_INIT_STARTED",
        "EV_FSO_SHADOW_REPO_CREATED",
        "EV_FSO_REPO_ERROR_SET",
        "EV_FSO_REPO_ERROR_CLEARED",
    ];
    assert_eq!(repo, expected);
}

#[tokio::test(start_paused = true)]
async fn two_instances_do_each_step_once_though_the_journal_answers_oddly() {
    for seed in 0..5 {
        let world = World::new().await;
        let bus = MemoryBus::new();
        let one = start(&world, &bus).await;
        let two = start(&world, &bus).await;
        world.log.play_by_chance(
            seed,
            Odds {
                in_flight: 50,
                lost_request: 20,
                lost_answer: 50,
                duplicate_at_zero: 20,
                own_conflict: 20,
                stale: 100,
                ..Odds::default()
            },
        );
        live(&world).await;
        world.log.restart_forgetting_acks(50);
        one.drain(DRAIN_LIMIT).await.unwrap();
        two.drain(DRAIN_LIMIT).await.unwrap();
        world.log.stop_playing();
        assert_each_step_was_done_once(&world).await;
    }
}

async fn read_feed(feed: &mut Messages, count: usize) -> Vec<FeedCommit> {
    let mut read = vec![];
    while read.len() < count {
        let message = tokio::time::timeout(LONG, feed.next()).await;
        let message = message.expect("the feed is complete").unwrap();
        assert_eq!(
            message.headers.value("Content-Type"),
            Some("application/json")
        );
        let commit: FeedCommit = serde_json::from_slice(&message.payload).unwrap();
        assert_eq!(message.subject, subjects::feed(&commit.aggregate));
        read.push(commit);
    }
    read
}

#[tokio::test(start_paused = true)]
async fn the_feed_has_each_commit_once_and_says_what_came_before() {
    let world = World::new().await;
    let bus = MemoryBus::new();
    let mut feed = bus.subscribe("fso.feed.>").await.unwrap();
    let one = start(&world, &bus).await;
    let two = start(&world, &bus).await;
    live(&world).await;
    let mut expected = 0;
    for subject in [
        subjects::MAIN.to_owned(),
        registry_subject(),
        repo_subject(1),
        work_subject(1),
    ] {
        expected += commits(&world, &subject).await;
    }
    let read = read_feed(&mut feed, expected).await;
    let ids: BTreeSet<&str> = read.iter().map(|commit| commit.commit.as_str()).collect();
    assert_eq!(ids.len(), expected);
    for commit in &read {
        let first = &commit.events[0];
        match &commit.previous {
            Some(previous) => {
                assert!(ids.contains(previous.as_str()));
                assert_eq!(first.parent, "");
            }
            None => assert_eq!(first.parent, "0".repeat(26)),
        }
        for pair in commit.events.windows(2) {
            assert_eq!(pair[1].parent, pair[0].id);
        }
    }
    one.drain(DRAIN_LIMIT).await.unwrap();
    two.drain(DRAIN_LIMIT).await.unwrap();
    let more = tokio::time::timeout(Duration::from_secs(60), feed.next()).await;
    assert!(more.is_err(), "a commit came twice");
}
