//! A small journal in which all is well, to be spoilt by tests.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_bytes::ByteBuf;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::checker::promises::{Promise, Told};
use crate::checker::raw::Raw;

pub(super) const MAIN: &str = "fso.ev._.main.main";
pub(super) const REGISTRY: &str = "fso.ev.ex.registry.ex";
pub(super) const REPO: &str = "fso.ev.ex.repo.r1";
pub(super) const LANE: &str = "fso.ev.ex.work.host.main.r1";
pub(super) const ACTOR: &str = "user:alice";

/// A commit that is to be.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) subject: &'static str,
    pub(super) command: Option<&'static str>,
    pub(super) facts: Vec<(&'static str, Value)>,
}

fn step(subject: &'static str, facts: &[(&'static str, Value)]) -> Step {
    Step {
        subject,
        command: None,
        facts: facts.to_vec(),
    }
}

/// A registry with a root and a repo, which got its shadow and then failed at a stat that was asked for as `c1`.
pub(super) fn story() -> Vec<Step> {
    let init_done =
        json!({"end": "done", "shadow_path": "/s/r1.fso", "problems": {"path_count": 0}});
    let failed = json!({"end": "failed", "code": "realdir-missing", "message": "gone"});
    let mut steps = registered();
    steps.extend(worked_off("q1", "init", (1, &init_done), &[]));
    steps.push(step(
        REPO,
        &[(
            "EV_FSO_SHADOW_REPO_CREATED",
            json!({"shadow_repo_info": {"shadow_path": "/s/r1.fso"}, "request_id": "q1", "result_number": 1}),
        )],
    ));
    steps.extend(worked_off("q2", "stat", (2, &failed), &["q1"]));
    steps.push(step(
        REPO,
        &[(
            "EV_FSO_REPO_ERROR_SET",
            json!({"operation": "stat", "error_code": "realdir-missing", "error_message": "gone", "request_id": "q2",
                "result_number": 2}),
        )],
    ));
    let asked = steps
        .iter_mut()
        .find(|step| step.facts[0].1["request_id"] == "q2")
        .expect("the story has it");
    asked.command = Some("c1");
    steps
}

/// A registry with a root and a repo that was begun.
fn registered() -> Vec<Step> {
    vec![
        step(
            MAIN,
            &[("EV_FSO_MAIN_INITIALIZED", json!({"main_name": "main"}))],
        ),
        step(
            MAIN,
            &[("EV_FSO_REGISTRY_ACCEPTED", json!({"registry_name": "ex"}))],
        ),
        step(
            REGISTRY,
            &[("EV_FSO_REGISTRY_ADDED", json!({"name": "ex"}))],
        ),
        step(
            MAIN,
            &[("EV_FSO_REGISTRY_CONFIRMED", json!({"registry_name": "ex"}))],
        ),
        step(
            REGISTRY,
            &[(
                "EV_FSO_ROOT_ADDED",
                json!({"root_info": {"global_root": "/d", "host": "host", "host_root": "/h"}}),
            )],
        ),
        step(
            REGISTRY,
            &[(
                "EV_FSO_REPO_ACCEPTED",
                json!({"repo_info": {"id": "r1", "global_path": "/d/r1"}}),
            )],
        ),
        step(
            REPO,
            &[(
                "EV_FSO_REPO_INIT_STARTED",
                json!({"repo_init_info": {"registry": "ex", "global_path": "/d/r1"}, "registry_event_id": "E-5-0"}),
            )],
        ),
        step(
            REGISTRY,
            &[(
                "EV_FSO_REPO_ADDED",
                json!({"repo_info": {"id": "r1", "global_path": "/d/r1"}, "repo_event_id": "E-6-0"}),
            )],
        ),
    ]
}

