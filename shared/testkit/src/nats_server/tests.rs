//! A real server is started, killed, restarted and paused.

use async_nats::jetstream;
use futures_util::TryStreamExt;

use super::*;
use crate::wait_until;

const DEADLINE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn what_was_stored_before_a_kill_is_there_after_a_restart() {
    let mut server = NatsServer::start();
    let port = server.client_port();
    let context = jetstream_of(&server).await;
    let config = jetstream::stream::Config {
        name: String::from("KEPT"),
        subjects: vec![String::from("kept.>")],
        ..Default::default()
    };
    context.create_stream(config).await.unwrap();
    context
        .publish("kept.one", "hello".into())
        .await
        .unwrap()
        .await
        .unwrap();

    server.kill();
    assert!(!server.is_running());
    assert!(connect(port).is_err());
    server.restart();

    assert_eq!(server.client_port(), port);
    let stream = jetstream_of(&server)
        .await
        .get_stream("KEPT")
        .await
        .unwrap();
    let message = stream
        .get_last_raw_message_by_subject("kept.one")
        .await
        .unwrap();
    assert_eq!(message.payload, "hello");
    assert!(server.store_dir().join("jetstream").is_dir());
}

#[tokio::test]
async fn two_servers_know_nothing_of_each_other() {
    let (first, second) = (NatsServer::start(), NatsServer::start());
    assert_ne!(first.client_port(), second.client_port());
    let context = jetstream_of(&first).await;
    let config = jetstream::stream::Config {
        name: String::from("ALONE"),
        ..Default::default()
    };
    context.create_stream(config).await.unwrap();
    let names: Vec<String> = jetstream_of(&second)
        .await
        .stream_names()
        .try_collect()
        .await
        .unwrap();
    assert!(names.is_empty(), "{names:?}");
}

#[tokio::test]
async fn a_paused_server_is_silent_until_it_is_resumed() {
    let mut server = NatsServer::start_with(NatsSettings::default().without_jetstream());
    server.pause();
    server.pause();
    assert!(read_info(server.client_port()).is_err());
    assert!(server.is_running());
    server.resume();
    wait_until("an answer", DEADLINE, async || {
        read_info(server.client_port())
    })
    .await;
}

#[test]
fn settings_reach_the_server() {
    let settings = NatsSettings::default()
        .with_sync(SyncInterval::ServerDefault)
        .with_raw("max_payload: 4096");
    let server = NatsServer::start_with(settings);
    assert_eq!(
        read_info(server.client_port()).unwrap()["max_payload"],
        4096
    );
    assert_eq!(
        server.version(),
        read_info(server.client_port()).unwrap()["version"]
    );
    assert_eq!(
        server.monitor("/jsz").unwrap()["config"]["sync_always"],
        Value::Null
    );

    let server = NatsServer::start();
    assert_eq!(
        server.monitor("/jsz").unwrap()["config"]["sync_always"],
        true
    );
}

#[test]
#[should_panic(expected = "no_such_option")]
fn a_configuration_that_the_server_refuses_is_shown() {
    drop(NatsServer::start_with(
        NatsSettings::default().with_raw("no_such_option: 1"),
    ));
}

async fn jetstream_of(server: &NatsServer) -> jetstream::Context {
    jetstream::new(async_nats::connect(server.url()).await.unwrap())
}
