//! The end of a run: waiting until nothing moves any more, and taking everything down.

use std::time::Duration;

use async_nats::{Client, jetstream};
use futures_util::TryStreamExt;
use nogfso::accounts::SERVICE;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::asking::one_try;
use super::fleet::Fleet;
use crate::checker::answers::Answers;
use crate::checker::{STREAMS, raw};

/// Far above what it takes; alarms for another try come after a minute.
const QUIET_PATIENCE: Duration = Duration::from_secs(150);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How many looks in a row must find nothing moving.
const STILL_LOOKS: u32 = 5;
const ANSWER_PATIENCE: Duration = Duration::from_secs(60);
const PAGE_ROWS: u64 = 500;

/// A connection in the journal's account.
pub(crate) async fn journal(fleet: &Fleet) -> Client {
    let password = fleet.accounts.service.reveal().to_owned();
    async_nats::ConnectOptions::with_user_and_password(SERVICE.to_owned(), password)
        .connect(fleet.broker.urls())
        .await
        .expect("the server takes the services' user")
}

/// Waits until no consumer has anything to do and no stream grows. What still moves at the deadline is told.
pub(crate) async fn until_quiet(client: &Client) -> Result<(), String> {
    let context = jetstream::new(client.clone());
    let deadline = Instant::now() + QUIET_PATIENCE;
    let mut before = None;
    let mut still = 0;
    loop {
        let now = look(&context).await.map_err(|error| error.to_string());
        let moves = match &now {
            Ok((counts, busy)) => before.as_ref() != Some(counts) || !busy.is_empty(),
            Err(_) => true,
        };
        still = if moves { 0 } else { still + 1 };
        if still >= STILL_LOOKS {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(format!("{now:?}"));
        }
        before = now.ok().map(|(counts, _)| counts);
        sleep(LOOK_EVERY).await;
    }
}

type Look = (Vec<(String, u64)>, Vec<String>);

/// The last sequence of each stream, and the consumers that have something to do.
async fn look(context: &jetstream::Context) -> Result<Look, async_nats::Error> {
    let (mut counts, mut busy) = (Vec::new(), Vec::new());
    for name in STREAMS.into_iter().chain(["FSO_TIMER"]) {
        let mut stream = context.get_stream(name).await?;
        let state = stream.info().await?.state.clone();
        if name == "FSO_TIMER" && state.messages > 0 {
            busy.push(format!("{} alarms", state.messages));
        }
        counts.push((name.to_owned(), state.last_sequence));
        let mut consumers = stream.consumers();
        while let Some(info) = consumers.try_next().await? {
            // The feed acknowledges before it publishes; what it lost comes back late and moves nothing.
            let is_feed = info.name.starts_with("feed-");
            let is_idle = info.num_pending == 0 && info.num_ack_pending == 0;
            if info.config.durable_name.is_some() && !is_feed && !is_idle {
                busy.push(format!(
                    "{}: {} to come, {} in hand",
                    info.name, info.num_pending, info.num_ack_pending
                ));
            }
        }
    }
    Ok((counts, busy))
}

/// Every message of the journal.
pub(crate) async fn messages(client: &Client) -> Vec<raw::Raw> {
    let mut messages = Vec::new();
    for stream in STREAMS {
        let read = raw::read(client, stream).await;
        messages.extend(read.expect("a healed server hands out its streams"));
    }
    messages
}

/// Every entry that could not be processed.
pub(crate) async fn parked(client: &Client) -> Value {
    answer(client, "fso.get.parked", json!({})).await["entries"].take()
}

/// What all queries answer.
pub(crate) async fn answers(client: &Client) -> Answers {
    let registries = answer(client, "fso.get.registries", json!({})).await;
    let mut answers = Answers::default();
    let rows = registries["registries"].as_array();
    let names: Vec<String> = rows
        .into_iter()
        .flatten()
        .filter_map(|row| row["name"].as_str().map(str::to_owned))
        .collect();
    answers.registries = Some(registries);
    for name in names {
        let named = json!({"registry": name});
        let info = answer(client, "fso.get.registry", named.clone()).await;
        answers.registry.insert(name.clone(), info);
        let roots = answer(client, "fso.get.roots", named).await;
        answers.roots.insert(name.clone(), roots);
        let mut rows = Vec::new();
        let mut asked = json!({"registry": name, "limit": PAGE_ROWS});
        loop {
            let mut page = answer(client, "fso.get.repos", asked.clone()).await;
            rows.extend(page["repos"].as_array().cloned().unwrap_or_default());
            asked["after"] = page["next"].take();
            if asked["after"].is_null() {
                break;
            }
        }
        for id in rows.iter().filter_map(|row| row["id"].as_str()) {
            let info = answer(client, "fso.get.repo", json!({"repo": id})).await;
            answers.repo.insert(id.to_owned(), info);
        }
        answers.repos.insert(name, rows);
    }
    answers
}

async fn answer(client: &Client, subject: &str, asked: Value) -> Value {
    let deadline = Instant::now() + ANSWER_PATIENCE;
    let mut seen = None;
    while Instant::now() < deadline {
        match one_try(client, subject, asked.to_string().as_bytes()).await {
            Some(Ok(answer)) => return answer,
            other => seen = other,
        }
        sleep(LOOK_EVERY).await;
    }
    panic!("{subject} {asked}: {seen:?}");
}
