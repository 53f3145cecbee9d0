//! The server is restarted under load while a long stat runs: its holder keeps it.

use std::sync::atomic::{AtomicBool, Ordering};

use nogfso_faults::COST_PER_FILE_US;
use nogfso_testkit::wait_until_blocking;
use serde_json::Value;

use super::{DEADLINE, adopt, assert_all_is_well, id_of};
use crate::checker::raw;
use crate::end_to_end::asking::Asks;
use crate::loaded::broker::Broker;
use crate::loaded::fleet::Fleet;
use crate::loaded::{begin, on_a_runtime, quiet};

/// Files of the long stat; each takes some milliseconds, so that it outlasts a restart and the ack wait.
const FILE_COUNT: usize = 2_000;
const COST_US: &str = "3000";
/// Who loads the server meanwhile.
const LOADER_COUNT: usize = 3;

#[test]
fn a_long_stat_goes_on_in_the_same_hands_when_the_server_is_restarted() {
    let mut fleet = Fleet::start_with(&[(COST_PER_FILE_US, COST_US)], Broker::one);
    on_a_runtime(begin(&fleet));
    let small: Vec<String> = (0..LOADER_COUNT)
        .map(|n| id_of(&adopt(&fleet, &format!("small {n}"), 3)))
        .collect();
    let long = id_of(&adopt(&fleet, "long", FILE_COUNT));
    let accepted = fleet.ctl_json(&["stat", &long]);
    let request = accepted["request"].as_str().expect("an id").to_owned();
    let context = fleet.context();
    let stop = AtomicBool::new(false);
    let loaded = std::thread::scope(|scope| {
        let loaders: Vec<_> = small
            .iter()
            .map(|repo| {
                let (context, stop) = (&context, &stop);
                scope.spawn(move || load(context, repo, stop))
            })
            .collect();
        wait_until_blocking("the long stat to run", DEADLINE, || {
            state(&fleet, &long, &request) == "running"
        });
        fleet.server().restart();
        let after = wait_until_blocking("an answer after the restart", DEADLINE, || {
            let state = state(&fleet, &long, &request);
            (!state.is_null()).then_some(state)
        });
        assert_eq!(after, "running", "else the test shows nothing");
        fleet
            .ctl(&["request", "get", "--wait=60s", &long, &request])
            .ok();
        stop.store(true, Ordering::SeqCst);
        let ended = loaders.into_iter().map(|loader| loader.join());
        ended
            .map(|count| count.expect("it does not panic"))
            .sum::<u32>()
    });
    let told = epochs_of(&fleet, &request);
    println!("{loaded} other stats ended meanwhile; the long one: {told:?}");
    assert_eq!(
        told.len(),
        1,
        "started once, ended in the same epoch: {told:?}"
    );
    assert!(loaded > 0);
    assert_all_is_well(&fleet);
}

/// Stats a repo again and again; how many ended well.
fn load(context: &std::path::Path, repo: &str, stop: &AtomicBool) -> u32 {
    let mut ended = 0;
    while !stop.load(Ordering::SeqCst) {
        let mut command = crate::end_to_end::asking::ctl_command(context);
        command.args(["--timeout=5s", "stat", "--wait=10s", repo]);
        let status = command.output().map(|output| output.status);
        ended += u32::from(status.is_ok_and(|status| status.success()));
    }
    ended
}

fn state(fleet: &Fleet, repo: &str, request: &str) -> Value {
    let answer = fleet.ctl(&["--output=json", "request", "get", repo, request]);
    let info: Value = serde_json::from_str(&answer.stdout).unwrap_or_default();
    info["state"].clone()
}

/// The epochs in which the request was started or ended, each once.
fn epochs_of(fleet: &Fleet, request: &str) -> Vec<u64> {
    let messages = on_a_runtime(async {
        let journal = quiet::journal(fleet).await;
        raw::read(&journal, "FSO_WORK").await
    });
    let mut epochs: Vec<u64> = Vec::new();
    for message in messages.expect("the server hands out its stream") {
        let value: Value = rmp_serde::from_slice::<Named>(&message.payload)
            .map(|named| named.events.into())
            .unwrap_or_default();
        for event in value.as_array().into_iter().flatten() {
            let data = &event["fact"]["data"];
            if data["request_id"] == request
                && let Some(epoch) = data["epoch"].as_u64()
                && !epochs.contains(&epoch)
            {
                epochs.push(epoch);
            }
        }
    }
    epochs
}

/// What is looked at in a commit.
#[derive(serde::Deserialize)]
struct Named {
    events: Vec<Value>,
}
