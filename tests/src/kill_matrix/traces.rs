//! What an errand leaves: each thing once, whatever happened on the way, and nothing in hand.

use nogfso_domain::registry::RegistryEvent;
use nogfso_domain::repo::RepoEvent;
use nogfso_domain::work::{WorkEvent, WorkResult};
use nogfso_ids::{RepoId, RequestId};
use nogfso_testkit::wait_until_blocking;
use serde_json::{Value, json};

use crate::end_to_end::DEADLINE;
use crate::end_to_end::asking::{Asks, git};
use crate::end_to_end::world::World;
use crate::witness::{Witness, lock_holder};

/// How the consumers of the feed are named. A commit that it had in hand in a crash comes again after an ack wait of its own,
/// which is long and holds up nobody.
const FEED: &str = "feed-";

/// What was asked of a repo: its adoption, and perhaps a stat after a change.
pub(super) struct Expected {
    pub(super) repo: RepoId,
    pub(super) stat: Option<RequestId>,
}

/// Waits until nothing that was asked is left to do, and nobody has anything in hand.
pub(super) fn settle(world: &World, witness: &Witness, expected: &Expected) {
    wait_until_blocking("the end of the work", DEADLINE, || {
        let events = witness.repo_events(expected.repo);
        let stands = |event: &RepoEvent| matches!(event, RepoEvent::ShadowCreated { .. });
        let work = witness.work_state(expected.repo);
        let is_done = events.iter().any(stands)
            && work.claim.is_none()
            && work.backlog.requests.is_empty()
            && expected
                .stat
                .is_none_or(|stat| work.finished(stat).is_some());
        if is_done { Ok(()) } else { Err((events, work)) }
    });
    settle_deliveries(world, |consumer| !consumer.starts_with(FEED));
}

/// Waits until every delivery of every consumer is acknowledged.
pub(super) fn settle_all_deliveries(world: &World) {
    settle_deliveries(world, |_| true);
}

fn settle_deliveries(world: &World, counts: impl Fn(&str) -> bool) {
    wait_until_blocking("no delivery to be under way", DEADLINE, || {
        let mut under_way = deliveries_under_way(world)?;
        under_way.retain(|consumer| counts(consumer));
        if under_way.is_empty() {
            Ok(())
        } else {
            Err(under_way.join(", "))
        }
    });
}

/// The durable consumers with something that is not delivered or not acknowledged.
fn deliveries_under_way(world: &World) -> Result<Vec<String>, String> {
    let path = "/jsz?accounts=true&streams=true&consumers=true&config=true";
    let state = world.server.monitor(path);
    let state = state.map_err(|error| error.to_string())?;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut durable_count = 0;
    let mut found = vec![];
    for account in list(&state["account_details"]) {
        for stream in list(&account["stream_detail"]) {
            for consumer in list(&stream["consumer_detail"]) {
                if !consumer["config"]["durable_name"].is_string() {
                    continue;
                }
                durable_count += 1;
                let [pending, unanswered] =
                    ["num_pending", "num_ack_pending"].map(|key| consumer[key].as_u64());
                if (pending, unanswered) != (Some(0), Some(0)) {
                    let name = consumer["name"].as_str().unwrap_or_default();
                    found.push(format!("{name}: {pending:?}, {unanswered:?}"));
                }
            }
        }
    }
    if durable_count == 0 {
        return Err("the server tells of no consumer".to_owned());
    }
    Ok(found)
}

/// Looks at everything that tells of the repo.
pub(super) fn examine(world: &World, witness: &Witness, expected: &Expected) {
    examine_histories(witness, expected);
    examine_work(witness, expected);
    examine_disk(world, witness, expected);
    let parked = witness.accepted("fso.get.parked", &json!({}));
    assert_eq!(parked["entries"], json!([]));
}

fn examine_histories(witness: &Witness, expected: &Expected) {
    let events = witness.registry_events();
    let count = |is_one: &dyn Fn(&RegistryEvent) -> bool| {
        events.iter().filter(|event| is_one(event)).count()
    };
    let accepted = count(
        &|event| matches!(event, RegistryEvent::RepoAccepted { repo_info, .. } if repo_info.id == expected.repo),
    );
    let added = count(
        &|event| matches!(event, RegistryEvent::RepoAdded { repo_info, .. } if repo_info.id == expected.repo),
    );
    assert_eq!((accepted, added), (1, 1), "the registry has the repo once");
    let events = witness.repo_events(expected.repo);
    assert!(
        matches!(
            events.as_slice(),
            [
                RepoEvent::InitStarted { .. },
                RepoEvent::ShadowCreated { .. }
            ]
        ),
        "{events:?}"
    );
}

fn examine_work(witness: &Witness, expected: &Expected) {
    let (mut requested, mut finished) = (vec![], vec![]);
    let mut epoch_before = 0;
    for commit in witness.work(expected.repo) {
        for stored in commit.envelope.events {
            match stored.fact {
                WorkEvent::Requested { request_id, .. } => requested.push(request_id),
                WorkEvent::Finished {
                    request_id, result, ..
                } => {
                    assert!(matches!(result, WorkResult::Done(_)), "{result:?}");
                    finished.push(request_id);
                }
                WorkEvent::Claimed { epoch, .. } => {
                    assert!(epoch > epoch_before, "epochs rise");
                    epoch_before = epoch;
                }
                WorkEvent::Cancelled { .. }
                | WorkEvent::Started { .. }
                | WorkEvent::Deferred { .. }
                | WorkEvent::Released { .. }
                | WorkEvent::Revoked { .. }
                | WorkEvent::Woken { .. } => {}
            }
        }
    }
    let errand_count = 1 + usize::from(expected.stat.is_some());
    assert_eq!(requested.len(), errand_count, "{requested:?}");
    assert_eq!(finished, requested, "each request ended once");
    assert!(expected.stat.is_none_or(|stat| requested[1] == stat));
    let work = witness.work_state(expected.repo);
    assert!(work.claim.is_none() && work.backlog.requests.is_empty());
}

fn examine_disk(world: &World, witness: &Witness, expected: &Expected) {
    let lock = world
        .shadow_root()
        .join(format!(".nogfso/locks/{}.main", expected.repo));
    assert_eq!(lock_holder(&lock), None, "no lock is held");
    let mark = std::fs::read_to_string(&lock).expect("a worker has been there");
    let epoch = witness.work_state(expected.repo).epoch;
    assert!(mark.starts_with(&format!("{epoch} ")), "{mark} at {epoch}");
    let shadow = world.shadow(&expected.repo.to_string());
    let place = shadow.parent().expect("a shadow lies in a folder");
    let entries = std::fs::read_dir(place).expect("the folder is there");
    assert_eq!(entries.count(), 1, "nothing lies beside the shadow");
    let found = git(&shadow, &["fsck", "--full", "--strict"]);
    assert!(
        !found.contains("missing") && !found.contains("error"),
        "{found}"
    );
    let commits = git(&shadow, &["rev-list", "--count", "master-stat"]);
    let commit_count = 2 + usize::from(expected.stat.is_some());
    assert_eq!(commits, commit_count.to_string(), "nothing was done twice");
}
