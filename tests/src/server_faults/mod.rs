//! The NATS server itself goes wrong while the services run on: it is restarted, loses what it had, has no room.
//!
//! What the adapter alone shows (three replicas, their leader, their odd answers) is tested there, in `shared/jetstream`.

mod disk_full;
mod long_stat;
mod lost_tail;

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::checker::judge;
use crate::end_to_end::asking::Asks;
use crate::loaded::fleet::Fleet;
use crate::loaded::{AUTHOR, REGISTRIES, on_a_runtime, taken_down};

/// Far above what anything here takes, for a machine that is busy.
const DEADLINE: Duration = Duration::from_secs(60);
const REGISTRY: &str = REGISTRIES[0];

/// Makes a directory with `file_count` files and adopts it; the answer, with the id as `repo`.
fn adopt(fleet: &Fleet, name: &str, file_count: usize) -> Value {
    let realdir = fleet.host_root(REGISTRY).join(name);
    fs::create_dir_all(&realdir).expect("the temporary folder can be written");
    for n in 0..file_count {
        fs::write(realdir.join(format!("file {n}")), "content")
            .expect("the temporary folder can be written");
    }
    let (author, path) = (
        format!("--author={AUTHOR}"),
        format!("/load/{REGISTRY}/{name}"),
    );
    fleet.ctl_json(&["init", "repo", "--wait=60s", &author, REGISTRY, &path])
}

fn id_of(adopted: &Value) -> String {
    adopted["repo"].as_str().expect("an id").to_owned()
}

/// The last sequence of each stream of the journal.
fn last_sequences(fleet: &mut Fleet) -> BTreeMap<String, u64> {
    let state = fleet.server().monitor("/jsz?accounts=true&streams=true");
    let state = state.expect("the server tells its state");
    let accounts = state["account_details"].as_array().cloned();
    let streams = accounts
        .unwrap_or_default()
        .into_iter()
        .flat_map(|account| {
            let streams = account["stream_detail"].as_array().cloned();
            streams.unwrap_or_default()
        });
    streams
        .map(|stream| {
            let name = stream["name"].as_str().expect("a stream has a name");
            let last = stream["state"]["last_seq"].as_u64().expect("a sequence");
            (name.to_owned(), last)
        })
        .filter(|(name, _)| crate::checker::STREAMS.contains(&name.as_str()))
        .collect()
}

/// Everything ends, and the judge has nothing to say.
fn assert_all_is_well(fleet: &Fleet) {
    let end = on_a_runtime(taken_down(fleet, vec![]));
    let complaints = judge(&end.evidence).complaints;
    assert!(complaints.is_empty(), "{complaints:#?}");
    assert_eq!(end.quiet, Ok(()));
    assert_eq!(end.parked, serde_json::json!([]));
}
