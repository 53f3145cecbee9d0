//! What is wrong in a request is named, whatever the endpoint, and leaves no trace in the journal.
//!
//! Each rule for itself is tested in the gateway; here every endpoint is asked through the real broker.

use serde_json::Value;

use super::REGISTRY;
use super::world::World;

/// Above what the gateway takes, below what the broker takes.
const TOO_LARGE_BYTES: usize = 300 * 1024;
const UUID: &str = "2f1f1c9e-6a5f-4d43-9a6b-0d5b5e3b8a11";

/// An endpoint, and requests of which one field is wrong: the field, and the payload.
struct Endpoint {
    subject: &'static str,
    wrong: &'static [(&'static str, &'static str)],
}

const ENDPOINTS: [Endpoint; 19] = [
    Endpoint {
        subject: "fso.cmd.registry.init",
        wrong: &[
            ("name", r#"{}"#),
            ("name", r#"{"name":"Not A Name"}"#),
            ("name", r#"{"name":7}"#),
            ("vid", r#"{"name":"newreg","vid":"new"}"#),
            ("command_id", r#"{"name":"newreg","command_id":"a b"}"#),
            ("wait", r#"{"name":"newreg","wait":"2 days"}"#),
        ],
    },
    Endpoint {
        subject: "fso.cmd.root.init",
        wrong: &[
            ("registry", r#"{"global_root":"/a","host":"h"}"#),
            (
                "global_root",
                r#"{"registry":"exreg","global_root":"a","host":"h"}"#,
            ),
            (
                "host",
                r#"{"registry":"exreg","global_root":"/a","host":"A B"}"#,
            ),
            (
                "host_root",
                r#"{"registry":"exreg","global_root":"/a","host":"h","host_root":"../x"}"#,
            ),
        ],
    },
    Endpoint {
        subject: "fso.cmd.repo.init",
        wrong: &[
            (
                "author",
                r#"{"registry":"exreg","global_path":"/example/org data/a"}"#,
            ),
            (
                "author",
                r#"{"registry":"exreg","global_path":"/example/org data/a","author":"nobody"}"#,
            ),
            (
                "global_path",
                r#"{"registry":"exreg","global_path":"/a/../b","author":"A <a@example.com>"}"#,
            ),
            (
                "repo",
                r#"{"registry":"exreg","global_path":"/a","author":"A <a@example.com>","repo":"1"}"#,
            ),
        ],
    },
    Endpoint {
        subject: "fso.cmd.repo.clear-error",
        wrong: &[
            ("repo", r#"{"repo":"x"}"#),
            (
                "operation",
                r#"{"repo":"2f1f1c9e-6a5f-4d43-9a6b-0d5b5e3b8a11","operation":"x"}"#,
            ),
        ],
    },
    Endpoint {
        subject: "fso.cmd.repo.stat",
        wrong: &[
            ("repo", r#"{"repo":"2F1F1C9E-6A5F-4D43-9A6B"}"#),
            (
                "mtime_range",
                r#"{"repo":"2f1f1c9e-6a5f-4d43-9a6b-0d5b5e3b8a11","mtime_range":"all"}"#,
            ),
            (
                "confirm_emptied",
                r#"{"repo":"2f1f1c9e-6a5f-4d43-9a6b-0d5b5e3b8a11","confirm_emptied":"yes"}"#,
            ),
        ],
    },
    Endpoint {
        subject: "fso.cmd.request.cancel",
        wrong: &[(
            "request",
            r#"{"repo":"2f1f1c9e-6a5f-4d43-9a6b-0d5b5e3b8a11","request":"x"}"#,
        )],
    },
    Endpoint {
        subject: "fso.cmd.parked.retry",
        wrong: &[("subject", r#"{"reaction":"repoinit"}"#)],
    },
    Endpoint {
        subject: "fso.cmd.parked.skip",
        wrong: &[("reaction", r#"{"subject":"fso.ev._.main.main"}"#)],
    },
    Endpoint {
        subject: "fso.get.registries",
        wrong: &[],
    },
    Endpoint {
        subject: "fso.get.registry",
        wrong: &[("registry", r#"{"registry":""}"#)],
    },
    Endpoint {
        subject: "fso.get.roots",
        wrong: &[("registry", r#"{"registry":["exreg"]}"#)],
    },
    Endpoint {
        subject: "fso.get.root",
        wrong: &[("global_root", r#"{"registry":"exreg","global_root":""}"#)],
    },
    Endpoint {
        subject: "fso.get.repos",
        wrong: &[
            ("limit", r#"{"registry":"exreg","limit":0}"#),
            ("limit", r#"{"registry":"exreg","limit":5001}"#),
        ],
    },
    Endpoint {
        subject: "fso.get.repo",
        wrong: &[("repo", r#"{"repo":null}"#)],
    },
    Endpoint {
        subject: "fso.get.events",
        wrong: &[
            ("registry", r#"{"registry":"-"}"#),
            ("limit", r#"{"registry":"exreg","limit":-1}"#),
            ("wait", r#"{"registry":"exreg","wait":"61m"}"#),
        ],
    },
    Endpoint {
        subject: "fso.get.request",
        wrong: &[(
            "request",
            r#"{"repo":"2f1f1c9e-6a5f-4d43-9a6b-0d5b5e3b8a11"}"#,
        )],
    },
    Endpoint {
        subject: "fso.get.outcome",
        wrong: &[("command_id", r#"{"command_id":""}"#)],
    },
    Endpoint {
        subject: "fso.get.workers",
        wrong: &[("host", r#"{"host":"a_b"}"#)],
    },
    Endpoint {
        subject: "fso.get.parked",
        wrong: &[],
    },
];

#[test]
fn what_is_wrong_is_named_and_leaves_no_trace() {
    let world = World::with_root();
    let before = world.message_counts();
    assert!(before["FSO_REGISTRY"] > 0, "{before:?}");
    for Endpoint { subject, wrong } in ENDPOINTS {
        for garbage in ["{", "[]", "7", "\u{0}"] {
            assert_refused(&world, subject, garbage.as_bytes(), "malformed");
        }
        assert_refused(&world, subject, &[0xff, 0xfe], "malformed");
        let large = format!("{{\"name\":\"{}\"}}", "x".repeat(TOO_LARGE_BYTES));
        assert_refused(&world, subject, large.as_bytes(), "too-large");
        let stranger = br#"{"no_such_field":1}"#;
        let refused = assert_refused(&world, subject, stranger, "invalid-field");
        assert_eq!(
            refused["details"]["field"], "no_such_field",
            "{subject}: {refused}"
        );
        for (field, payload) in wrong {
            let refused = assert_refused(&world, subject, payload.as_bytes(), "invalid-field");
            assert_eq!(
                refused["details"]["field"], *field,
                "{subject} {payload}: {refused}"
            );
        }
    }
    assert_eq!(world.message_counts(), before);
}

#[test]
fn what_is_well_formed_and_cannot_be_is_refused_and_leaves_no_trace() {
    let world = World::with_root();
    let before = world.message_counts();
    let repo = |more: &str| format!(r#"{{"repo":"{UUID}"{more}}}"#);
    let request = repo(&format!(r#","request":"{UUID}""#));
    let init = |path: &str| {
        format!(
            r#"{{"registry":"{REGISTRY}","global_path":"{path}","author":"A <a@example.com>"}}"#
        )
    };
    for (subject, payload, code) in [
        (
            "fso.cmd.root.init",
            r#"{"registry":"other","global_root":"/a","host":"h"}"#.to_owned(),
            "not-found",
        ),
        (
            "fso.cmd.repo.init",
            init("/example/org data/missing"),
            "init-denied",
        ),
        (
            "fso.cmd.repo.clear-error",
            repo(r#","operation":"stat""#),
            "not-found",
        ),
        ("fso.cmd.repo.clear-error", repo(""), "invalid-field"),
        ("fso.cmd.repo.stat", repo(""), "not-found"),
        ("fso.cmd.request.cancel", request.clone(), "not-found"),
        (
            "fso.get.registry",
            r#"{"registry":"other"}"#.to_owned(),
            "not-found",
        ),
        (
            "fso.get.roots",
            r#"{"registry":"other"}"#.to_owned(),
            "not-found",
        ),
        (
            "fso.get.root",
            format!(r#"{{"registry":"{REGISTRY}","global_root":"/a"}}"#),
            "not-found",
        ),
        (
            "fso.get.repos",
            r#"{"registry":"other"}"#.to_owned(),
            "not-found",
        ),
        ("fso.get.repo", repo(""), "not-found"),
        ("fso.get.request", request, "not-found"),
        ("fso.get.events", "{}".to_owned(), "invalid-field"),
        (
            "fso.cmd.parked.skip",
            r#"{"reaction":"a","subject":"b"}"#.to_owned(),
            "not-found",
        ),
    ] {
        assert_refused(&world, subject, payload.as_bytes(), code);
    }
    assert_eq!(world.message_counts(), before);
}

fn assert_refused(world: &World, subject: &str, payload: &[u8], code: &str) -> Value {
    let answer = world.request(subject, payload);
    let error = &answer["error"];
    let shown = String::from_utf8_lossy(&payload[..payload.len().min(100)]);
    assert_eq!(error["code"], code, "{subject} {shown}: {answer}");
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|text| !text.is_empty()),
        "{answer}"
    );
    error.clone()
}
