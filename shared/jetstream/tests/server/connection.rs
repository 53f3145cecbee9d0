//! Connecting: credentials, prefixes, versions, the end.

use std::time::Duration;

use futures_util::StreamExt;
use nogfso_bus::{Bus, Message};
use nogfso_jetstream::{
    ConnectError, Connection, ContextFolders, Credentials, JetStreamBus, SERVER_VERSION_MIN,
    ServerVersion, Settings,
};
use nogfso_testkit::{NatsServer, NatsSettings};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::{DEADLINE, connect};

/// The key pair of a user that exists in these tests only.
const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
const PUBLIC_KEY: &str = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";

fn server_with_users() -> NatsServer {
    let users = format!(
        r#"authorization {{ users: [
            {{ user: alice, password: secret,
               permissions: {{ publish: ">", subscribe: ["_INBOX_alice.>", "shared.>"] }} }}
            {{ nkey: {PUBLIC_KEY} }}
        ] }}"#
    );
    NatsServer::start_with(NatsSettings::default().with_raw(&users))
}

fn alice(server: &NatsServer, password: &str) -> Settings {
    let credentials = Credentials::UserAndPassword {
        user: "alice".to_owned(),
        password: password.to_owned(),
    };
    let inbox_prefix = Some("_INBOX_alice".to_owned());
    Settings {
        credentials,
        inbox_prefix,
        ..Settings::new(server.url(), "test")
    }
}

#[tokio::test]
async fn a_user_with_an_inbox_of_its_own_gets_replies() {
    let server = server_with_users();
    let bus = JetStreamBus::new(
        Connection::connect(&alice(&server, "secret"))
            .await
            .unwrap(),
    );
    let nobody = bus
        .request(Message::new("nobody", ""), DEADLINE)
        .await
        .unwrap_err();
    assert!(
        matches!(nobody, nogfso_bus::RequestError::NoResponder { .. }),
        "{nobody}"
    );
}

#[tokio::test]
async fn wrong_credentials_are_refused_at_once() {
    let server = server_with_users();
    let settings = Settings {
        patience: Duration::from_secs(3_600),
        ..alice(&server, "wrong")
    };
    let refused = tokio::time::timeout(DEADLINE, Connection::connect(&settings))
        .await
        .unwrap();
    assert!(
        matches!(refused, Err(ConnectError::Unauthorised { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn an_nkey_connects_from_a_seed_and_from_a_context_with_a_file() {
    let server = server_with_users();
    let credentials = Credentials::NkeySeed(SEED.to_owned());
    Connection::connect(&Settings {
        credentials,
        ..Settings::new(server.url(), "test")
    })
    .await
    .unwrap();

    let home = tempfile::tempdir().unwrap();
    std::fs::write(
        home.path().join("user.nk"),
        format!("# a comment\n{SEED}\n{PUBLIC_KEY}\n"),
    )
    .unwrap();
    let context = home.path().join("context.json");
    std::fs::write(
        &context,
        format!(r#"{{"url": "{}", "nkey": "~/user.nk"}}"#, server.url()),
    )
    .unwrap();
    let folders = ContextFolders {
        home: home.path().to_owned(),
        settings: home.path().join(".config"),
    };
    Connection::from_context(context.to_str().unwrap(), &folders, "test")
        .await
        .unwrap();
}

#[tokio::test]
async fn no_server_is_told_after_the_patience() {
    let nowhere = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let patience = Duration::from_millis(300);
    let settings = Settings {
        patience,
        ..Settings::new(format!("nats://{nowhere}"), "test")
    };
    let unreachable = tokio::time::timeout(DEADLINE, Connection::connect(&settings))
        .await
        .unwrap();
    assert!(
        matches!(unreachable, Err(ConnectError::Unreachable { .. })),
        "{unreachable:?}"
    );
}

/// What an old server says when a client connects is all that is needed of it.
#[tokio::test]
async fn a_server_below_the_floor_is_refused_with_both_versions() {
    let old = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("nats://{}", old.local_addr().unwrap());
    let serve = async {
        let (mut stream, _) = old.accept().await.unwrap();
        let info = r#"INFO {"server_id":"x","version":"2.10.27","proto":1,"headers":true,"max_payload":1048576}"#;
        stream
            .write_all(format!("{info}\r\nPONG\r\n").as_bytes())
            .await
            .unwrap();
        std::future::pending::<()>().await;
    };
    let settings = Settings::new(url, "test");
    let refused = tokio::select! {
        refused = Connection::connect(&settings) => refused,
        () = serve => unreachable!(),
    };
    let found = ServerVersion {
        major: 2,
        minor: 10,
        patch: 27,
    };
    match refused {
        Err(ConnectError::TooOld {
            found: told,
            wanted,
        }) => assert_eq!((told, wanted), (found, SERVER_VERSION_MIN)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn closing_sends_what_is_in_hand_and_ends_subscriptions() {
    let server = NatsServer::start();
    let (here, there) = (connect(&server).await, connect(&server).await);
    let (leaving, staying) = (JetStreamBus::new(here.clone()), JetStreamBus::new(there));
    let mut own = leaving.subscribe("own").await.unwrap();
    let mut heard = staying.subscribe("a").await.unwrap();
    // The answer shows that the server has the subscription.
    staying
        .request(Message::new("nobody", ""), DEADLINE)
        .await
        .unwrap_err();
    for number in 0..100 {
        leaving
            .publish(Message::new("a", number.to_string()))
            .await
            .unwrap();
    }
    here.close().await;
    here.close().await;
    assert!(here.is_closed() && !leaving.is_connected());
    assert!(own.next().await.is_none());
    assert!(leaving.publish(Message::new("a", "late")).await.is_err());
    for number in 0..100 {
        assert_eq!(heard.next().await.unwrap().payload, number.to_string());
    }
}
