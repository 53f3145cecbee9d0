//! How requests are taken: encodings, who asks, too many of them, and the stop.

use std::time::Duration;

use nogfso_bus::{Bus, Message};
use nogfso_contract::Code;
use nogfso_contract::codec::{Answer, CONTENT_TYPE, Encoding};
use nogfso_contract::query::{GetRegistry, RegistryInfo};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::world::{World, alone, init_repo, registry_name};
use crate::config::Settings;

const DRAIN_LIMIT: Duration = Duration::from_secs(20);

#[tokio::test(start_paused = true)]
async fn what_is_asked_in_messagepack_is_answered_in_messagepack() {
    let world = World::new().await;
    world.ready_registry("exreg").await;
    let request = GetRegistry {
        registry: registry_name("exreg"),
    };
    for content_type in ["application/msgpack", "application/x-msgpack; v=1"] {
        let payload = Encoding::MessagePack.encode(&request).unwrap();
        let message = Message::new("fso.get.registry", payload);
        let reply = world
            .ask_raw(message.with_header(CONTENT_TYPE, content_type))
            .await;
        assert_eq!(
            reply.headers.value(CONTENT_TYPE),
            Some("application/msgpack")
        );
        assert_eq!(reply.headers.value("Nats-Service-Error"), None);
        let answer: Answer<RegistryInfo> = Encoding::MessagePack.decode(&reply.payload).unwrap();
        assert!(matches!(answer, Answer::Ok(info) if info.num_roots == 1));
    }
    let reply = world.ask_raw(Message::new("fso.get.registries", "")).await;
    assert_eq!(reply.headers.value(CONTENT_TYPE), Some("application/json"));
}

#[tokio::test(start_paused = true)]
async fn the_actor_of_a_commit_is_who_the_broker_says() {
    let world = World::with(Settings::default()).await;
    let message = Message::new("fso.cmd.registry.init", r#"{"name":"exreg","wait":"0s"}"#);
    let stamp = r#"{"acc":"USERS","user":"bob"}"#;
    world
        .ask_raw(message.with_header("Nats-Request-Info", stamp))
        .await;
    let last = nogfso_journal::Log::leader_last(&world.log, nogfso_contract::subjects::MAIN)
        .await
        .unwrap()
        .unwrap();
    let commit = nogfso_journal::Commit::decode_any(&last.payload, last.position).unwrap();
    assert_eq!(commit.envelope.actor, "user:bob");
}

fn waiting_stat(id: impl std::fmt::Display, user: &str) -> Message {
    let request = json!({"repo": id.to_string(), "wait": "1h"});
    let stamp = json!({"acc": "USERS", "user": user});
    Message::new("fso.cmd.repo.stat", request.to_string())
        .with_header("Nats-Request-Info", &stamp.to_string())
}

fn code(reply: &Message) -> Code {
    match serde_json::from_slice(&reply.payload).unwrap() {
        Answer::<Value>::Error(failure) => failure.code,
        Answer::Ok(answer) => panic!("{answer}"),
    }
}

async fn send(world: &World, message: Message) {
    world.bus.publish(message).await.unwrap();
    world.settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_with_too_much_in_hand_is_busy_and_others_are_served() {
    let world = World::with(Settings {
        in_hand_of_one_max: 2,
        ..alone()
    })
    .await;
    let id = world.ready_repo().await;
    for _ in 0..2 {
        send(&world, waiting_stat(id, "bob")).await;
    }
    let refused = world.ask_raw(waiting_stat(id, "bob")).await;
    assert_eq!(code(&refused), Code::Busy);
    assert_eq!(
        refused.headers.value("Nats-Service-Error-Code"),
        Some("429")
    );
    let answer: Answer<Value> = serde_json::from_slice(&refused.payload).unwrap();
    assert!(matches!(answer, Answer::Error(failure) if failure.details.retry_after_ms.is_some()));
    world.ok("get.registries", json!({})).await;
}

#[tokio::test(start_paused = true)]
async fn a_gateway_with_too_much_in_hand_is_busy_until_something_is_done() {
    let world = World::with(Settings {
        in_hand_max: 2,
        ..alone()
    })
    .await;
    let id = world.ready_repo().await;
    send(&world, waiting_stat(id, "bob")).await;
    send(&world, waiting_stat(id, "carol")).await;
    assert_eq!(
        world.refused("get.registries", json!({})).await.code,
        Code::Busy
    );
    tokio::time::sleep(Duration::from_secs(3_601)).await;
    world.ok("get.registries", json!({})).await;
}

#[tokio::test(start_paused = true)]
async fn requests_that_want_no_answer_are_carried_out_and_take_no_place_for_ever() {
    let world = World::with(Settings {
        in_hand_max: 2,
        in_hand_of_one_max: 1,
        ..alone()
    })
    .await;
    for number in 0..10 {
        let init = json!({"name": format!("r{number}"), "wait": "0s"});
        send(
            &world,
            Message::new("fso.cmd.registry.init", init.to_string()),
        )
        .await;
    }
    let listed = world.ok("get.registries", json!({})).await;
    assert_eq!(listed["registries"].as_array().unwrap().len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_stop_answers_those_who_wait_at_once() {
    let world = World::new().await;
    let id = world.ready_repo().await;
    let next = world.ok("get.events", json!({"repo": id})).await["next"].clone();
    let mut below = init_repo("exreg", "/data/b");
    below["wait"] = json!("1h");
    let started = Instant::now();
    let stopped = async {
        world.settle().await;
        world.settle().await;
        world.tasks.drain(DRAIN_LIMIT).await.unwrap();
    };
    let (stat, events, registry, shadow, ()) = tokio::join!(
        world.refused("cmd.repo.stat", json!({"repo": id, "wait": "1h"})),
        world.ok(
            "get.events",
            json!({"repo": id, "after": next, "wait": "1h"})
        ),
        world.ok("cmd.registry.init", json!({"name": "late", "wait": "1h"})),
        world.refused("cmd.repo.init", below),
        stopped
    );
    assert_eq!((stat.code, shadow.code), (Code::TimedOut, Code::TimedOut));
    assert_eq!(events["events"], json!([]));
    assert_eq!(registry["confirmed"], false);
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_a_host_that_counts() {
    let world = World::new().await;
    world.ready_registry("exreg").await;
    let host = nogfso_ids::Host::parse(super::world::HOST).unwrap();
    let subject = nogfso_contract::subjects::host(&host, nogfso_contract::host::MAY_INIT);
    let _questions = world.bus.subscribe(&subject).await.unwrap();
    let stopped = async {
        world.settle().await;
        world.tasks.drain(DRAIN_LIMIT).await.unwrap();
    };
    let init = world.refused("cmd.repo.init", init_repo("exreg", "/data/a"));
    let (refused, ()) = tokio::join!(init, stopped);
    assert_eq!(refused.code, Code::Unavailable);
}
