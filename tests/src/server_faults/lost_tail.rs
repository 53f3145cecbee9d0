//! A server whose folder was restored from an old copy under services that had seen more.

use std::time::Duration;

use nogfso_testkit::wait_until_blocking;
use serde_json::{Value, json};

use super::{DEADLINE, REGISTRY, adopt, assert_all_is_well, id_of, last_sequences};
use crate::end_to_end::asking::Asks;
use crate::loaded::asking::one_try;
use crate::loaded::fleet::{Fleet, connect};
use crate::loaded::{HOST, begin, on_a_runtime, quiet};

/// So many that both gateways have answered some.
const QUESTION_COUNT: usize = 12;
/// How long nobody may append; longer only makes the test slower.
const NEVER: Duration = Duration::from_secs(2);

#[test]
fn a_restored_copy_is_noticed_by_all_and_left_alone_until_they_are_started_again() {
    let mut fleet = Fleet::start();
    on_a_runtime(begin(&fleet));
    let kept = id_of(&adopt(&fleet, "kept", 3));
    settle(&fleet);
    let copies = tempfile::tempdir().unwrap();
    let copy = copies.path().join("copy");
    fleet.server().kill();
    fleet.server().copy_store(&copy);
    fleet.server().restart();
    let served = ["workers"];
    wait_until_blocking("the services to be back", DEADLINE, || {
        fleet.ctl(&served).status == 0
    });
    let mut watcher = fleet.ctl_process(&["events", "registry", REGISTRY, "--watch"]);
    let lost = id_of(&adopt(&fleet, "lost", 3));
    fleet.ctl(&["stat", "--wait=60s", &kept]).ok();
    watcher.wait_for_line(&lost, DEADLINE);
    settle(&fleet);
    let known = last_sequences(&mut fleet);

    fleet.server().kill();
    fleet.server().restore_store(&copy);
    fleet.server().restart();
    let restored = last_sequences(&mut fleet);
    assert!(
        known.iter().all(|(stream, last)| restored[stream] < *last),
        "each stream lost something: {known:?}, {restored:?}"
    );
    fleet.wait_for_line_of_each("history changed behind its back");
    for answer in on_a_runtime(answers(&fleet)) {
        assert_eq!(answer["code"], "unavailable", "{answer}");
        let message = answer["message"].as_str().unwrap();
        assert!(message.contains("lost messages"), "{message}");
    }
    std::thread::sleep(NEVER);
    assert_eq!(last_sequences(&mut fleet), restored, "nothing was appended");
    fleet.look_after();
    assert!(fleet.ended.is_empty(), "{:?}", fleet.ended);

    // The operator accepts what is left.
    for at in 0..fleet.members.len() {
        fleet.kill(at);
    }
    fleet.heal();
    assert!(
        !watcher.exit_status(DEADLINE).success(),
        "a watcher that saw more does not go on as if nothing were: {:?}",
        watcher.lines()
    );
    fleet.ctl(&["get", "repo", &lost]).failed(3);
    assert_ne!(id_of(&adopt(&fleet, "lost", 3)), lost);
    fleet.ctl(&["stat", "--wait=60s", &kept]).ok();
    assert_all_is_well(&fleet);
}

/// Waits until everything is carried, so that each process has seen the end of its streams.
fn settle(fleet: &Fleet) {
    on_a_runtime(async {
        let journal = quiet::journal(fleet).await;
        quiet::until_quiet(&journal).await.expect("it settles");
    });
}

/// What commands and queries are answered; all must be errors.
async fn answers(fleet: &Fleet) -> Vec<Value> {
    let nats = connect(fleet.broker.urls(), &fleet.accounts.operator)
        .await
        .expect("the server takes the operator");
    let mut answers = Vec::new();
    for n in 0..QUESTION_COUNT {
        let root = json!({"registry": REGISTRY, "global_root": format!("/new/{n}"), "host": HOST});
        for (subject, asked) in [
            ("fso.cmd.root.init", root),
            ("fso.get.repos", json!({"registry": REGISTRY})),
        ] {
            let payload = asked.to_string();
            let answer = one_try(&nats, subject, payload.as_bytes()).await;
            let answer = answer.expect("a gateway that runs answers");
            answers.push(answer.expect_err("nothing is answered from a history that changed"));
        }
    }
    answers
}

#[test]
fn a_server_that_only_was_away_is_taken_back() {
    let mut fleet = Fleet::start();
    on_a_runtime(begin(&fleet));
    let repo = id_of(&adopt(&fleet, "a repo", 3));
    for _ in 0..3 {
        fleet.server().restart();
        wait_until_blocking("the services to be back", DEADLINE, || {
            let answer = fleet.ctl(&["stat", "--wait=60s", &repo]);
            if answer.status == 0 {
                Ok(())
            } else {
                Err(answer)
            }
        });
    }
    assert_all_is_well(&fleet);
    for at in 0..fleet.members.len() {
        fleet.note_alarms(at);
    }
    assert!(fleet.alarms.is_empty(), "{:?}", fleet.alarms);
}
