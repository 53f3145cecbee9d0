//! Each answer as it reads.

use jiff::tz::TimeZone;
use nogfso_contract::command::{
    ErrorCleared, ParkedDone, RegistryAccepted, RepoAccepted, RequestCancelled, RootReady,
    StatAccepted,
};
use nogfso_contract::query::{
    OutcomeFound, ParkedList, Registries, RegistryInfo, RepoInfo, RepoList, RequestInfo, RootFound,
    RootList, WorkerList,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Look, Render};

const REPO: &str = "0b5e7c3a-6f0e-4c1e-9d52-1f4d2a8c7b11";
const TIME: &str = "2026-01-02T03:04:05.678Z";

fn text<T: Render + DeserializeOwned>(reply: Value) -> String {
    let reply: T = serde_json::from_value(reply).unwrap();
    reply.text(&Look {
        zone: TimeZone::UTC,
    })
}

#[test]
fn what_a_command_did_is_told_in_fields() {
    assert_eq!(
        text::<RegistryAccepted>(json!({"registry": "r", "main_vid": "V", "confirmed": true})),
        "registry: r\nmainVid: V\nconfirmed: true\n"
    );
    assert_eq!(
        text::<RootReady>(json!({"registry": "r", "registry_vid": "V", "global_root": "/a b"})),
        "registry: r\nregistryVid: V\nglobalRoot: /a b\n"
    );
    assert_eq!(
        text::<RepoAccepted>(json!({"registry": "r", "registry_vid": "V", "repo": REPO})),
        format!("registry: r\nregistryVid: V\nrepo: {REPO}\n")
    );
    assert_eq!(
        text::<ErrorCleared>(json!({"repo": REPO, "repo_vid": "V"})),
        format!("repo: {REPO}\nrepoVid: V\n")
    );
    assert_eq!(text::<ParkedDone>(json!({})), "");
}

#[test]
fn a_registry_is_told_in_numbers() {
    assert_eq!(
        text::<RegistryInfo>(json!({"registry": "r", "vid": "V", "num_roots": 1, "num_repos": 2})),
        "registry: r\nvid: V\nnumRoots: 1\nnumRepos: 2\n"
    );
}

#[test]
fn lists_are_tables_below_their_versions() {
    assert_eq!(
        text::<Registries>(json!({
            "main": "main", "vid": "V",
            "registries": [{"name": "exreg", "confirmed": true}, {"name": "b", "confirmed": false}]
        })),
        "main: main\nvid: V\nregistries:\n NAME   CONFIRMED\n exreg  yes\n b      no\n"
    );
    let root = json!({"global_root": "/ex", "host": "h", "host_root": "/srv/a b"});
    assert_eq!(
        text::<RootList>(json!({"registry": "r", "vid": "V", "roots": [root]})),
        "registry: r\nvid: V\nroots:\n GLOBAL ROOT  HOST  HOST ROOT  GITLAB\n /ex          h     /srv/a b\n"
    );
    let repo = json!({"id": REPO, "global_path": "/ex/a b", "confirmed": true});
    assert_eq!(
        text::<RepoList>(json!({"registry": "r", "vid": "V", "repos": [repo]})),
        format!(
            "registry: r\nvid: V\nrepos:\n ID                                    CONFIRMED  GLOBAL PATH\n {REPO}  yes        /ex/a b\n"
        )
    );
}

#[test]
fn empty_lists_say_so() {
    assert!(
        text::<Registries>(json!({"main": "main", "vid": "V", "registries": []}))
            .ends_with("\nregistries: []\n")
    );
    assert_eq!(text::<WorkerList>(json!({"workers": []})), "workers: []\n");
    assert_eq!(text::<ParkedList>(json!({"entries": []})), "parked: []\n");
}

#[test]
fn a_root_is_told_in_fields() {
    let root = json!({
        "global_root": "/ex", "host": "h", "host_root": "/srv", "gitlab_namespace": "g/x"
    });
    assert_eq!(
        text::<RootFound>(json!({"registry": "r", "registry_vid": "V", "root": root})),
        "registry: r\nregistryVid: V\nglobalRoot: /ex\nhost: h\nhostRoot: /srv\ngitlabNamespace: g/x\n"
    );
}

