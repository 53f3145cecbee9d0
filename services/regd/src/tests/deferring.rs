//! What was put off is woken when its time has come, once, and not before.

use std::sync::Arc;
use std::time::Duration;

use nogfso_bus::{Bus, MemoryBus};
use nogfso_domain::operation::ErrorText;
use nogfso_domain::work::WorkCommand;
use nogfso_host::Tasks;
use nogfso_ids::RequestId;
use nogfso_journal::reaction::{Reaction, alarm_record, wake_record};
use nogfso_journal::{Environment, Log, RandomIds};
use nogfso_kernel::Position;
use nogfso_testkit::wait_until;
use tokio::time::Instant;

use super::world::{World, look_at, work_subject};
use crate::Settings;
use crate::results::{NAME, Results};

const DELAY: Duration = Duration::from_secs(600);
const LONG: Duration = Duration::from_secs(3_600);

/// A request that was put off, its claim given back. Returns until when.
async fn put_off(world: &World, cause: &str, delay: Duration) -> u64 {
    let lease = world.ask(1, cause).await;
    let epoch = world.claim_on(1, lease).await;
    let request = RequestId::derived_from(cause);
    world.work(1, WorkCommand::Start { request, epoch }).await;
    let until_ms = world.environment.now_ms() + u64::try_from(delay.as_millis()).unwrap();
    let reason = ErrorText::new("the file system is full");
    let defer = WorkCommand::Defer {
        request,
        epoch,
        until_ms,
        reason,
    };
    world.work(1, defer).await;
    world.work(1, WorkCommand::Release { epoch }).await;
    until_ms
}

async fn start(world: &World) -> Tasks {
    let tasks = Tasks::default();
    let bus: Arc<dyn Bus> = Arc::new(MemoryBus::default());
    let environment = Environment {
        clock: world.log.clock(),
        ids: Arc::new(RandomIds),
    };
    crate::start(world.port(), bus, environment, Settings::default(), &tasks)
        .await
        .unwrap();
    tasks
}

async fn woken_count(world: &World) -> usize {
    let names = world.history(&work_subject(1)).await.concat();
    names
        .iter()
        .filter(|name| *name == "EV_FSO_WORK_WOKEN")
        .count()
}

#[tokio::test(start_paused = true)]
async fn a_deferred_request_is_woken_at_its_time() {
    let world = World::new().await;
    let began = Instant::now();
    let _one = start(&world).await;
    let _other = start(&world).await;
    put_off(&world, "a", DELAY).await;
    wait_until("the wake", LONG, async || {
        world.lane(1).await.state.next_wake_ms().is_none()
    })
    .await;
    // The sweep would come a minute later.
    assert!((DELAY..DELAY + Duration::from_secs(10)).contains(&began.elapsed()));
    tokio::time::sleep(LONG).await;
    assert_eq!(woken_count(&world).await, 1);
}

#[tokio::test(start_paused = true)]
async fn an_alarm_that_rings_early_is_set_again() {
    let world = World::new().await;
    let _one = start(&world).await;
    let until_ms = put_off(&world, "a", DELAY).await;
    world
        .log
        .publish(&wake_record(NAME, &work_subject(1)))
        .await
        .unwrap();
    tokio::time::sleep(DELAY / 2).await;
    assert_eq!(woken_count(&world).await, 0);
    wait_until("the wake", LONG, async || woken_count(&world).await == 1).await;
    assert!(world.environment.now_ms() >= until_ms);
}

#[tokio::test(start_paused = true)]
async fn an_alarm_for_what_is_done_is_dropped() {
    let world = World::new().await;
    put_off(&world, "a", Duration::ZERO).await;
    let results = Results::new(world.carry());
    results.react(&look_at(&work_subject(1))).await.unwrap();
    results.react(&look_at(&work_subject(1))).await.unwrap();
    assert_eq!(woken_count(&world).await, 1);
    let timer = alarm_record(NAME, &work_subject(1), 0).subject;
    let set = world.log.leader_last(&timer).await.unwrap();
    assert_eq!(set, None, "nothing is left to wait for");
    assert!(world.lane(1).await.position() > Position::START);
}
