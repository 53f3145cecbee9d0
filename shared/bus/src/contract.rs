//! What every [`Bus`] must do, as functions that each implementation's tests call.
//!
//! A case gets a connected bus and a subject prefix that nobody else uses. It panics when the bus breaks the contract.
//! [`bus_contract!`](crate::bus_contract) names all cases.

use std::time::Duration;

use futures_util::StreamExt;

use crate::{
    Bus, BusError, Endpoint, Message, Messages, Reply, RequestError, Requests, ServiceFault,
    ServiceSpec,
};

const PATIENCE: Duration = Duration::from_secs(5);

/// Calls the macro `$case` with the name of each case of the contract.
#[macro_export]
macro_rules! bus_contract {
    ($case:ident) => {
        $case!(a_message_reaches_every_subscription_that_matches);
        $case!(messages_of_one_sender_keep_their_order);
        $case!(headers_and_payload_arrive_as_they_were_sent);
        $case!(a_request_gets_the_reply);
        $case!(a_request_that_nobody_serves_fails_at_once);
        $case!(a_request_that_is_not_answered_times_out);
        $case!(a_reply_carries_payload_and_fault_together);
        $case!(each_request_goes_to_one_instance_of_the_group);
        $case!(requests_name_their_endpoint);
        $case!(a_service_that_was_dropped_serves_no_more);
        $case!(what_is_no_subject_is_refused);
        $case!(a_payload_that_is_too_large_is_refused);
    };
}

async fn next(messages: &mut Messages) -> Message {
    tokio::time::timeout(PATIENCE, messages.next())
        .await
        .expect("a message arrives in time")
        .expect("the subscription is open")
}

async fn subscribe(bus: &dyn Bus, filter: &str) -> Messages {
    bus.subscribe(filter).await.expect("the filter is valid")
}

async fn send(bus: &dyn Bus, subject: String, text: &str) {
    bus.publish(Message::new(subject, text.as_bytes().to_vec()))
        .await
        .expect("the bus takes it");
}

async fn serve(bus: &dyn Bus, prefix: &str) -> Requests {
    let endpoint = |name: &str| Endpoint {
        name: name.to_owned(),
        subject: format!("{prefix}.{name}"),
        metadata: vec![("schema".to_owned(), name.to_owned())],
    };
    let service = ServiceSpec {
        name: "contract".to_owned(),
        version: "1.2.3".to_owned(),
        description: "Serves the contract.".to_owned(),
        queue_group: "contract".to_owned(),
        endpoints: vec![endpoint("first"), endpoint("second")],
    };
    bus.serve(service).await.expect("the service starts")
}

/// Answers `count` requests with `text` and the name of the endpoint.
async fn answer(requests: &mut Requests, count: usize, text: &str) {
    for _ in 0..count {
        let request = requests.next().await.expect("the service is open");
        let payload = format!("{text} {}", request.endpoint);
        request
            .respond(Reply {
                payload: payload.into(),
                ..Reply::default()
            })
            .await
            .expect("the reply is sent");
    }
}

/// Wildcards select, and two subscriptions each get a copy.
pub async fn a_message_reaches_every_subscription_that_matches(bus: &dyn Bus, prefix: &str) {
    let mut exact = subscribe(bus, &format!("{prefix}.a.b")).await;
    let mut token = subscribe(bus, &format!("{prefix}.*.b")).await;
    let mut rest = subscribe(bus, &format!("{prefix}.>")).await;
    send(bus, format!("{prefix}.x.c"), "only the rest").await;
    send(bus, format!("{prefix}.a.b"), "all").await;

    assert_eq!(next(&mut exact).await.payload, "all");
    assert_eq!(next(&mut token).await.payload, "all");
    assert_eq!(next(&mut rest).await.payload, "only the rest");
    assert_eq!(next(&mut rest).await.subject, format!("{prefix}.a.b"));
}

/// A subscription sees the messages of one sender as they were sent.
pub async fn messages_of_one_sender_keep_their_order(bus: &dyn Bus, prefix: &str) {
    let mut messages = subscribe(bus, &format!("{prefix}.>")).await;
    for number in 0..100 {
        send(bus, format!("{prefix}.{}", number % 3), &number.to_string()).await;
    }
    for number in 0..100 {
        assert_eq!(next(&mut messages).await.payload, number.to_string());
    }
}

/// Bytes, header names and header values are untouched.
pub async fn headers_and_payload_arrive_as_they_were_sent(bus: &dyn Bus, prefix: &str) {
    let mut messages = subscribe(bus, prefix).await;
    let sent = Message::new(prefix, vec![0, 255, 13, 10])
        .with_header("Content-Type", "application/msgpack")
        .with_header("X-Text", "Grüße, with: colon");
    bus.publish(sent).await.expect("the bus takes it");

    let got = next(&mut messages).await;
    assert_eq!(got.payload.as_ref(), [0, 255, 13, 10]);
    assert_eq!(
        got.headers.value("content-type"),
        Some("application/msgpack")
    );
    assert_eq!(got.headers.value("X-Text"), Some("Grüße, with: colon"));
}

/// The reply of the service is the result of the request.
pub async fn a_request_gets_the_reply(bus: &dyn Bus, prefix: &str) {
    let mut requests = serve(bus, prefix).await;
    let ask = bus.request(
        Message::new(format!("{prefix}.first"), "question"),
        PATIENCE,
    );
    let (reply, ()) = tokio::join!(ask, answer(&mut requests, 1, "from"));
    assert_eq!(reply.expect("it was answered").payload, "from first");
}

