//! The sweep wakes what nobody would look at, revokes what nobody serves, and leaves everything else alone.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use nogfso_bus::{Bus, Endpoint, Headers, MemoryBus, Reply, ServiceSpec};
use nogfso_contract::codec::Answer;
use nogfso_contract::presence::{Served, ServedClaim};
use nogfso_contract::subjects;
use nogfso_domain::operation::ErrorText;
use nogfso_domain::work::WorkCommand;
use nogfso_host::Tasks;
use nogfso_ids::{Instance, RequestId};
use nogfso_kernel::Position;
use tokio::time::{advance, timeout};

use super::world::{INSTANCE, World, host, work_subject};
use crate::Settings;
use crate::open_lanes::OpenLanes;
use crate::sweep::Sweep;

const QUIET: Duration = Duration::from_secs(61);
const NO_TIME: Duration = Duration::from_millis(1);

/// One round of a regd that has just started.
async fn swept(world: &World, bus: &MemoryBus) {
    let lanes = Arc::new(OpenLanes::default());
    // Following never ends; until it waits it has taken in all that is there.
    let follow = lanes.keep_up(world.port(), Tasks::default().stop().clone());
    timeout(NO_TIME, follow).await.unwrap_err();
    let bus: Arc<dyn Bus> = Arc::new(bus.another_client());
    let mut sweep = Sweep::new(world.carry(), bus, lanes, Settings::default());
    sweep.round().await;
}

/// Has the workers take `count` messages and say that they are done with them.
async fn answered(world: &World, count: usize) {
    let workers = world.workers().await;
    for delivery in workers.pull(count, Duration::ZERO).await.unwrap() {
        delivery.acker.ack().await.unwrap();
    }
}

async fn names(world: &World) -> Vec<String> {
    world.history(&work_subject(1)).await.concat()
}

