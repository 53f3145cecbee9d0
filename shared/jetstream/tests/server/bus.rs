//! The bus passes the contract, and its services show.

use std::time::Duration;

use futures_util::StreamExt;
use nogfso_bus::{
    Bus, Endpoint, Message, Reply, ServiceFault, ServiceSpec, bus_contract, contract,
};
use nogfso_jetstream::JetStreamBus;
use nogfso_testkit::{NatsServer, wait_until};
use serde_json::Value;

use crate::{DEADLINE, connect};

macro_rules! case {
    ($name:ident) => {
        #[tokio::test]
        async fn $name() {
            let server = NatsServer::start();
            let bus = JetStreamBus::new(connect(&server).await);
            contract::$name(&bus, "contract.case").await;
        }
    };
}

bus_contract!(case);

fn service() -> ServiceSpec {
    ServiceSpec {
        name: "shop".to_owned(),
        version: "1.2.3".to_owned(),
        description: "Sells.".to_owned(),
        queue_group: "shops".to_owned(),
        endpoints: vec![Endpoint {
            name: "buy".to_owned(),
            subject: "shop.buy".to_owned(),
            metadata: vec![("schema".to_owned(), "buy.json".to_owned())],
        }],
    }
}

async fn asked(bus: &JetStreamBus, subject: &str) -> Value {
    let answer = bus
        .request(Message::new(subject, ""), DEADLINE)
        .await
        .expect("a service answers");
    serde_json::from_slice(&answer.payload).expect("the answer is JSON")
}

#[tokio::test]
async fn a_service_tells_who_it_is_and_what_it_served() {
    let server = NatsServer::start();
    let bus = JetStreamBus::new(connect(&server).await);
    let mut requests = bus.serve(service()).await.unwrap();

    let ping = asked(&bus, "$SRV.PING").await;
    assert_eq!(
        (&ping["name"], &ping["version"]),
        (&"shop".into(), &"1.2.3".into())
    );
    assert_eq!(ping["type"], "io.nats.micro.v1.ping_response");
    let id = ping["id"].as_str().unwrap();
    let info = asked(&bus, &format!("$SRV.INFO.shop.{id}")).await;
    assert_eq!(info["description"], "Sells.");
    assert_eq!(info["endpoints"][0]["metadata"]["schema"], "buy.json");

    for fault in [
        None,
        Some(ServiceFault {
            code: 409,
            text: "sold\nout".to_owned(),
        }),
    ] {
        let answer = async {
            let request = requests.next().await.unwrap();
            request
                .respond(Reply {
                    fault,
                    ..Reply::default()
                })
                .await
                .unwrap();
        };
        let (reply, ()) = tokio::join!(bus.request(Message::new("shop.buy", ""), DEADLINE), answer);
        reply.unwrap();
    }
    let stats = asked(&bus, "$SRV.STATS.shop").await;
    let endpoint = &stats["endpoints"][0];
    assert_eq!(
        (&endpoint["num_requests"], &endpoint["num_errors"]),
        (&2.into(), &1.into())
    );
    assert_eq!(
        (&endpoint["last_error"], &endpoint["queue_group"]),
        (&"409:sold\nout".into(), &"shops".into())
    );
    assert!(
        endpoint["average_processing_time"].as_u64().unwrap() > 0 && stats["started"].is_string()
    );

    drop(requests);
    wait_until("the service to be gone", DEADLINE, async || {
        bus.request(Message::new("$SRV.PING", ""), Duration::from_secs(1))
            .await
            .is_err()
    })
    .await;
}

#[tokio::test]
async fn subscriptions_and_services_outlive_a_restart() {
    let mut server = NatsServer::start();
    let bus = JetStreamBus::new(connect(&server).await);
    let mut requests = bus.serve(service()).await.unwrap();
    server.kill();
    wait_until("the bus to notice", DEADLINE, async || !bus.is_connected()).await;
    assert!(bus.publish(Message::new("a", "x")).await.is_err());
    server.restart();
    wait_until("the bus to be back", DEADLINE, async || bus.is_connected()).await;
    let answer = async {
        requests
            .next()
            .await
            .unwrap()
            .respond(Reply::default())
            .await
    };
    let ask = wait_until("the service to answer", DEADLINE, async || {
        bus.request(Message::new("shop.buy", ""), Duration::from_secs(1))
            .await
    });
    let (_, answered) = tokio::join!(ask, answer);
    answered.unwrap();
}