/// That nobody serves is known long before the patience ends.
pub async fn a_request_that_nobody_serves_fails_at_once(bus: &dyn Bus, prefix: &str) {
    let ask = bus.request(Message::new(prefix, "?"), Duration::from_secs(3_600));
    let answer = tokio::time::timeout(PATIENCE, ask)
        .await
        .expect("it fails at once");
    assert!(matches!(answer, Err(RequestError::NoResponder { subject }) if subject == prefix));
}

/// Somebody listens and says nothing.
pub async fn a_request_that_is_not_answered_times_out(bus: &dyn Bus, prefix: &str) {
    let _silent = serve(bus, prefix).await;
    let subject = format!("{prefix}.first");
    let answer = bus
        .request(Message::new(subject, "?"), Duration::from_millis(50))
        .await;
    assert!(
        matches!(answer, Err(RequestError::TimedOut { waited_ms: 50, .. })),
        "{answer:?}"
    );
}

/// A failure is told in the protocol's headers, and the payload comes along.
pub async fn a_reply_carries_payload_and_fault_together(bus: &dyn Bus, prefix: &str) {
    let mut requests = serve(bus, prefix).await;
    let ask = bus.request(Message::new(format!("{prefix}.second"), "?"), PATIENCE);
    let fail = async {
        let request = requests.next().await.expect("the service is open");
        let fault = Some(ServiceFault {
            code: 409,
            text: "already there".to_owned(),
        });
        let reply = Reply {
            payload: "details".into(),
            fault,
            ..Reply::default()
        };
        request.respond(reply).await.expect("the reply is sent");
    };
    let (reply, ()) = tokio::join!(ask, fail);
    let reply = reply.expect("it was answered");
    assert_eq!(reply.payload, "details");
    assert_eq!(
        reply.headers.value("Nats-Service-Error"),
        Some("already there")
    );
    assert_eq!(reply.headers.value("Nats-Service-Error-Code"), Some("409"));
}

/// Two instances share the requests; none is served twice.
pub async fn each_request_goes_to_one_instance_of_the_group(bus: &dyn Bus, prefix: &str) {
    let (mut one, mut two) = (serve(bus, prefix).await, serve(bus, prefix).await);
    let ask = async {
        for _ in 0..20 {
            let asked = Message::new(format!("{prefix}.first"), "?");
            bus.request(asked, PATIENCE).await.expect("it is answered");
        }
    };
    let mut served = 0;
    let serve_both = async {
        while served < 20 {
            let request = tokio::select! {
                request = one.next() => request,
                request = two.next() => request,
            };
            served += 1;
            request
                .expect("open")
                .respond(Reply::default())
                .await
                .expect("the reply is sent");
        }
    };
    tokio::join!(ask, serve_both);
    let more = async {
        tokio::select! { _ = one.next() => (), _ = two.next() => () }
    };
    assert!(
        tokio::time::timeout(Duration::from_millis(50), more)
            .await
            .is_err()
    );
}

/// One stream of requests serves several endpoints.
pub async fn requests_name_their_endpoint(bus: &dyn Bus, prefix: &str) {
    let mut requests = serve(bus, prefix).await;
    let ask = async {
        let mut replies = Vec::new();
        for name in ["second", "first"] {
            let asked = Message::new(format!("{prefix}.{name}"), "?");
            replies.push(
                bus.request(asked, PATIENCE)
                    .await
                    .expect("it is answered")
                    .payload,
            );
        }
        replies
    };
    let (replies, ()) = tokio::join!(ask, answer(&mut requests, 2, "at"));
    assert_eq!(replies, ["at second", "at first"]);
}

/// Dropping the requests is the end of the service.
pub async fn a_service_that_was_dropped_serves_no_more(bus: &dyn Bus, prefix: &str) {
    drop(serve(bus, prefix).await);
    let asked = Message::new(format!("{prefix}.first"), "?");
    let answer = bus.request(asked, PATIENCE).await;
    assert!(
        matches!(answer, Err(RequestError::NoResponder { .. })),
        "{answer:?}"
    );
}

/// Wildcards, blanks and empty tokens are told at once.
pub async fn what_is_no_subject_is_refused(bus: &dyn Bus, prefix: &str) {
    for bad in [
        "",
        "a b",
        &format!("{prefix}.*"),
        &format!("{prefix}..a"),
        &format!("{prefix}."),
    ] {
        let sent = bus.publish(Message::new(bad, "x")).await;
        assert!(
            matches!(sent, Err(BusError::Refused { .. })),
            "{bad:?} gave {sent:?}"
        );
    }
    for bad in ["", "a b", &format!("{prefix}.>.a"), &format!("{prefix}..a")] {
        let refused = matches!(bus.subscribe(bad).await, Err(BusError::Refused { .. }));
        assert!(refused, "{bad:?} was subscribed");
    }
}

/// A payload above the server's limit is told at once, and the connection lives on.
pub async fn a_payload_that_is_too_large_is_refused(bus: &dyn Bus, prefix: &str) {
    let mut messages = subscribe(bus, prefix).await;
    let sent = bus.publish(Message::new(prefix, vec![0; 1_048_577])).await;
    assert!(matches!(sent, Err(BusError::Refused { .. })), "{sent:?}");
    send(bus, prefix.to_owned(), "small").await;
    assert_eq!(next(&mut messages).await.payload, "small");
}
