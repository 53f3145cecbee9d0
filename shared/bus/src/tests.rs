//! The in-memory bus passes the contract and can be cut off.

use std::time::Duration;

use futures_util::StreamExt;

use crate::{Bus, BusError, MemoryBus, Message, RequestError, SUBSCRIPTION_MESSAGES_MAX, contract};

macro_rules! case {
    ($name:ident) => {
        #[tokio::test(start_paused = true)]
        async fn $name() {
            contract::$name(&MemoryBus::new(), "contract.case").await;
        }
    };
}

crate::bus_contract!(case);

#[tokio::test]
async fn a_client_that_is_cut_off_sends_nothing_and_misses_what_is_sent() {
    let here = MemoryBus::new();
    let there = here.another_client();
    let mut messages = there.subscribe("a").await.unwrap();

    there.disconnect();
    assert!(!there.is_connected());
    assert!(matches!(
        there.publish(Message::new("a", "x")).await,
        Err(BusError::Disconnected)
    ));
    let asked = there
        .request(Message::new("a", "x"), Duration::from_secs(1))
        .await;
    assert!(matches!(
        asked,
        Err(RequestError::Bus(BusError::Disconnected))
    ));
    here.publish(Message::new("a", "missed")).await.unwrap();

    there.reconnect();
    here.publish(Message::new("a", "seen")).await.unwrap();
    assert_eq!(messages.next().await.unwrap().payload, "seen");
}

#[tokio::test]
async fn a_slow_reader_loses_the_oldest() {
    let bus = MemoryBus::new();
    let mut messages = bus.subscribe("a").await.unwrap();
    for number in 0..=SUBSCRIPTION_MESSAGES_MAX {
        bus.publish(Message::new("a", number.to_string()))
            .await
            .unwrap();
    }
    assert_eq!(messages.next().await.unwrap().payload, "1");
}

#[tokio::test]
async fn dropping_a_subscription_ends_it() {
    let bus = MemoryBus::new();
    drop(bus.subscribe("a").await.unwrap());
    let asked = bus
        .request(Message::new("a", "x"), Duration::from_secs(1))
        .await;
    assert!(matches!(asked, Err(RequestError::NoResponder { .. })));
}
