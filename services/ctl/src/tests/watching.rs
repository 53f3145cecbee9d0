//! Watching events: none missed, none twice, whatever becomes of the gateway.

use nogfso_bus::MemoryBus;
use serde_json::{Value, json};

use super::played::{Paper, alone, event, ok, play, refused, served, typed, until};
use crate::exit::Exit;

fn page(events: &[u32], caught_up: bool) -> Option<Value> {
    let next = events.last().map(|n| format!("{n:026}@{n}"));
    let events: Vec<_> = events.iter().map(|n| event(*n)).collect();
    ok(json!({"events": events, "next": next, "caught_up": caught_up}))
}

/// The numbers of the events that were shown.
fn shown(out: &str) -> Vec<u32> {
    let lines = out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .map(|event| event["id"].as_str().unwrap().parse().unwrap())
        .collect()
}

/// Watches while the gateway gives `answers` one after the other, until event `last` is shown or the watch ends.
async fn watched(answers: Vec<Option<Value>>, last: u32) -> (Vec<u32>, String, Vec<Value>) {
    let bus = MemoryBus::new();
    let (out, err) = (Paper::default(), Paper::default());
    let mut answers = answers.into_iter();
    let mut calls = vec![];
    let requests = served(&bus).await;
    let gateway = play(requests, async |_: &str, call: Value| {
        calls.push(call);
        answers.next().unwrap_or(page(&[], true))
    });
    tokio::select! {
        _ = alone(&["events", "registry", "exreg", "--watch"], &bus, &out, &err) => {}
        () = gateway => {}
        () = until("the last event", || shown(&out.text()).contains(&last)) => {}
    }
    (shown(&out.text()), err.text(), calls)
}

#[tokio::test(start_paused = true)]
async fn a_listing_goes_through_all_pages_and_ends() {
    let bus = MemoryBus::new();
    let mut pages = [page(&[1, 2], false), page(&[3], true)].into_iter();
    let ended = typed(
        &["events", "registry", "exreg"],
        &bus,
        async |_: &str, _| pages.next().unwrap(),
    )
    .await;
    assert_eq!((ended.exit, shown(&ended.out)), (Exit::Done, vec![1, 2, 3]));
    assert_eq!(ended.err, "");
    assert!(
        ended.out.contains(r#""rootInfo":{"globalRoot":"/ex/r_1"}"#),
        "{}",
        ended.out
    );
}

#[tokio::test(start_paused = true)]
async fn a_watch_goes_on_where_it_was_and_says_when_it_waits() {
    let (events, err, calls) = watched(
        vec![
            page(&[1, 2], false),
            page(&[3], true),
            page(&[], true),
            page(&[4], true),
        ],
        4,
    )
    .await;
    assert_eq!(events, [1, 2, 3, 4]);
    assert_eq!(err.lines().next(), Some("# Waiting for more events."));
    let asked: Vec<_> = calls
        .iter()
        .take(4)
        .map(|call| call["after"].as_str())
        .collect();
    let id = |n: u32| format!("{n:026}@{n}");
    assert_eq!(asked, [None, Some(&*id(2)), Some(&*id(3)), Some(&*id(3))]);
    assert_eq!(calls[1]["wait"], Value::Null);
    assert_eq!(calls[2]["wait"], "5000ms");
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_asked_for_again() {
    let (events, err, _) = watched(vec![page(&[1], true), None, None, page(&[2], true)], 2).await;
    assert_eq!(events, [1, 2]);
    assert_eq!(err.matches("asking again").count(), 1, "{err}");
}

#[tokio::test(start_paused = true)]
async fn a_repeated_reply_shows_nothing_twice() {
    let (events, _, _) = watched(
        vec![
            page(&[1, 2], true),
            page(&[1, 2], true),
            page(&[2, 3], true),
            page(&[1, 2, 3, 4], true),
        ],
        4,
    )
    .await;
    assert_eq!(events, [1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_with_a_gap_is_not_shown_but_asked_for_again() {
    let (events, _, _) = watched(
        vec![page(&[1], true), page(&[3], true), page(&[2, 3], true)],
        3,
    )
    .await;
    assert_eq!(events, [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_gap_that_stays_ends_the_watch() {
    let gaps = std::iter::repeat_n(page(&[3], true), 6);
    let (events, err, _) =
        watched(std::iter::once(page(&[1], true)).chain(gaps).collect(), 3).await;
    assert_eq!(events, [1]);
    assert!(err.contains("fatal: event"), "{err}");
}

#[tokio::test(start_paused = true)]
async fn a_busy_gateway_is_given_time() {
    let busy = refused(
        "busy",
        "too many callers wait",
        json!({"retry_after_ms": 700}),
    );
    let (events, _, _) = watched(vec![page(&[1], true), busy, page(&[2], true)], 2).await;
    assert_eq!(events, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_ends_the_watch() {
    let denied = refused("denied", "not for you", json!({}));
    let (_, err, _) = watched(vec![denied], 1).await;
    assert!(err.starts_with("fatal: not for you\n"), "{err}");
}

#[tokio::test(start_paused = true)]
async fn a_watch_outlives_its_gateway() {
    let bus = MemoryBus::new();
    let (out, err) = (Paper::default(), Paper::default());
    let first = served(&bus).await;
    tokio::select! {
        exit = alone(&["events", "registry", "exreg", "--watch"], &bus, &out, &err) => {
            panic!("the watch ended with {exit:?}")
        }
        () = async {
            tokio::select! {
                () = play(first, async |_: &str, _| page(&[1], true)) => {}
                () = until("the first event", || !shown(&out.text()).is_empty()) => {}
            }
            until("the outage is told", || err.text().contains("no gateway answers")).await;
            let second = served(&bus).await;
            tokio::select! {
                () = play(second, async |_: &str, _| page(&[1, 2], true)) => {}
                () = until("the second event", || shown(&out.text()).len() == 2) => {}
            }
        } => {}
    }
    assert_eq!(shown(&out.text()), [1, 2]);
}