/// A worker that says which epoch of the lane it serves, or nothing at all.
async fn worker(bus: &MemoryBus, serves: Option<u64>, tasks: &Tasks) {
    let instance = Instance::parse(INSTANCE).unwrap();
    let service = ServiceSpec {
        name: "worker".to_owned(),
        version: "1.0.0".to_owned(),
        description: String::new(),
        queue_group: INSTANCE.to_owned(),
        endpoints: vec![Endpoint {
            name: "worker".to_owned(),
            subject: subjects::worker(&host(), &instance),
            metadata: vec![],
        }],
    };
    let mut requests = bus.another_client().serve(service).await.unwrap();
    tasks.spawn("worker", async move {
        let mut unanswered = vec![];
        while let Some(request) = requests.next().await {
            let Some(epoch) = serves else {
                unanswered.push(request);
                continue;
            };
            let claim = ServedClaim {
                subject: work_subject(1),
                epoch,
            };
            let claims = vec![claim];
            let payload = serde_json::to_vec(&Answer::Ok(Served { claims })).unwrap();
            let reply = Reply {
                payload: payload.into(),
                headers: Headers::default(),
                fault: None,
            };
            request.respond(reply).await.unwrap();
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_trigger_that_was_answered_without_effect_is_made_up_for() {
    let world = World::new().await;
    let trigger = world.ask(1, "a").await;
    answered(&world, 1).await;
    swept(&world, &MemoryBus::default()).await;
    assert_eq!(
        names(&world).await,
        ["EV_FSO_WORK_REQUESTED"],
        "it is too early"
    );
    advance(QUIET).await;
    swept(&world, &MemoryBus::default()).await;
    swept(&world, &MemoryBus::default()).await;
    assert_eq!(
        names(&world).await,
        ["EV_FSO_WORK_REQUESTED", "EV_FSO_WORK_WOKEN"]
    );
    assert!(world.lane(1).await.state.newest_trigger > trigger);
}

#[tokio::test(start_paused = true)]
async fn what_a_delivery_will_bring_to_a_worker_is_left_alone() {
    let world = World::new().await;
    let bus = MemoryBus::default();
    world.ask(1, "a").await;
    advance(QUIET).await;
    swept(&world, &bus).await;
    let workers = world.workers().await;
    swept(&world, &bus).await;
    let held = workers.pull(1, Duration::ZERO).await.unwrap();
    assert_eq!(held.len(), 1);
    swept(&world, &bus).await;
    assert_eq!(names(&world).await, ["EV_FSO_WORK_REQUESTED"]);
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_no_worker_comes_to_is_woken_more_and_more_seldom() {
    let world = World::new().await;
    let lanes = Arc::new(OpenLanes::default());
    let tasks = Tasks::default();
    let (table, log, stop) = (Arc::clone(&lanes), world.port(), tasks.stop().clone());
    tasks.spawn("open lanes", async move { table.keep_up(log, stop).await });
    let bus: Arc<dyn Bus> = Arc::new(MemoryBus::default());
    let mut sweep = Sweep::new(world.carry(), bus, lanes, Settings::default());
    world.ask(1, "a").await;
    for _ in 0..2 * 60 {
        answered(&world, 10).await;
        advance(Duration::from_secs(60)).await;
        sweep.round().await;
    }
    let woken = names(&world).await.len() - 1;
    assert!((5..=8).contains(&woken), "woken {woken} times in two hours");
}

#[tokio::test(start_paused = true)]
async fn a_claim_whose_lease_is_gone_is_revoked_when_its_instance_does_not_serve_it() {
    for (serves, is_revoked) in [
        (None, true),
        (Some(None), false),
        (Some(Some(1)), false),
        (Some(Some(2)), true),
    ] {
        let world = World::new().await;
        let bus = MemoryBus::default();
        let tasks = Tasks::default();
        if let Some(serves) = serves {
            worker(&bus, serves, &tasks).await;
        }
        let lease = world.ask(1, "a").await;
        answered(&world, 1).await;
        assert_eq!(world.claim_on(1, lease).await, 1);
        answered(&world, 1).await;
        advance(QUIET).await;
        swept(&world, &bus).await;
        let claim = world.lane(1).await.state.claim;
        assert_eq!(claim.is_none(), is_revoked, "{serves:?}");
        tasks.stop().cancel();
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_whose_lease_will_come_again_is_left_alone() {
    let world = World::new().await;
    let lease = world.ask(1, "a").await;
    let workers = world.workers().await;
    let held = workers.pull(1, Duration::ZERO).await.unwrap();
    assert_eq!(held[0].stored.position, lease);
    world.claim_on(1, lease).await;
    for delivery in workers.pull(5, Duration::ZERO).await.unwrap() {
        delivery.acker.ack().await.unwrap();
    }
    advance(QUIET).await;
    swept(&world, &MemoryBus::default()).await;
    assert!(world.lane(1).await.state.claim.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_alarm_that_did_not_ring_is_made_up_for() {
    let world = World::new().await;
    let lease = world.ask(1, "a").await;
    let epoch = world.claim_on(1, lease).await;
    let request = RequestId::derived_from("a");
    world.work(1, WorkCommand::Start { request, epoch }).await;
    let until_ms = world.environment.now_ms() + 10_000;
    let reason = ErrorText::new("later");
    let defer = WorkCommand::Defer {
        request,
        epoch,
        until_ms,
        reason,
    };
    world.work(1, defer).await;
    world.work(1, WorkCommand::Release { epoch }).await;
    answered(&world, 10).await;
    advance(QUIET).await;
    swept(&world, &MemoryBus::default()).await;
    assert!(world.lane(1).await.state.next_wake_ms().is_some());
    advance(QUIET).await;
    swept(&world, &MemoryBus::default()).await;
    let lane = world.lane(1).await;
    assert_eq!(lane.state.next_wake_ms(), None);
    assert_eq!(lane.state.newest_trigger, lane.position());
    assert!(lane.position() > Position(5));
}