/// A request from its beginning to the release after it.
fn worked_off(
    request: &str,
    operation: &str,
    (epoch, result): (u64, &Value),
    earlier: &[&str],
) -> [Step; 4] {
    let ends: Vec<_> = earlier
        .iter()
        .chain([&request])
        .map(|request| json!({"request": request, "operation": operation, "end": "done"}))
        .collect();
    let backlog = json!({"requests": [], "finished": ends, "results_count": epoch,
        "last": {operation: {"request": request, "result": result, "number": epoch}}});
    [
        step(
            LANE,
            &[(
                "EV_FSO_WORK_REQUESTED",
                json!({"request_id": request, "order": {"operation": operation}}),
            )],
        ),
        step(
            LANE,
            &[(
                "EV_FSO_WORK_CLAIMED",
                json!({"epoch": epoch, "instance": "i", "lease": 1}),
            )],
        ),
        step(
            LANE,
            &[(
                "EV_FSO_WORK_STARTED",
                json!({"request_id": request, "epoch": epoch}),
            )],
        ),
        step(
            LANE,
            &[
                (
                    "EV_FSO_WORK_FINISHED",
                    json!({"request_id": request, "epoch": epoch, "result": result, "releases": true}),
                ),
                (
                    "EV_FSO_WORK_RELEASED",
                    json!({"epoch": epoch, "backlog": backlog}),
                ),
            ],
        ),
    ]
}

/// What clients were told in the story.
pub(super) fn told() -> Vec<Promise> {
    let text = str::to_owned;
    let told = [
        Told::Registry(text("ex")),
        Told::Root {
            registry: text("ex"),
            root: text("/d"),
        },
        Told::Repo {
            registry: text("ex"),
            path: text("/d/r1"),
            repo: text("r1"),
        },
        Told::Request {
            repo: text("r1"),
            request: text("q2"),
        },
        Told::Event {
            subject: text(REGISTRY),
            id: text("E-7-0"),
        },
    ];
    told.into_iter().map(promise).collect()
}

/// A promise to the one client of the story.
pub(super) fn promise(told: Told) -> Promise {
    Promise {
        actor: ACTOR.to_owned(),
        command_id: Some("c1".to_owned()),
        told,
    }
}

#[derive(Serialize)]
struct Sealed {
    v: u16,
    commit: String,
    aggregate: String,
    events: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<Previous>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<Value>,
    actor: String,
    hash: ByteBuf,
}

#[derive(Debug, Clone, Serialize)]
struct Previous {
    position: u64,
    commit: String,
    hash: ByteBuf,
}

/// The messages that a journal would hold. Ids name the place of the step in the story.
pub(super) fn sealed(steps: &[Step]) -> Vec<Raw> {
    let mut last: BTreeMap<&str, Previous> = BTreeMap::new();
    let mut sequences: BTreeMap<&str, u64> = BTreeMap::new();
    let mut messages = Vec::new();
    for (n, step) in steps.iter().enumerate() {
        let stream = match step.subject {
            REPO => "FSO_REPO",
            LANE => "FSO_WORK",
            _ => "FSO_REGISTRY",
        };
        let sequence = sequences.entry(stream).or_default();
        *sequence += 1;
        let events = step.facts.iter().enumerate().map(|(k, (kind, data))| {
            json!({"id": format!("E-{n}-{k}"), "schema": 1, "fact": {"type": kind, "data": data}})
        });
        let commit = format!("C-{n}");
        let (payload, hash) = bytes(&Sealed {
            v: 1,
            commit: commit.clone(),
            aggregate: step.subject.to_owned(),
            events: events.collect(),
            previous: last.get(step.subject).cloned(),
            command: step.command.map(|id| json!({"id": id, "digest": ""})),
            actor: ACTOR.to_owned(),
            hash: ByteBuf::from([0; 32]),
        });
        let previous = Previous {
            position: *sequence,
            commit,
            hash,
        };
        last.insert(step.subject, previous);
        messages.push(Raw {
            stream: stream.to_owned(),
            sequence: *sequence,
            subject: step.subject.to_owned(),
            payload,
        });
    }
    messages
}

fn bytes(commit: &Sealed) -> (Vec<u8>, ByteBuf) {
    let mut bytes = rmp_serde::to_vec_named(commit).expect("a commit can be written");
    let hash_at = bytes.len() - 32;
    let hash = Sha256::digest(&bytes[..hash_at - 7]);
    bytes[hash_at..].copy_from_slice(&hash);
    (bytes, ByteBuf::from(hash.to_vec()))
}