#[test]
fn a_repo_is_indented_json_with_its_shadow_on_one_line() {
    let long = format!("h:/shadow/{}/{REPO}.fso", "a b".repeat(60));
    let shown = text::<RepoInfo>(json!({
        "repo": REPO, "vid": "V", "registry": "r", "global_path": "/ex/r", "file": "h:/ex/r",
        "shadow": long, "storage_tier": "ST_ONLINE", "subdir_tracking": "enter-subdirs",
        "work": {"requests": [], "last": []},
    }));
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(
        lines[..3],
        [
            "{",
            &format!("  \"repo\": \"{REPO}\","),
            "  \"vid\": \"V\","
        ]
    );
    assert!(
        lines.contains(&&*format!("  \"shadow\": \"{long}\",")),
        "{shown}"
    );
    for key in ["globalPath", "storageTier", "subdirTracking"] {
        assert!(shown.contains(&format!("\"{key}\": ")), "{shown}");
    }
    assert!(!shown.contains("error"), "{shown}");
}

fn request(more: Value) -> Value {
    let mut request = json!({
        "request": REPO, "operation": "stat", "state": "waiting", "time": TIME
    });
    for (key, value) in more.as_object().unwrap() {
        request[key] = value.clone();
    }
    request
}

#[test]
fn a_request_tells_what_it_waits_for() {
    let waiting = request(json!({"reason": "no worker", "held_by": "w1"}));
    let fields = format!(
        "request: {REPO}\noperation: stat\nstate: waiting\nreason: no worker\nheldBy: w1\n\
         time: 2026-01-02 03:04:05 UTC\n"
    );
    assert_eq!(text::<RequestInfo>(waiting.clone()), fields);
    assert_eq!(
        text::<RequestCancelled>(json!({"request": waiting})),
        fields
    );
    assert_eq!(
        text::<StatAccepted>(json!({"repo": REPO, "request": REPO, "ended": waiting})),
        format!("repo: {REPO}\n{fields}")
    );
}

#[test]
fn a_request_tells_how_it_ended() {
    let problems = json!({"paths": [{"path": "a", "reason": "no"}], "path_count": 12});
    let failed = request(json!({
        "state": "failed",
        "result": {"end": "failed", "code": "io", "message": "disk", "problems": problems}
    }));
    let failed = text::<RequestInfo>(failed);
    assert!(
        failed.ends_with("code: io\nerror: disk\nproblemPaths: 12\n  - path: \"a\", no\n"),
        "{failed}"
    );
    let adopted = text::<RequestInfo>(request(json!({
        "state": "done",
        "result": {"end": "done", "outcome": "committed", "shadow_path": "/s", "bytes": 1_536}
    })));
    assert!(
        adopted.contains("outcome: committed\nshadowPath: /s\n"),
        "{adopted}"
    );
    assert!(adopted.ends_with("size: 1.50 KiB\n"), "{adopted}");
}

#[test]
fn an_outcome_tells_the_commit() {
    assert_eq!(
        text::<OutcomeFound>(json!({"stored": false})),
        "stored: false\n"
    );
    let event = json!({"event": "EV_A", "id": "I", "parent": "P", "etime": TIME});
    assert_eq!(
        text::<OutcomeFound>(json!({"stored": true, "commit": {
            "commit": "C", "aggregate": "fso.ev._.main.main", "actor": "user:a", "vid": "I",
            "events": [event]
        }})),
        "stored: true\ncommit: C\naggregate: fso.ev._.main.main\nactor: user:a\nvid: I\nevents:\n \
         EVENT  ID  TIME\n EV_A   I   2026-01-02 03:04:05 UTC\n"
    );
}

#[test]
fn workers_are_a_table() {
    let shown = text::<WorkerList>(json!({"workers": [{
        "host": "h", "instance": "w1", "prefixes": ["/ex", "/a b"], "shadow_root": "/s",
        "limits": {"files_max": 0, "bytes_max": 0}, "version": "0.1.0", "slots": 4, "busy": 1,
        "started_ms": 1_767_323_045_678_u64, "ready": true, "seen_ms_ago": 1_200
    }]}));
    let rows: Vec<_> = shown.lines().collect();
    assert!(
        rows[0].starts_with(" HOST  INSTANCE  READY  BUSY"),
        "{shown}"
    );
    for cell in [
        " h ",
        " w1 ",
        " yes ",
        " 1/4 ",
        "2026-01-02 03:04:05 UTC",
        "1s ago",
        "/ex, /a b",
    ] {
        assert!(rows[1].contains(cell), "{cell}: {shown}");
    }
}

#[test]
fn what_is_parked_is_a_table() {
    let shown = text::<ParkedList>(json!({"entries": [{
        "reaction": "carry", "subject": "fso.ev.r.registry.r", "item": "x", "reason": "why",
        "time": TIME, "retrying": false
    }]}));
    assert!(
        shown.ends_with(
            " carry     fso.ev.r.registry.r  x     2026-01-02 03:04:05 UTC  no        why\n"
        ),
        "{shown}"
    );
}
