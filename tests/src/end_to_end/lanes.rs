//! What regd does for lanes beside carrying results: it makes up for lost deliveries and ends long histories.

use std::fs;

use async_nats::jetstream;
use futures_util::StreamExt;
use nogfso_testkit::wait_until_blocking;
use serde_json::json;

use super::asking::{Asks, recorded_paths};
use super::world::{Adopted, Service, World};
use super::{DEADLINE, HOST};

/// Stats of one repo; each leaves a release, and four commits before it.
const STAT_COUNT: usize = 8;

#[test]
fn work_whose_delivery_was_lost_is_done_all_the_same() {
    let mut world = World::with_root();
    world.directory("exp 1");
    let adopted = world.adopt("exp 1");
    world.kill(Service::Stad);
    fs::write(adopted.realdir.join("new"), "content").expect("the directory is ours");
    let asked = world.ctl_json(&["stat", &adopted.id]);
    let request = asked["request"].as_str().expect("an id").to_owned();
    assert_eq!(take_deliveries(&world), 1, "the request");
    world.restart(Service::Stad);
    world
        .process(Service::Regd)
        .wait_for_line("nobody would have looked; woken", DEADLINE);
    wait_until_blocking("the stat", DEADLINE, || {
        is_done(&world, &adopted.id, &request)
    });
    assert!(recorded_paths(&adopted.shadow).contains(&"new".to_owned()));
}

#[test]
fn a_long_history_is_compacted_and_goes_on() {
    let mut world = World::with_root();
    world.directory("exp 1");
    let adopted = world.adopt("exp 1");
    let requests: Vec<_> = (0..STAT_COUNT).map(|n| stat(&world, &adopted, n)).collect();
    wait_until_blocking("the purge", DEADLINE, || {
        world.message_counts()["FSO_WORK"] == 1
    });
    for service in [Service::Gateway, Service::Regd, Service::Stad] {
        world.kill(service);
        world.start(service);
    }
    for service in [Service::Gateway, Service::Regd, Service::Stad] {
        world.wait_until_ready(service);
    }
    assert!(
        requests
            .iter()
            .all(|request| is_done(&world, &adopted.id, request))
    );
    stat(&world, &adopted, STAT_COUNT);
    let recorded = recorded_paths(&adopted.shadow);
    for n in 0..=STAT_COUNT {
        assert!(recorded.contains(&format!("file {n}")));
    }
}

/// Adds a file, and has it recorded.
fn stat(world: &World, adopted: &Adopted, n: usize) -> String {
    fs::write(adopted.realdir.join(format!("file {n}")), "content").expect("the directory is ours");
    let done = world.ctl_json(&["stat", "--wait=60s", &adopted.id]);
    done["request"].as_str().expect("an id").to_owned()
}

fn is_done(world: &World, repo: &str, request: &str) -> bool {
    let query = json!({ "repo": repo, "request": request }).to_string();
    let answer = world.request("fso.get.request", query.as_bytes());
    answer["ok"]["state"] == "done"
}

/// Takes what the workers of the host are to be given, and says that it was seen to. Tells how much that was.
fn take_deliveries(world: &World) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(async {
        let context = jetstream::new(world.service_client().await);
        let durable = format!("stad-{}-main", HOST.replace('.', "_"));
        let consumer: jetstream::consumer::PullConsumer = context
            .get_consumer_from_stream(durable, "FSO_WORK")
            .await
            .expect("the workers have opened it");
        let mut taken = 0;
        let fetched = consumer.fetch().max_messages(100).messages().await;
        let mut messages = fetched.expect("the server gives what it has");
        while let Some(message) = messages.next().await {
            let message = message.expect("a delivery is whole");
            message.double_ack().await.expect("the server takes it");
            taken += 1;
        }
        taken
    })
}
