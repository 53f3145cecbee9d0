//! What the broker lets whom say and hear, measured through an independent client.

use std::time::Duration;

use async_nats::header::HeaderMap;
use async_nats::jetstream;
use async_nats::{Client, ConnectOptions, Message, Subscriber};
use futures_util::{FutureExt, StreamExt};
use nogfso_testkit::{Process, wait_until};
use serde_json::Value;

use crate::place::{DEADLINE, Place};

const STAMP: &str = "Nats-Request-Info";
const FORBIDDEN: &str = "forbidden";
const MARKER: &str = "marker";

/// A broker with the operator, alice and bob, and one connection of a service.
struct Broker {
    service: Client,
    /// Before the folder, so that it ends before its server does.
    _up: Process,
    place: Place,
}

impl Broker {
    async fn start() -> Self {
        let place = Place::new();
        let up = tokio::task::block_in_place(|| place.ready(&["--user", "alice", "--user", "bob"]));
        let service = place.connect_as_service().await;
        Self {
            service,
            _up: up,
            place,
        }
    }

    async fn user(&self, name: &str) -> Client {
        self.place.connect(&format!("context-{name}.json")).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_reaches_nothing_but_commands_queries_and_its_own_submits() {
    let broker = Broker::start().await;
    let mut everything = broker.service.subscribe(">").await.unwrap();
    settle(&broker.service).await;
    for name in ["alice", "operator"] {
        let user = match name {
            "operator" => broker.place.connect("context.json").await,
            _ => broker.user(name).await,
        };
        for subject in [
            "fso.ev.main.registry.main",
            "fso.feed.main",
            "fso.progress.main.a.b",
            "fso.host.a.may-init",
            "fso.worker.a.b",
            "fso.presence.who",
            "fso.timer.a",
            "fso.parked.a",
            "fso.submit.bob.registry.init",
            "fso.submit.registry.init",
            "$JS.API.STREAM.LIST",
            "$JS.API.STREAM.DELETE.FSO_REPO",
            "$JS.ACK.FSO_WORK.a.1.1.1.1.1",
            "$KV.FSO_RECEIPT.a",
            "$SYS.REQ.SERVER.PING",
            "_INBOX_bob.a",
            "_INBOX.a",
        ] {
            user.publish(subject, FORBIDDEN.into()).await.unwrap();
        }
        for subject in [
            "fso.cmd.a.b".to_owned(),
            "fso.get.a".to_owned(),
            format!("fso.submit.{name}.a.b"),
        ] {
            user.publish(subject.clone(), MARKER.into()).await.unwrap();
            // What was forbidden was sent earlier on the same connection, so it would be here by now.
            let message = next_of_ours(&mut everything).await;
            assert_eq!(message.subject.as_str(), subject);
            assert_eq!(message.payload, MARKER);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_hears_its_own_answers_the_feed_and_the_progress_only() {
    let broker = Broker::start().await;
    let (alice, bob) = (broker.user("alice").await, broker.user("bob").await);
    let mut deaf = Vec::new();
    for filter in [
        ">",
        "*.*",
        "_INBOX.>",
        "_INBOX_bob.>",
        "_INBOX_*.>",
        "_R_.>",
        "fso.>",
        "fso.cmd.>",
        "fso.get.>",
        "fso.submit.>",
        "fso.ev.>",
        "$JS.>",
        "$SRV.>",
        "$SYS.>",
    ] {
        deaf.push(alice.subscribe(filter).await.unwrap());
        deaf.push(
            alice
                .queue_subscribe(filter, "gateway".to_owned())
                .await
                .unwrap(),
        );
    }
    let mut feed = alice.subscribe("fso.feed.>").await.unwrap();
    let mut progress = alice.subscribe("fso.progress.>").await.unwrap();
    // The server takes subscriptions in order, so the others are in place too when this one is.
    wait_until("the feed", DEADLINE, async || {
        broker
            .service
            .publish("fso.feed.probe", "".into())
            .await
            .unwrap();
        settle(&broker.service).await;
        feed.next().now_or_never().flatten()
    })
    .await;
    answer(&broker.service, "fso.cmd.>", "done").await;

    let reply = bob
        .request("fso.cmd.probe.init", "secret".into())
        .await
        .unwrap();
    assert_eq!(reply.payload, "done");
    bob.publish("fso.submit.bob.a", "secret".into())
        .await
        .unwrap();
    for subject in ["fso.ev.main.repo.a", "fso.feed.main", "fso.progress.main.a"] {
        broker
            .service
            .publish(subject, MARKER.into())
            .await
            .unwrap();
    }
    while next(&mut feed).await.subject.as_str() == "fso.feed.probe" {}
    assert_eq!(
        next(&mut progress).await.subject.as_str(),
        "fso.progress.main.a"
    );
    for subscriber in &mut deaf {
        let heard = subscriber.next().now_or_never().flatten();
        assert!(heard.is_none(), "{heard:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_stamps_commands_and_queries_with_who_sent_them() {
    let broker = Broker::start().await;
    let alice = broker.user("alice").await;
    for subject in ["fso.cmd.probe.init", "fso.get.probe"] {
        let mut requests = broker.service.subscribe(subject).await.unwrap();
        settle(&broker.service).await;
        alice.publish(subject, MARKER.into()).await.unwrap();
        assert_stamped(&next(&mut requests).await, "alice");

        let forged = r#"{"acc":"USERS","user":"operator"}"#;
        let mut headers = HeaderMap::new();
        headers.append("Nats-Request-Infos", "longer");
        headers.append(STAMP, forged);
        headers.append(STAMP, forged);
        headers.append("X-Nats-Request-Info", "shorter");
        alice
            .publish_with_headers(subject, headers, MARKER.into())
            .await
            .unwrap();
        assert_stamped(&next(&mut requests).await, "alice");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_cannot_be_turned_into_a_request_or_an_event() {
    let broker = Broker::start().await;
    let alice = broker.user("alice").await;
    let mut seen = broker.service.subscribe("fso.>").await.unwrap();
    settle(&broker.service).await;
    for target in ["fso.cmd.second", "fso.submit.bob.a", "fso.ev.main.repo.a"] {
        alice
            .publish_with_reply("fso.cmd.first", target, MARKER.into())
            .await
            .unwrap();
        let request = next(&mut seen).await;
        assert_eq!(request.subject.as_str(), "fso.cmd.first");
        let reply = request.reply.unwrap();
        broker.service.publish(reply, "{}".into()).await.unwrap();
        settle(&broker.service).await;
        let forwarded = seen.next().now_or_never().flatten();
        assert!(forwarded.is_none(), "{target}: {forwarded:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_cannot_speak_for_a_person() {
    let broker = Broker::start().await;
    let other = broker.place.connect_as_service().await;
    let mut seen = broker.service.subscribe("fso.>").await.unwrap();
    settle(&broker.service).await;
    for subject in ["fso.cmd.probe.init", "fso.get.probe", "fso.submit.alice.a"] {
        other.publish(subject, FORBIDDEN.into()).await.unwrap();
    }
    other
        .publish("fso.presence.who", MARKER.into())
        .await
        .unwrap();
    let message = next(&mut seen).await;
    assert_eq!(message.subject.as_str(), "fso.presence.who");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submit_is_stored_and_acknowledged_across_accounts() {
    let broker = Broker::start().await;
    let journal = jetstream::new(broker.service.clone());
    let stream = journal
        .create_stream(jetstream::stream::Config {
            name: "FSO_SUBMIT".to_owned(),
            subjects: vec!["fso.submit.>".to_owned()],
            ..Default::default()
        })
        .await
        .unwrap();
    let alice = broker.user("alice").await;
    let ack = alice
        .request("fso.submit.alice.registry.init", "{}".into())
        .await
        .unwrap();
    let ack: Value = serde_json::from_slice(&ack.payload).unwrap();
    assert_eq!(ack["stream"], "FSO_SUBMIT");
    assert_eq!(ack["seq"], 1);
    assert_eq!(stream.get_info().await.unwrap().state.messages, 1);
    let alice = jetstream::new(alice);
    let refused =
        tokio::time::timeout(Duration::from_secs(1), alice.get_stream("FSO_SUBMIT")).await;
    assert!(
        !matches!(refused, Ok(Ok(_))),
        "the JetStream API answered a user"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_service_answers_to_discovery() {
    let broker = Broker::start().await;
    let second = broker.place.connect_as_service().await;
    answer(&broker.service, "$SRV.PING.probe", "one").await;
    answer(&second, "$SRV.PING.probe", "two").await;
    let alice = broker.user("alice").await;
    let inbox = alice.new_inbox();
    let mut answers = alice.subscribe(inbox.clone()).await.unwrap();
    alice
        .publish_with_reply("$SRV.PING.probe", inbox, "".into())
        .await
        .unwrap();
    let mut heard = [next(&mut answers).await, next(&mut answers).await].map(|m| m.payload);
    heard.sort();
    assert_eq!(heard, ["one", "two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_connects_without_a_password() {
    let broker = Broker::start().await;
    let url = format!("nats://127.0.0.1:{}", broker.place.port.number());
    for options in [
        ConnectOptions::new(),
        ConnectOptions::with_user_and_password("alice".to_owned(), String::new()),
        ConnectOptions::with_user_and_password("operator".to_owned(), "operator".to_owned()),
    ] {
        let error = options.connect(&url).await.unwrap_err();
        assert_eq!(
            error.kind(),
            async_nats::ConnectErrorKind::AuthorizationViolation,
            "{error}"
        );
    }
}

async fn next(subscriber: &mut Subscriber) -> Message {
    tokio::time::timeout(DEADLINE, subscriber.next())
        .await
        .expect("a message arrives in time")
        .expect("the subscription goes on")
}

/// The next message that is neither of the server's making nor of JetStream's.
async fn next_of_ours(subscriber: &mut Subscriber) -> Message {
    loop {
        let message = next(subscriber).await;
        let is_ours = message.payload == MARKER || message.payload == FORBIDDEN;
        if is_ours {
            return message;
        }
    }
}

/// Waits until the server has taken what was sent on this connection of a service, by a message to itself.
async fn settle(service: &Client) {
    let inbox = service.new_inbox();
    let mut own = service.subscribe(inbox.clone()).await.unwrap();
    service.publish(inbox, "".into()).await.unwrap();
    next(&mut own).await;
}

/// Answers everything on `filter` for as long as the connection lives.
async fn answer(service: &Client, filter: &'static str, payload: &'static str) {
    let mut requests = service.subscribe(filter).await.unwrap();
    settle(service).await;
    let service = service.clone();
    #[expect(
        clippy::disallowed_methods,
        reason = "the answers end with the runtime of the test"
    )]
    tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            if let Some(reply) = request.reply {
                service.publish(reply, payload.into()).await.unwrap();
            }
        }
    });
}

fn assert_stamped(message: &Message, user: &str) {
    let headers = message.headers.as_ref().unwrap();
    let stamps: Vec<_> = headers.get_all(STAMP).collect();
    assert_eq!(stamps.len(), 1, "{headers:?}");
    let stamp: Value = serde_json::from_str(stamps[0].as_str()).unwrap();
    assert_eq!(
        (&stamp["acc"], &stamp["user"]),
        (&"USERS".into(), &user.into())
    );
}
